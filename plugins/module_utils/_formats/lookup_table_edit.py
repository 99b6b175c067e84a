# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lookup tables: edits that keep every byte that is not owned. Private to mailops.postfix. Pure."""

from __future__ import annotations

from typing import Any, Mapping

from .._errors import DeclarationError, GrammarError
from .lines import WHITESPACE, LogicalLine, is_skipped, physical_lines, to_bytes, to_text
from .lookup_table import BLANKS, KEYED, NUL, ORDERED, TableEntry, fold, plain_lines, table_entries

_LMDB_KEY = 511
"""Bytes, what LMDB is built with everywhere (MDB_MAXKEYSIZE)."""


def value_of(value: Any, key: str) -> bytes | None:
    """A value from YAML as it is written; None for ``null``.

    :raises DeclarationError: for what has no one obvious spelling in a table.
    """
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        parts = [value_of(item, key) for item in value]
        return b", ".join(part for part in parts if part is not None)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        kind = {bool: "a boolean", float: "a fraction"}.get(type(value), "a dictionary")
        raise DeclarationError(
            "declaring the entry",
            repr(key),
            f"its value is {kind}, which YAML does not keep as it was typed",
            "Put the value in quotes",
        )
    return to_bytes(str(value))


def declaration(declared: Mapping[str, Any], map_type: str, utf8: bool = True) -> dict[bytes, bytes | None]:
    """The declared entries as bytes, once it is certain that the table can hold them.

    :raises DeclarationError: if a key or a value can't be written, or two keys are one to Postfix.
    """
    result: dict[bytes, bytes | None] = {}
    folded: dict[bytes, str] = {}
    for name, value in declared.items():
        name = str(name)
        key = to_bytes(name)
        written = value_of(value, name)
        cause = _cannot_hold(key, written, map_type, utf8)
        if cause:
            remedy = "Double quotes in the key protect its blanks" if "blank in its key" in cause else ""
            raise DeclarationError("declaring the entry", repr(name), cause, remedy)
        other = folded.setdefault(fold(key, map_type, utf8), name)
        if other != name:
            raise DeclarationError(
                "declaring the entry", repr(name), f"it is the same key as {other!r} to Postfix", "Keep one of the two"
            )
        result[key] = written
    return result


def _cannot_hold(key: bytes, value: bytes | None, map_type: str, utf8: bool) -> str:
    """Why the table can't hold an entry; empty if it can. What is to be removed may be what Postfix ignores."""
    for what, text in (("key", key), ("value", b"x" if value is None else value)):
        if not text:
            return f"its {what} is empty"
        if b"\n" in text:
            return f"its {what} holds a line end"
        if NUL in text:
            return f"its {what} holds a NUL byte"
        if text.strip(WHITESPACE) != text:
            return f"its {what} starts or ends with white space, which Postfix cuts off"
    if map_type == "lmdb" and len(key) > _LMDB_KEY:
        return f"its key has {len(key)} bytes, and LMDB takes {_LMDB_KEY}"
    if key.startswith(b"#"):
        return "its key starts with #: Postfix takes the line for a comment"
    found = table_entries(_line(key, value or b"x"), map_type, utf8)
    if len(found) != 1:
        return "Postfix would not read it as one entry"
    if value is None and not found[0].block:
        return ""
    if found[0].problem and not found[0].block:
        return f"Postfix would only warn about it: {found[0].problem}"
    if found[0].block:
        return "if and endif belong to the table as a whole: give it with src"
    if (found[0].key, found[0].value) != (key, value):
        return (
            "there is a blank in its key" if map_type in KEYED else "Postfix would split it into another key and value"
        )
    return ""


def _line(key: bytes, value: bytes) -> bytes:
    return key + b" " + value + b"\n"


def edit_table(
    text: bytes,
    declared: Mapping[bytes, bytes | None],
    map_type: str = "hash",
    exclusive: bool = False,
    utf8: bool = True,
    path: str = "table",
) -> bytes:
    """The text with the declared entries, all other bytes as they were.

    :param declared: value by key, as from :func:`declaration`; None removes the entry.
    :param exclusive: remove all entries that are not declared. Comments stay.
    :raises GrammarError: if a line that stays is one that Postfix ignores, or repeats the key of another.
    """
    wanted = {fold(key, map_type, utf8): (key, value) for key, value in declared.items()}
    plain = None if exclusive or map_type in ORDERED else plain_lines(text, utf8)
    if plain is not None:
        return _edit_plain(text, plain, wanted)
    present = table_entries(text, map_type, utf8)
    lines = physical_lines(text)
    kept: dict[bytes, None] = {}
    for entry in present:
        key = fold(entry.key, map_type, utf8)
        owned = key in wanted and not entry.block and entry.depth == 0
        value = wanted[key][1] if owned else None
        if value is not None and key not in kept:
            if entry.problem or entry.value != value:
                _replace(lines, entry, value)
            kept[key] = None
        elif owned or exclusive:
            _remove(lines, entry)
        elif entry.problem:
            raise _ignored(path, entry)
    if not exclusive:
        _refuse_duplicates(
            [entry for entry in present if fold(entry.key, map_type, utf8) not in wanted], map_type, utf8, path
        )
    order = [key for key, (_name, value) in wanted.items() if value is not None]
    if exclusive and map_type in ORDERED and order[: len(kept)] != list(kept):
        kept = {}
        lines = physical_lines(text)
        for entry in present:
            _remove(lines, entry)
    return _append(b"".join(lines), [wanted[key] for key in order if key not in kept])


def _edit_plain(text: bytes, keys: list[bytes], wanted: Mapping[bytes, tuple[bytes, bytes | None]]) -> bytes:
    """The same for a table of one-line entries, where nothing can be wrong."""
    index = {key: number for number, key in enumerate(keys) if key in wanted}
    lines: list[bytes] = physical_lines(text) if index else []
    changed = False
    for key, (_name, value) in wanted.items():
        if key in index:
            start = index[key]
            entry = table_entries(lines[start])[0]
            entry = TableEntry(LogicalLine(start + 1, entry.line.text, start, start + 1), entry.key, entry.value)
            if value is None:
                lines[start] = b""
            elif entry.value != value:
                _replace(lines, entry, value)
            else:
                continue
            changed = True
    return _append(b"".join(lines) if changed else text, [found for key, found in wanted.items() if key not in index])


def _replace(lines: list[bytes], entry: TableEntry, value: bytes) -> None:
    first = lines[entry.line.start]
    end = first[len(first.rstrip(WHITESPACE)) :] if len(_kept(lines, entry)) == 1 else b"\n"
    rest = first[len(entry.key) :]
    blank = BLANKS.match(rest)
    separator = blank.group().rstrip(b"\r\n") if blank else b""
    _remove(lines, entry)
    lines[entry.line.start] = entry.key + (separator or b" ") + value + end


def _remove(lines: list[bytes], entry: TableEntry) -> None:
    for index in _kept(lines, entry):
        lines[index] = b""


def _kept(lines: list[bytes], entry: TableEntry) -> list[int]:
    """Its own physical lines, without the comments and blank lines between them."""
    return [index for index in range(entry.line.start, entry.line.end) if not is_skipped(lines[index])]


def _append(text: bytes, missing: list[tuple[bytes, bytes | None]]) -> bytes:
    new = b"".join(_line(key, value) for key, value in missing if value is not None)
    if not new or not text or text.endswith(b"\n"):
        return text + new
    return text + b"\n" + new[:-1]


def check_entries(text: bytes, map_type: str = "hash", utf8: bool = True, path: str = "table") -> None:
    """Refuse a table in which Postfix would ignore something.

    :raises GrammarError: naming file and line.
    """
    if map_type not in ORDERED and plain_lines(text, utf8) is not None:
        return
    present = table_entries(text, map_type, utf8)
    for entry in present:
        if entry.problem:
            raise _ignored(path, entry)
    _refuse_duplicates(present, map_type, utf8, path)


def _refuse_duplicates(present: list[TableEntry], map_type: str, utf8: bool, path: str) -> None:
    if map_type in ORDERED:
        return
    first: dict[bytes, TableEntry] = {}
    for entry in present:
        other = first.setdefault(fold(entry.key, map_type, utf8), entry)
        if other is not entry and not entry.problem:
            raise GrammarError(
                "reading",
                f"{path}:{entry.line.number}",
                f"the key {to_text(entry.key)!r} is already on line {other.line.number}, and Postfix ignores this line",
                "Remove one of the two, or declare the entry",
            )


def _ignored(path: str, entry: TableEntry) -> GrammarError:
    return GrammarError(
        "reading",
        f"{path}:{entry.line.number}",
        f"Postfix only warns about this line: {entry.problem}",
        "Correct or remove it",
    )
