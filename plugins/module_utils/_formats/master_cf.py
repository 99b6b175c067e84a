# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The grammar of master.cf: text to services. Private to mailops.postfix. Pure.

A service is eight columns and the words of its command; ``-o name=value`` words are options that override main.cf.
Source: master(5), src/master/master_ent.c, src/postconf/postconf_master.c.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Mapping, Optional, Sequence

from .._errors import GrammarError
from .lines import LogicalLine, is_skipped, logical_lines, physical_lines, to_bytes, to_text

SERVICE_TYPES = ("inet", "unix", "fifo", "pass", "unix-dgram")
COLUMNS = ("service", "type", "private", "unprivileged", "chroot", "wakeup", "process_limit", "command")

# Names of one TCP port are one service to master(8): master_entries(5) and, since Postfix 3.6, known_tcp_ports.
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

# VT and FF are white space at the ends of a value, but do not separate words.
SEPARATORS = b" \t\r\n"
BLANK = re.compile(r"[ \t\r\n]")
SPACE = " \t\n\v\f\r"


@dataclass(frozen=True)
class Word:
    """A word of an entry with its place in the file."""

    text: str
    """What Postfix sees: a word in braces without them."""
    spans: tuple[tuple[int, int], ...]
    """Byte ranges in the file; more than one where a word in braces goes over a line end."""


@dataclass(frozen=True)
class Option:
    """One ``-o name=value``."""

    name: str
    value: str
    flag: Word
    """The word that starts it: ``-o``, or the whole of ``-oname=value``."""
    assignment: Word
    """The word with the assignment; the same as flag in ``-oname=value``."""

    @property
    def flags(self) -> str:
        """What stands before the ``o``: ``-``, or ``-v`` in ``-vo name=value``."""
        return self.flag.text.partition("o")[0]


@dataclass(frozen=True)
class MasterEntry:
    """One entry of master.cf."""

    columns: tuple[Word, ...]
    """The eight words from the service's name to its command."""
    options: tuple[Option, ...]
    """The ``-o`` words that the daemon sees as options, in order, repetitions included."""
    arguments: tuple[Word, ...]
    """All other words behind the command: flags such as ``-v``, and arguments."""
    line: LogicalLine
    mistake: str = ""
    """Why it can't be edited: a ``-o`` that sets nothing (to postconf(1) the options end there, and so they do here), or a NUL."""

    @property
    def key(self) -> str:
        """``NAME/TYPE``, as postconf -M writes it."""
        return f"{self.columns[0].text}/{self.columns[1].text}"

    @cached_property
    def effective_options(self) -> Mapping[str, str]:
        """``{name: value}``; of repeated options the last counts."""
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
    """What master(8) takes for the identity of a service: names and numbers of one port are the same."""
    if kind != "inet":
        return name, kind
    host, _colon, port = name.rpartition(":")
    host = re.sub(r"^\[(?:ipv6:)?(.*)\]$", r"\1", host.lower())
    if ":" in host:
        host = _canonical(host)
    number = port.lstrip("0") if re.fullmatch(r"[0-9]+", port) else _PORTS.get(port, port)
    return f"[{host}]:{number}" if host else str(number), kind


def _canonical(address: str) -> str:
    """One spelling for an IPv6 address; what is none stays."""
    # Imported here, since few listeners have such an address.
    from ipaddress import ip_address

    with suppress(ValueError):
        return str(ip_address(address))
    return address


def master_entries(text: bytes, path: str = "master.cf") -> list[MasterEntry]:
    """All services in the order of the file.

    :raises GrammarError: for an entry that master(8) would refuse, with file and line.
    """
    return list(_services(text, path))


@lru_cache(maxsize=4)  # the text before and after, each of which is asked for many services
def _services(text: bytes, path: str) -> tuple[MasterEntry, ...]:
    lines = physical_lines(text)
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    return tuple(_service(line, lines, offsets, path) for line in logical_lines(text) if not line.indented)


def parse_services(text: str) -> list[dict[str, Any]]:
    """The services of a master.cf as dictionaries with the keys of the master_cf module.

    :raises GrammarError: for an entry that master(8) would refuse.
    """
    return [describe(service) for service in master_entries(to_bytes(text))]


def describe(service: MasterEntry) -> dict[str, Any]:
    """A service as a dictionary that the master_cf module takes; columns that are ``-`` are None."""
    flags = {"y": True, "n": False, "-": None}
    result: dict[str, Any] = {"service": service.key}
    for name in ("private", "unprivileged", "chroot"):
        result[name] = flags[service.column(name)]
    for name in ("wakeup", "process_limit"):
        value = service.column(name)
        result[name] = None if value == "-" else value
    result["command"] = " ".join([service.column("command")] + [braced(word.text) for word in service.arguments])
    result["options"] = dict(service.effective_options)
    return result


def find_entry(text: bytes, name: str, kind: str, path: str = "master.cf") -> Optional[MasterEntry]:
    """The entry that counts for a service, by master(8)'s notion of identity, or None."""
    found = [service for service in master_entries(text, path) if service_identity(service) == endpoint(name, kind)]
    return found[-1] if found else None


def mistakes(text: bytes, path: str = "master.cf") -> list[str]:
    """What Postfix accepts and nobody can want, a message each: two live entries for one service, and ``-o`` without name=value."""
    result = []
    seen: dict[tuple[str, str, bool], MasterEntry] = {}
    for service in master_entries(text, path):
        if service.mistake:
            result.append(f"{path}:{service.line.number}: {service.key}: {service.mistake}")
        same = (*service_identity(service), is_private_service(service.column("private")))
        if same in seen:
            earlier = seen[same]
            result.append(
                f"{path}:{service.line.number}: {service.key} is the same service as {earlier.key} in line {earlier.line.number};"
                " Postfix uses the last of them"
            )
        seen[same] = service
    return result


def service_identity(service: MasterEntry) -> tuple[str, str]:
    return endpoint(service.column("service"), service.column("type"))


def is_private_service(column: str) -> bool:
    return column != "n"


# Reading


def _service(line: LogicalLine, lines: list[bytes], offsets: list[int], path: str) -> MasterEntry:
    where = f"{path}:{line.number}"
    kept = [index for index in range(line.start, line.end) if not is_skipped(lines[index])]
    seen = line.text.split(b"\0", 1)[0]  # to Postfix a line ends at a NUL
    words = split_words(seen, [(offsets[index], len(lines[index].rstrip(b"\n"))) for index in kept], where)
    if len(words) < len(COLUMNS):
        raise GrammarError(
            "reading",
            where,
            f"a service has {len(COLUMNS)} columns, this one has {len(words)}",
            f"They are {', '.join(COLUMNS)}",
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
        mistake = "it holds a NUL byte, and Postfix reads nothing behind that"
    if any(lines[index].startswith((b"\v", b"\f")) for index in kept[1:]):
        mistake = "a line of it starts with VT or FF, which makes one word of it and the line before"
    return MasterEntry(tuple(words[: len(COLUMNS)]), tuple(options), tuple(arguments), line, mistake)


def split_words(text: bytes, places: list[tuple[int, int]], where: str) -> list[Word]:
    """The words of a logical line; places are offset and length of its kept physical lines in the file."""
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
                "reading", where, f"missing '}}' after {word[:60]!r}", "master(8) stops on it: close the brace"
            )
        if braces and word.startswith("{"):
            if _closing(word) != len(word) - 1:
                raise GrammarError(
                    "reading", where, f"text after '}}' in {word[:60]!r}", "master(8) stops on it: put a blank there"
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
    """The ``-o`` options among the words behind a command, all the other words, and what is wrong with the options."""
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
            mistake = f"{word.text!r} is no option: the daemon stops on it"
            break
        separate = words[index + 1 : index + 2] if not attached else []
        assignment = separate[0] if separate else word
        name, equals, value = (assignment.text if separate else attached).partition("=")
        if not equals or not name.strip(SPACE):
            shown = assignment.text if separate else attached
            mistake = (
                f"-o {shown!r} is no name=value: the daemon stops on it"
                if shown
                else "-o without name=value: the daemon stops on it"
            )
            break
        if flags != "-":
            arguments.append(replace(word, text=flags, spans=()))
        options.append(Option(name.strip(SPACE), value.strip(SPACE), word, assignment))
        index += 1 + len(separate)
    return options, arguments + list(words[index:]), mistake


def assignment_word(name: str, value: str) -> str:
    return f"{{ {name} = {value} }}" if BLANK.search(value) else f"{name}={value}"


def braced(word: str) -> str:
    return f"{{ {word} }}" if BLANK.search(word) or word[:1] in ("", "{") else word
