# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What follows from the outcome of a next hop: a message, its severity, and whether the change is undone. Private to mailops.postfix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Collection, Mapping

from .._model.routing import Router
from . import outcome, targets
from .delivery import Delivery
from .outcome import HELD, LEAK, MISCONFIGURED, REFUSED, UNREACHABLE, Expected
from .report import COMPARE, KEEP, UNDO, VerificationReport
from .severities import Severities
from .targets import Target
from .waiting import Waiting, utc

NAME = "the next hop "
"""The subject of a fault is this with a next hop."""


@dataclass(frozen=True)
class Result:
    """The result of one probe."""

    recipient: str
    what: Target | str
    """What it has probed: a next hop, or a further recipient."""
    outcome: str
    delivery: Delivery
    expected: Expected

    @property
    def is_reached(self) -> bool:
        """Whether there was a session in which mail could have been sent."""
        return self.outcome in (*outcome.GOOD, LEAK, REFUSED) and self.delivery.relay != "none"

    def shown(self, waits: Mapping[tuple[str, str], Waiting]) -> dict[str, Any]:
        """What the module returns about it.

        :param waits: the mail that waits, by transport and next hop.
        """
        target, delivery = self.what, self.delivery
        mail = waits.get(target.way.identity) if isinstance(target, Target) and self.outcome == HELD else None
        return {
            "nexthop": subject_of(target),
            "transport": target.hop.transport if isinstance(target, Target) else "",
            "recipient": self.recipient,
            "sender": (target.way.sender or "") if isinstance(target, Target) else "",
            "policy": self.expected.policy.level,
            "outcome": self.outcome,
            "level": outcome.level_of(delivery, self.expected) if self.is_reached else "",
            "relay": delivery.relay,
            "accepted": delivery.accepted,
            "reason": delivery.reason,
            "tls": delivery.tls,
            "protocol": delivery.protocol,
            "cipher": delivery.cipher,
            "waiting": mail and {"messages": mail.count, "since": utc(mail.since)},
        }


@dataclass(frozen=True)
class Judgement:
    """What the faults of next hops depend on, besides their outcomes."""

    severities: Severities
    before: Router | None
    """The routes before the change; None if it is not known, or there is none."""
    stuck: Collection[str]
    """The next hops of mail for which no other way out remains."""
    waits: Mapping[tuple[str, str], Waiting]
    """The mail that waits, by transport and next hop."""
    lifetime: str
    """maximal_queue_lifetime."""

    def judge(self, result: Result, report: VerificationReport) -> None:
        """Record the fault of a next hop, if its outcome is one."""
        subject, words = subject_of(result.what), self._message(result)
        name, kind, level = fault_name(subject), result.outcome, result.expected.policy.level
        if kind in (LEAK, MISCONFIGURED):
            report.add("error", words, name, kind, UNDO, level)
        elif kind in (HELD, REFUSED):
            severity = "error" if subject in self.stuck else self.severities.of(subject)
            report.add(severity, words, name, kind, KEEP if self._is_new(result) else COMPARE, level)
        elif kind == UNREACHABLE:
            report.add(self.severities.of(subject, UNREACHABLE), words, name, kind, KEEP, level)
        elif not result.delivery.accepted:
            reason = result.delivery.reason
            report.notes.append(f"{name} does not accept mail for {result.recipient}: {reason}")

    def _is_new(self, result: Result) -> bool:
        """Whether the change has made the next hop, its level or its match stricter or new; True if that is not known."""
        if self.before is None:
            return True
        return isinstance(result.what, Target) and targets.is_stricter(self.before, result.what)

    def _message(self, result: Result) -> str:
        subject, reason = subject_of(result.what), result.delivery.reason
        if not isinstance(result.what, Target):
            return f"{fault_name(subject)}: {reason}"
        policy, hop = result.what.policy, result.what.hop
        source = f"the policy {policy.key} in {policy.table}" if policy.table else f"{hop.protocol}_tls_security_level"
        words = {
            LEAK: f": mail leaves less protected than {source} demands ({policy.level})",
            HELD: f" does not meet level {policy.level} ({source})",
            REFUSED: " refuses mail",
            MISCONFIGURED: " can't be used because of this host's configuration",
        }.get(result.outcome, "")
        text = f"{fault_name(subject)}{words}: {reason}"
        if result.outcome == HELD:
            mail = self.waits.get(result.what.way.identity)
            none = f"No mail waits for it now; what waits is returned after {self.lifetime} (maximal_queue_lifetime)"
            text += f". Its mail waits: {mail.described(self.lifetime)}" if mail else f". {none}"
        return f"{text}. No other way out remains for this mail" if subject in self.stuck else text


def subject_of(what: Target | str) -> str:
    """The next hop, or the further recipient."""
    return what.hop.nexthop if isinstance(what, Target) else what


def fault_name(nexthop: str) -> str:
    """The subject of a fault."""
    return f"{NAME}{nexthop}"
