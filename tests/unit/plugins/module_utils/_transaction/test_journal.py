# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import HostError
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Change, Plan
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply as apply_transaction
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import journal as journal_transaction
from ansible_collections.mailops.postfix.plugins.module_utils._transaction.apply import Confirmation
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils._transaction.killed import contents, kill_at

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


def test_on_another_file_system(directory, monkeypatch):
    """An old file that can't have a second name is copied, and renamed within its own directory when it is restored."""
    rename = os.rename

    def no_link(source, target):
        raise OSError(18, "Invalid cross-device link", source, None, target)

    def within(source, target):
        if os.path.dirname(source) != os.path.dirname(target):
            raise OSError(18, "Invalid cross-device link", source, None, target)
        if os.path.basename(target) == "main.cf" and b"a = 2" in open(source, "rb").read():  # noqa: SIM115
            raise OSError(28, "No space left on device", source, None, target)
        rename(source, target)

    monkeypatch.setattr(os, "link", no_link)
    monkeypatch.setattr(os, "rename", within)

    def build(instance):
        plan = everything(instance)
        plan.changes = [change for change in plan.changes if not callable(change.after)]
        return plan

    with pytest.raises(HostError, match="No space left on device. Nothing has been changed"):
        apply(directory, build)
    assert contents(directory) == OLD
    assert (os.stat(directory / "table").st_mode & 0o777, os.stat(directory / "table").st_mtime) == (0o644, 1)


@pytest.mark.parametrize("seconds", [600, 0])
def test_the_old_file_has_no_name(directory, seconds):
    """A daemon that has a table open opens the new one only then."""
    with open(directory / "table.db", "rb") as file:
        apply(directory, confirmation=Confirmation(seconds))
        assert os.fstat(file.fileno()).st_nlink == 0


def test_a_copy_is_never_more_readable_than_the_original(directory, monkeypatch):
    """What an unprivileged user could open at any moment of the copy, as a watcher of the directory would."""
    (directory / "table").chmod(0o600)
    (directory / "gone").chmod(0o640)
    seen = []
    for name in ("open", "fchown", "fchmod", "chmod", "fsync"):
        monkeypatch.setattr(os, name, _watched(getattr(os, name), directory / "copy", seen))
    for name in ("table", "gone"):
        journal_transaction.copy_file(str(directory / name), str(directory / "copy"))
        assert seen and not any(mode & ~os.stat(directory / name).st_mode & 0o777 for mode in seen), seen
        assert os.stat(directory / "copy").st_mode == os.stat(directory / name).st_mode
        (directory / "copy").unlink()


def _watched(function, path, seen):
    def call(*arguments, **options):
        result = function(*arguments, **options)
        if path.exists():
            seen.append(path.stat().st_mode & 0o777)
        return result

    return call


# The format of journals


def rewrite_journal(config_directory, name, **changes):
    """Change keys of a journal."""
    path = config_directory / name / "journal"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


NEWER = r"a newer version of mailops\.postfix wrote it \(format {}; this version reads up to 1\)\. Upgrade"


def test_an_interrupted_installation_of_a_newer_version_is_left_alone(directory):
    kill_when(directory, half_installed)
    rewrite_journal(directory, ".transaction", format=2)
    before = contents(directory)
    with pytest.raises(HostError, match=NEWER.format(2)):
        journal_transaction.recover(str(directory))
    with pytest.raises(HostError, match=NEWER.format(2)):
        apply(directory)
    assert contents(directory) == {name: text for name, text in before.items() if name != "main.cf.tmp"}
