# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._checks import values
from ansible_collections.mailops.postfix.plugins.module_utils._model.configuration import Configuration

PIN = ":".join(["AB"] * 32)


def configuration(main_cf, version=(3, 7, 11), master_cf=b"", **parameters):
    return Configuration(parameters, main_cf.encode(), master_cf, "main.cf", "master.cf", version, frozenset())


def found(main_cf, **parameters):
    return [str(problem) for problem in values.value_findings(configuration(main_cf, **parameters), None, DEFAULTS)]


DEFAULTS = {
    "enable_long_queue_ids": "no",
    "readme_directory": "no",
    "lmtp_tcp_port": "24",
    "maximal_backoff_time": "4000s",
}
DIGEST = {"smtp_tls_fingerprint_digest": "sha256"}


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
        ("enable_long_queue_ids", "yes"),
        ("readme_directory", "/usr/share/doc"),
        ("lmtp_tcp_port", "lmtp"),
        ("compatibility_level", "3.6"),
        ("relayhost", "[hub.example.org]:587, [2001:db8::1]"),
        ("relayhost", ""),
        ("smtp_fallback_relay", "example.org:submission"),
        ("default_transport", "smtp:[hub]:25"),
        ("default_transport", "error:5.1.1 no such user"),
        ("virtual_alias_maps", "hash:/etc/postfix/virtual, inline:{a=b}"),
        ("smtpd_tls_protocols", ">=TLSv1.2"),
        ("smtpd_tls_protocols", "TLSv1.2 TLSv1.3"),
    ],
)
def test_values_that_postfix_takes(name, value):
    assert found(f"{name} = {value}\n", **DIGEST) == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("smtpd_tls_auth_only", "true", "boolean"),
        ("smtpd_tls_auth_only", "", "boolean"),
        ("smtpd_tls_auth_only", "${compatibility_level?{1}:{0}}", "boolean"),
        ("smtp_tls_loglevel", "one", "number"),
        ("smtpd_starttls_timeout", "5 minutes", "time"),
        ("smtp_tls_security_level", "fingerprints", "Did you mean fingerprint?"),
        ("inet_protocols", "ipv5", "'ipv5'"),
        ("smtp_tls_fingerprint_cert_match", PIN[:-3], "31 bytes"),
        ("enable_long_queue_ids", "1", "boolean"),
        ("maximal_backoff_time", "an hour", "time"),
        ("compatibility_level", "3,6", "version"),
        ("relayhost", "smtp://hub.example.org", "host name"),
        ("relayhost", "[hub.example.org", "is not a valid next hop"),
        ("relayhost", "user@hub.example.org", "is not a valid next hop"),
        ("relayhost", "[hub]:0", "0 is not a valid port"),
        ("default_transport", "smtp [hub]", "is not a valid transport"),
        ("virtual_alias_maps", "/etc/postfix/virtual", "has no type"),
        ("smtpd_tls_protocols", "TLSv9", "'TLSv9' is not a valid protocol"),
        ("smtpd_tls_protocols", "!SSLv3 TLSv1.2", "TLSv1.3 is off"),
    ],
)
def test_values_that_postfix_trips_over(name, value, words):
    [message] = found(f"# a comment\n{name} = {value}\n", **DIGEST)
    assert words in message and f"{name} =" in message and "main.cf:2" in message, message


def test_fingerprints_are_those_of_the_digest_of_their_own_side():
    main_cf = f"lmtp_tls_fingerprint_cert_match = {PIN}\n"
    assert found(main_cf, lmtp_tls_fingerprint_digest="sha256", smtp_tls_fingerprint_digest="sha1") == []
    assert "sha1" in found(main_cf, lmtp_tls_fingerprint_digest="sha1", **DIGEST)[0]


def test_an_option_of_a_service_is_found_in_its_file():
    master_cf = b"smtp inet n - y - - smtpd\n  -o smtpd_tls_auth_only=1\n"
    [problem] = values.value_findings(configuration("", master_cf=master_cf))
    assert (problem.where, problem.settings) == ("master.cf:1", {("smtp/inet", "smtpd_tls_auth_only")})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("smtp_tlsrpt_enable", ["Postfix 3.7.11 does not have", "came with Postfix 3.10"]),
        ("smtp_tls_received_header", ["the client side", "smtpd_tls_received_header"]),
        ("smtpd_tls_note_starttls_offer", ["the server side", "smtp_tls_note_starttls_offer"]),
        ("smtp_tls_securty_level", ["Did you mean smtp_tls_security_level?"]),
        ("something_else", ["does not know", "$something_else"]),
    ],
)
def test_names_that_postfix_does_not_know(name, words):
    known = ["smtp_tls_security_level", "smtpd_tls_received_header"]
    unused = {("main", name), ("master", "smtp_tls_loglevel")}
    [problem] = values.unknown_names(configuration(f"{name} = 1\nsmtp_tls_loglevel = 1\n"), unused, known)
    assert [word for word in (name, "main.cf", *words) if word not in str(problem)] == [], str(problem)


def test_names_that_nothing_defines():
    [problem] = values.undefined_names(configuration("relayhost = ${hub}\nmyhostname = a\n"), ["hub", "hu"])
    assert "relayhost = ${hub}" in str(problem) and "$hub is not defined" in str(problem)
