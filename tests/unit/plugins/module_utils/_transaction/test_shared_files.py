# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that several instances use: each undo takes back its own change only, in either order. Tables are read with postmap(1)."""

from __future__ import annotations

import os
import subprocess
import threading
from dataclasses import replace
from functools import partial

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import HostError
from ansible_collections.mailops.postfix.plugins.module_utils._formats import lookup_table_edit
from ansible_collections.mailops.postfix.plugins.module_utils._host import instances, master, postmap
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Change, Plan
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply as apply_transaction
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import lock, store, undo
from ansible_collections.mailops.postfix.plugins.module_utils._transaction.apply import Confirmation

ORDERS = pytest.mark.parametrize("order", [("in", "out"), ("out", "in")], ids=["older first", "newer first"])


@pytest.fixture
def shared(tmp_path):
    """Two instances, and a table that both use."""
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "main.cf").write_text("compatibility_level = 3.6\n")
        (tmp_path / name / "master.cf").write_text("smtp unix - - n - - smtp\n")
    (tmp_path / "shared").mkdir()
    return tmp_path


def write(root, text):
    path = root / "shared/transport"
    path.write_text(text)
    subprocess.run(["postmap", f"hash:{path}"], check=True)


def opened(root, name, build):
    confirmation = Confirmation(600)
    return apply_transaction.apply(build, partial(Instance, str(root / name)), confirmation=confirmation).transaction


def change_of_table(root, entries):
    """The change of some entries of the shared table."""
    path = str(root / "shared/transport")
    name = f"hash:{path}"

    def build(instance):
        before = instance.read(path)
        after = lookup_table_edit.edit_table(before or b"", entries, "hash")

        def compiled(temporary):
            postmap.compile_text(instance, name, after, temporary)

        return Plan(
            [
                Change(path, after, before, stamp=name),
                Change(f"{path}.db", compiled, None if before is None else b"", "older than its text", stamp=name),
            ]
        )

    return build


def change_of_file(root, content):
    path = str(root / "shared/mx.pem")
    return lambda instance: Plan([Change(path, content, instance.read(path))], requires="reload")


def take_back(root, transaction):
    return undo.with_locks(transaction, lambda current: undo.undo(current, partial(Instance, current.instance)))


def query(root, key):
    done = subprocess.run(["postmap", "-q", key, f"hash:{root}/shared/transport"], capture_output=True, check=False)
    return done.stdout.strip().decode()


@ORDERS
def test_different_keys(shared, order):
    write(shared, "old.example smtp:[old]\n")
    found = {
        "in": opened(shared, "in", change_of_table(shared, {b"a.example": b"smtp:[a]", b"old.example": b"smtp:[new]"})),
        "out": opened(shared, "out", change_of_table(shared, {b"b.example": b"smtp:[b]"})),
    }
    assert [query(shared, f"{name}.example") for name in ("a", "b", "old")] == ["smtp:[a]", "smtp:[b]", "smtp:[new]"]
    assert take_back(shared, found[order[0]]).kept == []
    rest = {"in": ["smtp:[a]", "", "smtp:[new]"], "out": ["", "smtp:[b]", "smtp:[old]"]}[order[1]]
    assert [query(shared, f"{name}.example") for name in ("a", "b", "old")] == rest
    assert take_back(shared, found[order[1]]).kept == []
    assert (shared / "shared/transport").read_text() == "old.example smtp:[old]\n"
    assert query(shared, "old.example") == "smtp:[old]"


@ORDERS
@pytest.mark.parametrize("former", ["k.example smtp:[old]\n", "other.example smtp:[x]\n", None])
def test_the_same_key(shared, order, former):
    if former:
        write(shared, former)
    found = {
        name: opened(shared, name, change_of_table(shared, {b"k.example": b"smtp:[%s]" % name.encode()}))
        for name in ("in", "out")
    }
    for name in order:
        take_back(shared, found[name])
    path = shared / "shared/transport"
    assert (path.read_text() if path.exists() else None) == former
    assert os.path.exists(f"{path}.db") == bool(former)


@ORDERS
@pytest.mark.parametrize("former", [b"old", None])
def test_a_file_without_parts(shared, order, former):
    path = shared / "shared/mx.pem"
    if former:
        path.write_bytes(former)
        path.chmod(0o600)
    found = {name: opened(shared, name, change_of_file(shared, name.encode())) for name in ("in", "out")}
    take_back(shared, found[order[0]])
    assert path.read_bytes() == order[1].encode(), "the change of the other instance is still open"
    take_back(shared, found[order[1]])
    assert (path.read_bytes() if path.exists() else None) == former
    assert not former or path.stat().st_mode & 0o777 == 0o600


def test_an_undo_does_not_take_back_what_another_instance_has_confirmed(shared):
    write(shared, "old.example smtp:[old]\n")
    first = opened(shared, "in", change_of_table(shared, {b"a.example": b"smtp:[a]"}))
    apply_transaction.confirm(opened(shared, "out", change_of_table(shared, {b"b.example": b"smtp:[b]"})))
    take_back(shared, first)
    assert [query(shared, f"{name}.example") for name in ("a", "b", "old")] == ["", "smtp:[b]", "smtp:[old]"]


def test_two_writers_of_one_file(shared, monkeypatch):
    """The second one has made its plan before the first one has written; it makes another one, so nothing is lost."""
    write(shared, "old.example smtp:[old]\n")
    planned, go_on = threading.Event(), threading.Event()
    real = change_of_table(shared, {b"b.example": b"smtp:[b]"})
    calls = []

    def slow(instance):
        plan = real(instance)
        calls.append(plan)
        if len(calls) == 1:
            planned.set()
            go_on.wait(20)
        return plan

    thread = threading.Thread(target=opened, args=(shared, "out", slow))
    thread.start()
    assert planned.wait(20)
    opened(shared, "in", change_of_table(shared, {b"a.example": b"smtp:[a]"}))
    go_on.set()
    thread.join()
    assert len(calls) == 2
    assert [query(shared, f"{name}.example") for name in ("a", "b", "old")] == ["smtp:[a]", "smtp:[b]", "smtp:[old]"]


def test_a_writer_holds_the_lock_of_the_file(shared, monkeypatch):
    """And the undo, too. The file of the lock is not left behind."""
    write(shared, "old.example smtp:[old]\n")
    path = shared / "shared/transport"
    build = change_of_table(shared, {b"a.example": b"smtp:[a]"})
    holders = []

    def watched(instance):
        plan = build(instance)

        def compiled(temporary, make=plan.changes[1].after):
            with lock.held_if_free(str(path)) as free:
                holders.append(free)
            make(temporary)

        plan.changes[1] = replace(plan.changes[1], after=compiled)
        return plan

    transaction = opened(shared, "in", watched)
    monkeypatch.setattr(lock.files_held.__wrapped__, "__defaults__", (0,))
    with lock.held(str(path)), pytest.raises(HostError, match="has been editing this configuration"):
        undo.undo(transaction, lambda: Instance(transaction.instance))
    assert holders == [False]
    assert not list((shared / "shared").glob("*.tmp"))


def test_instances_that_name_a_restored_file_are_reloaded(shared, monkeypatch):
    """Only those: not one that names another file, or that does not run."""
    write(shared, "old.example smtp:[old]\n")
    for name in ("stopped", "apart", "comment"):
        (shared / name).mkdir()
        (shared / name / "main.cf").write_text("compatibility_level = 3.6\n")
    for name in ("out", "stopped"):
        (shared / name / "main.cf").write_text(f"transport_maps = hash:{shared}/shared/transport\n")
    (shared / "comment/main.cf").write_text(f"# transport_maps = hash:{shared}/shared/transport\n")
    others = [str(shared / name) for name in ("out", "stopped", "apart", "comment")]
    reloaded = []
    monkeypatch.setattr(instances, "other_instances", lambda _instance: map(Instance, others))
    monkeypatch.setattr(Instance, "running", lambda self: not self.config_directory.endswith("stopped"))
    monkeypatch.setattr(
        master.Master, "bring_up", lambda self, requires: reloaded.append((self.instance.config_directory, requires))
    )
    take_back(shared, opened(shared, "in", change_of_table(shared, {b"a.example": b"smtp:[a]"})))
    assert reloaded == [(str(shared / "out"), "reload")]


def test_a_file_in_the_directory_of_one_instance_that_another_names(shared, monkeypatch):
    path = shared / "in/mx.pem"
    path.write_bytes(b"old")
    (shared / "out/main.cf").write_text(f"smtpd_tls_chain_files = {path}\n")
    reloaded = []
    monkeypatch.setattr(instances, "other_instances", lambda _instance: [Instance(str(shared / "out"))])
    monkeypatch.setattr(Instance, "running", lambda self: self.config_directory.endswith("out"))
    monkeypatch.setattr(
        master.Master, "bring_up", lambda self, _requires: reloaded.append(self.instance.config_directory)
    )
    take_back(shared, opened(shared, "in", lambda found: Plan([Change(str(path), b"new", b"old")])))
    assert reloaded == [str(shared / "out")]


def test_an_instance_that_can_not_be_reloaded_is_reported(shared, monkeypatch):
    write(shared, "old.example smtp:[old]\n")
    (shared / "out/main.cf").write_text(f"transport_maps = hash:{shared}/shared/transport\n")

    def fail(_self, _requires):
        raise HostError("running", "postfix reload", "no")

    monkeypatch.setattr(instances, "other_instances", lambda _instance: [Instance(str(shared / "out"))])
    monkeypatch.setattr(Instance, "running", lambda self: True)
    monkeypatch.setattr(master.Master, "bring_up", fail)
    transaction = opened(shared, "in", change_of_table(shared, {b"a.example": b"smtp:[a]"}))
    assert take_back(shared, transaction).problems == ["running postfix reload: no"]
    assert store.find(transaction.instance, transaction.id) is not None
