# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a message with the header ``TLS-Required: no`` would bypass (RFC 8689). Private to mailops.postfix. Pure.

With ``tls_required_enable = yes``, the default since Postfix 3.10, the sender of a message reduces the level of each next hop to ``may``,
pins and DANE included (src/smtp/smtp_tls_policy.c). cleanup(8) and the SMTP client both read the parameter.
"""

from __future__ import annotations

from typing import Callable, Mapping, Optional

from .._formats import tls_levels
from .._formats.main_cf import braced_words, words
from .._formats.master_cf import MasterEntry
from .configuration import Configuration

PARAMETER = "tls_required_enable"

Entries = Callable[[str], Optional[Mapping[str, str]]]
"""A function that returns the entries of a table, named as in main.cf; None if they can't be listed."""


def demanded(configuration: Configuration, service: MasterEntry, side: str, entries: Entries) -> str:
    """What demands more than ``may`` of a transport, for messages; empty if nothing does.

    :param side: ``smtp`` or ``lmtp``.
    """
    level = configuration.level(service, side)
    if _is_bypassed(level):
        return f"{side}_tls_security_level = {level}"
    for name in braced_words(configuration.value(f"{side}_tls_policy_maps", service) or ""):
        policies = entries(name)
        if policies is None:
            return f"the policies of {name}"
        by_value = {value: key for key, value in policies.items()}  # in a large table, many entries share a value
        for value, key in by_value.items():
            if _is_bypassed("".join(words(value)[:1])):
                return f"the policy for {key} in {name}"
    return ""


def demands(configuration: Configuration, entries: Entries) -> bool:
    """Whether any transport of a configuration demands more than ``may`` of a next hop."""
    return any(
        demanded(configuration, service, side, entries)
        for side in ("smtp", "lmtp")
        for service in configuration.of_command(side)
    )


def _is_bypassed(level: str) -> bool:
    return tls_levels.STRENGTH.get(level.lower(), 0) > tls_levels.STRENGTH["may"]
