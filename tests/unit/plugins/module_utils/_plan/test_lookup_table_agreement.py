# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every type of table through everything that may happen to it; postmap(1) says each time what mail would find."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import contextmanager

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._formats import (
    compiled_table,
    lookup_table,
    lookup_table_edit,
)
from ansible_collections.mailops.postfix.plugins.module_utils._host import postmap, stamp
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan import lookup_table as lookup_table_plan
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply as apply_transaction

# What a table of networks or expressions is asked for, by key.
ASKED = {
    "cidr": {f"10.{number}.0.0/16": f"10.{number}.2.3" for number in range(10)},
    "regexp": {f"/^key{number}@/": f"key{number}@example.org" for number in range(10)},
}
ASKED["pcre"] = ASKED["regexp"]
NAMES = {map_type: list(asked) for map_type, asked in ASKED.items()}
KEYED = [*(f"key{number}@Example.org" for number in range(9)), '"john doe"@example.org']


TICK = 0.02
"""Seconds in which the clock of the file system moves on."""


class Table:
    """A table of one type, what was declared for it, and what is done to it by us and by others."""

    def __init__(self, directory, map_type):
        self.directory = directory
        self.map_type = map_type
        self.path = directory.path / "t"
        self.names = NAMES.get(map_type, KEYED)
        self.declared = {}

    @property
    def compiled(self):
        return self.path.with_name("t" + lookup_table.COMPILED[self.map_type])

    def set(self, values, **options):
        """Declare values by the number of their key."""
        entries = {self.names[number]: value for number, value in values.items()}
        if options.get("exclusive"):
            self.declared = {}
        self.declared.update(values)
        return self.directory.table(entries=entries, type=self.map_type, **options)

    def install(self, values):
        """Declare the whole table, as a file."""
        self.declared = dict(values)
        lines = [f"{self.names[number]} {value}\n" for number, value in values.items()]
        self.directory.write("source", "# from a file\n" + "".join(lines))
        return self.directory.table(src="source", remote_src=True, type=self.map_type)

    def again(self, **options):
        return self.directory.table(entries={}, type=self.map_type, **options)

    def postmap(self, *arguments, stdin=None):
        return subprocess.run(
            ["/usr/sbin/postmap", "-c", str(self.directory.path), *arguments],
            input=stdin,
            capture_output=True,
            check=True,
            text=True,
        )

    def swap(self, path):
        """Put other content of the same size into a file, and its modification time back."""
        status = path.stat()
        content = path.read_bytes()
        assert content.count(b"value1") > 0
        with path.open("r+b") as file:
            file.write(content.replace(b"value1", b"VALUE9"))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def check(self):
        """Mail finds what was declared, for each key, and nothing else."""
        asked = ASKED.get(self.map_type, {})
        keys = [asked.get(name, name.lower()) for name in self.names]
        command = ["/usr/sbin/postmap", "-c", str(self.directory.path), "-q", "-", f"{self.map_type}:{self.path}"]
        done = subprocess.run(
            command, input="".join(f"{key}\n" for key in keys), capture_output=True, check=False, text=True
        )
        assert not done.stderr
        found = dict(line.split("\t", 1) for line in done.stdout.splitlines())
        assert found == {keys[number]: value for number, value in self.declared.items() if value is not None}


def available():
    done = subprocess.run(["/usr/sbin/postconf", "-m"], capture_output=True, check=True, text=True)
    return [map_type for map_type in lookup_table.MAP_TYPES if map_type in done.stdout.split()]


TYPES = available()
COMPILED = [map_type for map_type in TYPES if map_type in lookup_table.COMPILED]
FIRST = {number: f"value{number}" for number in range(6)}


def test_there_is_something_to_ask():
    assert {"hash", "btree", "texthash", "cidr", "regexp"} <= set(TYPES)


@pytest.fixture(name="table", params=TYPES)
def fixture_table(directory, request):
    table = Table(directory, request.param)
    table.set(FIRST)
    return table


@pytest.fixture(name="directory")
def fixture_directory(tables):
    return tables


@pytest.mark.parametrize(
    "act",
    [
        lambda table: table.set({7: "new"}),
        lambda table: table.set({1: "other"}),
        lambda table: table.set({1: None}),
        lambda table: table.set({1: "other", 2: None, 8: "new"}),
        lambda table: table.set({3: "only", 9: "these"}, exclusive=True),
        lambda table: table.set({}, exclusive=True),
        lambda table: table.install({0: "file", 9: "all"}),
        lambda table: table.install({}),
    ],
    ids=["add", "change", "remove", "all three", "exclusive", "none", "src", "empty src"],
)
def test_after_a_change_mail_finds_what_was_declared(table, act):
    assert act(table).changed
    table.check()


READERS = (
    (lookup_table, "table_entries"),
    (lookup_table, "contents"),
    (lookup_table_edit, "table_entries"),
    (lookup_table_edit, "plain_lines"),
    (compiled_table, "listed_contents"),
    (postmap, "compile_text"),
)


@contextmanager
def reading_fails():
    with pytest.MonkeyPatch.context() as patch:
        for module, name in READERS:
            patch.setattr(module, name, lambda *_arguments, **_options: pytest.fail("it was read"))
        yield


def test_the_same_again_reads_no_table(table):
    """Neither the text is parsed nor the compiled file listed: the stamp covers both."""
    table.install(FIRST)
    again = {"src": "source", "remote_src": True, "type": table.map_type}
    with reading_fails():
        assert not table.directory.table(**again).changed
        assert not table.directory.table(**again, mode="0644").changed
    assert table.directory.table(**again, mode="0600").changed
    with reading_fails():
        assert not table.directory.table(**again, mode="0600").changed
    table.check()


def rebuilt_by_hand(table):
    """The same content, written by another program: nothing to do."""
    table.postmap(f"{table.map_type}:{table.path}")
    return False


def older(table):
    os.utime(table.compiled, (1, 1))
    return True


def removed(table):
    table.compiled.unlink()
    return True


def text_swapped(table):
    """Their text counts: it is theirs. The compiled file must follow."""
    table.swap(table.path)
    table.declared[1] = "VALUE9"
    return True


def compiled_swapped(table):
    table.swap(table.compiled)
    return True


def both_touched_after_a_swap(table):
    table.swap(table.compiled)
    subprocess.run(["touch", table.path, table.compiled], check=True)
    return True


def both_touched_like_another_file(table):
    table.swap(table.compiled)
    subprocess.run(["touch", "-r", table.directory.path / "main.cf", table.path, table.compiled], check=True)
    return True


def old_one_restored(table):
    shutil.copy2(table.compiled, f"{table.compiled}.saved")
    table.set({1: "other"})
    os.rename(f"{table.compiled}.saved", table.compiled)
    status = table.path.stat()
    os.utime(table.compiled, ns=(status.st_atime_ns, status.st_mtime_ns))
    return True


def entry_added_by_hand(table):
    if table.map_type == "cdb":  # has no insertion: the whole of it is made from another text
        (table.directory.path / "other").write_text(table.path.read_text() + f"{table.names[8]} x\n")
        table.postmap(f"cdb:{table.directory.path}/other")
        os.rename(f"{table.directory.path}/other.cdb", table.compiled)
        (table.directory.path / "other").unlink()
        return True
    table.postmap("-i", f"{table.map_type}:{table.path}", stdin=f"{table.names[8].lower()} x\n")
    return True


def entry_added_and_time_put_back(table):
    entry_added_by_hand(table)
    status = table.path.stat()
    os.utime(table.compiled, ns=(status.st_atime_ns, status.st_mtime_ns))
    return True


def cut_off(table):
    os.truncate(table.compiled, 100)
    return True


@pytest.mark.parametrize(
    "damage",
    [
        rebuilt_by_hand,
        older,
        removed,
        text_swapped,
        compiled_swapped,
        both_touched_after_a_swap,
        both_touched_like_another_file,
        old_one_restored,
        entry_added_by_hand,
        entry_added_and_time_put_back,
        cut_off,
    ],
)
@pytest.mark.parametrize("map_type", COMPILED)
def test_whatever_others_do_the_next_run_puts_it_right(directory, map_type, damage):
    table = Table(directory, map_type)
    table.set(FIRST)
    time.sleep(TICK)
    must_change = damage(table)
    assert table.again().changed == must_change
    table.check()
    assert directory.names() == ["t", table.compiled.name]


@pytest.mark.parametrize("old", [map_type for map_type in TYPES if map_type not in NAMES])
@pytest.mark.parametrize("new", [*COMPILED, "texthash"])
def test_another_type(directory, old, new):
    Table(directory, old).set(FIRST)
    table = Table(directory, new)
    table.install(FIRST)
    table.check()
    assert [name for name in directory.names() if name != "source"] == [
        "t",
        *([table.compiled.name] if new in COMPILED else []),
    ]


@pytest.mark.parametrize(
    ("main_cf", "declared", "stays"),
    [
        ({}, {}, False),
        ({"transport_maps": "hash:DIRECTORY/t"}, {}, True),
        ({"transport_maps": "hash:$config_directory/t"}, {}, True),
        ({"transport_maps": "$default_database_type:${config_directory}/t"}, {}, True),
        ({"transport_maps": "regexp:x, proxy:hash:DIRECTORY/t"}, {}, True),
        ({"x_restrictions": "check_client_access { hash:DIRECTORY/t }, permit"}, {}, True),
        ({"transport_maps": "lmdb:DIRECTORY/t hash:DIRECTORY/tt hash:DIRECTORY/t/x"}, {}, False),
        ({"transport_maps": "hash:DIRECTORY/t"}, {"transport_maps": "cdb:DIRECTORY/t"}, False),
        ({"transport_maps": "btree:DIRECTORY/t"}, {}, True),
        ({"transport_maps": ""}, {"transport_maps": "hash:DIRECTORY/t"}, True),
    ],
)
def test_the_compiled_file_of_the_old_type_goes_unless_postfix_uses_it(directory, main_cf, declared, stays):
    def named(values):
        return {name: value.replace("DIRECTORY", str(directory.path)) for name, value in values.items()}

    directory.main_cf(**named(main_cf))
    directory.table(entries={"a": "1"}, type="hash")
    options = lookup_table_plan.TableOptions(path="t", entries={"a": "1"}, type="cdb")

    def build(instance, _options):
        return lookup_table_plan.lookup_table(instance, options, named(declared)).plan

    done = directory.apply(build)
    assert directory.names() == ["t", "t.cdb"] + ["t.db"] * stays
    # What Postfix takes for a btree is made one.
    rewritten = not stays or "btree" in str(main_cf)
    assert [entry["before_header"][-5:] for entry in done.diff] == ["t.cdb"] + ["/t.db"] * rewritten
    assert not directory.apply(build).changed


def test_a_service_that_uses_the_old_type(directory):
    directory.table(entries={"a": "1"}, type="hash")
    (directory.path / "master.cf").write_text(
        f"smtp inet n - y - - smtpd\n  -o smtpd_x=hash:{directory.path}/t\n  -o y=z\n"
    )
    directory.table(entries={"a": "1"}, type="cdb")
    assert directory.names() == ["t", "t.cdb", "t.db"]
    (directory.path / "master.cf").write_text("smtp inet n - y - - smtpd\n")
    directory.table(entries={"a": "1"}, type="cdb")
    assert directory.names() == ["t", "t.cdb"]


def has_stamp(table):
    paths = [str(table.path), *([str(table.compiled)] if table.map_type in COMPILED else [])]
    name = lookup_table.stamp_name(str(table.path), table.map_type, True)
    return stamp.holds(name, paths)


@pytest.mark.parametrize("map_type", COMPILED)
def test_whatever_is_put_right_in_one_file_both_have_a_stamp_again(directory, map_type):
    table = Table(directory, map_type)
    table.set(FIRST)
    for damage in (lambda: table.compiled.chmod(0o666), table.compiled.unlink):
        damage()
        assert table.again().changed
        assert has_stamp(table)


def restored_from_a_backup(table, _state_directory):
    for path in table.directory.path.iterdir():
        shutil.copy2(path, f"{path}.saved")
        os.rename(f"{path}.saved", path)


def with_other_times(table, _state_directory):
    for path in table.directory.path.iterdir():
        os.utime(path, (1_700_000_000, 1_700_000_000))


def without_a_record(_table, state_directory):
    shutil.rmtree(state_directory)


def with_a_broken_record(_table, state_directory):
    path = state_directory / "tables.json"
    path.write_text(path.read_text()[:-5])


def with_a_record_of_another_kind(_table, state_directory):
    (state_directory / "tables.json").write_text("[1]")


@pytest.mark.parametrize(
    "event",
    [restored_from_a_backup, with_other_times, without_a_record, with_a_broken_record, with_a_record_of_another_kind],
)
def test_without_a_stamp_a_table_is_compared_once(table, state_directory, event):
    """Nothing is rebuilt, and the next run reads nothing."""
    table.install(FIRST)
    event(table, state_directory)
    before = {path: path.read_bytes() for path in table.directory.path.iterdir()}
    assert not has_stamp(table)
    again = {"src": "source", "remote_src": True, "type": table.map_type}
    assert not table.directory.table(**again, check_mode=True).changed and not has_stamp(table)
    assert not table.directory.table(**again).changed
    assert {path: path.read_bytes() for path in table.directory.path.iterdir()} == before
    with reading_fails():
        assert has_stamp(table) and not table.directory.table(**again).changed


def test_two_instances_that_share_a_table(table, tmp_path_factory):
    """They share its stamp, and each notices what the other one writes."""
    other = tmp_path_factory.mktemp("other")
    for name in ("main.cf", "master.cf"):
        shutil.copy(table.directory.path / name, other / name)
        os.utime(other / name, (1, 1))
    options = {"path": str(table.path), "type": table.map_type}

    def of_other(**more):
        return apply_transaction.apply(
            lambda instance: (
                lookup_table_plan.lookup_table(instance, lookup_table_plan.TableOptions(**options, **more)).plan
            ),
            lambda: Instance(str(other)),
        )

    with reading_fails():
        assert not of_other(src=str(table.path), remote_src=True).changed
    assert of_other(entries={table.names[1]: "other"}).changed and has_stamp(table)
    assert table.set({1: "value1"}).changed and has_stamp(table)
    assert of_other(entries={table.names[1]: "other"}).changed
    table.declared[1] = "other"
    table.check()
