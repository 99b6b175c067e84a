# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Physical and logical lines as Postfix's readlline() sees them. Private to mailops.postfix. Pure.

main.cf, master.cf and the text of lookup tables share this layer (postconf(5), master(5), postmap(1); src/util/readlline.c):

* Only LF ends a physical line. White space is ASCII blank, tab, LF, VT, FF and CR.
* Postfix skips every physical line that is blank, or whose first byte after white space is ``#``.
* A logical line starts with text at the beginning of a line, and continues while the next line that is not skipped
  starts with white space.
"""

from __future__ import annotations

from dataclasses import dataclass

from .._errors import DeclarationError

WHITESPACE = b" \t\n\v\f\r"
WHITESPACE_BYTES = frozenset(bytes([byte]) for byte in WHITESPACE)


@dataclass(frozen=True)
class LogicalLine:
    """One logical line with its position in the file."""

    number: int
    """Number of its first physical line, counted from 1."""
    text: bytes
    """Its physical lines without the skipped ones, joined without their LFs."""
    start: int
    """Index of its first physical line, counted from 0."""
    end: int
    """Index after its last physical line that is not skipped."""

    @property
    def indented(self) -> bool:
        """Whether it starts with white space. Postfix skips such a line with a warning; only the first line can be one."""
        return self.text[:1] in WHITESPACE_BYTES


def to_bytes(text: str) -> bytes:
    """A value as it is written to a file; the inverse of :func:`to_text`.

    :raises DeclarationError: for a surrogate that does not represent a byte.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        shown = ascii(text[max(0, error.start - 20) : error.end + 20])
        raise DeclarationError(
            "writing", shown, "it contains a lone surrogate, which is not a valid character", "Remove this character"
        ) from None


def to_text(text: bytes) -> str:
    """Bytes of a file as a string; bytes that are not UTF-8 become lone surrogates, which to_bytes() restores."""
    return text.decode("utf-8", "surrogateescape")


def physical_lines(text: bytes) -> list[bytes]:
    """The physical lines, each with its LF (the last may lack it). Joined, they give the text."""
    lines = text.split(b"\n")
    last = lines.pop()
    return [line + b"\n" for line in lines] + ([last] if last else [])


def line_end(text: bytes) -> bytes:
    """The line end for new lines of a file: that of its first line. Postfix treats the CR as white space."""
    return b"\r\n" if text.partition(b"\n")[0].endswith(b"\r") else b"\n"


def is_skipped(line: bytes) -> bool:
    """Whether Postfix skips the line because it is blank or a comment."""
    stripped = line.lstrip(WHITESPACE)
    return not stripped or stripped.startswith(b"#")


def logical_lines(text: bytes) -> list[LogicalLine]:
    """The logical lines of a file, in order."""
    result: list[LogicalLine] = []
    start = end = 0
    kept: list[bytes] = []
    for index, line in enumerate(physical_lines(text)):
        if is_skipped(line):
            continue
        if kept and line[:1] not in WHITESPACE_BYTES:
            result.append(LogicalLine(start + 1, b"".join(kept), start, end))
            kept = []
        if not kept:
            start = index
        kept.append(line[:-1] if line.endswith(b"\n") else line)
        end = index + 1
    if kept:
        result.append(LogicalLine(start + 1, b"".join(kept), start, end))
    return result
