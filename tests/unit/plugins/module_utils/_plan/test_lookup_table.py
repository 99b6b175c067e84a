# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans for tables, installed in a configuration of their own, with the installed postmap(1) as judge."""

from __future__ import annotations

import hashlib
import os
import subprocess

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import (
    DeclarationError,
    GrammarError,
    HostError,
    PostfixError,
)
from ansible_collections.mailops.postfix.plugins.module_utils._formats import lookup_table_edit
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan import lookup_table

COMPILED = ["hash", "btree", "lmdb", "cdb"]
SUFFIX = {"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb"}


@pytest.fixture(name="directory")
def fixture_directory(tables):
    return tables


@pytest.mark.parametrize("map_type", COMPILED)
def test_a_table_is_made_edited_and_removed(directory, map_type):
    done = directory.table(entries={"Example.com": "smtp:[a]", "b": 2}, type=map_type)
    assert done.changed and done.plan.requires == "none"
    assert done.plan.result == {"map": f"{map_type}:{directory.path}/t"}
    assert directory.names() == ["t", f"t{SUFFIX[map_type]}"]
    assert directory.query("example.com", f"{map_type}:t") == "smtp:[a]"
    assert directory.table(entries={"b": None, "c": "3"}, type=map_type).changed
    assert [directory.query(key, f"{map_type}:t") for key in ("example.com", "b", "c")] == ["smtp:[a]", "", "3"]
    assert not directory.table(entries={"EXAMPLE.COM": "smtp:[a]"}, type=map_type).changed
    assert directory.table(type=map_type, state="absent").changed
    assert directory.names() == []


@pytest.mark.parametrize("map_type", ["texthash", "regexp", "pcre", "cidr"])
def test_a_table_that_is_not_compiled(directory, map_type):
    key = {"texthash": "a", "cidr": "10.0.0.0/8"}.get(map_type, "/^a b$/")
    done = directory.table(entries={key: "OK"}, type=map_type)
    assert done.changed and done.plan.requires == "reload"
    assert directory.names() == ["t"]
    assert directory.query({"texthash": "a", "cidr": "10.1.2.3"}.get(map_type, "A b"), f"{map_type}:t") == "OK"


def test_the_text_keeps_what_is_not_owned(directory):
    directory.write("t", "# mine\na 1\n\nb  2\r\n# end")
    directory.table(entries={"c": "3", "a": "4"})
    assert (directory.path / "t").read_bytes() == b"# mine\na 4\n\nb  2\r\n# end\nc 3"


@pytest.mark.parametrize("map_type", [*COMPILED, "texthash"])
def test_owners_and_their_keys(directory, map_type):
    """A new key of an owner replaces the old one, and who has left loses what was his."""
    directory.write("t", "# keys\nAA:01 one\nAA:02 two\nAA:03 three\n")
    assert directory.table(entries={"AA:09": "two"}, unique_values=True, type=map_type).changed
    assert directory.text("t") == "# keys\nAA:01 one\nAA:03 three\nAA:09 two\n"
    assert [directory.query(key, f"{map_type}:t") for key in ("aa:02", "aa:09")] == ["", "two"]
    assert directory.table(only_values=["two", "three"], type=map_type).changed
    assert directory.text("t") == "# keys\nAA:03 three\nAA:09 two\n"
    assert directory.query("aa:01", f"{map_type}:t") == ""
    assert directory.table(only_values=[], type=map_type).changed
    assert directory.text("t") == "# keys\n"


@pytest.mark.parametrize("given", [{"only_values": []}, {"unique_values": True}])
def test_values_of_a_whole_table_are_its_own_business(directory, given):
    directory.write("source", "a b\n")
    with pytest.raises(PostfixError, match="only_values and unique_values are for entries, not for src"):
        directory.table(src=str(directory.path / "source"), remote_src=True, **given)


def touch_text(directory):
    os.utime(directory.path / "t")


def remove_compiled(directory):
    (directory.path / "t.db").unlink()


def empty_compiled(directory):
    directory.write("t.db", "", age=0)


def other_type(directory):
    (directory.path / "t.db").unlink()
    subprocess.run(["/usr/sbin/postmap", "-c", str(directory.path), f"btree:{directory.path}/t"], check=True)


def other_content(directory):
    text = directory.text("t")
    directory.write("t", "a other\n")
    subprocess.run(["/usr/sbin/postmap", "-c", str(directory.path), f"hash:{directory.path}/t"], check=True)
    directory.write("t", text)


def more_content(directory):
    text = directory.text("t")
    directory.write("t", text + "more 1\n")
    subprocess.run(["/usr/sbin/postmap", "-c", str(directory.path), f"hash:{directory.path}/t"], check=True)
    directory.write("t", text)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (remove_compiled, "missing"),
        (touch_text, "older than its text"),
        (empty_compiled, "empty"),
        (other_type, "unreadable"),
        (other_content, "other content"),
        (more_content, "other content"),
    ],
)
def test_the_compiled_file_is_made_anew(directory, damage, reason):
    directory.table(entries={"a": "1", "É": "x", '"b c"': "2"})
    damage(directory)
    predicted = directory.plan_table(True, path="t", entries={"a": "1"})
    assert [change.stale for change in predicted.plan.changes if callable(change.after)] == [reason]
    done = directory.plan_table(path="t", entries={"a": "1"})
    assert done.changed and done.diff == predicted.diff
    assert [directory.query(key) for key in ("a", "é", '"b c"', "more")] == ["1", "x", "2", ""]
    assert directory.names() == ["t", "t.db"]


def test_a_text_that_was_written_a_moment_ago(directory):
    directory.write("t", "a 1\n", age=0)
    assert directory.table().changed  # and, as always there, not once more


def test_other_content_of_a_cdb_file(directory):
    directory.table(entries={"a": "1"}, type="cdb")
    before = (directory.path / "t.cdb").read_bytes()
    directory.table(entries={"a": "2"}, type="cdb")
    directory.write("t.cdb", before, age=-1)
    assert directory.plan_table(path="t", entries={}, type="cdb").changed
    assert directory.query("a", "cdb:t") == "2"


@pytest.mark.parametrize("position", [2048 + 8, -16, -9])
def test_a_damaged_cdb_file(directory, position):
    """One byte of a key, or of the index."""
    directory.table(entries={"a": "1", "b": "2"}, type="cdb")
    intact = (directory.path / "t.cdb").read_bytes()
    damaged = bytearray(intact)
    damaged[position] ^= 0x55
    directory.write("t.cdb", bytes(damaged), age=-1)
    assert directory.table(type="cdb").changed
    assert (directory.path / "t.cdb").read_bytes() == intact


def test_nothing_is_left_behind_when_postmap_fails(directory, monkeypatch):
    directory.write("t", "a 1\n")
    run = Instance.run

    def broken(self, *argv, **options):
        if argv[0] == "postmap":
            argv = ("false",)
        return run(self, *argv, **options)

    monkeypatch.setattr(Instance, "run", broken)
    with pytest.raises(HostError, match=f"compiling hash:{directory.path}/t"):
        directory.plan_table(path="t", entries={"b": "2"})
    assert directory.names() == ["t"] and directory.text("t") == "a 1\n"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("main.cf", "a file of Postfix itself"),
        ("./master.cf", "a file of Postfix itself"),
        ("t.db", "Name the text, .*/t:"),
        ("hash:/etc/postfix/t", "Write path: /etc/postfix/t"),
        ("a b", "a blank or a comma"),
    ],
)
def test_names_that_are_no_text(directory, path, message):
    directory.write("t", "a 1\n")
    before = directory.names()
    for options in ({"entries": {"b": "2"}}, {"state": "absent"}):
        with pytest.raises(DeclarationError, match=message):
            directory.plan_table(path=path, **options)
    assert directory.names() == before


@pytest.mark.parametrize("spelled", ["DIRECTORY/t", "${config_directory}/t", "DIRECTORY//./t"])
def test_a_table_that_postfix_needs_is_not_removed(directory, spelled):
    directory.table(entries={"a": "1"}, type="hash")
    directory.main_cf(transport_maps=f"hash:{spelled.replace('DIRECTORY', str(directory.path))}")
    with pytest.raises(
        DeclarationError, match="transport_maps still names it, as hash:.*Take it out of transport_maps first"
    ):
        directory.table(state="absent")
    assert directory.names() == ["t", "t.db"]
    directory.main_cf(transport_maps="")
    assert directory.table(state="absent").changed and directory.names() == []
    # What is not there can't be missed any more than now.
    directory.main_cf(transport_maps="hash:/nowhere/t")
    assert not directory.table(state="absent").changed


def test_what_postfix_reads_is_made_anew_whatever_type_is_chosen(directory):
    directory.table(entries={"a": "1"}, type="cdb")
    directory.main_cf(virtual_alias_maps=f"cdb:{directory.path}/t")
    assert directory.table(entries={"a": "2"}, type="hash").changed
    for kind in ("cdb", "hash"):
        assert directory.query("a", f"{kind}:t") == "2"
    assert not directory.table(entries={"a": "2"}, type="hash").changed


def test_a_table_of_files_by_name_is_left_to_its_module(directory):
    directory.main_cf(tls_server_sni_maps=f"hash:{directory.path}/t")
    with pytest.raises(DeclarationError, match="tls_server_sni_maps names it.*sni: true"):
        directory.table(entries={"x.example": "/k.pem, /c.pem"})
    assert directory.names() == []


def test_what_postmap_warns_about_is_an_error(directory, monkeypatch):
    # Whatever postmap finds that the grammar here does not know.
    monkeypatch.setattr(lookup_table_edit, "check_entries", lambda *_arguments: {})
    directory.write("source", "a 1\na 2\n")
    with pytest.raises(HostError, match="duplicate entry"):
        directory.plan_table(path="t", src="source", remote_src=True)
    with pytest.raises(HostError, match="not shown") as caught:
        directory.plan_table(path="t", src="source", remote_src=True, mode="0600")
    assert '"a"' not in str(caught.value)
    assert directory.names() == ["source"]


# Lines that Postfix ignores, or of which it uses a part; what it finds, and the lines that it warns about.
WRONG_BEFORE = [
    ("a OK\nb OK\na OK\n", {"a": "OK", "b": "OK"}, [3]),
    ("a OK\na REJECT\nb OK\n", {"a": "OK", "b": "OK"}, [2]),
    ("alone\na OK\n", {"a": "OK", "alone": ""}, [1]),
    ("a OK\nalone\n", {"a": "OK", "alone": ""}, [2]),
    ("b: OK\na OK\n", {"a": "OK", "b:": "OK"}, [1]),
    (" indented\na OK\n", {"a": "OK"}, [1]),
    ('a OK\n"b OK\n', {"a": "OK"}, [2]),
    ("# c\nA OK\n\na OK\n  more\na OK\n", {"a": "OK"}, [4, 6]),
]


@pytest.mark.parametrize("map_type", [*COMPILED, "texthash"])
@pytest.mark.parametrize(("text", "found", "numbers"), WRONG_BEFORE)
def test_a_line_that_was_wrong_before_is_a_warning(directory, map_type, text, found, numbers):
    directory.write("t", text)
    done = directory.table(entries={"c": "OK"}, type=map_type)
    assert done.changed and directory.text("t") == text + "c OK\n"
    assert [warning.split(": ")[0] for warning in done.plan.warnings] == [
        f"reading {directory.path}/t:{number}" for number in numbers
    ]
    for key, value in {**found, "c": "OK"}.items():
        assert directory.query(key, f"{map_type}:t") == value
    again = directory.table(entries={"c": "OK"}, type=map_type)
    assert not again.changed and again.plan.warnings == done.plan.warnings
    # Removal of the entry, too
    done = directory.table(entries={"c": None}, type=map_type)
    assert done.changed and directory.text("t") == text and len(done.plan.warnings) == len(numbers)


@pytest.mark.parametrize("map_type", [*COMPILED, "texthash"])
def test_what_is_declared_is_corrected(directory, map_type):
    """The declared key itself has one line, and an exclusive table no other lines."""
    directory.write("t", "a OK\nalone\nb OK\na REJECT\nb REJECT\n")
    done = directory.table(entries={"a": "DISCARD", "alone": "OK"}, type=map_type)
    assert directory.text("t") == "a DISCARD\nalone OK\nb OK\nb REJECT\n" and len(done.plan.warnings) == 1
    done = directory.table(entries={"b": "OK"}, exclusive=True, type=map_type)
    assert directory.text("t") == "b OK\n" and not done.plan.warnings


def test_a_file_is_not_excused_by_what_it_replaces(directory):
    directory.write("t", "a 1\nb\n")
    directory.write("source", "a 1\nb\nc 1\n")
    with pytest.raises(GrammarError, match="source:2: .*no value"):
        directory.plan_table(path="t", src="source", remote_src=True)
    # Nor by itself
    directory.table(entries={"c": "1"})
    with pytest.raises(GrammarError, match="source:2: .*no value"):
        directory.plan_table(path="t", src="source", remote_src=True)


def test_a_secret_line_that_was_wrong_before_is_not_shown(directory):
    directory.write("t", "hunter2\na x:hunter3\na x:hunter3\n", 0o600)
    (warning,) = directory.table(entries={"c": "x:y"}).plan.warnings
    assert "hunter" not in warning and "ignores 2 of its lines" in warning


@pytest.mark.parametrize(
    ("map_type", "text", "new", "asked"),
    [
        ("regexp", "/a/ 1\n/b[/ 2\n", "/c/", "c"),
        ("regexp", "/b[/ 2\n/b[/ 2\n/a/ 1\n", "/c/", "c"),
        ("regexp", "/a/\n/a/ 1\nendif\n", "/c/", "c"),
        ("pcre", "/b/q 2\n/a/ 1\n", "/c/", "c"),
        ("pcre", "endif\n/b(/ 2\n", "/c/", "c"),
        ("cidr", "10.0.0.1/8 x\n192.0.2.0/24 y\n", "198.51.100.0/24", "198.51.100.1"),
        ("cidr", "192.0.2.0/24\nnonsense x\n", "198.51.100.0/24", "198.51.100.1"),
    ],
)
def test_a_rule_that_was_wrong_before_is_a_warning(directory, map_type, text, new, asked):
    directory.write("t", text)
    done = directory.table(entries={new: "OK"}, type=map_type)
    assert done.changed and directory.text("t") == f"{text}{new} OK\n" and done.plan.warnings
    assert directory.query(asked, f"{map_type}:t") == "OK"
    assert not directory.table(entries={new: "OK"}, type=map_type).changed
    wrong = {"cidr": "10.0.0.2/8"}.get(map_type, "/d[/")
    with pytest.raises(GrammarError, match=f"t:{text.count(chr(10)) + 2}: Postfix warns"):
        directory.table(entries={wrong: "OK"}, type=map_type)


@pytest.mark.parametrize(
    ("map_type", "text", "message"),
    [
        ("hash", "a 1\nb\n", "source:2: .*no value"),
        ("hash", "a 1\nA 2\n", "source:2: .*already on line 1"),
        ("regexp", "/a/ 1\n/b[/ 2\n", "source:2: Postfix warns"),
        ("pcre", "/a/ 1\n/b/q 2\n", "source:2: Postfix warns: unknown"),
        ("cidr", "10.0.0.1/8 x\n", "source:1: Postfix warns: non-null host address bits"),
    ],
)
def test_a_wrong_file_is_refused(directory, map_type, text, message):
    directory.write("source", text)
    with pytest.raises(GrammarError, match=message):
        directory.plan_table(True, path="t", type=map_type, src="source", remote_src=True)


def test_a_whole_table_from_a_file(directory):
    directory.write("source", "# all\na 1\n")
    directory.write("t", "b 2\n")
    assert directory.table(src="source", remote_src=True).changed
    assert directory.text("t") == "# all\na 1\n" and directory.query("b") == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"src": "source"}, "a file of the controller can't be read from here"),
        ({"src": "none", "remote_src": True}, "no such file on the host"),
        ({"src": "main.cf", "remote_src": True, "checksum": "0" * 64}, "its SHA-256 is [0-9a-f]{64}, not 0{64}"),
        ({"exclusive": True}, "would empty it"),
        ({"entries": {"a": ""}}, "its value is empty"),
        ({"entries": {"a": "1"}, "mode": "u=rw"}, "is not a valid octal mode"),
        ({"entries": {"a": "1"}, "mode": "99"}, "is not a valid octal mode"),
        ({"entries": {"a": "1"}, "owner": "nobody-has-this-name"}, "there is no user"),
    ],
)
def test_wrong_declarations(directory, options, message):
    with pytest.raises(PostfixError, match=message):
        directory.plan_table(path="t", **options)
    assert directory.names() == []


def without(*missing):
    """Instances that lack table types."""
    return property(lambda self: frozenset({"hash", "btree", "lmdb", "cdb", "texthash", "regexp"}) - set(missing))


@pytest.mark.parametrize(
    ("default", "missing", "chosen"),
    [
        ("hash", (), "hash"),
        ("cdb", (), "cdb"),
        ("hash", ("hash", "btree"), "lmdb"),
        ("hash", ("hash", "btree", "lmdb"), "cdb"),
        ("nonsense", ("lmdb", "cdb"), "hash"),
        ("regexp", (), "lmdb"),
        ("${{1} == {1} ? {cdb} : {hash}}", (), "cdb"),
    ],
)
def test_the_type_follows_the_host(directory, monkeypatch, default, missing, chosen):
    monkeypatch.setattr(Instance, "map_types", without(*missing))
    directory.main_cf(default_database_type=default)
    assert directory.table(entries={"a": "1"}).plan.result["map"] == f"{chosen}:{directory.path}/t"


def test_a_type_that_the_host_lacks(directory, monkeypatch):
    monkeypatch.setattr(Instance, "map_types", without("hash", "btree", "lmdb"))
    with pytest.raises(HostError, match=r"table type lmdb: .*it has cdb, texthash, regexp. .*postfix-lmdb"):
        directory.table(entries={"a": "1"}, type="lmdb")
    monkeypatch.setattr(Instance, "map_types", without("hash", "btree", "lmdb", "cdb"))
    with pytest.raises(HostError, match="any type that postmap compiles; it has texthash, regexp"):
        directory.table(entries={"a": "1"})


def test_modes(directory):
    done = directory.table(entries={"a": "secret"}, mode="0600")
    assert (directory.mode("t"), directory.mode("t.db")) == (0o600, 0o600)
    assert "secret" not in str(done.diff)
    assert "secret" not in str(directory.table(entries={"a": "other secret"}).diff)
    assert (directory.mode("t"), directory.mode("t.db")) == (0o600, 0o600)
    (directory.path / "t.db").chmod(0o644)
    assert directory.table(entries={"a": "other secret"}).changed
    assert directory.mode("t.db") == 0o600
    assert directory.table(entries={}, mode=0o640).changed
    assert (directory.mode("t"), directory.mode("t.db")) == (0o640, 0o640)
    (directory.path / "t.db").chmod(0o600)
    assert not directory.table(entries={}).changed
    directory.table("u", entries={"a": "1"})
    assert (directory.mode("u"), directory.mode("u.db")) == (0o644, 0o644)


def test_the_diff_shows_the_text(directory):
    directory.write("t", "a 1\n")
    text, compiled = directory.table(entries={"a": "2"}).diff
    assert (text["before"], text["after"]) == ("a 1\n", "a 2\n")
    assert compiled["before_header"].endswith("t.db")


def test_a_file_of_the_controller_is_asked_for(directory):
    options = lookup_table.TableOptions(path="t", src="x", checksum="0" * 64)
    table = lookup_table.lookup_table(Instance(str(directory.path)), options)
    assert table.must_travel and table.reported().result["_transfer"] and not table.plan.changes
    directory.write("t", "a 1\n")
    known = hashlib.sha256(b"a 1\n").hexdigest()
    assert directory.table(src="x", checksum=known).changed  # compiled
    assert directory.query("a") == "1"
