# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How :mod:`master` detects that master(8) uses a new configuration. The scenario ``verify`` tests it with the real master(8)."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import HostError
from ansible_collections.mailops.postfix.plugins.module_utils._host import master as master_host
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._host.master import Master, Process
from ansible_collections.mailops.postfix.plugins.module_utils._host.runner import Completed

MASTER_CF = """
smtp inet n - y - - smtpd
pickup unix n - y 60 1 pickup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - y 1000? 1 tlsmgr
"""

BEFORE = {(11, 100): Process("pickup", 100), (12, 100): Process("qmgr", 100), (13, 120): Process("smtpd", 100)}
PICKUP = {(21, 200): Process("pickup", 100)}
QMGR = {(22, 200): Process("qmgr", 100)}


class Watched(Master):
    """One whose processes are what the test says."""

    def __init__(self, instance):
        super().__init__(instance)
        self.found = BEFORE

    def _processes(self):
        return self.found


@pytest.fixture(name="make")
def fixture_make(tmp_path):
    def make(master_cf=MASTER_CF, kind=Watched, disabled=""):
        text = f"mail_version = 3.7.11\nmaster_service_disable = {disabled}\nqueue_directory = {tmp_path}\n"
        parameters = text.encode()

        def run(argv, _stdin):
            return Completed(tuple(argv), 0, parameters if argv[0] == "postconf" else b"", b"")

        (tmp_path / "main.cf").write_text(f"queue_directory = {tmp_path}\n")
        (tmp_path / "master.cf").write_text(master_cf)
        os.utime(tmp_path / "main.cf", (1, 1))
        return kind(Instance(str(tmp_path), run))

    return make


def test_of_what_was_not_brought_up_nothing_is_known(make):
    service = make()
    service.found = {**PICKUP, **QMGR}
    assert not service.has_taken_over()


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        ({}, False),
        (BEFORE, False),
        ({**BEFORE, **QMGR}, False),
        ({**BEFORE, **PICKUP, (22, 200): Process("qmgr", 0)}, False),
        ({**BEFORE, **PICKUP, (22, 200): Process("master", 100)}, False),
        ({**BEFORE, **PICKUP, **QMGR}, True),
        ({**PICKUP, **QMGR}, True),
        ({(11, 200): Process("pickup", 100), (12, 200): Process("qmgr", 100)}, True),
    ],
    ids=["none", "old", "one", "still root", "not yet", "beside the old", "instead", "numbers used again"],
)
def test_new_processes_show_it(make, found, shown):
    service = make()
    service.bring_up("restart")
    service.found = found
    assert service.has_taken_over() == shown


def test_a_service_that_keeps_the_rights_of_root(make):
    service = make("pickup unix n n y 60 1 pickup\n")
    service.bring_up("restart")
    service.found = {(21, 200): Process("pickup", 0)}
    assert service.has_taken_over()


def test_they_must_stay(make):
    service = make()
    service.bring_up("restart")
    service.found = {**PICKUP, **QMGR}
    assert service.has_taken_over()
    service.found = {**PICKUP, **QMGR, (23, 300): Process("smtpd", 100)}
    assert service.has_taken_over()
    service.found = {**PICKUP, (24, 300): Process("qmgr", 100)}
    assert not service.has_taken_over(), "one has died and was started again"


def test_what_has_not_been_started(make):
    service = make()
    service.bring_up("reload")
    assert service.not_woken(0) == ["pickup", "qmgr"]
    service.found = {**BEFORE, **PICKUP}
    assert service.not_woken(0.1) == ["qmgr"]
    service.found = {**PICKUP, **QMGR}
    assert service.not_woken(60) == []


@pytest.mark.parametrize("disabled", ["pickup.unix", "pickup/unix, submission.inet"])
def test_a_service_that_is_switched_off_is_not_awaited(make, disabled):
    service = make(disabled=disabled)
    service.bring_up("reload")
    service.found = {**BEFORE, **QMGR}
    assert service.not_woken(0) == []
    assert service.has_taken_over()


@pytest.mark.parametrize("master_cf", ["", "smtp inet n - y - - smtpd\n", "tlsmgr unix - - y 1000? 1 tlsmgr\n"])
def test_where_nothing_is_woken_only_time_can_tell(make, master_cf):
    service = make(master_cf)
    service.bring_up("restart")
    service.found = {(21, 200): Process("tlsmgr", 100)}
    assert not service.has_taken_over()


def test_the_children_of_the_process_that_the_file_names(make, tmp_path):
    (tmp_path / "pid").mkdir()
    service = make(kind=Master)
    service.instance.parameters = {"queue_directory": str(tmp_path)}
    assert service._processes() == {}
    with subprocess.Popen(["sh", "-c", "sleep 60 & echo; wait"], stdout=subprocess.PIPE) as master:
        try:
            master.stdout.readline()
            (tmp_path / "pid/master.pid").write_text(f"{master.pid:>11}\n")
            assert master_host.Process("sleep", os.geteuid()) in awaited(service)
        finally:
            subprocess.run(["pkill", "-P", str(master.pid)], check=False)


def test_the_start_of_the_oldest_process(make, monkeypatch):
    service = make()
    monkeypatch.setattr(master_host.state, "boot_time", lambda: 1000.0)
    monkeypatch.setattr(master_host.time, "time", lambda: 5000.0)
    service.found = {**BEFORE, (14, 200): Process("smtpd", 100), (15, 300): Process("tlsproxy", 100)}
    ticks = os.sysconf("SC_CLK_TCK")
    assert service.oldest_start(["smtpd", "tlsproxy"]) == 4000 + 120 / ticks
    assert service.oldest_start(["tlsproxy"]) == 4000 + 300 / ticks
    assert service.oldest_start(["postscreen"]) is None


def test_the_start_of_a_real_process(make, monkeypatch, tmp_path):
    monkeypatch.setattr(master_host.system, "master_process", lambda _queue: os.getpid())
    before = time.time()
    with subprocess.Popen(["sleep", "60"]) as child:
        after = time.time()
        started = Master(make().instance).oldest_start(["sleep"])
        child.kill()
    assert before - 0.1 <= started <= after + 0.1  # the kernel counts in ticks


@pytest.mark.parametrize("state", ["loaded", "not-found"])
def test_a_restart_by_systemd(tmp_path, no_hooks, state):
    """A drop-in that has been removed makes "systemctl cat" fail, and is in use until systemd reads its units again."""
    commands = []
    (no_hooks / "systemd_runs").mkdir()

    def run(argv, _stdin):
        commands.append(" ".join(argv))
        known = {"show": f"LoadState={state}\n", "-h": f"{tmp_path}\n"}
        return Completed(tuple(argv), 1 if "cat" in argv else 0, known.get(argv[1], "").encode(), b"")

    (tmp_path / "main.cf").write_text(f"queue_directory = {tmp_path}\n")
    (tmp_path / "master.cf").write_text("")
    Master(Instance(str(tmp_path), run)).bring_up("restart")
    expected = ["systemctl daemon-reload", "systemctl restart postfix.service"]
    assert [command for command in commands if command in expected] == (expected if state == "loaded" else [])


@pytest.mark.parametrize(
    ("requires", "after"), [("reload", ["reload"]), ("restart", ["stop", "start"])], ids=["reload", "restart"]
)
def test_another_process_starts_it_at_the_same_time(make, tmp_path, requires, after):
    """At boot without systemd, cron may undo a change while the init script starts Postfix."""
    commands = []
    service = make()
    (tmp_path / "pid").mkdir()

    def run(argv, stdin):
        if argv[0] != "postfix":
            return known(argv, stdin)
        commands.append(argv[-1])
        if commands == ["start"]:
            other = (tmp_path / "pid/master.pid").open("wb")
            fcntl.flock(other, fcntl.LOCK_EX)
            others.append(other)
            return Completed(tuple(argv), 1, b"", b"fatal: the Postfix mail system is already running")
        return Completed(tuple(argv), 0, b"", b"")

    others = []
    known, service.instance._run = service.instance._run, run
    service.bring_up(requires)
    others.pop().close()
    assert commands == ["start", *after]


def test_a_start_that_fails(make):
    service = make()
    known = service.instance._run
    service.instance._run = lambda argv, stdin: (
        Completed(tuple(argv), 1, b"", b"fatal: no") if argv[0] == "postfix" else known(argv, stdin)
    )
    with pytest.raises(HostError, match="fatal: no"):
        service.bring_up("reload")


def awaited(service):
    """Its processes, once the shell has started the expected child."""
    for _turn in range(1000):
        found = list(service._processes().values())
        if any(process.program == "sleep" for process in found):
            return found
    return []
