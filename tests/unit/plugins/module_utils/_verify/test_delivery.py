# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._verify.delivery import deliveries, rejections

# Lines of Postfix 3.10, from hosts of the lab.
PROBER = "double-bounce@sender.example.test"
START = [
    f"postfix/pickup[209]: 45B2827C7ED: uid=0 from=<{PROBER}>",
    "postfix/cleanup[237]: 45B2827C7ED: message-id=<20261123044826.45B2827C7ED@sender.example.test>",
    f"postfix/qmgr[210]: 45B2827C7ED: from=<{PROBER}>, size=316, nrcpt=1 (queue active)",
]
RECIPIENT = "postmaster@hub.example.test"
HUB = "hub.example.test[192.0.2.1]:25"


def tls(verdict="Verified", process=240, host=HUB, how="established"):
    return (
        f"postfix/smtp[{process}]: {verdict} TLS connection {how} to {host}: TLSv1.3 with cipher "
        "TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange x25519 server-signature ECDSA (prime256v1) server-digest SHA256"
    )


def delivery(
    reason="250 2.1.5 Ok",
    status="deliverable",
    relay=HUB,
    process=240,
    to=RECIPIENT,
    more="",
    queue_id="45B2827C7ED",
):
    return (
        f"postfix/smtp[{process}]: {queue_id}: to=<{to}>, relay={relay}, delay=0.08, delays=0.02/0.01/0.03/0.02, {more}"
        f"dsn=2.1.5, status={status} ({reason})"
    )


def only(*lines):
    return deliveries([*START, *lines], ["45B2827C7ED"])["45B2827C7ED"]


def test_the_other_side():
    found = only(tls(), delivery())
    assert (found.accepted, found.reason, found.process) == (True, "250 2.1.5 Ok", "postfix/smtp[240]")
    assert (found.tls, found.protocol, found.cipher) == ("Verified", "TLSv1.3", "TLS_AES_256_GCM_SHA384")
    assert (found.relay, found.level) == (HUB, "verified")


def test_an_alias():
    line = (
        f"postfix/local[3314]: 45B2827C7ED: to=<root@hub.example.test>, orig_to=<{RECIPIENT}>, relay=local, delay=0.03, "
        "delays=0.02/0/0/0.01, dsn=2.0.0, status=deliverable (delivers to mailbox)"
    )
    assert (only(line).accepted, only(line).relay) == (True, "local")


@pytest.mark.parametrize(
    ("verdict", "level"),
    [("Anonymous", "encrypted"), ("Untrusted", "encrypted"), ("Trusted", "trusted"), ("Verified", "verified")],
)
def test_levels(verdict, level):
    assert only(tls(verdict), delivery()).level == level
    assert only(tls(verdict, how="reused"), delivery()).level == level


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
    assert only(line, delivery()).level == "clear"


@pytest.mark.parametrize("status", ["sent", "deferred", "bounced", "deliverable"])
def test_tls_of_the_mail_before(status):
    """The same process sends to the same host, first with TLS, then without: a leak must not look like the session before."""
    assert only(tls(), delivery(status=status, queue_id="4C0FFEE"), delivery()).level == "clear"


def test_several_probes():
    found = deliveries(
        [tls("Trusted"), delivery(queue_id="A1"), tls(), delivery(queue_id="B2"), delivery(queue_id="C3")],
        ["A1", "B2", "C3", "D4"],
    )
    assert {queue_id: result.level for queue_id, result in found.items()} == {
        "A1": "trusted",
        "B2": "verified",
        "C3": "clear",
    }


def test_an_alias_with_several_addresses():
    """The first that is not accepted decides."""
    refused = delivery("no", "undeliverable", to="b@x.test")
    for lines in ([delivery(), refused, delivery()], [refused, delivery()]):
        assert not only(*lines).accepted


# A stranger chooses addresses, host names and the words of replies.
HOSTILE = [
    "x>, relay=none, delay=0, dsn=2.0.0, status=deliverable (250 ok)",
    "postfix/smtp[240]: 45B2827C7ED: to=<a@b.test>, relay=none, delay=0, dsn=2.0.0, status=deliverable (ok)",
    "Verified TLS connection established to hub.example.test[192.0.2.1]:25: TLSv1.3 with cipher X",
    "status=deliverable (250 2.1.5 Ok)",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    "form",
    [
        "postfix/smtpd[9]: NOQUEUE: reject: RCPT from x[192.0.2.7]: 554 5.7.1 <{}>: Relay access denied; from=<{}> to=<{}>",
        "postfix/smtpd[9]: warning: hostname {} does not resolve to address 192.0.2.7",
        "postfix/smtp[240]: 4C0FFEE: to=<{}>, relay=x[192.0.2.7]:25, delay=1, dsn=5.0.0, status=undeliverable (host x[192.0.2.7] said: 550 {})",
        "postfix/smtp[240]: 4C0FFEE: host x[192.0.2.7] said: 450 {} (in reply to RCPT TO command)",
    ],
)
def test_text_of_others_is_no_result(form, text):
    line = form.replace("{}", text)
    assert deliveries([line], ["45B2827C7ED"]) == {}
    assert only(line, delivery()).level == "clear"
    assert rejections([line], ["45B2827C7ED"]) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_the_words_of_a_reply_are_no_result(text):
    found = only(delivery(f"host x[192.0.2.7] said: 550 {text} (in reply to RCPT TO command)", "undeliverable"))
    assert (found.accepted, found.level, found.relay) == (False, "clear", HUB)


def test_lines_of_other_versions():
    """Since Postfix 3.10 a line about TLS may bear the queue id, since 3.11 a delivery the level."""
    line = tls().replace("]: ", "]: 45B2827C7ED: ", 1)
    assert only(line, delivery(more="tls=verify, ")).level == "verified"


@pytest.mark.parametrize(
    "lines",
    [
        [],
        START,
        [delivery(queue_id="4C0FFEE")],
        [delivery("250 2.0.0 Ok: queued as 1", "sent")],
        [delivery("connect to a[192.0.2.1]:25: Connection refused", "deferred")],
    ],
    ids=["nothing", "queued", "another probe", "a mail", "a mail that waits"],
)
def test_not_known_yet(lines):
    assert deliveries(lines, ["45B2827C7ED"]) == {}


MILTER = "postfix/cleanup[237]: 45B2827C7ED: milter-reject: CONNECT from localhost[127.0.0.1]: 4.7.1 Service unavailable - try again later"


@pytest.mark.parametrize(
    "line",
    [
        MILTER,
        "postfix/cleanup[237]: warning: connect to Milter service inet:127.0.0.1:9: Connection refused",
        "postfix/cleanup[237]: error: open database /etc/postfix/nope.db: No such file or directory",
        "postfix/cleanup[237]: warning: 45B2827C7ED: virtual_alias_maps map lookup problem for a@b.test -- message not accepted, try again later",
        "postfix/cleanup[237]: 45B2827C7ED: to=<a@b.test>, relay=none, delay=0.01, delays=0.01/0/0/0, dsn=5.5.0, status=bounced (Service unavailable)",
        "postfix/cleanup[237]: 45B2827C7ED: reject: header Subject: x from local; from=<a@b.test>: 5.7.1 message content rejected",
    ],
)
def test_what_keeps_a_probe_from_smtp(line):
    assert rejections([*START[:1], line], ["45B2827C7ED"]) == [line]


@pytest.mark.parametrize(
    "line",
    [
        *START[1:],
        MILTER.replace("45B2827C7ED", "4C0FFEE0000"),
        "postfix/cleanup[237]: warning: 4C0FFEE0000: virtual_alias_maps map lookup problem for a@b.test",
        "postfix/smtpd[9]: NOQUEUE: reject: RCPT from x[192.0.2.7]: 554 5.7.1 cleanup[1]: fatal: Relay access denied",
        "postfix/cleanup[237]: 45B2827C7ED: removed (canceled)",
        "postfix/cleanup[237]: 45B2827C7ED: info: header Subject: rejected from local",
    ],
)
def test_what_does_not(line):
    assert rejections([*START[:1], line], ["45B2827C7ED"]) == []
