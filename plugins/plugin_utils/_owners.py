# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The roles that own an instance, and what to do instead of applying two of them to one instance. Private to mailops.postfix."""

from __future__ import annotations

from typing import Any

ROLES = ("mta_relay", "smarthost", "roadwarrior")
"""The roles of which an instance can have one."""

_REMEDIES = {
    ("mta_relay", "smarthost"): (
        "The role smarthost includes what mta_relay does: write the variables of mta_relay with the prefix smarthost_, and remove the role "
        "mta_relay from this host"
    ),
    ("mta_relay", "roadwarrior"): (
        "To send the mail of a relay through another host, set relayhost in mta_relay_main_cf and its policy in mta_relay_tls_policies, and "
        "remove the role roadwarrior from this host"
    ),
    ("smarthost", "roadwarrior"): (
        "To send the mail of a smarthost through another one, set relayhost in smarthost_main_cf and its policy in smarthost_tls_policies, and "
        "remove the role roadwarrior from this host"
    ),
}


def owner_remedies(role: str) -> dict[str, str]:
    """For each other role the end of the error of a run that applies this role to its instance."""
    return {
        other: f"{remedy(role, other)}. To replace the role {other}, set {role}_take_over to true"
        for other in ROLES
        if other != role
    }


def remedy(role: str, other: str) -> str:
    """What to do instead of applying both roles to one instance."""
    return _REMEDIES.get((role, other)) or _REMEDIES.get((other, role)) or f"Remove one of the roles {role} and {other}"


def second_owner(role: str, owner: Any, take_over: Any) -> list[str]:
    """A sentence if another role has been applied to this instance in this run."""
    if not owner or owner == role or take_over:
        return []
    return [
        f"the role {owner} has been applied to this Postfix instance in this run, and an instance has one of the roles "
        f"{', '.join(ROLES)}. {remedy(role, str(owner))}. To replace the role {owner}, set {role}_take_over to true"
    ]
