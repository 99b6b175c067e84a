# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model.tls_required import demanded, demands
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

SMTP = "smtp unix - - n - - smtp\n"
MAPS = {"smtp_tls_policy_maps": "hash:/p"}


@pytest.mark.parametrize(
    ("parameters", "options", "policies", "expected"),
    [
        ({}, "", {}, ""),
        ({"smtp_tls_security_level": "may"}, "", {}, ""),
        ({"smtp_tls_security_level": "none", **MAPS}, "", {"a.test": "may", "b.test": "none"}, ""),
        ({"smtp_tls_security_level": "Encrypt"}, "", {}, "smtp_tls_security_level = encrypt"),
        ({"smtp_tls_security_level": "dane"}, "", {}, "smtp_tls_security_level = dane"),
        ({"my_level": "secure", "smtp_tls_security_level": "$my_level"}, "", {}, "smtp_tls_security_level = secure"),
        ({"smtp_enforce_tls": "yes"}, "", {}, "smtp_tls_security_level = encrypt"),
        (
            {"smtp_tls_security_level": "may"},
            " -o smtp_tls_security_level=secure",
            {},
            "smtp_tls_security_level = secure",
        ),
        ({"smtp_tls_security_level": "secure"}, " -o smtp_tls_security_level=may", {}, ""),
        (MAPS, "", {"a.test": "may", "[b]:25": "FINGERPRINT match=AB"}, "the policy for [b]:25 in hash:/p"),
        (MAPS, " -o smtp_tls_policy_maps=", {"a.test": "encrypt"}, ""),
        (MAPS, "", {"a.test": "nonsense"}, ""),
        (
            {"smtp_tls_policy_maps": "socketmap:inet:127.0.0.1:8461:p"},
            "",
            {},
            "the policies of socketmap:inet:127.0.0.1:8461:p",
        ),
    ],
)
def test_what_is_demanded(parameters, options, policies, expected):
    configuration = built({}, master_cf=SMTP.rstrip() + options + "\n", **parameters)
    [service] = configuration.of_command("smtp")
    assert demanded(configuration, service, "smtp", {"hash:/p": policies}.get) == expected
    assert demands(configuration, {"hash:/p": policies}.get) == bool(expected)


def test_lmtp_demands_too():
    master_cf = SMTP + "lmtp unix - - n - - lmtp\n"
    assert demands(built({}, master_cf=master_cf, lmtp_tls_security_level="encrypt"), {}.get)
    assert not demands(built({}, master_cf=SMTP, lmtp_tls_security_level="encrypt"), {}.get)
