# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model import listeners
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

PARAMETERS = {
    "smtpd_tls_security_level": "may",
    "smtpd_tls_wrappermode": "no",
    "smtpd_tls_auth_only": "no",
    "smtpd_sasl_auth_enable": "no",
    "postscreen_tls_security_level": "$smtpd_tls_security_level",
    "smtpd_tls_chain_files": "/etc/postfix/tls/mx.pem",
    "smtpd_tls_cert_file": "/etc/ssl/mx.pem",
}


def one(entry="smtp inet n - y - - smtpd", **parameters):
    (found,) = listeners.listeners(built(PARAMETERS, master_cf=f"{entry}\n", **parameters))
    return found


@pytest.mark.parametrize(
    ("entry", "parameters", "expected"),
    [
        ("smtp inet n - y - - smtpd", {}, {"host": "", "port": "smtp", "tls": True, "mandatory": False, "auth": False}),
        ("smtp inet n - y - 1 postscreen", {}, {"tls": True}),
        ("127.0.0.1:10025 inet n - y - - smtpd", {}, {"host": "127.0.0.1", "port": "10025"}),
        ("[::1]:587 inet n - y - - smtpd", {}, {"host": "::1", "port": "587"}),
        ("[ipv6:::1]:587 inet n - y - - smtpd", {}, {"host": "::1"}),
        ("smtp inet n - y - - smtpd", {"smtpd_tls_security_level": "none"}, {"tls": False}),
        ("smtp inet n - y - - smtpd", {"smtpd_tls_security_level": ""}, {"tls": False}),
        (
            "smtp inet n - y - - smtpd",
            {"smtpd_tls_security_level": "", "smtpd_use_tls": "yes"},
            {"tls": True, "mandatory": False},
        ),
        (
            "smtp inet n - y - - smtpd",
            {"smtpd_tls_security_level": "", "smtpd_enforce_tls": "Yes"},
            {"mandatory": True},
        ),
        ("smtp inet n - y - - smtpd", {"smtpd_tls_security_level": "$level", "level": "encrypt"}, {"mandatory": True}),
        (
            "465 inet n - y - - smtpd -o smtpd_tls_wrappermode=yes",
            {},
            {"implicit_tls": True, "tls": True, "mandatory": False},
        ),
        (
            "465 inet n - y - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_sasl_auth_enable=yes",
            {"smtpd_tls_security_level": ""},
            {"tls": True, "auth": True, "auth_before_tls": False},
        ),
        ("smtp inet n - y - - smtpd", {"smtpd_sasl_auth_enable": "yes"}, {"auth": True, "auth_before_tls": True}),
        (
            "smtp inet n - y - - smtpd",
            {"smtpd_sasl_auth_enable": "yes", "smtpd_tls_auth_only": "yes"},
            {"auth": True, "auth_before_tls": False},
        ),
        (
            "587 inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_security_level=encrypt",
            {},
            {"auth": True, "auth_before_tls": False, "mandatory": True},
        ),
        ("smtp inet n - y - - smtpd", {}, {"certificates": ("/etc/postfix/tls/mx.pem",)}),
        (
            "smtp inet n - y - - smtpd",
            {"smtpd_tls_chain_files": "/k.pem, /a.pem,/b.pem"},
            {"certificates": ("/k.pem", "/a.pem", "/b.pem")},
        ),
        ("smtp inet n - y - - smtpd", {"smtpd_tls_chain_files": ""}, {"certificates": ("/etc/ssl/mx.pem",)}),
        (
            "smtp inet n - y - - smtpd",
            {"smtpd_tls_chain_files": "", "smtpd_tls_cert_file": "none"},
            {"certificates": ()},
        ),
    ],
)
def test_a_listener(entry, parameters, expected):
    found = one(entry, **parameters)
    assert {name: getattr(found, name) for name in expected} == expected


def test_what_does_not_speak_smtp_to_the_world():
    text = "smtp unix - - y - - smtp\nsmtp inet n - y - - spawn argv=/bin/true\nsmtpd pass - - y - - smtpd\n"
    assert listeners.listeners(built(PARAMETERS, master_cf=text)) == []


@pytest.mark.parametrize(
    ("disabled", "live"),
    [
        ("", ["smtp/inet", "submissions/inet", "127.0.0.1:10025/inet"]),
        ("submissions.inet", ["smtp/inet", "127.0.0.1:10025/inet"]),
        ("submissions/inet, 127.0.0.1:10025.inet", ["smtp/inet"]),
        ("$off", ["smtp/inet", "127.0.0.1:10025/inet"]),
        ("inet", []),
        ("submissions submissions.unix unix", ["smtp/inet", "submissions/inet", "127.0.0.1:10025/inet"]),
    ],
)
def test_listeners_that_are_switched_off(disabled, live):
    text = "smtp inet n - n - - smtpd\nsubmissions inet n - n - - smtpd\n127.0.0.1:10025 inet n - n - - smtpd\n"
    configuration = built(PARAMETERS, "off = submissions.inet\n", text, master_service_disable=disabled)
    assert [listener.service for listener in listeners.listeners(configuration)] == live


def test_the_networks_of_a_service():
    entry = "smtp inet n - n - - smtpd\n  -o mynetworks=$own,127.0.0.0/8"
    assert one(entry, own="192.0.2.0/24").networks == "192.0.2.0/24,127.0.0.0/8"
    assert one(mynetworks="$mynetworks").networks is None


def test_its_name_has_its_port():
    assert (one().name, one("587 inet n - y - - smtpd").name) == ("smtp/inet", "587/inet")


def test_a_path_with_a_space_of_unicode_is_one_path():
    [listener] = listeners.listeners(built({"smtpd_tls_chain_files": "/a\u00a0b.pem, /c.pem"}))
    assert listener.certificates == ("/a\u00a0b.pem", "/c.pem")
