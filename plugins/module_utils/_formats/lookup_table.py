# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The grammar of lookup tables. Private to mailops.postfix. Pure.

Three grammars use the same logical lines (see lines.py):

* keyed tables (hash, btree, lmdb, cdb, texthash; postmap(1)): a key up to the first blank outside double quotes, and
  a value. Keys are case-insensitive, their order does not matter, and Postfix uses the first of two entries with one key;
* expressions (regexp, pcre; regexp_table(5)): ``/pattern/flags value``. Postfix tries the rules in order, and
  ``if`` … ``endif`` blocks contain other rules;
* networks (cidr; cidr_table(5)): ``network/prefix value``, otherwise like expressions.

A table may have millions of lines, and parsing them one by one takes seconds. A keyed table with only one-line entries,
comments and empty lines is therefore read by regular expressions over the whole text. Anything else, such as a
continuation line or an error, is left to the grammar.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import AbstractSet, Iterator

from .lines import WHITESPACE, LogicalLine, logical_lines, to_text

COMPILED = {"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb"}
"""Types that postmap(1) compiles, and the suffix of the compiled file."""

KEYED = (*COMPILED, "texthash")
"""Types with the grammar of postmap(1)."""

ORDERED = ("cidr", "regexp", "pcre")
"""Types whose rules are tried in order."""

MAP_TYPES = (*KEYED, *ORDERED)
"""All types that the collection manages."""

AUTOMATIC = ("lmdb", "cdb", "hash", "btree")
"""The types that ``auto`` chooses from, in this order, where default_database_type is not available. Berkeley DB, which
distributions are removing, comes last."""

READ_ONCE = ("texthash", *ORDERED)
"""Types that a process reads only when it starts: long-running daemons need a reload."""

NUL = b"\0"
_COLON = 'its key ends with ":", as in an alias file'
BLANKS = re.compile(rb"[ \t\n\v\f\r]+")
_NEGATION = re.compile(rb"^[! \t\n\v\f\r]+")
_SPACES = frozenset(bytes([byte]) for byte in WHITESPACE)
_PLAIN_KEY = re.compile(
    rb"""^(?:([^ \t\n\v\f\r\0#"\\][^ \t\n\v\f\r\0"\\]*)(?<!:)[ \t]+[^ \t\n\v\f\r\0][^\n\v\f\r\0]*|\#[^\n]*|)(?:\n|\Z)""",
    re.MULTILINE,
)
PLAIN_PAIR = re.compile(rb"^([^ \t\n#][^ \t\n]*)[ \t]+([^ \t\n](?:[^\n]*[^ \t\n])?)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class TableEntry:
    """One logical line of a table."""

    line: LogicalLine
    key: bytes
    """The key as written; empty if it is not known."""
    value: bytes
    problem: str = ""
    """The reason why Postfix warns about the line and, in most cases, ignores it; empty if it does not."""
    depth: int = 0
    """The number of ``if`` blocks around it."""
    block: bool = False
    """Whether it is an ``if`` or ``endif`` line."""

    @property
    def is_ignored(self) -> bool:
        """Whether Postfix does not use the line; it warns about a key with a colon, and uses it."""
        return self.problem not in ("", _COLON)


def preferred_type(declared: str, default: str, available: AbstractSet[str]) -> str:
    """The type of a table; empty if the host does not support it.

    :param declared: a type or ``auto``.
    :param default: the value of default_database_type.
    :param available: the types that ``postconf -m`` lists.
    """
    if declared != "auto":
        return declared if declared in available else ""
    candidates = (name for name in (default, *AUTOMATIC) if name in available and name in COMPILED)
    return next(candidates, "")


def stamp_name(path: str, map_type: str, utf8: bool) -> str:
    """The name in the stamp of the files of a table. Another type, or another setting for UTF-8, gives other files."""
    return f"{map_type}:{path}" + ("" if utf8 else " in bytes")


def fold(key: bytes, map_type: str = "hash", utf8: bool = True) -> bytes:
    """A key in the form in which Postfix compares keys.

    :param utf8: whether smtputf8_enable is on; if not, Postfix folds the case of ASCII letters only.
    """
    if map_type in ORDERED:
        key = _NEGATION.sub(lambda found: BLANKS.sub(b"", found.group()), key)
        return _network(key) if map_type == "cidr" else key
    if not utf8 or key.isascii():
        return key.lower()
    try:
        return key.decode("utf-8").casefold().encode("utf-8")
    except UnicodeDecodeError:
        return key.lower()


def _network(key: bytes) -> bytes:
    """The canonical spelling of a network."""
    # Imported here because few tables are of this type.
    from ipaddress import ip_network

    network = key.lstrip(b"!")
    try:
        return key[: len(key) - len(network)] + str(ip_network(network.decode("ascii"))).encode("ascii")
    except ValueError:
        return key.lower()


@lru_cache(maxsize=1)
def plain_lines(text: bytes, utf8: bool) -> list[bytes] | None:
    """The folded key of each line of a table with one-line entries, empty for a comment; None if the table has anything else."""
    body = text[:-1] if text.endswith(b"\n") else text
    if not body:
        return []
    keys: list[bytes] = _PLAIN_KEY.findall(body.lower())
    if len(keys) != body.count(b"\n") + 1:
        return None
    distinct = set(keys)
    if len(distinct) != len(keys):
        skipped = keys.count(b"")
        if len(keys) - skipped + bool(skipped) != len(distinct):
            return None  # a key occurs twice
    if not text.isascii() and not ((_is_utf8(text) or not utf8) and all(key.isascii() for key in distinct)):
        return None
    return keys


def split_entry(text: bytes) -> tuple[bytes, bytes, str]:
    """Key, value and problem of a logical line of a keyed table (postmap(1), Postfix 3.2 and later)."""
    if NUL in text:
        return b"", b"", "it contains a NUL byte"
    index = _key_end(text)
    if index is None:
        return b"", b"", "it has an unbalanced double quote"
    key, value = text[:index], text[index:].strip(WHITESPACE)
    if not value:
        return key, b"", "it has no value"
    if key.endswith(b":"):
        return key, value, _COLON
    return key, value, ""


def _key_end(text: bytes) -> int | None:
    """The index after the key: of the first blank that is neither quoted nor escaped; None if a quote is not closed."""
    if b'"' not in text and b"\\" not in text:
        blank = BLANKS.search(text)
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


def table_entries(text: bytes, map_type: str = "hash", utf8: bool = True) -> list[TableEntry]:
    """The entries of a table, including the lines that Postfix ignores.

    :param utf8: whether Postfix ignores lines that are not UTF-8 (smtputf8_enable).
    """
    if map_type in ORDERED:
        return _rules(text, map_type)
    result = []
    for line in logical_lines(text):
        if line.indented:
            result.append(TableEntry(line, b"", b"", "the first entry of a file must not start with white space"))
            continue
        key, value, problem = split_entry(line.text)
        if utf8 and problem in ("", _COLON) and not _is_utf8(line.text):
            problem = "it is not valid UTF-8"
        result.append(TableEntry(line, key, value, problem))
    return result


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _rules(text: bytes, map_type: str) -> list[TableEntry]:
    result: list[TableEntry] = []
    depth = 0
    for line in logical_lines(text):
        rule = line.text.strip(WHITESPACE)
        word = re.match(rb"(if|endif)(?![A-Za-z0-9])", rule, re.IGNORECASE)
        if line.indented:
            result.append(TableEntry(line, b"", b"", "the first rule of a file must not start with white space", depth))
        elif NUL in rule:
            result.append(TableEntry(line, b"", b"", "it contains a NUL byte", depth))
        elif word and word.group(1).lower() == b"if":
            result.append(TableEntry(line, rule, b"", "", depth, block=True))
            depth += 1
        elif word:
            problem = "" if depth else "endif without if"
            depth = max(0, depth - 1)
            result.append(TableEntry(line, rule, b"", problem, depth, block=True))
        else:
            key, value, problem = (_split_network if map_type == "cidr" else _split_expression)(rule)
            result.append(TableEntry(line, key, value, problem, depth))
    if depth:
        opened = next(entry for entry in reversed(result) if entry.block and entry.key[:2].lower() == b"if")
        result[result.index(opened)] = TableEntry(
            opened.line, opened.key, b"", "if without endif", opened.depth, block=True
        )
    return result


def _split_network(rule: bytes) -> tuple[bytes, bytes, str]:
    found = re.match(rb"((?:![! \t\n\v\f\r]*)?[^ \t\n\v\f\r]+)(.*)", rule, re.DOTALL)
    key, value = (found.group(1), found.group(2).strip(WHITESPACE)) if found else (b"", b"")
    return key, value, "" if value else "it has no value"


def _split_expression(rule: bytes) -> tuple[bytes, bytes, str]:
    start = len(rule) - len(rule.lstrip(b"!" + WHITESPACE))
    delimiter = rule[start : start + 1]
    if not delimiter or delimiter.isalnum():
        return b"", b"", "it is not a valid expression, such as /pattern/"
    index = start + 1
    while index < len(rule) and rule[index : index + 1] != delimiter:
        index += 2 if rule[index : index + 1] == b"\\" else 1
    if index >= len(rule):
        return b"", b"", f"its expression does not have the closing {to_text(delimiter)!r}"
    found = re.match(rb"[^ \t\n\v\f\r]*", rule[index:])
    end = index + (len(found.group()) if found else 0)
    key, value = rule[:end], rule[end:].strip(WHITESPACE)
    return key, value, "" if value else "it has no value"


def contents(text: bytes, map_type: str = "hash", utf8: bool = True) -> dict[bytes, bytes]:
    """The contents of a keyed table: ``{folded key: value}``, without the entries that Postfix ignores."""
    return dict(pairs(text, map_type, utf8))


def pairs(text: bytes, map_type: str = "hash", utf8: bool = True) -> Iterator[tuple[bytes, bytes]]:
    """The same one by one, which for a large table takes half the memory."""
    if plain_lines(text, utf8) is not None:
        for found in PLAIN_PAIR.finditer(text):
            yield found[1].lower(), found[2]
        return
    result: dict[bytes, bytes] = {}
    for entry in table_entries(text, map_type, utf8):
        if not entry.is_ignored:
            result.setdefault(fold(entry.key, map_type, utf8), entry.value)
    yield from result.items()
