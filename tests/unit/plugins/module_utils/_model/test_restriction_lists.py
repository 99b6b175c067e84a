# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model import restriction_lists
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

NETWORKS = "127.0.0.0/8 [::1]/128 [::ffff:127.0.0.0]/104"


def service_of(value="", options="", **parameters):
    """A configuration whose smtpd has this list of restrictions, and the entry."""
    configuration = built(
        {"mynetworks": NETWORKS, "smtpd_tls_security_level": "may"},
        master_cf=f"smtp inet n - n - - smtpd {options}\n",
        smtpd_recipient_restrictions=value,
        **parameters,
    )
    return configuration, configuration.services[0]


@pytest.mark.parametrize(
    ("value", "elements"),
    [
        ("permit_mynetworks, Reject", ["permit_mynetworks", "reject"]),
        ("check_client_access hash:/A, sleep 5,reject", ["check_client_access hash:/A", "sleep 5", "reject"]),
        ("hash:/Access reject", ["check_recipient_access hash:/Access", "reject"]),
        ("warn_if_reject reject_rbl_client list.example, reject", ["reject"]),
        ("warn_if_reject reject, permit", ["permit"]),
        ("warn_if_reject sleep 3", ["sleep 3"]),
        ("mine, permit", ["check_policy_service { inet:127.0.0.1:9, timeout=1s }", "reject", "permit"]),
    ],
)
def test_elements(value, elements):
    configuration, entry = service_of(
        value,
        smtpd_restriction_classes="mine",
        mine="check_policy_service { inet:127.0.0.1:9, timeout=1s }, reject",
    )
    found = restriction_lists.restriction_elements(configuration, entry, "smtpd_recipient_restrictions")
    assert [f"{element.name} {element.argument}".strip() for element in found] == elements


@pytest.mark.parametrize(
    ("value", "options", "parameters", "closing"),
    [
        ("", "", {}, None),
        ("permit_mynetworks, reject_unauth_destination", "", {}, None),
        ("reject", "", {}, ("reject", False, False)),
        ("reject_unknown_client_hostname, reject", "", {}, ("reject", False, False)),
        ("permit, reject", "", {}, None),
        ("check_client_access static:ok, reject", "", {}, None),
        (
            "check_client_access static:{REJECT no mail}",
            "",
            {},
            ("check_client_access static:{REJECT no mail}", False, False),
        ),
        ("permit_inet_interfaces, defer", "", {}, ("defer", False, False)),
        ("warn_if_reject reject", "", {}, None),
        # Only this host is in mynetworks
        ("permit_mynetworks, reject", "", {}, ("reject", False, False)),
        ("permit_mynetworks, reject", "", {"mynetworks": f"{NETWORKS} 192.0.2.0/24"}, ("reject", False, True)),
        ("permit_mynetworks, reject", "", {"mynetworks": "cidr:/nets"}, ("reject", False, True)),
        ("permit_mynetworks, reject", "", {"mynetworks": "$mynetworks"}, ("reject", False, True)),
        ("permit_mynetworks, reject", "-o mynetworks=192.0.2.1", {}, ("reject", False, True)),
        ("check_client_access hash:/a, reject", "", {}, ("reject", False, True)),
        ("cidr:/a, reject", "", {}, ("reject", False, True)),
        ("check_policy_service inet:127.0.0.1:9, reject", "", {}, ("reject", False, True)),
        ("permit_dnswl_client list.example, reject", "", {}, ("reject", False, True)),
        ("permit_auth_destination, reject", "", {}, ("reject", False, True)),
        # Authentication, if it is offered
        ("permit_sasl_authenticated, reject", "", {}, ("reject", False, False)),
        ("permit_sasl_authenticated, reject", "-o smtpd_sasl_auth_enable=yes", {}, ("reject", True, False)),
        ("permit_tls_clientcerts, reject", "", {}, ("reject", False, False)),
        ("permit_tls_clientcerts, reject", "-o smtpd_tls_ask_ccert=yes", {}, ("reject", True, False)),
        ("check_ccert_access hash:/a, reject", "-o smtpd_tls_req_ccert=yes", {}, ("reject", True, False)),
        (
            "permit_tls_clientcerts, reject",
            "-o smtpd_tls_ask_ccert=yes -o smtpd_tls_security_level=none",
            {},
            ("reject", False, False),
        ),
        (
            "mine",
            "",
            {"smtpd_restriction_classes": "mine", "mine": "permit_mynetworks, reject"},
            ("reject", False, False),
        ),
    ],
)
def test_closing(value, options, parameters, closing):
    configuration, entry = service_of(value, options, **parameters)
    found = restriction_lists.closing_of(configuration, entry, "smtpd_recipient_restrictions")
    assert (
        found and (f"{found.element.name} {found.element.argument}".strip(), found.authenticated, found.others)
    ) == closing


def test_what_lists_wait_for_and_name():
    configuration, entry = service_of(
        "sleep 5, check_policy_service unix:private/policy, check_sender_access hash:/s",
        "-o { smtpd_client_restrictions = sleep 2, cidr:/c }",
    )
    assert restriction_lists.configured_waits(configuration, entry) == 7
    assert restriction_lists.checked_policy_services(configuration, entry) == {
        "unix:private/policy": "smtpd_recipient_restrictions"
    }
    assert restriction_lists.access_tables(configuration, entry) == [
        ("smtpd_client_restrictions", "cidr:/c"),
        ("smtpd_recipient_restrictions", "hash:/s"),
    ]
