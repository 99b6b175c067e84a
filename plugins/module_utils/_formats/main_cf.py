# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The grammar of main.cf: text in, text out. Private to mailops.postfix. Pure.

A file is bytes; a value is a string (UTF-8, other bytes as lone surrogates). An edit keeps every byte that does not belong
to a parameter it sets or removes: comments, blank lines (also inside values), order, the spacing around ``=``, line ends.
Source: postconf(5), src/util/{readlline,split_nameval,dict}.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Mapping

from .._errors import DeclarationError, GrammarError
from .lines import WHITESPACE, is_skipped, line_end, logical_lines, physical_lines, to_bytes, to_text

_ASSIGNMENT = re.compile(rb"([^ \t\n\v\f\r=]*)[ \t\n\v\f\r]*=[ \t\n\v\f\r]*")
_NAME = re.compile(r"[^\s=#\x00][^\s=\x00]*")
# postconf(1) prints these bytes as one blank; Postfix's list and restriction parsers skip them too.
_WHITE_SPACE = re.compile(r"[ \t\r\n]+")

# CHARS_COMMA_SP in Postfix: not VT, FF and the white space of Unicode.
_SEPARATOR = " \t\r\n,"

CONTINUATION = "    "


@dataclass(frozen=True)
class MainEntry:
    """One ``name = value`` with its position in the file."""

    name: str
    value: str
    """The value as Postfix reads it: continuation lines joined, white space at both ends trimmed."""
    number: int
    """Line number of its first line, from 1."""
    start: int
    """Index of its first physical line, from 0."""
    end: int
    """Index after its last physical line. Comments and blank lines between start and end do not belong to the entry."""


def main_entries(text: bytes, path: str = "main.cf") -> list[MainEntry]:
    """All settings in the order of the file, duplicates included.

    :param path: the file name for errors.
    :raises GrammarError: for a line without ``=`` or without a name, at which every Postfix program stops.
    """
    result = []
    for line in logical_lines(text):
        if line.indented:
            continue  # Postfix skips indented text at the top of a file with a warning.
        seen = line.text.split(b"\0", 1)[0]  # Postfix ends the line at a NUL
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
    """The explicit settings of a main.cf: ``{name: value}``. The last of several settings of one name applies, as in Postfix.

    :raises GrammarError: for a line that Postfix would reject.
    """
    return {entry.name: entry.value for entry in main_entries(to_bytes(text))}


def format_parameters(parameters: Mapping[str, Any]) -> str:
    """The text of a main.cf with these settings in the given order; ``null`` values are left out.

    :raises DeclarationError: for a name or a value that main.cf cannot hold.
    """
    return to_text(edit_main_cf(b"", declared_parameters(parameters)))


def normalize_whitespace(value: str) -> str:
    """A value as postconf(1) prints it, so that two values that differ only in white space are equal."""
    return _WHITE_SPACE.sub(" ", value).strip(" ")


def words(value: str) -> list[str]:
    """The elements of a list, such as ``a, b``."""
    return [word for word in re.split(f"[{_SEPARATOR}]+", value) if word]


def braced_words(value: str) -> list[str]:
    """The elements of a list, in which braces keep an element together; they are kept."""
    result: list[str] = []
    word, depth = "", 0
    for character in value:
        if depth == 0 and character in _SEPARATOR:
            if word:
                result.append(word)
            word = ""
            continue
        depth += {"{": 1, "}": -1}.get(character, 0)
        depth = max(depth, 0)
        word += character
    return [*result, word] if word else result


def declared_parameters(parameters: Mapping[str, Any]) -> dict[str, str | None]:
    """Values from YAML as main.cf texts: booleans become yes/no, lists are joined by ``", "``, None removes the parameter.

    :raises DeclarationError: for a name or a value that main.cf cannot hold.
    """
    return {_checked_name(name): _text_of(name, value) for name, value in parameters.items()}


def _checked_name(name: Any) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DeclarationError(
            "setting",
            f"{name!r}",
            "it is not a valid parameter name",
            "Write a name without white space and '=' that does not start with '#'",
        )
    return name


def _text_of(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        text = str(value)
        if not re.fullmatch(r"-?\d+(\.\d+)?", text):
            raise DeclarationError(
                "setting", name, f"Postfix cannot read the number {text}", "Write it in digits, or in quotes"
            )
        return text
    if isinstance(value, (list, tuple)):
        items = [_text_of(name, item) for item in value]
        if any(item is None or isinstance(original, (list, tuple)) for item, original in zip(items, value)):
            raise DeclarationError(
                "setting",
                name,
                "a list may contain only strings, numbers and booleans",
                "Write a flat list without null",
            )
        return ", ".join(item for item in items if item is not None)
    if not isinstance(value, str):
        raise DeclarationError(
            "setting",
            name,
            f"a value of type {type(value).__name__} is not valid",
            "Write a string, number, boolean, list or null",
        )
    if "\0" in value:
        raise DeclarationError(
            "setting", name, "the value contains a NUL byte, where Postfix would truncate it", "Remove the NUL byte"
        )
    to_bytes(value)  # raises for lone surrogates
    lines = [line.strip(" \t\v\f") for line in re.split(r"[\r\n]", value)]
    lines = [line for line in lines if line]
    for line in lines[1:]:
        if line.startswith("#"):
            raise DeclarationError(
                "setting",
                name,
                "a line of its value begins with # and would be a comment in main.cf",
                "Write comments in YAML",
            )
    return f"\n{CONTINUATION}".join(lines)


def edit_main_cf(text: bytes, declaration: Mapping[str, str | None], path: str = "main.cf") -> bytes:
    """The text with each declared name set to its value, or removed where the value is None.

    A setting that already has its value, apart from white space that Postfix ignores, is left unchanged. If a name is set
    several times, the last setting is kept or changed in place, and the others are removed. New names are appended in the
    order given.

    :param path: the file name for errors.
    :raises GrammarError: for a line that Postfix would reject.
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
        ending = b""  # keep the missing newline at the end of the file
    match = _ASSIGNMENT.match(first)
    # If the '=' is on a continuation line, there is no spacing to keep.
    name_and_equals = match.group(0).rstrip(WHITESPACE) if match else to_bytes(f"{entry.name} =")
    spacing = match.group(0)[len(name_and_equals) :].rstrip(b"\r\n") if match else b" "
    if not spacing and (len(name_and_equals) > len(to_bytes(entry.name)) + 1):
        spacing = b" "
    _remove(lines, entry)
    written = to_bytes(value).replace(b"\n", b"\r\n" if first.endswith(b"\r\n") else b"\n")
    lines[owned[0]] = (name_and_equals + spacing + written).rstrip(b" \t") + ending
