# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lists of restrictions of smtpd(8), element by element: whom they may permit, how long they wait. Private to mailops.postfix. Pure.

Source: postconf(5), SMTPD_ACCESS_README, src/smtpd/smtpd_check.c.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Iterator, Mapping, Optional, Sequence

from .._formats.main_cf import braced_words, words
from .._formats.master_cf import MasterEntry
from .configuration import Configuration
from .relaying import LISTS
from .restrictions import ACCESS_LISTS, Restriction, restrictions

RCPT_LISTS = (
    "smtpd_client_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
)
"""The lists that a recipient must pass, in this order."""

_DEPTH = 10

# What permits clients that smtpd(8) does not know: those of a table, a list on the Internet, or a policy service.
_PERMITS_SOME = re.compile(
    r"permit|ok|permit_(auth_destination|mx_backup|naked_ip_address)|permit_(dnswl|rhswl)_client|check_\w+|permit_\w+_client"
)
_REJECTS_ALL = frozenset(["reject", "defer"])


@dataclass(frozen=True)
class Closing:
    """The element of a list that rejects the clients that no element before it permits."""

    list_name: str
    value: str
    element: Restriction
    authenticated: bool
    """Whether an element before it permits clients that authenticate themselves."""
    others: bool
    """Whether an element before it may permit other clients: those of a network or a table, or whom a policy service knows."""
    own: bool
    """Whether an element before it permits this host."""


def restriction_elements(
    configuration: Configuration, service: Optional[MasterEntry], list_name: str
) -> Iterator[Restriction]:
    """The restrictions of a list, with those of classes in place of their names; not what is after ``warn_if_reject``."""
    value = configuration.value(list_name, service) or ""
    classes = words(configuration.value("smtpd_restriction_classes", service) or "")
    return _elements(configuration, service, value, LISTS.get(list_name, ""), classes, 0)


def _elements(
    configuration: Configuration,
    service: Optional[MasterEntry],
    value: str,
    default: str,
    classes: Sequence[str],
    depth: int,
) -> Iterator[Restriction]:
    for restriction in restrictions(braced_words(value), default):
        if restriction.name in classes and depth < _DEPTH and not restriction.warns_only:
            value_of_class = configuration.value(restriction.name, service) or ""
            yield from _elements(configuration, service, value_of_class, default, classes, depth + 1)
        elif not restriction.warns_only or restriction.name == "sleep":
            yield restriction


def closing_of(configuration: Configuration, service: Optional[MasterEntry], list_name: str) -> Closing | None:
    """Where a list rejects all clients that it has not permitted; None if it does not."""
    value = configuration.value(list_name, service) or ""
    authenticated = others = own = False
    for element in restriction_elements(configuration, service, list_name):
        constant = _constant(element)
        if element.name in _REJECTS_ALL or constant == "reject":
            return Closing(list_name, value, element, authenticated, others, own)
        if element.name in ("permit", "ok") or constant == "permit":
            return None
        authenticated |= _permits_authenticated(configuration, service, element.name)
        own |= element.name in ("permit_inet_interfaces", "permit_mynetworks")
        others |= not constant and _permits_others(configuration, service, element)
    return None


def configured_waits(configuration: Configuration, service: MasterEntry) -> float:
    """The seconds that a client waits for a reply because the configuration says so."""
    seconds = 0
    for list_name in (*RCPT_LISTS, "smtpd_etrn_restrictions", "smtpd_data_restrictions"):
        for element in restriction_elements(configuration, service, list_name):
            if element.name == "sleep" and element.argument.isdigit():
                seconds += int(element.argument)
    return float(seconds)


def checked_policy_services(configuration: Configuration, service: MasterEntry) -> Mapping[str, str]:
    """The policy services that a recipient is checked with, and the list that names each."""
    return {
        element.argument: list_name
        for list_name in RCPT_LISTS
        for element in restriction_elements(configuration, service, list_name)
        if element.name == "check_policy_service"
    }


def access_tables(configuration: Configuration, service: MasterEntry) -> Sequence[tuple[str, str]]:
    """The tables that the lists name, each with its list."""
    return [
        (list_name, element.argument)
        for list_name in RCPT_LISTS
        for element in restriction_elements(configuration, service, list_name)
        if ACCESS_LISTS.fullmatch(element.name)
    ]


def _permits_authenticated(configuration: Configuration, service: Optional[MasterEntry], name: str) -> bool:
    if name in ("permit_sasl_authenticated", "check_sasl_access"):
        return configuration.is_on("smtpd_sasl_auth_enable", service)
    if name in ("permit_tls_clientcerts", "permit_tls_all_clientcerts", "check_ccert_access"):
        asks = configuration.is_on("smtpd_tls_ask_ccert", service) or configuration.is_on(
            "smtpd_tls_req_ccert", service
        )
        has_tls = configuration.level(service, "smtpd") != "none" or configuration.is_on(
            "smtpd_tls_wrappermode", service
        )
        return asks and has_tls
    return False


def _permits_others(configuration: Configuration, service: Optional[MasterEntry], element: Restriction) -> bool:
    if element.name == "permit_mynetworks":
        networks = configuration.value("mynetworks", service)
        return networks is None or any(not _is_loopback(word) for word in words(networks))
    if element.name in ("check_sasl_access", "check_ccert_access"):
        return False
    return _PERMITS_SOME.fullmatch(element.name) is not None


def _is_loopback(word: str) -> bool:
    try:
        network = ipaddress.ip_network(re.sub(r"[\[\]]", "", word.lstrip("!")), strict=False)
    except ValueError:
        return False
    mapped = network.network_address.ipv4_mapped if network.version == 6 else None
    return network.is_loopback or bool(mapped and mapped.is_loopback)


def _constant(element: Restriction) -> str:
    """``permit`` or ``reject`` if a table of one result permits or rejects all; otherwise empty."""
    table = element.argument
    found = re.fullmatch(r"static:\{?\s*(ok|permit|reject|defer|[45]\d\d)\b[^}]*\}?", table, re.IGNORECASE)
    if found is None:
        return ""
    return "permit" if found.group(1).lower() in ("ok", "permit") else "reject"
