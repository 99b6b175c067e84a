# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stamp of two files, and everything that may happen to them afterwards."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host import stamp

TICK = 0.02
"""Seconds in which the clock of the file system moves on."""


@pytest.fixture(name="directory")
def fixture_directory(tmp_path):
    """A configuration directory with a table that has a stamp."""
    (tmp_path / "t").write_bytes(b"a 1\n")
    (tmp_path / "t.db").write_bytes(b"x")
    record(tmp_path)
    time.sleep(TICK)
    return tmp_path


def paths(directory):
    return [f"{directory}/t", f"{directory}/t.db"]


def record(directory, name="hash:t"):
    path = Path(stamp.state_file())
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({name: stamp.statuses(paths(directory))}))


def holds(directory, name="hash:t"):
    return stamp.holds(name, paths(directory))


def test_files_that_have_not_changed(directory):
    assert holds(directory) and not holds(directory, "btree:t")
    assert not stamp.holds("hash:t", paths(directory)[:1]) and not stamp.holds("hash:t", [*paths(directory), "/"])


def keep_time(act):
    """A process that restores the modification time."""

    def wrapped(path):
        old = path.stat().st_mtime_ns
        act(path)
        os.utime(path, ns=(old, old))

    return wrapped


def write_in_place(path):
    with path.open("r+") as file:
        file.write("Z")


def copy_back(path):
    shutil.copy2(path, f"{path}.saved")
    os.rename(f"{path}.saved", path)


@pytest.mark.parametrize("name", ["t", "t.db"])
@pytest.mark.parametrize(
    "damage",
    [
        write_in_place,
        keep_time(write_in_place),
        os.utime,
        lambda path: os.utime(path, (1_700_000_000, 1_700_000_000)),
        copy_back,
        lambda path: path.chmod(0o600),
        lambda path: os.chown(path, 1, 1),
        lambda path: path.unlink(),
    ],
)
def test_whatever_happens_to_a_file_the_stamp_does_not_hold(directory, name, damage):
    damage(directory / name)
    assert not holds(directory)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b'{"hash:t": null}', b'{"hash:t": {"t": 1}}'])
def test_a_record_that_can_not_be_read(directory, content):
    Path(stamp.state_file()).write_bytes(content)
    assert not holds(directory)
    record(directory)
    assert holds(directory)


def test_no_record(directory):
    Path(stamp.state_file()).unlink()
    assert not holds(directory) and stamp.stamps() == {}


def test_a_stamp_that_ends(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(b"x")
    until = time.time() + 100
    recorded = {**stamp.statuses([str(path)]), stamp.UNTIL: {"until": int(until)}}
    monkeypatch.setattr(stamp, "stamps", lambda: {"x": recorded})
    assert stamp.holds("x", [str(path)]) and not stamp.holds("x", []) and not stamp.holds("y", [])
    monkeypatch.setattr(stamp.time, "time", lambda: until)
    assert not stamp.holds("x", [str(path)])
