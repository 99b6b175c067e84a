# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compiled lookup tables: what one holds, by the output of postmap(1) or by its own bytes. Private to mailops.postfix. Pure."""

from __future__ import annotations

import struct

from ansible_collections.mailops.postfix.plugins.module_utils._lookup_table import NUL, PLAIN_PAIR, fold, split_entry

# What makes a listing more than one-line entries: quotes, escapes, white space of other kinds or before a line.
_UNUSUAL = (b'"', b"\\", NUL, b"\v", b"\f", b"\r", b"\n ", b"\n\t")


def dumped(output: bytes) -> dict[bytes, bytes]:
    """The contents of a compiled table from the output of ``postmap -s``."""
    if output.isascii() and not any(found in output for found in _UNUSUAL):
        pairs = PLAIN_PAIR.findall(output)
        if len(pairs) == output.count(b"\n"):
            return {key.lower(): value for key, value in pairs}
    result: dict[bytes, bytes] = {}
    for line in output.split(b"\n"):
        if line:
            key, value, _problem = split_entry(line)
            result[fold(key)] = value
    return result


def cdb_contents(data: bytes) -> dict[bytes, bytes] | None:
    """The contents of a cdb file (``postmap -s`` can't list one); None if it is none."""
    header = 2048
    if len(data) < header:
        return None
    end = min(struct.unpack_from("<I", data, 8 * slot)[0] for slot in range(256))
    if not header <= end <= len(data):
        return None
    result: dict[bytes, bytes] = {}
    position = header
    while position < end:
        if position + 8 > end:
            return None
        key_length, value_length = struct.unpack_from("<II", data, position)
        middle = position + 8 + key_length
        position = middle + value_length
        if position > end:
            return None
        result[fold(data[middle - key_length : middle].rstrip(NUL))] = data[middle:position].rstrip(NUL)
    return result


def berkeley_type(head: bytes) -> str:
    """hash, btree or neither, from the first bytes of a ``.db`` file: the two share that name, and nothing else."""
    magics = {0x061561: "hash", 0x053162: "btree"}
    for order in "<>":
        if len(head) >= 16:
            magic = magics.get(struct.unpack_from(f"{order}I", head, 12)[0])
            if magic:
                return magic
    return ""
