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


@pytest.mark.parametrize("present", [None, 0o600, 0o640, 0o644])
@pytest.mark.parametrize("mode", ["0600", "0640", "nonsense", None])
def test_a_password_is_in_no_output(run, tmp_path, monkeypatch, present, mode):
    """Whatever the mode of the table is, and is to be; numbers too, and what else says what is in it."""
    with open(tmp_path / "main.cf", "a", encoding="utf-8") as file:
        file.write("smtp_sasl_password_maps = hash:$config_directory/t\n")
    if present is not None:
        (tmp_path / "t").write_text("a 0pen-oats\n")
        (tmp_path / "t").chmod(present)
    logged = []
    monkeypatch.setattr(
        AnsibleModule, "log", lambda _module, message, log_args=None: logged.append((message, log_args))
    )
    entries = {"[hub]:587": "alice:0pen-sesame", "list": ["0pen-barley"], "k": 73519264, "m": "a\\b'0pen-rye'"}
    result = run(entries=entries, only_values=["0pen-rice"], mode=mode, _ansible_diff=True)
    assert ("0pen-" in str(result), "73519264" in str(result)) == (False, False)
    assert logged == [(f"Invoked with path={tmp_path}/t config_directory={tmp_path}", None)] or not (
        "0pen-" in str(logged) or "73519264" in str(logged)
    )
    result = run(src="/nowhere", checksum="ab" * 32, mode=mode)
    assert "abab" not in str(result) + str(logged)


def test_what_is_not_secret_is_shown(run):
    result = run(entries={"example.com": "smtp:[hub]:587"}, _ansible_diff=True)
    assert result["diff"][0]["after"] == "example.com smtp:[hub]:587\n"
    result = run(entries={"example.com": "smtp:[hub]:588"}, mode="0640", _ansible_diff=True)
    assert "588" not in str(result)


def test_a_short_secret_does_not_hide_other_words(run):
    result = run(entries={"k": "a", "a b": "a"}, mode="0600")
    assert "its key contains a blank" in result["msg"]


@pytest.mark.parametrize(
    ("main_cf", "present", "options", "mode", "warned"),
    [
        ("", None, {}, 0o644, False),
        ("smtp_sasl_password_maps = hash:$config_directory/t\n", None, {}, 0o600, False),
        ("smtp_sasl_password_maps = hash:$config_directory/t\n", 0o644, {}, 0o600, True),
        ("lmtp_sasl_password_maps = hash:/x, hash:$config_directory/t\n", 0o644, {}, 0o600, True),
        ("smtp_sasl_password_maps = hash:$config_directory/t\n", 0o640, {}, 0o640, False),
        ("smtp_sasl_password_maps = hash:$config_directory/t\n", 0o644, {"mode": "0644"}, 0o644, False),
        ("smtp_sasl_password_maps = proxy:hash:$config_directory/t\n", 0o644, {}, 0o644, True),
        ("smtp_sasl_password_maps = hash:$config_directory/other\n", 0o644, {}, 0o644, False),
        ("transport_maps = hash:$config_directory/t\n", 0o644, {}, 0o644, False),
    ],
)
def test_the_mode_of_a_table_of_passwords(run, tmp_path, monkeypatch, main_cf, present, options, mode, warned):
    warnings = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, warning: warnings.append(warning))
    with open(tmp_path / "main.cf", "a", encoding="utf-8") as file:
        file.write(main_cf)
    if present:
        (tmp_path / "t").write_text("a x\n")
        (tmp_path / "t").chmod(present)
    run(entries={"a": "y"}, **options)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("t", "t.db")] == [mode] * 2
    assert any("has passwords" in warning for warning in warnings) == warned
    warnings.clear()
    run(entries={"a": "y"}, **options)
    assert not any("its mode is now" in warning for warning in warnings)


def test_an_option_of_a_service_names_a_table_of_passwords(run, tmp_path):
    (tmp_path / "master.cf").write_text(
        f"out unix - - n - - smtp -o smtp_sasl_password_maps=hash:{tmp_path}/t\nin unix - - n - - smtp\n"
    )
    run(entries={"a": "y"})
    assert stat.S_IMODE((tmp_path / "t").stat().st_mode) == 0o600


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
