# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the action plugins of certificate, ca_bundle and configuration send to the host, with a fake connection and module."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.mailops.postfix.plugins.action import ca_bundle, certificate, configuration
from ansible_collections.mailops.postfix.plugins.module_utils._program import archive, install
from ansible_collections.mailops.postfix.plugins.plugin_utils import _program_action

CHECKSUM = install.checksum(archive.program())
REMOTE = "/remote/program"


@pytest.fixture(
    name="run", params=[certificate, ca_bundle, configuration], ids=lambda module: module.__name__.rpartition(".")[2]
)
def fixture_run(request, monkeypatch):
    """Runs a task; returns its result, and what was sent to the host."""
    seen = SimpleNamespace(calls=[], sent=[], removed=[])

    def run(*answers, async_val=0):
        action = request.param.ActionModule.__new__(request.param.ActionModule)
        remaining = list(answers)
        action._task = SimpleNamespace(args={"name": "mx1"}, async_val=async_val)
        action._connection = SimpleNamespace(
            _shell=SimpleNamespace(tmpdir=None, join_path=lambda *parts: "/".join(parts))
        )

        def make():
            action._connection._shell.tmpdir = "/remote"

        def execute(module_args, task_vars, wrap_async):
            seen.calls.append((module_args, wrap_async))
            return dict(remaining.pop(0))

        action._execute_module = execute
        action._make_tmp_path = make
        action._transfer_data = lambda remote, data: seen.sent.append((remote, data))
        action._fixup_perms2 = lambda paths: None
        action._remove_tmp_path = seen.removed.append
        return action.run(task_vars={}), seen

    monkeypatch.setattr(ActionBase, "run", lambda self, tmp=None, task_vars=None: {})
    return run


def test_only_the_checksum_is_sent_if_the_host_has_the_program(run):
    result, seen = run({"changed": False})
    assert result == {"changed": False}
    [(arguments, background)] = seen.calls
    assert (arguments["name"], arguments["_program"], background) == ("mx1", {"checksum": CHECKSUM}, 0)
    assert (seen.sent, seen.removed) == ([], [None])


def test_the_program_is_sent_if_the_module_requests_it(run):
    result, seen = run({"changed": False, "_transfer": True}, {"changed": True})
    assert result == {"changed": True}
    assert [call[0]["_program"] for call in seen.calls] == [
        {"checksum": CHECKSUM},
        {"checksum": CHECKSUM, "path": REMOTE},
    ]
    assert seen.sent == [(REMOTE, archive.program())] and seen.removed == ["/remote"]


def test_the_program_is_sent_with_a_task_in_the_background(run):
    """The temporary directory stays: the module reads the program later."""
    _result, seen = run({"started": 1}, async_val=60)
    [(arguments, background)] = seen.calls
    assert (arguments["_program"], background) == ({"checksum": CHECKSUM, "path": REMOTE}, 60)
    assert seen.sent == [(REMOTE, archive.program())] and seen.removed == []


def test_the_hidden_option_is_not_reported(run):
    answer = {"changed": False, "invocation": {"module_args": {"name": "mx1", "_program": {"checksum": CHECKSUM}}}}
    result, _seen = run(answer)
    assert result["invocation"]["module_args"] == {"name": "mx1"}


def test_tasks_may_run_in_the_background():
    assert _program_action.ProgramAction._supports_async
