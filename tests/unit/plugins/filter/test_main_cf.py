# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters from_main_cf and to_main_cf."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mailops.postfix.plugins.filter.from_main_cf import FilterModule as FromMainCf
from ansible_collections.mailops.postfix.plugins.filter.to_main_cf import FilterModule as ToMainCf

from_main_cf = FromMainCf().filters()["from_main_cf"]
to_main_cf = ToMainCf().filters()["to_main_cf"]


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("", {}),
        ("# nothing but a comment\n", {}),
        ("relayhost = [hub.example.org]:587\n", {"relayhost": "[hub.example.org]:587"}),
        ("relayhost=\n", {"relayhost": ""}),
        (
            "mynetworks = 127.0.0.0/8\n# inside\n\n  [::1]/128\nsoft_bounce = yes",
            {"mynetworks": "127.0.0.0/8  [::1]/128", "soft_bounce": "yes"},
        ),
        ("a = 1\na = 2\n", {"a": "2"}),
        ("smtpd_banner = $myhostname ESMTP\n", {"smtpd_banner": "$myhostname ESMTP"}),
    ],
)
def test_from_main_cf(text, parameters):
    assert from_main_cf(text) == parameters


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({}, ""),
        ({"smtp_tls_security_level": "may"}, "smtp_tls_security_level = may\n"),
        ({"b": True, "a": False}, "b = yes\na = no\n"),
        (
            {"smtpd_relay_restrictions": ["permit_mynetworks", "reject"]},
            "smtpd_relay_restrictions = permit_mynetworks, reject\n",
        ),
        ({"smtpd_tls_loglevel": 0, "smtp_use_tls": None}, "smtpd_tls_loglevel = 0\n"),
    ],
)
def test_to_main_cf(parameters, text):
    assert to_main_cf(parameters) == text


def test_round_trip():
    parameters = {"relayhost": "[hub.example.org]:587", "mydestination": "", "smtpd_banner": "$myhostname ESMTP"}
    assert from_main_cf(to_main_cf(parameters)) == parameters


@pytest.mark.parametrize(
    ("function", "value", "message"),
    [
        (from_main_cf, 5, "mailops.postfix.from_main_cf: the input is of type int. Give the text of a main.cf"),
        (from_main_cf, {"a": "b"}, "the input is of type dict"),
        (from_main_cf, "a = 1\nrelayhost [hub]\n", "main.cf:2"),
        (
            to_main_cf,
            "relayhost = x",
            "mailops.postfix.to_main_cf: the input is of type str. Give a dictionary of parameters",
        ),
        (to_main_cf, {"relay host": "x"}, "'relay host'"),
        (to_main_cf, {"relayhost": {"host": "x"}}, "relayhost"),
    ],
)
def test_errors(function, value, message):
    with pytest.raises(AnsibleFilterError) as caught:
        function(value)
    assert message in str(caught.value)
