# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._checks.tls_required import tls_required_findings
from ansible_collections.mailops.postfix.plugins.module_utils._model.finding import CHECKS
from ansible_collections.mailops.postfix.plugins.module_utils._model.routing import Router, TableLookup
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

MASTER_CF = "smtp unix - - n - - smtp\nslow unix - - n - - smtp\n"
YES = "tls_required_enable = yes\n"


def found(main_cf, master_cf=MASTER_CF, **parameters):
    parameters = {"tls_required_enable": "yes", **parameters}
    configuration = built({}, main_cf, master_cf, version=(3, 10, 5), **parameters)
    return list(tls_required_findings(Router(configuration, TableLookup({"hash:/p": {"a.test": "encrypt"}}))))


@pytest.mark.parametrize(
    ("main_cf", "parameters"),
    [
        ("", {"smtp_tls_security_level": "secure"}),
        (YES, {"smtp_tls_security_level": "may"}),
        (YES, {}),
        ("tls_required_enable = no\n", {"smtp_tls_security_level": "secure", "tls_required_enable": "no"}),
    ],
    ids=["the default", "opportunistic TLS", "no TLS", "not enabled"],
)
def test_what_is_fine(main_cf, parameters):
    assert found(main_cf, **parameters) == []


@pytest.mark.parametrize(
    "parameters",
    [{"smtp_tls_security_level": "dane-only"}, {"smtp_tls_policy_maps": "proxy:hash:/p"}],
    ids=["a level", "a policy"],
)
def test_an_explicit_yes(parameters):
    findings = found(YES, **parameters)
    assert {finding.check for finding in findings} == {"tls_required"} and "tls_required" in CHECKS
    assert len({finding.identity for finding in findings}) == 1, "one for all services"
    assert findings[0].where == "main.cf:1" and ("main", "tls_required_enable") in findings[0].settings


def test_an_option_of_a_service():
    master_cf = "smtp unix - - n - - smtp\nslow unix - - n - - smtp -o tls_required_enable=yes\n"
    parameters = {"tls_required_enable": "no", "smtp_tls_security_level": "encrypt"}
    [finding] = found("tls_required_enable = no\n", master_cf, **parameters)
    assert "in service slow/unix" in finding.subject and ("slow/unix", "tls_required_enable") in finding.settings
