# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The timer that calls the program each hour, on several systems."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._host.runner import Completed
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Plan
from ansible_collections.mailops.postfix.plugins.module_utils._program import timer as timer_program
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply

COMMAND = "/usr/bin/python3 /var/lib/mailops-postfix/program deploy --due"


@pytest.fixture(name="run")
def fixture_run(directory):
    """Installs the timer; returns the outcome, and the commands that were run."""

    def run(check_mode=False, status=0):
        commands = []

        def program(argv, stdin=None):
            commands.append(" ".join(argv))
            return Completed(tuple(argv), status, b"", b"it cannot")

        def build(instance):
            timer = timer_program.timer(instance, COMMAND)
            return Plan(list(timer.changes), {"timer": timer.path}, afterwards=list(timer.afterwards))

        return apply.apply(build, lambda: Instance(str(directory), program), check_mode=check_mode), commands

    return run


def place(root, *names):
    shutil.rmtree(root / "cron.d")
    for name in names:
        (root / name).mkdir(parents=True)


def test_systemd(run, no_hooks):
    place(no_hooks, "systemd_runs", "hourly", "cron.d")
    predicted, commands = run(check_mode=True)
    assert commands == [] and not (no_hooks / "units").exists()
    outcome, commands = run()
    assert outcome.diff == predicted.diff
    assert commands == ["systemctl daemon-reload", "systemctl restart mailops-postfix-due.timer"]
    units = {
        str(path.relative_to(no_hooks / "units")): path for path in (no_hooks / "units").rglob("*.*") if path.is_file()
    }
    assert sorted(units) == [
        "mailops-postfix-due.service",
        "mailops-postfix-due.timer",
        "timers.target.d/mailops-postfix-due.conf",
    ]
    assert outcome.plan.result["timer"] == str(units["mailops-postfix-due.timer"])
    assert f"\nExecStart={COMMAND}\n" in units["mailops-postfix-due.service"].read_text()
    assert "\nWants=mailops-postfix-due.timer\n" in units["timers.target.d/mailops-postfix-due.conf"].read_text()
    again, commands = run()
    assert not again.changed and commands == []


def test_a_failure_of_systemctl_is_a_warning(run, no_hooks):
    place(no_hooks, "systemd_runs")
    outcome, _commands = run(status=1)
    assert outcome.changed and outcome.plan.warnings[0] == "running systemctl daemon-reload: it cannot"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_accepts_the_units(run, no_hooks):
    place(no_hooks, "systemd_runs")
    run()
    units = [str(no_hooks / f"units/mailops-postfix-due.{kind}") for kind in ("timer", "service")]
    done = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False, timeout=60
    )
    own = [line for line in done.stderr.splitlines() if "mailops-postfix-due" in line and "not executable" not in line]
    assert own == []


def test_alpine(run, no_hooks):
    place(no_hooks, "hourly", "cron.d")
    outcome, commands = run()
    script = no_hooks / "hourly/mailops-postfix-due"
    assert outcome.plan.result["timer"] == str(script) and commands == [] and not list((no_hooks / "cron.d").iterdir())
    assert script.read_text().startswith("#!/bin/sh\n") and script.read_text().endswith(f"\nexec {COMMAND}\n")
    assert os.access(script, os.X_OK) and "." not in script.name  # run-parts skips names with a dot


def test_cron(run, no_hooks):
    outcome, _commands = run()
    crontab = no_hooks / "cron.d/mailops-postfix-due"
    assert outcome.plan.result["timer"] == str(crontab) and oct(crontab.stat().st_mode & 0o777) == "0o644"
    assert crontab.read_text().endswith(f"\n17 * * * * root {COMMAND} > /dev/null 2>&1\n")
    assert not run()[0].changed


def test_a_host_without_a_scheduler(run, no_hooks):
    place(no_hooks)
    outcome, _commands = run()
    assert outcome.plan.result["timer"] is None and not outcome.changed
