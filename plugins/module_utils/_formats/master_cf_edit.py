# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Edits of master.cf: text and declarations in, text out. Private to mailops.postfix. Pure.

An edit touches only the words it must: other columns, options, comments (also those inside an entry) and line ends stay byte for
byte. The grammar stands in :mod:`_master_cf`.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, Optional, Sequence

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

# Daemons whose command line is that of another program: pipe(8), spawn(8).
_TAKE_ARGUMENTS = ("pipe", "spawn")


def edit_master_cf(text: bytes, declarations: Sequence[ServiceSpec], path: str = "master.cf") -> bytes:
    """The text after the declarations.

    A service that is not there takes over its commented-out entry in place, else it is appended. Where a service stands several
    times the last counts, as for master(8): it is edited and the others go.

    :raises GrammarError: for an entry that master(8) would refuse.
    :raises DeclarationError: for a new service without a command.
    """
    for declaration in declarations:
        text = _edit_one(text, declaration, path)
    return text


def _edit_one(text: bytes, declaration: ServiceSpec, path: str) -> bytes:
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


def _entries_of(text: bytes, declaration: ServiceSpec, path: str) -> list[MasterEntry]:
    """The live entries of one service.

    A private and a public socket of one name are two services: meant is the one that was declared; else both are to go, or the
    last one is to be edited.
    """
    found = [
        service
        for service in master_entries(text, path)
        if service_identity(service) == endpoint(declaration.name, declaration.type)
    ]
    of_privacy: dict[bool, list[MasterEntry]] = {}
    for service in found:
        of_privacy.setdefault(is_private_service(service.column("private")), []).append(service)
    if not found or (declaration.state != "present" and "private" not in declaration.columns):
        return found
    last = of_privacy[is_private_service(found[-1].column("private"))]
    if "private" not in declaration.columns:
        return last
    return of_privacy.get(
        is_private_service(declaration.columns["private"]), last if declaration.state == "present" else []
    )


def _satisfied(service: MasterEntry, declaration: ServiceSpec) -> bool:
    names = [option.name for option in service.options]
    return (
        not any(names.count(name) > 1 for name in declaration.options)
        and service.column("service") == declaration.name
        and all(service.column(name) == value for name, value in declaration.columns.items())
        and _wanted_arguments(service, declaration) == [word.text for word in service.arguments]
        and {k: main_cf.normalize_whitespace(v) for k, v in service.effective_options.items()}
        == _wanted_options(service, declaration)
    )


def _wanted_options(service: MasterEntry, declaration: ServiceSpec) -> dict[str, str]:
    kept = (
        {}
        if declaration.purge_options
        else {k: main_cf.normalize_whitespace(v) for k, v in service.effective_options.items()}
    )
    kept.update((name, value) for name, value in declaration.options.items() if value is not None)
    return {name: value for name, value in kept.items() if declaration.options.get(name, "") is not None}


def _wanted_arguments(service: MasterEntry, declaration: ServiceSpec) -> list[str]:
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


def _create(text: bytes, declaration: ServiceSpec) -> bytes:
    """The text with a live entry for the service, its options still to be set."""
    lines = physical_lines(text)
    block = _commented_block(lines, declaration)
    if block is not None:
        lines[block] = _taken_over(lines[block], declaration)
        index, last = block + 1, block
        while index < len(lines) and _continues(lines, block, index, declaration):
            lines[index] = lines[index][1:]
            last, index = index, index + 1
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
        raise invalid_service(
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


def _taken_over(line: bytes, declaration: ServiceSpec) -> bytes:
    """A commented service line made live; options in it that are not declared stay comments, below it."""
    text = _uncommented(line)
    service = master_entries(text)[0]
    edits: list[tuple[int, int, bytes]] = []
    comments = []
    for option in service.options:
        if declaration.options.get(option.name) is None:
            edits += _option_edits(text, option, None, option.flags)
            comments.append(b"#" + _INDENT + b"-o " + to_bytes(assignment_word(option.name, option.value)))
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    if not comments:
        return text
    ending = line_end(text)
    return text.rstrip(b"\r\n") + ending + ending.join(comments) + (ending if line.endswith(b"\n") else b"")


def _continues(lines: list[bytes], block: int, index: int, declaration: ServiceSpec) -> bool:
    """Whether a comment holds the arguments of the service above it, which is a program's command line."""
    if declaration.arguments is not None or master_entries(lines[block])[0].column("command") not in _TAKE_ARGUMENTS:
        return False
    pattern = rb"#[ \t]+[a-z_]+=" if index == block + 1 else rb"#[ \t]+[^ \t\r\n#]"
    if _commented_options(lines[index]) or _commented_service(lines[index]):
        return False
    return bool(re.match(pattern, lines[index]))


def _uncommented(line: bytes) -> bytes:
    return re.sub(rb"^#+[ \t]?", b"", line)


def _commented_service(line: bytes) -> Optional[MasterEntry]:
    """The service in a line that is commented out; prose is none."""
    with suppress(GrammarError):
        found = master_entries(_uncommented(line)) if line.startswith(b"#") else []
        if not found or found[0].mistake:
            return None
        words = [word.text for word in found[0].arguments if not word.text.startswith("-")]
        # No other program takes words, so they are prose.
        return None if words and found[0].column("command") not in _TAKE_ARGUMENTS else found[0]
    return None


def _commented_options(line: bytes) -> list[str]:
    """The names of the options in a line that is commented out, if nothing else stands there."""
    if not re.match(rb"#[ \t]+-", line):
        return []
    with suppress(GrammarError):
        service = master_entries(b"x unix - - - - - x " + line[1:])[0]
        return [] if service.arguments or service.mistake else [option.name for option in service.options]
    return []


def _commented_block(lines: list[bytes], declaration: ServiceSpec) -> Optional[int]:
    """Index of the commented-out service line to take over: same service, and the same command if one is declared."""
    command = declaration.columns.get("command")
    live = logical_lines(b"".join(lines))
    candidates = []
    for index, line in enumerate(lines):
        found = _commented_service(line)
        if any((entry.start < index or entry.indented) and index < entry.end for entry in live):
            continue  # a comment inside a live entry: made live, it would take over the lines that follow
        if not found or service_identity(found) != endpoint(declaration.name, declaration.type):
            continue
        if command in (None, found.column("command")):
            candidates.append((found.column("service") != declaration.name, index))
    return min(candidates)[1] if candidates else None


def _change_words(text: bytes, service: MasterEntry, declaration: ServiceSpec) -> bytes:
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
        kept = None if owned else main_cf.normalize_whitespace(option.value)
        target = wanted.get(option.name) if last[option.name] == index else kept
        if target is not None:
            attached = option.flag is option.assignment
            rewritten = main_cf.normalize_whitespace(option.value) != target or (attached and other_arguments)
            end = option.assignment.spans[0 if rewritten else -1][1]
        edits += _option_edits(text, option, target, "-" if other_arguments else option.flags)
    added = [(name, value) for name, value in wanted.items() if name not in last]
    if other_arguments:
        old = [word for word in service.arguments if word.spans]
        inline = b" ".join(to_bytes(braced(argument)) for argument in arguments)
        # Options must stand before the arguments.
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
    changed = main_cf.normalize_whitespace(option.value) != value
    if attached:
        whole = to_bytes(f"{flags}o {assignment_word(option.name, value)}")
        return _word_edits(text, option.flag, whole) if changed or flags != option.flags else []
    edits = _word_edits(text, option.flag, to_bytes(f"{flags}o")) if flags != option.flags else []
    return edits + (
        _word_edits(text, option.assignment, to_bytes(assignment_word(option.name, value))) if changed else []
    )


def _word_edits(text: bytes, word: Word, new: bytes = b"") -> list[tuple[int, int, bytes]]:
    """Replace a word, or remove it."""
    first, *others = word.spans
    return [(*first, new) if new else _removal(text, *first)] + [_removal(text, *span) for span in others]


def _removal(text: bytes, start: int, end: int) -> tuple[int, int, bytes]:
    """Remove a range within a line: the whole line if nothing else stands there, else with the blanks before it."""
    line_start = text.rfind(b"\n", 0, start) + 1
    line_end = text.find(b"\n", end) + 1 or len(text)
    if not text[line_start:start].strip(SEPARATORS) and not text[end:line_end].strip(SEPARATORS):
        return line_start, line_end, b""
    before = len(text[line_start:start].rstrip(b" \t"))
    return (line_start + before if before else start), end, b""


def _options_addition(
    text: bytes, service: MasterEntry, end: int, added: Sequence[tuple[str, str]]
) -> tuple[int, int, bytes]:
    """New options behind the last one (or the command): a line each, or on the same line where more words follow."""
    line_end = text.find(b"\n", end)
    rest = text[end:] if line_end < 0 else text[end:line_end]
    if rest.strip(SEPARATORS):
        return end, end, b"".join(b" -o " + to_bytes(assignment_word(name, value)) for name, value in added)
    ending = b"\r\n" if rest.endswith(b"\r") else b"\n"
    indent = _INDENT
    for option in service.options:
        start = option.flag.spans[0][0]
        line_start = text.rfind(b"\n", 0, start) + 1
        if not text[line_start:start].strip(SEPARATORS):
            indent = text[line_start:start]
    block = [indent + b"-o " + to_bytes(assignment_word(name, value)) for name, value in added]
    content_end = end + len(rest.rstrip(b"\r"))
    return content_end, content_end, b"".join(ending + line for line in block)
