# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils import _checks
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError

PIN = ":".join(["AB"] * 32)


@pytest.mark.parametrize(
    ("value", "version", "adapted"),
    [
        (">=TLSv1.2", (3, 6, 0), ">=TLSv1.2"),
        (">=TLSv1.2", (3, 5, 25), "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1"),
        ("!SSLv2,!SSLv3", (3, 5, 25), "!SSLv2,!SSLv3"),
        ("$tls_protocols", (3, 5, 25), "$tls_protocols"),
    ],
)
def test_protocols_in_the_syntax_of_the_version(value, version, adapted):
    assert _checks.adapted("smtpd_tls_mandatory_protocols", value, version) == adapted


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("smtpd_tls_auth_only", "yes"),
        ("smtpd_tls_auth_only", "No"),
        ("smtpd_tls_auth_only", "$other"),
        ("smtp_tls_security_level", ""),
        ("smtp_tls_security_level", "dane-only"),
        ("smtpd_starttls_timeout", "30s"),
        ("smtpd_starttls_timeout", "${stress?{10}:{300}}s"),
        ("inet_protocols", "ipv4, ipv6"),
        ("smtp_tls_fingerprint_digest", "SHA256"),
        ("smtp_tls_fingerprint_cert_match", f"{PIN} {PIN}"),
        ("not_in_the_catalogue", "whatever"),
    ],
)
def test_values_that_postfix_takes(name, value):
    _checks.check_value(name, value, {"smtp_tls_fingerprint_digest": "sha256"})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("smtpd_tls_auth_only", "true", "boolean"),
        ("smtpd_tls_auth_only", "", "boolean"),
        ("smtp_tls_loglevel", "one", "number"),
        ("smtpd_starttls_timeout", "5 minutes", "time"),
        ("smtp_tls_security_level", "fingerprints", "Did you mean fingerprint?"),
        ("inet_protocols", "ipv5", "'ipv5'"),
        ("smtp_tls_fingerprint_cert_match", PIN[:-3], "31 bytes"),
    ],
)
def test_values_that_postfix_trips_over(name, value, words):
    with pytest.raises(DeclarationError) as error:
        _checks.check_value(name, value, {"smtp_tls_fingerprint_digest": "sha256"})
    assert words in str(error.value) and name in str(error.value)


@pytest.mark.parametrize(
    ("name", "version", "words"),
    [
        ("smtp_tlsrpt_enable", (3, 7, 11), ["Postfix 3.7.11 does not have", "came with Postfix 3.10"]),
        ("smtp_tls_received_header", (3, 7, 11), ["the client side", "smtpd_tls_received_header"]),
        ("smtpd_tls_note_starttls_offer", (3, 7, 11), ["the server side", "smtp_tls_note_starttls_offer"]),
        ("smtp_tls_securty_level", (3, 7, 11), ["Did you mean smtp_tls_security_level?"]),
        ("something_else", (3, 7, 11), ["does not know", "$something_else"]),
    ],
)
def test_names_that_postfix_does_not_know(name, version, words):
    error = _checks.unknown_name(name, "main.cf", ["smtp_tls_security_level", "smtpd_tls_received_header"], version)
    assert [word for word in (name, "main.cf", *words) if word not in str(error)] == [], str(error)
