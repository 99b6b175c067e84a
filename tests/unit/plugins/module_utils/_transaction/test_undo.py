# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The undo of an open transaction: whole, and without the loss of what others have edited since. Tables are read with postmap(1)."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import HostError
from ansible_collections.mailops.postfix.plugins.module_utils._host import master, postmap, state
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._host.runner import Completed
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Attributes, Change, Plan
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply as apply_transaction
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import install, store, undo
from ansible_collections.mailops.postfix.plugins.module_utils._transaction.apply import Confirmation
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils._transaction.killed import contents

OLD = {
    "main.cf": b"compatibility_level = 3.6\nrelayhost = [old.example.org]\n",
    "master.cf": b"smtp unix - - n - - smtp\n",
    "gone": b"to be removed\n",
}


@pytest.fixture
def directory(tmp_path):
    path = tmp_path / "postfix"
    path.mkdir()
    for name, content in OLD.items():
        (path / name).write_bytes(content)
    (path / "gone").chmod(0o640)
    return path


def instance(directory):
    return Instance(str(directory))


def table_changes(directory, text, before=None):
    path = str(directory / "transport")
    name = f"hash:{path}"

    def compiled(temporary):
        postmap.compile_text(instance(directory), name, text, temporary)

    return [
        Change(path, text, before, stamp=name),
        Change(f"{path}.db", compiled, None if before is None else b"", "older than its text", stamp=name),
    ]


def change(directory):
    """A change of everything: a new table, main.cf that names it, master.cf, a directory, a removal."""

    def build(found):
        return Plan(
            [
                *table_changes(directory, b"a.example smtp:[a]\n"),
                Change(found.path("tls/key.pem"), b"k", None, attributes=Attributes(mode=0o600)),
                Change(found.path("master.cf"), found.master_cf + b"2525 inet n - n - - smtpd\n", found.master_cf),
                Change(
                    found.path("main.cf"),
                    OLD["main.cf"].replace(b"old", b"new") + f"transport_maps = hash:{directory}/transport\n".encode(),
                    found.main_cf,
                ),
                Change(found.path("gone"), None, found.read("gone")),
            ],
            requires="reload",
        )

    return opened(directory, build)


def opened(directory, build, **arguments):
    confirmation = Confirmation(600, **arguments)
    return apply_transaction.apply(build, lambda: instance(directory), confirmation=confirmation).transaction


def take_back(directory, transaction, **arguments):
    return undo.with_locks(transaction, lambda current: undo.undo(current, lambda: instance(directory), **arguments))


def test_the_undo_is_whole(directory):
    undone = take_back(directory, change(directory))
    assert contents(directory) == OLD and not (directory / "tls").exists()
    assert (directory / "gone").stat().st_mode & 0o777 == 0o640
    assert (undone.kept, undone.report(), store.open_transactions(str(directory))) == ([], "", [])


def test_a_foreign_edit_stays(directory):
    transaction = change(directory)
    subprocess.run(["postconf", "-c", str(directory), "-e", "message_size_limit = 20000000"], check=True)
    subprocess.run(["postconf", "-c", str(directory), "-Me", "2626/inet=2626 inet n - n - - smtpd"], check=True)
    undone = take_back(directory, transaction)
    present = contents(directory)
    assert present["main.cf"] == OLD["main.cf"] + b"message_size_limit = 20000000\n"
    assert b"2626" in present["master.cf"] and b"2525" not in present["master.cf"]
    assert "transport" not in present and undone.kept == []


def test_touch_changes_nothing(directory):
    transaction = change(directory)
    os.utime(directory / "main.cf")
    take_back(directory, transaction)
    assert contents(directory) == OLD


def test_main_cf_never_names_a_table_that_has_gone(directory):
    """An administrator has copied the value to another parameter."""
    transaction = change(directory)
    subprocess.run(["postconf", "-c", str(directory), "-e", f"relay_domains = hash:{directory}/transport"], check=True)
    undone = take_back(directory, transaction)
    assert undone.kept == [f"{directory}/transport (main.cf or master.cf names it)"]
    assert (directory / "transport").exists() and (directory / "transport.db").exists()


def query(directory, key):
    table = f"hash:{directory}/transport"
    return subprocess.run(["postmap", "-q", key, table], capture_output=True, text=True, check=False).stdout.strip()


def test_at_no_time_main_cf_names_a_file_that_is_not_there(directory, monkeypatch):
    transaction = change(directory)
    seen = []

    def watched(function):
        def call(*arguments, **options):
            function(*arguments, **options)
            named = b"transport" in (directory / "main.cf").read_bytes()
            seen.append(named and not (directory / "transport").exists())

        return call

    for name in ("rename", "unlink"):
        monkeypatch.setattr(os, name, watched(getattr(os, name)))
    take_back(directory, transaction)
    assert len(seen) > 3 and not any(seen)


def test_a_table_that_others_have_edited(directory):
    for change_ in table_changes(directory, b"a.example smtp:[a]\nb.example smtp:[b]\n"):
        apply_transaction.apply(lambda _found, it=change_: Plan([it]), lambda: instance(directory))
    before = (directory / "transport").read_bytes()
    text = b"a.example smtp:[new]\nc.example smtp:[c]\n"
    transaction = opened(directory, lambda _found: Plan(table_changes(directory, text, before)))
    assert query(directory, "a.example") == "smtp:[new]"
    (directory / "transport").write_bytes(text + b"theirs.example smtp:[theirs]\n")
    subprocess.run(["postmap", f"hash:{directory}/transport"], check=True)
    undone = take_back(directory, transaction)
    names = ("a.example", "b.example", "c.example", "theirs.example")
    assert [query(directory, name) for name in names] == ["smtp:[a]", "smtp:[b]", "", "smtp:[theirs]"]
    assert undone.kept == []


def test_what_can_not_be_merged_is_kept_aside(directory):
    transaction = change(directory)
    (directory / "tls/key.pem").write_bytes(b"another key")
    (directory / "gone").write_bytes(b"theirs")
    undone = take_back(directory, transaction)
    assert sorted(undone.kept) == [f"{directory}/gone", f"{directory}/tls/key.pem"]
    [saved] = undone.saved
    assert open(saved, "rb").read() == OLD["gone"] and saved in undone.report()  # noqa: SIM115
    assert contents(directory) == {**OLD, "gone": b"theirs", "tls/key.pem": b"another key"}
    assert os.stat(os.path.dirname(saved)).st_mode & 0o777 == 0o700


def test_a_full_disk_leaves_the_transaction_open(directory, monkeypatch):
    transaction = change(directory)
    before = contents(directory)

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(install, "_stage", full)
        with pytest.raises(HostError, match="No space left on device"):
            take_back(directory, transaction)
    assert contents(directory) == before
    take_back(directory, transaction)
    assert contents(directory) == OLD


def test_a_second_undo_after_a_kill(directory):
    """Killed between the files and the end of the transaction."""

    def interrupt(*_arguments):
        raise KeyboardInterrupt

    transaction = change(directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "close", interrupt)
        with pytest.raises(KeyboardInterrupt):
            take_back(directory, transaction)
    assert contents(directory) == OLD
    assert take_back(directory, transaction).restored == []
    assert store.open_transactions(str(directory)) == []


def test_attributes_are_taken_back(directory):
    def private(found):
        content = found.read("gone")
        return Plan([Change(found.path("gone"), content, content, attributes=Attributes(mode=0o600))])

    transaction = opened(directory, private)
    assert (directory / "gone").stat().st_mode & 0o777 == 0o600
    assert take_back(directory, transaction).restored == [str(directory / "gone")]
    assert (directory / "gone").stat().st_mode & 0o777 == 0o640


def test_files_that_an_undo_needs_stay(directory):
    def build(found):
        return Plan(
            [
                Change(found.path("program"), b"p", None, stays=True),
                Change(found.path("main.cf"), found.main_cf + b"biff = no\n", found.main_cf),
            ]
        )

    take_back(directory, opened(directory, build))
    assert contents(directory) == {**OLD, "program": b"p"}


def test_several_calls_of_one_transaction(directory):
    """The oldest content comes back, whichever call has changed the file."""

    def set_to(value):
        return lambda found: Plan([Change(found.path("main.cf"), found.main_cf + value, found.main_cf)])

    first = opened(directory, set_to(b"biff = no\n"))
    second = opened(directory, set_to(b"mail_name = x\n"), join=first.id)
    assert second.id == first.id and len(store.open_transactions(str(directory))) == 1
    take_back(directory, second)
    assert contents(directory) == OLD


@pytest.mark.parametrize("ran", [True, False])
@pytest.mark.parametrize("activated", [True, False])
@pytest.mark.parametrize("on_purpose", [True, False, None])
def test_postfix_runs_if_and_only_if_it_ran_and_was_not_stopped(directory, monkeypatch, ran, activated, on_purpose):
    transaction = change(directory)
    transaction.ran, transaction.activated = ran, activated
    store.save(transaction, store.RECORD)
    done = []
    monkeypatch.setattr(master.Master, "bring_up", lambda _self, requires: done.append(requires))
    monkeypatch.setattr(master.Master, "stopped_on_purpose", lambda _self: on_purpose)
    take_back(directory, transaction)
    # Others may have restarted Postfix with the new files, so that it has terminated.
    assert done == (["reload"] if ran and (activated if on_purpose is None else not on_purpose) else [])


def test_postfix_is_started_if_it_could_not_start_at_boot(directory, monkeypatch):
    """Without systemd, the undo comes after the start of the daemons."""
    transaction = change(directory)
    transaction.ran, transaction.boot = True, "another boot"
    store.save(transaction, store.RECORD)
    done = []
    monkeypatch.setattr(master.Master, "bring_up", lambda _self, requires: done.append(requires))
    monkeypatch.setattr(master.Master, "stopped_on_purpose", lambda _self: None)
    take_back(directory, transaction)
    assert done == ["reload"]


@pytest.mark.parametrize(("requires", "expected"), [("reload", "reload"), ("restart", "restart"), ("none", None)])
def test_a_running_postfix_reads_the_restored_files(directory, monkeypatch, requires, expected):
    """Also if no run has brought the new ones into service: others may have restarted it."""
    transaction = change(directory)
    transaction.requires = requires
    store.save(transaction, store.RECORD)
    done = []
    monkeypatch.setattr(Instance, "running", lambda _self: True)
    monkeypatch.setattr(master.Master, "bring_up", lambda _self, requires: done.append(requires))
    take_back(directory, transaction)
    assert done == ([expected] if expected else [])


def test_a_reload_that_fails_leaves_the_transaction_open(directory, monkeypatch):
    transaction = change(directory)
    monkeypatch.setattr(Instance, "running", lambda _self: True)

    def fail(_self, _requires):
        raise HostError("running", "postfix reload", "no")

    monkeypatch.setattr(master.Master, "bring_up", fail)
    assert take_back(directory, transaction).problems == ["running postfix reload: no"]
    assert contents(directory) == OLD and len(store.open_transactions(str(directory))) == 1


def test_nothing_is_asked_at_boot(directory, monkeypatch):
    def build(found):
        return Plan([Change(found.path("main.cf"), found.main_cf + b"biff = no\n", found.main_cf)], requires="restart")

    transaction = opened(directory, build)

    def run(argv, _stdin=None):
        assert argv[0] not in ("systemctl", "postfix"), argv
        return Completed(tuple(argv), 0, b"", b"")

    undo.with_locks(transaction, lambda current: undo.undo(current, lambda: Instance(str(directory), run), boot=True))
    assert contents(directory) == OLD and store.open_transactions(str(directory)) == []


@pytest.mark.parametrize("systemd", [True, False])
@pytest.mark.parametrize("runs", [True, False])
def test_systemd_reads_the_units_again(directory, monkeypatch, tmp_path, systemd, runs):
    """A service that the change has installed is stopped with it, and one that it has removed is started again if Postfix runs."""
    units = tmp_path / "units"
    units.mkdir()
    for name in ("old.service", "changed.service", "old.conf"):
        (units / name).write_bytes(b"[Service]\n")
    monkeypatch.setattr(undo, "_UNITS", f"{units}/")
    monkeypatch.setattr(undo.system, "systemd_runs", lambda: systemd)
    monkeypatch.setattr(Instance, "running", lambda _self: runs)

    def build(found):
        return Plan(
            [
                Change(str(units / "new.service"), b"[Service]\n", None),
                Change(str(units / "changed.service"), b"[Unit]\n", b"[Service]\n"),
                Change(str(units / "old.service"), None, b"[Service]\n"),
                Change(str(units / "old.conf"), None, b"[Service]\n"),
                Change(found.path("main.cf"), found.main_cf + b"biff = no\n", found.main_cf),
            ]
        )

    commands = []

    def run(argv, stdin=None):
        commands.append(tuple(argv))
        return Completed(tuple(argv), 0, b"", b"")

    transaction = opened(directory, build)
    transaction.ran = False
    undo.with_locks(transaction, lambda current: undo.undo(current, lambda: Instance(str(directory), run)))
    assert not (units / "new.service").exists() and (units / "old.service").exists()
    expected = [("systemctl", "stop", "new.service"), ("systemctl", "daemon-reload")]
    expected += [("systemctl", "start", "old.service")] if runs else []
    found = [
        command
        for command in commands
        if command[0] == "systemctl" and command[1] in ("stop", "daemon-reload", "start")
    ]
    assert found[: len(expected)] == (expected if systemd else [])


def test_a_transaction_that_has_ended_meanwhile(directory):
    transaction = change(directory)
    shutil.rmtree(state.directory(str(directory)))
    assert take_back(directory, transaction) is None
