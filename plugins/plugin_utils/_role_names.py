# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables that a role does not have, and which name is the right one. Private to mailops.postfix."""

from __future__ import annotations

import re
from typing import Any, Callable, Iterable, Iterator, Mapping

from ..module_utils._model.parameters import find_parameter

MISSPELT = 2
"""The number of edits up to which a name counts as misspelt."""

SHARED_PREFIXES = ("letsencrypt",)
"""Roles whose prefix roles of other collections use, too."""

Specs = Mapping[str, Mapping[str, Any]]
"""The options in the argument specs of roles, by the name of the role."""


def unknown_variables(role: str, expected: Iterable[str], names: Iterable[str]) -> list[str]:
    """The names that are meant for a role and are not among its variables.

    These are the names with the role's prefix, in upper case and with hyphens, too, and those in which the prefix is misspelt. If roles of
    other collections use the prefix, only misspelt names of variables are meant for this role.

    :param expected: the variables of the role, and those to be ignored.
    :param names: the names of all variables of the host. A name that begins with an underscore is internal to a role.
    """
    expected = set(expected)
    return sorted(
        name
        for name in names
        if name not in expected and not name.startswith("_") and _is_meant_for(role, _plain(name), expected)
    )


def _is_meant_for(role: str, name: str, expected: set[str]) -> bool:
    prefix = f"{role}_"
    if role not in SHARED_PREFIXES and name.startswith(prefix):
        return True
    # A comparison with each variable takes long, and a host may have thousands.
    is_near = name.startswith(prefix) or (
        role not in SHARED_PREFIXES
        and len(set(prefix).difference(name[: len(prefix) + MISSPELT])) <= MISSPELT
        and any(
            distance(name[:length], prefix) <= MISSPELT
            for length in range(len(prefix) - MISSPELT, len(prefix) + MISSPELT + 1)
        )
    )
    return is_near and any(distance(name, other) <= MISSPELT for other in expected)


def right_name(role: str, name: str, expected: Iterable[str], specs: Callable[[], Specs]) -> str:
    """A question or sentence that names what the user probably means with a variable that the role does not have.

    :param expected: the variables of the role, and those to be ignored.
    :param specs: returns the argument specs of all roles of the collection, which takes a while.
    """
    expected = sorted(expected)
    plain = _plain(name)
    own = plain.removeprefix(f"{role}_")
    nearest = min(expected, key=lambda other: (distance(_singular(plain), _singular(other)), other))
    if distance(_singular(plain), _singular(nearest)) <= MISSPELT:
        return f"Did you mean {nearest}?"
    if find_parameter(own) and f"{role}_main_cf" in expected:
        return f"Did you mean the parameter {own} in {role}_main_cf?"
    alike = [other for other in expected if _is_alike(plain, other)]
    if alike:
        return f"Did you mean {min(alike, key=lambda other: (_end(other) != _end(plain), distance(plain, other)))}?"
    found = specs()
    keys = [
        f"the key {own} of {variable}"
        for variable, option in found.get(role, {}).items()
        if own in option.get("options", {})
    ]
    if keys:
        return f"Did you mean {' or '.join(keys)}?"
    of_others = [f"{other}_{own}" for other, options in found.items() if f"{other}_{own}" in options]
    if of_others:
        return f"It is like {' and '.join(of_others)}, which {'is' if len(of_others) == 1 else 'are'} for another role."
    return f"Did you mean {nearest}?"


def _is_alike(name: str, other: str) -> bool:
    """Whether one name is the beginning of the other, or has some of its words."""
    return (
        name.startswith(other)
        or other.startswith(name)
        or set(name.split("_")) < set(other.split("_"))
        or set(name.split("_")) > set(other.split("_"))
    )


def _singular(name: str) -> str:
    """A name without the plural of its words."""
    return re.sub(r"s(?=_|$)", "", re.sub(r"ies(?=_|$)", "y", name))


def _end(name: str) -> str:
    return name.rsplit("_", 1)[-1]


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def unknown_variable_faults(
    role: str, expected: Iterable[str], names: Iterable[str], specs: Callable[[], Specs] = dict
) -> Iterator[str]:
    """A sentence for each variable that is meant for a role that does not have it, as :func:`unknown_variables` finds them."""
    expected = set(expected)
    for name in unknown_variables(role, expected, names):
        yield (
            f"{name}: the role {role} does not have this variable. {right_name(role, name, expected, specs)} "
            f"If something else uses it, add it to {role}_ignored_variables"
        )


def distance(one: str, other: str) -> int:
    """The number of characters to insert, remove, replace or swap with their neighbour, to get from one name to the other."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, character in enumerate(one, 1):
        now = [row]
        for column, wanted in enumerate(other, 1):
            cost = min(last[column] + 1, now[-1] + 1, last[column - 1] + (character != wanted))
            if row > 1 and column > 1 and character == other[column - 2] and one[row - 2] == wanted:
                cost = min(cost, before[column - 2] + 1)
            now.append(cost)
        before, last = last, now
    return last[-1]
