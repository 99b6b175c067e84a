# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Edits of lookup tables that keep every byte outside the declared entries. Private to mailops.postfix. Pure."""

from __future__ import annotations

from collections import Counter
from typing import AbstractSet, Any, Iterator, Mapping

from .._errors import DeclarationError, GrammarError
from .lines import WHITESPACE, LogicalLine, is_skipped, physical_lines, to_bytes, to_text
from .lookup_table import BLANKS, KEYED, NUL, ORDERED, TableEntry, fold, plain_lines, table_entries

_LMDB_KEY_BYTES = 511
"""The longest key, as distributions build LMDB (MDB_MAXKEYSIZE)."""


def value_of(value: Any, key: str) -> bytes | None:
    """A value from YAML as it is written to a table; None for ``null``.

    :raises DeclarationError: for a type that has no unambiguous spelling in a table.
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
            f"its value is {kind}, and YAML does not preserve its spelling",
            "Put the value in quotes",
        )
    return to_bytes(str(value))


def declaration(declared: Mapping[str, Any], map_type: str, utf8: bool = True) -> dict[bytes, bytes | None]:
    """The declared entries as bytes.

    :raises DeclarationError: if the table cannot hold a key or a value, or if Postfix treats two keys as the same.
    """
    result: dict[bytes, bytes | None] = {}
    names: dict[bytes, str] = {}
    for name, value in declared.items():
        name = str(name)
        key = to_bytes(name)
        written = value_of(value, name)
        cause = _cannot_hold(key, written, map_type, utf8)
        if cause:
            remedy = (
                "Put the part with the blank in double quotes inside the key" if "contains a blank" in cause else ""
            )
            raise DeclarationError("declaring the entry", repr(name), cause, remedy)
        other = names.setdefault(fold(key, map_type, utf8), name)
        if other != name:
            raise DeclarationError(
                "declaring the entry",
                repr(name),
                f"Postfix treats it as the same key as {other!r}",
                "Keep one of the two",
            )
        result[key] = written
    return result


def _cannot_hold(key: bytes, value: bytes | None, map_type: str, utf8: bool) -> str:
    """Why the table cannot hold an entry; empty if it can. Lines that Postfix ignores may be removed."""
    for what, text in (("key", key), ("value", b"x" if value is None else value)):
        if not text:
            return f"its {what} is empty"
        if b"\n" in text:
            return f"its {what} contains a line end"
        if NUL in text:
            return f"its {what} contains a NUL byte"
        if text.strip(WHITESPACE) != text:
            return f"its {what} starts or ends with white space, which Postfix removes"
    if map_type == "lmdb" and len(key) > _LMDB_KEY_BYTES:
        return f"its key has {len(key)} bytes, and the limit of LMDB is {_LMDB_KEY_BYTES}"
    if key.startswith(b"#"):
        return "its key starts with #: Postfix treats the line as a comment"
    found = table_entries(_line(key, value or b"x"), map_type, utf8)
    if len(found) != 1:
        return "Postfix would not read it as one entry"
    if value is None and not found[0].block:
        return ""
    if found[0].problem and not found[0].block:
        return f"Postfix would only warn about it: {found[0].problem}"
    if found[0].block:
        return "if and endif cannot be declared as entries: give the complete table with src"
    if (found[0].key, found[0].value) != (key, value):
        return "its key contains a blank" if map_type in KEYED else "Postfix would split it into another key and value"
    return ""


def _line(key: bytes, value: bytes) -> bytes:
    return key + b" " + value + b"\n"


def edit_table(
    text: bytes,
    declared: Mapping[bytes, bytes | None],
    map_type: str = "hash",
    exclusive: bool = False,
    utf8: bool = True,
) -> bytes:
    """The text with the declared entries and all other bytes unchanged.

    :param declared: value by key, as from :func:`declaration`; None removes the entry.
    :param exclusive: whether to remove all undeclared entries. Comments are kept.
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
    order = [key for key, (_name, value) in wanted.items() if value is not None]
    if exclusive and map_type in ORDERED and order[: len(kept)] != list(kept):
        kept = {}
        lines = physical_lines(text)
        for entry in present:
            _remove(lines, entry)
    return _append(b"".join(lines), [wanted[key] for key in order if key not in kept])


def _edit_plain(text: bytes, keys: list[bytes], wanted: Mapping[bytes, tuple[bytes, bytes | None]]) -> bytes:
    """The same for a table of one-line entries without errors."""
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
    end = first[len(first.rstrip(WHITESPACE)) :] if len(_own_lines(lines, entry)) == 1 else b"\n"
    rest = first[len(entry.key) :]
    blank = BLANKS.match(rest)
    separator = blank.group().rstrip(b"\r\n") if blank else b""
    _remove(lines, entry)
    lines[entry.line.start] = entry.key + (separator or b" ") + value + end


def _remove(lines: list[bytes], entry: TableEntry) -> None:
    for index in _own_lines(lines, entry):
        lines[index] = b""


def _own_lines(lines: list[bytes], entry: TableEntry) -> list[int]:
    """The indexes of its own physical lines, without the comments and blank lines between them."""
    return [index for index in range(entry.line.start, entry.line.end) if not is_skipped(lines[index])]


def _append(text: bytes, missing: list[tuple[bytes, bytes | None]]) -> bytes:
    new = b"".join(_line(key, value) for key, value in missing if value is not None)
    if not new or not text or text.endswith(b"\n"):
        return text + new
    return text + b"\n" + new[:-1]


def check_entries(
    text: bytes, map_type: str = "hash", utf8: bool = True, path: str = "table", before: bytes = b""
) -> dict[int, str]:
    """Messages by line number about the lines that Postfix ignores and that were in the table before; others are refused.

    :param path: the file name for errors.
    :param before: the previous text.
    :raises GrammarError: with file and line.
    """
    if map_type not in ORDERED and plain_lines(text, utf8) is not None:
        return {}
    known = Counter(line.text for line, _cause, _remedy in _ignored_lines(before, map_type, utf8))
    messages = {}
    for line, cause, remedy in _ignored_lines(text, map_type, utf8):
        error = GrammarError("reading", f"{path}:{line.number}", cause, remedy)
        if not known[line.text]:
            raise error
        known[line.text] -= 1
        messages[line.number] = str(error)
    return messages


def _ignored_lines(text: bytes, map_type: str, utf8: bool) -> Iterator[tuple[LogicalLine, str, str]]:
    """The lines that Postfix ignores, with cause and remedy."""
    first: dict[bytes, int] = {}
    for entry in table_entries(text, map_type, utf8):
        number = entry.line.number
        if entry.problem:
            yield entry.line, f"Postfix only warns about this line: {entry.problem}", "Correct or remove the line"
        elif map_type not in ORDERED:
            other = first.setdefault(fold(entry.key, map_type, utf8), number)
            if other != number:
                cause = f"the key {to_text(entry.key)!r} is already on line {other}, so Postfix ignores this line"
                yield entry.line, cause, "Remove one of the two lines, or declare the entry"


def stale_entries(
    text: bytes,
    declared: Mapping[bytes, bytes | None],
    map_type: str,
    utf8: bool,
    only: AbstractSet[bytes] | None,
    unique: bool,
) -> list[bytes]:
    """The keys of undeclared entries that must be removed because of their value.

    In a table of keys by owner, for example, the entries of a former owner are removed, and a new key of an owner
    replaces the old one.

    :param only: the values that entries may have; None for any.
    :param unique: whether no other entry may have the value of a declared one.
    """
    declared_keys = {fold(key, map_type, utf8) for key in declared}
    unique_values = {value for value in declared.values() if value is not None} if unique else set()
    return [
        entry.key
        for entry in table_entries(text, map_type, utf8)
        if not entry.problem
        and not entry.block
        and fold(entry.key, map_type, utf8) not in declared_keys
        and (entry.value in unique_values or (only is not None and entry.value not in only))
    ]
