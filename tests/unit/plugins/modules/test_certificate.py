# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module certificate as Ansible runs it: options and results. The tests of the plans check the rest."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mailops.postfix.plugins.modules import certificate


@pytest.fixture(name="run")
def fixture_run(tmp_path, capsys):
    (tmp_path / "main.cf").write_text("compatibility_level = 3.6\n")
    (tmp_path / "master.cf").write_text("")

    def run(**options):
        with patch_module_args({"config_directory": str(tmp_path), **options}), pytest.raises(SystemExit):
            certificate.main()
        return json.loads(capsys.readouterr().out)

    return run


def test_self_signed(run, tmp_path):
    path = tmp_path / "tls/hub.example.org.pem"
    predicted = run(name="hub.example.org", provider="self_signed", _ansible_check_mode=True)
    assert predicted["changed"] and predicted["requires"] == "reload" and not path.exists()
    result = run(name="hub.example.org", provider="self_signed", _ansible_diff=True)
    assert result["changed"] and result["requires"] == "reload" and path.exists()
    assert result["certificate"]["names"] == ["hub.example.org"]
    assert len(result["certificate"]["fingerprint"]["sha256"]) == 95
    assert result["parameters"]["smtpd_tls_chain_files"] == str(path)
    assert "PRIVATE" not in json.dumps(result)
    again = run(name="hub.example.org", provider="self_signed")
    assert (again["changed"], again["requires"]) == (False, "none")
    assert again["certificate"] == result["certificate"]


def test_next_key(run):
    run(name="hub", provider="self_signed")
    prepared = run(name="hub", provider="self_signed", next_key="prepare", _ansible_diff=True)
    assert prepared["changed"] and prepared["requires"] == "none" and "PRIVATE" not in json.dumps(prepared)
    switched = run(name="hub", provider="self_signed", next_key="switch", _ansible_diff=True)
    assert switched["changed"] and switched["requires"] == "reload" and "PRIVATE" not in json.dumps(switched)
    assert switched["certificate"]["public_key_fingerprint"] == prepared["next"]["public_key_fingerprint"]
    assert switched["next"] is None


def test_backup(run, tmp_path):
    run(name="hub", provider="self_signed")
    old = (tmp_path / "tls/hub.pem").read_bytes()
    result = run(name="hub", provider="self_signed", hostnames=["other"], backup=True)
    [copy] = result["backup_files"]
    with open(copy, "rb") as file:
        assert file.read() == old


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "missing required arguments: name"),
        (
            {"name": "x", "provider": "none"},
            "value of provider must be one of: certbot, lego, dehydrated, acme_sh, files, self_signed",
        ),
        (
            {"name": "x", "provider": "files"},
            "provider is files but all of the following are missing: certificate, private_key",
        ),
        ({"name": "x", "verify": "maybe"}, "value of verify must be one of: auto, chain, consistent"),
        ({"name": "no.such.lineage"}, "no.such.lineage/fullchain.pem: there is no such file. Obtain it first"),
        (
            {"name": "x", "provider": "self_signed", "config_directory": "/nonexistent"},
            "/nonexistent/main.cf: there is no such file",
        ),
    ],
)
def test_errors(run, options, message):
    result = run(**options)
    assert result["failed"] and message in result["msg"]
