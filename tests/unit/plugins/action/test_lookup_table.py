# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the action plugin asks the module, and what it carries over. Connection and module are stand-ins."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.mailops.postfix.plugins.action.lookup_table import ActionModule

TABLE = b"a 1\n"
CHECKSUM = hashlib.sha256(TABLE).hexdigest()


@pytest.fixture(name="run")
def fixture_run(tmp_path, monkeypatch):
    source = tmp_path / "table"
    source.write_bytes(TABLE)
    seen = SimpleNamespace(calls=[], carried=[], removed=[])

    def run(arguments, *answers):
        action = ActionModule.__new__(ActionModule)
        remaining = list(answers)
        action._task = SimpleNamespace(args=arguments)
        action._connection = SimpleNamespace(
            _shell=SimpleNamespace(tmpdir=None, join_path=lambda *parts: "/".join(parts))
        )

        def find(_directory, name):
            if name != "table":
                raise AnsibleError(f"Could not find or access '{name}'")
            return str(source)

        def make():
            action._connection._shell.tmpdir = "/remote"

        def execute(module_args, task_vars):
            seen.calls.append(module_args)
            return dict(remaining.pop(0))

        action._loader = SimpleNamespace(get_real_file=lambda path, decrypt: path, cleanup_tmp_file=seen.removed.append)
        action._find_needle = find
        action._execute_module = execute
        action._make_tmp_path = make
        action._transfer_file = lambda local, remote: seen.carried.append((Path(local).read_bytes(), remote))
        action._fixup_perms2 = lambda paths: None
        action._remove_tmp_path = seen.removed.append
        return action.run(task_vars={}), seen

    monkeypatch.setattr(ActionBase, "run", lambda self, tmp=None, task_vars=None: {})
    return run


@pytest.mark.parametrize(
    "arguments",
    [
        {"path": "t", "entries": {"a": "1"}},
        {"path": "t", "src": "/x", "remote_src": "yes"},
        {"path": "t", "src": "table", "state": "absent"},
    ],
)
def test_what_needs_no_file_of_the_controller(run, arguments):
    result, seen = run(arguments, {"changed": True})
    assert (result, seen.calls, seen.carried) == ({"changed": True}, [arguments], [])


def test_the_file_stays_here_if_the_host_has_it(run):
    result, seen = run({"path": "t", "src": "table"}, {"changed": False, "map": "hash:t"})
    assert result == {"changed": False, "map": "hash:t"}
    assert seen.calls == [{"path": "t", "src": "table", "checksum": CHECKSUM}] and not seen.carried


def test_the_file_travels_if_the_host_asks_for_it(run):
    result, seen = run(
        {"path": "t", "src": "table", "mode": "0600"}, {"changed": False, "_transfer": True}, {"changed": True}
    )
    assert result == {"changed": True}
    assert seen.calls[1] == {
        "path": "t",
        "src": "/remote/table",
        "remote_src": True,
        "mode": "0600",
        "checksum": CHECKSUM,
    }
    assert seen.carried == [(TABLE, "/remote/table")] and "/remote" in seen.removed


def test_messages_name_the_file_of_the_controller(run):
    answers = {"_transfer": True}, {"failed": True, "msg": "reading /remote/table:2: wrong"}
    assert run({"path": "t", "src": "table"}, *answers)[0]["msg"] == "reading table:2: wrong"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"src": "none"}, "reading none: Could not find"),
        ({"src": "table", "checksum": "00"}, f"its SHA-256 is {CHECKSUM}, not 00"),
    ],
)
def test_errors(run, arguments, message):
    result, seen = run({"path": "t", **arguments})
    assert result["failed"] and message in result["msg"] and not seen.calls
