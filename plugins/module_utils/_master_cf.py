# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The grammar of master.cf: text in, text out. Private to mailops.postfix. Pure.

A service is eight columns and the words of its command; ``-o name=value`` words are options that override main.cf. An edit touches
only the words it must: other columns, options, comments (also those inside an entry) and line ends stay byte for byte.
Source: master(5), src/master/master_ent.c, src/postconf/postconf_master.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Mapping, Optional, Sequence

from ansible_collections.mailops.postfix.plugins.module_utils import _main_cf
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, GrammarError
from ansible_collections.mailops.postfix.plugins.module_utils._logical_lines import (
    LogicalLine,
    is_skipped,
    logical_lines,
    physical_lines,
    to_bytes,
    to_text,
)

TYPES = ("inet", "unix", "fifo", "pass", "unix-dgram")
COLUMNS = ("service", "type", "private", "unprivileged", "chroot", "wakeup", "process_limit", "command")
KEEP = "keep"
"""A declared column with this value keeps what an existing service has."""

# Names of one TCP port are one service to master(8): services(5) and, since Postfix 3.6, known_tcp_ports.
_PORTS = {"lmtp": 24, "smtp": 25, "smtps": 465, "submissions": 465, "ssmtp": 465, "urd": 465, "submission": 587}

# VT and FF are white space at the ends of a value, but do not separate words.
SEPARATORS = b" \t\r\n"
_BLANK = re.compile(r"[ \t\r\n]")
_SPACE = " \t\n\v\f\r"


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
class Service:
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


@dataclass(frozen=True)
class Declaration:
    """What a user wants of one service."""

    name: str
    type: str
    columns: Mapping[str, str]
    """The columns that were given, by name in COLUMNS; values as in the file."""
    arguments: Optional[tuple[str, ...]]
    """Words behind the command besides options; None keeps those of an existing service."""
    options: Mapping[str, Optional[str]]
    """``-o`` overrides; None removes one."""
    purge_options: bool = False
    state: str = "present"

    @property
    def key(self) -> str:
        """``NAME/TYPE``."""
        return f"{self.name}/{self.type}"


def endpoint(name: str, kind: str) -> tuple[str, str]:
    """What master(8) takes for the identity of a service: names and numbers of one port are the same."""
    if kind != "inet":
        return name, kind
    host, _colon, port = name.rpartition(":")
    host = re.sub(r"^\[(?:ipv6:)?(.*)\]$", r"\1", host.lower())
    number = port.lstrip("0") if re.fullmatch(r"[0-9]+", port) else _PORTS.get(port, port)
    return f"[{host}]:{number}" if host else str(number), kind


def services(text: bytes, path: str = "master.cf") -> list[Service]:
    """All services in the order of the file.

    :raises GrammarError: for an entry that master(8) would refuse, with file and line.
    """
    return list(_services(text, path))


@lru_cache(maxsize=4)  # the text before and after, each of which is asked for many services
def _services(text: bytes, path: str) -> tuple[Service, ...]:
    lines = physical_lines(text)
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    return tuple(_service(line, lines, offsets, path) for line in logical_lines(text) if not line.indented)


def parse_services(text: str) -> list[dict[str, Any]]:
    """The services of a master.cf as dictionaries with the keys of the master_cf module.

    :raises GrammarError: for an entry that master(8) would refuse.
    """
    return [describe(service) for service in services(to_bytes(text))]


def describe(service: Service) -> dict[str, Any]:
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


def declared(service: Mapping[str, Any]) -> Declaration:
    """A service from YAML (the keys of the master_cf module; columns left out or ``keep`` are kept).

    :raises DeclarationError: for a column, an option or a name that master.cf can't hold.
    """
    key = str(service.get("service") or "")
    name, _slash, kind = key.rpartition("/")
    if not name or kind not in TYPES:
        raise wrong(repr(key), f"not NAME/TYPE with a type of {', '.join(TYPES)}", "Write for example submission/inet")
    if re.search(r"[\s#{}=\0]", name):
        raise wrong(ascii(key), "the name has white space, a NUL or one of # { } =", "Write a name or host:port")
    to_bytes(name)  # refuses what can't be written
    unknown = set(service) - {"service", "options", "purge_options", "state"} - set(COLUMNS[2:])
    if unknown:
        raise wrong(key, f"unknown column {', '.join(sorted(unknown))}", f"The columns are {', '.join(COLUMNS[2:])}")
    state = service.get("state") or "present"
    if state not in ("present", "absent", "disabled"):
        raise wrong(key, f"unknown state {state!r}", "The states are present, absent, disabled")
    columns = {
        column: _column(key, column, service[column]) for column in COLUMNS[2:7] if service.get(column, KEEP) != KEEP
    }
    if kind == "inet" and columns.get("private", "n") != "n":
        raise wrong(key, "an inet service can't be private: master(8) stops on it", "Write private: false")
    arguments: Optional[tuple[str, ...]] = None
    options: dict[str, Optional[str]] = {}
    command = service.get("command")
    if command is not None and command != KEEP:
        words = _words_of(str(command), key)
        if not words:
            raise wrong(key, "empty command", "Write the name of a daemon such as smtpd")
        columns["command"] = words[0]
        given_options, given_arguments, mistake = _split_options([Word(word, ()) for word in words[1:]])
        if mistake:
            raise wrong(key, mistake, "Write -o name=value or -o { name = value }")
        options.update((option.name, option.value) for option in given_options)
        arguments = tuple(word.text for word in given_arguments) if len(words) > 1 else None
    given = service.get("options") or {}
    if not isinstance(given, Mapping):
        raise wrong(key, "options is not a dictionary", "Write options: {parameter: value}")
    for option, value in given.items():
        options[option] = _option_value(key, option, value)
    return Declaration(name, kind, columns, arguments, options, bool(service.get("purge_options")), state)


def wrong(key: str, cause: str, remedy: str) -> DeclarationError:
    return DeclarationError("declaring service", key, cause, remedy)


def merged(declarations: Sequence[Declaration]) -> list[Declaration]:
    """One declaration per service: of several for the same one, later words override earlier ones.

    :raises DeclarationError: for two names of one service, such as smtps and submissions.
    """
    result: dict[tuple[str, str], Declaration] = {}
    for declaration in declarations:
        same = endpoint(declaration.name, declaration.type)
        earlier = result.get(same)
        if earlier is None:
            result[same] = declaration
        elif earlier.name != declaration.name:
            raise wrong(
                declaration.key, f"master(8) takes it for the same service as {earlier.key}", "Declare one of them"
            )
        else:
            result[same] = replace(
                declaration,
                columns={**earlier.columns, **declaration.columns},
                arguments=earlier.arguments if declaration.arguments is None else declaration.arguments,
                options={**earlier.options, **declaration.options},
                purge_options=earlier.purge_options or declaration.purge_options,
            )
    return list(result.values())


def find(text: bytes, name: str, kind: str, path: str = "master.cf") -> Optional[Service]:
    """The entry that counts for a service, by master(8)'s notion of identity, or None."""
    found = [service for service in services(text, path) if identity(service) == endpoint(name, kind)]
    return found[-1] if found else None


def mistakes(text: bytes, path: str = "master.cf") -> list[str]:
    """What Postfix accepts and nobody can want, a message each: two live entries for one service, and ``-o`` without name=value."""
    result = []
    seen: dict[tuple[str, str, bool], Service] = {}
    for service in services(text, path):
        if service.mistake:
            result.append(f"{path}:{service.line.number}: {service.key}: {service.mistake}")
        same = (*identity(service), is_private(service.column("private")))
        if same in seen:
            earlier = seen[same]
            result.append(
                f"{path}:{service.line.number}: {service.key} is the same service as {earlier.key} in line {earlier.line.number};"
                " Postfix uses the last of them"
            )
        seen[same] = service
    return result


def identity(service: Service) -> tuple[str, str]:
    return endpoint(service.column("service"), service.column("type"))


def is_private(column: str) -> bool:
    return column != "n"


# Reading


def _service(line: LogicalLine, lines: list[bytes], offsets: list[int], path: str) -> Service:
    where = f"{path}:{line.number}"
    kept = [index for index in range(line.start, line.end) if not is_skipped(lines[index])]
    seen = line.text.split(b"\0", 1)[0]  # to Postfix a line ends at a NUL
    words = _words(seen, [(offsets[index], len(lines[index].rstrip(b"\n"))) for index in kept], where)
    if len(words) < len(COLUMNS):
        raise GrammarError(
            "reading",
            where,
            f"a service has {len(COLUMNS)} columns, this one has {len(words)}",
            f"They are {', '.join(COLUMNS)}",
        )
    kind = words[1].text
    if kind not in TYPES:
        raise GrammarError("reading", where, f"unknown service type {kind!r}", f"The types are {', '.join(TYPES)}")
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
    options, arguments, mistake = _split_options(words[len(COLUMNS) :])
    if seen != line.text:
        mistake = "it holds a NUL byte, and Postfix reads nothing behind that"
    if any(lines[index].startswith((b"\v", b"\f")) for index in kept[1:]):
        mistake = "a line of it starts with VT or FF, which makes one word of it and the line before"
    return Service(tuple(words[: len(COLUMNS)]), tuple(options), tuple(arguments), line, mistake)


def _words(text: bytes, places: list[tuple[int, int]], where: str) -> list[Word]:
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
            word = word[1:-1].strip(_SPACE)
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


def _split_options(words: Sequence[Word]) -> tuple[list[Option], list[Word], str]:
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
        if not equals or not name.strip(_SPACE):
            shown = assignment.text if separate else attached
            mistake = (
                f"-o {shown!r} is no name=value: the daemon stops on it"
                if shown
                else "-o without name=value: the daemon stops on it"
            )
            break
        if flags != "-":
            arguments.append(replace(word, text=flags, spans=()))
        options.append(Option(name.strip(_SPACE), value.strip(_SPACE), word, assignment))
        index += 1 + len(separate)
    return options, arguments + list(words[index:]), mistake


# Declaring


def _column(key: str, column: str, value: Any) -> str:
    if value is None or value == "-":
        return "-"
    if column in ("private", "unprivileged", "chroot"):
        text = {True: "y", False: "n", "y": "y", "n": "n"}.get(value if isinstance(value, (bool, str)) else "")
        if text is None:
            raise wrong(key, f"{column} is {value!r}", "Write true, false, or null for '-'")
        return text
    pattern, meaning = r"[0-9]+", "a number of processes, 0 for no limit"
    if column == "wakeup":
        pattern, meaning = r"[0-9]+\??", "seconds, with ? behind them to wake up only if it is used"
    if isinstance(value, bool) or not re.fullmatch(pattern, str(value)):
        raise wrong(key, f"{column} is {value!r}", f"Write {meaning}, or null for '-'")
    return str(value)


def _option_value(key: str, option: Any, value: Any) -> Optional[str]:
    if isinstance(value, (list, tuple)) and not any(_BLANK.search(str(item)) for item in value):
        value = ",".join(str(_main_cf.declared({option: item})[option]) for item in value)
    text = _main_cf.declared({option: value})[option]
    if text is None:
        return None
    text = _main_cf.folded(text)
    if not _holds(f"{option}={text}") or re.search(r"[{}]", option):
        raise wrong(
            key,
            f"unbalanced brace in option {option}",
            "master.cf can't hold it: set the parameter in main.cf and refer to it as $name",
        )
    return text


def _holds(text: str) -> bool:
    """Whether a word with this text can be written: a closing brace without an opening one is data unless the word needs braces."""
    depth = 0
    for character in text:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0:
            if _BLANK.search(text):
                return False
            depth = 0
    return not depth


def _words_of(command: str, key: str) -> list[str]:
    text = to_bytes(command.strip(_SPACE))
    if re.search(rb"[\r\n\0]", text):
        raise wrong(key, "the command goes over several lines or holds a NUL", "Write it in one line")
    program, _blank, rest = text.partition(b" ")
    columns = b"- " * (len(COLUMNS) - 1) + program + b" " + rest
    return [word.text for word in _words(columns, [(0, len(columns))], f"the command of {key}")[len(COLUMNS) - 1 :]]


def assignment_word(name: str, value: str) -> str:
    return f"{{ {name} = {value} }}" if _BLANK.search(value) else f"{name}={value}"


def braced(word: str) -> str:
    return f"{{ {word} }}" if _BLANK.search(word) or word[:1] in ("", "{") else word
