# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists of domains in parameters such as mydestination (src/util/match_list.c). Private to mailops.postfix. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Dict, Iterator, List, Sequence, Tuple


@dataclass(frozen=True)
class Patterns:
    """Elements of a list of domains: one table, or domains."""

    table: str = ""
    found: bool = True
    """What a match of the table says: False after an exclamation mark."""
    names: Dict[str, Tuple[int, bool]] = field(default_factory=dict)
    """By domain: the place in the list, and what a match says."""


def domain_patterns(elements: Sequence[str]) -> Iterator[Patterns]:
    """The elements of a list of domains without files, in their order, domains joined as far as they follow each other."""
    joined = Patterns()
    for index, word in enumerate(elements):
        pattern = word.lstrip("!")
        found = (len(word) - len(pattern)) % 2 == 0
        is_table = ":" in pattern and not pattern.startswith("[")
        if not is_table:
            joined.names.setdefault(pattern.lower(), (index, found))
            continue
        yield joined
        joined = Patterns()
        yield Patterns(table=bare(pattern), found=found)
    yield joined


def with_files_read(elements: Sequence[str], read: Callable[[str], Sequence[str]]) -> List[str]:
    """The elements of a list, with those of each file in its place.

    :param read: returns the elements of a file.
    """
    result: List[str] = []
    for element in elements:
        path = element.lstrip("!")
        mark = element[: len(element) - len(path)]
        result += [mark + word for word in with_files_read(read(path), read)] if path[:1] == "/" else [element]
    return result


def bare(name: str) -> str:
    """The name of a table without ``proxy:``."""
    return name[6:] if name.startswith("proxy:") else name
