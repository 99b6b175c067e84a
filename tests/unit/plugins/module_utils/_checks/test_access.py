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


CLOSED = [
    ("permit_mynetworks, reject_unauth_destination", ""),
    ("permit", "reject_unauth_destination"),
    ("", "permit_mynetworks reject_unauth_destination permit"),
    ("reject", ""),
    ("defer", "permit"),
    ("check_client_access static:{reject}, reject_unauth_destination", ""),
    ("my_class, permit", "reject_unauth_destination"),
    ("permit_sasl_authenticated, my_class", ""),
]
OPEN = [
    ("", ""),
    ("permit_mynetworks", "permit_sasl_authenticated"),
    ("permit, reject_unauth_destination", ""),
    ("permit_mynetworks", "permit, reject_unauth_destination"),
    ("warn_if_reject reject_unauth_destination", ""),
    ("check_client_access static:OK, reject_unauth_destination", ""),
    ("static:permit reject", ""),
    ("your_class, reject_unauth_destination", ""),
    ("outer_class, reject_unauth_destination", ""),
]
CLASSES = (
    "smtpd_restriction_classes = my_class, your_class, outer_class\nmy_class = reject_unauth_destination\n"
    "your_class = permit\nouter_class = your_class\n"
)


@pytest.mark.parametrize(
    ("relay", "recipient", "is_open"),
    [(relay, recipient, False) for relay, recipient in CLOSED]
    + [(relay, recipient, True) for relay, recipient in OPEN],
)
def test_who_may_relay(relay, recipient, is_open):
    main_cf = f"{CLASSES}smtpd_relay_restrictions = {relay}\nsmtpd_recipient_restrictions = {recipient}\n"
    found = causes(
        main_cf=main_cf,
        smtpd_relay_restrictions=relay,
        smtpd_recipient_restrictions=recipient,
        smtpd_restriction_classes="my_class, your_class, outer_class",
    )
    assert [message for message in found if "[open_relay]" in message] == found
    assert bool(found) is is_open, found


@pytest.mark.parametrize(
    ("networks", "is_open"),
    [
        ("127.0.0.0/8, 10.0.0.0/8", False),
        ("0.0.0.0/0", True),
        ("0.0.0.0/1 128.0.0.0/1", True),
        ("[2000::]/3", True),
        ("[2000::]/12", True),
        ("[2001:db8::]/16", False),
        ("127.0.0.0/8 [::]/0", True),
        ("::/0", True),
        ("!0.0.0.0/0 127.0.0.0/8", False),
        ("static:all", True),
        ("[2001:db8::]/32", False),
        ("cidr:/etc/postfix/networks", False),
    ],
)
def test_trusted_networks(networks, is_open):
    found = causes(main_cf=f"mynetworks = {networks}\n", mynetworks=networks)
    assert bool(found) is is_open, found


@pytest.mark.parametrize(
    ("service", "is_open"),
    [("submission", True), ("127.0.0.1:10025", False), ("[::1]:10025", False), ("192.0.2.1:25", True)],
)
def test_services_with_their_own_restrictions(service, is_open):
    master_cf = f"{service} inet n - y - - smtpd\n  -o smtpd_relay_restrictions=permit,reject\n"
    assert bool(causes(master_cf=master_cf)) is is_open


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


def test_tables_in_restrictions():
    value = "check_client_access hash:/a, reject_rbl_client x:y, hash:/b, check_policy_service inet:1:2, check_helo_access /c"
    assert list(access.table_words(value)) == ["hash:/a", "hash:/b"]
