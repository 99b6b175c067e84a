# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that were installed together, and everything that may happen to them afterwards."""

from __future__ import annotations

import os
import shutil
import time

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host import stamp

LATER = 1.5 * stamp.WINDOW / stamp.SECOND


@pytest.fixture(name="files")
def fixture_files(tmp_path):
    """Two files as a transaction installs them."""
    files = [tmp_path / "t", tmp_path / "t.db"]
    for path in files:
        (tmp_path / f"{path.name}.new").write_text(f"content of {path.name}\n")
    staged = [tmp_path / f"{path.name}.new" for path in files]
    moment = 1_700_000_000 * stamp.SECOND + stamp.fraction("hash:t", [path.stat() for path in staged])
    for path in staged:
        os.utime(path, ns=(moment, moment))
    for path, target in zip(staged, files):
        path.rename(target)
    time.sleep(LATER)
    return files


def holds(files, name="hash:t"):
    return stamp.holds(name, [path.stat() for path in files])


def test_files_that_were_installed_together(files):
    assert holds(files) and holds(files[:1]) is False
    assert not holds(files, "btree:t") and not holds(files[::-1])
    assert files[0].stat().st_mtime_ns % stamp.SECOND > 0


def write_in_place(path, text="CONTENT OF T\n"):
    with path.open("r+") as file:
        file.write(text)


def copy_back(files):
    for path in files:
        shutil.copy2(path, f"{path}.saved")
    for path in files:
        os.rename(f"{path}.saved", path)


def keep_time(act):
    """A process that restores the modification time."""

    def wrapped(files):
        old = [path.stat().st_mtime_ns for path in files]
        act(files)
        for path, moment in zip(files, old):
            if path.stat().st_mtime_ns != moment:
                os.utime(path, ns=(moment, moment))

    return wrapped


def run_touch(files):
    now = time.time_ns()
    for path in files:
        os.utime(path, ns=(now, now))


def one_older(files):
    sealed = files[0].stat().st_mtime_ns
    os.utime(files[1], ns=(sealed, sealed - stamp.SECOND))
    os.utime(files[0], ns=(sealed, sealed))


@pytest.mark.parametrize(
    "damage",
    [
        lambda files: write_in_place(files[0]),
        lambda files: write_in_place(files[1]),
        keep_time(lambda files: write_in_place(files[0])),
        keep_time(lambda files: write_in_place(files[1])),
        lambda files: os.utime(files[0]),
        lambda files: os.utime(files[1]),
        run_touch,
        copy_back,
        one_older,
        lambda files: shutil.copy2(files[1], files[0]),
        lambda files: files[1].chmod(0o600),
        lambda files: [os.utime(path, (1_700_000_000, 1_700_000_000)) for path in files],
        lambda files: (
            [write_in_place(path, "longer than it was before\n") for path in files] + [keep_time(run_touch)(files)]
        ),
    ],
)
def test_whatever_happens_to_them_breaks_the_seal(files, damage):
    damage(files)
    assert not holds(files)


def test_a_file_system_without_nanoseconds_knows_nothing(files):
    for path in files:
        os.utime(path, ns=(5 * stamp.SECOND, 5 * stamp.SECOND))
    assert not holds(files)


@pytest.mark.parametrize("name", ["", "hash:/é", "hash:/\udcff"])
def test_the_fraction_is_never_zero(files, name):
    assert 0 < stamp.fraction(name, [files[0].stat()]) < stamp.SECOND
