# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which stamps are recorded."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host import stamp
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Agreement, Change, Plan
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import stamps


def table(directory, name="t", age=60):
    """The plan for two files that agree."""
    changes = []
    for path in (directory / name, directory / f"{name}.db"):
        path.write_bytes(b"x")
        os.utime(path, (time.time() - age, time.time() - age))
        changes.append(Change(str(path), b"x", b"x", stamp=f"hash:{name}"))
    return Plan(changes)


def record(plan, begun=None):
    stamps.record(plan, time.time() if begun is None else begun)


def test_recorded_for_root_alone(tmp_path, state_directory):
    plan = table(tmp_path)
    record(plan)
    assert stamp.holds("hash:t", [change.path for change in plan.changes])
    path = state_directory / "tables.json"
    assert [oct(entry.stat().st_mode & 0o777) for entry in (path, path.parent)] == ["0o600", "0o700"]
    assert [entry.name for entry in path.parent.iterdir()] == ["tables.json"]


def test_recorded_once(tmp_path):
    plan = table(tmp_path)
    record(plan)
    before = os.stat(stamp.state_file()).st_ino
    record(plan)
    assert os.stat(stamp.state_file()).st_ino == before


def test_others_stay_while_their_files_do(tmp_path):
    record(table(tmp_path))
    record(table(tmp_path, "other"))
    assert sorted(stamp.stamps()) == ["hash:other", "hash:t"]
    (tmp_path / "t.db").unlink()
    record(table(tmp_path, "third"))
    assert sorted(stamp.stamps()) == ["hash:other", "hash:third"]


@pytest.mark.parametrize("changed_last", [0, 1])
def test_no_stamp_for_what_has_changed_since_the_plan_was_begun(tmp_path, changed_last):
    plan = table(tmp_path)
    begun = time.time()
    os.utime(plan.changes[changed_last].path)
    record(plan, begun)
    assert stamp.stamps() == {}


def test_what_was_just_installed_is_not_what_has_changed_since(tmp_path):
    plan = table(tmp_path, age=3)
    plan.changes = [Change(change.path, b"x", None, stamp=change.stamp) for change in plan.changes]
    record(plan, begun=time.time() - 60)
    assert list(stamp.stamps()) == ["hash:t"]


@pytest.mark.parametrize(
    "changes",
    [
        [Change("/nonexistent/t", b"x", b"x", stamp="hash:t")],
        [Change("/etc/passwd", b"x", b"x")],
        [Change("/etc/passwd", None, b"x", stamp="hash:t")],
    ],
)
def test_nothing_to_record(changes, state_directory):
    record(Plan(changes))
    assert not state_directory.exists()


def test_a_directory_that_can_not_be_written(tmp_path, state_directory):
    state_directory.write_bytes(b"")
    record(table(tmp_path))
    assert stamp.stamps() == {}


def agreement(directory, **given):
    """The plan for two files that a certificate depends on, which were there a minute before it was begun."""
    paths = [str(directory / name) for name in ("source", "copy")]
    for path in paths:
        Path(path).write_bytes(b"x")
    return Plan(agreements=[Agreement("certificate x", paths, **given)]), time.time() + 60


def test_files_that_agree(tmp_path, state_directory):
    plan, begun = agreement(tmp_path, until=time.time() + 1000)
    record(plan, begun)
    assert stamp.holds("certificate x", plan.agreements[0].paths)
    (tmp_path / "copy").unlink()
    record(table(tmp_path))
    assert list(stamp.stamps()) == ["hash:t"]


def test_a_file_that_was_replaced_since_the_plan_was_begun(tmp_path):
    """By one with the modification time of an older one, as with cp -p."""
    plan, _later = agreement(tmp_path)
    os.utime(tmp_path / "source", (1, 1))
    record(plan, time.time() - 60)
    assert not stamp.holds("certificate x", plan.agreements[0].paths)


def test_a_file_that_the_plan_writes(tmp_path):
    plan, begun = agreement(tmp_path)
    (tmp_path / "copy").write_bytes(b"y")
    os.utime(tmp_path / "copy", (begun + 3600, begun + 3600))
    plan.changes.append(Change(str(tmp_path / "copy"), b"y", b"x"))
    record(plan, begun)
    assert stamp.holds("certificate x", plan.agreements[0].paths)
