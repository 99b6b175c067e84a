# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module main_cf as Ansible runs it: options in, result out. What it decides is tested with the plan."""

from __future__ import annotations

from ansible_collections.mailops.postfix.plugins.modules import main_cf


def test_check_mode_diff_and_idempotence(run_module, directory):
    before = (directory / "main.cf").read_bytes()
    declared = {"smtp_tls_security_level": "may", "smtpd_tls_loglevel": 1, "biff": True, "readme_directory": None}
    predicted = run_module(main_cf, parameters=declared, _ansible_check_mode=True)
    assert (directory / "main.cf").read_bytes() == before

    result = run_module(main_cf, parameters=declared)
    assert (result["changed"], result["requires"]) == (True, "reload")
    assert result["parameters"] == {
        "smtp_tls_security_level": {"before": None, "after": "may"},
        "smtpd_tls_loglevel": {"before": None, "after": "1"},
        "biff": {"before": "no", "after": "yes"},
        "readme_directory": {"before": "no", "after": None},
    }
    assert result["diff"][0]["after"] == (directory / "main.cf").read_text()
    assert {key: value for key, value in predicted.items() if key != "invocation"} == {
        key: value for key, value in result.items() if key != "invocation"
    }

    again = run_module(main_cf, parameters=declared)
    assert (again["changed"], again["requires"], again["diff"], again["parameters"]) == (False, "none", [], {})


def test_backup(run_module, directory):
    before = (directory / "main.cf").read_bytes()
    result = run_module(main_cf, parameters={"biff": True}, backup=True)
    (path,) = result["backup_files"]
    with open(path, "rb") as file:
        assert file.read() == before


def test_an_error_is_a_message(run_module):
    result = run_module(main_cf, parameters={"smtp_tls_received_header": True})
    assert result["failed"] and "smtpd_tls_received_header" in result["msg"] and "exception" not in result


def test_a_directory_without_postfix(run_module, tmp_path):
    result = run_module(main_cf, parameters={"biff": True}, config_directory=str(tmp_path / "nowhere"))
    assert result["msg"].startswith(f"reading {tmp_path}/nowhere/main.cf: there is no such file")
