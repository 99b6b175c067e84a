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

_RELAY = [
    *("smtpd_tls_security_level", "smtpd_tls_chain_files", "smtpd_tls_cert_file", "smtpd_tls_key_file"),
    *("smtp_tls_protocols", "smtpd_tls_protocols", "tls_required_enable"),
]

_WITHDRAWN: dict[str, dict[str, list[Any]]] = {
    "mta_relay": {"parameters": _RELAY},
    "smarthost": {
        "parameters": [*_RELAY, "relay_clientcerts", "smtpd_sasl_type", "smtpd_sasl_path"],
        "services": [{"service": name, "state": "disabled"} for name in ("submission/inet", "submissions/inet")],
    },
    "roadwarrior": {
        "parameters": [
            *("relayhost", "smtp_tls_wrappermode", "smtp_tls_fingerprint_cert_match", "smtp_tls_mandatory_ciphers"),
            "tls_required_enable",
            *("smtp_tls_chain_files", "smtp_tls_cert_file", "smtp_tls_key_file"),
            *("smtp_sasl_auth_enable", "smtp_sasl_password_maps", "smtp_sasl_security_options"),
            *("smtp_sasl_tls_security_options", "smtp_sasl_tls_verified_security_options"),
            *("inet_interfaces", "mydestination", "local_transport", "virtual_alias_maps", "transport_maps"),
            *("maximal_queue_lifetime", "bounce_queue_lifetime", "maximal_backoff_time", "delay_warning_time"),
        ],
        "services": [
            {"service": "smtp/unix", "options": {"soft_bounce": None}},
            {"service": "smarthost/unix", "state": "absent"},
        ],
        "files": [
            "/etc/systemd/system/mailops-postfix-flush.service",
            "/etc/systemd/system/postfix.service.d/mailops-postfix-flush.conf",
        ],
    },
}
"""What a role derives besides what each of the others sets itself."""


def former_owners(role: str) -> dict[str, dict[str, Any]]:
    """For each other role what the option ``former_owners`` of the module configuration needs."""
    return {
        other: {
            "remedy": f"{remedy(role, other)}. To replace the role {other}, set {role}_take_over to true",
            **_WITHDRAWN[other],
        }
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
