# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which entries of a table go because of their value. Pure. Private to mailops.postfix.

A table of keys by owner, say: an owner that is no more loses what it had, and a new key of an owner replaces the old one.
"""

from __future__ import annotations

from typing import AbstractSet, Mapping

from . import lookup_table


def stale_entries(
    text: bytes,
    declared: Mapping[bytes, bytes | None],
    map_type: str,
    utf8: bool,
    only: AbstractSet[bytes] | None,
    unique: bool,
) -> list[bytes]:
    """The keys of entries that nobody has declared and that must go.

    :param only: the values that entries may have; None for any.
    :param unique: whether no other entry may have the value of a declared one.
    """
    kept = {lookup_table.fold(key, map_type, utf8) for key in declared}
    taken = {value for value in declared.values() if value is not None} if unique else set()
    return [
        entry.key
        for entry in lookup_table.table_entries(text, map_type, utf8)
        if not entry.problem
        and not entry.block
        and lookup_table.fold(entry.key, map_type, utf8) not in kept
        and (entry.value in taken or (only is not None and entry.value not in only))
    ]
