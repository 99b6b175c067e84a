# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, GrammarError
from ansible_collections.mailops.postfix.plugins.module_utils._formats import main_cf

EDITS = [
    ("set a new parameter", b"a = 1\n", {"b": "2"}, b"a = 1\nb = 2\n"),
    ("set a new parameter after a last line without newline", b"a = 1", {"b": "2"}, b"a = 1\nb = 2\n"),
    ("an empty file", b"", {"a": "1"}, b"a = 1\n"),
    ("same value", b"a=1\n", {"a": "1"}, b"a=1\n"),
    ("same but for folded white space", b"a = x,\n    y\n", {"a": "x, y"}, b"a = x,\n    y\n"),
    ("blanks that make a difference", b"a = x,y\n", {"a": "x, y"}, b"a = x, y\n"),
    (
        "keep the spacing around =",
        b"a=1\nb   =   2\nc = 3\n",
        {"a": "9", "b": "8", "c": "7"},
        b"a=9\nb   =   8\nc = 7\n",
    ),
    ("a missing newline at the end is kept", b"a = 1", {"a": "2"}, b"a = 2"),
    ("carriage returns are kept", b"a = 1\r\nb = 2\r\n", {"a": "9"}, b"a = 9\r\nb = 2\r\n"),
    ("continuation lines are replaced with the value", b"a = 1,\n  2,\n\t3\nb = 4\n", {"a": "5"}, b"a = 5\nb = 4\n"),
    (
        "comments inside a value are kept",
        b"a = 1,\n# why\n  2\n\n  # more\n  3\nb = 4\n",
        {"a": "5"},
        b"a = 5\n# why\n\n  # more\nb = 4\n",
    ),
    ("comments inside a removed value are kept", b"a = 1,\n# why\n  2\nb = 4\n", {"a": None}, b"# why\nb = 4\n"),
    ("= on a continuation line", b"relayhost\n  = [x]:25\n", {"relayhost": "[y]"}, b"relayhost = [y]\n"),
    ("a value that starts on a continuation line", b"a =\n  1\n", {"a": "2"}, b"a = 2\n"),
    ("remove", b"a = 1\nb = 2\n", {"a": None}, b"b = 2\n"),
    ("remove a missing parameter", b"a = 1\n", {"z": None}, b"a = 1\n"),
    ("empty is not unset", b"a = 1\n", {"a": ""}, b"a =\n"),
    ("set from empty", b"a =\nb=\n", {"a": "1", "b": "2"}, b"a = 1\nb=2\n"),
    ("the last of duplicates is used and kept", b"a = 1\nb = 2\na = 3\nc = 4\n", {"a": "9"}, b"b = 2\na = 9\nc = 4\n"),
    ("duplicates whose last has the value", b"a = 1\nb = 3\na=2\n", {"a": "2"}, b"b = 3\na=2\n"),
    ("a NUL ends a line", b"a = 1\0\n b\nc = 2\n", {"a": "1", "c": "3"}, b"a = 1\0\n b\nc = 3\n"),
    ("the text after a NUL is removed with the value", b"a = 1\0\n b\nc = 2\n", {"a": "2"}, b"a = 2\nc = 2\n"),
    (
        "new lines end like the first one",
        b"a = 1\r\nb = 2\r\n",
        {"c": "x\n    y"},
        b"a = 1\r\nb = 2\r\nc = x\r\n    y\r\n",
    ),
    (
        "several lines where lines end with CR LF",
        b"a = 1\r\nb = 2\r\n",
        {"a": "x\n    y"},
        b"a = x\r\n    y\r\nb = 2\r\n",
    ),
    ("remove all duplicates", b"a = 1\nb = 2\na = 3\n", {"a": None}, b"b = 2\n"),
    ("names that share a prefix", b"ab = 1\na = 2\n", {"a": "3"}, b"ab = 1\na = 3\n"),
    ("a commented-out setting is a comment", b"#a = 1\n", {"a": "2"}, b"#a = 1\na = 2\n"),
    ("indented text at the top of the file is not a setting", b"  a = 1\n", {"a": "2"}, b"  a = 1\na = 2\n"),
    ("bytes that are not UTF-8", b"banner = \xff\xfe\na = 1\n", {"a": "2"}, b"banner = \xff\xfe\na = 2\n"),
    ("white space that Postfix does not recognize", "a = 1\u00a0\n".encode(), {"a": "1"}, b"a = 1\n"),
    ("several lines", b"a = 1\n", {"a": "x\n    y"}, b"a = x\n    y\n"),
]


@pytest.mark.parametrize(("text", "declared", "after"), [edit[1:] for edit in EDITS], ids=[edit[0] for edit in EDITS])
def test_edit(text, declared, after):
    assert main_cf.edit_main_cf(text, declared) == after
    assert main_cf.edit_main_cf(after, declared) == after


VALUES = [
    (True, "yes"),
    (False, "no"),
    (0, "0"),
    (25, "25"),
    ("", ""),
    ("  x ", "x"),
    ([], ""),
    (["a", "b"], "a, b"),
    ([True, 3, "c"], "yes, 3, c"),
    ("first,\nsecond\n", "first,\n    second"),
    ("first,\r\nsecond\rthird", "first,\n    second\n    third"),
    ("\n# a value may start like this", "# a value may start like this"),
    (3.6, "3.6"),
    ("no", "no"),
    (None, None),
]


@pytest.mark.parametrize(("value", "text"), VALUES)
def test_values_from_yaml(value, text):
    assert main_cf.declared_parameters({"x": value}) == {"x": text}


REFUSED = [
    ({"x": {"a": 1}}, "x: a value of type dict is not valid"),
    ({"x": [["a"]]}, "x: a list may contain only"),
    ({"x": ["a", None]}, "x: a list may contain only"),
    ({"x": "a\0b"}, "NUL"),
    ({"x": "a\ud800b"}, "lone surrogate"),
    ({"x": 1e30}, "cannot read the number 1e+30"),
    ({"x": float("nan")}, "cannot read the number nan"),
    ({"x": "a\n# b"}, "would be a comment"),
    ({"x y": "1"}, "'x y': it is not a valid parameter name"),
    ({"x=": "1"}, "'x=': it is not a valid parameter name"),
    ({"#x": "1"}, "'#x': it is not a valid parameter name"),
    ({"": "1"}, "'': it is not a valid parameter name"),
    ({3: "1"}, "3: it is not a valid parameter name"),
]


@pytest.mark.parametrize(("parameters", "message"), REFUSED)
def test_values_that_main_cf_cannot_hold(parameters, message):
    with pytest.raises(DeclarationError) as error:
        main_cf.declared_parameters(parameters)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a = 1\nb\n", "main.cf:2: missing '=' after 'b'"),
        (b"#\n\n= 1\n", "main.cf:3: missing parameter name"),
        (b"a b\n", "main.cf:1"),
        (b"#\na\0 = 1\n", "main.cf:2: missing '=' after 'a'"),
    ],
)
def test_lines_at_which_postfix_stops_are_reported(text, message):
    with pytest.raises(GrammarError) as error:
        main_cf.edit_main_cf(text, {"x": "1"})
    assert message in str(error.value)


def test_parse_and_format_are_inverse():
    text = "a = 1\nb =\nc = x, y\n"
    assert main_cf.parse_parameters(text) == {"a": "1", "b": "", "c": "x, y"}
    assert main_cf.format_parameters(main_cf.parse_parameters(text)) == text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("a, b\tc", ["a", "b", "c"]),
        ("inline:{a=b, c=d} x", ["inline:{a=b, c=d}", "x"]),
        ("check_policy_service { unix:p, timeout=1 }", ["check_policy_service", "{ unix:p, timeout=1 }"]),
        ("a} b", ["a}", "b"]),
        ("", []),
    ],
)
def test_words_with_braces(value, words):
    assert main_cf.braced_words(value) == words


def test_only_five_characters_separate_words():
    assert main_cf.words(" a,b\tc\r\nd ,, ") == ["a", "b", "c", "d"]
    assert main_cf.words("a\vb\f\u00a0c\u2003") == ["a\vb\f\u00a0c\u2003"]
    assert main_cf.words(" ,") == []
