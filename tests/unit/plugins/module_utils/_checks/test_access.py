# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from functools import partial

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._checks import access
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

DEFAULTS = {
    "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination",
    "mynetworks": "127.0.0.0/8",
    "inet_interfaces": "all",
}


configuration = partial(built, DEFAULTS)


def causes(**arguments):
    return [str(problem) for problem in access.access_findings(configuration(**arguments))]


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("permit_mynetwroks", "Did you mean permit_mynetworks?"),
        ("reject_unauth_destinations", "Did you mean reject_unauth_destination?"),
        ("check_client_access /etc/postfix/clients", "needs a table"),
        ("reject_rbl_client", "no argument"),
        ("check_sender_mx_access regexp:/a, chek_policy_service unix:p", "chek_policy_service"),
    ],
)
def test_unknown_restrictions(value, word):
    main_cf = f"smtpd_client_restrictions = {value}\n"
    [message] = causes(main_cf=main_cf, smtpd_client_restrictions=value)
    assert word in message and "main.cf:1" in message and "[unknown_restriction]" in message


@pytest.mark.parametrize(
    "value",
    [
        "PERMIT_MYNETWORKS, reject_rbl_client zen.example.org=127.0.0.[2..11], check_policy_service { unix:p, timeout=1 }",
        "check_reverse_client_hostname_a_access cidr:/a, check_ccert_access hash:/b, reject_rhsbl_reverse_client x.example.org",
        "hash:/etc/postfix/access, cidr:{{192.0.2.0/24 reject}}, sleep 1, warn_if_reject reject_unknown_client_hostname",
    ],
)
def test_known_restrictions(value):
    assert causes(main_cf=f"smtpd_client_restrictions = {value}\n", smtpd_client_restrictions=value) == []


AUTH = "permit_sasl_authenticated,reject"


@pytest.mark.parametrize(
    ("restrictions", "auth", "is_wrong"),
    [
        (AUTH, "", True),
        (AUTH, "-o smtpd_sasl_auth_enable=no", True),
        (AUTH, "-o smtpd_sasl_auth_enable=yes", False),
        ("reject_unknown_client_hostname,permit_sasl_authenticated,reject", "", True),
        ("permit_sasl_authenticated,defer", "", True),
        # Others may pass.
        ("permit_mynetworks,permit_sasl_authenticated,reject", "", False),
        ("permit_sasl_authenticated,permit_tls_clientcerts,reject", "", False),
        ("check_client_access,hash:/clients,permit_sasl_authenticated,reject", "", False),
        ("permit_sasl_authenticated,reject_unauth_destination", "", False),
        ("permit_sasl_authenticated,warn_if_reject,reject", "", False),
        ("reject", "", False),
        ("", "", False),
    ],
)
@pytest.mark.parametrize("name", ["smtpd_client_restrictions", "smtpd_relay_restrictions"])
def test_a_port_whose_users_can_not_log_in(restrictions, auth, is_wrong, name):
    master_cf = f"submission inet n - y - - smtpd\n  -o {name}={restrictions}\n  {auth}\n"
    found = [message for message in causes(master_cf=master_cf) if "[missing_auth]" in message]
    assert bool(found) is is_wrong
    assert all("-o smtpd_sasl_auth_enable=yes" in message and "submission/inet" in message for message in found)
