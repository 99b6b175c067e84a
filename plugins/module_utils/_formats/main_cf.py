# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The grammar of main.cf: text in, text out. Private to mailops.postfix. Pure.

A file is bytes, a value is a string (UTF-8, other bytes as lone surrogates). An edit keeps every byte that does not belong
to a parameter it sets or removes: comments, blank lines (inside values too), order, the spacing round ``=``, line ends.
Source: postconf(5), src/util/{readlline,split_nameval,dict}.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Mapping, Optional

from .._errors import DeclarationError, GrammarError
from .lines import WHITESPACE, is_skipped, line_end, logical_lines, physical_lines, to_bytes, to_text

_ASSIGNMENT = re.compile(rb"([^ \t\n\v\f\r=]*)[ \t\n\v\f\r]*=[ \t\n\v\f\r]*")
_NAME = re.compile(r"[^\s=#\x00][^\s=\x00]*")
# What postconf(1) folds to one blank when it prints a value; Postfix's list and restriction parsers skip the same bytes.
_FOLDED = re.compile(r"[ \t\r\n]+")

CONTINUATION = "    "


@dataclass(frozen=True)
class MainEntry:
    """One ``name = value`` as it stands in a file."""

    name: str
    value: str
    """The value as Postfix reads it: continuation lines joined, white space at both ends trimmed."""
    number: int
    """Line number of its first line, from 1."""
    start: int
    """Index of its first physical line, from 0."""
    end: int
    """Index behind its last physical line; comments and blank lines between the two do not belong to it."""


def main_entries(text: bytes, path: str = "main.cf") -> list[MainEntry]:
    """All settings in the order of the file, duplicates included.

    :raises GrammarError: for a line without ``=`` or without a name, which stops every Postfix program.
    """
    result = []
    for line in logical_lines(text):
        if line.indented:
            continue  # Postfix warns about indented text at the top of a file, and skips it.
        seen = line.text.split(b"\0", 1)[0]  # to Postfix a line ends at a NUL
        match = _ASSIGNMENT.match(seen)
        if not match:
            shown = to_text(seen[:60])
            raise GrammarError("reading", f"{path}:{line.number}", f"missing '=' after {shown!r}", "Write name = value")
        if not match.group(1):
            raise GrammarError(
                "reading", f"{path}:{line.number}", "missing parameter name before '='", "Write name = value"
            )
        value = seen[match.end() :].rstrip(WHITESPACE)
        result.append(MainEntry(to_text(match.group(1)), to_text(value), line.number, line.start, line.end))
    return result


def parse_parameters(text: str) -> dict[str, str]:
    """The explicit settings of a main.cf: ``{name: value}``; of duplicates the last counts, as in Postfix.

    :raises GrammarError: for a line that Postfix would refuse.
    """
    return {entry.name: entry.value for entry in main_entries(to_bytes(text))}


def format_parameters(parameters: Mapping[str, Any]) -> str:
    """A main.cf text that says these settings, in their order; ``null`` values are left out.

    :raises DeclarationError: for a name or a value that main.cf can't hold.
    """
    return to_text(edit_main_cf(b"", declared_parameters(parameters)))


def normalize_whitespace(value: str) -> str:
    """A value in the form in which two values that mean the same to Postfix are equal (postconf(1) prints it so)."""
    return _FOLDED.sub(" ", value).strip(" ")


def declared_parameters(parameters: Mapping[str, Any]) -> dict[str, Optional[str]]:
    """Values from YAML as main.cf texts: booleans become yes/no, lists are joined by ``", "``, None removes the parameter.

    :raises DeclarationError: for a name or a value that main.cf can't hold.
    """
    return {_checked_name(name): _text_of(name, value) for name, value in parameters.items()}


def _checked_name(name: Any) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DeclarationError(
            "setting",
            f"{name!r}",
            "not a parameter name",
            "A name has no white space, no '=' and does not start with '#'",
        )
    return name


def _text_of(name: str, value: Any) -> Optional[str]:
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        text = str(value)
        if not re.fullmatch(r"-?\d+(\.\d+)?", text):
            raise DeclarationError(
                "setting", name, f"Postfix can't read the number {text}", "Write it in digits, or in quotes"
            )
        return text
    if isinstance(value, (list, tuple)):
        items = [_text_of(name, item) for item in value]
        if any(item is None or isinstance(original, (list, tuple)) for item, original in zip(items, value)):
            raise DeclarationError(
                "setting", name, "a list may hold only strings, numbers and booleans", "Write a flat list without null"
            )
        return ", ".join(item for item in items if item is not None)
    if not isinstance(value, str):
        raise DeclarationError(
            "setting", name, f"a {type(value).__name__} is not a value", "Write a string, number, boolean, list or null"
        )
    if "\0" in value:
        raise DeclarationError(
            "setting", name, "the value holds a NUL byte, at which Postfix would cut it", "Remove it"
        )
    to_bytes(value)  # refuses what can't be written
    lines = [line.strip(" \t\v\f") for line in re.split(r"[\r\n]", value)]
    lines = [line for line in lines if line]
    for line in lines[1:]:
        if line.startswith("#"):
            raise DeclarationError(
                "setting",
                name,
                f"the line {line!r} of its value would be a comment in main.cf",
                "Leave comments to YAML",
            )
    return f"\n{CONTINUATION}".join(lines)


def edit_main_cf(text: bytes, declaration: Mapping[str, Optional[str]], path: str = "main.cf") -> bytes:
    """The text after the declaration: each name set to its value, or removed where the value is None.

    A name that already has its value (but for white space that Postfix ignores) is left as it is. Where a name is set several
    times the last counts: it stays, or is changed, where it stands, and the others go. New names are appended in the order given.

    :raises GrammarError: for a line that Postfix would refuse.
    """
    lines: list[bytes] = physical_lines(text)
    present: dict[str, list[MainEntry]] = {}
    for entry in main_entries(text, path):
        present.setdefault(entry.name, []).append(entry)
    appended: list[bytes] = []
    for name, value in declaration.items():
        found = present.get(name, [])
        if value is None:
            for entry in found:
                _remove(lines, entry)
        elif not found:
            appended.append(to_bytes(f"{name} = {value}").rstrip(b" ") + b"\n")
        else:
            for entry in found[:-1]:
                _remove(lines, entry)
            if normalize_whitespace(found[-1].value) != normalize_whitespace(value):
                _replace(lines, found[-1], value)
    result = b"".join(lines)
    ending = line_end(text)
    if appended and result and not result.endswith(b"\n"):
        result += ending
    return result + b"".join(appended).replace(b"\n", ending)


def _remove(lines: list[bytes], entry: MainEntry) -> None:
    for index in range(entry.start, entry.end):
        if not is_skipped(lines[index]):
            lines[index] = b""


def _replace(lines: list[bytes], entry: MainEntry, value: str) -> None:
    owned = [index for index in range(entry.start, entry.end) if not is_skipped(lines[index])]
    first, last = lines[owned[0]], lines[owned[-1]]
    ending = first[len(first.rstrip(b"\r\n")) :]
    if not last.endswith(b"\n") and owned[-1] - owned[0] == len(owned) - 1:
        ending = b""  # the file had no final newline and still has none
    match = _ASSIGNMENT.match(first)
    # The '=' may stand on a continuation line; then there is no spacing of its own to keep.
    name_and_equals = match.group(0).rstrip(WHITESPACE) if match else to_bytes(f"{entry.name} =")
    spacing = match.group(0)[len(name_and_equals) :].rstrip(b"\r\n") if match else b" "
    if not spacing and (len(name_and_equals) > len(to_bytes(entry.name)) + 1):
        spacing = b" "
    _remove(lines, entry)
    written = to_bytes(value).replace(b"\n", b"\r\n" if first.endswith(b"\r\n") else b"\n")
    lines[owned[0]] = (name_and_equals + spacing + written).rstrip(b" \t") + ending
