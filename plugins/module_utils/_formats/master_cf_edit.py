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
from typing import Any, Sequence

from .._errors import GrammarError
from . import main_cf
from .lines import LogicalLine, is_skipped, line_end, logical_lines, physical_lines, to_bytes
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

    A missing service replaces its commented-out entry in place, or is appended. If a service has several entries, the last
    one is edited, because master(8) uses it, and the others are removed.

    :param path: the file name for errors.
    :raises GrammarError: for an entry that master(8) would reject.
    :raises DeclarationError: for a new service without a command.
    """
    for spec in specs:
        text = _edit_one(text, spec, path)
    return text


def _edit_one(text: bytes, spec: ServiceSpec, path: str) -> bytes:
    same = _entries_of(text, spec, path)
    if spec.state != "present":
        for entry in reversed(same):
            text = _on_lines(text, entry.line, lambda line: b"" if spec.state == "absent" else b"#" + line)
        return text
    if not same:
        text = _create(text, spec)
    elif same[-1].mistake:
        raise GrammarError("editing", f"{path}:{same[-1].line.number}", same[-1].mistake, "Correct that entry first")
    for entry in reversed(same[:-1]):
        text = _on_lines(text, entry.line, lambda line: b"")
    entry = _entries_of(text, spec, path)[-1]
    return text if _satisfied(entry, spec) else _change_words(text, entry, spec)


def _entries_of(text: bytes, spec: ServiceSpec, path: str) -> list[MasterEntry]:
    """The active entries of one service.

    A private and a public socket of one name are two services. If ``private`` is declared, only the entries with that value
    are returned. If not, these are all entries where the service is to be removed, else those like the last one.
    """
    found = [entry for entry in master_entries(text, path) if service_identity(entry) == endpoint(spec.name, spec.type)]
    of_privacy: dict[bool, list[MasterEntry]] = {}
    for entry in found:
        of_privacy.setdefault(is_private_service(entry.column("private")), []).append(entry)
    if not found or (spec.state != "present" and "private" not in spec.columns):
        return found
    last = of_privacy[is_private_service(found[-1].column("private"))]
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


def _on_lines(text: bytes, line: LogicalLine, change: Any) -> bytes:
    lines = physical_lines(text)
    for index in range(line.start, line.end):
        if not is_skipped(lines[index]):
            lines[index] = change(lines[index])
    return b"".join(lines)


def _create(text: bytes, spec: ServiceSpec) -> bytes:
    """The text with an active entry for the service, whose options are not set yet."""
    lines = physical_lines(text)
    block = _commented_block(lines, spec)
    if block is not None:
        lines[block] = _activated(lines[block], spec)
        index, last = block + 1, block
        while index < len(lines) and _continues(lines, block, index, spec):
            lines[index] = lines[index][1:]
            last, index = index, index + 1
        while index < len(lines) and lines[index].startswith(b"#") and not _commented_service(lines[index]):
            names = _commented_options(lines[index])
            if names and all(spec.options.get(name) is not None for name in names):
                lines[index] = lines[index][1:]
                last = index
            index += 1
        if not lines[last].endswith(b"\n") and last < len(lines) - 1:
            lines[last] += b"\n"
        return b"".join(lines)
    if "command" not in spec.columns:
        raise invalid_service(
            spec.key,
            "it does not exist yet, and no command is declared for it",
            "Write command: with the daemon to run",
        )
    values = [spec.name, spec.type]
    defaults = {"private": "n" if spec.type == "inet" else "-"}
    values += [spec.columns.get(column, defaults.get(column, "-")) for column in COLUMNS[2:7]]
    line = ""
    for start, value in zip(_STOCK_COLUMNS, values + [spec.columns["command"]]):
        line = (line + " " if line else "").ljust(start) + value
    ending = line_end(text)
    if text and not text.endswith(b"\n"):
        text += ending
    return text + to_bytes(line) + ending


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


def _continues(lines: list[bytes], block: int, index: int, spec: ServiceSpec) -> bool:
    """Whether a comment contains arguments of the commented-out pipe(8) or spawn(8) service above it."""
    if spec.arguments is not None or master_entries(lines[block])[0].column("command") not in _TAKE_ARGUMENTS:
        return False
    pattern = rb"#[ \t]+[a-z_]+=" if index == block + 1 else rb"#[ \t]+[^ \t\r\n#]"
    if _commented_options(lines[index]) or _commented_service(lines[index]):
        return False
    return bool(re.match(pattern, lines[index]))


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


def _commented_block(lines: list[bytes], spec: ServiceSpec) -> int | None:
    """Index of the commented-out line to activate: of the same service, and with the declared command, if any."""
    command = spec.columns.get("command")
    active_lines = logical_lines(b"".join(lines))
    candidates = []
    for index, line in enumerate(lines):
        found = _commented_service(line)
        if any((active.start < index or active.indented) and index < active.end for active in active_lines):
            continue  # inside an active entry: if activated, the comment would take over the lines that follow
        if not found or service_identity(found) != endpoint(spec.name, spec.type):
            continue
        if command in (None, found.column("command")):
            candidates.append((found.column("service") != spec.name, index))
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
        in_place = bool(old) and bool(inline) and old[-1].spans[0][0] > end
        for word in old[:-1] if in_place else old:
            edits += _word_edits(text, word)
        if in_place:
            edits += _word_edits(text, old[-1], inline)
        elif inline:
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
