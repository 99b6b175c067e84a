# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Edits of master.cf: text and declarations in, text out. Private to mailops.postfix. Pure.

An edit changes only the declared words. Other columns, options, comments (also inside an entry) and line ends are kept byte
for byte. The grammar is in master_cf.py.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Iterator, Sequence

from .._errors import GrammarError
from . import main_cf
from .lines import is_skipped, line_end, logical_lines, physical_lines, to_bytes
from .master_cf import (
    COLUMNS,
    SEPARATORS,
    MasterEntry,
    Option,
    Word,
    assignment_word,
    braced,
    endpoint,
    is_private_service,
    master_entries,
    service_identity,
)
from .master_cf_spec import ServiceSpec, invalid_service

_STOCK_COLUMNS = (0, 10, 16, 24, 32, 40, 48, 56)
_INDENT = b"  "

# Daemons with the command line of another program as arguments: pipe(8), spawn(8).
_TAKE_ARGUMENTS = ("pipe", "spawn")


def edit_master_cf(text: bytes, specs: Sequence[ServiceSpec], path: str = "master.cf") -> bytes:
    """The text with the declared services.

    A missing service replaces its commented-out entry in place, or is appended; for that its command must be declared. A declaration of
    the service alone makes its commented-out entry active as it is. If a service has several entries, the last
    one is edited, because master(8) uses it, and the others are removed.

    :param path: the file name for errors.
    :raises GrammarError: for an entry that master(8) would reject.
    :raises DeclarationError: for a new service without a command.
    """
    if not specs:
        return text
    document = _Document(text, path)
    for spec in specs:
        _edit_one(document, spec)
    return document.text


def is_commented_out(text: bytes, name: str, kind: str, path: str = "master.cf") -> bool:
    """Whether a text has a commented-out entry of a service, which an edit would activate."""
    return any(True for _found in _Document(text, path).commented(endpoint(name, kind)))


@dataclass(eq=False)
class _Place:
    """An active entry, and its lines in a document."""

    start: int
    end: int
    entry: MasterEntry
    changed: bool = False
    """Whether it has one line, which holds all lines of the changed entry."""


class _Document:
    """The lines of a text, of which an edit reads only those that it may change.

    The indexes of lines stay as they are: a removed line is empty.
    """

    def __init__(self, text: bytes, path: str) -> None:
        self.path = path
        self._read(text)

    def _read(self, text: bytes) -> None:
        self.lines = physical_lines(text)
        self.places: dict[tuple[str, str], list[_Place]] = {}
        self._commented: dict[tuple[str, str], list[tuple[int, MasterEntry]]] | None = None
        # If activated, a comment inside an active entry would take over the lines that follow.
        self._inside: set[int] = set()
        for entry in master_entries(text, self.path):
            place = _Place(entry.line.start, entry.line.end, entry)
            self.places.setdefault(service_identity(entry), []).append(place)
        for line in logical_lines(text):
            self._inside.update(range(0 if line.indented else line.start + 1, line.end))

    @property
    def text(self) -> bytes:
        return b"".join(self.lines)

    def number(self, index: int) -> int:
        """The number of a line, from 1."""
        return b"".join(self.lines[:index]).count(b"\n") + 1

    def text_of(self, place: _Place) -> bytes:
        return b"".join(self.lines[place.start : place.end])

    def set_text(self, place: _Place, text: bytes) -> None:
        """Change an entry."""
        self.lines[place.start : place.end] = [text] + [b""] * (place.end - place.start - 1)
        self._inside.difference_update(range(place.start, place.end))
        place.end, place.changed = place.start + 1, True
        place.entry = self.parse(text)

    def parse(self, text: bytes) -> MasterEntry:
        """The entry in some of the lines."""
        try:
            return master_entries(text, self.path)[0]
        except GrammarError:
            master_entries(self.text, self.path)  # the same error, with the number of the line in the file
            raise

    def retire(self, places: Sequence[_Place], mark: bytes | None) -> None:
        """Remove entries, or mark each of their lines as a comment. Comments inside them are kept."""
        if any(place.changed for place in places):
            numbers = {self.number(place.start) for place in places}
            self._read(self.text)
            found = (place for same in self.places.values() for place in same)
            places = [place for place in found if place.start + 1 in numbers]
        for place in places:
            self.places[service_identity(place.entry)].remove(place)
            self._inside.difference_update(range(place.start, place.end))
            for index in range(place.start, place.end):
                if not is_skipped(self.lines[index]):
                    self.lines[index] = b"" if mark is None else mark + self.lines[index]
                    self._note(index)

    def activate(self, start: int, end: int) -> None:
        """Make an entry of lines that are comments no more."""
        text = b"".join(self.lines[start:end])
        place = _Place(start, end, self.parse(text))
        self.places.setdefault(service_identity(place.entry), []).append(place)
        self.set_text(place, text)

    def append(self, line: bytes) -> None:
        """Add an entry at the end."""
        ending = self.line_end
        while self.lines and not self.lines[-1]:
            self.lines.pop()
        if self.lines and not self.lines[-1].endswith(b"\n"):
            self.lines[-1] += ending
        self.lines.append(line + ending)
        self.activate(len(self.lines) - 1, len(self.lines))

    @property
    def line_end(self) -> bytes:
        return line_end(next(filter(None, self.lines), b""))

    def commented(self, identity: tuple[str, str]) -> Iterator[tuple[int, MasterEntry]]:
        """The commented-out entries of a service that can be activated, with the indexes of their lines."""
        if self._commented is None:
            self._commented = {}
            for index in range(len(self.lines)):
                self._note(index)
        for index, entry in self._commented.get(identity, ()):
            if self.lines[index].startswith(b"#") and index not in self._inside:
                yield index, entry

    def _note(self, index: int) -> None:
        entry = _commented_service(self.lines[index]) if self._commented is not None else None
        if self._commented is not None and entry is not None:
            self._commented.setdefault(service_identity(entry), []).append((index, entry))

    def comments_below(self, index: int) -> Iterator[int]:
        """The indexes of the comments directly below a line."""
        for below in range(index + 1, len(self.lines)):
            if self.lines[below] and not self.lines[below].startswith(b"#"):
                return
            if self.lines[below]:
                yield below


def _edit_one(document: _Document, spec: ServiceSpec) -> None:
    same = _places_of(document, spec)
    if spec.state != "present":
        document.retire(same, None if spec.state == "absent" else b"#")
        return
    if not same:
        _create(document, spec)
    elif same[-1].entry.mistake:
        where = f"{document.path}:{document.number(same[-1].start)}"
        raise GrammarError("editing", where, same[-1].entry.mistake, "Correct that entry first")
    document.retire(same[:-1], None)
    place = _places_of(document, spec)[-1]
    if not _satisfied(place.entry, spec):
        text = document.text_of(place)
        document.set_text(place, _change_words(text, document.parse(text), spec))


def _places_of(document: _Document, spec: ServiceSpec) -> list[_Place]:
    """The active entries of one service, in the order of the file.

    A private and a public socket of one name are two services. If ``private`` is declared, only the entries with that value
    are returned. If not, these are all entries where the service is to be removed, else those like the last one.
    """
    found = list(document.places.get(endpoint(spec.name, spec.type), ()))
    of_privacy: dict[bool, list[_Place]] = {}
    for place in found:
        of_privacy.setdefault(is_private_service(place.entry.column("private")), []).append(place)
    if not found or (spec.state != "present" and "private" not in spec.columns):
        return found
    last = of_privacy[is_private_service(found[-1].entry.column("private"))]
    if "private" not in spec.columns:
        return last
    return of_privacy.get(is_private_service(spec.columns["private"]), last if spec.state == "present" else [])


def _satisfied(entry: MasterEntry, spec: ServiceSpec) -> bool:
    names = [option.name for option in entry.options]
    return (
        not any(names.count(name) > 1 for name in spec.options)
        and entry.column("service") == spec.name
        and all(entry.column(name) == value for name, value in spec.columns.items())
        and _wanted_arguments(entry, spec) == [word.text for word in entry.arguments]
        and {k: main_cf.normalize_whitespace(v) for k, v in entry.effective_options.items()}
        == _wanted_options(entry, spec)
    )


def _wanted_options(entry: MasterEntry, spec: ServiceSpec) -> dict[str, str]:
    kept = (
        {} if spec.purge_options else {k: main_cf.normalize_whitespace(v) for k, v in entry.effective_options.items()}
    )
    kept.update((name, value) for name, value in spec.options.items() if value is not None)
    return {name: value for name, value in kept.items() if spec.options.get(name, "") is not None}


def _wanted_arguments(entry: MasterEntry, spec: ServiceSpec) -> list[str]:
    if spec.arguments is not None:
        return list(spec.arguments)
    if spec.columns.get("command", entry.column("command")) != entry.column("command"):
        return []  # the arguments belong to another program
    return [word.text for word in entry.arguments]


def _create(document: _Document, spec: ServiceSpec) -> None:
    """Add an active entry for the service, whose options are not set yet."""
    block = _commented_block(document, spec)
    if "command" not in spec.columns and (block is None or not _is_bare(spec)):
        there = "it does not exist yet" if block is None else f"it is commented out in line {document.number(block)}"
        raise invalid_service(
            spec.key, f"{there}, and no command is declared for it", "Write command: with the daemon to run"
        )
    if block is not None:
        _activate_block(document, spec, block)
        return
    values = [spec.name, spec.type]
    defaults = {"private": "n" if spec.type == "inet" else "-"}
    values += [spec.columns.get(column, defaults.get(column, "-")) for column in COLUMNS[2:7]]
    line = ""
    for start, value in zip(_STOCK_COLUMNS, values + [spec.columns["command"]]):
        line = (line + " " if line else "").ljust(start) + value
    document.append(to_bytes(line))


def _activate_block(document: _Document, spec: ServiceSpec, block: int) -> None:
    """Make a commented-out entry active, with its options as far as they are declared, or as it was if nothing is declared of it."""
    lines, bare = document.lines, _is_bare(spec)
    lines[block] = _uncommented(lines[block]) if bare else _activated(lines[block], spec)
    last, continues = block, spec.arguments is None
    for index in document.comments_below(block):
        names = _commented_options(lines[index])
        if not names and _commented_service(lines[index]):
            break
        continues = continues and not names and _continues(lines[block], lines[index], last == block)
        wanted = names and (bare or all(spec.options.get(name) is not None for name in names))
        if continues or wanted:
            lines[index] = lines[index][1:]
            last = index
    document.activate(block, last + 1)


def _is_bare(spec: ServiceSpec) -> bool:
    """Whether nothing is declared of a service but that it is there."""
    return not spec.columns and not spec.options and spec.arguments is None and not spec.purge_options


def _activated(line: bytes, spec: ServiceSpec) -> bytes:
    """A commented-out service line as an active one. Its undeclared options become comments below it."""
    text = _uncommented(line)
    entry = master_entries(text)[0]
    edits: list[tuple[int, int, bytes]] = []
    comments = []
    for option in entry.options:
        if spec.options.get(option.name) is None:
            edits += _option_edits(text, option, None, option.flags)
            comments.append(b"#" + _INDENT + b"-o " + to_bytes(assignment_word(option.name, option.value)))
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    if not comments:
        return text
    ending = line_end(text)
    return text.rstrip(b"\r\n") + ending + ending.join(comments) + (ending if line.endswith(b"\n") else b"")


def _continues(service: bytes, line: bytes, first: bool) -> bool:
    """Whether a comment contains arguments of the commented-out pipe(8) or spawn(8) service above it."""
    if master_entries(service)[0].column("command") not in _TAKE_ARGUMENTS:
        return False
    return bool(re.match(rb"#[ \t]+[a-z_]+=" if first else rb"#[ \t]+[^ \t\r\n#]", line))


def _uncommented(line: bytes) -> bytes:
    return re.sub(rb"^#+[ \t]?", b"", line)


def _commented_service(line: bytes) -> MasterEntry | None:
    """The entry in a commented-out line; None for prose."""
    with suppress(GrammarError):
        found = master_entries(_uncommented(line)) if line.startswith(b"#") else []
        if not found or found[0].mistake:
            return None
        words = [word.text for word in found[0].arguments if not word.text.startswith("-")]
        # Other programs do not accept words as arguments, so the line is prose.
        return None if words and found[0].column("command") not in _TAKE_ARGUMENTS else found[0]
    return None


def _commented_options(line: bytes) -> list[str]:
    """The names of the options in a commented-out line that contains nothing else."""
    if not re.match(rb"#[ \t]+-", line):
        return []
    with suppress(GrammarError):
        entry = master_entries(b"x unix - - - - - x " + line[1:])[0]
        return [] if entry.arguments or entry.mistake else [option.name for option in entry.options]
    return []


def _commented_block(document: _Document, spec: ServiceSpec) -> int | None:
    """Index of the commented-out line to activate: of the same service, and with the declared command, if any."""
    command = spec.columns.get("command")
    candidates = [
        (entry.column("service") != spec.name, index)
        for index, entry in document.commented(endpoint(spec.name, spec.type))
        if command in (None, entry.column("command"))
    ]
    return min(candidates)[1] if candidates else None


def _change_words(text: bytes, entry: MasterEntry, spec: ServiceSpec) -> bytes:
    """Replace, remove and add words of one active entry."""
    edits: list[tuple[int, int, bytes]] = []
    wanted_columns = dict(spec.columns, service=spec.name)
    for name, value in wanted_columns.items():
        if entry.column(name) != value:
            word = entry.columns[COLUMNS.index(name)]
            edits += _word_edits(text, word, to_bytes(value)) if name == "command" else _column_edit(text, word, value)
    wanted = _wanted_options(entry, spec)
    arguments = _wanted_arguments(entry, spec)
    other_arguments = arguments != [word.text for word in entry.arguments]
    # New words follow the last word that is kept. Of a rewritten word, the first line is kept.
    end = entry.columns[-1].spans[-1][1]
    last = {option.name: index for index, option in enumerate(entry.options)}
    for index, option in enumerate(entry.options):
        owned = spec.purge_options or option.name in spec.options
        kept = None if owned else main_cf.normalize_whitespace(option.value)
        target = wanted.get(option.name) if last[option.name] == index else kept
        if target is not None:
            attached = option.flag is option.assignment
            rewritten = main_cf.normalize_whitespace(option.value) != target or (attached and other_arguments)
            end = option.assignment.spans[0 if rewritten else -1][1]
        edits += _option_edits(text, option, target, "-" if other_arguments else option.flags)
    added = [(name, value) for name, value in wanted.items() if name not in last]
    if other_arguments:
        old = [word for word in entry.arguments if word.spans]
        inline = b" ".join(to_bytes(braced(argument)) for argument in arguments)
        # Options must come before the arguments.
        place = next((word for word in old if word.spans[0][0] > end), None) if inline else None
        for word in old:
            edits += _word_edits(text, word, inline if word is place else b"")
        if inline and place is None:
            options = b"".join(b" -o " + to_bytes(assignment_word(name, value)) for name, value in added)
            edits.append((end, end, options + b" " + inline))
            added = []
    if added:
        edits.append(_options_addition(text, entry, end, added))
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _column_edit(text: bytes, word: Word, value: str) -> list[tuple[int, int, bytes]]:
    """Replace a column and adjust the blanks after it, so that the other columns stay aligned."""
    (start, end), new = word.spans[0], to_bytes(value)
    blanks = len(text[end:]) - len(text[end:].lstrip(b" "))
    at_line_end = text[end + blanks : end + blanks + 1] in (b"", b"\r", b"\n")
    if not blanks or at_line_end or len(word.spans) > 1:
        return _word_edits(text, word, new)
    padding = max(1, blanks - (len(new) - (end - start)))
    return [(start, end + blanks, new + b" " * padding)]


def _option_edits(text: bytes, option: Option, value: str | None, flags: str) -> list[tuple[int, int, bytes]]:
    """Set the value of an option (None removes it), and the flags in its ``-vo``."""
    attached = option.flag is option.assignment
    if value is None:
        if flags != "-":
            edits = [] if attached else _word_edits(text, option.assignment)
            return edits + _word_edits(text, option.flag, to_bytes(flags))
        start, end = option.flag.spans[0][0], option.assignment.spans[0][1]
        if len(option.assignment.spans) == 1 and b"\n" not in text[start:end]:
            return [_removal(text, start, end)]
        return _word_edits(text, option.assignment) + ([] if attached else _word_edits(text, option.flag))
    changed = main_cf.normalize_whitespace(option.value) != value
    if attached:
        word = to_bytes(f"{flags}o {assignment_word(option.name, value)}")
        return _word_edits(text, option.flag, word) if changed or flags != option.flags else []
    edits = _word_edits(text, option.flag, to_bytes(f"{flags}o")) if flags != option.flags else []
    return edits + (
        _word_edits(text, option.assignment, to_bytes(assignment_word(option.name, value))) if changed else []
    )


def _word_edits(text: bytes, word: Word, new: bytes = b"") -> list[tuple[int, int, bytes]]:
    """Replace a word, or remove it."""
    first, *others = word.spans
    return [(*first, new) if new else _removal(text, *first)] + [_removal(text, *span) for span in others]


def _removal(text: bytes, start: int, end: int) -> tuple[int, int, bytes]:
    """Remove a range within a line: the whole line if it contains nothing else, otherwise the range and the blanks before it."""
    line_start = text.rfind(b"\n", 0, start) + 1
    line_end = text.find(b"\n", end) + 1 or len(text)
    if not text[line_start:start].strip(SEPARATORS) and not text[end:line_end].strip(SEPARATORS):
        return line_start, line_end, b""
    before = len(text[line_start:start].rstrip(b" \t"))
    return (line_start + before if before else start), end, b""


def _options_addition(
    text: bytes, entry: MasterEntry, end: int, added: Sequence[tuple[str, str]]
) -> tuple[int, int, bytes]:
    """Add options after the last one (or the command), each on its own line, or on the same line if more words follow."""
    line_end = text.find(b"\n", end)
    rest = text[end:] if line_end < 0 else text[end:line_end]
    if rest.strip(SEPARATORS):
        return end, end, b"".join(b" -o " + to_bytes(assignment_word(name, value)) for name, value in added)
    ending = b"\r\n" if rest.endswith(b"\r") else b"\n"
    indent = _INDENT
    for option in entry.options:
        start = option.flag.spans[0][0]
        line_start = text.rfind(b"\n", 0, start) + 1
        if not text[line_start:start].strip(SEPARATORS):
            indent = text[line_start:start]
    block = [indent + b"-o " + to_bytes(assignment_word(name, value)) for name, value in added]
    content_end = end + len(rest.rstrip(b"\r"))
    return content_end, content_end, b"".join(ending + line for line in block)
