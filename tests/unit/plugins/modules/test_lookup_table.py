# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module lookup_table as Ansible runs it: options in, result out. What it decides is tested with the plan."""

from __future__ import annotations

import json
import os
import stat

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mailops.postfix.plugins.modules import lookup_table


@pytest.fixture(name="run")
def fixture_run(tmp_path, capsys):
    (tmp_path / "main.cf").write_text("compatibility_level = 3.6\ndefault_database_type = hash\n")
    (tmp_path / "master.cf").write_text("")
    os.utime(tmp_path / "main.cf", (1, 1))

    def run(**options):
        with patch_module_args({"config_directory": str(tmp_path), "path": "t", **options}), pytest.raises(SystemExit):
            lookup_table.main()
        return json.loads(capsys.readouterr().out)

    return run


def test_entries(run, tmp_path):
    entries = {"example.com": "smtp:[hub]:587", "old.example": None}
    predicted = run(entries=entries, _ansible_check_mode=True, _ansible_diff=True)
    assert predicted["changed"] and not (tmp_path / "t").exists()
    result = run(entries=entries, _ansible_diff=True)
    assert (result["changed"], result["requires"], result["map"]) == (True, "none", f"hash:{tmp_path}/t")
    assert result["diff"] == predicted["diff"]
    assert run(entries=entries)["changed"] is False


def test_a_table_read_once_needs_a_reload(run):
    options = {"entries": {"/a/": "REJECT"}, "type": "regexp"}
    assert [run(**options)["requires"] for _time in range(2)] == ["reload", "none"]


def test_mode_and_backup(run, tmp_path):
    run(entries={"a": "1"}, mode="0600")
    assert stat.S_IMODE((tmp_path / "t.db").stat().st_mode) == 0o600
    result = run(entries={"a": "2"}, backup=True)
    assert any(path.startswith(f"{tmp_path}/t.") for path in result["backup_files"])


@pytest.mark.parametrize(("mode", "hidden"), [("0600", True), ("0640", False), ("nonsense", False)])
def test_a_secret_is_in_no_output(run, mode, hidden):
    result = run(entries={"[hub]:587": "alice:open-sesame", "list": ["open-barley"]}, mode=mode, _ansible_diff=True)
    assert ["open-sesame" in str(result), "open-barley" in str(result)] == [not hidden] * 2


@pytest.mark.parametrize("mode", ["0600", None])
def test_a_secret_is_not_logged(run, tmp_path, monkeypatch, mode):
    """Declared to be one, or one already; numbers too, and what else says what is in it."""
    (tmp_path / "t").write_text("a x\n")
    (tmp_path / "t").chmod(0o600)
    hidden = {}
    monkeypatch.setattr(
        AnsibleModule, "_log_invocation", lambda module: hidden.update(dict.fromkeys(module.no_log_values))
    )
    run(entries={"k": 73519264, "l": "open-sesame", "m": True}, only_values=["open-rice"], mode=mode)
    assert set(hidden) == {"73519264", "open-sesame", "open-rice"}
    hidden.clear()
    run(src="/nowhere", checksum="ab" * 32, mode=mode)
    assert set(hidden) == {"ab" * 32}


@pytest.mark.parametrize(("mode", "secrets"), [("0600", {"abc", "longer"}), ("0640", set()), (None, {"longer"})])
def test_a_short_secret_is_hidden_where_the_table_is_declared_as_private(run, tmp_path, monkeypatch, mode, secrets):
    (tmp_path / "t").write_text("a x\n")
    (tmp_path / "t").chmod(0o640 if mode == "0640" else 0o600)
    hidden = {}
    monkeypatch.setattr(
        AnsibleModule, "_log_invocation", lambda module: hidden.update(dict.fromkeys(module.no_log_values))
    )
    run(entries={"k": "abc", "l": "longer", "m": 123}, mode=mode)
    assert set(hidden) == secrets


def test_a_user_that_does_not_exist_is_found_in_check_mode(run):
    for check_mode in (True, False):
        result = run(entries={"a": "1"}, owner="nobody-of-this-name", _ansible_check_mode=check_mode)
        assert result["failed"] and "there is no user 'nobody-of-this-name'" in result["msg"]


def test_removal(run, tmp_path):
    run(entries={"a": "1"})
    assert run(state="absent")["changed"] and not (tmp_path / "t.db").exists()
    assert run(state="absent")["changed"] is False


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"entries": {"a": "1"}, "src": "x"}, "mutually exclusive"),
        ({"type": "dbm"}, "type"),
        ({"entries": {"a b": "1"}}, "its key contains a blank"),
        ({"entries": {"a": True}}, "Put the value in quotes"),
        ({"src": "/nowhere", "remote_src": True}, "/nowhere: there is no such file"),
    ],
)
def test_errors(run, options, message):
    result = run(**options)
    assert result["failed"] and message in result["msg"]
