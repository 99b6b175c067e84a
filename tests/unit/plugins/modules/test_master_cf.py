# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module master_cf as Ansible runs it: options in, result out. What it decides is tested with the grammar and the plan."""

from __future__ import annotations

from ansible_collections.mailops.postfix.plugins.modules import master_cf

SUBMISSION = {"service": "submission/inet", "command": "smtpd", "options": {"smtpd_tls_security_level": "encrypt"}}


def test_check_mode_and_idempotence(run_module, directory):
    before = (directory / "master.cf").read_bytes()
    predicted = run_module(master_cf, services=[SUBMISSION], _ansible_check_mode=True)
    assert (directory / "master.cf").read_bytes() == before
    result = run_module(master_cf, services=[SUBMISSION])
    assert (result["changed"], result["requires"]) == (True, "reload")
    assert result["services"] == {
        "submission/inet": {
            "before": None,
            "after": "submission inet n - y - - smtpd -o smtpd_tls_security_level=encrypt",
        }
    }
    assert (predicted["diff"], predicted["services"]) == (result["diff"], result["services"])
    again = run_module(master_cf, services=[SUBMISSION])
    assert (again["changed"], again["requires"], again["services"]) == (False, "none", {})


def test_left_out_and_null_are_two_things(run_module):
    run_module(master_cf, services=[SUBMISSION])
    assert not run_module(master_cf, services=[{"service": "submission/inet"}])["changed"]
    result = run_module(master_cf, services=[{"service": "submission/inet", "chroot": None}])
    assert result["services"]["submission/inet"]["after"].startswith("submission inet n - - - - smtpd")


def test_an_unknown_column(run_module):
    result = run_module(master_cf, services=[{"service": "smtp/inet", "chrot": True}])
    assert result["failed"] and "chrot" in result["msg"] and "chroot" in result["msg"]
