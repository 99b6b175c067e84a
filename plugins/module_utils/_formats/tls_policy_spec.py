# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declared TLS policy to the text of its entry, and what is wrong with one. Private to mailops.postfix. Pure."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any, Mapping

from .._errors import DeclarationError
from .fingerprints import HEX_PAIRS, mistake
from .tls_levels import LEVELS
from .tls_policy import (
    ANY_VERSION,
    ATTRIBUTES,
    BOOLEANS,
    PINNED,
    Policy,
    check_use,
    invalid_policy,
    is_hostname,
    normalized_fingerprint,
)
from .tls_protocols import parse_protocols, protocols_for

GRADES = ("export", "low", "medium", "high", "null")
"""Cipher grades that have a name."""

_CIPHER = re.compile(r"[A-Za-z0-9_+@=.-]+")
_TRANSPORTS = ("smtp", "lmtp", "relay", "smtps", "unix", "inet")
_PORT = re.compile(r"[A-Za-z0-9_-]+")
_TRANSPORT = re.compile(r"[A-Za-z0-9_-]+:\[")


def from_declaration(declared: Mapping[str, Any], nexthop: str = "") -> Policy:
    """A policy from what a user declares.

    :param declared: the option's keys; lists and strings alike, None for what is left out.
    :param nexthop: the next hop, if the declaration does not hold it.
    :raises DeclarationError: if something is missing, or of the wrong kind.
    """
    nexthop = str(declared.get("nexthop") or nexthop or "")
    where = nexthop or str(declared.get("domain") or declared.get("host") or "without a next hop")
    if (declared.get("domain") or declared.get("host")) and not nexthop:
        raise invalid_policy(where, "its next hop is known on the host alone", "Give the next hop with nexthop")
    if declared.get("pins"):
        raise invalid_policy(where, "pins are worked out on the host alone", "Give their fingerprints with match")
    known = {item.name for item in fields(Policy)} - {"plugin"} | {"domain", "host", "pins", "route", "state"}
    for name in declared:
        if name not in known:
            raise invalid_policy(
                where, f"{name!r} is no attribute of a policy", f"The attributes are {', '.join(ATTRIBUTES)}"
            )
    level = declared.get("level")
    if level is None or level == "":
        raise invalid_policy(where, "it has no level", f"The levels are {', '.join(LEVELS)}")
    return Policy(
        nexthop=nexthop,
        level=str(level).lower(),
        match=_texts(where, "match", declared.get("match")),
        protocols=", ".join(_texts(where, "protocols", declared.get("protocols"))),
        ciphers=_text(where, "ciphers", declared.get("ciphers")).lower(),
        exclude=tuple(
            cipher
            for text in _texts(where, "exclude", declared.get("exclude"))
            for cipher in re.split(r"[ \t,:]+", text)
            if cipher
        ),
        tafile=_texts(where, "tafile", declared.get("tafile")),
        servername=_text(where, "servername", declared.get("servername")),
        connection_reuse=_boolean(where, "connection_reuse", declared.get("connection_reuse")),
        enable_rpk=_boolean(where, "enable_rpk", declared.get("enable_rpk")),
    )


def _texts(where: str, name: str, value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, (list, tuple)) else [] if value is None else [value]
    return tuple(_text(where, name, item) for item in values)


def _text(where: str, name: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise invalid_policy(where, f"{name} is {value!r}, not a string", "Put it in quotes")
    if not value.strip():
        raise invalid_policy(where, f"{name} is empty", "Leave it out or give it a value")
    return value.strip()


def _boolean(where: str, name: str, value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    if str(value).lower() in ("yes", "no"):
        return str(value).lower() == "yes"
    raise invalid_policy(where, f"{name} is {value!r}", "It is true or false")


def check_policy(
    policy: Policy, version: tuple[int, ...] = ANY_VERSION, digest: str = "sha256", default_match: str = ""
) -> None:
    """Refuse a policy that this Postfix would refuse, or ignore, when mail is waiting.

    :param version: of the installed Postfix.
    :param digest: smtp_tls_fingerprint_digest; empty if it isn't known.
    :param default_match: smtp_tls_fingerprint_cert_match, which stands in for a missing ``match``.
    :raises DeclarationError: if there is a contradiction, or something that this version doesn't know.
    """
    check_nexthop(policy.nexthop)
    if policy.level not in LEVELS:
        raise invalid_policy(
            policy.nexthop, f"there is no level {policy.level!r}", f"The levels are {', '.join(LEVELS)}"
        )
    check_use(policy, version, default_match)
    if policy.level in PINNED:
        for value in policy.match:
            check_fingerprint(value, digest, policy.nexthop)
    else:
        for value in policy.match:
            _check_name(policy.nexthop, value)
    if policy.protocols:
        try:
            parse_protocols(policy.protocols)
        except DeclarationError as error:
            raise invalid_policy(policy.nexthop, f"protocols: {error.cause}", error.remedy) from None
    if policy.ciphers and policy.ciphers not in GRADES:
        raise invalid_policy(
            policy.nexthop,
            f"ciphers: there is no cipher grade {policy.ciphers!r}",
            f"The grades are {', '.join(GRADES)}",
        )
    for cipher in policy.exclude:
        if not _CIPHER.fullmatch(cipher):
            raise invalid_policy(policy.nexthop, f"exclude: {cipher!r} is no name of a cipher")
    if policy.servername and not is_hostname(policy.servername):
        raise invalid_policy(policy.nexthop, f"servername: {policy.servername!r} is no host name")


def doubts(policy: Policy) -> list[str]:
    """What is allowed, and most likely not meant."""
    result = []
    lost = parse_protocols(policy.protocols).lost_by_allow_list if policy.protocols else ()
    if lost:
        result.append(
            f"TLS policy {policy.nexthop}: protocols {policy.protocols!r} allows what it lists alone, "
            f"so {', '.join(lost)} is off. Write >=TLSv1.2 for a lower bound, or exclude them (!TLSv1.3) too."
        )
    return result


def check_nexthop(nexthop: str) -> None:
    """Refuse what can't be a key of the policy table."""
    if not nexthop:
        raise invalid_policy(
            "without a next hop", "it has neither nexthop nor domain", "Name the next hop as the route has it"
        )
    if "," in nexthop:
        raise invalid_policy(
            nexthop, "Postfix looks up each next hop of a list by itself", "Declare one policy for each of them"
        )
    if re.search(r"[\s\"\\\x00]", nexthop) or nexthop.startswith("#"):
        raise invalid_policy(nexthop, "no next hop holds blanks, quotes or backslashes, or starts with #")
    if _TRANSPORT.match(nexthop):
        raise invalid_policy(
            nexthop, "the name of the transport is no part of the next hop", f"Write {nexthop[nexthop.index('[') :]}"
        )
    if not re.fullmatch(r"\[[^\[\]]+\](:[^\[\]:]+)?|[^\[\]]+", nexthop):
        raise invalid_policy(
            nexthop, "it is no next hop", "Next hops are written [host]:port, [host], host:port, domain or .domain"
        )
    if nexthop.endswith(":"):
        raise invalid_policy(nexthop, "there is no port behind the colon")
    if "@" in nexthop or "//" in nexthop:
        raise invalid_policy(
            nexthop,
            "it is an address, and Postfix looks up next hops",
            "Write the domain alone, or the route's next hop",
        )
    if "*" in nexthop:
        raise invalid_policy(
            nexthop, "Postfix knows no *", f"Write .{nexthop.lstrip('*.')} for the domains below a domain"
        )
    host, colon, port = nexthop.rpartition(":") if not nexthop.endswith("]") else (nexthop, "", "")
    if colon and host.lower() in _TRANSPORTS and not port.isdigit():
        raise invalid_policy(nexthop, "the name of the transport is no part of the next hop", f"Write {port}")
    if colon and (not _PORT.fullmatch(port) or (port.isdigit() and not 0 < int(port) < 65536)):
        raise invalid_policy(
            nexthop, f"there is no port {port}", "Write a number from 1 to 65535, or a name of services(5)"
        )
    domain = host if colon else nexthop
    labels = domain[domain.startswith(".") : -1 if domain.endswith(".") else None].split(".")
    if not domain.startswith("[") and not all(labels):
        raise invalid_policy(
            nexthop, "it is no domain", "Next hops are written [host]:port, [host], host:port, domain or .domain"
        )


def check_fingerprint(value: str, digest: str, nexthop: str = "") -> None:
    """Refuse a fingerprint that the digest could never make."""
    found = mistake(value, digest)
    if found:
        raise invalid_policy(nexthop, *found)


def _check_name(nexthop: str, value: str) -> None:
    if HEX_PAIRS.fullmatch(value) and ":" in value:
        raise invalid_policy(nexthop, f"match: {value!r} is a fingerprint, which counts at level fingerprint alone")
    if not is_hostname(value[1:] if value.startswith(".") else value):
        raise invalid_policy(
            nexthop,
            f"match: {value!r} is no name",
            "Names are nexthop, dot-nexthop, hostname, mx.example.org or .example.org; several make a list",
        )


def render(policy: Policy, version: tuple[int, ...] = ANY_VERSION) -> str:
    """The value of the table entry."""
    words = [policy.level]
    if policy.level in PINNED:
        words += [f"match={normalized_fingerprint(value)}" for value in policy.match]
    elif policy.match:
        words.append("match=" + ":".join(policy.match))
    if policy.protocols:
        words.append("protocols=" + protocols_for(version, policy.protocols, ":"))
    if policy.ciphers:
        words.append(f"ciphers={policy.ciphers}")
    if policy.exclude:
        words.append("exclude=" + ":".join(policy.exclude))
    for path in policy.tafile:
        words.append(f"{{ tafile = {path} }}" if re.search("[ ,]", path) else f"tafile={path}")
    if policy.servername:
        words.append(f"servername={policy.servername}")
    for name in BOOLEANS:
        value = getattr(policy, name)
        if value is not None:
            words.append(f"{name}={'yes' if value else 'no'}")
    words += [
        f"{{ {name} = {value} }}" if re.search("[ ,]", value) else f"{name}={value}" for name, value in policy.plugin
    ]
    return " ".join(words)
