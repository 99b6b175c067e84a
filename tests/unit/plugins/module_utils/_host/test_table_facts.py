# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host import table_facts

FIELDS = ["st_size", "st_mtime_ns"]


@pytest.fixture(name="directory")
def fixture_directory(tmp_path):
    (tmp_path / "t").write_bytes(b"a 1\n")
    (tmp_path / "t.db").write_bytes(b"x")
    (tmp_path / "tables.json").write_text(json.dumps({"hash:t": {f"{tmp_path}/t": {}}, "hash:u": {"/u": {}}}))
    return tmp_path


def facts(directory, path="t", suffixes=(".db", ".lmdb"), **more):
    return table_facts.table_facts(str(directory), path, suffixes, FIELDS, f"{directory}/tables.json", **more)


def test_facts(directory):
    found = facts(directory, owner="root", group="4711")
    assert found["path"] == f"{directory}/t" and found["sha256"] == hashlib.sha256(b"a 1\n").hexdigest()
    assert found["text"] == {"st_size": 4, "st_mtime_ns": (directory / "t").stat().st_mtime_ns}
    assert list(found["compiled"]) == [".db"] and found["compiled"][".db"]["st_size"] == 1
    assert found["stamps"] == {"hash:t": {f"{directory}/t": {}}}
    assert (found["owner"], found["group"], found["under_way"]) == (0, 4711, False)


def test_no_stamps(directory):
    (directory / "tables.json").unlink()
    assert facts(directory)["stamps"] == {}


@pytest.mark.parametrize("name", [".transaction", "etc-postfix/transactions/0badc0de"])
def test_an_installation_that_is_not_complete(directory, name):
    (directory / name).mkdir(parents=True)
    assert facts(directory)["under_way"]


def test_it_runs_by_itself(directory):
    """As the action plugin has the host run it: no other file of the collection is there."""
    asked = {"path": "t", "suffixes": [".db"], "fields": FIELDS, "stamps": f"{directory}/tables.json"}
    source = Path(table_facts.__file__).read_text()
    command = [sys.executable, "-I", "-c", source, str(directory), json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, check=True, cwd="/", env={"PATH": os.environ["PATH"]})
    assert json.loads(done.stdout) == facts(directory)


def test_a_table_that_is_not_there(directory):
    found = facts(directory, "none")
    assert (found["sha256"], found["text"], found["compiled"], found["stamps"]) == (None, None, {}, {})


@pytest.mark.parametrize(("name", "owner"), [("nowhere", None), ("", "no-such-owner")])
def test_what_can_not_be_told_is_an_error(directory, name, owner):
    with pytest.raises((OSError, KeyError)):
        facts(directory / name, owner=owner)


@pytest.mark.parametrize("content", ["{", "[1]", '{"hash:t": null}'])
def test_broken_stamps_are_an_error(directory, content):
    """The module then decides."""
    (directory / "tables.json").write_text(content)
    with pytest.raises((ValueError, AttributeError, TypeError)):
        facts(directory)


@pytest.mark.parametrize(
    ("main_cf", "named"),
    [
        ("smtp_sasl_password_maps = hash:/etc/postfix/t\n", True),
        ("smtp_sasl_password_maps = hash:/etc/postfix/other\n", False),
        ("transport_maps = hash:/etc/postfix/t\n", False),
    ],
)
def test_a_configuration_with_passwords_that_names_the_table(tmp_path, main_cf, named):
    (tmp_path / "main.cf").write_text(main_cf.replace("other", "x"))
    (tmp_path / "master.cf").write_text("")
    (tmp_path / "tbl").write_text("a b\n")
    (tmp_path / "main.cf").write_text(main_cf.replace("/t\n", "/tbl\n"))
    assert facts(tmp_path, "tbl")["passwords"] is named
