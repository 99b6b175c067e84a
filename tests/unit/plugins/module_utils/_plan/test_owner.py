# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The owner of an instance: refused, recorded, and replaced."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import PostfixError
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan import owner
from ansible_collections.mailops.postfix.plugins.modules import configuration, verify

FORMER = {
    "smarthost": {
        "remedy": "Use smarthost_main_cf",
        "parameters": ["relay_clientcerts", "transport_maps", "mynetworks"],
        "services": [{"service": "submission/inet", "state": "disabled"}],
        "files": ["/etc/systemd/system/x.service"],
    }
}


def test_the_first_owner_is_recorded(run_module, directory):
    result = run_module(configuration, owner="smarthost")
    path = Path(owner.declared_path(str(directory)))
    assert result["changed"] and result["requires"] == "none", result
    assert json.loads(path.read_text()) == {"format": 1, "owner": "smarthost"}
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert not run_module(configuration, owner="smarthost")["changed"]


def test_another_owner_is_refused_before_anything_is_written(run_module, directory):
    run_module(configuration, owner="smarthost")
    before = (directory / "main.cf").read_bytes()
    for check_mode in (True, False):
        result = run_module(
            configuration,
            owner="mta_relay",
            main_cf={"relayhost": "x"},
            former_owners=FORMER,
            _ansible_check_mode=check_mode,
        )
        assert result["failed"]
        assert result["msg"].startswith(
            f"applying the role mta_relay to the Postfix instance in {directory}: the role smarthost owns it ("
        )
        assert result["msg"].endswith("Use smarthost_main_cf")
    assert (directory / "main.cf").read_bytes() == before


def test_a_run_without_an_owner_is_not_refused(run_module):
    run_module(configuration, owner="smarthost")
    assert not run_module(configuration).get("failed")


def test_an_undone_run_owns_nothing(run_module, sent):
    opened = run_module(configuration, owner="smarthost", confirm_within=600, _program=sent)
    run_module(verify, transaction=opened["transaction"]["id"], state="undone")
    assert not run_module(configuration, owner="mta_relay").get("failed")


def test_taking_over_withdraws_what_is_not_declared(tmp_path, directory):
    path = Path(owner.declared_path(str(directory)))
    path.parent.mkdir(parents=True)
    path.write_text('{"owner": "smarthost", "format": 1}')
    options = {
        "owner": "mta_relay",
        "take_over": True,
        "former_owners": FORMER,
        "main_cf": {"mynetworks": "127.0.0.0/8"},
        "lookup_tables": [{"path": "transport", "parameter": "transport_maps"}],
        "master_cf": [{"service": "smtp/unix"}],
    }
    seen, plan = owner.owned(Instance(str(directory)), options)
    assert seen["main_cf"] == {"mynetworks": "127.0.0.0/8"}
    assert seen["withdrawn"] == ["relay_clientcerts", "transport_maps", "mynetworks"]
    assert [(service["service"], service.get("state")) for service in seen["master_cf"]] == [
        ("submission/inet", "disabled"),
        ("smtp/unix", None),
    ]
    assert seen["files"] == [
        {"path": "/etc/systemd/system/x.service", "content": None, "mode": "0644", "state": "absent"}
    ]
    [change] = plan.changes
    assert json.loads(change.after)["owner"] == "mta_relay"


@pytest.mark.parametrize(("systemd", "there"), [(True, True), (True, False), (False, True)])
def test_taking_over_stops_services_of_the_former_role(tmp_path, directory, no_hooks, systemd, there):
    path = Path(owner.declared_path(str(directory)))
    path.parent.mkdir(parents=True)
    path.write_text('{"owner": "roadwarrior"}')
    if systemd:
        (no_hooks / "systemd_runs").mkdir()
    units = [tmp_path / "flush.service", tmp_path / "flush.conf"]
    for unit in units:
        unit.write_text("")
    former = {"roadwarrior": {"files": [str(unit if there else f"{unit}x") for unit in units]}}
    options = {"owner": "mta_relay", "take_over": True, "former_owners": former}
    _seen, plan = owner.owned(Instance(str(directory)), options)
    assert plan.afterwards == ([("systemctl", "stop", "flush.service")] if systemd and there else [])


def test_taking_over_an_instance(run_module, directory):
    declared = {
        "main_cf": {"relay_clientcerts": "static:x"},
        "master_cf": [{"service": "9025/inet", "command": "smtpd"}],
    }
    run_module(configuration, owner="smarthost", **declared)
    former = {
        "smarthost": {"parameters": ["relay_clientcerts"], "services": [{"service": "9025/inet", "state": "absent"}]}
    }
    table = {"path": "transport", "parameter": "transport_maps", "entries": {"example.com": "smtp:[hub.example.org]"}}
    again = {"owner": "mta_relay", "take_over": True, "former_owners": former, "lookup_tables": [table]}
    result = run_module(configuration, **again)
    assert not result.get("failed"), result
    assert "transport_maps = " in (directory / "main.cf").read_text()
    assert "relay_clientcerts" not in (directory / "main.cf").read_text()
    assert "9025" not in (directory / "master.cf").read_text()
    assert not run_module(configuration, **again)["changed"]


def test_a_broken_record(run_module, directory):
    path = Path(owner.declared_path(str(directory)))
    path.parent.mkdir(parents=True)
    path.write_text("[")
    with pytest.raises(PostfixError, match="it is not valid JSON"):
        owner.owned(Instance(str(directory)), {"owner": "mta_relay"})
