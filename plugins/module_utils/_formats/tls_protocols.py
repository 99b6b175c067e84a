# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists of TLS protocols, and their form for a given Postfix version. Private to mailops.postfix. Pure.

A list contains names (an allow-list), ``!name`` (exclusions) and, since Postfix 3.6, the bounds ``>=name`` and
``<=name``. Postfix does not check a list before a TLS session starts (src/tls/tls_misc.c, tls_proto_mask_lims()).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._errors import DeclarationError

PROTOCOLS = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
"""All protocols that Postfix has a name for, from the oldest to the newest."""

BOUNDS_SINCE = (3, 6)
"""The first Postfix that supports ``>=`` and ``<=``. Older versions abort every TLS session with such a list."""

_NAMES = {name.lower(): name for name in PROTOCOLS}
_NUMBERS = {0x0002: "SSLv2", 0x0300: "SSLv3", 0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}
_PARAMETER = re.compile(r"_tls_(mandatory_)?protocols$")
_SEPARATORS = re.compile(r"[ \t\r\n,:]+")
_NUMBER = re.compile(r"(?:0[xX])?([0-9A-Fa-f]{4})")


@dataclass(frozen=True)
class Protocols:
    """A parsed list of protocols."""

    include: tuple[str, ...] = ()
    """Names without a sign. If there are any, no other protocol is allowed."""
    exclude: tuple[str, ...] = ()
    floor: str | None = None
    ceiling: str | None = None

    @property
    def enabled(self) -> tuple[str, ...]:
        """The allowed protocols, from the oldest to the newest."""
        low = PROTOCOLS.index(self.floor) if self.floor else 0
        high = PROTOCOLS.index(self.ceiling) if self.ceiling else len(PROTOCOLS) - 1
        return tuple(
            name
            for name in PROTOCOLS[low : high + 1]
            if name not in self.exclude and (not self.include or name in self.include)
        )

    @property
    def lost_by_allow_list(self) -> tuple[str, ...]:
        """Newer protocols that are disabled only because they are not listed: ``TLSv1.2`` disables TLSv1.3."""
        if not self.include:
            return ()
        newest = max(PROTOCOLS.index(name) for name in self.include)
        wanted = Protocols(exclude=self.exclude, floor=self.floor, ceiling=self.ceiling).enabled
        return tuple(name for name in PROTOCOLS[newest + 1 :] if name in wanted)


def parse_protocols(value: str) -> Protocols:
    """A list of protocols in any of Postfix's notations. An empty list allows all.

    :raises DeclarationError: if an element is not a valid protocol, or if no protocol is allowed.
    """
    include = []
    exclude = []
    floor = ceiling = None
    for element in _elements(value):
        if element.startswith(">="):
            floor = _bound(value, element)
        elif element.startswith("<="):
            ceiling = _bound(value, element)
        elif element.startswith("!"):
            exclude.append(_name(value, element[1:]))
        else:
            include.append(_name(value, element))
    result = Protocols(tuple(include), tuple(exclude), floor, ceiling)
    if not result.enabled:
        raise DeclarationError(
            "reading the protocols",
            repr(value),
            "they exclude every protocol",
            "Allow at least one, for example >=TLSv1.2",
        )
    return result


def protocols_for(version: tuple[int, ...], value: str, separator: str) -> str:
    """A list of protocols in the notation of a Postfix version.

    :param version: the version of the installed Postfix.
    :param value: the declared list, in any notation; ``>=`` and ``<=`` become exclusions before Postfix 3.6.
    :param separator: the text between the elements: ``", "`` in main.cf, ``":"`` in a policy table.
    :raises DeclarationError: if an element is not a valid protocol, or if no protocol is allowed.
    """
    protocols = parse_protocols(value)
    if version >= BOUNDS_SINCE or (protocols.floor is None and protocols.ceiling is None):
        return separator.join(_spelled(element) for element in _elements(value))
    within = Protocols(floor=protocols.floor, ceiling=protocols.ceiling).enabled
    excluded = [name for name in PROTOCOLS if name not in within or name in protocols.exclude]
    return separator.join([*protocols.include, *(f"!{name}" for name in excluded)])


def has_bounds(name: str, value: str) -> bool:
    """Whether a parameter is set to TLS protocols with a bound, such as ``>=TLSv1.2``. A value with ``$`` is not expanded."""
    return "$" not in value and bool(re.search("[<>]=", value) and _PARAMETER.search(name))


def for_version(value: str, version: tuple[int, ...]) -> str:
    """The value of a protocols parameter in the notation of a version; unchanged if it is invalid."""
    if version >= BOUNDS_SINCE:
        return value
    try:
        return protocols_for(version, value, ", ")
    except DeclarationError:
        return value  # the checks report the error


def _elements(value: str) -> list[str]:
    return [element for element in _SEPARATORS.split(value) if element]


def _name(value: str, name: str) -> str:
    try:
        return _NAMES[name.lower()]
    except KeyError:
        raise _unknown(value, name) from None


def _bound(value: str, element: str) -> str:
    number = _NUMBER.fullmatch(element[2:])
    if number:
        name = _NUMBERS.get(int(number.group(1), 16))
        if name is None:
            raise _unknown(value, element[2:])
        return name
    return _name(value, element[2:])


def _unknown(value: str, name: str) -> DeclarationError:
    return DeclarationError(
        "reading the protocols",
        repr(value),
        f"{name!r} is not a valid protocol",
        f"The protocols are {', '.join(PROTOCOLS)}; write, for example, >=TLSv1.2",
    )


def _spelled(element: str) -> str:
    sign = re.match(r"!|>=|<=|", element)
    prefix = sign.group() if sign else ""
    name = element[len(prefix) :]
    return prefix + _NAMES.get(name.lower(), name)
