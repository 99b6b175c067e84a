# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._verify import delivery as delivery_verification

# Lines of Postfix 3.10, from hosts of the lab.
START = [
    "postfix/pickup[209]: 45B2827C7ED: uid=0 from=<double-bounce@sender.example.test>",
    "postfix/cleanup[237]: 45B2827C7ED: message-id=<20261123044826.45B2827C7ED@sender.example.test>",
    "postfix/qmgr[210]: 45B2827C7ED: from=<double-bounce@sender.example.test>, size=316, nrcpt=1 (queue active)",
]


def tls(verdict="Verified", process=240, host="hub.example.test[192.0.2.1]:25"):
    return (
        f"postfix/smtp[{process}]: {verdict} TLS connection established to {host}: TLSv1.3 with cipher "
        "TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange x25519 server-signature ECDSA (prime256v1) server-digest SHA256"
    )


def delivery(
    reason,
    status="undeliverable",
    relay="hub.example.test[192.0.2.1]:25",
    process=240,
    to="postmaster@hub.example.test",
):
    return (
        f"postfix/smtp[{process}]: 45B2827C7ED: to=<{to}>, relay={relay}, delay=0.08, delays=0.02/0.01/0.03/0.02, "
        f"dsn=2.1.5, status={status} ({reason})"
    )


REFUSED = "host hub.example.test[192.0.2.1] said: 554 5.7.1 <postmaster@hub.example.test>: Relay access denied (in reply to RCPT TO command)"


@pytest.mark.parametrize(
    ("reason", "status", "outcome", "accepted"),
    [
        ("250 2.1.5 Ok", "deliverable", "verified", True),
        (REFUSED, "undeliverable", "verified", False),
        (
            "host a[192.0.2.1] said: 450 4.2.0 Greylisted (in reply to RCPT TO command)",
            "undeliverable",
            "verified",
            False,
        ),
        (
            "host a[192.0.2.1] said: 530 5.7.0 Must authenticate (in reply to MAIL FROM command)",
            "undeliverable",
            "verified",
            False,
        ),
        (
            "host a[192.0.2.1] said: 454 4.7.0 TLS not available (in reply to STARTTLS command)",
            "undeliverable",
            "failed",
            False,
        ),
        ("Server certificate not verified", "undeliverable", "failed", False),
        ("Server certificate not trusted", "undeliverable", "failed", False),
        (
            "TLS is required, but was not offered by host plain.example.test[192.0.2.2]",
            "undeliverable",
            "failed",
            False,
        ),
        ("Cannot start TLS: handshake failure", "undeliverable", "failed", False),
        ("SASL authentication failed; server a[192.0.2.1] said: 535 5.7.8 Error", "undeliverable", "failed", False),
        ("mail transport unavailable", "undeliverable", "failed", False),
        ("non DNSSEC destination", "undeliverable", "failed", False),
        ("connect to a[192.0.2.1]:25: Connection refused", "undeliverable", "unreachable", False),
        ("connect to a[2001:db8::1]:25: Network is unreachable", "undeliverable", "unreachable", False),
        (
            "Host or domain name not found. Name service error for name=a.example.test type=AAAA: Host not found",
            "undeliverable",
            "unreachable",
            False,
        ),
        (
            "conversation with a[192.0.2.1] timed out while receiving the initial server greeting",
            "undeliverable",
            "unreachable",
            False,
        ),
        ("host a[192.0.2.1] refused to talk to me: 421 busy", "undeliverable", "unreachable", False),
    ],
)
def test_outcome(reason, status, outcome, accepted):
    found = delivery_verification.delivery_of([*START, tls(), delivery(reason, status)], "postmaster@hub.example.test")
    assert (found.outcome, found.accepted, found.reason) == (outcome, accepted, reason)


def test_the_other_side():
    found = delivery_verification.delivery_of(
        [*START, tls(), delivery("250 2.1.5 Ok", "deliverable")], "Postmaster@hub.example.test"
    )
    assert (found.tls, found.protocol, found.cipher) == ("Verified", "TLSv1.3", "TLS_AES_256_GCM_SHA384")
    assert found.relay == "hub.example.test[192.0.2.1]:25"


@pytest.mark.parametrize(
    "line",
    [
        tls(process=241),
        tls(host="other.example.test[192.0.2.9]:25"),
        "postfix/smtp[240]: setting up TLS connection to hub.example.test[192.0.2.1]:25",
    ],
    ids=["of another process", "to another host", "not established"],
)
def test_tls_of_something_else(line):
    assert (
        delivery_verification.delivery_of(
            [line, delivery("250 2.1.5 Ok", "deliverable")], "postmaster@hub.example.test"
        ).tls
        == ""
    )


def test_a_line_with_the_queue_id():
    """Since Postfix 3.10 a line about TLS may bear it."""
    line = tls().replace("]: ", "]: 45B2827C7ED: ", 1)
    assert (
        delivery_verification.delivery_of(
            [line, delivery("250 2.1.5 Ok", "deliverable")], "postmaster@hub.example.test"
        ).tls
        == "Verified"
    )


@pytest.mark.parametrize(
    "lines",
    [
        [],
        START,
        [delivery("250 2.1.5 Ok", "deliverable", to="other@hub.example.test")],
        [delivery("250 2.0.0 Ok: queued as 1", "sent")],
        [delivery("connect to a[192.0.2.1]:25: Connection refused", "deferred")],
    ],
    ids=["nothing", "queued", "another probe", "a mail", "a mail that waits"],
)
def test_not_known_yet(lines):
    assert delivery_verification.delivery_of(lines, "postmaster@hub.example.test") is None
