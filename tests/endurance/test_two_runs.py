# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two runs at the same time: both succeed, and the result is that of consecutive runs."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

TABLE = {"path": "transport", "type": "cdb", "parameter": "transport_maps"}

PAIRS = {
    "other parameters": (
        {"main_cf": {"smtpd_banner": "one", "maximal_queue_lifetime": "1d"}},
        {"main_cf": {"smtp_helo_name": "two.example.test", "bounce_queue_lifetime": "2d"}},
    ),
    "the same parameters": (
        {"main_cf": {"smtpd_banner": "one", "relayhost": "[one.example.test]", "smtp_helo_name": "one.example.test"}},
        {"main_cf": {"smtpd_banner": "two", "relayhost": None, "smtp_bind_address": "127.0.0.2"}},
    ),
    "services": (
        {
            "master_cf": [
                {"service": "submission/inet", "command": "smtpd", "options": {"syslog_name": "postfix/one"}},
                {"service": "smtp/inet", "options": {"smtpd_client_connection_count_limit": 1}},
            ]
        },
        {
            "master_cf": [
                {"service": "submission/inet", "command": "smtpd", "options": {"smtpd_tls_security_level": "encrypt"}},
                {"service": "submissions/inet", "command": "smtpd", "options": {"smtpd_tls_wrappermode": True}},
            ]
        },
    ),
    "table entries": (
        {"lookup_tables": [{**TABLE, "entries": {"example.test": "smtp:[one.test]", "one.test": "smtp:"}}]},
        {"lookup_tables": [{**TABLE, "entries": {"example.test": "smtp:[two.test]", "old.test": None}}]},
    ),
    "everything": (
        {
            "main_cf": {"smtpd_banner": "one"},
            "master_cf": [{"service": "submission/inet", "command": "smtpd", "options": {"syslog_name": "one"}}],
            "lookup_tables": [{**TABLE, "entries": {"example.test": "smtp:[one.test]"}, "exclusive": True}],
            "tls_policy": {"policies": [{"nexthop": "[hub.test]", "level": "encrypt"}], "type": "cdb"},
        },
        {
            "main_cf": {"smtpd_banner": "two", "smtp_tls_security_level": "may"},
            "master_cf": [{"service": "submission/inet", "state": "disabled"}],
            "lookup_tables": [{**TABLE, "entries": {"example.test": "smtp:[two.test]"}, "mode": "0600"}],
            "tls_policy": {"policies": [{"nexthop": "[other.test]", "level": "secure"}], "type": "cdb"},
        },
    ),
}
"""Tables are cdb: files with the same entries are identical."""


@pytest.fixture
def fresh(directory, modules):
    """Restores the initial configuration directory."""
    base = {"lookup_tables": [{**TABLE, "entries": {"example.test": "smtp:[old.test]", "old.test": "smtp:"}}]}
    modules({"config_directory": str(directory), **base}).succeeded()
    kept = f"{directory}.kept"
    shutil.copytree(directory, kept)

    def again():
        shutil.rmtree(directory)
        shutil.copytree(kept, directory)

    yield again
    shutil.rmtree(kept)


@pytest.fixture
def result(state):
    """Content and mode of all files, temporary files included."""
    return lambda: {name: (entry[0], entry[-1]) for name, entry in state().files.items()}


@pytest.mark.parametrize("pair", PAIRS)
def test_the_result_is_that_of_some_order(pair, full, seed, modules, directory, postfix, fresh, result):
    one, two = ({"config_directory": str(directory), **declared} for declared in PAIRS[pair])
    orders = []
    for order in ((one, two), (two, one)):
        fresh()
        for declared in order:
            modules(declared).succeeded()
        orders.append(result())
    chance = random.Random(f"{seed} {pair}")
    for waiting in (False, True) * (5 if full else 1):
        fresh()
        if waiting:
            # Both have planned from the same files before one of them gets the lock.
            with open(directory / "main.cf.tmp", "w", encoding="ascii") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                runs = [modules.start(one), modules.start(two)]
                time.sleep(1.0)
                assert all(run.alive() for run in runs), "a run did not wait for the lock"
                os.unlink(lock.name)
        else:
            runs = [modules.start(one)]
            time.sleep(chance.uniform(0, 0.1))
            runs.append(modules.start(two))
        for run in runs:
            assert run.result().succeeded()["changed"]
        assert result() in orders
        postfix.reads_everything()


@pytest.fixture
def stopped(modules, directory, declared):
    """A run that is stopped during its installation."""
    run = modules.start(declared("a"))
    assert run.until((directory / ".transaction").exists)
    run.signal(signal.SIGSTOP)
    yield run
    run.signal(signal.SIGCONT)


def test_a_lock_timeout_names_the_other_process(modules, declared, stopped, state, postfix):
    before = state()
    message = modules({**declared("b"), "lock_timeout": 1}).refused()
    assert f"process {stopped.process} (python" in message, message
    assert "has been editing this configuration for 1 seconds" in message, message
    assert "Run again when it has ended, or set lock_timeout to wait longer" in message, message
    assert state() == before, "the run must not change what the other run has begun"
    stopped.signal(signal.SIGCONT)
    stopped.result().succeeded()
    assert not modules(declared("a")).succeeded()["changed"]
    assert ".transaction" not in state().files and "main.cf.tmp" not in state().files
    postfix.reads_everything()


def has_open(process, path):
    """Whether a process has a file open."""
    for file in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            if os.readlink(file) == path:
                return True
    return False


def test_a_long_wait_is_reported(modules, directory, declared):
    with open(directory / "main.cf.tmp", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run = modules.start(declared("a"))
        assert run.until(lambda: has_open(run.process, lock.name)), "the run does not wait for the lock"
        time.sleep(4)
        os.unlink(lock.name)
    output = run.result().succeeded()
    assert output["changed"]
    assert f"for process {os.getpid()} (" in str(output["warnings"])
