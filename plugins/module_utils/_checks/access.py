# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of smtpd(8)'s access restrictions: unknown words, and open relays. Private to mailops.postfix. Pure.

Source: postconf(5), SMTPD_ACCESS_README, src/smtpd/smtpd_check.c.
"""

from __future__ import annotations

import re
from typing import Dict, FrozenSet, Iterator, List, Optional, Tuple

from .._errors import did_you_mean
from .._formats.main_cf import braced_words, words
from .._formats.master_cf import MasterEntry
from .._model import parameters
from .._model.configuration import Configuration, shown
from .._model.finding import Finding

# fmt: off
_PLAIN = frozenset([
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
_ACCESS_LISTS = re.compile(_ACCESS)
_WITH_ARGUMENT = re.compile(rf"{_DOMAIN}|{_ACCESS}|check_policy_service|sleep")
_NAMES = sorted(
    _PLAIN
    | {f"check_{name}_access" for name in _OBJECTS.split("|")}
    | {f"check_{name}{kind}_access" for name in ("client", "helo", "sender", "recipient") for kind in _KINDS.split("|")}
    | {"check_policy_service", "reject_rbl_client", "reject_rhsbl_client", "reject_rhsbl_helo", "reject_rhsbl_sender"}
    | {"reject_rhsbl_recipient", "permit_dnswl_client", "permit_rhswl_client", "sleep"}
)

# Restrictions after which mail from an unknown client to a remote domain is rejected.
_CLOSED = frozenset(
    [
        "reject",
        "defer",
        "defer_if_permit",
        "reject_unauth_destination",
        "defer_unauth_destination",
        "check_relay_domains",
    ]
)

_LISTS = (
    "smtpd_client_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
    "smtpd_data_restrictions",
    "smtpd_end_of_data_restrictions",
)
_REQUIRED_IN = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")
_REMEDY = "Write smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination, or end the list with reject"


def access_findings(configuration: Configuration) -> Iterator[Finding]:
    """The findings of this module."""
    yield from _unknown_restrictions(configuration)
    for service in configuration.of_command("smtpd"):
        if service.column("type") in ("inet", "pass"):
            yield from _relaying(configuration, service)
    yield from _all_senders_authorized(configuration)


def table_words(value: str) -> Iterator[str]:
    """The tables in a list of restrictions: arguments of check_*_access, and ``type:name`` on its own."""
    elements = iter(braced_words(value))
    for word in elements:
        if ":" in word and not word.startswith("{"):
            yield word
        elif _ACCESS_LISTS.fullmatch(word.lower()):
            yield from (argument for argument in [next(elements, "")] if ":" in argument)
        elif _WITH_ARGUMENT.fullmatch(word.lower()):
            next(elements, "")


def _classes(configuration: Configuration, service: Optional[MasterEntry]) -> Dict[str, str]:
    names = words(configuration.value("smtpd_restriction_classes", service) or "")
    return {name: configuration.value(name, service) or "" for name in names}


def _unknown_restrictions(configuration: Configuration) -> Iterator[Finding]:
    main_classes = set(_classes(configuration, None))
    for name, written, service in configuration.all_settings():
        parameter = parameters.find_parameter(name)
        classes = _classes(configuration, service) if service else dict.fromkeys(main_classes, "")
        if name not in classes and not (parameter and parameter.kind == "restriction list"):
            continue
        value = configuration.expanded(written, service)
        if value is None:
            continue
        for cause, remedy in _wrong_words(value, frozenset(classes)):
            yield Finding(
                "unknown_restriction",
                shown(name, written) + (f" in service {service.key}" if service else ""),
                cause,
                remedy,
                configuration.where(name, service),
                frozenset([configuration.setting(name, service)]),
            )


def _wrong_words(value: str, classes: FrozenSet[str]) -> Iterator[Tuple[str, str]]:
    elements = iter(braced_words(value))
    for word in elements:
        lower = word.lower()
        if lower in _PLAIN or word in classes or ":" in word or word.startswith("{"):
            continue
        if _WITH_ARGUMENT.fullmatch(lower):
            argument = next(elements, None)
            if argument is None:
                yield f"{word} has no argument", f"Write {word} and its argument"
            elif _ACCESS_LISTS.fullmatch(lower) and ":" not in argument:
                yield (
                    f"{word} needs a table, and {argument!r} has no type",
                    f"Write {word} TYPE:/path/to/table, with a type of postconf -m",
                )
            continue
        hint = did_you_mean(lower, [*_NAMES, *classes], cutoff=0.7)
        yield (
            f"{word!r} is not a valid restriction: smtpd(8) answers every client with a temporary error",
            f"{hint}A class of your own must be named in smtpd_restriction_classes",
        )


# Relaying


def _relaying(configuration: Configuration, service: MasterEntry) -> Iterator[Finding]:
    lists: Dict[str, List[str]] = {}
    for name in _LISTS:
        value = configuration.value(name, service)
        if value is None:
            return
        lists[name] = braced_words(value)
    incomplete = any(_is_undefined(configuration, configuration.raw(service).get(name, "")) for name in _LISTS)
    classes = _classes(configuration, service)
    settings = configuration.settings_of(service, *_LISTS, "mynetworks", "smtpd_restriction_classes", *classes)
    described = [name for name in _REQUIRED_IN if configuration.where(name, service)] or ["smtpd_relay_restrictions"]
    subject = f"{' and '.join(described)} of service {service.key}"
    where = configuration.where(described[0], service) or configuration.place(service)
    if not any(_mentions(lists[name], classes) for name in _REQUIRED_IN):
        yield Finding(
            "open_relay",
            subject,
            "they do not reject mail from unknown clients to remote domains, and smtpd(8) does not start without that",
            _REMEDY,
            where,
            settings,
            standalone=incomplete,
        )
        return
    if _is_loopback(configuration, service):
        return
    networks = _all_networks(configuration.value("mynetworks", service) or "")
    results = [_result(lists[name], classes, bool(networks), 0) for name in _LISTS]
    if "closed" in results:
        return
    if networks and "closed" in [_result(lists[name], classes, False, 0) for name in _LISTS]:
        yield Finding(
            "open_relay",
            f"mynetworks with {networks} in service {service.key}",
            "it makes every client a trusted one, which may relay to any destination",
            "List your own networks",
            configuration.where("mynetworks", service),
            configuration.settings_of(service, "mynetworks", *_REQUIRED_IN),
        )
        return
    yield Finding(
        "open_relay",
        subject,
        "mail from an unknown client to a remote domain is permitted before a restriction rejects it",
        _REMEDY,
        where,
        settings,
        standalone=incomplete,
    )


def _is_undefined(configuration: Configuration, value: str) -> bool:
    """Whether a value refers to a parameter that is not defined yet."""
    names = re.findall(r"\$[({]?(\w+)", value)
    return any(name not in configuration.raw(None) for name in names)


def _mentions(restrictions: List[str], classes: Dict[str, str]) -> bool:
    """Whether the list has one of the restrictions without which smtpd(8) does not start."""
    flat = [word.lower() for word in restrictions]
    return any(word in _CLOSED for word in flat) or any(
        _mentions(braced_words(classes[word]), {name: text for name, text in classes.items() if name != word})
        for word in restrictions
        if word in classes
    )


def _result(restrictions: List[str], classes: Dict[str, str], all_trusted: bool, depth: int) -> str:
    """The result of a list for mail from an unknown client to a remote domain: ``closed``, ``permit``, or empty."""
    elements = iter(restrictions)
    for word in elements:
        lower = word.lower()
        if lower == "warn_if_reject":
            ignored = next(elements, "").lower()
            if _WITH_ARGUMENT.fullmatch(ignored):
                next(elements, "")
        elif lower in _CLOSED:
            return "closed"
        elif lower in ("permit", "ok") or (lower == "permit_mynetworks" and all_trusted):
            return "permit"
        elif word in classes and depth < 10:
            result = _result(braced_words(classes[word]), classes, all_trusted, depth + 1)
            if result:
                return result
        elif _WITH_ARGUMENT.fullmatch(lower):
            if _constant(next(elements, "")) == "permit":
                return "permit"
        elif _constant(lower):
            return "permit"
    return ""


def _constant(table: str) -> str:
    """``permit`` if a table permits every key; otherwise empty."""
    return "permit" if re.fullmatch(r"static:\{?\s*(ok|permit)\s*\}?", table.lower()) else ""


def _all_networks(mynetworks: str) -> str:
    """The element of mynetworks that has (nearly) all addresses; empty if there is none."""
    for word in words(mynetworks):
        address, slash, length = word.rpartition("/")
        if slash and length.isdigit() and int(length) < (8 if "." in address else 16) and re.match(r"[\[\d:]", address):
            return word
        if word.startswith("static:"):
            return word
    return ""


def _is_loopback(configuration: Configuration, service: MasterEntry) -> bool:
    host = service.column("service").rpartition(":")[0].strip("[]").lower()
    if host:
        return host.startswith("127.") or host in ("::1", "localhost")
    return words(configuration.value("inet_interfaces") or "") in (["loopback-only"], ["localhost"], ["127.0.0.1"])


def _all_senders_authorized(configuration: Configuration) -> Iterator[Finding]:
    for name in ("relay_domains", "mydestination"):
        for word in words(configuration.value(name) or ""):
            if word.startswith("static:"):
                yield Finding(
                    "open_relay",
                    shown(name, configuration.entries[name].value) if name in configuration.entries else name,
                    "it lets unknown clients relay to every domain",
                    "List your own domains",
                    configuration.where(name),
                    configuration.settings_of(None, name),
                )
