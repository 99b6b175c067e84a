# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from functools import partial

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._checks import tls
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

DEFAULTS = {
    "smtpd_sasl_security_options": "noanonymous",
    "smtp_sasl_security_options": "noplaintext, noanonymous",
    "smtpd_tls_chain_files": "/chain.pem",
    "default_transport": "smtp",
}
SMTPD = "smtp inet n - y - - smtpd\n"
SMTP = "smtp unix - - y - - smtp\n"


configuration = partial(built, DEFAULTS)


def checks(parameters, master_cf):
    main_cf = "".join(f"{name} = {value}\n" for name, value in parameters.items())
    found = tls.tls_findings(configuration(main_cf, master_cf, **parameters))
    return [problem.check for problem in found]


AUTH = {"smtpd_sasl_auth_enable": "yes"}


@pytest.mark.parametrize(
    ("parameters", "master_cf", "expected"),
    [
        ({"smtpd_tls_security_level": "may"}, SMTPD, []),
        ({"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": ""}, SMTPD, ["no_certificate"]),
        ({"smtpd_use_tls": "yes", "smtpd_tls_chain_files": ""}, SMTPD, ["no_certificate"]),
        ({"smtpd_tls_security_level": "none", "smtpd_tls_chain_files": ""}, SMTPD, []),
        (
            {"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": "", "tls_server_sni_maps": "hash:/s"},
            SMTPD,
            [],
        ),
        ({**AUTH, "smtpd_tls_security_level": "may"}, SMTPD, ["auth_without_tls"]),
        ({**AUTH, "smtpd_tls_security_level": "may", "smtpd_tls_auth_only": "yes"}, SMTPD, []),
        ({**AUTH, "smtpd_tls_security_level": "encrypt"}, SMTPD, []),
        ({**AUTH, "smtpd_tls_auth_only": "yes"}, SMTPD, ["auth_without_tls"]),
        (AUTH, SMTPD + "  -o smtpd_sasl_auth_enable=no\n", []),
        ({**AUTH, "smtpd_sasl_security_options": "noplaintext"}, SMTPD, []),
        ({}, "submissions inet n - y - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_sasl_auth_enable=yes\n", []),
        ({}, "465 inet n - y - - smtpd\n", ["wrapper_mode"]),
        ({"smtpd_tls_wrappermode": "yes"}, SMTPD, ["wrapper_mode"]),
        ({"smtp_tls_security_level": "secure"}, SMTP, ["no_trusted_ca"]),
        ({"smtp_tls_security_level": "secure", "smtp_tls_CAfile": "/ca.pem"}, SMTP, []),
        ({"smtp_tls_wrappermode": "yes"}, SMTP, ["wrapper_mode"]),
        ({"smtp_tls_connection_reuse": "yes"}, SMTP, ["missing_service", "missing_service"]),
        (
            {"smtp_tls_connection_reuse": "yes"},
            SMTP + "tlsproxy unix - - y - 0 tlsproxy\nscache unix - - y - 1 scache\n",
            [],
        ),
    ],
)
def test_what_services_would_do(parameters, master_cf, expected):
    assert checks(parameters, master_cf) == expected


def test_a_finding_of_main_cf_is_the_same_for_all_services():
    parameters = {"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": ""}
    main_cf = "smtpd_tls_security_level = may\n"
    found = list(tls.tls_findings(configuration(main_cf, SMTPD + "25 pass n - y - - smtpd\n", **parameters)))
    assert len({problem.identity for problem in found}) == 1 and found[0].where == "main.cf:1"


@pytest.mark.parametrize(
    ("name", "mine", "service", "its", "severity"),
    [
        ("smtpd_tls_security_level", "may", "submission", "encrypt", None),
        ("smtpd_tls_security_level", "encrypt", "submission", "may", "error"),
        ("smtpd_tls_security_level", "encrypt", "smtp", "", "error"),
        ("smtpd_tls_auth_only", "yes", "submission", "no", "error"),
        ("smtpd_tls_mandatory_protocols", ">=TLSv1.2", "submission", ">=TLSv1", "error"),
        ("smtpd_tls_mandatory_protocols", ">=TLSv1", "submission", ">=TLSv1.2", None),
        ("smtpd_tls_loglevel", "1", "submission", "2", None),
        ("smtpd_tls_loglevel", "1", "smtp", "2", "warning"),
        ("smtpd_tls_loglevel", "1", "25", "1", None),
    ],
)
def test_options_that_defeat_what_is_declared(name, mine, service, its, severity):
    master_cf = f"{service} inet n - y - - smtpd -o {name}={its}\n"
    built = configuration(f"{name} = {mine}\n", master_cf, **{name: mine})
    found = list(tls.override_findings(built, frozenset({("main", name)})))
    assert [problem.severity for problem in found] == ([severity] if severity else [])
    assert list(tls.override_findings(built, frozenset())) == []
    assert list(tls.override_findings(built, frozenset({("main", name), (f"{service}/inet", name)}))) == []


@pytest.mark.parametrize(
    ("main_cf", "master_cf", "count"),
    [
        ("", "127.0.0.1:10025 inet n - y - - smtpd -o smtpd_tls_security_level=none\n", 0),
        ("", "[::1]:10025 inet n - y - - smtpd -o smtpd_tls_security_level=none\n", 0),
        ("", "192.0.2.1:10025 inet n - y - - smtpd -o smtpd_tls_security_level=none\n", 1),
        (
            "content_filter = amavis:[127.0.0.1]:10024\n",
            "amavis unix - - y - - smtp -o smtp_tls_security_level=none\n",
            0,
        ),
        (
            "content_filter = amavis:[192.0.2.1]:10024\n",
            "amavis unix - - y - - smtp -o smtp_tls_security_level=none\n",
            1,
        ),
        ("", "amavis unix - - y - - smtp -o smtp_tls_security_level=none\n", 1),
    ],
)
def test_what_does_not_leave_this_host_keeps_its_level(main_cf, master_cf, count):
    levels = {"smtp_tls_security_level": "encrypt", "smtpd_tls_security_level": "may"}
    text = main_cf + "".join(f"{name} = {value}\n" for name, value in levels.items())
    filters = {"content_filter": main_cf.partition(" = ")[2].strip()}
    found = tls.override_findings(
        configuration(text, master_cf, **levels, **filters), frozenset(("main", name) for name in levels)
    )
    assert len(list(found)) == count


def test_levels_in_any_case():
    master_cf = "smtp inet n - y - - smtpd\nsmtp unix - - y - - smtp\n"
    same = {"smtpd_tls_security_level": "Encrypt", "smtpd_sasl_auth_enable": "yes", "smtpd_tls_cert_file": "/c"}
    assert checks(same, master_cf) == checks({**same, "smtpd_tls_security_level": "encrypt"}, master_cf)
    verified = {"smtp_tls_security_level": "Secure"}
    assert checks(verified, master_cf) == checks({"smtp_tls_security_level": "secure"}, master_cf) != []
