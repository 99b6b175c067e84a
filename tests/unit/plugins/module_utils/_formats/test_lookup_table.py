# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, GrammarError
from ansible_collections.mailops.postfix.plugins.module_utils._formats import (
    compiled_table,
    lookup_table,
    lookup_table_edit,
)
from ansible_collections.mailops.postfix.plugins.module_utils._formats.lines import physical_lines
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture(name="postmap", scope="module")
def fixture_postmap(tmp_path_factory):
    """Runs postmap(1) as the oracle for a table."""
    program = shutil.which("postmap", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    assert program, "Postfix is not installed: run the setup of the tests"
    directory = tmp_path_factory.mktemp("postfix")
    (directory / "main.cf").write_text("compatibility_level = 3.6\nsmtputf8_enable = yes\n")
    os.utime(directory / "main.cf", (1, 1))

    def run(*arguments, stdin=b""):
        return subprocess.run(
            [program, "-c", str(directory), *arguments], input=stdin, capture_output=True, check=False
        )

    return run


# Tables with one-line entries

words = st.text(st.characters(codec="ascii", exclude_characters="\0\n"), min_size=1, max_size=6)
values = st.one_of(words, st.text(max_size=8), st.text(' \t\n#\\":ab', max_size=8))
declarations = st.dictionaries(values, st.one_of(st.none(), values, st.integers()), max_size=4)
plain_lines = st.sampled_from(
    [
        b"a 1",
        b"A\t2  ",
        b"b  two words",
        b'c x"y\\',
        b"# c",
        b"#",
        b"",
        b"d #",
        b"e \xc3\xa9",
        b"f:g 1",
        b"h \xff",
        b"i\t\t",
        b"\xc3\xa9 1",
        b"j: 1",
        b" k 1",
        b"l 1\r",
        b'"m 1',
        b"\\n 1",
        b"o\0 1",
        b"p 1\0",
        b"q",
        b"B 3",
        b"  ",
        b"r\v1",
        b"s\x0c 1",
        b"#\0",
    ]
)
plain_texts = st.tuples(st.lists(plain_lines, max_size=6), st.sampled_from([b"", b"\n"])).map(
    lambda parts: b"\n".join(parts[0]) + parts[1]
)


def outcome(function, *arguments):
    try:
        return function(*arguments)
    except GrammarError as error:
        return str(error)


@given(text=plain_texts, declared=declarations, utf8=st.booleans(), map_type=st.sampled_from(["hash", "texthash"]))
@settings(max_examples=500)
def test_plain_tables_are_read_like_others(text, declared, utf8, map_type):
    try:
        wanted = lookup_table_edit.declaration({"A": "new", "x": "y", "b": None, **declared}, map_type, utf8)
    except DeclarationError:
        wanted = {b"a": b"1", b"B": b"two words"}

    def results():
        return (
            outcome(lookup_table_edit.check_entries, text, map_type, utf8),
            outcome(lookup_table.contents, text, map_type, utf8),
            outcome(lookup_table_edit.edit_table, text, wanted, map_type, False, utf8),
        )

    plain = results()
    with pytest.MonkeyPatch.context() as patch:
        for module in (lookup_table, lookup_table_edit):
            patch.setattr(module, "plain_lines", lambda _text, _utf8: None)
        assert plain == results()


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (b"", True),
        (b"# c\n\na 1\nb\t2", True),
        ("a é\n".encode(), True),
        ("é a\n".encode(), False),
        (b"a 1\nA 2\n", False),
        (b"a 1\n b\n", False),
        (b"a 1\r\n", False),
        (b'"a" 1\n', False),
        (b"a\n", False),
    ],
)
def test_plain_lines(text, plain):
    assert (lookup_table.plain_lines(text, True) is not None) == plain


# Comparison with postmap(1)

lines = st.lists(st.binary(max_size=12), max_size=6).map(b"\n".join)
table_texts = st.one_of(
    lines,
    st.lists(
        st.sampled_from(
            [
                b"a 1\n",
                b"A  2\n",
                b"# c\n",
                b"\n",
                b" go on\n",
                b'"x y" 3\n',
                b"b\n",
                b"c: 4\n",
                b"d 5\r\n",
                b"\xc3\x89 6\n",
                b"\xc3\xa9 7\n",
                b"e",
            ]
        ),
        max_size=8,
    ).map(b"".join),
)


@given(text=st.one_of(st.binary(max_size=60), table_texts), map_type=st.sampled_from(lookup_table.MAP_TYPES))
@settings(max_examples=400)
def test_arbitrary_bytes_are_read(text, map_type):
    found = lookup_table.table_entries(text, map_type)
    owned = [index for entry in found for index in range(entry.line.start, entry.line.end)]
    assert sorted(set(owned)) == owned
    assert b"".join(physical_lines(text)) == text


@given(
    text=table_texts, declared=declarations, exclusive=st.booleans(), map_type=st.sampled_from(lookup_table.MAP_TYPES)
)
@settings(max_examples=500)
def test_edits_contain_the_declared_entries_and_are_idempotent(text, declared, exclusive, map_type):
    try:
        wanted = lookup_table_edit.declaration(declared, map_type)
        after = lookup_table_edit.edit_table(text, wanted, map_type, exclusive)
    except DeclarationError:
        return
    assert lookup_table_edit.edit_table(after, wanted, map_type, exclusive) == after
    contents = {}
    for entry in lookup_table.table_entries(after, map_type):
        if not entry.block and not entry.depth:
            contents.setdefault(lookup_table.fold(entry.key, map_type), entry.value)
    for key, value in wanted.items():
        assert contents.get(lookup_table.fold(key, map_type)) == value
    if exclusive:
        assert len(contents) == len([value for value in wanted.values() if value is not None])
    assert _comments(after) == _comments(text)


def _comments(text):
    return [line.rstrip(b"\n") for line in physical_lines(text) if line.lstrip().startswith(b"#")]


@given(text=table_texts, declared=declarations)
@settings(max_examples=150)
def test_postmap_reads_edited_tables(postmap, tmp_path_factory, text, declared):
    try:
        wanted = lookup_table_edit.declaration(declared, "hash")
        after = lookup_table_edit.edit_table(text, wanted, "hash")
    except DeclarationError:
        return
    directory = tmp_path_factory.mktemp("table")
    (directory / "t").write_bytes(after)
    built = postmap(f"hash:{directory}/t")
    # It ignores lines that were ignored before, and no others.
    ignored = lookup_table_edit.check_entries(after, before=text)
    assert built.returncode == 0
    if b"\0" not in text:  # 3.9 and later warn about it
        assert built.stderr.count(b": warning: ") >= len(ignored) >= bool(built.stderr), built.stderr
    assert compiled_table.listed_contents(postmap("-s", f"hash:{directory}/t").stdout) == lookup_table.contents(after)
    for key, value in wanted.items():
        answer = postmap("-q", key, f"hash:{directory}/t")
        assert answer.stdout == (b"" if value is None else value + b"\n")


@given(text=table_texts)
@settings(max_examples=150)
def test_postmap_warns_exactly_about_refused_tables(postmap, tmp_path_factory, text):
    directory = tmp_path_factory.mktemp("table")
    (directory / "t").write_bytes(text)
    built = postmap(f"hash:{directory}/t")
    try:
        lookup_table_edit.check_entries(text)
        refused = False
    except GrammarError:
        refused = True
    if b"\0" not in text:  # 3.9 and later warn about it
        assert refused == (b"warning" in built.stderr), built.stderr


@pytest.mark.parametrize("map_type", ["regexp", "pcre", "cidr"])
@pytest.mark.parametrize(
    "text",
    [
        b"/a/ x\n",
        b"/a x\n",
        b"a x\n",
        b"/a/\n",
        b"if /a/\n/b/ x\nendif\n",
        b"if /a/\n",
        b"endif\n",
        b"!/a/ x\n",
        b"/a\\/ x\n",
        b"|a b|i x\n",
        b"10.0.0.0/8 x\n",
        b"10.0.0.0/8\n",
        b"!10.0.0.0/8 x\n",
        b"::1 x\n",
        b"IF 10.0.0.0/8\n10.1.1.1 x\nENDIF\n",
        b" /a/ x\n",
    ],
)
def test_postmap_warns_about_refused_rules(postmap, map_type, text):
    try:
        lookup_table_edit.check_entries(text, map_type)
    except GrammarError:
        assert b"warning" in postmap("-q", "probe", f"{map_type}:/dev/stdin", stdin=text).stderr


@pytest.mark.parametrize("map_type", sorted(set(lookup_table.COMPILED) - {"cdb"}))
@pytest.mark.parametrize(
    "text",
    [b"", b"a 1\n", b'Key value of it\n"x y" 2\n\\ a 3\n', b"".join(b"k%d v%d\n" % (n, n * n) for n in range(3000))],
)
def test_contents_of_compiled_tables(postmap, tmp_path, map_type, text):
    (tmp_path / "t").write_bytes(text)
    built = postmap(f"{map_type}:{tmp_path}/t")
    assert built.returncode == 0, built.stderr
    contents = compiled_table.listed_contents(postmap("-s", f"{map_type}:{tmp_path}/t").stdout)
    assert contents == lookup_table.contents(text)


def test_without_utf8_only_ascii_letters_fold(tmp_path):
    text = "É.example up\né.example low\nA.example x\n".encode()
    lookup_table_edit.check_entries(text, utf8=False)
    with pytest.raises(GrammarError, match="already on line 1"):
        lookup_table_edit.check_entries(text, utf8=True)
    wanted = lookup_table_edit.declaration({"É.example": "new", "a.example": "y"}, "hash", utf8=False)
    after = lookup_table_edit.edit_table(text, wanted, utf8=False)
    assert after == "É.example new\né.example low\nA.example y\n".encode()
    (tmp_path / "t").write_bytes(after)
    (tmp_path / "main.cf").write_text("compatibility_level = 3.6\nsmtputf8_enable = no\n")
    os.utime(tmp_path / "main.cf", (1, 1))
    program = ["postmap", "-c", str(tmp_path)]
    built = subprocess.run([*program, f"hash:{tmp_path}/t"], capture_output=True, check=True)
    assert built.stderr == b""
    for entry in lookup_table.table_entries(after, utf8=False):
        found = subprocess.run([*program, "-q", entry.key, f"hash:{tmp_path}/t"], capture_output=True, check=True)
        assert found.stdout == entry.value + b"\n"
