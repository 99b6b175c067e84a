# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import inspect
import json
import os
import subprocess
import sys

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host import large_table


@pytest.fixture(name="directory")
def fixture_directory(tmp_path):
    (tmp_path / "t").write_bytes(b"a 1\n")
    (tmp_path / "t.db").write_bytes(b"x")
    return tmp_path


def test_facts(directory):
    found = large_table.table_facts(str(directory), "t", [".db", ".lmdb"], owner="root", group="4711")
    assert found["path"] == f"{directory}/t" and found["sha256"] == hashlib.sha256(b"a 1\n").hexdigest()
    assert found["text"]["st_mtime_ns"] == (directory / "t").stat().st_mtime_ns
    assert list(found["compiled"]) == [".db"] and found["compiled"][".db"]["st_size"] == 1
    assert (found["owner"], found["group"], found["under_way"]) == (0, 4711, False)


@pytest.mark.parametrize("name", [".transaction", ".unverified-1"])
def test_an_installation_that_is_not_complete(directory, name):
    (directory / name).mkdir()
    assert large_table.table_facts(str(directory), "t", [])["under_way"]


def test_it_runs_by_itself(directory):
    """As the action plugin has the host run it: no other file of the collection is there."""
    asked = json.dumps({"path": "t", "suffixes": [".db"]})
    command = [sys.executable, "-I", "-c", inspect.getsource(large_table), str(directory), asked]
    done = subprocess.run(command, capture_output=True, check=True, cwd="/", env={"PATH": os.environ["PATH"]})
    assert json.loads(done.stdout) == large_table.table_facts(str(directory), "t", [".db"])


def test_a_table_that_is_not_there(directory):
    found = large_table.table_facts(str(directory), "none", [".db"])
    assert (found["sha256"], found["text"], found["compiled"]) == (None, None, {})


@pytest.mark.parametrize(("name", "owner"), [("nowhere", None), ("", "no-such-owner")])
def test_what_can_not_be_told_is_an_error(directory, name, owner):
    with pytest.raises((OSError, KeyError)):
        large_table.table_facts(str(directory / name), "t", [], owner)
