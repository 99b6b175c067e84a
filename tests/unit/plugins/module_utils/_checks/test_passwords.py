# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._checks.passwords import (
    password_findings,
    password_tables_of,
)
from ansible_collections.mailops.postfix.plugins.module_utils._model.finding import CHECKS
from ansible_collections.mailops.postfix.plugins.module_utils._model.routing import Router, TableLookup
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

MASTER_CF = """\
smtp unix - - n - - smtp
strict unix - - n - - smtp
  -o smtp_tls_security_level=encrypt
silent unix - - n - - smtp
  -o smtp_sasl_auth_enable=no
"""
DEFAULTS = {
    "default_transport": "smtp",
    "parent_domain_matches_subdomains": "relay_domains",
    "smtp_host_lookup": "dns",
    "smtp_sasl_auth_enable": "yes",
    "smtp_sasl_password_maps": "hash:/passwords",
    "smtp_sasl_security_options": "",
    "smtp_tls_policy_maps": "hash:/policy",
    "smtp_tls_security_level": "may",
    "transport_maps": "hash:/transport",
    "sender_dependent_relayhost_maps": "hash:/senders",
}
PROVIDER = {"relayhost": "[prov.test]:587"}
KEY = {"[prov.test]:587": "user:S3cret"}
ENCRYPT = {"[prov.test]:587": "encrypt"}
BY_SENDER = {"smtp_sender_dependent_authentication": "yes"}
NO_PLAINTEXT = {"smtp_sasl_security_options": "noplaintext, noanonymous"}


def router(parameters, passwords, policies=None, transport=None, senders=None):
    texts = {
        "hash:/passwords": passwords,
        "hash:/policy": policies or {},
        "hash:/transport": transport or {},
        "hash:/senders": senders or {},
    }
    return Router(built(DEFAULTS, master_cf=MASTER_CF, **parameters), TableLookup(texts))


def found(*arguments):
    findings = list(password_findings(router(*arguments)))
    assert not any("S3cret" in str(finding) for finding in findings)
    return findings


@pytest.mark.parametrize(
    ("parameters", "passwords", "policies", "transport", "senders"),
    [
        (PROVIDER, {}, {}, {}, {}),
        (PROVIDER, KEY, ENCRYPT, {}, {}),
        ({**PROVIDER, "smtp_tls_security_level": "encrypt"}, KEY, {}, {}, {}),
        ({**PROVIDER, "smtp_tls_security_level": "secure"}, {"prov.test": "u:p"}, {}, {}, {}),
        ({**PROVIDER, **NO_PLAINTEXT}, KEY, {}, {}, {}),
        # One of two relayhosts has no password: it may need none.
        ({"relayhost": "[prov.test]:587 [hub.test]"}, KEY, ENCRYPT, {}, {}),
        # The password is for one domain's next hop; others take the default route without one.
        ({}, KEY, {}, {"x.test": "strict:[prov.test]:587"}, {}),
        # Leftovers of another relayhost
        (PROVIDER, {**KEY, "[old.test]:25": "u:p"}, ENCRYPT, {}, {}),
        # By mail exchanger
        ({"relayhost": "prov.test", "smtp_tls_security_level": "encrypt"}, {"mx.prov.test": "u:p"}, {}, {}, {}),
        # By sender
        ({**PROVIDER, **BY_SENDER}, {"alice@a.test": "u:p"}, ENCRYPT, {}, {}),
        (
            {**PROVIDER, **BY_SENDER},
            {"@a.test": "u:p", **KEY},
            {**ENCRYPT, "[a.test]:587": "secure"},
            {},
            {"@a.test": "[a.test]:587"},
        ),
        # Local delivery has no next hop.
        ({"default_transport": "error:no", "mydestination": "here.test"}, KEY, {}, {}, {}),
    ],
)
def test_what_is_fine(parameters, passwords, policies, transport, senders):
    assert [str(finding) for finding in found(parameters, passwords, policies, transport, senders)] == []


@pytest.mark.parametrize(
    ("parameters", "passwords", "policies", "transport", "senders", "says"),
    [
        # The policy is for another next hop.
        (
            PROVIDER,
            KEY,
            {"other.test": "encrypt"},
            {},
            {},
            r"the password for \[prov.test\]:587 at the next hop \[prov.test\]:587",
        ),
        (PROVIDER, KEY, {"[prov.test]": "encrypt"}, {}, {}, r"\[prov.test\]:587 \(relayhost\), whose level is may"),
        (PROVIDER, {"prov.test": "u:S3cret"}, {}, {}, {}, "the password for prov.test at the next hop"),
        ({**PROVIDER, "smtp_tls_security_level": "dane"}, KEY, {}, {}, {}, "whose level is may"),
        (
            {**PROVIDER, "smtp_tls_security_level": "encrypt"},
            KEY,
            {"[prov.test]:587": "may"},
            {},
            {},
            "whose level is may",
        ),
        (
            {"relayhost": "[one.test] [prov.test]:587"},
            KEY,
            {"[one.test]": "encrypt"},
            {},
            {},
            r"\[prov.test\]:587 \(relayhost\)",
        ),
        (
            {**PROVIDER, "smtp_fallback_relay": "[f.test]"},
            {"f.test": "u:p"},
            ENCRYPT,
            {},
            {},
            r"\[f.test\] \(smtp_fallback_relay\)",
        ),
        ({}, KEY, {}, {"x.test": "smtp:[prov.test]:587"}, {}, r"\(the entry x.test of hash:/transport\)"),
        ({}, KEY, {}, {}, {"@a.test": "[prov.test]:587"}, r"\(the entry @a.test of hash:/senders\)"),
        # smtp(8) finds the password of a sender for whatever next hop the mail takes.
        (
            {**PROVIDER, **BY_SENDER},
            {"alice@a.test": "u:S3cret"},
            {},
            {},
            {},
            "the password for alice@a.test at the next hop",
        ),
        (
            {**PROVIDER, **BY_SENDER},
            {"alice@a.test": "u:p"},
            ENCRYPT,
            {"x.test": "smtp:[other.test]"},
            {},
            r"the password for alice@a.test at the next hop \[other.test\]",
        ),
        (BY_SENDER, {"alice@a.test": "u:p"}, {}, {}, {}, "at the next hop each domain"),
    ],
)
def test_a_password_in_clear(parameters, passwords, policies, transport, senders, says):
    findings = found(parameters, passwords, policies, transport, senders)
    assert {finding.check for finding in findings} == {"password_without_tls"}
    assert any(re.search(says, str(finding)) for finding in findings), findings
    assert {finding.severity for finding in findings} == {"error"}


def test_a_table_that_answers_all():
    """Its name is the password."""
    findings = found({**PROVIDER, "smtp_sasl_password_maps": "static:user:S3cret"}, {})
    assert [finding.check for finding in findings] == ["password_without_tls"]
    assert found({**PROVIDER, "smtp_sasl_password_maps": "static:user:S3cret"}, {}, ENCRYPT) == []


def test_a_mail_exchanger_whose_name_is_a_key():
    """Any domain may name it, and the domain of the same name has it for its own."""
    of_any, of_domain = sorted(
        found({}, {"prov.test": "u:S3cret"}, {}, {"x.test": "strict:[prov.test]:587"}),
        key=lambda one: one.severity,
        reverse=True,
    )
    assert of_any.severity == "warning" and "mail exchanger prov.test of each domain" in of_any.cause
    assert "such as [prov.test]:587" in of_any.remedy
    assert of_domain.severity == "error" and "at the next hop prov.test (the domain itself)" in of_domain.subject


@pytest.mark.parametrize(
    ("parameters", "passwords", "says", "severity"),
    [
        (
            PROVIDER,
            {"[prov.test]:465": "u:S3cret"},
            r"looks up prov.test and \[prov.test\]:587, and finds no password",
            "error",
        ),
        (PROVIDER, {"[prov.test]": "u:p"}, r"Write the key \"\[prov.test\]:587\"", "error"),
        (PROVIDER, {"prov.test:587": "u:p"}, r"looks up prov.test and \[prov.test\]:587", "error"),
        ({"relayhost": "prov.test:587"}, {"[prov.test]:587": "u:p"}, r"looks up prov.test:587, and finds", "error"),
        (
            PROVIDER,
            {"alice@a.test": "u:p"},
            "looks up senders only if smtp_sender_dependent_authentication is yes",
            "error",
        ),
        (PROVIDER, {"@a.test": "u:p", **KEY}, "looks up senders only if", "warning"),
        ({**PROVIDER, "smtp_sasl_auth_enable": "no"}, KEY, "smtp_sasl_auth_enable is not yes", "warning"),
    ],
)
def test_a_password_that_is_not_found(parameters, passwords, says, severity):

    [finding] = found(parameters, passwords, ENCRYPT | {"prov.test:587": "encrypt"})
    assert (finding.check, finding.severity) == ("unused_password", severity) and "unused_password" in CHECKS
    assert re.search(says, str(finding)), str(finding)


def test_tables_of_services_count():
    master_cf = "smtp unix - - n - - smtp -o smtp_sasl_password_maps=hash:/own\n"
    built_router = Router(built(DEFAULTS, master_cf=master_cf), TableLookup())
    assert password_tables_of(built_router) == {"hash:/passwords", "hash:/own"}
