# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Edits of lookup tables."""

from __future__ import annotations

import re

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, GrammarError
from ansible_collections.mailops.postfix.plugins.module_utils._formats import lookup_table_edit

TEXT = b"""\
# transports
example.com    smtp:[hub.example.org]:587

Example.NET\tsmtp:[a]:25
# inside
\t, smtp:[b]:25
# behind
"john doe"@example.org x
"""


def edited(text, declared, map_type="hash", **options):
    return lookup_table_edit.edit_table(text, lookup_table_edit.declaration(declared, map_type), map_type, **options)


@pytest.mark.parametrize(
    ("declared", "old", "new"),
    [
        ({}, b"", b""),
        ({"example.com": "smtp:[hub.example.org]:587"}, b"", b""),
        ({"EXAMPLE.com": "smtp:[hub.example.org]:587"}, b"", b""),
        ({"example.com": "relay:"}, b"example.com    smtp:[hub.example.org]:587\n", b"example.com    relay:\n"),
        ({"example.com": None}, b"example.com    smtp:[hub.example.org]:587\n", b""),
        ({"absent.example": None}, b"", b""),
        ({"example.net": "smtp:[a]:25\t, smtp:[b]:25"}, b"", b""),
        ({"example.net": "x"}, b"Example.NET\tsmtp:[a]:25\n# inside\n\t, smtp:[b]:25\n", b"Example.NET\tx\n# inside\n"),
        ({"example.net": None}, b"Example.NET\tsmtp:[a]:25\n# inside\n\t, smtp:[b]:25\n", b"# inside\n"),
        ({'"john doe"@example.org': "y"}, b'"john doe"@example.org x\n', b'"john doe"@example.org y\n'),
        (
            {"new.example": ["a", "b"], "n2": 4},
            b'"john doe"@example.org x\n',
            b'"john doe"@example.org x\nnew.example a, b\nn2 4\n',
        ),
    ],
)
def test_edits_change_only_the_declared_entries(declared, old, new):
    assert TEXT.count(old) == 1 or not old
    assert edited(TEXT, declared) == TEXT.replace(old, new)


@pytest.mark.parametrize(
    ("text", "declared", "expected"),
    [
        (b"", {"a": "b"}, b"a b\n"),
        (b"x y", {"a": "b"}, b"x y\na b"),
        (b"x y", {"x": "z"}, b"x z"),
        (b"x y\r\n", {"x": "z"}, b"x z\r\n"),
        (b"x  y  \n", {"x": "z"}, b"x  z  \n"),
        (b"x y", {"x": None}, b""),
        (b"a 1\nA 2\nb 3\na 4\n", {"a": "2"}, b"a 2\nb 3\n"),
        (b"a 1\nA 2\n", {"a": "1"}, b"a 1\n"),
        (b"a 1\nA 2\n", {"a": None}, b""),
        (b"a\nb 2\n", {"a": "1"}, b"a 1\nb 2\n"),
        (b"a\nb 2\n", {"a": None}, b"b 2\n"),
        (b"a\n 1\n", {"a": "2"}, b"a 2\n"),
        (b'"x\n  y" 1\n', {'"x  y"': "2"}, b'"x  y" 2\n'),
        (b"\xc3\x89 1\n", {"é": "2"}, b"\xc3\x89 2\n"),
        (b"a 1\nb 2\n", {"b": "2", "a": "1"}, b"a 1\nb 2\n"),
    ],
)
def test_edits(text, declared, expected):
    assert edited(text, declared) == expected


@pytest.mark.parametrize(
    ("map_type", "text", "declared", "expected"),
    [
        ("hash", b"# c\na 1\nbad\nb 2\na 3\n", {"b": "2", "c": "4"}, b"# c\nb 2\nc 4\n"),
        ("hash", b" indented\na 1\n", {}, b""),
        ("hash", b"# c\na 1\n", {}, b"# c\n"),
        ("pcre", b"# c\n/a/ 1\n/b/ 2\n", {"/b/": "2", "/a/": "1"}, b"# c\n/b/ 2\n/a/ 1\n"),
        ("pcre", b"# c\n/a/   1\n/b/ 2\n", {"/a/": "1", "/b/": "3"}, b"# c\n/a/   1\n/b/ 3\n"),
        ("pcre", b"/a/ 1\nif /x/\n/b/ 2\nendif\n", {"/a/": "1"}, b"/a/ 1\n"),
        ("pcre", b"/b/ 1\n", {"/a/": "1", "/b/": "1"}, b"/a/ 1\n/b/ 1\n"),
        ("cidr", b"10.0.0.0/8 OK\n", {"10.0.0.0/8": "REJECT"}, b"10.0.0.0/8 REJECT\n"),
    ],
)
def test_exclusive(map_type, text, declared, expected):
    assert edited(text, declared, map_type, exclusive=True) == expected


@pytest.mark.parametrize(
    ("map_type", "text", "declared", "expected"),
    [
        ("regexp", b"/^a b$/  OK\n", {"/^a b$/": "REJECT no"}, b"/^a b$/  REJECT no\n"),
        ("regexp", b"/a/ 1\n/A/ 2\n", {"/A/": "3"}, b"/a/ 1\n/A/ 3\n"),
        ("regexp", b"/a\\/b/i 1\n", {"/a\\/b/i": None}, b""),
        ("regexp", b"if /x/\n/a/ 1\nendif\n", {"/a/": "2"}, b"if /x/\n/a/ 1\nendif\n/a/ 2\n"),
        ("pcre", b"! /a/ 1\n", {"!/a/": "2"}, b"! /a/ 2\n"),
        ("pcre", b"/a/ 1\n/b/ 2\n/a/ 3\n", {"/a/": "4"}, b"/a/ 4\n/b/ 2\n"),
        ("cidr", b"!10.0.0.0/8 OK\n::1/128 x\n", {"::1/128": None}, b"!10.0.0.0/8 OK\n"),
        ("texthash", b"a 1\n", {"A": "2"}, b"a 2\n"),
    ],
)
def test_tables_that_are_not_compiled(map_type, text, declared, expected):
    assert edited(text, declared, map_type) == expected


@pytest.mark.parametrize(
    ("key", "value", "cause"),
    [
        ("a", "", "its value is empty"),
        ("a", [], "its value is empty"),
        ("", "x", "its key is empty"),
        ("a", "x\ny", "its value contains a line end"),
        ("a\n", "x", "its key contains a line end"),
        ("a", "x\0", "its value contains a NUL byte"),
        ("a", " x", "starts or ends with white space"),
        ("a", "x\r", "starts or ends with white space"),
        ("\ta", "x", "starts or ends with white space"),
        ("a b", "x", "its key contains a blank. Put the part with the blank in double quotes"),
        ("#a", "x", "as a comment"),
        ("a:", "x", "as in an alias file"),
        ('"a', "x", "unbalanced double quote"),
        ("a\\", "x", "no value"),
        ("a\udcff", "x", "not valid UTF-8"),
        ("a", True, "a boolean"),
        ("a", 1.5, "a fraction"),
        ("a", {"x": "y"}, "a dictionary"),
        ("a", ["x", False], "a boolean"),
    ],
)
def test_entries_that_a_table_cannot_hold(key, value, cause):
    with pytest.raises(DeclarationError, match=cause):
        lookup_table_edit.declaration({key: value}, "hash")


@pytest.mark.parametrize(
    ("map_type", "key", "cause"),
    [
        ("pcre", "abc", "not a valid expression"),
        ("pcre", "/abc", "does not have the closing"),
        ("pcre", "if /x/", "src"),
        ("regexp", "ENDIF", "src"),
        ("regexp", "/a/ b", "another key"),
        ("cidr", "10.0.0.0/8 b", "another key"),
    ],
)
def test_rules_that_a_table_cannot_hold(map_type, key, cause):
    with pytest.raises(DeclarationError, match=cause):
        lookup_table_edit.declaration({key: "x"}, map_type)


def test_keys_that_postfix_treats_as_the_same():
    with pytest.raises(DeclarationError, match="Postfix treats it as the same key as '[Aa]'"):
        lookup_table_edit.declaration({"A": "x", "a": "x"}, "hash")
    assert len(lookup_table_edit.declaration({"/A/": "x", "/a/": "x"}, "pcre")) == 2


@pytest.mark.parametrize(
    ("text", "declared", "expected"),
    [
        (b"2001:db8::/32 OLD\n", {"2001:DB8::/32": "NEW"}, b"2001:db8::/32 NEW\n"),
        (b"2001:db8::/32 OLD\n", {"2001:0db8:0::/32": None}, b""),
        (b"192.0.2.1 OLD\n", {"192.0.2.1/32": "NEW"}, b"192.0.2.1 NEW\n"),
        (b"!192.0.2.0/24 OLD\n", {"192.0.2.0/24": "NEW"}, b"!192.0.2.0/24 OLD\n192.0.2.0/24 NEW\n"),
    ],
)
def test_networks_in_several_spellings(text, declared, expected):
    assert edited(text, declared, "cidr") == expected


def test_two_spellings_of_one_network():
    with pytest.raises(DeclarationError, match="the same key"):
        lookup_table_edit.declaration({"192.0.2.1": "a", "192.0.2.1/32": "b"}, "cidr")


def test_longest_key_of_lmdb():
    lookup_table_edit.declaration({"k" * 511: "x"}, "lmdb")
    lookup_table_edit.declaration({"k" * 600: "x"}, "hash")
    with pytest.raises(DeclarationError, match="its key has 512 bytes, and the limit of LMDB is 511"):
        lookup_table_edit.declaration({"k" * 512: "x"}, "lmdb")


@pytest.mark.parametrize(
    ("map_type", "text", "message"),
    [
        ("hash", b"# c\nalone\n", "reading /x:2: .*no value"),
        ("hash", b"a 1\n\nA 2\n", "reading /x:3: the key 'A' is already on line 1"),
        ("hash", "Straße 1\nSTRASSE 2\n".encode(), "/x:2: the key 'STRASSE' is already on line 1"),
        ("hash", b"a 1\nb: 2\n", "/x:2: .*alias file"),
        ("hash", b" indented 1\na b\n", "/x:1: .*white space"),
        ("hash", b'a 1\n"b 2\n', "/x:2: .*double quote"),
        ("hash", b"a 1\0\n", "/x:1: .*NUL"),
        ("hash", b"a \xff\n", "/x:1: .*UTF-8"),
        ("pcre", b"/a/ 1\nb 2\n", "/x:2: .*not a valid expression"),
        ("pcre", b"/a/ 1\n/b 2\n", "/x:2: .*closing"),
        ("pcre", b"/a/\n", "/x:1: .*no value"),
        ("pcre", b"/a/ 1\nif /b/\n", "/x:2: .*if without endif"),
        ("pcre", b"/a/ 1\nendif\n", "/x:2: .*endif without if"),
        ("cidr", b"10.0.0.0/8\n", "/x:1: .*no value"),
    ],
)
def test_lines_that_postfix_only_warns_about(map_type, text, message):
    with pytest.raises(GrammarError, match=message):
        lookup_table_edit.check_entries(text, map_type, path="/x")
    # The same where it was not there before: an edit neither judges nor changes it.
    assert edited(text, {}, map_type) == text
    messages = lookup_table_edit.check_entries(text, map_type, path="/x", before=text)
    assert len(messages) == 1 and re.search(message, next(iter(messages.values())))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        # In both orders: what is ignored is the later line.
        (b"a OK\nb OK\na OK\n", b"a OK\nb OK\na OK\nc OK\n", [3]),
        (b"a OK\na REJECT\n", b"c OK\na OK\na REJECT\n", [3]),
        (b"alone\na OK\n", b"a OK\nalone\nc OK\n", [2]),
        (b"a OK\nalone\n", b"alone\na OK\n", [1]),
        (b"a\nb:  x\nc OK\nC OK\n", b"a\nb:  x\nc OK\nC OK\nd OK\n", [1, 2, 4]),
        # One more of the same, and another line that is wrong
        (b"a OK\na OK\n", b"a OK\na OK\na OK\n", "x:3: the key 'a' is already on line 1"),
        (b"alone\n", b"alone\nalone\n", "x:2: .*no value"),
        (b"alone\n", b"other\n", "x:1: .*no value"),
        (b"a OK\nb OK\na OK\n", b"a OK\nb OK\na OK\nb REJECT\n", "x:4: the key 'b' is already on line 2"),
        (b"a OK\nb OK\n", b"a OK\nb OK\na OK\n", "x:3: the key 'a'"),
        # Nothing was wrong, or what was wrong is gone
        (b"a OK\na OK\n", b"a OK\n", []),
        (b"a OK\n", b"a OK\n", []),
    ],
)
def test_lines_that_were_ignored_before(before, after, expected):
    if isinstance(expected, str):
        with pytest.raises(GrammarError, match=expected):
            lookup_table_edit.check_entries(after, path="x", before=before)
    else:
        messages = lookup_table_edit.check_entries(after, path="x", before=before)
        assert list(messages) == expected
        assert all(message.startswith(f"reading x:{number}: ") for number, message in messages.items())


OWNERS = b"# manual\nAA:01 one\nAA:02 two\nAA:03\n  one\nAA:04  twenty two\n"


@pytest.mark.parametrize(
    ("text", "declared", "only", "unique", "gone"),
    [
        (OWNERS, {}, None, False, []),
        (OWNERS, {}, {b"one", b"two"}, False, [b"AA:04"]),
        (OWNERS, {}, {b"one", b"twenty two"}, False, [b"AA:02"]),
        (OWNERS, {}, set(), False, [b"AA:01", b"AA:02", b"AA:03", b"AA:04"]),
        # What is declared stays, whatever its value; what is declared as removed is not reported.
        (OWNERS, {b"aa:02": b"two", b"AA:04": None}, {b"one"}, False, []),
        (OWNERS, {b"AA:09": b"one"}, None, True, [b"AA:01", b"AA:03"]),
        (OWNERS, {b"aa:01": b"one"}, None, True, [b"AA:03"]),
        # A key and its successor
        (OWNERS, {b"AA:01": b"one", b"AA:03": b"one"}, None, True, []),
        (OWNERS, {b"AA:01": None}, None, True, []),
        (OWNERS, {b"AA:09": b"one"}, {b"one"}, True, [b"AA:01", b"AA:02", b"AA:03", b"AA:04"]),
        # Values are compared as they are.
        (b"a One\n", {b"b": b"one"}, None, True, []),
        # A line that Postfix ignores has no value.
        (b"a\nb two\n", {}, {b"two"}, False, []),
        (b"", {b"a": b"one"}, {b"one"}, True, []),
    ],
)
def test_stale_entries(text, declared, only, unique, gone):
    assert lookup_table_edit.stale_entries(text, declared, "hash", True, only, unique) == gone


def test_stale_entries_ignores_blocks():
    text = b"if /x/\n/y/ one\nendif\n/z/ two\n"
    assert lookup_table_edit.stale_entries(text, {}, "regexp", True, {b"two"}, False) == [b"/y/"]
