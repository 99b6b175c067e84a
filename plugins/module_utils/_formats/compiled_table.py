# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The contents of compiled lookup tables, from the output of postmap(1). Private to mailops.postfix. Pure."""

from __future__ import annotations

from .lookup_table import NUL, PLAIN_PAIR, fold, split_entry

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
