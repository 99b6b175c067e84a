# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses

import pytest
from lab import demo
from lab.mail_log import Hop

NAMES = {f"{name}.example.test": name for name in ("laptop", "hub", "mx", "plain", "selfsigned", "impostor")}
LAST = Hop("mx", "local", "", "", "none", "", "", "sent", "delivered to mailbox")
REFUSED = "Server certificate not verified"
QUIET = ["EHLO laptop.example.test", "STARTTLS", "QUIT"]


def hop(source, target, verdict, status="sent", reason="ok"):
    protocol, cipher = ("", "") if verdict == "none" else ("TLSv1.3", "TLS_AES_256_GCM_SHA384")
    return Hop(source, "smtp", f"{target}.example.test", "25", verdict, protocol, cipher, status, reason)


GOOD = [
    [hop("laptop", "hub", "Verified"), hop("hub", "mx", "Trusted"), LAST],
    [hop("hub", "plain", "none"), LAST],
    [hop("hub", "selfsigned", "Untrusted"), LAST],
    [hop("hub", "selfsigned", "Untrusted", "deferred", REFUSED)],
    [hop("laptop", "impostor", "Untrusted", "deferred", REFUSED)],
]


def test_there_are_five_mails():
    assert len(demo.MAILS) == len(GOOD) == 5


@pytest.mark.parametrize("number", range(5))
def test_expected_delivery(number):
    assert demo.deviations(demo.MAILS[number], GOOD[number], NAMES, QUIET) == []


@pytest.mark.parametrize(
    ("number", "hops", "received"),
    [
        pytest.param(0, [], [], id="lost"),
        pytest.param(0, GOOD[0][:2], [], id="not in the mailbox"),
        pytest.param(0, [hop("laptop", "hub", "Trusted"), *GOOD[0][1:]], [], id="no pin"),
        pytest.param(0, [GOOD[0][0], hop("hub", "mx", "Untrusted"), LAST], [], id="no CA"),
        pytest.param(0, [hop("laptop", "mx", "Trusted"), LAST], [], id="not through the smarthost"),
        pytest.param(0, [GOOD[0][0], hop("hub", "mx", "Trusted", "deferred", "later")], [], id="deferred"),
        pytest.param(1, [hop("hub", "plain", "Untrusted"), LAST], [], id="TLS at a peer without TLS"),
        pytest.param(2, [hop("hub", "selfsigned", "Trusted"), LAST], [], id="trusted without reason"),
        pytest.param(2, [hop("hub", "selfsigned", "none"), LAST], [], id="in clear"),
        pytest.param(3, GOOD[2], [], id="delivered against the policy"),
        pytest.param(3, [dataclasses.replace(GOOD[3][0], status="bounced")], [], id="bounced"),
        pytest.param(3, [dataclasses.replace(GOOD[3][0], reason="Connection timed out")], [], id="different reason"),
        pytest.param(4, GOOD[0], QUIET, id="delivered through the hub"),
        pytest.param(4, [hop("laptop", "impostor", "Untrusted"), LAST], QUIET, id="accepted by the impostor"),
        pytest.param(4, GOOD[4], [], id="not connected to the impostor"),
        *(
            pytest.param(4, GOOD[4], [*QUIET[:2], command], id=command)
            for command in ("AUTH PLAIN AGEAYg==", "mail FROM:<alice@laptop.example.test>", "RCPT TO:<b@x>", "DATA")
        ),
    ],
)
def test_deviations_are_reported(number, hops, received):
    assert demo.deviations(demo.MAILS[number], hops, NAMES, received)


def test_table():
    rows = [("", "from"), *(row[:2] for row in demo.rows_of(1, demo.MAILS[0], GOOD[0], NAMES, []))]
    assert demo.table(rows) == "   from\n1  laptop\n"
    (first, second) = demo.rows_of(1, demo.MAILS[0], GOOD[0], NAMES, [])
    assert first[3:] == ("laptop -> hub", "TLSv1.3", "TLS_AES_256_GCM_SHA384", "Verified", "", "")
    assert second[3:] == ("hub -> mx", "TLSv1.3", "TLS_AES_256_GCM_SHA384", "Trusted", "delivered", "ok")


@pytest.mark.parametrize(
    ("number", "hops", "problems", "end"),
    [
        (1, GOOD[1], [], ("clear", "-", "none", "delivered", "ok")),
        (3, GOOD[3], [], ("TLSv1.3", "TLS_AES_256_GCM_SHA384", "Untrusted", f"deferred: {REFUSED}", "ok")),
        (3, [], ["lost"], ("-", "-", "-", "lost", "WRONG")),
    ],
)
def test_rows(number, hops, problems, end):
    (row,) = demo.rows_of(number + 1, demo.MAILS[number], hops, NAMES, problems)
    assert row[:3] == (str(number + 1), demo.MAILS[number].sender, demo.MAILS[number].recipient)
    assert row[4:] == end
