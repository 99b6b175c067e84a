# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ca_bundle as Ansible runs it: options and results. The tests of the plans check the rest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mailops.postfix.plugins.module_utils._host import openssl
from ansible_collections.mailops.postfix.plugins.modules import ca_bundle

SAMPLES = Path(__file__).parents[1] / "module_utils/openssl"


@pytest.fixture(name="run")
def fixture_run(tmp_path, capsys, monkeypatch):
    (tmp_path / "main.cf").write_text("compatibility_level = 3.6\n")
    (tmp_path / "master.cf").write_text("smtp unix - - n - - smtp\n")
    shutil.copy(SAMPLES / "plain.pem", tmp_path / "system.pem")
    shutil.copy(SAMPLES / "ca.pem", tmp_path / "site.pem")
    monkeypatch.setattr(openssl, "SYSTEM_BUNDLES", (str(tmp_path / "system.pem"),))

    def run(**options):
        with patch_module_args({"config_directory": str(tmp_path), **options}), pytest.raises(SystemExit):
            ca_bundle.main()
        return json.loads(capsys.readouterr().out)

    return run


def test_system(run, tmp_path):
    result = run()
    assert (result["changed"], result["requires"], result["chrooted"], result["certificates"]) == (
        False,
        "none",
        False,
        1,
    )
    assert result["parameters"] == {"smtp_tls_CAfile": str(tmp_path / "system.pem"), "smtp_tls_CApath": None}


def test_extra(run, tmp_path):
    predicted = run(extra=["site.pem"], _ansible_check_mode=True, _ansible_diff=True)
    assert predicted["changed"] and not (tmp_path / "tls").exists()
    result = run(extra=["site.pem"], _ansible_diff=True)
    assert (result["changed"], result["requires"], result["certificates"]) == (True, "reload", 2)
    assert result["diff"] == predicted["diff"]
    assert result["parameters"]["smtp_tls_CAfile"] == str(tmp_path / "tls/ca-certificates.pem")
    again = run(extra=["site.pem"])
    assert (again["changed"], again["requires"]) == (False, "none")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"system": False}, "system is false and extra is empty: smtp(8) would trust no CA"),
        ({"extra": ["none.pem"]}, "none.pem: there is no such file"),
        ({"system": "perhaps"}, "system"),
    ],
)
def test_errors(run, options, message):
    result = run(**options)
    assert result["failed"] and message in result["msg"]
