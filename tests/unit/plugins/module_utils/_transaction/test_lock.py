# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import HostError
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import lock

HOLDER = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def main_cf(tmp_path):
    path = tmp_path / "main.cf"
    path.write_text("a = 1\n")
    return path


@pytest.fixture
def hold(main_cf):
    """Start another process that has the lock for some seconds."""
    started = []

    def start(seconds):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, f"{main_cf}.tmp", str(seconds)], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "locked\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_free_lock(main_cf):
    with lock.held(str(main_cf)) as waited:
        assert os.path.exists(f"{main_cf}.tmp")
    assert (waited, os.path.exists(f"{main_cf}.tmp")) == ("", False)


def test_the_lock_is_released_after_a_failure(main_cf):
    with pytest.raises(ZeroDivisionError), lock.held(str(main_cf)):
        raise ZeroDivisionError
    with lock.held(str(main_cf), limit=0):
        pass


def test_the_wait_has_a_limit_and_names_the_other_process(main_cf, hold):
    other = hold(60)
    with pytest.raises(HostError) as caught, lock.held(str(main_cf), limit=0.3):
        pass
    message = str(caught.value)
    assert message.startswith(f"locking {main_cf}: process {other.pid} (python")
    assert message.endswith("Run again when it has ended, or set lock_timeout to wait longer")


def test_a_long_wait_is_reported(main_cf, hold, monkeypatch):
    monkeypatch.setattr(lock, "REPORTED_WAIT_SECONDS", 0.2)
    other = hold(0.6)
    with lock.held(str(main_cf), limit=30) as waited:
        assert f"for process {other.pid} (python" in waited


def test_one_writer_at_a_time(main_cf):
    """Each of 20 threads reads the counter that the one before it has written."""
    counter = [0]

    def count():
        with lock.held(str(main_cf)):
            now = counter[0]
            time.sleep(0.005)
            counter[0] = now + 1

    threads = [threading.Thread(target=count) for _number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter == [20]


def test_held_if_free(main_cf, hold):
    with lock.held_if_free(str(main_cf)) as free:
        assert free
        with lock.held_if_free(str(main_cf)) as again:
            assert not again
        assert os.path.exists(f"{main_cf}.tmp"), "the file of the other one"
    assert not os.path.exists(f"{main_cf}.tmp")
    hold(60)
    with lock.held_if_free(str(main_cf)) as free:
        assert not free


def test_a_lock_on_a_file_that_was_removed_meanwhile_is_no_lock(main_cf, monkeypatch):
    """Its last holder removes the file between the opening and the locking of it; the next one would lock another file."""
    open_file, removed = lock._open_file, []

    def open_and_remove(name, path):
        descriptor = open_file(name, path)
        if len(removed) < 1:
            removed.append(name)
            os.unlink(name)
        return descriptor

    monkeypatch.setattr(lock, "_open_file", open_and_remove)
    with lock.held(str(main_cf)):
        assert os.path.exists(f"{main_cf}.tmp")
        with lock.held_if_free(str(main_cf)) as free:
            assert not free
    removed.clear()
    with lock.held_if_free(str(main_cf)) as free:
        assert not free


def test_held_if_free_in_a_missing_directory(tmp_path):
    with lock.held_if_free(str(tmp_path / "nowhere/main.cf")) as free:
        assert not free


def test_a_missing_directory(tmp_path):
    with (
        pytest.raises(HostError, match="locking .*nowhere/main.cf: No such file or directory"),
        lock.held(str(tmp_path / "nowhere/main.cf")),
    ):
        pass
