# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which run opens a transaction, and whether the process that opened another one still exists; real processes, a fake module."""

from __future__ import annotations

import os
import subprocess
from types import SimpleNamespace

import pytest
from ansible_collections.mailops.postfix.plugins.action import configuration

PROGRAM = {"checksum": "x"}


@pytest.fixture
def run():
    """Runs a task with the answers of the module; returns its result and the hidden option of each call."""

    def call(*answers, async_val=0):
        action = configuration.ActionModule.__new__(configuration.ActionModule)
        remaining, seen = list(answers), []
        action._task = SimpleNamespace(args={}, async_val=async_val)

        def execute(module_args, task_vars, wrap_async):
            controller = module_args["_controller"]
            seen.append({**controller, "asked": list(controller["asked"])})
            return dict(remaining.pop(0))

        action._execute_module = execute
        return action._call(PROGRAM, {}), seen

    return call


def process(number=None):
    return configuration._process(os.getpid() if number is None else number)


@pytest.fixture
def ended():
    child = subprocess.Popen(["sleep", "600"])
    found = process(child.pid)
    child.kill()
    child.wait()
    return found


def test_the_run_is_the_parent_process(run):
    """Tasks run in children of ansible-playbook."""
    result, [seen] = run({"changed": True})
    assert result == {"changed": True}
    assert seen["process"] == process(os.getppid()) and seen["process"]["number"] == os.getppid()
    assert seen["host"] == os.uname().nodename and seen["user"] and seen["asks"]


def test_a_process_that_has_ended(run, ended):
    result, calls = run({"_open": "0badc0de", "_opener": ended}, {"changed": True})
    assert result == {"changed": True}
    assert [(call["asked"], call["ended"]) for call in calls] == [([], None), (["0badc0de"], "0badc0de")]


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"machine": "another"},
        {"namespace": "pid:[1]"},
        {"number": os.getpid()},
    ],
    ids=["runs", "on another machine", "in another container", "is this one"],
)
def test_a_process_that_may_still_run(run, ended, other):
    opener = {**(process() if not other or "number" in other else ended), **other}
    _result, calls = run({"_open": "0badc0de", "_opener": opener}, {"changed": True})
    assert [(call["asked"], call["ended"]) for call in calls] == [([], None), (["0badc0de"], None)]


def test_a_controller_that_was_restarted(run, ended):
    _result, calls = run({"_open": "0badc0de", "_opener": {**process(), "boot": "another"}}, {"changed": True})
    assert calls[1]["ended"] == "0badc0de"


def test_a_number_that_another_process_has_now(run):
    _result, calls = run({"_open": "0badc0de", "_opener": {**process(), "started": "1"}}, {"changed": True})
    assert calls[1]["ended"] == "0badc0de"


def test_an_opener_that_is_not_known(run):
    _result, calls = run({"_open": "0badc0de", "_opener": {}}, {"changed": True})
    assert calls[1]["ended"] is None


def test_a_task_in_the_background_can_not_ask(run):
    _result, [seen] = run({"started": 1}, async_val=60)
    assert not seen["asks"]
