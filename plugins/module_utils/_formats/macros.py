# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Expansion of ``$name`` and ``${condition ? {this} : {that}}`` in values. Private to mailops.postfix. Pure.

postconf(1) prints values unexpanded, including the defaults that depend on compatibility_level.
Source: postconf(5), src/global/mac_expand.c.
"""

from __future__ import annotations

import operator
import re
from typing import Any, Callable, Mapping

_DEPTH = 50
_NAME = re.compile(r"\w+")
_OPERATOR = re.compile(r"\s*((?:[<>]=?|[=!]=)(?:level)?)\s*")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Unexpandable(ValueError):
    """The value cannot be expanded. The text gives the reason."""


def expand(value: str, parameters: Mapping[str, str]) -> str:
    """The value as a daemon uses it. An undefined name is empty.

    :raises Unexpandable: for what Postfix rejects too, and for functions such as ``domain_to_ascii``.
    """
    return _expand(value, parameters, 0)


def expanded_parameter(name: str, parameters: Mapping[str, str]) -> str:
    """The value of a parameter as a daemon uses it, without white space at its ends; empty if it cannot be expanded."""
    return expanded(parameters.get(name, ""), parameters) or ""


def expanded(value: str, parameters: Mapping[str, str]) -> str | None:
    """The value as a daemon uses it, without white space at its ends; None if it cannot be expanded."""
    try:
        return expand(value, parameters).strip()
    except Unexpandable:
        return None


def mistake(value: str) -> str:
    """Why each program of Postfix stops at a value, whatever the names in it have as values; empty if it does not. The value is not in it."""
    position = value.find("$")
    while position >= 0:
        following = value[position + 1 : position + 2]
        if following == "$":
            position += 1
        elif following in ("{", "("):
            try:
                body, _end = _enclosed(value, position + 1)
            except Unexpandable:
                return f"${following} is not closed"
            if not re.match(r"\s*[\w{]", body, re.ASCII):
                return f"no name follows ${following}"
        elif not re.match(r"\w", following, re.ASCII):
            return "no name follows a $"
        position = value.find("$", position + 1)
    return ""


def _expand(value: str, parameters: Mapping[str, str], depth: int) -> str:
    if depth > _DEPTH:
        raise Unexpandable(f"{value!r} refers to itself")
    result: list[str] = []
    position = 0
    while True:
        dollar = value.find("$", position)
        if dollar < 0:
            return "".join(result) + value[position:]
        result.append(value[position:dollar])
        following = value[dollar + 1 : dollar + 2]
        if following == "$":
            result.append("$")
            position = dollar + 2
        elif following in ("{", "("):
            body, position = _enclosed(value, dollar + 1)
            result.append(_expression(body, parameters, depth + 1))
        else:
            name = _NAME.match(value, dollar + 1)
            if not name:
                raise Unexpandable(f"{value!r} has a $ without a name")
            result.append(_expand(parameters.get(name.group(), ""), parameters, depth + 1))
            position = name.end()


def _enclosed(text: str, start: int) -> tuple[str, int]:
    """The text between the brace or parenthesis at start and its counterpart, and the position after it."""
    opening = text[start]
    closing = {"{": "}", "(": ")"}[opening]
    level = 0
    for index in range(start, len(text)):
        if text[index] == opening:
            level += 1
        elif text[index] == closing:
            level -= 1
            if level == 0:
                return text[start + 1 : index], index + 1
    raise Unexpandable(f"{text!r} has an unbalanced {opening}")


def _expression(body: str, parameters: Mapping[str, str], depth: int) -> str:
    if body.startswith("{"):
        left, position = _enclosed(body, 0)
        sign = _OPERATOR.match(body, position)
        if not sign or body[sign.end() : sign.end() + 1] != "{":
            raise Unexpandable(f"{body!r} has no operator")
        right, position = _enclosed(body, sign.end())
        condition = _compare(
            _expand(left.strip(), parameters, depth), sign.group(1), _expand(right.strip(), parameters, depth)
        )
        return _expand(_chosen(body[position:].lstrip(), condition), parameters, depth)
    name = _NAME.match(body)
    if not name:
        raise Unexpandable(f"{body!r} has no name")
    value = parameters.get(name.group(), "")
    rest = body[name.end() :].lstrip()
    if not rest:
        return _expand(value, parameters, depth)
    if rest[0] not in "?:":
        raise Unexpandable(f"{body!r} is a function")
    return _expand(_chosen(rest, bool(value)), parameters, depth)


def _chosen(rest: str, condition: bool) -> str:
    """The branch after ``?`` or ``:`` that applies."""
    sign, text = rest[:1], rest[1:].lstrip()
    if sign == ":":
        return "" if condition else _unbraced(text)
    if sign != "?":
        raise Unexpandable(f"{rest!r} starts with neither ? nor :")
    if not text.startswith("{"):
        return text if condition else ""
    if_true, position = _enclosed(text, 0)
    rest = text[position:].lstrip()
    if rest and not rest.startswith(":"):
        raise Unexpandable(f"{rest!r} does not start with :")
    return if_true.strip() if condition else _unbraced(rest[1:].lstrip())


def _unbraced(text: str) -> str:
    return _enclosed(text, 0)[0].strip() if text.startswith("{") else text


def _compare(left: str, sign: str, right: str) -> bool:
    if sign.endswith("level"):
        return _COMPARE[sign[: -len("level")]](_level(left), _level(right))
    if left.isdigit() and right.isdigit():
        return _COMPARE[sign](int(left), int(right))
    return _COMPARE[sign](left, right)


def _level(text: str) -> tuple[int, ...]:
    numbers = [int(number) for number in re.findall(r"\d+", text)[:3]]
    return tuple(numbers + [0] * (3 - len(numbers)))
