# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._verify.report import VerificationReport
from ansible_collections.mailops.postfix.plugins.module_utils._verify.summary import WIDTH, reasons_of, summary_of


def listener(service="smtp/inet", port=25, **more):
    return {
        "service": service,
        "host": "192.0.2.25",
        "port": port,
        "problems": [],
        "warnings": [],
        "domains": [],
        "not_probed": [],
        "tls": "STARTTLS",
        "auth": [],
        "relay": "closed",
        "certificate": {"subject": "CN=x", "names": ["mx1.example.org"], "not_after": "", "days_left": 58},
        **more,
    }


def hop(nexthop="[hub.example.org]:587", outcome="verified", policy="fingerprint", **more):
    return {
        "nexthop": nexthop,
        "outcome": outcome,
        "policy": policy,
        "protocol": "TLSv1.3",
        "accepted": True,
        "reason": "250 2.1.5 Ok",
        "waiting": None,
        **more,
    }


def test_a_relay():
    submission = listener("submission/inet", 587, tls="TLS required", auth=["LOGIN", "PLAIN"])
    other = listener(
        "2525/inet", 2525, tls="no TLS", certificate=None, domains=["a.test", "b.test", "c.test", "d.test"]
    )
    held = hop(
        *("partner.example.com", "held", "encrypt"),
        protocol="",
        accepted=False,
        reason="TLS is required, but was not offered by host partner.example.com[192.0.2.7]",
        waiting={"messages": 3, "since": "2026-11-29 03:04 UTC"},
    )
    text = summary_of([listener(), submission, other], [hop(), held], "journal")
    assert (
        text
        == """Ports
  25 (smtp) at 192.0.2.25: STARTTLS, no AUTH, relay closed
    certificate of mx1.example.org, 58 days left
  587 (submission) at 192.0.2.25: TLS required, AUTH LOGIN PLAIN,
    relay closed
    certificate of mx1.example.org, 58 days left
  2525 at 192.0.2.25: no TLS, no AUTH, relay closed
    asked for mail to a.test, b.test, c.test and 1 more
Next hops
  [hub.example.org]:587: verified (level fingerprint), TLSv1.3
  partner.example.com: held (level encrypt)
    TLS is required, but was not offered by host
      partner.example.com[192.0.2.7]
    3 messages wait since 2026-11-29 03:04 UTC
Evidence: systemd's journal
Not asked
  Probes end after RCPT TO: a server may still reject mail after DATA."""
    )


def test_many_next_hops_that_work_are_counted():
    hops = (
        [hop(f"h{number}.test") for number in range(40)]
        + [hop("plain.test", "clear", "may")]
        + [hop("x.test", "refused")]
    )
    text = summary_of([], hops, "file")
    assert "  41 as their policies demand: 40 verified, 1 clear\n  x.test: refused" in text
    assert "Evidence: a log file. A local user can write to it" in text and "Ports" not in text


def test_findings_and_what_was_left_out():
    found = listener(
        problems=["it is an open relay"], warnings=["it refuses mail for a.test"], not_probed=["d19.example"]
    )
    text = summary_of([found], [])
    assert "    ERROR: it is an open relay\n    WARNING: it refuses mail for a.test\n" in text
    assert "  Ports were not probed for d19.example." in text


def test_width():
    long = " ".join(["word"] * 100)
    text = summary_of(
        [listener(problems=[long], domains=["x" * 30 + ".test"] * 9)], [hop("x.test", "held", reason=long)], "report"
    )
    assert max(map(len, text.split("\n"))) <= WIDTH


@pytest.mark.parametrize(
    ("ignored", "scope", "check_mode", "expected"),
    [
        (("listeners", "next_hops"), "all", False, ["listeners: ignore", "next_hops: ignore"]),
        ((), "changed", False, ["smtpd(8) listens on none that can be probed", "the change can affect none"]),
        ((), "all", True, ["smtpd(8) listens on none that can be probed", "check mode"]),
        (
            (),
            "all",
            False,
            [
                "smtpd(8) listens on none that can be probed",
                "none has a password or must have TLS, and there is no relayhost",
            ],
        ),
    ],
)
def test_why_nothing_was_asked(ignored, scope, check_mode, expected):
    reasons = reasons_of(VerificationReport(), ignored, scope, check_mode)
    assert list(reasons.values()) == expected
    text = " ".join(summary_of([], [], "", reasons).split())
    assert all(f" No {kind}: {reason}." in text for kind, reason in reasons.items())


def test_nothing_is_left_out():
    report = VerificationReport(listeners=[listener()], next_hops=[hop()])
    assert reasons_of(report, (), "all") == {}
