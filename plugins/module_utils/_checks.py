# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a declared value means, and what is wrong with it. Private to mailops.postfix. Pure.

Postfix's own ``postfix check`` passes nearly everything; what it would trip over later is refused here, before anything is written.
"""

from __future__ import annotations

import difflib
import re
from typing import Iterable, Mapping, Optional, Tuple

from ansible_collections.mailops.postfix.plugins.module_utils import _parameters, _protocols, _tls_policy
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError

_WORDS = re.compile(r"[\s,]+")


def adapted(name: str, value: str, version: Tuple[int, ...]) -> str:
    """The value in the syntax that this version of Postfix knows: ``>=TLSv1.2`` becomes exclusions before Postfix 3.6.

    :raises DeclarationError: if a protocol does not exist.
    """
    parameter = _parameters.find(name)
    if parameter is None or parameter.kind != "protocols" or "$" in value:
        return value
    try:
        known = _protocols.protocols_for(version, value, ", ")
        return value if version >= _protocols.BOUNDS_SINCE or not re.search("[<>]=", value) else known
    except DeclarationError as error:
        raise DeclarationError("setting", f"{name} = {value}", error.cause, error.remedy) from error


def check_value(name: str, value: str, effective: Mapping[str, str]) -> None:
    """Refuse a value that the parameter's type does not have.

    :param name: a parameter; one that the catalogue does not list is accepted.
    :param value: its declared value; one with ``$`` is Postfix's to expand and is accepted.
    :param effective: the parameters of the whole declared configuration, for what depends on others (the fingerprint digest).
    :raises DeclarationError: with the values that are allowed.
    """
    parameter = _parameters.find(name)
    if parameter is None or "$" in value:
        return
    cause = _CHECKS.get(parameter.kind, _anything)(parameter, value)
    if cause:
        raise DeclarationError("setting", f"{name} = {value}", *cause)
    if parameter.kind == "fingerprints":
        digest = effective.get(name.replace("_cert_match", "_digest"), "")
        for fingerprint in _split(value):
            try:
                _tls_policy.check_fingerprint(fingerprint, digest)
            except DeclarationError as error:
                raise DeclarationError("setting", name, error.cause, error.remedy) from error


def unknown_name(name: str, where: str, known: Iterable[str], version: Tuple[int, ...]) -> DeclarationError:
    """The error for a name that this Postfix does not use, with the name that was probably meant.

    :param where: what it was declared in: ``main.cf``, or a service as ``submission/inet``.
    :param known: the names that the host's postconf(1) lists.
    """
    here = ".".join(map(str, version))
    parameter = _parameters.find(name)
    known = list(known)
    if parameter is not None and not parameter.known_in(version):
        cause = f"Postfix {here} does not have this parameter"
        if parameter.since and version < parameter.since:
            remedy = f"It came with Postfix {'.'.join(map(str, parameter.since))}"
        else:
            remedy = f"Use {parameter.instead}" if parameter.instead else "Remove it"
        return DeclarationError("setting", f"{name} in {where}", cause, remedy)
    other = _parameters.other_side(name)
    if other is not None:
        mine, its = ("client", "server") if other.startswith("smtpd_") else ("server", "client")
        return DeclarationError(
            "setting",
            f"{name} in {where}",
            f"the {mine} side of Postfix has no such parameter",
            f"The {its} side has {other}: write that if it is what you mean",
        )
    meant = _parameters.nearest(name, known)
    remedy = f"Did you mean {meant}? " if meant else ""
    return DeclarationError(
        "setting",
        f"{name} in {where}",
        f"Postfix {here} does not know this parameter",
        f"{remedy}A parameter of your own must be referred to as ${name} in what is declared with it, or before it",
    )


# One function per kind: the cause and the remedy if the value is wrong


_Problem = Optional[Tuple[str, str]]


def _split(value: str) -> list[str]:
    return [word for word in _WORDS.split(value) if word]


def _anything(parameter: _parameters.Parameter, value: str) -> _Problem:
    return None


def _boolean(parameter: _parameters.Parameter, value: str) -> _Problem:
    if value.lower() in ("yes", "no"):
        return None
    return "it is a boolean, and Postfix stops on any value but yes and no", "Write true or false"


def _integer(parameter: _parameters.Parameter, value: str) -> _Problem:
    return None if re.fullmatch(r"-?\d+", value) else ("it is a number", "Write digits")


def _time(parameter: _parameters.Parameter, value: str) -> _Problem:
    if re.fullmatch(r"\d+[smhdw]?", value, re.IGNORECASE):
        return None
    return "it is a time", "Write a number with a unit of s, m, h, d or w, such as 30s"


def _enum(parameter: _parameters.Parameter, value: str) -> _Problem:
    if value in parameter.values or (not value and parameter.optional):
        return None
    close = difflib.get_close_matches(value, parameter.values, n=1)
    other = _parameters.other_side(parameter.name)
    counterpart = _parameters.find(other) if other else None
    hint = f"Did you mean {close[0]}? " if close else ""
    if counterpart is not None and value in counterpart.values:
        hint = f"{other} has it; "
    return "no such value", f"{hint}{parameter.name} takes {', '.join(parameter.values)}"


def _list(parameter: _parameters.Parameter, value: str) -> _Problem:
    wrong = [word for word in _split(value) if parameter.values and word not in parameter.values]
    return (f"no such value {wrong[0]!r}", f"Its values are {', '.join(parameter.values)}") if wrong else None


def _digest(parameter: _parameters.Parameter, value: str) -> _Problem:
    if value.lower() in _tls_policy.DIGEST_BYTES:
        return None
    return "no such digest algorithm", f"Write one of {', '.join(_tls_policy.DIGEST_BYTES)}"


_CHECKS = {
    "boolean": _boolean,
    "integer": _integer,
    "time": _time,
    "enum": _enum,
    "cipher_grade": _enum,
    "list": _list,
    "digest": _digest,
}
