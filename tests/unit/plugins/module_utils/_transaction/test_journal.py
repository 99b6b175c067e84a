# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import HostError
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Attributes, Change, Plan
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply as apply_transaction
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import journal as journal_transaction

OLD = {
    "main.cf": b"a = 1\n",
    "master.cf": b"# old\n",
    "table": b"x 1\n",
    "table.db": b"old",
    "gone": b"to be removed\n",
}
NEW = {
    "main.cf": b"a = 2\n",
    "master.cf": b"# new\n",
    "table": b"x 2\n",
    "table.db": b"generated",
    "tls/a/key.pem": b"k",
}


@pytest.fixture
def directory(tmp_path):
    for name, content in OLD.items():
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, (1, 1))
    (tmp_path / "gone").chmod(0o640)
    return tmp_path


def contents(directory):
    """The content of every file below the directory, including hidden files."""
    return {
        os.path.relpath(os.path.join(path, name), directory): (
            open(os.path.join(path, name), "rb").read()  # noqa: SIM115
        )
        for path, _directories, names in os.walk(directory)
        for name in names
    }


def everything(instance):
    """A plan that changes, creates and removes files."""

    def generate(path):
        # As postmap does: another file under the same name, from a directory of its own.
        os.mkdir(f"{path}.d")
        with open(f"{path}.d/new", "wb") as file:
            file.write(b"generated")
        os.rename(f"{path}.d/new", path)
        os.rmdir(f"{path}.d")

    def change(name):
        return Change(instance.path(name), NEW.get(name), instance.read(name))

    stale = "" if instance.read("table.db") == b"generated" else "other content"
    return Plan(
        [
            change("tls/a/key.pem"),
            change("table"),
            Change(instance.path("table.db"), generate, b"", stale),
            change("master.cf"),
            change("main.cf"),
            change("gone"),
        ],
        requires="reload",
    )


def apply(directory, build=everything, **arguments):
    return apply_transaction.apply(build, lambda: Instance(str(directory)), **arguments)


def kill_at(count, action):
    """Run an action in a process that is killed at its count-th call that changes a name or a file; returns whether it was killed."""
    process = os.fork()
    if process == 0:
        try:
            left = [count]
            for name in ("rename", "link", "unlink", "mkdir", "rmdir", "fsync", "utime", "chmod"):
                setattr(os, name, _killing(getattr(os, name), left))
            action()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _pid, status = os.waitpid(process, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def _killing(function, left):
    def call(*arguments, **options):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)

    return call


def restore(directory):
    for name in contents(directory):
        os.unlink(directory / name)
    for name, content in OLD.items():
        (directory / name).write_bytes(content)
        os.utime(directory / name, (1, 1))


def test_a_kill_at_any_point_leaves_the_old_or_the_new_files(directory):
    """The installation is killed at its first call, its second, and so on until it completes."""
    outcomes = []
    count = 0
    while kill_at(count, lambda: apply(directory)):
        for name in ("main.cf", "master.cf", "table", "table.db"):
            assert (directory / name).read_bytes() in (OLD[name], NEW[name]), name
        recovered = journal_transaction.recover(str(directory))
        (directory / "main.cf.tmp").unlink(missing_ok=True)
        assert contents(directory) in (OLD, NEW), f"after the {count}th call"
        outcomes.append(contents(directory) == NEW)
        assert not (recovered and outcomes[-1]), "a complete installation is not recovered"
        assert (directory / "tls").exists() == outcomes[-1]
        restore(directory)
        count += 1
    assert contents(directory) == NEW
    assert outcomes == sorted(outcomes) and set(outcomes) == {False, True} and count > 30, outcomes


def test_the_next_run_after_a_kill_installs_all_files(directory):
    count = 0
    warned = 0
    while kill_at(count, lambda: apply(directory)):
        outcome = apply(directory)
        warned += any("interrupted" in warning for warning in outcome.plan.warnings)
        assert contents(directory) == NEW, f"after the {count}th call"
        restore(directory)
        count += 7
    assert not apply(directory).changed


def kill_when(directory, condition):
    """Kill the installation at the first call after which the condition is true; returns the number of that call."""
    for count in range(200):
        restore(directory)
        assert kill_at(count, lambda: apply(directory))
        if condition(contents(directory)):
            return count
        journal_transaction.recover(str(directory))
        (directory / "main.cf.tmp").unlink(missing_ok=True)
    pytest.fail("the installation was not in this state at any time")


def half_installed(present):
    return (present["master.cf"], present["main.cf"]) == (NEW["master.cf"], OLD["main.cf"])


def test_a_kill_of_the_recovery_is_recovered(directory):
    middle = kill_when(directory, half_installed)
    count = 0
    while kill_at(count, lambda: journal_transaction.recover(str(directory))):
        journal_transaction.recover(str(directory))
        (directory / "main.cf.tmp").unlink(missing_ok=True)
        assert contents(directory) == OLD, f"after the {count}th call"
        restore(directory)
        assert kill_at(middle, lambda: apply(directory))
        count += 1
    assert count > 5


def test_check_mode_recovers_nothing(directory):
    kill_when(directory, half_installed)
    before = contents(directory)
    apply(directory, check_mode=True)
    assert contents(directory) == before


def test_an_edit_after_the_kill_is_not_lost(directory):
    """An administrator corrects main.cf before the next run."""
    kill_when(directory, lambda present: present["main.cf"] == NEW["main.cf"] and "gone" in present)
    (directory / "main.cf").write_bytes(b"corrected = yes\n")
    journal_transaction.recover(str(directory))
    present = contents(directory)
    del present["main.cf.tmp"]
    assert present == {**OLD, "main.cf": b"corrected = yes\n"}


def test_undo(directory):
    before = {name: os.stat(directory / name) for name in OLD}
    assert apply(directory, provisional=True).requires == "reload"
    assert {name: text for name, text in contents(directory).items() if ".unverified" not in name} == NEW
    restored, left = apply_transaction.undo(str(directory))
    assert (sorted(os.path.basename(path) for path in restored), left) == (
        ["gone", "key.pem", "main.cf", "master.cf", "table", "table.db"],
        [],
    )
    assert contents(directory) == OLD and not (directory / "tls").exists()
    for name, status in before.items():
        now = os.stat(directory / name)
        assert (now.st_mtime_ns, now.st_mode) == (status.st_mtime_ns, status.st_mode)


def test_undo_undoes_all_unverified_changes(directory):
    apply(directory, provisional=True)
    apply(
        directory,
        lambda instance: Plan([Change(instance.path("main.cf"), b"a = 3\n", instance.main_cf)]),
        provisional=True,
    )
    assert contents(directory)["main.cf"] == b"a = 3\n"
    apply_transaction.undo(str(directory))
    assert contents(directory) == OLD


def test_undo_does_not_restore_files_that_have_been_changed_since(directory):
    apply(directory, provisional=True)
    (directory / "main.cf").write_bytes(b"a = 4\n")
    _restored, left = apply_transaction.undo(str(directory))
    assert left == [str(directory / "main.cf")]
    assert contents(directory) == {**OLD, "main.cf": b"a = 4\n"}


def test_undo_keeps_later_changes_that_are_not_provisional(directory):
    apply(directory, provisional=True)
    apply(directory, lambda instance: Plan([Change(instance.path("main.cf"), b"a = 5\n", instance.main_cf)]))
    _restored, left = apply_transaction.undo(str(directory))
    assert left == [str(directory / "main.cf")]


def test_attributes_are_undone(directory):
    def private(instance):
        return Plan([Change(instance.path("table"), b"x 1\n", b"x 1\n", attributes=Attributes(mode=0o600))])

    apply(directory, private, provisional=True)
    assert os.stat(directory / "table").st_mode & 0o777 == 0o600
    apply_transaction.undo(str(directory))
    assert os.stat(directory / "table").st_mode & 0o777 == 0o644


def test_confirm(directory):
    apply(directory, provisional=True)
    apply_transaction.confirm(str(directory))
    assert contents(directory) == NEW
    assert apply_transaction.undo(str(directory)) == ([], [])
    assert contents(directory) == NEW


def test_an_unverified_change_counts_as_a_change(directory):
    """The play was stopped between the change and its handler."""
    apply(directory, provisional=True)
    for check_mode in (True, False):
        again = apply(directory, provisional=True, check_mode=check_mode)
        assert (again.changed, again.requires) == (True, "reload")
        assert again.diff[0]["before_header"] == "the running Postfix"
    assert not apply(directory).changed, "only with provisional"
    apply_transaction.confirm(str(directory))
    assert not apply(directory, provisional=True).changed


def test_the_transaction_of_a_run(directory):
    predicted = apply(directory, provisional=True, check_mode=True)
    assert (predicted.transaction, predicted.verify) == (None, "none")
    first = apply(directory, provisional=True)
    assert journal_transaction.open_transactions(str(directory)) == [first.transaction]
    assert first.verify == "changed"
    again = apply(directory, provisional=True)
    assert (again.transaction, again.verify) == (first.transaction, "all")

    def build(instance):
        return Plan([Change(instance.path("main.cf"), b"a = 3\n", instance.main_cf)])

    second = apply(directory, build, provisional=True)
    assert journal_transaction.open_transactions(str(directory)) == [first.transaction, second.transaction]
    apply_transaction.confirm(str(directory))
    done = apply(directory, build, provisional=True)
    assert (done.transaction, done.verify) == (None, "none")


def test_a_run_that_is_confirmed_at_once_has_no_transaction(directory):
    outcome = apply(directory)
    assert (outcome.transaction, outcome.verify) == (None, "none")


def test_on_another_file_system(directory, monkeypatch):
    """An old file that can't have a second name is copied, and renamed within its own directory when it is restored."""
    rename = os.rename

    def no_link(source, target):
        raise OSError(18, "Invalid cross-device link", source, None, target)

    def within(source, target):
        if os.path.dirname(source) != os.path.dirname(target):
            raise OSError(18, "Invalid cross-device link", source, None, target)
        rename(source, target)

    monkeypatch.setattr(os, "link", no_link)
    monkeypatch.setattr(os, "rename", within)

    def build(instance):
        plan = everything(instance)
        plan.changes = [change for change in plan.changes if not callable(change.after)]
        return plan

    apply(directory, build, provisional=True)
    apply(
        directory,
        lambda instance: Plan([Change(instance.path("main.cf"), b"a = 3\n", instance.main_cf)]),
        provisional=True,
    )
    apply_transaction.undo(str(directory))
    assert contents(directory) == OLD
    assert (os.stat(directory / "gone").st_mode & 0o777, os.stat(directory / "gone").st_mtime) == (0o640, 1)


@pytest.mark.parametrize("provisional", [True, False])
def test_the_old_file_has_no_name(directory, provisional):
    """A daemon that has a table open opens the new one only then."""
    with open(directory / "table.db", "rb") as file:
        apply(directory, provisional=provisional)
        assert os.fstat(file.fileno()).st_nlink == 0


def test_only_root_can_read_a_journal(directory):
    apply(directory, provisional=True)
    (journal,) = directory.glob(".unverified-*")
    assert journal.stat().st_mode & 0o777 == 0o700
    assert (journal / "journal").stat().st_mode & 0o777 == 0o600
    assert time.time() - journal.stat().st_mtime < 60


# The format of journals


def journal_of(directory, name):
    return json.loads((directory / name / "journal").read_text())


def rewrite_journal(config_directory, name, **changes):
    """Change keys of a journal; None removes a key."""
    content = {**journal_of(config_directory, name), **changes}
    kept = {key: value for key, value in content.items() if value is not None}
    (config_directory / name / "journal").write_text(json.dumps(kept))


def test_a_journal_has_a_format_number(directory):
    apply(directory, provisional=True)
    assert journal_of(directory, ".unverified-1")["format"] == journal_transaction.FORMAT == 1


def test_a_journal_without_a_format_number_has_format_1(directory):
    apply(directory, provisional=True)
    rewrite_journal(directory, ".unverified-1", format=None, directory="as the first version wrote it")
    apply_transaction.undo(str(directory))
    assert contents(directory) == OLD


NEWER = r"a newer version of mailops\.postfix wrote it \(format {}; this version reads up to 1\)\. Upgrade"


@pytest.mark.parametrize("number", [2, "2024-01"])
@pytest.mark.parametrize("action", ["undo", "confirm"])
def test_a_newer_format_is_left_alone(directory, action, number):
    """The oldest of three transactions has a format that this version does not know. Nothing of the others is undone or confirmed either."""
    for content in (b"a = 2\n", b"a = 3\n", b"a = 4\n"):
        apply(
            directory,
            lambda instance, content=content: Plan([Change(instance.path("main.cf"), content, instance.main_cf)]),
            provisional=True,
        )
    rewrite_journal(directory, ".unverified-1", format=number, files={"another": "layout"}, requires=["reload"])
    before = contents(directory)
    with pytest.raises(HostError, match=NEWER.format(number)) as caught:
        getattr(apply_transaction, action)(str(directory))
    assert caught.value.subject == str(directory / ".unverified-1/journal")
    assert contents(directory) == before
    assert len(journal_transaction.unverified(str(directory))) == 3, "it still is reported as present"
    with pytest.raises(HostError, match=NEWER.format(number)):
        journal_transaction.unverified_targets(str(directory))


def test_an_interrupted_installation_of_a_newer_version_is_left_alone(directory):
    kill_when(directory, half_installed)
    rewrite_journal(directory, ".transaction", format=2)
    before = contents(directory)
    with pytest.raises(HostError, match=NEWER.format(2)):
        journal_transaction.recover(str(directory))
    with pytest.raises(HostError, match=NEWER.format(2)):
        apply(directory)
    assert contents(directory) == {name: text for name, text in before.items() if name != "main.cf.tmp"}


def test_check_mode_reports_an_unverified_change_of_a_newer_version(directory):
    apply(directory, provisional=True)
    rewrite_journal(directory, ".unverified-1", format=2, files=None)
    outcome = apply(directory, provisional=True, check_mode=True)
    assert (outcome.changed, outcome.requires) == (True, "reload")
