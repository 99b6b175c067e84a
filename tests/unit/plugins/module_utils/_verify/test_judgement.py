# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model.effective_policy import EffectivePolicy
from ansible_collections.mailops.postfix.plugins.module_utils._model.routing import Hop
from ansible_collections.mailops.postfix.plugins.module_utils._model.ways_out import WayOut
from ansible_collections.mailops.postfix.plugins.module_utils._verify.delivery import Delivery
from ansible_collections.mailops.postfix.plugins.module_utils._verify.judgement import Judgement, Result
from ansible_collections.mailops.postfix.plugins.module_utils._verify.outcome import Expected
from ansible_collections.mailops.postfix.plugins.module_utils._verify.report import KEEP, UNDO, VerificationReport
from ansible_collections.mailops.postfix.plugins.module_utils._verify.severities import Severities
from ansible_collections.mailops.postfix.plugins.module_utils._verify.targets import Target
from ansible_collections.mailops.postfix.plugins.module_utils._verify.waiting import Waiting

HOP = Hop("smtp", "[a.test]", "relayhost", True)


def result(outcome, relay="a.test[192.0.2.1]:25", accepted=False):
    expected = Expected(EffectivePolicy("secure", table="hash:/p", key="[a.test]"))
    target = Target(WayOut(HOP, "postmaster@a.test", None, 0, True), expected)
    return Result(
        "postmaster@a.test", target, outcome, Delivery(relay, accepted, "the reason", tls="Trusted"), expected
    )


def judged(outcome, stuck=(), waits=None, **arguments):
    severities = Severities("next_hops", "warning", "warning", {"unreachable": "warning"})
    report = VerificationReport()
    Judgement(severities, None, stuck, waits or {}, "5d").judge(result(outcome, **arguments), report)
    return report


@pytest.mark.parametrize(
    ("outcome", "severity", "undo", "says"),
    [
        (
            "leak",
            "error",
            UNDO,
            "the next hop [a.test]: mail leaves less protected than the policy [a.test] in hash:/p demands (secure): the reason",
        ),
        (
            "misconfigured",
            "error",
            UNDO,
            "the next hop [a.test] can't be used because of this host's configuration: the reason",
        ),
        (
            "held",
            "warning",
            KEEP,
            "the next hop [a.test] does not meet level secure (the policy [a.test] in hash:/p): the reason. No mail waits",
        ),
        ("refused", "warning", KEEP, "the next hop [a.test] refuses mail: the reason"),
        ("unreachable", "warning", KEEP, "the next hop [a.test]: the reason"),
    ],
)
def test_a_fault(outcome, severity, undo, says):
    [fault] = judged(outcome).faults
    assert (fault.subject, fault.kind, fault.severity, fault.undo) == ("the next hop [a.test]", outcome, severity, undo)
    assert fault.message.startswith(says)


def test_mail_that_waits():
    waits = {("smtp", "[a.test]"): Waiting(1, 0, ("x@b.test",))}
    assert "Its mail waits: 1 message for x@b.test waits since 1970-01-01" in judged("held", waits=waits).warnings[0]


def test_no_other_way_out():
    assert judged("refused", stuck={"[a.test]"}).problems == [
        "the next hop [a.test] refuses mail: the reason. No other way out remains for this mail"
    ]


@pytest.mark.parametrize(("accepted", "notes"), [(True, 0), (False, 1)])
def test_a_recipient_that_is_not_known(accepted, notes):
    report = judged("verified", accepted=accepted)
    assert report.faults == [] and len(report.notes) == notes


@pytest.mark.parametrize(
    ("outcome", "relay", "level"),
    [("trusted", "a", "trusted"), ("leak", "a", "trusted"), ("held", "a", ""), ("refused", "none", "")],
)
def test_the_level_of_a_session(outcome, relay, level):
    assert result(outcome, relay).shown({})["level"] == level
