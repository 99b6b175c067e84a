# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module tls_policy as Ansible runs it: options in, result out. What it decides is tested with the plan."""

from __future__ import annotations

import json
import os

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mailops.postfix.plugins.modules import tls_policy

PIN = ":".join(["AB"] * 32)


@pytest.fixture(name="run")
def fixture_run(tmp_path, capsys):
    (tmp_path / "main.cf").write_text(
        "compatibility_level = 3.6\ndefault_database_type = hash\nrelayhost = [hub]:587\n"
    )
    (tmp_path / "master.cf").write_text("")
    os.utime(tmp_path / "main.cf", (1, 1))

    def run(*policies, **options):
        with (
            patch_module_args({"config_directory": str(tmp_path), "policies": list(policies), **options}),
            pytest.raises(SystemExit),
        ):
            tls_policy.main()
        return json.loads(capsys.readouterr().out)

    return run


def test_policies(run, tmp_path):
    policy = {"nexthop": "[hub]:587", "level": "fingerprint", "match": PIN, "protocols": "!SSLv2, !SSLv3"}
    predicted = run(policy, _ansible_check_mode=True, _ansible_diff=True)
    assert predicted["changed"] and not (tmp_path / "tls_policy").exists()
    result = run(policy, _ansible_diff=True)
    assert (result["changed"], result["requires"], result["map"]) == (True, "none", f"hash:{tmp_path}/tls_policy")
    assert result["policies"] == [
        {"nexthop": "[hub]:587", "level": "fingerprint", "match": [PIN], "protocols": "!SSLv2, !SSLv3"}
    ]
    assert result["diff"] == predicted["diff"]
    assert run(policy)["changed"] is False
    assert run({"nexthop": "[hub]:587", "state": "absent"}, path="tls_policy")["policies"] == []


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"level": "may"}, "nexthop, domain"),
        ({"nexthop": "a", "domain": "b", "level": "may"}, "mutually exclusive"),
        ({"nexthop": "a", "route": "direct", "level": "may"}, "mutually exclusive"),
        ({"nexthop": "a"}, "level"),
        ({"nexthop": "a", "level": "halfdane"}, "halfdane"),
        ({"nexthop": "a", "level": "encrypt", "ciphers": "strong"}, "strong"),
        ({"nexthop": "a", "level": "fingerprint", "match": ["AA:BB"]}, "has 2 bytes"),
        ({"domain": "example.com", "level": "encrypt"}, "leaves through [hub]:587"),
        ({"domain": "example.com", "level": "encrypt", "route": "direct"}, "transport_maps has no table"),
    ],
)
def test_errors(run, policy, message):
    result = run(policy)
    assert result["failed"] and message in result["msg"]
