# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model.effective_policy import EffectivePolicy
from ansible_collections.mailops.postfix.plugins.module_utils._verify.delivery import Delivery
from ansible_collections.mailops.postfix.plugins.module_utils._verify.outcome import Expected, outcome_of

OK = "250 2.1.5 Ok"
RCPT = "host a[192.0.2.1] said: {} (in reply to RCPT TO command)"


def outcome(reason=OK, level="may", tls="", relay="a[192.0.2.1]:25", **expected):
    delivery = Delivery(relay, reason == OK, reason, "postfix/smtp[1]", tls)
    return outcome_of(delivery, Expected(EffectivePolicy(level), **expected))


@pytest.mark.parametrize(
    ("level", "tls", "expected"),
    [
        ("none", "", "clear"),
        ("may", "", "clear"),
        ("may", "Untrusted", "encrypted"),
        ("may", "Trusted", "trusted"),
        ("dane", "", "clear"),
        ("dane", "Verified", "verified"),
        ("encrypt", "Anonymous", "encrypted"),
        ("encrypt", "Verified", "verified"),
        ("secure", "Verified", "verified"),
        ("fingerprint", "Verified", "verified"),
        ("encrypt", "", "leak"),
        ("fingerprint", "", "leak"),
        ("fingerprint", "Untrusted", "leak"),
        ("secure", "Trusted", "leak"),
        ("dane-only", "Trusted", "leak"),
    ],
)
def test_what_is_on_the_wire(level, tls, expected):
    assert outcome(level=level, tls=tls) == expected
    assert outcome(RCPT.format("450 4.2.0 Greylisted"), level, tls) == expected, "the recipient does not matter"


def test_without_a_log_of_tls_smtp_is_believed():
    assert [outcome(level=level, logs_tls=False) for level in ("may", "encrypt", "secure")] == [
        "clear",
        "encrypted",
        "verified",
    ]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("TLS is required, but was not offered by host plain.example.test[192.0.2.2]", "held"),
        ("TLS is required, but host a[192.0.2.1] refused to start TLS: 454 4.7.0 not now", "held"),
        ("Server certificate not verified", "held"),
        ("Server certificate not trusted", "held"),
        ("Cannot start TLS: handshake failure", "held"),
        ("host a[192.0.2.1] said: 454 4.7.0 TLS not available (in reply to STARTTLS command)", "held"),
        ("non DNSSEC destination", "held"),
        ("TLSA lookup error for a.example.test:25", "held"),
        ("client TLS configuration problem", "misconfigured"),
        ("mail transport unavailable", "misconfigured"),
        ("address resolver failure", "misconfigured"),
        ("mail for a.example.test loops back to myself", "misconfigured"),
        (
            "SASL authentication failed; cannot authenticate to server a[192.0.2.1]: no mechanism available",
            "misconfigured",
        ),
        (
            "SASL authentication failed: server a[192.0.2.1] offered no compatible authentication mechanisms for this type of connection security",
            "misconfigured",
        ),
        ("SASL authentication failed; server a[192.0.2.1] said: 535 5.7.8 Error: authentication failed", "refused"),
        ("host a[192.0.2.1] refused to talk to me: 554 5.7.1 You are not welcome", "refused"),
        ("host a[192.0.2.1] said: 502 5.5.1 no (in reply to EHLO command)", "refused"),
        ("host a[192.0.2.1] said: 550 5.7.1 no (in reply to MAIL FROM command)", "refused"),
        ("host a[192.0.2.1] said: 530 5.7.0 Must authenticate (in reply to MAIL FROM command)", "refused"),
        ("connect to a[192.0.2.1]:25: Connection refused", "unreachable"),
        ("connect to a[2001:db8::1]:25: Network is unreachable", "unreachable"),
        ("Host or domain name not found. Name service error for name=a.test type=AAAA: Host not found", "unreachable"),
        ("conversation with a[192.0.2.1] timed out while receiving the initial server greeting", "unreachable"),
        ("lost connection with a[192.0.2.1] while performing the EHLO handshake", "unreachable"),
    ],
)
def test_why_a_probe_fails(reason, expected):
    assert outcome(reason) == expected


def test_what_is_not_known():
    assert outcome("something of a later version") == "refused"
    assert outcome("something of a later version", relay="none") == "misconfigured"


@pytest.mark.parametrize(
    ("reply", "of_a_relayhost", "of_a_partner"),
    [
        ("554 5.7.1 <x@y>: Access denied", "refused", "clear"),
        ("550 relay not permitted", "refused", "clear"),
        ("550 5.1.1 User unknown", "clear", "clear"),
        ("550-5.1.1 User unknown", "clear", "clear"),
        ("551 5.1.6 moved", "clear", "clear"),
        ("552 5.2.2 Mailbox full", "clear", "clear"),
        ("550 5.1.8 Sender rejected", "refused", "clear"),
        ("450 4.7.1 Greylisted", "clear", "clear"),
    ],
)
def test_the_reply_to_the_recipient(reply, of_a_relayhost, of_a_partner):
    assert outcome(RCPT.format(reply), universal=True) == of_a_relayhost
    assert outcome(RCPT.format(reply)) == of_a_partner


def test_a_leak_is_one_even_if_the_recipient_is_refused():
    assert outcome(RCPT.format("554 5.7.1 Access denied"), "encrypt", universal=True) == "leak"


@pytest.mark.parametrize(
    "reason",
    [
        "host a[192.0.2.1] said: 530 5.7.0 Authentication required (in reply to MAIL FROM command)",
        RCPT.format("554 5.7.1 Relay access denied"),
        RCPT.format("550 relay not permitted"),
        RCPT.format("550 you must authenticate first"),
    ],
)
def test_a_password_that_is_not_found(reason):
    assert outcome(reason, universal=True, may_authenticate=True) == "misconfigured"
    assert outcome(reason, universal=True, may_authenticate=True, has_password=True) == "refused"


GREETING = "lost connection with a[192.0.2.1] while receiving the initial server greeting"


@pytest.mark.parametrize(
    ("reason", "port", "implicit_tls", "expected"),
    [
        (GREETING, "465", False, "misconfigured"),
        (
            "conversation with a[192.0.2.1] timed out while receiving the initial server greeting",
            "submissions",
            False,
            "misconfigured",
        ),
        (GREETING, "465", True, "unreachable"),
        (GREETING, "587", False, "unreachable"),
        ("Cannot start TLS: handshake failure", "587", True, "misconfigured"),
        ("Cannot start TLS: handshake failure", "465", True, "held"),
        ("Cannot start TLS: handshake failure", "587", False, "held"),
        ("connect to a[192.0.2.1]:465: Connection refused", "465", False, "unreachable"),
    ],
)
def test_implicit_tls_at_the_wrong_port(reason, port, implicit_tls, expected):
    assert outcome(reason, "encrypt", port=port, implicit_tls=implicit_tls) == expected


# A server chooses its words and its name. Each of these is what the code looks for in smtp(8)'s own words.
WORDS = [
    "client TLS configuration problem",
    "mail transport unavailable",
    "TLS is required, but was not offered by host x",
    "Server certificate not verified",
    "Cannot start TLS: handshake failure",
    "lookup error",
    "loops back to myself",
    "SASL authentication failed; cannot authenticate to server x",
    "authentication required: relay access denied",
    "fatal: panic: error: warning:",
    "connect to x: Connection refused",
    "(in reply to RCPT TO command)",
    "(in reply to MAIL FROM command)",
    "delivery temporarily suspended: host x said: 530 5.7.0 (in reply to RCPT TO command)",
    "host x refused to talk to me: 554",
    "TLSA DNSSEC destination wrappermode",
]
FORMS = [
    "host {name}[192.0.2.1] said: 450 4.2.0 {words} (in reply to RCPT TO command)",
    "host {name}[192.0.2.1] said: 550 5.1.1 {words} (in reply to RCPT TO command)",
    "host {name}[192.0.2.1] said: 554 5.7.1 {words} (in reply to MAIL FROM command)",
    "host {name}[192.0.2.1] said: 454 4.7.0 {words} (in reply to STARTTLS command)",
    "host {name}[192.0.2.1] said: 502 5.5.1 {words} (in reply to EHLO command)",
    "host {name}[192.0.2.1] refused to talk to me: 554 {words}",
    "TLS is required, but host {name}[192.0.2.1] refused to start TLS: 454 4.7.0 {words}",
    "SASL authentication failed; server {name}[192.0.2.1] said: 535 5.7.8 {words}",
    "connect to {name}[192.0.2.1]:25: Connection refused",
    "lost connection with {name}[192.0.2.1] while receiving the initial server greeting",
    "Host or domain name not found. Name service error for name={name} type=MX: Host not found, try again",
    "TLS is required, but was not offered by host {name}[192.0.2.1]",
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("level", ["may", "encrypt"])
@pytest.mark.parametrize("universal", [False, True])
def test_words_of_others_do_not_decide(form, level, universal):
    def judged(name, words):
        reason = form.format(name=name, words=words)
        return outcome(reason, level, "Trusted", universal=universal, may_authenticate=True, port="25")

    expected = judged("a.example.test", "no")
    for words in WORDS:
        for name in ("a.example.test", "wrappermode.TLSA.fatal.example.test", "TLSA"):
            assert judged(name, words) == expected, (name, words)
