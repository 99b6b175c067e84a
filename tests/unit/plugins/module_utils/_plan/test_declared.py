# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store of what the owner of an instance has declared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._plan import declared
from ansible_collections.mailops.postfix.plugins.modules import configuration, verify

PASSWORDS = {
    "path": "sasl_passwd",
    "parameter": "smtp_sasl_password_maps",
    "mode": "0600",
    "entries": {"[provider.example]:587": "joe:S3cret-in-table"},
}


@pytest.fixture
def declared_file(directory):
    return Path(declared.declared_path(str(directory)))


@pytest.fixture
def before_file(directory):
    return Path(declared.before_path(str(directory)))


def test_the_first_owner_is_recorded(run_module, declared_file, before_file):
    result = run_module(configuration, owner="smarthost")
    assert result["changed"] and result["requires"] == "none", result
    assert json.loads(declared_file.read_text())["owner"] == "smarthost"
    for path in (declared_file, before_file):
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
    assert not run_module(configuration, owner="smarthost")["changed"]


def test_another_owner_is_refused_before_anything_is_written(run_module, directory, declared_file):
    run_module(configuration, owner="smarthost")
    before = [(directory / "main.cf").read_bytes(), declared_file.read_bytes()]
    for check_mode in (True, False):
        result = run_module(
            configuration,
            owner="mta_relay",
            main_cf={"relayhost": "x"},
            owner_remedies={"smarthost": "Use smarthost_main_cf"},
            _ansible_check_mode=check_mode,
        )
        assert result["failed"]
        assert result["msg"].startswith(
            f"applying the role mta_relay to the Postfix instance in {directory}: the role smarthost owns it ("
        )
        assert result["msg"].endswith("Use smarthost_main_cf")
    assert [(directory / "main.cf").read_bytes(), declared_file.read_bytes()] == before


def test_a_run_without_an_owner_is_not_refused_and_records_nothing(run_module, declared_file):
    run_module(configuration, owner="smarthost")
    before = declared_file.read_bytes()
    assert not run_module(configuration, main_cf={"relayhost": "[a.example]"}).get("failed")
    assert declared_file.read_bytes() == before


def test_an_undone_run_owns_nothing(run_module, sent, declared_file, before_file):
    opened = run_module(configuration, owner="smarthost", confirm_within=600, _program=sent)
    run_module(verify, transaction=opened["transaction"]["id"], state="undone")
    assert not declared_file.exists() and not before_file.exists()
    assert not run_module(configuration, owner="mta_relay").get("failed")


def test_check_mode_stores_nothing(run_module, declared_file):
    assert run_module(configuration, owner="smarthost", _ansible_check_mode=True)["changed"]
    assert not declared_file.exists()


def test_what_is_there_already_is_recorded_without_a_change(run_module, sent, declared_file, directory):
    """An administrator who declares what the files already have changes nothing that would have to be verified."""
    run_module(configuration, owner="smarthost")
    result = run_module(configuration, owner="smarthost", main_cf={"biff": False}, confirm_within=600, _program=sent)
    assert not result["changed"] and result["diff"] == [] and result["transaction"]["id"] is None, result
    [file] = json.loads(declared_file.read_text())["written"].values()
    assert file == {"kind": "main.cf", "parts": {"biff": {"value": "no", "by": "role"}}}


def test_no_secret_is_stored(run_module, declared_file, before_file, directory):
    declaration = {
        "owner": "roadwarrior",
        "lookup_tables": [PASSWORDS],
        "overrides": {"main_cf": {"lmtp_sasl_password_maps": "static:joe:S3cret-static"}},
        "files": [{"path": str(directory / "ldap.cf"), "content": "bind_pw = S3cret-ldap\n", "mode": "0600"}],
    }
    result = run_module(configuration, **declaration)
    assert not result.get("failed"), result
    assert "S3cret" not in declared_file.read_text()
    assert not run_module(configuration, **declaration)["changed"]
    # The password that an administrator had before is in the file that only root can read.
    changed = {**PASSWORDS, "entries": {"[provider.example]:587": "joe:S3cret-new"}}
    run_module(configuration, **{**declaration, "lookup_tables": [changed]})
    assert "S3cret" not in declared_file.read_text() + before_file.read_text()


@pytest.mark.parametrize("text", ["[", "[]", '{"written": [1]}', '{"written": {"/a": {}}}'])
def test_a_damaged_record(run_module, declared_file, text):
    declared_file.parent.mkdir(parents=True)
    declared_file.write_text(text)
    message = run_module(configuration, owner="mta_relay")["msg"]
    assert f"reading {declared_file}: it is not valid JSON. Remove it" in message


def test_a_newer_record(run_module, declared_file):
    declared_file.parent.mkdir(parents=True)
    declared_file.write_text('{"format": 99}')
    assert "a newer version of mailops.postfix wrote it" in run_module(configuration, owner="mta_relay")["msg"]
