# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module verify as Ansible runs it."""

from __future__ import annotations

from contextlib import contextmanager

import yaml
from ansible_collections.mailops.postfix.plugins.module_utils._verify import restoration, verify
from ansible_collections.mailops.postfix.plugins.modules import configuration
from ansible_collections.mailops.postfix.plugins.modules import verify as verify_module


def test_an_instance_that_does_not_run(run_module, directory):
    with open(directory / "main.cf", "a", encoding="utf-8") as file:
        file.write(f"queue_directory = {directory}/queue\n")
    result = run_module(verify_module)
    assert result["failed"] and not result["changed"]
    assert result["msg"] == (
        f"verifying the Postfix instance in {directory}: Postfix is not running. Nothing has been undone: "
        "what this verifies does not belong to an open transaction, and stays"
    )
    assert result["problems"] == ["Postfix is not running"]


def test_no_such_instance(run_module, tmp_path):
    assert "there is no such file" in run_module(verify_module, config_directory=str(tmp_path / "nowhere"))["msg"]


def test_a_check_run_predicts_the_reload(run_module):
    result = run_module(verify_module, requires="reload", _ansible_check_mode=True)
    assert (result["changed"], result["problems"], result["listeners"]) == (True, [], [])


def test_its_options_are_documented():
    documented = yaml.safe_load(verify_module.DOCUMENTATION)["options"]
    assert {name: (option["type"], option.get("default")) for name, option in documented.items()} == {
        name: (option["type"], option.get("default")) for name, option in verify.VERIFY.items()
    }


def test_the_undo_waits_for_another_writer(run_module, directory, sent, monkeypatch):
    result = run_module(configuration, main_cf={"smtpd_tls_loglevel": 1}, confirm_within=600, _program=sent)
    seen = []

    @contextmanager
    def held(path, limit):
        seen.append((path, limit))
        yield ""

    monkeypatch.setattr(restoration.lock, "held", held)
    run_module(verify_module, lock_timeout=7, transaction=result["transaction"]["id"], state="undone")
    assert seen == [(f"{directory}/main.cf", 7.0)]
