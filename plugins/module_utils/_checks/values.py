# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of single names and values. Private to mailops.postfix. Pure.

``postfix check`` accepts nearly all values; these checks find what Postfix would fail on later.
"""

from __future__ import annotations

import re
from functools import partial
from types import MappingProxyType
from typing import Collection, FrozenSet, Iterable, Iterator, Mapping, Optional, Tuple

from .._errors import DeclarationError, did_you_mean
from .._formats import fingerprints, macros, tls_protocols
from .._formats.lines import to_bytes
from .._formats.main_cf import braced_words, words
from .._model import parameters
from .._model.configuration import Configuration, shown
from .._model.finding import Finding, Setting
from .._model.parameters import Parameter
from .._model.secrets import HIDDEN, masked, secret_words
from .facts import HostFacts


def value_findings(
    configuration: Configuration,
    only: FrozenSet[Setting] | None = None,
    defaults: Mapping[str, str] = MappingProxyType({}),
    host: HostFacts | None = None,
) -> Iterator[Finding]:
    """Values that are not valid for their parameters, in main.cf and in the options of services.

    :param only: settings to check; None for all.
    :param defaults: Postfix's defaults, which show the kind of parameters that the catalogue does not have.
    :param host: has the key exchange groups; None to accept all.
    """
    for name, written, service in configuration.all_settings():
        if only is not None and configuration.setting(name, service) not in only:
            continue
        parameter = parameters.find_parameter(name) or parameters.by_default(name, defaults.get(name, ""))
        value = configuration.expanded(written, service)
        if parameter is None or value is None or ("$" in written and not value):
            continue  # undefined_names() reports it
        if parameter.kind == "groups":
            found = _groups_problem(parameter, value, configuration.version, host)
        else:
            digest = configuration.value(name.replace("_cert_match", "_digest"), service) or ""
            found = value_finding(parameter, masked(name, value), digest, configuration.version)
        if found:
            check, cause, remedy = found
            subject = shown(name, written) + (f" in service {service.key}" if service else "")
            settings = frozenset([configuration.setting(name, service)])
            yield Finding(check, subject, cause, remedy, configuration.where(name, service), settings)


def value_finding(
    parameter: Parameter, value: str, digest: str, version: Tuple[int, ...]
) -> Tuple[str, str, str] | None:
    """The check that a value fails, the cause and the remedy; None if it is valid.

    :param digest: the digest algorithm of fingerprints.
    :param version: the version of Postfix.
    """
    if parameter.kind == "protocols":
        return _protocols_problem(parameter, value)
    if parameter.kind == "fingerprints":
        for fingerprint in words(value):
            mistaken = fingerprints.fingerprint_mistake(fingerprint, digest)
            if mistaken:
                return ("wrong_value", *mistaken)
        return None
    if parameter.kind in ("nexthop list", "transport"):
        return _destination_problem(parameter, value)
    check = partial(_log_level, version) if parameter.kind == "log level" else _CHECKS.get(parameter.kind, _anything)
    found = check(parameter, value)
    return ("wrong_value", *found) if found else None


def _protocols_problem(parameter: Parameter, value: str) -> Tuple[str, str, str] | None:
    try:
        protocols = tls_protocols.parse_protocols(value)
    except DeclarationError as error:
        return "wrong_protocols", error.cause, error.remedy
    lost = protocols.lost_by_allow_list
    if not lost:
        return None
    oldest = next(name for name in tls_protocols.PROTOCOLS if name in protocols.include)
    older = tls_protocols.PROTOCOLS[: tls_protocols.PROTOCOLS.index(oldest)]
    exclusions = ", ".join(f"!{name}" for name in older)
    return (
        "lost_protocols",
        f"a name without a sign makes it a list of all allowed protocols, so that {' and '.join(lost)} is off",
        f"Write >={oldest}, or {exclusions} before Postfix 3.6" if older else "Leave the list empty",
    )


# OpenSSL's other names of groups, and groups to choose from.
_ALIASES = re.compile(r"x(25519|448)|secp(192|256)r1")
_GROUPS = "X25519MLKEM768 X25519 X448 prime256v1 secp384r1 secp521r1 ffdhe2048 ffdhe3072"


def _groups_problem(
    parameter: Parameter, value: str, version: Tuple[int, ...], host: HostFacts | None
) -> Tuple[str, str, str] | None:
    if not value and not parameters.GROUPS_MAY_BE_EMPTY.known_in(version):
        return "wrong_value", "this version of Postfix stops on an empty value", "Remove it, for the default"
    # Since 3.6, Postfix does not use the other two.
    if host is None or (parameter.name.endswith("_curve") and version >= (3, 6)):
        return None
    old = version < (3, 10)
    groups = words(value if old else value.replace(":", " "))
    lacking = [group for group in groups if not host.has_tls_group(group) or (old and _ALIASES.fullmatch(group))]
    if not lacking:
        return None
    common = ", ".join(filter(host.has_tls_group, _GROUPS.split()))
    return "unknown_group", f"Postfix skips what OpenSSL does not have: {', '.join(lacking)}", f"It has {common}"


_DESTINATION = re.compile(r"(\[[^\[\]\s]+\]|[^\[\]:\s/@]+)(:(?P<port>[A-Za-z0-9_-]+))?")


def _destination_problem(parameter: Parameter, value: str) -> Tuple[str, str, str] | None:
    """Check relayhost and transports."""
    if parameter.kind == "transport":
        name, colon, nexthop = value.partition(":")
        if not name and (colon or not value):
            return None
        if not re.fullmatch(r"[A-Za-z0-9_.+-]+", name):
            return (
                "wrong_destination",
                f"{name!r} is not a valid transport",
                "Write the name of a service of master.cf, or NAME:NEXTHOP",
            )
        # The rest depends on the transport: a socket, a host, a text.
        return None
    for element in words(value):
        if secret_words(parameter.name, element) or HIDDEN in element:
            return (
                "wrong_destination",
                "it has a user name and a password, which Postfix would look up as part of the host name",
                "Write them to a table of smtp_sasl_password_maps, with the next hop as the key",
            )
        if re.match(r"(smtps?|lmtp|relay|submissions?):", element, re.IGNORECASE):
            transport, rest = element.split(":", 1)
            return (
                "wrong_destination",
                f"{transport}: is read as a host name, and what follows as its port",
                f"Write {rest.strip('/') or '[host]:587'}; a transport goes into default_transport or transport_maps",
            )
        if element.startswith(("unix:", "inet:")):
            continue
        found = _DESTINATION.fullmatch(element)
        if not found:
            return "wrong_destination", f"{element!r} is not a valid next hop", "Write [host]:587, [host], or a domain"
        port = found.group("port")
        if port and port.isdigit() and not 0 < int(port) < 65536:
            return "wrong_destination", f"{port} is not a valid port", "Write a port from 1 to 65535"
    return None


def unknown_names(
    configuration: Configuration,
    unused: Iterable[Tuple[str, str]],
    known: Iterable[str],
    kept: Collection[Setting] = (),
) -> Iterator[Finding]:
    """Names that are set, and that Postfix does not use, or will not use in a later version.

    :param unused: pairs of ``main`` or ``master`` and the name, as postconf(1) says.
    :param known: the names that the host's postconf(1) lists.
    :param kept: settings that were there before, and are not declared. If one is not used now, the change has removed what referred to it.
    """
    unused, known = frozenset(unused), list(known)
    for name, _value, service in configuration.all_settings():
        old = parameters.find_parameter(name)
        deprecated = old is not None and old.deprecated and configuration.version >= old.deprecated
        is_unused = ("master" if service else "main", _printed(name)) in unused
        if not is_unused and not deprecated:
            continue
        subject = f"{name} in service {service.key}" if service else f"{name} in main.cf"
        where, settings = configuration.where(name, service), frozenset([configuration.setting(name, service)])
        if not is_unused and old is not None:
            remedy, cause = f"Use {old.instead}", "a later Postfix will not support it"
            yield Finding("deprecated_parameter", subject, cause, remedy, where, settings)
            continue
        if configuration.setting(name, service) in kept:
            cause, remedy = (
                "nothing refers to it any more",
                f"Remove it ({name}: null), unless something will refer to it again",
            )
            yield Finding("unknown_parameter", subject, cause, remedy, where, settings, "warning")
            continue
        cause, remedy = _unknown_name(name, configuration.version)
        yield Finding(
            "unknown_parameter",
            subject,
            cause,
            remedy
            or f"A parameter of your own must be referred to as ${name} in what is declared with it, or before it",
            where,
            settings,
            hint=str if remedy else partial(did_you_mean, name, known, cutoff=0.8),
        )


def _printed(name: str) -> str:
    """A name as postconf(1) prints it: a question mark for each byte that is not printable ASCII."""
    if name.isascii() and name.isprintable():
        return name  # nearly always
    return "".join(chr(byte) if 32 <= byte < 127 else "?" for byte in to_bytes(name))


def _unknown_name(name: str, version: Tuple[int, ...]) -> Tuple[str, str]:
    """Why this Postfix does not use a name, and what to do, empty if only a similar name can tell."""
    here = ".".join(map(str, version))
    parameter = parameters.find_parameter(name)
    if parameter is not None and not parameter.known_in(version):
        cause = f"Postfix {here} does not have this parameter"
        if parameter.since and version < parameter.since:
            remedy = f"It came with Postfix {'.'.join(map(str, parameter.since))}"
        else:
            remedy = f"Use {parameter.instead}" if parameter.instead else "Remove it"
        return cause, remedy
    other = parameters.other_side(name)
    if other is not None:
        mine, its = ("client", "server") if other.startswith("smtpd_") else ("server", "client")
        return (
            f"the {mine} side of Postfix has no such parameter",
            f"The {its} side has {other}: write that if it is what you mean",
        )
    return f"Postfix {here} does not know this parameter", ""


def dollar_findings(configuration: Configuration) -> Iterator[Finding]:
    """Values with a ``$`` at which each program of Postfix stops, since no name follows it."""
    for name, value, service in configuration.all_settings():
        cause = macros.mistake(value)
        if cause:
            yield Finding(
                "wrong_value",
                shown(name, value) + (f" in service {service.key}" if service else ""),
                f"{cause}, and each program of Postfix stops at that",
                "Write $$ for a dollar sign",
                configuration.where(name, service),
                frozenset([configuration.setting(name, service)]),
            )


def undefined_names(configuration: Configuration, undefined: Iterable[str]) -> Iterator[Finding]:
    """Settings that refer to an undefined name."""
    for name in sorted(set(undefined)):
        refers = re.compile(rf"\$[({{]?{re.escape(name)}\b")
        for setting, value, service in configuration.all_settings():
            if refers.search(value):
                hidden = any(refers.search(word) for word in secret_words(setting, value))
                yield Finding(
                    "wrong_value" if hidden else "undefined_parameter",
                    shown(setting, value) + (f" in service {service.key}" if service else ""),
                    "a name after a $ in it is not defined: Postfix treats it as empty"
                    if hidden
                    else f"${name} is not defined: Postfix treats it as empty",
                    "Write $$ for a dollar sign" if hidden else f"Set {name} in main.cf, or write $$ for a dollar sign",
                    configuration.where(setting, service),
                    frozenset([configuration.setting(setting, service)]),
                )


# One function per kind: the cause and the remedy if the value is wrong


_Reason = Optional[Tuple[str, str]]

_CASE_SENSITIVE = ("mynetworks_style", "upstream_proxy_protocol")
"""Of all other words Postfix ignores the case (src/util/name_code.c)."""

_SINCE = {"dane": (3, 6), "trace": (3, 12)}
_LOG_LEVEL = re.compile(
    r"\d|none|routine|debug|ssl-(expert|developer|debug|(handshake|session)-packet-dump)"
    r"|summary|untrusted|peercert|certmatch|verbose|cache|dane|trace"
)


def _anything(parameter: Parameter, value: str) -> _Reason:
    return None


def _boolean(parameter: Parameter, value: str) -> _Reason:
    if value.lower() in ("yes", "no"):
        return None
    return f"{value!r} is not a valid boolean: Postfix stops on any value but yes and no", "Write true or false"


def _integer(parameter: Parameter, value: str) -> _Reason:
    return None if re.fullmatch(r"-?\d+", value) else (f"{value!r} is not a valid number", "Write digits")


def _version(parameter: Parameter, value: str) -> _Reason:
    return (
        None
        if re.fullmatch(r"\d+(\.\d+){0,2}", value)
        else (f"{value!r} is not a valid version", "Write it as 3.6, in quotes")
    )


def _time(parameter: Parameter, value: str) -> _Reason:
    if re.fullmatch(r"\d+[smhdw]?", value, re.IGNORECASE):
        return None
    return f"{value!r} is not a valid time", "Write a number with a unit of s, m, h, d or w, such as 30s"


def _enum(parameter: Parameter, value: str) -> _Reason:
    word = value if parameter.name.endswith(_CASE_SENSITIVE) else value.lower()
    if word in parameter.values or (not value and parameter.optional):
        return None
    other = parameters.other_side(parameter.name)
    counterpart = parameters.find_parameter(other) if other else None
    hint = did_you_mean(value, parameter.values)
    if counterpart is not None and value in counterpart.values:
        hint = f"{other} has it; "
    return f"{value!r} is not a valid value", f"{hint}{parameter.name} takes {', '.join(parameter.values)}"


def _log_level(version: Tuple[int, ...], parameter: Parameter, value: str) -> _Reason:
    for word in words(value.lower()):
        if not _LOG_LEVEL.fullmatch(word) or _SINCE.get(word, version) > version:
            return f"{word!r} is not a valid log level: Postfix would log nothing", "Write 0 or 1"
    return None


def _list(parameter: Parameter, value: str) -> _Reason:
    wrong = [word for word in words(value) if parameter.values and word not in parameter.values]
    return (f"{wrong[0]!r} is not a valid value", f"Its values are {', '.join(parameter.values)}") if wrong else None


def _tables(parameter: Parameter, value: str) -> _Reason:
    for word in braced_words(value):
        if ":" not in word:
            return (
                f"{word!r} has no type, and Postfix's daemons stop on that",
                f"Write TYPE:{word}, with a type of postconf -m",
            )
    return None


def _digest(parameter: Parameter, value: str) -> _Reason:
    if value.lower() in fingerprints.DIGEST_BYTES:
        return None
    return f"{value!r} is not a valid digest algorithm", f"Write one of {', '.join(fingerprints.DIGEST_BYTES)}"


_CHECKS = {
    "boolean": _boolean,
    "integer": _integer,
    "version": _version,
    "time": _time,
    "enum": _enum,
    "cipher_grade": _enum,
    "list": _list,
    "digest": _digest,
    "table list": _tables,
}
