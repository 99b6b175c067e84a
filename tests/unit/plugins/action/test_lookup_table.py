# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the action plugin asks the host and the module, and what it carries over.

Connection and module are stand-ins; the host's facts are those of a configuration directory here, asked of the installed
Postfix by the very command that would go to the host.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.mailops.postfix.plugins.action.lookup_table import ActionModule
from ansible_collections.mailops.postfix.plugins.module_utils._host import stamp
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan import lookup_table_standalone
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply

TABLE = b"a 1\n"
TICK = 0.02
"""Seconds in which the clock of the file system moves on."""
CHECKSUM = hashlib.sha256(TABLE).hexdigest()


@pytest.fixture(name="run")
def fixture_run(tmp_path, monkeypatch):
    source = tmp_path / "table"
    source.write_bytes(TABLE)
    seen = SimpleNamespace(calls=[], carried=[], removed=[], asked=[])

    def run(arguments, *answers, task_vars=None):
        action = ActionModule.__new__(ActionModule)
        remaining = list(answers)
        action._task = SimpleNamespace(args=arguments, delegate_to=None)
        action._templar = SimpleNamespace(template=lambda value: value)
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

        def ask(command):
            seen.asked.append(command)
            if "config_directory" not in arguments:
                return {"rc": 127, "stdout": "", "stderr": "a host without an answer"}
            done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False, text=True)
            return {"rc": done.returncode, "stdout": done.stdout, "stderr": done.stderr}

        action._low_level_execute_command = ask
        action._loader = SimpleNamespace(get_real_file=lambda path, decrypt: path, cleanup_tmp_file=seen.removed.append)
        action._find_needle = find
        action._execute_module = execute
        action._make_tmp_path = make
        action._transfer_file = lambda local, remote: seen.carried.append((Path(local).read_bytes(), remote))
        action._fixup_perms2 = lambda paths: None
        action._remove_tmp_path = seen.removed.append
        return action.run(task_vars=task_vars or {}), seen

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


@pytest.mark.parametrize(("key", "kind"), [(10.1, "a fraction"), (True, "a boolean")])
def test_keys_that_yaml_does_not_keep_are_refused(run, key, kind):
    result, seen = run({"path": "t", "entries": {"a": "1", key: "x"}})
    assert result["failed"] and kind in result["msg"] and "in quotes" in result["msg"]
    assert seen.calls == []


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


@pytest.fixture(name="table")
def fixture_table(tmp_path):
    """A function that installs the table in a configuration directory and gives the arguments of the task."""
    directory = tmp_path / "instance"
    directory.mkdir()
    (directory / "main.cf").write_text("compatibility_level = 3.6\ndefault_database_type = hash\n")
    (directory / "master.cf").write_text("")
    os.utime(directory / "main.cf", (1, 1))
    (tmp_path / "table").write_bytes(TABLE)

    def install(**options):
        full = {"path": "t", "src": str(tmp_path / "table"), "remote_src": True, **options}
        apply.apply(
            lambda instance: lookup_table_standalone.standalone_lookup_table(instance, full),
            lambda: Instance(str(directory)),
        )
        time.sleep(TICK)
        return {"path": "t", "src": "table", "config_directory": str(directory), **options}

    return install


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"type": "btree"},
        {"type": "cdb"},
        {"type": "texthash"},
        {"mode": "0600"},
        {"mode": 0o640, "owner": "root", "group": "0"},
    ],
)
def test_a_table_that_is_as_it_shall_be_costs_no_module(run, table, options):
    arguments = table(**options)
    result, seen = run(arguments)
    map_type = options.get("type", "hash")
    path = f"{arguments['config_directory']}/t"
    assert result == {"changed": False, "map": f"{map_type}:{path}", "requires": "none", "diff": []}
    assert len(seen.asked) == 1 and not seen.calls and not seen.carried


def in_place(path, text):
    """Other content of the same size, with the modification time put back."""
    status = path.stat()
    with path.open("r+b") as file:
        file.write(text)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    ("damage", "changes"),
    [
        (lambda path: None, {"src": "table", "type": "btree"}),
        (lambda path: None, {"mode": "0600"}),
        (lambda path: None, {"owner": "nobody"}),
        (lambda path: None, {"group": "4711"}),
        (lambda path: None, {"type": "nonsense"}),
        (lambda path: None, {"pth": "x"}),
        (lambda path: None, {"config_directory": "/nowhere"}),
        (lambda path: path.with_suffix(".db").unlink(), {}),
        (lambda path: os.utime(path.with_suffix(".db")), {}),
        (lambda path: in_place(path.with_suffix(".db"), b"x"), {}),
        (lambda path: in_place(path, TABLE), {}),
        (lambda path: path.with_suffix(".lmdb").touch(), {}),
        (lambda path: path.chmod(0o600), {}),
        (lambda path: (path.chmod(0o600), path.with_suffix(".db").chmod(0o644)), {}),
        (lambda path: path.with_name(".transaction").mkdir(), {}),
        (lambda path: path.with_name("main.cf").write_text("default_database_type = btree\n"), {}),
        (lambda path: path.with_name("main.cf").write_text("smtputf8_enable = no\n"), {}),
        (lambda path: os.unlink(stamp.state_file()), {}),
        (lambda path: Path(stamp.state_file()).write_text("{"), {}),
    ],
)
def test_whatever_else_the_host_says_the_module_decides(run, table, damage, changes):
    arguments = table()
    damage(Path(arguments["config_directory"]) / "t")
    os.utime(Path(arguments["config_directory"]) / "main.cf", (1, 1))
    result, seen = run({**arguments, **changes}, {"changed": "the module says"})
    assert result == {"changed": "the module says"} and len(seen.calls) == 1


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"a 2\n")])
def test_a_file_that_the_host_lacks_travels_at_once(run, table, damage):
    arguments = table()
    damage(Path(arguments["config_directory"]) / "t")
    _result, seen = run(arguments, {"changed": True})
    assert [call["src"] for call in seen.calls] == ["/remote/table"] and len(seen.carried) == 1


@pytest.mark.parametrize(
    ("task_vars", "expected"),
    [
        ({}, "&& python3 -c"),
        ({"ansible_python_interpreter": "/opt/python"}, "&& /opt/python -c"),
        (
            {
                "ansible_python_interpreter": "auto_silent",
                "ansible_facts": {"discovered_interpreter_python": "/usr/bin/python3.9"},
            },
            "&& /usr/bin/python3.9 -c",
        ),
    ],
)
def test_the_python_of_the_host(run, table, task_vars, expected):
    _result, seen = run(table(), {}, task_vars=task_vars)
    assert expected in seen.asked[0]
