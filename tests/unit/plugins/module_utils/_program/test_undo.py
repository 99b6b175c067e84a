# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verbs undo and pending."""

from __future__ import annotations

import json
import os
import time

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host import state
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Change, Plan
from ansible_collections.mailops.postfix.plugins.module_utils._program import deadline, host_log, main, undo
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply, store

OLD = b"compatibility_level = 3.6\n"


@pytest.fixture
def log(monkeypatch):
    lines = []
    monkeypatch.setattr(host_log, "log", lambda _directory, level, message: lines.append(f"{level}: {message}"))
    return lines


@pytest.fixture(autouse=True)
def quiet(log):
    return log


def directory_of(tmp_path, name):
    path = tmp_path / name
    path.mkdir()
    (path / "main.cf").write_bytes(OLD)
    (path / "master.cf").write_bytes(b"")
    return path


def opened(directory):
    def build(found):
        return Plan([Change(found.path("main.cf"), found.main_cf + b"biff = no\n", found.main_cf)], requires="reload")

    confirmation = apply.Confirmation(600, opener=store.Opener("admin", "alice"))
    return apply.apply(build, lambda: Instance(str(directory)), confirmation=confirmation).transaction


@pytest.fixture
def two(tmp_path):
    directories = [directory_of(tmp_path, name) for name in ("postfix", "postfix-out")]
    return directories, [opened(directory) for directory in directories]


def is_old(directory):
    return (directory / "main.cf").read_bytes() == OLD


def expire(monkeypatch):
    later = state.boot_time() + 601
    monkeypatch.setattr(state, "boot_time", lambda: later)


def test_undo_by_id(two, log, capsys):
    directories, transactions = two
    assert main.main(["undo", transactions[0].id]) == 0
    assert [is_old(directory) for directory in directories] == [True, False]
    assert f"undone: the transaction {transactions[0].id} of alice on admin" in capsys.readouterr().out
    assert log[0].startswith("warn: undone: ") and str(directories[0] / "main.cf") in log[0]


def test_undo_by_instance(two):
    directories, _transactions = two
    assert main.main(["undo", "--instance", str(directories[1])]) == 0
    assert [is_old(directory) for directory in directories] == [False, True]


def test_which_one(two, capsys):
    directories, transactions = two
    assert main.main(["undo"]) == 1
    message = capsys.readouterr().err
    assert all(found.id in message for found in transactions) and "--instance" in message
    apply.confirm(transactions[0])
    assert main.main(["undo"]) == 0 and is_old(directories[1])
    capsys.readouterr()
    assert main.main(["undo"]) == 0, "there is nothing to do"
    assert capsys.readouterr().out == "no change is open\n"


def test_an_id_that_is_not_open(capsys):
    assert main.main(["undo", "0badc0de"]) == 1
    assert "undoing the transaction 0badc0de: it is not open. See 'mailops-postfix pending'" in capsys.readouterr().err


def test_expired(two, monkeypatch):
    directories, _transactions = two
    assert main.main(["undo", "--expired"]) == 0
    assert [is_old(directory) for directory in directories] == [False, False]
    expire(monkeypatch)
    assert main.main(["undo", "--expired"]) == 0
    assert [is_old(directory) for directory in directories] == [True, True]


def test_one_failure_does_not_end_the_others(two, monkeypatch, capsys):
    directories, transactions = two
    expire(monkeypatch)
    os.unlink(transactions[1].copy(transactions[1].files[0].before))
    (directories[1] / "main.cf").unlink()
    assert main.main(["undo", "--expired"]) == 1
    assert is_old(directories[0])
    assert f"{transactions[1].id} of alice" in capsys.readouterr().err
    assert [found.id for found in store.all_open()] == [transactions[1].id], "it is tried again"


def test_at_boot(two, monkeypatch):
    directories, _transactions = two
    monkeypatch.setattr(undo.undo, "activate", lambda *_arguments: pytest.fail("no daemon runs yet"))
    assert main.main(["undo", "--boot"]) == 0
    assert [is_old(directory) for directory in directories] == [True, True]


def test_an_interrupted_installation_is_restored(tmp_path, monkeypatch):
    """The process was killed between two files."""
    directory = directory_of(tmp_path, "postfix")
    process = os.fork()
    if process == 0:
        rename = os.rename

        def stop(source, target):
            rename(source, target)
            if target.endswith("/main.cf"):
                os._exit(9)

        os.rename = stop
        opened(directory)
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 9 << 8
    assert not is_old(directory)
    assert main.main(["undo", "--expired"]) == 0
    assert is_old(directory) and store.all_open() == []


def test_pending(two, capsys):
    directories, transactions = two
    assert main.main(["pending"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "id": found.id,
            "instance": str(directory),
            "host": "admin",
            "user": "alice",
            "since": found.since,
            "deadline": found.deadline,
            "changed": [str(directory / "main.cf")],
        }
        for directory, found in zip(directories, transactions)
    ]


def test_nothing_is_pending(capsys):
    assert main.main(["pending"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_the_watch_undoes_and_ends(tmp_path, monkeypatch):
    """In a session of its own: the caller does not wait."""
    directory = directory_of(tmp_path, "postfix")
    transaction = opened(directory)
    transaction.until = state.boot_time() + 0.5
    store.save(transaction, store.RECORD)
    monkeypatch.setattr(deadline, "SECONDS", 0.2)
    process = os.fork()
    if process == 0:
        undo.main(["--watch"])
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0
    end = time.monotonic() + 60
    while store.all_open() and time.monotonic() < end:
        time.sleep(0.05)
    assert is_old(directory) and store.all_open() == []
