# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The grammar of smtpd(8)'s access restrictions. Private to mailops.postfix. Pure.

Source: postconf(5), SMTPD_ACCESS_README, src/smtpd/smtpd_check.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterator, Sequence

from .._formats.main_cf import braced_words

# fmt: off
PLAIN = frozenset([
    "permit", "reject", "defer", "defer_if_permit", "defer_if_reject", "dunno", "ok", "warn_if_reject",
    "permit_inet_interfaces", "permit_mynetworks", "permit_sasl_authenticated", "permit_tls_clientcerts",
    "permit_tls_all_clientcerts", "permit_auth_destination", "permit_mx_backup", "permit_naked_ip_address",
    "reject_authenticated_sender_login_mismatch", "reject_known_sender_login_mismatch",
    "reject_sender_login_mismatch", "reject_unauthenticated_sender_login_mismatch", "reject_invalid_helo_hostname",
    "reject_invalid_hostname", "reject_non_fqdn_helo_hostname", "reject_non_fqdn_hostname",
    "reject_non_fqdn_recipient", "reject_non_fqdn_sender", "reject_plaintext_session", "reject_unauth_destination",
    "defer_unauth_destination", "reject_unauth_pipelining", "reject_unknown_address", "reject_unknown_client",
    "reject_unknown_client_hostname", "reject_unknown_helo_hostname", "reject_unknown_hostname",
    "reject_unknown_recipient_domain", "reject_unknown_sender_domain", "reject_unknown_forward_client_hostname",
    "reject_unknown_reverse_client_hostname", "reject_unlisted_recipient", "reject_unlisted_sender",
    "reject_unverified_recipient", "reject_unverified_sender", "reject_multi_recipient_bounce", "reject_maps_rbl",
    "check_relay_domains", "check_recipient_maps", "check_sasl_access", "permit_dnswl", "permit_rhswl",
])
# fmt: on

_DOMAIN = r"(reject|permit)_(rbl_client|rhsbl_(client|sender|recipient|helo|reverse_client)|dnswl_client|rhswl_client)"
_OBJECTS = r"client|reverse_client_hostname|helo|sender|recipient|etrn|ccert|sasl"
_KINDS = r"_ns|_mx|_a"
_ACCESS = rf"check_(({_OBJECTS})({_KINDS})?|(client|reverse_client_hostname)_hostname(_ns|_mx|_a))_access"
ACCESS_LISTS = re.compile(_ACCESS)
WITH_ARGUMENT = re.compile(rf"{_DOMAIN}|{_ACCESS}|check_policy_service|sleep")
NAMES = sorted(
    PLAIN
    | {f"check_{name}_access" for name in _OBJECTS.split("|")}
    | {f"check_{name}{kind}_access" for name in ("client", "helo", "sender", "recipient") for kind in _KINDS.split("|")}
    | {"check_policy_service", "reject_rbl_client", "reject_rhsbl_client", "reject_rhsbl_helo", "reject_rhsbl_sender"}
    | {"reject_rhsbl_recipient", "permit_dnswl_client", "permit_rhswl_client", "sleep"}
)

CLOSING = frozenset(
    [
        "reject",
        "defer",
        "defer_if_permit",
        "reject_unauth_destination",
        "defer_unauth_destination",
        "check_relay_domains",
    ]
)
"""Restrictions after which mail from an unknown client to a remote domain is rejected."""


@dataclass(frozen=True)
class Restriction:
    """One restriction of a list."""

    name: str
    """In lower case; that of a class as written."""
    argument: str = ""
    """Its table, domain or service."""
    warns_only: bool = False
    """Whether it follows warn_if_reject, so that a rejection is only logged."""


def restrictions(elements: Sequence[str], default: str = "") -> Iterator[Restriction]:
    """The restrictions of a list.

    :param default: the restriction that a table on its own means, such as ``check_client_access``.
    """
    words = iter(elements)
    warns_only = False
    for word in words:
        lower = word.lower()
        if lower == "warn_if_reject":
            warns_only = True
            continue
        if WITH_ARGUMENT.fullmatch(lower):
            yield Restriction(lower, next(words, ""), warns_only)
        elif ":" in word and not word.startswith("{"):
            yield Restriction(default, word, warns_only)
        else:
            yield Restriction(lower if lower in PLAIN else word, "", warns_only)
        warns_only = False


def table_words(value: str) -> Iterator[str]:
    """The tables in a list of restrictions: arguments of check_*_access, and ``type:name`` on its own."""
    elements = iter(braced_words(value))
    for word in elements:
        if ":" in word and not word.startswith("{"):
            yield word
        elif ACCESS_LISTS.fullmatch(word.lower()):
            yield from (argument for argument in [next(elements, "")] if ":" in argument)
        elif WITH_ARGUMENT.fullmatch(word.lower()):
            next(elements, "")
