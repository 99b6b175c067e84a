# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._checks import values
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._model.configuration import Configuration
from ansible_collections.mailops.postfix.plugins.module_utils._model.finding import classify, raise_errors

PIN = ":".join(["AB"] * 32)


def configuration(main_cf, version=(3, 7, 11), master_cf=b"", **parameters):
    return Configuration(parameters, main_cf.encode(), master_cf, "main.cf", "master.cf", version, frozenset())


def found(main_cf, version=(3, 7, 11), **parameters):
    after = configuration(main_cf, version, **parameters)
    return [str(problem) for problem in values.value_findings(after, None, DEFAULTS)]


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
        ("smtpd_tls_security_level", "May"),
        ("smtp_tls_security_level", "DANE-only"),
        ("smtpd_tls_ciphers", "HIGH"),
        ("smtp_dns_support_level", "DNSSEC"),
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
        ("smtpd_tls_loglevel", "0"),
        ("tlsproxy_client_loglevel", ""),
        ("smtp_tls_loglevel", "1, Certmatch ssl-handshake-packet-dump"),
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
        ("smtp_tls_loglevel", "one", "'one' is not a valid log level"),
        ("smtp_tls_loglevel", "10", "'10' is not a valid log level"),
        ("lmtp_tls_loglevel", "1, trace", "'trace' is not a valid log level"),
        ("tls_random_bytes", "many", "number"),
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


def test_words_whose_case_counts():
    assert found("mynetworks_style = Subnet\n") and not found("mynetworks_style = subnet\n")


def test_fingerprints_are_those_of_the_digest_of_their_own_side():
    main_cf = f"lmtp_tls_fingerprint_cert_match = {PIN}\n"
    assert found(main_cf, lmtp_tls_fingerprint_digest="sha256", smtp_tls_fingerprint_digest="sha1") == []
    assert "sha1" in found(main_cf, lmtp_tls_fingerprint_digest="sha1", **DIGEST)[0]


class Host:
    """A host with OpenSSL 3.0."""

    def has_tls_group(self, name):
        names = ("x25519", "x448", "p-256", "prime256v1", "secp256r1", "secp384r1", "secp521r1", "ffdhe2048")
        return name.lower() in names


@pytest.mark.parametrize(
    ("name", "value", "version", "lacking"),
    [
        ("tls_eecdh_auto_curves", "X25519MLKEM768, X25519", (3, 7, 11), "X25519MLKEM768"),
        ("tls_eecdh_auto_curves", "X25519 prime256v1, P-256", (3, 7, 11), None),
        ("tls_eecdh_auto_curves", "x25519 secp256r1 prime256v1", (3, 7, 11), "x25519, secp256r1"),
        ("tls_eecdh_auto_curves", "x25519:secp256r1", (3, 10, 13), None),
        ("tls_eecdh_auto_curves", "X25519:bogus", (3, 10, 13), "bogus"),
        ("tls_eecdh_auto_curves", "X25519:P-256", (3, 9, 14), "X25519:P-256"),
        ("tls_ffdhe_auto_groups", "ffdhe2048 ffdhe512", (3, 8, 0), "ffdhe512"),
        ("tls_eecdh_strong_curve", "bogus", (3, 5, 25), "bogus"),
        ("tls_eecdh_strong_curve", "bogus", (3, 6, 0), None),
    ],
)
def test_groups_that_openssl_does_not_have(name, value, version, lacking):
    after = configuration(f"{name} = {value}\n", version)
    found = list(values.value_findings(after, host=Host()))
    assert [problem.check for problem in found] == (["unknown_group"] if lacking else [])
    if lacking:
        assert found[0].cause.endswith(f"does not have: {lacking}")
        assert found[0].remedy == "It has X25519, X448, prime256v1, secp384r1, secp521r1, ffdhe2048"
    assert classify((), found, frozenset({("main", name)}), {}, standalone=False) == ([], found)
    assert list(values.value_findings(after)) == []


@pytest.mark.parametrize(
    ("version", "stops"),
    [
        ((3, 5, 27), True),
        ((3, 7, 11), True),
        ((3, 7, 13), False),
        ((3, 8, 7), True),
        ((3, 9, 2), False),
        ((3, 10), False),
    ],
)
def test_an_empty_list_of_groups(version, stops):
    [*found] = values.value_findings(configuration("tls_eecdh_auto_curves =\n", version), host=Host())
    assert [problem.check for problem in found] == (["wrong_value"] if stops else [])


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


@pytest.mark.parametrize(
    ("name", "version", "known"),
    [("dane", (3, 5, 25), False), ("dane", (3, 6), True), ("trace", (3, 11, 7), False), ("1,trace", (3, 12), True)],
)
def test_log_levels_of_a_version(name, version, known):
    assert (found(f"smtp_tls_loglevel = {name}\n", version) == []) is known


@pytest.mark.parametrize(
    ("name", "version", "remedy"),
    [
        ("virtual_maps", (3, 11, 7), "virtual_alias_maps"),
        ("virtual_maps", (3, 10, 13), None),
        ("smtp_use_tls", (3, 9, 0), "smtp_tls_security_level"),
        ("lmtp_cname_overrides_servername", (3, 11, 0), "nothing: leave it at its default"),
        ("virtual_alias_maps", (3, 11, 7), None),
        ("something_else", (3, 11, 7), None),
    ],
)
def test_names_that_a_later_version_does_not_have(name, version, remedy):
    """A declared one is a warning, and an old one is not reported."""
    after = configuration(f"biff = no\n{name} = 1\n", version)
    problems = list(values.unknown_names(after, (), ()))
    assert [(problem.check, problem.remedy, problem.where) for problem in problems] == (
        [("deprecated_parameter", f"Use {remedy}", "main.cf:2")] if remedy else []
    )
    declared = frozenset({("main", name)})
    assert classify(problems, problems, declared, {}, standalone=False) == ([], problems)
    assert classify(problems, problems, frozenset(), {}, standalone=False) == ([], [])


def test_names_that_nothing_defines():
    [problem] = values.undefined_names(configuration("relayhost = ${hub}\nmyhostname = a\n"), ["hub", "hu"])
    assert "relayhost = ${hub}" in str(problem) and "$hub is not defined" in str(problem)


def test_similar_names_are_searched_for_reported_findings_only(monkeypatch):
    searched = []
    monkeypatch.setattr(values, "did_you_mean", lambda name, known, cutoff: searched.append(name) or f"{known[0]}? ")
    names = [f"own_{number}" for number in range(50)]
    after = configuration("".join(f"{name} = 1\n" for name in names))
    found = list(values.unknown_names(after, [("main", name) for name in names], ["biff"]))
    errors, warnings = classify(found[1:], found, frozenset(), {}, standalone=True)
    assert (searched, warnings) == ([], [])
    with pytest.raises(DeclarationError, match="biff[?] A parameter of your own"):
        raise_errors(errors)
    assert searched == ["own_0"]
