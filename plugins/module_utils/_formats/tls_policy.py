# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Entries of smtp_tls_policy_maps: from text to a typed policy, by Postfix version. Private to mailops.postfix. Pure.

Postfix does not read these entries before it sends mail, and a malformed one defers all mail to its next hop
(src/smtp/smtp_tls_policy.c). Errors must therefore be found here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping

from .._errors import DeclarationError, GrammarError
from . import main_cf
from .fingerprints import HEX_PAIRS
from .tls_levels import LEVELS

ANY_VERSION = (99,)
"""A version that is later than any Postfix, and therefore supports everything."""

SINCE = {
    "level fingerprint": (2, 5),
    "level dane": (2, 11),
    "level dane-only": (2, 11),
    "tafile": (2, 11),
    "servername": (3, 4),
    "connection_reuse": (3, 4),
    "enable_rpk": (3, 9),
    "plugin": (3, 10),
}
"""The first Postfix that supports a level or an attribute. What is not listed is as old as TLS policies."""

BRACES_SINCE = (3, 10)
"""The first Postfix that supports ``{ name = value }``, and with it values that contain blanks or commas."""

PINNED = ("fingerprint",)
_NAMED = ("verify", "secure")
ATTRIBUTES = ("match", "protocols", "ciphers", "exclude", "tafile", "servername", "connection_reuse", "enable_rpk")
_REPEATABLE = ("match", "tafile")
BOOLEANS = ("connection_reuse", "enable_rpk")
_PLUGIN_ATTRIBUTES = (
    "policy_type",
    "policy_domain",
    "policy_ttl",
    "policy_string",
    "mx_host_pattern",
    "policy_failure",
)
"""Attributes that MTA-STS plugins add to their replies (Postfix 3.10)."""

_SPACES = " \t\r\n,"
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOSTNAME = re.compile(rf"(?=.{{1,255}}\Z){_LABEL}(?:\.{_LABEL})*")
_IPV4 = re.compile(r"\d+\.\d+\.\d+\.\d+")


@dataclass(frozen=True)
class Policy:
    """The TLS policy for one next hop."""

    nexthop: str
    level: str
    match: tuple[str, ...] = ()
    """Fingerprints at level fingerprint; host name patterns at the levels verify and secure."""
    protocols: str = ""
    ciphers: str = ""
    exclude: tuple[str, ...] = ()
    tafile: tuple[str, ...] = ()
    servername: str = ""
    connection_reuse: bool | None = None
    enable_rpk: bool | None = None
    plugin: tuple[tuple[str, str], ...] = field(default=())
    """Attributes of MTA-STS plugins, as name and value. They are read and kept, but never declared."""


def to_declaration(policy: Policy) -> dict[str, Any]:
    """A policy as a user would declare it, without the attributes that are not set."""
    result: dict[str, Any] = {"nexthop": policy.nexthop, "level": policy.level}
    for name in ATTRIBUTES:
        value = getattr(policy, name)
        if value not in ((), "", None):
            result[name] = list(value) if isinstance(value, tuple) else value
    result.update(policy.plugin)
    return result


def invalid_policy(nexthop: str, cause: str, remedy: str = "") -> DeclarationError:
    """The error for a policy that is refused."""
    return DeclarationError("declaring the TLS policy", nexthop, cause, remedy)


def check_use(policy: Policy, version: tuple[int, ...] = ANY_VERSION, default_match: str = "") -> None:
    """Refuse attributes that the level or this Postfix does not support: Postfix treats such an entry as invalid and defers mail.

    :param default_match: smtp_tls_fingerprint_cert_match, which applies if ``match`` is missing.
    :raises DeclarationError: with the attribute.
    """
    _check_level(policy, default_match)
    _check_versions(policy, version)


def dane_obstacle(value: Callable[[str], str], side: str = "smtp") -> str:
    """Why Postfix would silently downgrade level dane to may and defer mail at dane-only; empty if DANE is possible.

    :param value: returns the value of a parameter.
    :param side: ``smtp`` or ``lmtp``.
    """
    if value(f"{side}_dns_support_level").strip().lower() != "dnssec":
        return f"without {side}_dns_support_level = dnssec"
    if "dns" not in main_cf.words(value(f"{side}_host_lookup")):
        return f"without dns in {side}_host_lookup"
    if side == "smtp" and value("ignore_mx_lookup_error").strip().lower() == "yes":
        return "with ignore_mx_lookup_error = yes"
    return ""


def _check_level(policy: Policy, default_match: str) -> None:
    level = policy.level
    if level == "none":
        for name in ATTRIBUTES:
            if getattr(policy, name) not in ((), "", None):
                raise invalid_policy(
                    policy.nexthop, f"{name} has no effect at level none", "Remove it, or use another level"
                )
    if policy.match and level not in PINNED + _NAMED:
        raise invalid_policy(
            policy.nexthop,
            f"Postfix does not support match at level {level} and treats the whole entry as invalid",
            "Remove match, or use level fingerprint, verify or secure",
        )
    if policy.tafile and level not in _NAMED:
        raise invalid_policy(
            policy.nexthop,
            f"Postfix does not support tafile at level {level} and treats the whole entry as invalid",
            "Remove tafile, or use level verify or secure",
        )
    if level == "fingerprint" and not policy.match and not default_match.strip():
        raise invalid_policy(
            policy.nexthop,
            "level fingerprint without a fingerprint defers all mail",
            "Give the fingerprints with match, or set smtp_tls_fingerprint_cert_match",
        )


def _check_versions(policy: Policy, version: tuple[int, ...]) -> None:
    if policy.plugin and "policy_type" not in dict(policy.plugin):
        raise invalid_policy(
            policy.nexthop,
            f"{policy.plugin[0][0]} requires policy_type, and Postfix treats the entry as invalid without it",
        )
    used = [f"level {policy.level}", *(name for name in ATTRIBUTES if getattr(policy, name) not in ((), "", None))]
    for what in used + (["plugin"] if policy.plugin else []):
        since = SINCE.get(what)
        if since and version < since:
            what = policy.plugin[0][0] if what == "plugin" else what
            raise invalid_policy(
                policy.nexthop,
                f"{what} requires Postfix {_dotted(since)}; this is {_dotted(version)}, which treats the entry as invalid",
                "Remove it on this host",
            )
    for name in ("tafile",):
        for value in getattr(policy, name):
            if re.search(r"[{}\s]", value.replace(" ", "")):
                raise invalid_policy(
                    policy.nexthop,
                    f"{name}: a policy cannot contain the path {value!r}",
                    "Use a path without braces, tabs and line ends",
                )
            if re.search(r"[ ,]", value) and version < BRACES_SINCE:
                raise invalid_policy(
                    policy.nexthop,
                    f"{name}: {value!r} contains a blank or a comma, which requires Postfix {_dotted(BRACES_SINCE)}; "
                    f"this is {_dotted(version)}",
                    "Use a path without blanks and commas",
                )


def is_postfix_hostname(text: str) -> bool:
    """Whether Postfix accepts a text as a host name: no wildcard, not an IPv4 address (src/util/valid_hostname.c)."""
    return bool(_HOSTNAME.fullmatch(text)) and not _IPV4.fullmatch(text)


def normalized_fingerprint(value: str) -> str:
    """A fingerprint in Postfix's notation, ``AA:BB``. Versions before 3.6 compare fingerprints as text."""
    digits = value.replace(":", "").upper()
    return ":".join(digits[index : index + 2] for index in range(0, len(digits), 2))


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in version)


def parse(nexthop: str, value: str, where: str = "", version: tuple[int, ...] = ANY_VERSION) -> Policy:
    """The policy in an entry.

    :param where: ``file:line`` for errors.
    :param version: the version of the Postfix that will read the entry.
    :raises GrammarError: if Postfix would treat the entry as invalid.
    """
    subject = where or f"the policy of {nexthop}"
    words = _words(value, subject, version)
    if not words:
        raise GrammarError("reading", subject, "the entry has no level")
    level = words[0].lower()
    if level not in LEVELS:
        raise GrammarError(
            "reading", subject, f"{words[0]!r} is not a valid level", f"The levels are {', '.join(LEVELS)}"
        )
    single: dict[str, str | bool] = {}
    repeated: dict[str, list[str]] = {"match": [], "tafile": []}
    plugin = []
    for word in words[1:]:
        name, equals, text = word.partition("=")
        name, text = name.strip(_SPACES).lower(), text.strip(_SPACES)
        if not equals:
            raise GrammarError(
                "reading",
                subject,
                f"{word!r} is not a valid attribute",
                "Write attributes as name=value, without blanks and without comments",
            )
        if not text and name not in ("exclude", "protocols"):
            raise GrammarError("reading", subject, f"the attribute {name} has no value")
        if name in _REPEATABLE:
            repeated[name] += _separated(name, level, text)
        elif name in BOOLEANS:
            if text.lower() not in ("yes", "no"):
                raise GrammarError("reading", subject, f"{name} is {text!r}", "Write yes or no")
            single[name] = text.lower() == "yes"
        elif name in _PLUGIN_ATTRIBUTES:
            plugin.append((name, text))
        elif name not in ATTRIBUTES:
            raise GrammarError(
                "reading", subject, f"{name!r} is not a valid attribute", f"The attributes are {', '.join(ATTRIBUTES)}"
            )
        elif name in single:
            raise GrammarError("reading", subject, f"the attribute {name} occurs twice", "Write it once")
        else:
            single[name] = text
    if repeated["match"] and level not in PINNED + _NAMED:
        raise GrammarError(
            "reading", subject, f"Postfix does not support match at level {level} and treats the whole entry as invalid"
        )
    if repeated["tafile"] and level not in _NAMED:
        raise GrammarError(
            "reading",
            subject,
            f"Postfix does not support tafile at level {level} and treats the whole entry as invalid",
        )
    return Policy(
        nexthop=nexthop,
        level=level,
        match=tuple(repeated["match"]),
        protocols=", ".join(element for element in re.split("[ ,:]+", str(single.get("protocols", ""))) if element),
        ciphers=str(single.get("ciphers", "")).lower(),
        exclude=tuple(cipher for cipher in re.split("[ ,:]+", str(single.get("exclude", ""))) if cipher),
        tafile=tuple(repeated["tafile"]),
        servername=str(single.get("servername", "")),
        connection_reuse=_flag(single, "connection_reuse"),
        enable_rpk=_flag(single, "enable_rpk"),
        plugin=tuple(plugin),
    )


def _flag(single: Mapping[str, str | bool], name: str) -> bool | None:
    value = single.get(name)
    return value if isinstance(value, bool) else None


def _separated(name: str, level: str, text: str) -> list[str]:
    if name == "tafile":
        return [text]
    if level in PINNED:
        return [normalized_fingerprint(part) if HEX_PAIRS.fullmatch(part) else part for part in text.split("|") if part]
    return [part for part in text.split(":") if part]


def _words(value: str, subject: str, version: tuple[int, ...]) -> list[str]:
    """The words of an entry, which are separated by blanks and commas. Text in braces is one word."""
    words = []
    rest = value.strip(_SPACES)
    while rest:
        if rest.startswith("{") and version < BRACES_SINCE:
            raise GrammarError(
                "reading",
                subject,
                f"braces require Postfix {_dotted(BRACES_SINCE)}; this is {_dotted(version)}",
                "Write name=value",
            )
        if rest.startswith("{"):
            end = rest.find("}")
            if end < 0:
                raise GrammarError("reading", subject, "a brace is not closed")
            words.append(rest[1:end].strip(_SPACES))
            rest = rest[end + 1 :]
            if rest and rest[0] not in _SPACES:
                raise GrammarError("reading", subject, "there is text directly after a closing brace")
        else:
            word = re.split(f"[{_SPACES}]", rest, maxsplit=1)[0]
            words.append(word)
            rest = rest[len(word) :]
        rest = rest.lstrip(_SPACES)
    return words
