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
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Mapping, Optional, Sequence

from ansible_collections.mailops.postfix.plugins.module_utils import _main_cf
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, GrammarError
from ansible_collections.mailops.postfix.plugins.module_utils._logical_lines import (
    LogicalLine,
    is_skipped,
    line_end,
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
_SEPARATORS = b" \t\r\n"
_BLANK = re.compile(r"[ \t\r\n]")
_SPACE = " \t\n\v\f\r"
_STOCK_COLUMNS = (0, 10, 16, 24, 32, 40, 48, 56)
_INDENT = b"  "


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

    @property
    def effective_options(self) -> dict[str, str]:
        """``{name: value}``; of repeated options the last counts."""
        return {option.name: option.value for option in self.options}

    def column(self, name: str) -> str:
        """The text of a column, by its name in COLUMNS."""
        return self.columns[COLUMNS.index(name)].text

    def __str__(self) -> str:
        words = [word.text for word in self.columns]
        for name, value in self.effective_options.items():
            words += ["-o", _assignment(name, value)]
        return " ".join(words + [_braced(word.text) for word in self.arguments])


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
    lines = physical_lines(text)
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    return [_service(line, lines, offsets, path) for line in logical_lines(text) if not line.indented]


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
    result["command"] = " ".join([service.column("command")] + [_braced(word.text) for word in service.arguments])
    result["options"] = service.effective_options
    return result


def declared(service: Mapping[str, Any]) -> Declaration:
    """A service from YAML (the keys of the master_cf module; columns left out or ``keep`` are kept).

    :raises DeclarationError: for a column, an option or a name that master.cf can't hold.
    """
    key = str(service.get("service") or "")
    name, _slash, kind = key.rpartition("/")
    if not name or kind not in TYPES:
        raise _wrong(repr(key), f"not NAME/TYPE with a type of {', '.join(TYPES)}", "Write for example submission/inet")
    if re.search(r"[\s#{}=\0]", name):
        raise _wrong(ascii(key), "the name has white space, a NUL or one of # { } =", "Write a name or host:port")
    to_bytes(name)  # refuses what can't be written
    unknown = set(service) - {"service", "options", "purge_options", "state"} - set(COLUMNS[2:])
    if unknown:
        raise _wrong(key, f"unknown column {', '.join(sorted(unknown))}", f"The columns are {', '.join(COLUMNS[2:])}")
    state = service.get("state") or "present"
    if state not in ("present", "absent", "disabled"):
        raise _wrong(key, f"unknown state {state!r}", "The states are present, absent, disabled")
    columns = {
        column: _column(key, column, service[column]) for column in COLUMNS[2:7] if service.get(column, KEEP) != KEEP
    }
    if kind == "inet" and columns.get("private", "n") != "n":
        raise _wrong(key, "an inet service can't be private: master(8) stops on it", "Write private: false")
    arguments: Optional[tuple[str, ...]] = None
    options: dict[str, Optional[str]] = {}
    command = service.get("command")
    if command is not None and command != KEEP:
        words = _words_of(str(command), key)
        if not words:
            raise _wrong(key, "empty command", "Write the name of a daemon such as smtpd")
        columns["command"] = words[0]
        given_options, given_arguments, mistake = _split_options([Word(word, ()) for word in words[1:]])
        if mistake:
            raise _wrong(key, mistake, "Write -o name=value or -o { name = value }")
        options.update((option.name, option.value) for option in given_options)
        arguments = tuple(word.text for word in given_arguments) if len(words) > 1 else None
    given = service.get("options") or {}
    if not isinstance(given, Mapping):
        raise _wrong(key, "options is not a dictionary", "Write options: {parameter: value}")
    for option, value in given.items():
        options[option] = _option_value(key, option, value)
    return Declaration(name, kind, columns, arguments, options, bool(service.get("purge_options")), state)


def _wrong(key: str, cause: str, remedy: str) -> DeclarationError:
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
            raise _wrong(
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


def edit(text: bytes, declarations: Sequence[Declaration], path: str = "master.cf") -> bytes:
    """The text after the declarations.

    A service that is not there takes over its commented-out entry in place, else it is appended. Where a service stands several
    times the last counts, as for master(8): it is edited and the others go.

    :raises GrammarError: for an entry that master(8) would refuse.
    :raises DeclarationError: for a new service without a command.
    """
    for declaration in declarations:
        text = _edit_one(text, declaration, path)
    return text


def find(text: bytes, name: str, kind: str, path: str = "master.cf") -> Optional[Service]:
    """The entry that counts for a service, by master(8)'s notion of identity, or None."""
    found = [service for service in services(text, path) if _identity(service) == endpoint(name, kind)]
    return found[-1] if found else None


def mistakes(text: bytes, path: str = "master.cf") -> list[str]:
    """What Postfix accepts and nobody can want, a message each: two live entries for one service, and ``-o`` without name=value."""
    result = []
    seen: dict[tuple[str, str, bool], Service] = {}
    for service in services(text, path):
        if service.mistake:
            result.append(f"{path}:{service.line.number}: {service.key}: {service.mistake}")
        identity = (*_identity(service), _private(service.column("private")))
        if identity in seen:
            earlier = seen[identity]
            result.append(
                f"{path}:{service.line.number}: {service.key} is the same service as {earlier.key} in line {earlier.line.number};"
                " Postfix uses the last of them"
            )
        seen[identity] = service
    return result


def _identity(service: Service) -> tuple[str, str]:
    return endpoint(service.column("service"), service.column("type"))


def _private(column: str) -> bool:
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
        if text[position] in _SEPARATORS:
            position += 1
            continue
        start, depth = position, 0
        braces = len(result) >= len(COLUMNS)
        while position < len(text) and (depth or text[position] not in _SEPARATORS):
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
            raise _wrong(key, f"{column} is {value!r}", "Write true, false, or null for '-'")
        return text
    pattern, meaning = r"[0-9]+", "a number of processes, 0 for no limit"
    if column == "wakeup":
        pattern, meaning = r"[0-9]+\??", "seconds, with ? behind them to wake up only if it is used"
    if isinstance(value, bool) or not re.fullmatch(pattern, str(value)):
        raise _wrong(key, f"{column} is {value!r}", f"Write {meaning}, or null for '-'")
    return str(value)


def _option_value(key: str, option: Any, value: Any) -> Optional[str]:
    if isinstance(value, (list, tuple)) and not any(_BLANK.search(str(item)) for item in value):
        value = ",".join(str(_main_cf.declared({option: item})[option]) for item in value)
    text = _main_cf.declared({option: value})[option]
    if text is None:
        return None
    text = _main_cf.folded(text)
    if not _holds(f"{option}={text}") or re.search(r"[{}]", option):
        raise _wrong(
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
        raise _wrong(key, "the command goes over several lines or holds a NUL", "Write it in one line")
    program, _blank, rest = text.partition(b" ")
    columns = b"- " * (len(COLUMNS) - 1) + program + b" " + rest
    return [word.text for word in _words(columns, [(0, len(columns))], f"the command of {key}")[len(COLUMNS) - 1 :]]


def _assignment(name: str, value: str) -> str:
    return f"{{ {name} = {value} }}" if _BLANK.search(value) else f"{name}={value}"


def _braced(word: str) -> str:
    return f"{{ {word} }}" if _BLANK.search(word) or word[:1] in ("", "{") else word


# Editing


def _edit_one(text: bytes, declaration: Declaration, path: str) -> bytes:
    same = _entries_of(text, declaration, path)
    if declaration.state != "present":
        for service in reversed(same):
            text = _on_lines(text, service.line, lambda line: b"" if declaration.state == "absent" else b"#" + line)
        return text
    if not same:
        text = _create(text, declaration)
    elif same[-1].mistake:
        raise GrammarError("editing", f"{path}:{same[-1].line.number}", same[-1].mistake, "Correct that entry first")
    for service in reversed(same[:-1]):
        text = _on_lines(text, service.line, lambda line: b"")
    service = _entries_of(text, declaration, path)[-1]
    return text if _satisfied(service, declaration) else _change_words(text, service, declaration)


def _entries_of(text: bytes, declaration: Declaration, path: str) -> list[Service]:
    """The live entries of one service. A private and a public socket of one name are two services: that which was declared, or the last."""
    found = [
        service
        for service in services(text, path)
        if _identity(service) == endpoint(declaration.name, declaration.type)
    ]
    if not found:
        return []
    of_privacy: dict[bool, list[Service]] = {}
    for service in found:
        of_privacy.setdefault(_private(service.column("private")), []).append(service)
    last = of_privacy[_private(found[-1].column("private"))]
    return of_privacy.get(_private(declaration.columns["private"]), last) if "private" in declaration.columns else last


def _satisfied(service: Service, declaration: Declaration) -> bool:
    names = [option.name for option in service.options]
    return (
        not any(names.count(name) > 1 for name in declaration.options)
        and service.column("service") == declaration.name
        and all(service.column(name) == value for name, value in declaration.columns.items())
        and _wanted_arguments(service, declaration) == [word.text for word in service.arguments]
        and {k: _main_cf.folded(v) for k, v in service.effective_options.items()}
        == _wanted_options(service, declaration)
    )


def _wanted_options(service: Service, declaration: Declaration) -> dict[str, str]:
    kept = {} if declaration.purge_options else {k: _main_cf.folded(v) for k, v in service.effective_options.items()}
    kept.update((name, value) for name, value in declaration.options.items() if value is not None)
    return {name: value for name, value in kept.items() if declaration.options.get(name, "") is not None}


def _wanted_arguments(service: Service, declaration: Declaration) -> list[str]:
    if declaration.arguments is not None:
        return list(declaration.arguments)
    if declaration.columns.get("command", service.column("command")) != service.column("command"):
        return []  # arguments of another program mean nothing to this one
    return [word.text for word in service.arguments]


def _on_lines(text: bytes, line: LogicalLine, change: Any) -> bytes:
    lines = physical_lines(text)
    for index in range(line.start, line.end):
        if not is_skipped(lines[index]):
            lines[index] = change(lines[index])
    return b"".join(lines)


def _create(text: bytes, declaration: Declaration) -> bytes:
    """The text with a live entry for the service, its options still to be set."""
    lines = physical_lines(text)
    block = _commented_block(lines, declaration)
    if block is not None:
        lines[block] = _uncommented(lines[block])
        index, last = block + 1, block
        while index < len(lines) and lines[index].startswith(b"#") and not _commented_service(lines[index]):
            names = _commented_options(lines[index])
            if names and all(declaration.options.get(name) is not None for name in names):
                lines[index] = lines[index][1:]
                last = index
            index += 1
        if not lines[last].endswith(b"\n") and last < len(lines) - 1:
            lines[last] += b"\n"
        return b"".join(lines)
    if "command" not in declaration.columns:
        raise _wrong(
            declaration.key, "it does not exist yet and has no command", "Write command: with the daemon it runs"
        )
    values = [declaration.name, declaration.type]
    defaults = {"private": "n" if declaration.type == "inet" else "-"}
    values += [declaration.columns.get(column, defaults.get(column, "-")) for column in COLUMNS[2:7]]
    entry = ""
    for start, value in zip(_STOCK_COLUMNS, values + [declaration.columns["command"]]):
        entry = (entry + " " if entry else "").ljust(start) + value
    ending = line_end(text)
    if text and not text.endswith(b"\n"):
        text += ending
    return text + to_bytes(entry) + ending


def _uncommented(line: bytes) -> bytes:
    return re.sub(rb"^#+[ \t]?", b"", line)


def _commented_service(line: bytes) -> Optional[Service]:
    """The service in a line that is commented out; prose is none."""
    with suppress(GrammarError):
        found = services(_uncommented(line)) if line.startswith(b"#") else []
        return found[0] if found and not found[0].mistake else None
    return None


def _commented_options(line: bytes) -> list[str]:
    """The names of the options in a line that is commented out, if nothing else stands there."""
    if not re.match(rb"#[ \t]+-", line):
        return []
    with suppress(GrammarError):
        service = services(b"x unix - - - - - x " + line[1:])[0]
        return [] if service.arguments or service.mistake else [option.name for option in service.options]
    return []


def _commented_block(lines: list[bytes], declaration: Declaration) -> Optional[int]:
    """Index of the commented-out service line to take over: same service, and the same command if one is declared."""
    command = declaration.columns.get("command")
    live = logical_lines(b"".join(lines))
    candidates = []
    for index, line in enumerate(lines):
        found = _commented_service(line)
        if any((entry.start < index or entry.indented) and index < entry.end for entry in live):
            continue  # a comment inside a live entry: made live, it would take over the lines that follow
        if not found or _identity(found) != endpoint(declaration.name, declaration.type):
            continue
        if command in (None, found.column("command")):
            candidates.append((found.column("service") != declaration.name, index))
    return min(candidates)[1] if candidates else None


def _change_words(text: bytes, service: Service, declaration: Declaration) -> bytes:
    """Replace, remove and add words of one live entry."""
    edits: list[tuple[int, int, bytes]] = []
    wanted_columns = dict(declaration.columns, service=declaration.name)
    for name, value in wanted_columns.items():
        if service.column(name) != value:
            word = service.columns[COLUMNS.index(name)]
            edits += _word_edits(text, word, to_bytes(value)) if name == "command" else _column_edit(text, word, value)
    wanted = _wanted_options(service, declaration)
    arguments = _wanted_arguments(service, declaration)
    other_arguments = arguments != [word.text for word in service.arguments]
    # New words come behind the last word that stays; of one that is rewritten, its first line stays.
    end = service.columns[-1].spans[-1][1]
    last = {option.name: index for index, option in enumerate(service.options)}
    for index, option in enumerate(service.options):
        owned = declaration.purge_options or option.name in declaration.options
        kept = None if owned else _main_cf.folded(option.value)
        target = wanted.get(option.name) if last[option.name] == index else kept
        if target is not None:
            attached = option.flag is option.assignment
            rewritten = _main_cf.folded(option.value) != target or (attached and other_arguments)
            end = option.assignment.spans[0 if rewritten else -1][1]
        edits += _option_edits(text, option, target, "-" if other_arguments else option.flags)
    added = [(name, value) for name, value in wanted.items() if name not in last]
    if other_arguments:
        old = [word for word in service.arguments if word.spans]
        inline = b" ".join(to_bytes(_braced(argument)) for argument in arguments)
        # Options must stand before the arguments.
        in_place = bool(old) and bool(inline) and old[-1].spans[0][0] > end
        for word in old[:-1] if in_place else old:
            edits += _word_edits(text, word)
        if in_place:
            edits += _word_edits(text, old[-1], inline)
        elif inline:
            options = b"".join(b" -o " + to_bytes(_assignment(name, value)) for name, value in added)
            edits.append((end, end, options + b" " + inline))
            added = []
    if added:
        edits.append(_options_addition(text, service, end, added))
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _column_edit(text: bytes, word: Word, value: str) -> list[tuple[int, int, bytes]]:
    """Replace a column and take up the difference in length from the blanks behind it, so that the others stay aligned."""
    (start, end), new = word.spans[0], to_bytes(value)
    blanks = len(text[end:]) - len(text[end:].lstrip(b" "))
    at_line_end = text[end + blanks : end + blanks + 1] in (b"", b"\r", b"\n")
    if not blanks or at_line_end or len(word.spans) > 1:
        return _word_edits(text, word, new)
    padding = max(1, blanks - (len(new) - (end - start)))
    return [(start, end + blanks, new + b" " * padding)]


def _option_edits(text: bytes, option: Option, value: Optional[str], flags: str) -> list[tuple[int, int, bytes]]:
    """Give an option that value (None removes it) and what stands with it in its ``-vo``."""
    attached = option.flag is option.assignment
    if value is None:
        if flags != "-":
            edits = [] if attached else _word_edits(text, option.assignment)
            return edits + _word_edits(text, option.flag, to_bytes(flags))
        start, end = option.flag.spans[0][0], option.assignment.spans[0][1]
        if len(option.assignment.spans) == 1 and b"\n" not in text[start:end]:
            return [_removal(text, start, end)]
        return _word_edits(text, option.assignment) + ([] if attached else _word_edits(text, option.flag))
    changed = _main_cf.folded(option.value) != value
    if attached:
        whole = to_bytes(f"{flags}o {_assignment(option.name, value)}")
        return _word_edits(text, option.flag, whole) if changed or flags != option.flags else []
    edits = _word_edits(text, option.flag, to_bytes(f"{flags}o")) if flags != option.flags else []
    return edits + (_word_edits(text, option.assignment, to_bytes(_assignment(option.name, value))) if changed else [])


def _word_edits(text: bytes, word: Word, new: bytes = b"") -> list[tuple[int, int, bytes]]:
    """Replace a word, or remove it."""
    first, *others = word.spans
    return [(*first, new) if new else _removal(text, *first)] + [_removal(text, *span) for span in others]


def _removal(text: bytes, start: int, end: int) -> tuple[int, int, bytes]:
    """Remove a range within a line: the whole line if nothing else stands there, else with the blanks before it."""
    line_start = text.rfind(b"\n", 0, start) + 1
    line_end = text.find(b"\n", end) + 1 or len(text)
    if not text[line_start:start].strip(_SEPARATORS) and not text[end:line_end].strip(_SEPARATORS):
        return line_start, line_end, b""
    before = len(text[line_start:start].rstrip(b" \t"))
    return (line_start + before if before else start), end, b""


def _options_addition(
    text: bytes, service: Service, end: int, added: Sequence[tuple[str, str]]
) -> tuple[int, int, bytes]:
    """New options behind the last one (or the command): a line each, or on the same line where more words follow."""
    line_end = text.find(b"\n", end)
    rest = text[end:] if line_end < 0 else text[end:line_end]
    if rest.strip(_SEPARATORS):
        return end, end, b"".join(b" -o " + to_bytes(_assignment(name, value)) for name, value in added)
    ending = b"\r\n" if rest.endswith(b"\r") else b"\n"
    indent = _INDENT
    for option in service.options:
        start = option.flag.spans[0][0]
        line_start = text.rfind(b"\n", 0, start) + 1
        if not text[line_start:start].strip(_SEPARATORS):
            indent = text[line_start:start]
    block = [indent + b"-o " + to_bytes(_assignment(name, value)) for name, value in added]
    content_end = end + len(rest.rstrip(b"\r"))
    return content_end, content_end, b"".join(ending + line for line in block)
