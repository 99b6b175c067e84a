# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Entries of smtp_tls_policy_maps: a typed policy to text and back, by Postfix version. Private to mailops.postfix.
Pure.

Nothing in Postfix reads these entries before a mail is sent, and a malformed one defers all mail to its next hop
(src/smtp/smtp_tls_policy.c): what is wrong has to be found here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Any, Callable, Mapping

from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, GrammarError
from ansible_collections.mailops.postfix.plugins.module_utils._fingerprints import HEX_PAIRS, mistake
from ansible_collections.mailops.postfix.plugins.module_utils._protocols import parse_protocols, protocols_for
from ansible_collections.mailops.postfix.plugins.module_utils._tls_levels import LEVELS

GRADES = ("export", "low", "medium", "high", "null")
"""Cipher grades that have a name."""

ANY_VERSION = (99,)
"""Stands for a Postfix that knows everything."""

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
"""The first Postfix that knows a level or an attribute; what is not listed is older than TLS policies."""

BRACES_SINCE = (3, 10)
"""The first Postfix that reads ``{ name = value }``, and with it values that hold blanks or commas."""

_PINNED = ("fingerprint",)
_NAMED = ("verify", "secure")
_ATTRIBUTES = ("match", "protocols", "ciphers", "exclude", "tafile", "servername", "connection_reuse", "enable_rpk")
_REPEATABLE = ("match", "tafile")
_BOOLEANS = ("connection_reuse", "enable_rpk")
_OF_PLUGINS = ("policy_type", "policy_domain", "policy_ttl", "policy_string", "mx_host_pattern", "policy_failure")
"""What MTA-STS plugins add to their answers (3.10)."""

_SPACES = " \t\r\n,"
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOSTNAME = re.compile(rf"(?=.{{1,255}}\Z){_LABEL}(?:\.{_LABEL})*")
_IPV4 = re.compile(r"\d+\.\d+\.\d+\.\d+")
_CIPHER = re.compile(r"[A-Za-z0-9_+@=.-]+")
_TRANSPORT = re.compile(r"[A-Za-z0-9_-]+:\[")


@dataclass(frozen=True)
class Policy:
    """What TLS to the one next hop must be like."""

    nexthop: str
    level: str
    match: tuple[str, ...] = ()
    """Fingerprints at level fingerprint, names at the levels verify and secure."""
    protocols: str = ""
    ciphers: str = ""
    exclude: tuple[str, ...] = ()
    tafile: tuple[str, ...] = ()
    servername: str = ""
    connection_reuse: bool | None = None
    enable_rpk: bool | None = None
    plugin: tuple[tuple[str, str], ...] = field(default=())
    """Attributes of MTA-STS plugins: read and kept, never declared."""


# From a declaration


def from_declaration(declared: Mapping[str, Any], nexthop: str = "") -> Policy:
    """A policy from what a user declares.

    :param declared: the option's keys; lists and strings alike, None for what is left out.
    :param nexthop: the next hop, if the declaration does not hold it.
    :raises DeclarationError: if something is missing, or of the wrong kind.
    """
    nexthop = str(declared.get("nexthop") or nexthop or "")
    where = nexthop or str(declared.get("domain") or declared.get("host") or "without a next hop")
    if (declared.get("domain") or declared.get("host")) and not nexthop:
        raise _wrong(where, "its next hop is known on the host alone", "Give the next hop with nexthop")
    if declared.get("pins"):
        raise _wrong(where, "pins are worked out on the host alone", "Give their fingerprints with match")
    known = {item.name for item in fields(Policy)} - {"plugin"} | {"domain", "host", "pins", "route", "state"}
    for name in declared:
        if name not in known:
            raise _wrong(where, f"{name!r} is no attribute of a policy", f"The attributes are {', '.join(_ATTRIBUTES)}")
    level = declared.get("level")
    if level is None or level == "":
        raise _wrong(where, "it has no level", f"The levels are {', '.join(LEVELS)}")
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


def to_declaration(policy: Policy) -> dict[str, Any]:
    """A policy as a user would declare it; what is not set is left out."""
    result: dict[str, Any] = {"nexthop": policy.nexthop, "level": policy.level}
    for name in _ATTRIBUTES:
        value = getattr(policy, name)
        if value not in ((), "", None):
            result[name] = list(value) if isinstance(value, tuple) else value
    result.update(policy.plugin)
    return result


def _texts(where: str, name: str, value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, (list, tuple)) else [] if value is None else [value]
    return tuple(_text(where, name, item) for item in values)


def _text(where: str, name: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(where, f"{name} is {value!r}, not a string", "Put it in quotes")
    if not value.strip():
        raise _wrong(where, f"{name} is empty", "Leave it out or give it a value")
    return value.strip()


def _boolean(where: str, name: str, value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    if str(value).lower() in ("yes", "no"):
        return str(value).lower() == "yes"
    raise _wrong(where, f"{name} is {value!r}", "It is true or false")


def _wrong(nexthop: str, cause: str, remedy: str = "") -> DeclarationError:
    return DeclarationError("declaring the TLS policy", nexthop, cause, remedy)


# What is wrong with it


def check(
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
        raise _wrong(policy.nexthop, f"there is no level {policy.level!r}", f"The levels are {', '.join(LEVELS)}")
    check_use(policy, version, default_match)
    if policy.level in _PINNED:
        for value in policy.match:
            check_fingerprint(value, digest, policy.nexthop)
    else:
        for value in policy.match:
            _check_name(policy.nexthop, value)
    if policy.protocols:
        try:
            parse_protocols(policy.protocols)
        except DeclarationError as error:
            raise _wrong(policy.nexthop, f"protocols: {error.cause}", error.remedy) from None
    if policy.ciphers and policy.ciphers not in GRADES:
        raise _wrong(
            policy.nexthop,
            f"ciphers: there is no cipher grade {policy.ciphers!r}",
            f"The grades are {', '.join(GRADES)}",
        )
    for cipher in policy.exclude:
        if not _CIPHER.fullmatch(cipher):
            raise _wrong(policy.nexthop, f"exclude: {cipher!r} is no name of a cipher")
    if policy.servername and not is_hostname(policy.servername):
        raise _wrong(policy.nexthop, f"servername: {policy.servername!r} is no host name")


def check_use(policy: Policy, version: tuple[int, ...] = ANY_VERSION, default_match: str = "") -> None:
    """Refuse what the level, or this Postfix, does not know: Postfix takes such an entry for wrong, and mail waits.

    :raises DeclarationError: saying what.
    """
    _check_level(policy, default_match)
    _check_versions(policy, version)


def dane_obstacle(value: Callable[[str], str], side: str = "smtp") -> str:
    """Why Postfix would take level dane for may, and dane-only for wrong; empty if the configuration is not in its way.

    :param value: the value of a parameter.
    :param side: ``smtp`` or ``lmtp``.
    """
    if value(f"{side}_dns_support_level").strip() != "dnssec":
        return f"without {side}_dns_support_level = dnssec"
    if "dns" not in re.split(f"[{_SPACES}]+", value(f"{side}_host_lookup")):
        return f"without dns in {side}_host_lookup"
    if side == "smtp" and value("ignore_mx_lookup_error").strip().lower() == "yes":
        return "with ignore_mx_lookup_error = yes"
    return ""


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
        raise _wrong("without a next hop", "it has neither nexthop nor domain", "Name the next hop as the route has it")
    if "," in nexthop:
        raise _wrong(
            nexthop, "Postfix looks up each next hop of a list by itself", "Declare one policy for each of them"
        )
    if re.search(r"[\s\"\\\x00]", nexthop) or nexthop.startswith("#"):
        raise _wrong(nexthop, "no next hop holds blanks, quotes or backslashes, or starts with #")
    if _TRANSPORT.match(nexthop):
        raise _wrong(
            nexthop, "the name of the transport is no part of the next hop", f"Write {nexthop[nexthop.index('[') :]}"
        )
    if not re.fullmatch(r"\[[^\[\]]+\](:[^\[\]:]+)?|[^\[\]]+", nexthop):
        raise _wrong(
            nexthop, "it is no next hop", "Next hops are written [host]:port, [host], host:port, domain or .domain"
        )
    if nexthop.endswith(":"):
        raise _wrong(nexthop, "there is no port behind the colon")


def _check_level(policy: Policy, default_match: str) -> None:
    level = policy.level
    if level == "none":
        for name in _ATTRIBUTES:
            if getattr(policy, name) not in ((), "", None):
                raise _wrong(
                    policy.nexthop, f"{name} means nothing at level none", "Leave it out or choose another level"
                )
    if policy.match and level not in _PINNED + _NAMED:
        raise _wrong(
            policy.nexthop,
            f"Postfix has no use for match at level {level} and takes the whole entry for wrong",
            "Leave match out, or choose fingerprint, verify or secure",
        )
    if policy.tafile and level not in _NAMED:
        raise _wrong(
            policy.nexthop,
            f"Postfix has no use for tafile at level {level} and takes the whole entry for wrong",
            "Leave tafile out, or choose verify or secure",
        )
    if level == "fingerprint" and not policy.match and not default_match.strip():
        raise _wrong(
            policy.nexthop,
            "level fingerprint without a fingerprint defers all mail",
            "Give the fingerprints with match, or set smtp_tls_fingerprint_cert_match",
        )


def _check_versions(policy: Policy, version: tuple[int, ...]) -> None:
    if policy.plugin and "policy_type" not in dict(policy.plugin):
        raise _wrong(policy.nexthop, f"{policy.plugin[0][0]} without policy_type", "Postfix takes the entry for wrong")
    used = [f"level {policy.level}", *(name for name in _ATTRIBUTES if getattr(policy, name) not in ((), "", None))]
    for what in used + (["plugin"] if policy.plugin else []):
        since = SINCE.get(what)
        if since and version < since:
            what = policy.plugin[0][0] if what == "plugin" else what
            raise _wrong(
                policy.nexthop,
                f"{what} needs Postfix {_dotted(since)}, this is {_dotted(version)}, which takes the entry for wrong",
                "Leave it out on this host",
            )
    for name in ("tafile",):
        for value in getattr(policy, name):
            if re.search(r"[{}\s]", value.replace(" ", "")):
                raise _wrong(
                    policy.nexthop,
                    f"{name}: a policy can't hold {value!r}",
                    "Use a path without braces, tabs and line ends",
                )
            if re.search(r"[ ,]", value) and version < BRACES_SINCE:
                raise _wrong(
                    policy.nexthop,
                    f"{name}: {value!r} holds a blank or a comma, which needs Postfix {_dotted(BRACES_SINCE)}, "
                    f"this is {_dotted(version)}",
                    "Use a path without them",
                )


def check_fingerprint(value: str, digest: str, nexthop: str = "") -> None:
    """Refuse a fingerprint that the digest could never make."""
    found = mistake(value, digest)
    if found:
        raise _wrong(nexthop, *found)


def _check_name(nexthop: str, value: str) -> None:
    if HEX_PAIRS.fullmatch(value) and ":" in value:
        raise _wrong(nexthop, f"match: {value!r} is a fingerprint, which counts at level fingerprint alone")
    if not is_hostname(value[1:] if value.startswith(".") else value):
        raise _wrong(
            nexthop,
            f"match: {value!r} is no name",
            "Names are nexthop, dot-nexthop, hostname, mx.example.org or .example.org; several make a list",
        )


def is_hostname(text: str) -> bool:
    """Whether Postfix takes it for a host name."""
    return bool(_HOSTNAME.fullmatch(text)) and not _IPV4.fullmatch(text)


def fingerprint(value: str) -> str:
    """A fingerprint in Postfix's own notation, which versions before 3.6 compare as text."""
    digits = value.replace(":", "").upper()
    return ":".join(digits[index : index + 2] for index in range(0, len(digits), 2))


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in version)


# To and from the text of an entry


def render(policy: Policy, version: tuple[int, ...] = ANY_VERSION) -> str:
    """The value of the table entry."""
    words = [policy.level]
    if policy.level in _PINNED:
        words += [f"match={fingerprint(value)}" for value in policy.match]
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
    for name in _BOOLEANS:
        value = getattr(policy, name)
        if value is not None:
            words.append(f"{name}={'yes' if value else 'no'}")
    words += [
        f"{{ {name} = {value} }}" if re.search("[ ,]", value) else f"{name}={value}" for name, value in policy.plugin
    ]
    return " ".join(words)


def parse(nexthop: str, value: str, where: str = "", version: tuple[int, ...] = ANY_VERSION) -> Policy:
    """The policy that an entry holds.

    :param where: ``file:line`` for the message.
    :param version: of the Postfix that will read it.
    :raises GrammarError: if Postfix would take the entry for wrong.
    """
    subject = where or f"the policy of {nexthop}"
    words = _words(value, subject, version)
    if not words:
        raise GrammarError("reading", subject, "the entry has no level")
    level = words[0].lower()
    if level not in LEVELS:
        raise GrammarError("reading", subject, f"there is no level {words[0]!r}", f"The levels are {', '.join(LEVELS)}")
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
                f"{word!r} is no attribute",
                "Attributes are written name=value, without blanks and without comments",
            )
        if not text and name not in ("exclude", "protocols"):
            raise GrammarError("reading", subject, f"the attribute {name} has no value")
        if name in _REPEATABLE:
            repeated[name] += _separated(name, level, text)
        elif name in _BOOLEANS:
            if text.lower() not in ("yes", "no"):
                raise GrammarError("reading", subject, f"{name} is {text!r}", "It is yes or no")
            single[name] = text.lower() == "yes"
        elif name in _OF_PLUGINS:
            plugin.append((name, text))
        elif name not in _ATTRIBUTES:
            raise GrammarError(
                "reading", subject, f"there is no attribute {name!r}", f"The attributes are {', '.join(_ATTRIBUTES)}"
            )
        elif name in single:
            raise GrammarError("reading", subject, f"the attribute {name} is there twice", "Postfix allows it once")
        else:
            single[name] = text
    if repeated["match"] and level not in _PINNED + _NAMED:
        raise GrammarError(
            "reading", subject, f"Postfix has no use for match at level {level} and takes the whole entry for wrong"
        )
    if repeated["tafile"] and level not in _NAMED:
        raise GrammarError(
            "reading", subject, f"Postfix has no use for tafile at level {level} and takes the whole entry for wrong"
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
    if level in _PINNED:
        return [fingerprint(part) if HEX_PAIRS.fullmatch(part) else part for part in text.split("|") if part]
    return [part for part in text.split(":") if part]


def _words(value: str, subject: str, version: tuple[int, ...]) -> list[str]:
    """The words of an entry: blanks and commas separate, braces hold together."""
    words = []
    rest = value.strip(_SPACES)
    while rest:
        if rest.startswith("{") and version < BRACES_SINCE:
            raise GrammarError(
                "reading",
                subject,
                f"braces need Postfix {_dotted(BRACES_SINCE)}, this is {_dotted(version)}",
                "Write name=value",
            )
        if rest.startswith("{"):
            end = rest.find("}")
            if end < 0:
                raise GrammarError("reading", subject, "a brace is not closed")
            words.append(rest[1:end].strip(_SPACES))
            rest = rest[end + 1 :]
            if rest and rest[0] not in _SPACES:
                raise GrammarError("reading", subject, "there is text right behind a closing brace")
        else:
            word = re.split(f"[{_SPACES}]", rest, maxsplit=1)[0]
            words.append(word)
            rest = rest[len(word) :]
        rest = rest.lstrip(_SPACES)
    return words
