# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils import _main_cf
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, GrammarError
from ansible_collections.mailops.postfix.plugins.module_utils._logical_lines import is_skipped, physical_lines
from hypothesis import given, settings
from hypothesis import strategies as st

EDITS = [
    ("set a new one", b"a = 1\n", {"b": "2"}, b"a = 1\nb = 2\n"),
    ("set a new one where the last line has no newline", b"a = 1", {"b": "2"}, b"a = 1\nb = 2\n"),
    ("an empty file", b"", {"a": "1"}, b"a = 1\n"),
    ("same value", b"a=1\n", {"a": "1"}, b"a=1\n"),
    ("same but for folded white space", b"a = x,\n    y\n", {"a": "x, y"}, b"a = x,\n    y\n"),
    ("blanks that Postfix does not fold away", b"a = x,y\n", {"a": "x, y"}, b"a = x, y\n"),
    ("keep the spacing round =", b"a=1\nb   =   2\nc = 3\n", {"a": "9", "b": "8", "c": "7"}, b"a=9\nb   =   8\nc = 7\n"),
    ("no newline at the end stays so", b"a = 1", {"a": "2"}, b"a = 2"),
    ("carriage returns stay", b"a = 1\r\nb = 2\r\n", {"a": "9"}, b"a = 9\r\nb = 2\r\n"),
    ("continuation lines go with the value", b"a = 1,\n  2,\n\t3\nb = 4\n", {"a": "5"}, b"a = 5\nb = 4\n"),
    ("comments inside a value stay", b"a = 1,\n# why\n  2\n\n  # more\n  3\nb = 4\n", {"a": "5"}, b"a = 5\n# why\n\n  # more\nb = 4\n"),
    ("comments inside a removed value stay", b"a = 1,\n# why\n  2\nb = 4\n", {"a": None}, b"# why\nb = 4\n"),
    ("the = on a continuation line", b"relayhost\n  = [x]:25\n", {"relayhost": "[y]"}, b"relayhost = [y]\n"),
    ("a value that starts on a continuation line", b"a =\n  1\n", {"a": "2"}, b"a = 2\n"),
    ("remove", b"a = 1\nb = 2\n", {"a": None}, b"b = 2\n"),
    ("remove what is not there", b"a = 1\n", {"z": None}, b"a = 1\n"),
    ("empty is not unset", b"a = 1\n", {"a": ""}, b"a =\n"),
    ("set from empty", b"a =\nb=\n", {"a": "1", "b": "2"}, b"a = 1\nb=2\n"),
    ("of duplicates the last counts and stays", b"a = 1\nb = 2\na = 3\nc = 4\n", {"a": "9"}, b"b = 2\na = 9\nc = 4\n"),
    ("duplicates whose last has the value", b"a = 1\na = 2\n", {"a": "2"}, b"a = 1\na = 2\n"),
    ("remove all duplicates", b"a = 1\nb = 2\na = 3\n", {"a": None}, b"b = 2\n"),
    ("names that share a prefix", b"ab = 1\na = 2\n", {"a": "3"}, b"ab = 1\na = 3\n"),
    ("a commented-out setting is a comment", b"#a = 1\n", {"a": "2"}, b"#a = 1\na = 2\n"),
    ("indented text at the top of the file is not a setting", b"  a = 1\n", {"a": "2"}, b"  a = 1\na = 2\n"),
    ("bytes that are no UTF-8", b"banner = \xff\xfe\na = 1\n", {"a": "2"}, b"banner = \xff\xfe\na = 2\n"),
    ("white space that Postfix does not know", "a = 1\u00a0\n".encode(), {"a": "1"}, b"a = 1\n"),
    ("several lines", b"a = 1\n", {"a": "x\n    y"}, b"a = x\n    y\n"),
]


@pytest.mark.parametrize(("text", "declared", "after"), [edit[1:] for edit in EDITS], ids=[edit[0] for edit in EDITS])
def test_edit(text, declared, after):
    assert _main_cf.edit(text, declared) == after
    assert _main_cf.edit(after, declared) == after


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
    (None, None),
]


@pytest.mark.parametrize(("value", "text"), VALUES)
def test_values_from_yaml(value, text):
    assert _main_cf.declared({"x": value}) == {"x": text}


REFUSED = [
    ({"x": {"a": 1}}, "x: a dict is not a value"),
    ({"x": [["a"]]}, "x: a list may hold only"),
    ({"x": ["a", None]}, "x: a list may hold only"),
    ({"x": "a\0b"}, "NUL"),
    ({"x": "a\n# b"}, "would be a comment"),
    ({"x y": "1"}, "'x y': not a parameter name"),
    ({"x=": "1"}, "'x=': not a parameter name"),
    ({"#x": "1"}, "'#x': not a parameter name"),
    ({"": "1"}, "'': not a parameter name"),
    ({3: "1"}, "3: not a parameter name"),
]


@pytest.mark.parametrize(("parameters", "message"), REFUSED)
def test_values_that_main_cf_cannot_hold(parameters, message):
    with pytest.raises(DeclarationError) as error:
        _main_cf.declared(parameters)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [(b"a = 1\nb\n", "main.cf:2: missing '=' after 'b'"), (b"#\n\n= 1\n", "main.cf:3: missing parameter name"), (b"a b\n", "main.cf:1")],
)
def test_lines_that_stop_postfix_are_named(text, message):
    with pytest.raises(GrammarError) as error:
        _main_cf.edit(text, {"x": "1"})
    assert message in str(error.value)


def test_parse_and_format_are_inverse():
    text = "a = 1\nb =\nc = x, y\n"
    assert _main_cf.parse_parameters(text) == {"a": "1", "b": "", "c": "x, y"}
    assert _main_cf.format_parameters(_main_cf.parse_parameters(text)) == text


# Postfix as the judge. Names that are none of Postfix's own are seen through references, as postconf -n needs them.

names = st.sampled_from(["mua_a", "mua_b", "mua_ab", "mua_c"])
plain = st.text(st.characters(codec="ascii", exclude_characters="\0\n\r\v\f$", categories=("L", "N", "P", "S", "Zs")), max_size=12)
blanks = st.sampled_from(["", " ", "\t", "  "])
breaks = st.sampled_from(["\n ", "\n\t", "\n# note\n  ", "\n\n   ", "\n  # note\n "])


@st.composite
def settings_text(draw):
    value = draw(plain)
    if draw(st.booleans()):
        value += draw(breaks) + draw(plain.filter(lambda text: text.strip(" ") and not text.lstrip(" ").startswith("#")))
    return draw(names) + draw(blanks) + "=" + draw(blanks) + value + "\n"


files = st.lists(st.one_of(settings_text(), st.just("# comment\n"), st.just("\n"), st.just("  # indented comment\n")), max_size=8).map("".join)
declarations = st.dictionaries(names, st.one_of(st.none(), plain), max_size=3)


def postconf(directory, text):
    references = b"mua_all = $mua_a $mua_b $mua_ab $mua_c\nmyhostname = $mua_all\n"
    (directory / "main.cf").write_bytes(references + text)
    (directory / "master.cf").write_bytes(b"")
    for name in ("main.cf", "master.cf"):
        os.utime(directory / name, (1, 1))
    output = subprocess.run(
        ["postconf", "-c", str(directory), "-n"], capture_output=True, check=True, env={"PATH": os.environ["PATH"] + ":/usr/sbin"}
    ).stdout.decode()
    pairs = (line.partition(" =") for line in output.splitlines())
    return {name: value.strip() for name, _equals, value in pairs if name.startswith("mua_") and name != "mua_all"}


@settings(max_examples=400, deadline=None)
@given(text=files, parameters=declarations)
def test_postfix_reads_what_was_declared(tmp_path_factory, text, parameters):
    directory = tmp_path_factory.getbasetemp()
    before = text.encode()
    declared = _main_cf.declared(parameters)
    after = _main_cf.edit(before, declared)

    expected = postconf(directory, before)
    for name, value in declared.items():
        expected.pop(name, None)
        if value is not None:
            expected[name] = _main_cf.folded(value)
    assert postconf(directory, after) == expected
    assert _main_cf.edit(after, declared) == after
    assert [line for line in physical_lines(after) if is_skipped(line)] == [line for line in physical_lines(before) if is_skipped(line)]
