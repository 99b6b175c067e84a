# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The grammar of master.cf: from text to entries. Private to mailops.postfix. Pure.

An entry has eight columns and the arguments of its command; ``-o name=value`` options override main.cf.
Source: master(5), src/master/master_ent.c, src/postconf/postconf_master.c.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Mapping, Sequence

from .._errors import GrammarError
from .lines import LogicalLine, is_skipped, logical_lines, physical_lines, to_text

SERVICE_TYPES = ("inet", "unix", "fifo", "pass", "unix-dgram")
COLUMNS = ("service", "type", "private", "unprivileged", "chroot", "wakeup", "process_limit", "command")

# master(8) treats all names of one TCP port as one service: services(5) and, since Postfix 3.6, known_tcp_ports.
_PORTS = {
    "lmtp": 24,
    "smtp": 25,
    "smtps": 465,
    "submissions": 465,
    "ssmtp": 465,
    "urd": 465,
    "submission": 587,
    "qmqp": 628,
}

# VT and FF are white space at both ends of a value, but do not separate words.
SEPARATORS = b" \t\r\n"
BLANK = re.compile(r"[ \t\r\n]")
SPACE = " \t\n\v\f\r"


@dataclass(frozen=True)
class Word:
    """A word of an entry with its position in the file."""

    text: str
    """The text as Postfix reads it: a word in braces without the braces."""
    spans: tuple[tuple[int, int], ...]
    """Byte ranges in the file. A word in braces that spans several lines has more than one."""


@dataclass(frozen=True)
class Option:
    """One ``-o name=value`` option."""

    name: str
    value: str
    flag: Word
    """Its first word: ``-o``, or all of ``-oname=value``."""
    assignment: Word
    """The word with the assignment. In ``-oname=value`` it is the same object as flag."""

    @property
    def flags(self) -> str:
        """The text before the ``o``: ``-``, or ``-v`` in ``-vo name=value``."""
        return self.flag.text.partition("o")[0]


@dataclass(frozen=True)
class MasterEntry:
    """One entry of master.cf."""

    columns: tuple[Word, ...]
    """The eight words from the service name to the command."""
    options: tuple[Option, ...]
    """The ``-o`` options that the daemon recognizes, in order, including repeated ones."""
    arguments: tuple[Word, ...]
    """All other words after the command: flags such as ``-v``, and arguments."""
    line: LogicalLine
    mistake: str = ""
    """Why the entry cannot be edited; empty if it can. Examples are a ``-o`` without assignment, where the options end for
    postconf(1) and therefore here, and a NUL byte."""

    @property
    def key(self) -> str:
        """``NAME/TYPE``, as postconf -M writes it."""
        return f"{self.columns[0].text}/{self.columns[1].text}"

    @cached_property
    def effective_options(self) -> Mapping[str, str]:
        """``{name: value}``; the last of several options with one name applies."""
        return {option.name: option.value for option in self.options}

    def column(self, name: str) -> str:
        """The text of a column, by its name in COLUMNS."""
        return self.columns[COLUMNS.index(name)].text

    def __str__(self) -> str:
        words = [word.text for word in self.columns]
        for name, value in self.effective_options.items():
            words += ["-o", assignment_word(name, value)]
        return " ".join(words + [braced(word.text) for word in self.arguments])


def endpoint(name: str, kind: str) -> tuple[str, str]:
    """The identity of a service for master(8), as a name and a type. Names and numbers of one port are equal."""
    if kind != "inet":
        return name, kind
    host, _colon, port = name.rpartition(":")
    host = re.sub(r"^\[(?:ipv6:)?(.*)\]$", r"\1", host.lower())
    if ":" in host:
        host = _canonical(host)
    number = port.lstrip("0") if re.fullmatch(r"[0-9]+", port) else _PORTS.get(port, port)
    return f"[{host}]:{number}" if host else str(number), kind


def _canonical(address: str) -> str:
    """The canonical spelling of an IPv6 address; any other text is returned unchanged."""
    # Imported here because few listeners have such an address.
    from ipaddress import ip_address

    with suppress(ValueError):
        return str(ip_address(address))
    return address


def master_entries(text: bytes, path: str = "master.cf") -> list[MasterEntry]:
    """All entries in the order of the file.

    :param path: the file name for errors.
    :raises GrammarError: for an entry that master(8) would reject, with file and line.
    """
    return list(_entries(text, path))


@lru_cache(maxsize=4)  # the text before and after an edit, each of which is searched for many services
def _entries(text: bytes, path: str) -> tuple[MasterEntry, ...]:
    lines = physical_lines(text)
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    return tuple(_entry(line, lines, offsets, path) for line in logical_lines(text) if not line.indented)


def find_entry(text: bytes, name: str, kind: str, path: str = "master.cf") -> MasterEntry | None:
    """The entry that master(8) uses for a service; None if there is none. Names and numbers of one port are equal."""
    return _by_identity(text, path).get(endpoint(name, kind))


@lru_cache(maxsize=4)
def _by_identity(text: bytes, path: str) -> Mapping[tuple[str, str], MasterEntry]:
    return {service_identity(entry): entry for entry in master_entries(text, path)}


def service_identity(entry: MasterEntry) -> tuple[str, str]:
    """The identity of the service of an entry, see endpoint()."""
    return endpoint(entry.column("service"), entry.column("type"))


def is_private_service(column: str) -> bool:
    """Whether the column ``private`` has this meaning; ``-`` is the default, y."""
    return column != "n"


# Reading


def _entry(line: LogicalLine, lines: list[bytes], offsets: list[int], path: str) -> MasterEntry:
    where = f"{path}:{line.number}"
    kept = [index for index in range(line.start, line.end) if not is_skipped(lines[index])]
    seen = line.text.split(b"\0", 1)[0]  # Postfix ends the line at a NUL
    words = split_words(seen, [(offsets[index], len(lines[index].rstrip(b"\n"))) for index in kept], where)
    if len(words) < len(COLUMNS):
        raise GrammarError(
            "reading",
            where,
            f"an entry has {len(COLUMNS)} columns, but this one has {len(words)}",
            f"The columns are {', '.join(COLUMNS)}",
        )
    kind = words[1].text
    if kind not in SERVICE_TYPES:
        raise GrammarError(
            "reading", where, f"unknown service type {kind!r}", f"The types are {', '.join(SERVICE_TYPES)}"
        )
    for column in (2, 3, 4):
        if words[column].text not in ("y", "n", "-"):
            raise GrammarError(
                "reading", where, f"column {COLUMNS[column]} is {words[column].text!r}", "Write y, n or -"
            )
    for column, pattern, remedy in ((5, r"-|[0-9]*\??", "seconds, seconds?"), (6, r"-|[0-9]+", "a number")):
        if not re.fullmatch(pattern, words[column].text):
            raise GrammarError(
                "reading", where, f"column {COLUMNS[column]} is {words[column].text!r}", f"Write {remedy} or -"
            )
    options, arguments, mistake = split_options(words[len(COLUMNS) :])
    if seen != line.text:
        mistake = "it contains a NUL byte, and Postfix ignores the rest of the entry"
    if any(lines[index].startswith((b"\v", b"\f")) for index in kept[1:]):
        mistake = (
            "one of its lines starts with VT or FF, so that Postfix joins it with the last word of the line before"
        )
    return MasterEntry(tuple(words[: len(COLUMNS)]), tuple(options), tuple(arguments), line, mistake)


def split_words(text: bytes, places: list[tuple[int, int]], where: str) -> list[Word]:
    """The words of a logical line.

    :param places: offset and length in the file of each physical line that is not skipped.
    :param where: ``file:line`` for errors.
    :raises GrammarError: for braces at which master(8) would stop.
    """
    result: list[Word] = []
    position = 0
    while position < len(text):
        if text[position] in SEPARATORS:
            position += 1
            continue
        start, depth = position, 0
        braces = len(result) >= len(COLUMNS)
        while position < len(text) and (depth or text[position] not in SEPARATORS):
            if braces and text[position : position + 1] == b"{":
                depth += 1
            elif braces and text[position : position + 1] == b"}":
                depth = max(0, depth - 1)
            position += 1
        word = to_text(text[start:position])
        if depth:
            raise GrammarError(
                "reading", where, f"missing '}}' after {word[:60]!r}", "master(8) stops at this entry. Close the brace"
            )
        if braces and word.startswith("{"):
            if _closing(word) != len(word) - 1:
                raise GrammarError(
                    "reading",
                    where,
                    f"text after '}}' in {word[:60]!r}",
                    "master(8) stops at this entry. Write a blank after the brace",
                )
            word = word[1:-1].strip(SPACE)
        result.append(Word(word, tuple(_spans(start, position, places))))
    return result


def _closing(word: str) -> int:
    depth = 0
    for index, character in enumerate(word):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth == 0:
            return index
    return -1


def _spans(start: int, end: int, places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    result = []
    base = 0
    for offset, length in places:
        low, high = max(start, base), min(end, base + length)
        if low < high:
            result.append((offset + low - base, offset + high - base))
        base += length
    return result


def split_options(words: Sequence[Word]) -> tuple[list[Option], list[Word], str]:
    """The ``-o`` options among the words after a command, all other words, and what is wrong with the options."""
    options: list[Option] = []
    arguments: list[Word] = []
    mistake = ""
    index = 0
    while index < len(words):
        word = words[index]
        if not word.text.startswith("-") or word.text in ("-", "--"):
            break
        flags, letter, attached = word.text.partition("o")
        if not letter:
            arguments.append(word)
            index += 1
            continue
        if not re.fullmatch(r"-[A-Za-z0-9]*", flags):
            mistake = f"{word.text!r} is not a valid option: the daemon stops at it"
            break
        separate = words[index + 1 : index + 2] if not attached else []
        assignment = separate[0] if separate else word
        name, equals, value = (assignment.text if separate else attached).partition("=")
        if not equals or not name.strip(SPACE):
            shown = assignment.text if separate else attached
            mistake = (
                f"-o {shown!r} is not name=value: the daemon stops at it"
                if shown
                else "-o without name=value: the daemon stops at it"
            )
            break
        if flags != "-":
            arguments.append(replace(word, text=flags, spans=()))
        options.append(Option(name.strip(SPACE), value.strip(SPACE), word, assignment))
        index += 1 + len(separate)
    return options, arguments + list(words[index:]), mistake


def assignment_word(name: str, value: str) -> str:
    """The word after ``-o``, in braces where the value contains a blank."""
    return f"{{ {name} = {value} }}" if BLANK.search(value) else f"{name}={value}"


def braced(word: str) -> str:
    """An argument as it is written, in braces where Postfix would not read it as one word."""
    return f"{{ {word} }}" if BLANK.search(word) or word[:1] in ("", "{") else word
