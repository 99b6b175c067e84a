# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Open transactions: identity, deadline, and who waits for whom."""

from __future__ import annotations

import json
import os
import threading
import time

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import HostError
from ansible_collections.mailops.postfix.plugins.module_utils._host import state
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Change, Plan
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply as apply_transaction
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import confirmed, store, undo
from ansible_collections.mailops.postfix.plugins.module_utils._transaction.apply import Confirmation
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils._transaction.killed import kill_at

ALICE = store.Opener("admin.example.org", "alice")


@pytest.fixture
def directory(tmp_path):
    path = tmp_path / "postfix"
    path.mkdir()
    (path / "main.cf").write_bytes(b"compatibility_level = 3.6\n")
    (path / "master.cf").write_bytes(b"smtp unix - - n - - smtp\n")
    (path / "other").write_bytes(b"1\n")
    return path


def appending(text, name="main.cf"):
    def build(found):
        before = found.read(name)
        return Plan([Change(found.path(name), before + text if text not in before else before, before)])

    return build


def apply(directory, build, seconds=600, lock_timeout=0.5, **confirmation):
    return apply_transaction.apply(
        build,
        lambda: Instance(str(directory)),
        confirmation=Confirmation(seconds, undo=lambda other: take_back(directory, other), **confirmation),
        lock_timeout=lock_timeout,
    )


def take_back(directory, transaction):
    """As the program on the host does, with the state directory of the test."""
    undo.with_locks(transaction, lambda current: undo.undo(current, lambda: Instance(str(directory))))
    return transaction.described()


def pass_time(monkeypatch, seconds):
    later = state.boot_time() + seconds
    monkeypatch.setattr(state, "boot_time", lambda: later)


def test_a_run_opens_a_transaction(directory):
    outcome = apply(directory, appending(b"biff = no\n"), opener=ALICE)
    [found] = store.open_transactions(str(directory))
    assert found == outcome.transaction and store.find(str(directory), found.id) == found
    assert (outcome.verify, found.opener, [file.target for file in found.files]) == (
        "changed",
        ALICE,
        [str(directory / "main.cf")],
    )
    assert store.all_open() == [found]


@pytest.mark.parametrize(("seconds", "verify"), [(0, "none"), (600, "all")])
def test_a_run_that_changes_nothing_opens_none(directory, seconds, verify):
    """Nothing was confirmed before, so a run that wants a confirmation verifies everything."""
    apply(directory, appending(b"biff = no\n"), seconds=0)
    outcome = apply(directory, appending(b"biff = no\n"), seconds)
    assert (outcome.changed, outcome.transaction, outcome.verify) == (False, None, verify)
    assert outcome.plan.warnings == []


def test_check_mode_opens_none(directory):
    outcome = apply_transaction.apply(
        appending(b"biff = no\n"), lambda: Instance(str(directory)), check_mode=True, confirmation=Confirmation(600)
    )
    assert (outcome.changed, outcome.transaction, outcome.verify) == (True, None, "none")
    assert not os.path.exists(state.ROOT)


def test_another_run_is_refused_after_its_lock_timeout(directory):
    first = apply(directory, appending(b"biff = no\n"), opener=ALICE).transaction
    with pytest.raises(HostError) as caught:
        apply(directory, appending(b"mail_name = x\n"))
    assert str(caught.value) == (
        f"changing the Postfix instance in {directory}: the transaction {first.id} of alice on admin.example.org, open since "
        f"{first.since}, to be confirmed until {first.deadline} is neither confirmed nor undone. Wait for its end, or undo it: "
        f"with pending: undo, or with 'mailops-postfix undo {first.id}' on the host"
    )
    assert b"mail_name" not in (directory / "main.cf").read_bytes()


@pytest.mark.parametrize("confirms", [True, False])
def test_another_run_waits_for_the_end(directory, confirms):
    first = apply(directory, appending(b"biff = no\n")).transaction

    def end():
        time.sleep(0.3)
        if confirms:
            apply_transaction.confirm(first)
        else:
            take_back(directory, first)

    thread = threading.Thread(target=end)
    thread.start()
    second = apply(directory, appending(b"mail_name = x\n"), lock_timeout=30)
    thread.join()
    text = (directory / "main.cf").read_bytes()
    assert (b"biff" in text, b"mail_name" in text) == (confirms, True)
    assert [found.id for found in store.open_transactions(str(directory))] == [second.transaction.id]


def test_a_run_without_confirmation_waits_too(directory):
    apply(directory, appending(b"biff = no\n"))
    with pytest.raises(HostError, match="neither confirmed nor undone"):
        apply(directory, appending(b"mail_name = x\n"), seconds=0)


def test_pending_undo(directory):
    first = apply(directory, appending(b"biff = no\n")).transaction
    outcome = apply(directory, appending(b"mail_name = x\n"), undoes=lambda other: other.id == first.id)
    assert b"biff" not in (directory / "main.cf").read_bytes()
    assert any(f"undone first: the transaction {first.id}" in warning for warning in outcome.plan.warnings)


def test_a_table_that_no_transaction_touches_does_not_wait(directory):
    apply(directory, appending(b"biff = no\n"))
    assert apply(directory, appending(b"2\n", "other"), seconds=0, ignores_others=True).changed
    with pytest.raises(HostError, match="neither confirmed nor undone"):
        apply(directory, appending(b"mail_name = x\n"), seconds=0, ignores_others=True)


def test_an_expired_transaction_is_undone_first(directory, monkeypatch):
    apply(directory, appending(b"biff = no\n"))
    pass_time(monkeypatch, 601)
    apply(directory, appending(b"mail_name = x\n"))
    text = (directory / "main.cf").read_bytes()
    assert b"biff" not in text and b"mail_name" in text


def test_one_that_is_being_verified_is_not_undone(directory, monkeypatch):
    first = apply(directory, appending(b"biff = no\n")).transaction
    pass_time(monkeypatch, 601)
    with store.locked(first, 1), pytest.raises(HostError, match="neither confirmed nor undone"):
        apply(directory, appending(b"mail_name = x\n"), undoes=lambda _other: True)
    assert b"biff" in (directory / "main.cf").read_bytes()


@pytest.mark.parametrize(("seconds", "expired"), [(300, False), (601, True), (-86400, False)])
def test_the_deadline_is_a_time_since_boot(directory, monkeypatch, seconds, expired):
    """Whatever the clock of the host says."""
    transaction = apply(directory, appending(b"biff = no\n")).transaction
    for moment in (time.time() + 86400, time.time() - 86400):
        monkeypatch.setattr(time, "time", lambda moment=moment: moment)
        assert not transaction.expired
    pass_time(monkeypatch, seconds)
    assert transaction.expired == expired


def test_another_boot_is_expired(directory, monkeypatch, tmp_path):
    transaction = apply(directory, appending(b"biff = no\n")).transaction
    assert not transaction.expired
    (tmp_path / "boot_id").write_text("0badc0de\n")
    monkeypatch.setattr(state, "BOOT_ID", str(tmp_path / "boot_id"))
    assert transaction.expired


def test_joining_a_transaction_that_has_ended(directory):
    first = apply(directory, appending(b"biff = no\n")).transaction
    apply_transaction.confirm(first)
    with pytest.raises(HostError, match=f"joining the transaction {first.id}: it is no longer open: confirmed at 20"):
        apply(directory, appending(b"mail_name = x\n"), join=first.id)
    with pytest.raises(HostError, match="joining the transaction x: it is not open"):
        apply(directory, appending(b"mail_name = x\n"), join="x")


def test_what_became_of_a_transaction(directory):
    first = apply(directory, appending(b"biff = no\n")).transaction
    assert store.ending(str(directory), first.id) == ""
    apply_transaction.confirm(first)
    assert store.ending(str(directory), first.id).startswith("confirmed at 20")
    assert not os.path.exists(first.directory)


def test_only_root_can_read_it(directory):
    (directory / "main.cf").chmod(0o640)
    transaction = apply(directory, appending(b"biff = no\n")).transaction
    path = transaction.directory
    while path.startswith(state.ROOT):
        assert os.stat(path).st_mode & 0o777 == 0o700, path
        path = os.path.dirname(path)
    assert os.stat(transaction.copy(store.RECORD)).st_mode & 0o777 == 0o600
    modes = {
        os.stat(transaction.copy(name)).st_mode & 0o777
        for file in transaction.files
        for name in (file.before, file.after)
    }
    assert modes == {0o640}


@pytest.mark.parametrize("number", [2, "2024-01", None])
def test_a_newer_format_is_left_alone(directory, number):
    transaction = apply(directory, appending(b"biff = no\n")).transaction
    path = transaction.copy(store.RECORD)
    with open(path, encoding="utf-8") as file:
        content = json.load(file)
    with open(path, "w", encoding="utf-8") as file:
        json.dump({**content, "format": number, "files": {"another": "layout"}}, file)
    before = (directory / "main.cf").read_bytes()
    with pytest.raises(HostError, match="a newer version of mailops.postfix wrote it .format.* Upgrade"):
        apply(directory, appending(b"mail_name = x\n"))
    assert (directory / "main.cf").read_bytes() == before


# A run that is killed at each of its calls


def test_a_kill_leaves_the_old_files_or_an_open_transaction(directory):
    """Never new files that no transaction has."""
    old = (directory / "main.cf").read_bytes()
    outcomes = []
    count = 0
    while kill_at(count, lambda: apply(directory, appending(b"biff = no\n"))):
        store.settle(str(directory))
        found = store.open_transactions(str(directory))
        is_new = (directory / "main.cf").read_bytes() != old
        assert is_new == (len(found) == 1), f"after the {count}th call"
        outcomes.append(is_new)
        for transaction in found:
            take_back(directory, transaction)
        assert (directory / "main.cf").read_bytes() == old
        assert store.open_transactions(str(directory)) == []
        count += 1
    assert set(outcomes) == {False, True} and count > 20


def test_a_kill_of_a_second_call_of_a_transaction(directory):
    """What it had changed before can still be undone."""
    old = (directory / "main.cf").read_bytes()
    count = 0
    while True:
        first = apply(directory, appending(b"biff = no\n")).transaction
        killed = kill_at(count, lambda key=first.id: apply(directory, appending(b"mail_name = x\n"), join=key))
        take_back(directory, first)
        assert (directory / "main.cf").read_bytes() == old, f"after the {count}th call"
        count += 1
        if not killed:
            break
    assert count > 20


# What was confirmed


def test_an_unchanged_run_verifies_what_others_have_changed(directory):
    first = apply(directory, appending(b"biff = no\n")).transaction
    apply_transaction.confirm(first)
    assert apply(directory, appending(b"biff = no\n")).verify == "none"
    with open(directory / "main.cf", "ab") as file:
        file.write(b"mail_name = x\n")
    outcome = apply(directory, appending(b"biff = no\n"))
    assert (outcome.changed, outcome.verify) == (False, "all")
    assert outcome.plan.warnings == [f"changed by others in {directory} since it was confirmed: parameter mail_name"]
    remember_all(directory)
    assert apply(directory, appending(b"biff = no\n")).verify == "none"


def remember_all(directory):
    confirmed.remember(str(directory), confirmed.present(Instance(str(directory))))


def edit(directory, text):
    with open(directory / "main.cf", "ab") as file:
        file.write(text)


def differing(directory):
    return confirmed.changed_since(Instance(str(directory)))


@pytest.mark.parametrize("when", ["before", "open"])
def test_a_confirmation_does_not_confirm_what_others_have_changed(directory, when):
    """Neither before the transaction is opened nor while it is verified."""
    remember_all(directory)
    if when == "before":
        edit(directory, b"mail_name = x\n")
    transaction = apply(directory, appending(b"biff = no\n")).transaction
    if when == "open":
        edit(directory, b"mail_name = x\n")
    apply_transaction.confirm(transaction)
    assert differing(directory) == ["parameter mail_name"]


def test_a_run_without_confirmation_confirms_what_it_has_written(directory):
    remember_all(directory)
    edit(directory, b"mail_name = x\n")
    apply(directory, appending(b"biff = no\n"), seconds=0)
    assert differing(directory) == ["parameter mail_name"]


def test_what_is_written_beside_an_open_transaction_is_confirmed_with_it(directory):
    """For example a client that is enrolled."""
    with open(directory / "main.cf", "ab") as file:
        file.write(f"virtual_alias_maps = texthash:{directory}/other\n".encode())
    remember_all(directory)
    transaction = apply(directory, appending(b"biff = no\n")).transaction
    apply(directory, appending(b"a b\n", "other"), seconds=0, ignores_others=True)
    apply_transaction.confirm(transaction)
    assert differing(directory) == []


def test_an_undo_leaves_what_was_confirmed(directory):
    remember_all(directory)
    transaction = apply(directory, appending(b"biff = no\n")).transaction
    take_back(directory, transaction)
    assert differing(directory) == []


def judged(directory, judge):
    def build(found):
        plan = appending(b"biff = no\n")(found)
        plan.judge_others = judge
        return plan

    return build


def test_what_others_have_changed_is_judged(directory):
    apply_transaction.confirm(apply(directory, appending(b"biff = no\n")).transaction)
    seen = []

    def judge(names):
        seen.append(list(names))
        return ["a warning"]

    assert apply(directory, judged(directory, judge)).plan.warnings == []
    edit(directory, b"mail_name = x\n")
    assert apply(directory, judged(directory, judge)).plan.warnings[1:] == ["a warning"]
    assert seen == [["parameter mail_name"]]
    predicted = apply_transaction.apply(
        judged(directory, judge), lambda: Instance(str(directory)), check_mode=True, confirmation=Confirmation(600)
    )
    assert (predicted.verify, predicted.plan.warnings[1:]) == ("none", ["a warning"])


def test_a_warning_names_ten_parts(directory):
    apply_transaction.confirm(apply(directory, appending(b"biff = no\n")).transaction)
    edit(directory, b"".join(b"name%d = x\n" % number for number in range(12)))
    (warning,) = apply(directory, appending(b"biff = no\n")).plan.warnings
    assert warning.endswith("parameter name9, and 2 more")
