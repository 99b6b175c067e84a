# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._formats import lines as lines_format

TEXTS = [
    ("nothing", b"", []),
    ("no newline at the end", b"a", [(1, b"a", 0, 1)]),
    ("white space continues", b"a\n b\n\tc\n\x0bd\n\x0ce\n\rf\n", [(1, b"a b\tc\x0bd\x0ce\rf", 0, 6)]),
    ("only LF ends a line", "a\rb\x1cc\x85d\u2028e\n".encode(), [(1, "a\rb\x1cc\x85d\u2028e".encode(), 0, 1)]),
    ("a carriage return stays", b"a\r\n b\r\n", [(1, b"a\r b\r", 0, 2)]),
    ("comments and blank lines do not end it", b"a\n#x\n\n  # y\n \t\n b\nc\n", [(1, b"a b", 0, 6), (7, b"c", 6, 7)]),
    ("comments and blank lines after it do not belong to it", b"a\n# x\n\n", [(1, b"a", 0, 1)]),
    ("text in column one ends it", b"a\nb\n", [(1, b"a", 0, 1), (2, b"b", 1, 2)]),
    ("indented text at the top", b"# x\n  a\n  b\nc\n", [(2, b"  a  b", 1, 3), (4, b"c", 3, 4)]),
    ("other white space is text", "a\n\u00a0b\n".encode(), [(1, b"a", 0, 1), (2, "\u00a0b".encode(), 1, 2)]),
    ("a NUL is text", b"a\0b\n\0\n", [(1, b"a\0b", 0, 1), (2, b"\0", 1, 2)]),
]


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in TEXTS], ids=[case[0] for case in TEXTS])
def test_logical_lines(text, expected):
    lines = lines_format.logical_lines(text)
    assert [(line.number, line.text, line.start, line.end) for line in lines] == expected
    assert b"".join(lines_format.physical_lines(text)) == text


@pytest.mark.parametrize(("text", "indented"), [(b" a", True), (b"\x0ba", True), (b"a", False), (b"\xc2\xa0a", False)])
def test_indented(text, indented):
    assert [line.indented for line in lines_format.logical_lines(text)] == [indented]


@pytest.mark.parametrize("line", [b"", b"\n", b" \t\v\f\r\n", b"#", b" \x0b# x\n"])
def test_skipped(line):
    assert lines_format.is_skipped(line)


@pytest.mark.parametrize("line", [b"a", b"\0", "\u00a0".encode(), b"\x1c#", b"a # b"])
def test_not_skipped(line):
    assert not lines_format.is_skipped(line)


@pytest.mark.parametrize(
    ("text", "ending"), [(b"", b"\n"), (b"a", b"\n"), (b"a\nb\r\n", b"\n"), (b"a\r\nb\n", b"\r\n"), (b"a\r", b"\r\n")]
)
def test_line_end(text, ending):
    assert lines_format.line_end(text) == ending


@pytest.mark.parametrize("text", [b"abc", "Größe".encode(), b"\xff\xfe\x00", b""])
def test_bytes_round_trip(text):
    assert lines_format.to_bytes(lines_format.to_text(text)) == text


def test_lone_surrogates_are_refused():
    with pytest.raises(DeclarationError, match=r"writing 'ab\\ud800c': it contains a lone surrogate"):
        lines_format.to_bytes("ab\ud800c")
