# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses

import pytest
from lab import mail_log
from lab.mail_log import Hop

ID = "demo-1@laptop.example.test"

LAPTOP = """\
2026-11-23T02:06:33+00:00 laptop postfix/pickup[398]: 3FAFF1B0378: uid=1000 from=<alice@laptop.example.test>
2026-11-23T02:06:34+00:00 laptop postfix/cleanup[427]: 3FAFF1B0378: message-id=<demo-1@laptop.example.test>
2026-11-23T02:06:34+00:00 laptop postfix/smtp[429]: Verified TLS connection established to hub.example.test\
[10.89.0.12]:587: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange x25519
2026-11-23T02:06:34+00:00 laptop postfix/smtp[429]: 3FAFF1B0378: to=<bob@example.test>, \
relay=hub.example.test[10.89.0.12]:587, delay=0.28, delays=0.06/0.08/0.11/0.04, dsn=2.0.0, \
status=sent (250 2.0.0 Ok: queued as 7B5491B037E)
2026-11-23T02:06:34+00:00 laptop postfix/qmgr[399]: 3FAFF1B0378: removed
"""
HUB = """\
2026-11-23T02:06:34+0000 hub postfix/submission/smtpd[787]: Untrusted TLS connection established from \
laptop.example.test[10.89.0.11]: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)
2026-11-23T02:06:34+0000 hub postfix/cleanup[792]: 7B5491B037E: message-id=<demo-1@laptop.example.test>
2026-11-23T02:06:34+0000 hub postfix/smtp[793]: Trusted TLS connection established to mx.example.test\
[10.89.0.13]:25: TLSv1.2 with cipher ECDHE-ECDSA-AES256-GCM-SHA384 (256/256 bits)
2026-11-23T02:06:34+0000 hub postfix/smtp[793]: 7B5491B037E: to=<bob@example.test>, \
relay=mx.example.test[10.89.0.13]:25, delay=0.35, delays=0.02/0.1/0.18/0.05, dsn=2.0.0, status=sent (250 2.0.0 Ok)
"""
MX = """\
2026-11-23T02:06:34+00:00 mx postfix/cleanup[292]: CD1D61B0383: message-id=<demo-1@laptop.example.test>
2026-11-23T02:06:34+00:00 mx postfix/local[293]: CD1D61B0383: to=<bob@example.test>, relay=local, \
delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to mailbox)
"""
NAMES = {"laptop.example.test": "laptop", "hub.example.test": "hub", "mx.example.test": "mx"}


def delivery(queue_id="A1", relay="hub.example.test[10.0.0.1]:587", status="sent (ok)", pid=9, recipient="bob@x.test"):
    return (
        f"Nov 23 02:06:34 laptop postfix/smtp[{pid}]: {queue_id}: to=<{recipient}>, relay={relay}, delay=0.1, "
        f"delays=0/0/0/0, dsn=2.0.0, status={status}\n"
    )


def tls(verdict="Verified", address="10.0.0.1", port=587, pid=9):
    return (
        f"Nov 23 02:06:34 laptop postfix/smtp[{pid}]: {verdict} TLS connection established to "
        f"hub.example.test[{address}]:{port}: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n"
    )


START = "Nov 23 02:06:34 laptop postfix/cleanup[5]: A1: message-id=<m@x.test>\n"


def test_the_complete_route():
    found = mail_log.way("laptop", {"laptop": LAPTOP, "hub": HUB, "mx": MX}, ID, NAMES)
    assert [(hop.source, hop.target, hop.port, hop.verdict, hop.protocol, hop.cipher, hop.status) for hop in found] == [
        ("laptop", "hub.example.test", "587", "Verified", "TLSv1.3", "TLS_AES_256_GCM_SHA384", "sent"),
        ("hub", "mx.example.test", "25", "Trusted", "TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384", "sent"),
        ("mx", "", "", "none", "", "", "sent"),
    ]
    assert mail_log.ended(found)


@pytest.mark.parametrize("logs", [{"laptop": LAPTOP}, {"laptop": LAPTOP, "hub": "", "mx": MX}], ids=["no log", "empty"])
def test_a_route_that_continues_has_not_ended(logs):
    found = mail_log.way("laptop", logs, ID, NAMES)
    assert [hop.source for hop in found] == ["laptop"]
    assert not mail_log.ended(found)


def test_another_message_is_not_followed():
    assert mail_log.way("laptop", {"laptop": LAPTOP}, "demo-2@laptop.example.test", NAMES) == []
    assert not mail_log.ended([])


@pytest.mark.parametrize(
    ("log", "verdict", "status", "reason"),
    [
        pytest.param(tls() + delivery(), "Verified", "sent", "ok", id="TLS"),
        pytest.param(delivery(), "none", "sent", "ok", id="in clear"),
        pytest.param(tls(pid=8) + delivery(), "none", "sent", "ok", id="TLS of another process"),
        pytest.param(tls(address="10.0.0.2") + delivery(), "none", "sent", "ok", id="TLS to another address"),
        pytest.param(tls(port=25) + delivery(), "none", "sent", "ok", id="TLS to another port"),
        pytest.param(tls() + delivery("B2") + delivery(), "none", "sent", "ok", id="TLS for another message"),
        pytest.param(tls("Untrusted") + tls() + delivery(), "Verified", "sent", "ok", id="the last connection counts"),
        pytest.param(
            tls("Untrusted") + delivery(status="deferred (Server certificate not verified)"),
            "Untrusted",
            "deferred",
            "Server certificate not verified",
            id="deferred",
        ),
        pytest.param(
            delivery(relay="none", status="deferred (connect to hub.example.test[10.0.0.1]:587: Connection refused)"),
            "none",
            "deferred",
            "connect to hub.example.test[10.0.0.1]:587: Connection refused",
            id="connection refused",
        ),
        pytest.param(
            delivery(status="deferred (try again)") + tls("Trusted") + delivery(), "Trusted", "sent", "ok", id="retried"
        ),
        pytest.param(
            tls()
            + delivery(status="bounced (host said: 554 5.7.1 <bob@x.test>: Relay access denied (in reply to RCPT))"),
            "Verified",
            "bounced",
            "host said: 554 5.7.1 <bob@x.test>: Relay access denied (in reply to RCPT)",
            id="brackets in the reason",
        ),
    ],
)
def test_one_hop(log, verdict, status, reason):
    (hop,) = mail_log.hops("laptop", START + log, "m@x.test")
    assert (hop.verdict, hop.status, hop.reason) == (verdict, status, reason)


@pytest.mark.parametrize(
    "line",
    [
        "Nov 23 02:06:34 laptop postfix/submission/smtpd[1]: A1: message-id=<m@x.test>",
        "2026-11-23T02:06:34.123456+00:00 laptop postfix/cleanup[1]: A1: message-id=<m@x.test>",
        "Nov 23 02:06:34 laptop postfix-out/cleanup[1]: A1: message-id=<m@x.test>",
        "Nov 23 02:06:34 laptop postfix/cleanup[1]: 4Vg7kM1xZbz9: message-id=<m@x.test>",
    ],
)
def test_forms_of_lines(line):
    queue_id = "4Vg7kM1xZbz9" if "4Vg" in line else "A1"
    assert mail_log.hops("laptop", line + "\n" + delivery(queue_id), "<m@x.test>")


def test_each_recipient_has_its_own_result():
    log = START + delivery(recipient="a@x.test") + delivery(recipient="b@x.test", status="deferred (later)")
    assert [hop.status for hop in mail_log.hops("laptop", log, "m@x.test")] == ["sent", "deferred"]


def test_the_last_attempt_comes_last():
    log = START + "".join(delivery(recipient=f"{name}@x.test", status=f"sent ({name})") for name in "aba")
    assert [hop.reason for hop in mail_log.hops("laptop", log, "m@x.test")] == ["b", "a"]


@pytest.mark.parametrize(
    ("program", "status", "ended"),
    [("local", "sent", True), ("smtp", "sent", False), ("smtp", "deferred", True), ("smtp", "bounced", True)],
)
def test_ended(program, status, ended):
    hop = Hop("laptop", program, "hub.example.test", "25", "none", "", "", status, "")
    assert mail_log.ended([hop]) is ended


def test_commands_are_verbatim():
    log = (
        "2026-11-23T02:06:34 - listening 25 587 465\n"
        "2026-11-23T02:06:34 10.89.0.11:4711 port 587 connect\n"
        "2026-11-23T02:06:34 10.89.0.11:4711 port 587 < EHLO laptop.example.test\n"
        "2026-11-23T02:06:34 10.89.0.11:4711 port 587 < mail FROM:<a < b@x.test> SIZE=3\n"
        "2026-11-23T02:06:34 10.89.0.11:4711 port 587 tls TLSv1.3 TLS_AES_256_GCM_SHA384\n"
    )
    assert mail_log.commands(log) == ["EHLO laptop.example.test", "mail FROM:<a < b@x.test> SIZE=3"]


def test_the_target_can_be_named():
    hop = Hop("laptop", "smtp", "hub.example.test", "25", "none", "", "", "sent", "")
    assert mail_log.replace_target(hop, "x") == dataclasses.replace(hop, target="x")
