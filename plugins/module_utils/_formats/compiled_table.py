# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The contents of compiled lookup tables, from the output of postmap(1) or from the file. Private to mailops.postfix. Pure."""

from __future__ import annotations

import struct

from .lookup_table import NUL, PLAIN_PAIR, fold, split_entry

_CDB_HEADER = 2048

# Bytes in a listing that need the full grammar: quotes, escapes, and white space of other kinds or at the start of a line.
_UNUSUAL = (b'"', b"\\", NUL, b"\v", b"\f", b"\r", b"\n ", b"\n\t")


def listed_contents(output: bytes, utf8: bool = True) -> dict[bytes, bytes]:
    """The contents of a compiled table from the output of ``postmap -s``."""
    if output.isascii() and not any(found in output for found in _UNUSUAL):
        pairs = PLAIN_PAIR.findall(output)
        if len(pairs) == output.count(b"\n"):
            return {key.lower(): value for key, value in pairs}
    result: dict[bytes, bytes] = {}
    for line in output.split(b"\n"):
        if line:
            key, value, _problem = split_entry(line)
            result[fold(key, utf8=utf8)] = value
    return result


def cdb_contents(data: bytes, utf8: bool = True) -> dict[bytes, bytes] | None:
    """The contents of a cdb file, which ``postmap -s`` cannot list; None if Postfix would not find every entry.

    Source: D. J. Bernstein, A structure for constant databases.
    """
    if len(data) < _CDB_HEADER:
        return None
    tables = list(struct.iter_unpack("<II", data[:_CDB_HEADER]))
    end = min(start for start, _slots in tables)
    if not end >= _CDB_HEADER or max(start + 8 * slots for start, slots in tables) != len(data):
        return None
    result: dict[bytes, bytes] = {}
    position = _CDB_HEADER
    while position < end:
        if position + 8 > end:
            return None
        key_length, value_length = struct.unpack_from("<II", data, position)
        middle = position + 8 + key_length
        if middle + value_length > end:
            return None
        key = data[position + 8 : middle]
        if not _cdb_finds(data, tables, key, position):
            return None
        position = middle + value_length
        result[fold(key.rstrip(NUL), utf8=utf8)] = data[middle:position].rstrip(NUL)
    return result


def _cdb_finds(data: bytes, tables: list[tuple[int, int]], key: bytes, position: int) -> bool:
    """Whether a search for the key finds the record at the position."""
    digest = 5381
    for byte in key:
        digest = (digest * 33 ^ byte) & 0xFFFFFFFF
    start, slots = tables[digest & 255]
    for step in range(slots):
        slot = start + 8 * ((digest // 256 + step) % slots)
        found, record = struct.unpack_from("<II", data, slot)
        if record in (0, position):
            return bool(record) and found == digest
    return False


def berkeley_type(head: bytes) -> str:
    """The type of a ``.db`` file, ``hash`` or ``btree``, from its first bytes; empty if it is neither.

    The two types use the same file name, but different formats.
    """
    magics = {0x061561: "hash", 0x053162: "btree"}
    for order in "<>":
        if len(head) >= 16:
            magic = magics.get(struct.unpack_from(f"{order}I", head, 12)[0])
            if magic:
                return magic
    return ""
