# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the host has to keep a deadline: units of systemd, which systemd-analyze(1) reads, or a crontab and a process in the background."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host import state, system
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Plan
from ansible_collections.mailops.postfix.plugins.module_utils._program import deadline

COMMAND = "/usr/bin/python3 /var/lib/mailops-postfix/program"


@pytest.fixture
def instance(tmp_path):
    (tmp_path / "main.cf").write_text("")
    return Instance(str(tmp_path))


def planned(instance):
    plan = Plan()
    deadline.add_deadline(instance, plan, COMMAND)
    return plan, {os.path.basename(change.path): change.after.decode() for change in plan.changes}


@pytest.fixture
def systemd():
    os.mkdir(system.SYSTEMD_RUNS)


def test_with_systemd(instance, systemd):
    plan, files = planned(instance)
    assert sorted(files) == [
        "mailops-postfix-expired.service",
        "mailops-postfix-expired.timer",
        "mailops-postfix-undo.conf",
        "mailops-postfix-undo.service",
    ]
    assert all(change.stays for change in plan.changes)
    assert plan.beforehand == [
        ("systemctl", "daemon-reload"),
        ("systemctl", "restart", "mailops-postfix-expired.timer"),
    ]
    assert "OnUnitActiveSec=15\nAccuracySec=1s" in files["mailops-postfix-expired.timer"]
    boot = files["mailops-postfix-undo.service"]
    assert f"ExecStart={COMMAND} undo --boot" in boot and "Before=basic.target" in boot
    assert "DefaultDependencies=no" in boot and f"RequiresMountsFor={state.ROOT}" in boot
    assert files["mailops-postfix-undo.conf"].endswith("[Unit]\nWants=mailops-postfix-undo.service\n")


def test_the_units_are_valid(instance, systemd, tmp_path):
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze")
    names = []
    for name, text in planned(instance)[1].items():
        if not name.endswith(".conf"):
            names.append(str(tmp_path / name))
            (tmp_path / name).write_text(text.replace(COMMAND, "/bin/true"))
    done = subprocess.run([program, "verify", *names], capture_output=True, text=True, check=False)
    assert not [line for line in done.stderr.split("\n") if "mailops" in line], done.stderr


def test_with_systemd_again(instance, systemd):
    for change in planned(instance)[0].changes:
        Path(change.path).parent.mkdir(parents=True, exist_ok=True)
        Path(change.path).write_bytes(change.after)
    plan, _files = planned(instance)
    assert not any(change.rewrites for change in plan.changes)
    assert plan.beforehand == [("systemctl", "restart", "mailops-postfix-expired.timer")]


def test_with_cron(instance, monkeypatch):
    monkeypatch.setattr(deadline, "_cron_runs", lambda: True)
    plan, files = planned(instance)
    lines = [line for line in files["mailops-postfix"].split("\n") if line and not line.startswith("#")]
    assert lines == [
        f"* * * * * root {COMMAND} undo --expired > /dev/null 2>&1",
        f"@reboot root {COMMAND} undo --expired > /dev/null 2>&1",
    ]
    assert plan.warnings == []


def test_without_a_scheduler(instance, monkeypatch):
    monkeypatch.setattr(deadline, "_cron_runs", lambda: False)
    plan, files = planned(instance)
    assert files == {}
    [warning] = plan.warnings
    assert warning.endswith(f"run '{COMMAND} undo --expired' at boot and each minute")


def test_a_configuration_in_a_volume(instance, monkeypatch):
    """The state directory is lost with the container."""
    monkeypatch.setattr(deadline, "_cron_runs", lambda: True)
    monkeypatch.setattr(os.path, "ismount", lambda path: path == instance.config_directory)
    [warning] = planned(instance)[0].warnings
    assert f"Keep {state.ROOT} in a volume, too" in warning
    mounted = (instance.config_directory, os.path.dirname(state.ROOT))
    monkeypatch.setattr(os.path, "ismount", lambda path: path in mounted)
    assert planned(instance)[0].warnings == []


def test_a_renewal_starts_what_is_there(instance, systemd):
    assert deadline.start_commands(COMMAND) == []
    for change in planned(instance)[0].changes:
        Path(change.path).parent.mkdir(parents=True, exist_ok=True)
        Path(change.path).write_bytes(change.after)
    assert deadline.start_commands(COMMAND) == [("systemctl", "restart", "mailops-postfix-expired.timer")]
