# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lookup tables: text to entries and back, keeping every byte that is not owned. Private to mailops.postfix. Pure.

Three grammars stand on the same logical lines (:mod:`_logical_lines`):

* keyed tables (hash, btree, lmdb, cdb, texthash; postmap(1)): a key up to the first blank outside double quotes, and
  a value. Keys fold case, their order means nothing, and of two entries with one key Postfix uses the first;
* expressions (regexp, pcre; regexp_table(5)): ``/pattern/flags value``. Rules are tried in order, and ``if`` …
  ``endif`` blocks hold others;
* networks (cidr; cidr_table(5)): ``network/prefix value``, otherwise as expressions.

Tables may have millions of lines, which one by one take seconds. So keyed tables that hold nothing but one-line entries,
comments and empty lines are read by regular expressions over the whole text; whatever else stands in a text, from a
continuation line to a mistake, leaves it to the grammar.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import AbstractSet, Any, Mapping

from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, GrammarError
from ansible_collections.mailops.postfix.plugins.module_utils._logical_lines import (
    WHITESPACE,
    LogicalLine,
    is_skipped,
    logical_lines,
    physical_lines,
    to_bytes,
    to_text,
)

COMPILED = {"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb"}
"""Types that postmap(1) compiles, and the suffix of the compiled file."""

KEYED = (*COMPILED, "texthash")
"""Types with the grammar of postmap(1)."""

ORDERED = ("cidr", "regexp", "pcre")
"""Types whose rules are tried in order."""

TYPES = (*KEYED, *ORDERED)
"""All types that are managed here."""

AUTOMATIC = ("lmdb", "cdb", "hash", "btree")
"""What ``auto`` takes, in this order, where default_database_type is not to be had: first what outlives Berkeley DB."""

READ_ONCE = ("texthash", *ORDERED)
"""Types that a process reads when it starts and never again: long-running daemons need a reload."""

_NUL = b"\0"
_BLANKS = re.compile(rb"[ \t\n\v\f\r]+")
_NEGATION = re.compile(rb"^[! \t\n\v\f\r]+")
_SPACES = frozenset(bytes([byte]) for byte in WHITESPACE)


# What makes a listing more than one-line entries: quotes, escapes, white space of other kinds or before a line.
_UNUSUAL = (b'"', b"\\", _NUL, b"\v", b"\f", b"\r", b"\n ", b"\n\t")
_PLAIN_KEY = re.compile(
    rb"""^(?:([^ \t\n\v\f\r\0#"\\][^ \t\n\v\f\r\0"\\]*)(?<!:)[ \t]+[^ \t\n\v\f\r\0][^\n\v\f\r\0]*|\#[^\n]*|)(?:\n|\Z)""",
    re.MULTILINE,
)
_PLAIN_PAIR = re.compile(rb"^([^ \t\n#][^ \t\n]*)[ \t]+([^ \t\n](?:[^\n]*[^ \t\n])?)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """One logical line of a table."""

    line: LogicalLine
    key: bytes
    """The key as written; empty if it can't be told."""
    value: bytes
    problem: str = ""
    """What Postfix warns about, in most cases ignoring the line; empty if nothing."""
    depth: int = 0
    """How many ``if`` blocks it stands in."""
    block: bool = False
    """Whether it is an ``if`` or ``endif`` line."""


def choose(declared: str, default: str, available: AbstractSet[str]) -> str:
    """The type of a table; empty if the host does not have it.

    :param declared: a type or ``auto``.
    :param default: what default_database_type says.
    """
    if declared != "auto":
        return declared if declared in available else ""
    candidates = (name for name in (default, *AUTOMATIC) if name in available and name in COMPILED)
    return next(candidates, "")


def seal(path: str, map_type: str, utf8: bool) -> str:
    """The name under which the files of a table are sealed: other types, and other ideas of UTF-8, make other files."""
    return f"{map_type}:{path}" + ("" if utf8 else " in bytes")


def fold(key: bytes, map_type: str = "hash") -> bytes:
    """The form of a key that Postfix compares."""
    if map_type in ORDERED:
        return _NEGATION.sub(lambda found: _BLANKS.sub(b"", found.group()), key)
    try:
        return key.decode("utf-8").casefold().encode("utf-8")
    except UnicodeDecodeError:
        return key.lower()


@lru_cache(maxsize=1)
def _plain_lines(text: bytes, utf8: bool) -> list[bytes] | None:
    """The folded key of each line of a plain table, empty for a comment; None if there is anything unusual in it."""
    body = text[:-1] if text.endswith(b"\n") else text
    if not body:
        return []
    keys: list[bytes] = _PLAIN_KEY.findall(body.lower())
    if len(keys) != body.count(b"\n") + 1:
        return None
    different = set(keys)
    if len(different) != len(keys):
        skipped = keys.count(b"")
        if len(keys) - skipped + bool(skipped) != len(different):
            return None  # a key stands there twice
    if not text.isascii() and not ((_is_utf8(text) or not utf8) and all(key.isascii() for key in different)):
        return None
    return keys


def split_entry(text: bytes) -> tuple[bytes, bytes, str]:
    """Key, value and problem of a logical line of a keyed table (postmap(1), Postfix 3.2 and later)."""
    if _NUL in text:
        return b"", b"", "it holds a NUL byte"
    index = _key_end(text)
    if index is None:
        return b"", b"", "it has an unbalanced double quote"
    key, value = text[:index], text[index:].strip(WHITESPACE)
    if not value:
        return key, b"", "it has no value"
    if key.endswith(b":"):
        return key, value, 'its key ends with ":", as in an alias file'
    return key, value, ""


def _key_end(text: bytes) -> int | None:
    """Where the key ends: at the first blank that is neither quoted nor escaped; None if a quote stays open."""
    if b'"' not in text and b"\\" not in text:
        blank = _BLANKS.search(text)
        return blank.start() if blank else len(text)
    quoted = False
    index = 0
    while index < len(text):
        byte = text[index : index + 1]
        if byte == b"\\":
            index += 1
            if index == len(text):
                break
        elif byte == b'"':
            quoted = not quoted
        elif not quoted and byte in _SPACES:
            break
        index += 1
    return None if quoted else index


def entries(text: bytes, map_type: str = "hash", utf8: bool = True) -> list[Entry]:
    """The entries of a table, with the lines that Postfix ignores.

    :param utf8: whether Postfix drops lines that are not UTF-8 (smtputf8_enable).
    """
    if map_type in ORDERED:
        return _rules(text, map_type)
    result = []
    for line in logical_lines(text):
        if line.indented:
            result.append(Entry(line, b"", b"", "the first entry of a file must not start with white space"))
            continue
        key, value, problem = split_entry(line.text)
        if utf8 and not problem and not _is_utf8(line.text):
            problem = "it is not valid UTF-8"
        result.append(Entry(line, key, value, problem))
    return result


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _rules(text: bytes, map_type: str) -> list[Entry]:
    result: list[Entry] = []
    depth = 0
    for line in logical_lines(text):
        rule = line.text.strip(WHITESPACE)
        word = re.match(rb"(if|endif)(?![A-Za-z0-9])", rule, re.IGNORECASE)
        if line.indented:
            result.append(Entry(line, b"", b"", "the first rule of a file must not start with white space", depth))
        elif _NUL in rule:
            result.append(Entry(line, b"", b"", "it holds a NUL byte", depth))
        elif word and word.group(1).lower() == b"if":
            result.append(Entry(line, rule, b"", "", depth, block=True))
            depth += 1
        elif word:
            problem = "" if depth else "endif without if"
            depth = max(0, depth - 1)
            result.append(Entry(line, rule, b"", problem, depth, block=True))
        else:
            key, value, problem = (_split_network if map_type == "cidr" else _split_expression)(rule)
            result.append(Entry(line, key, value, problem, depth))
    if depth:
        opened = next(entry for entry in reversed(result) if entry.block and entry.key[:2].lower() == b"if")
        result[result.index(opened)] = Entry(opened.line, opened.key, b"", "if without endif", opened.depth, block=True)
    return result


def _split_network(rule: bytes) -> tuple[bytes, bytes, str]:
    found = re.match(rb"((?:![! \t\n\v\f\r]*)?[^ \t\n\v\f\r]+)(.*)", rule, re.DOTALL)
    key, value = (found.group(1), found.group(2).strip(WHITESPACE)) if found else (b"", b"")
    return key, value, "" if value else "it has no value"


def _split_expression(rule: bytes) -> tuple[bytes, bytes, str]:
    start = len(rule) - len(rule.lstrip(b"!" + WHITESPACE))
    delimiter = rule[start : start + 1]
    if not delimiter or delimiter.isalnum():
        return b"", b"", "it is no expression, such as /pattern/"
    index = start + 1
    while index < len(rule) and rule[index : index + 1] != delimiter:
        index += 2 if rule[index : index + 1] == b"\\" else 1
    if index >= len(rule):
        return b"", b"", f"its expression lacks the closing {to_text(delimiter)!r}"
    found = re.match(rb"[^ \t\n\v\f\r]*", rule[index:])
    end = index + (len(found.group()) if found else 0)
    key, value = rule[:end], rule[end:].strip(WHITESPACE)
    return key, value, "" if value else "it has no value"


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
        other = folded.setdefault(fold(key, map_type), name)
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
        if _NUL in text:
            return f"its {what} holds a NUL byte"
        if text.strip(WHITESPACE) != text:
            return f"its {what} starts or ends with white space, which Postfix cuts off"
    if key.startswith(b"#"):
        return "its key starts with #: Postfix takes the line for a comment"
    found = entries(_line(key, value or b"x"), map_type, utf8)
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


def edit(
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
    wanted = {fold(key, map_type): (key, value) for key, value in declared.items()}
    plain = None if exclusive or map_type in ORDERED else _plain_lines(text, utf8)
    if plain is not None:
        return _edit_plain(text, plain, wanted)
    present = entries(text, map_type, utf8)
    lines = physical_lines(text)
    kept: dict[bytes, None] = {}
    for entry in present:
        key = fold(entry.key, map_type)
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
        _refuse_duplicates([entry for entry in present if fold(entry.key, map_type) not in wanted], map_type, path)
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
            entry = entries(lines[start])[0]
            entry = Entry(LogicalLine(start + 1, entry.line.text, start, start + 1), entry.key, entry.value)
            if value is None:
                lines[start] = b""
            elif entry.value != value:
                _replace(lines, entry, value)
            else:
                continue
            changed = True
    return _append(b"".join(lines) if changed else text, [found for key, found in wanted.items() if key not in index])


def _replace(lines: list[bytes], entry: Entry, value: bytes) -> None:
    first = lines[entry.line.start]
    end = first[len(first.rstrip(WHITESPACE)) :] if len(_kept(lines, entry)) == 1 else b"\n"
    rest = first[len(entry.key) :]
    blank = _BLANKS.match(rest)
    separator = blank.group().rstrip(b"\r\n") if blank else b""
    _remove(lines, entry)
    lines[entry.line.start] = entry.key + (separator or b" ") + value + end


def _remove(lines: list[bytes], entry: Entry) -> None:
    for index in _kept(lines, entry):
        lines[index] = b""


def _kept(lines: list[bytes], entry: Entry) -> list[int]:
    """Its own physical lines, without the comments and blank lines between them."""
    return [index for index in range(entry.line.start, entry.line.end) if not is_skipped(lines[index])]


def _append(text: bytes, missing: list[tuple[bytes, bytes | None]]) -> bytes:
    new = b"".join(_line(key, value) for key, value in missing if value is not None)
    if not new or not text or text.endswith(b"\n"):
        return text + new
    return text + b"\n" + new[:-1]


def check(text: bytes, map_type: str = "hash", utf8: bool = True, path: str = "table") -> None:
    """Refuse a table in which Postfix would ignore something.

    :raises GrammarError: naming file and line.
    """
    if map_type not in ORDERED and _plain_lines(text, utf8) is not None:
        return
    present = entries(text, map_type, utf8)
    for entry in present:
        if entry.problem:
            raise _ignored(path, entry)
    _refuse_duplicates(present, map_type, path)


def _refuse_duplicates(present: list[Entry], map_type: str, path: str) -> None:
    if map_type in ORDERED:
        return
    first: dict[bytes, Entry] = {}
    for entry in present:
        other = first.setdefault(fold(entry.key, map_type), entry)
        if other is not entry and not entry.problem:
            raise GrammarError(
                "reading",
                f"{path}:{entry.line.number}",
                f"the key {to_text(entry.key)!r} is already on line {other.line.number}, and Postfix ignores this line",
                "Remove one of the two, or declare the entry",
            )


def _ignored(path: str, entry: Entry) -> GrammarError:
    return GrammarError(
        "reading",
        f"{path}:{entry.line.number}",
        f"Postfix only warns about this line: {entry.problem}",
        "Correct or remove it",
    )


def contents(text: bytes, map_type: str = "hash", utf8: bool = True) -> dict[bytes, bytes]:
    """What a keyed table holds, by folded key."""
    if _plain_lines(text, utf8) is not None:
        return {key.lower(): value for key, value in _PLAIN_PAIR.findall(text)}
    result: dict[bytes, bytes] = {}
    for entry in entries(text, map_type, utf8):
        if not entry.problem:
            result.setdefault(fold(entry.key, map_type), entry.value)
    return result


# Compiled tables


def dumped(output: bytes) -> dict[bytes, bytes]:
    """The contents of a compiled table from the output of ``postmap -s``."""
    if output.isascii() and not any(found in output for found in _UNUSUAL):
        pairs = _PLAIN_PAIR.findall(output)
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
        result[fold(data[middle - key_length : middle].rstrip(_NUL))] = data[middle:position].rstrip(_NUL)
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
