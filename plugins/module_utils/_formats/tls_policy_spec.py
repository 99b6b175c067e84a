# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Declared TLS policies: their checks, and the text of their table entries. Private to mailops.postfix. Pure."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any, Mapping

from .._errors import DeclarationError
from .fingerprints import HEX_PAIRS, fingerprint_mistake
from .tls_levels import LEVELS
from .tls_policy import (
    ANY_VERSION,
    ATTRIBUTES,
    BOOLEANS,
    PINNED,
    Policy,
    check_use,
    invalid_policy,
    is_postfix_hostname,
    normalized_fingerprint,
)
from .tls_protocols import parse_protocols, protocols_for

GRADES = ("export", "low", "medium", "high", "null")
"""The cipher grades of Postfix."""

_CIPHER = re.compile(r"[A-Za-z0-9_+@=.-]+")
_TRANSPORTS = ("smtp", "lmtp", "relay", "smtps", "unix", "inet")
_PORT = re.compile(r"[A-Za-z0-9_-]+")
_TRANSPORT = re.compile(r"[A-Za-z0-9_-]+:\[")


def from_declaration(declared: Mapping[str, Any], nexthop: str = "") -> Policy:
    """A policy from its declaration.

    :param declared: the keys of the option; a single value may be a string or a list, and None is a missing value.
    :param nexthop: the next hop, if the declaration does not contain it.
    :raises DeclarationError: if a value is missing or of the wrong type.
    """
    nexthop = str(declared.get("nexthop") or nexthop or "")
    where = nexthop or str(declared.get("domain") or declared.get("host") or "without a next hop")
    if (declared.get("domain") or declared.get("host")) and not nexthop:
        raise invalid_policy(where, "its next hop is known only on the host", "Set nexthop")
    if declared.get("pins"):
        raise invalid_policy(where, "pins are converted only on the host", "Write their fingerprints in match")
    known = {item.name for item in fields(Policy)} - {"plugin"} | {"domain", "host", "pins", "route", "state"}
    for name in declared:
        if name not in known:
            raise invalid_policy(
                where, f"{name!r} is not a valid attribute of a policy", f"The attributes are {', '.join(ATTRIBUTES)}"
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
        raise invalid_policy(where, f"{name} is {value!r}, not a string", "Put the value in quotes")
    if not value.strip():
        raise invalid_policy(where, f"{name} is empty", "Remove it, or set a value")
    return value.strip()


def _boolean(where: str, name: str, value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    if str(value).lower() in ("yes", "no"):
        return str(value).lower() == "yes"
    raise invalid_policy(where, f"{name} is {value!r}", "Write true or false")


def check_policy(
    policy: Policy, version: tuple[int, ...] = ANY_VERSION, digest: str = "sha256", default_match: str = ""
) -> None:
    """Refuse a policy that this Postfix would reject or ignore when it delivers mail.

    :param version: the version of the installed Postfix.
    :param digest: smtp_tls_fingerprint_digest; empty if it is unknown.
    :param default_match: smtp_tls_fingerprint_cert_match, which applies if ``match`` is missing.
    :raises DeclarationError: for a contradiction, an invalid value, or a feature that this version does not support.
    """
    check_nexthop(policy.nexthop)
    if policy.level not in LEVELS:
        raise invalid_policy(
            policy.nexthop, f"{policy.level!r} is not a valid level", f"The levels are {', '.join(LEVELS)}"
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
            f"ciphers: {policy.ciphers!r} is not a valid cipher grade",
            f"The grades are {', '.join(GRADES)}",
        )
    for cipher in policy.exclude:
        if not _CIPHER.fullmatch(cipher):
            raise invalid_policy(policy.nexthop, f"exclude: {cipher!r} is not a valid cipher name")
    if policy.servername and not is_postfix_hostname(policy.servername):
        raise invalid_policy(policy.nexthop, f"servername: {policy.servername!r} is not a valid host name")


def policy_warnings(policy: Policy) -> list[str]:
    """Warnings about settings that are allowed, but most likely not intended."""
    result = []
    lost = parse_protocols(policy.protocols).lost_by_allow_list if policy.protocols else ()
    if lost:
        result.append(
            f"TLS policy {policy.nexthop}: protocols {policy.protocols!r} allows only the listed protocols, "
            f"so {', '.join(lost)} is disabled. Write >=TLSv1.2 for a lower bound, or also exclude it (!TLSv1.3)."
        )
    return result


def check_nexthop(nexthop: str) -> None:
    """Refuse a next hop that cannot be a key of the policy table.

    :raises DeclarationError: with the correct notation.
    """
    if not nexthop:
        raise invalid_policy(
            "without a next hop", "it has neither nexthop nor domain", "Set nexthop to the next hop of the route"
        )
    if "," in nexthop:
        raise invalid_policy(
            nexthop, "Postfix looks up each next hop of a list separately", "Declare one policy for each of them"
        )
    if re.search(r"[\s\"\\\x00]", nexthop) or nexthop.startswith("#"):
        raise invalid_policy(nexthop, "a next hop cannot contain blanks, quotes or backslashes, or start with #")
    if _TRANSPORT.match(nexthop):
        raise invalid_policy(
            nexthop, "the transport name is not part of the next hop", f"Write {nexthop[nexthop.index('[') :]}"
        )
    if not re.fullmatch(r"\[[^\[\]]+\](:[^\[\]:]+)?|[^\[\]]+", nexthop):
        raise invalid_policy(
            nexthop,
            "it is not a valid next hop",
            "Write [host]:port, [host], host:port, domain or .domain",
        )
    if nexthop.endswith(":"):
        raise invalid_policy(nexthop, "there is no port after the colon", "Write a port, or remove the colon")
    if "@" in nexthop or "//" in nexthop:
        raise invalid_policy(
            nexthop,
            "it is an address, but Postfix looks up next hops",
            "Write only the domain, or the next hop of the route",
        )
    if "*" in nexthop:
        raise invalid_policy(
            nexthop,
            "Postfix does not support * in next hops",
            f"Write .{nexthop.lstrip('*.')} for the domains below a domain",
        )
    host, colon, port = nexthop.rpartition(":") if not nexthop.endswith("]") else (nexthop, "", "")
    if colon and host.lower() in _TRANSPORTS and not port.isdigit():
        raise invalid_policy(nexthop, "the transport name is not part of the next hop", f"Write {port}")
    if colon and (not _PORT.fullmatch(port) or (port.isdigit() and not 0 < int(port) < 65536)):
        raise invalid_policy(
            nexthop, f"{port!r} is not a valid port", "Write a number from 1 to 65535, or a name of services(5)"
        )
    domain = host if colon else nexthop
    labels = domain[domain.startswith(".") : -1 if domain.endswith(".") else None].split(".")
    if not domain.startswith("[") and not all(labels):
        raise invalid_policy(
            nexthop,
            "it is not a valid domain",
            "Write [host]:port, [host], host:port, domain or .domain",
        )


def check_fingerprint(value: str, digest: str, nexthop: str = "") -> None:
    """Refuse a value that cannot be a fingerprint in this digest."""
    found = fingerprint_mistake(value, digest)
    if found:
        raise invalid_policy(nexthop, *found)


def _check_name(nexthop: str, value: str) -> None:
    if HEX_PAIRS.fullmatch(value) and ":" in value:
        raise invalid_policy(
            nexthop, f"match: {value!r} is a fingerprint, which Postfix uses only at level fingerprint"
        )
    if not is_postfix_hostname(value[1:] if value.startswith(".") else value):
        raise invalid_policy(
            nexthop,
            f"match: {value!r} is not a valid name",
            "Write nexthop, dot-nexthop, hostname, mx.example.org or .example.org; write several names as a list",
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
