# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The results of a verification. Private to mailops.postfix."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

UNDO, KEEP, COMPARE = "undo", "keep", "compare"
"""What follows from a fault: the change is undone, it stays, or it is undone if there was no such fault before the change."""


@dataclass(frozen=True)
class Fault:
    """Something that is wrong."""

    subject: str
    """What is wrong: a port, a next hop; empty for Postfix itself."""
    kind: str
    """How it is wrong. Two faults of the same subject and kind are the same."""
    message: str
    severity: str
    """``error`` or ``warning``."""
    undo: str = UNDO
    level: str = ""
    """For a next hop, the level that its policy demands."""

    @property
    def identity(self) -> tuple[str, str]:
        """The same before and after a change."""
        return self.subject, self.kind


@dataclass
class VerificationReport:
    """What was probed, and what was found."""

    listeners: list[dict[str, Any]] = field(default_factory=list)
    next_hops: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Warnings that are not about faults."""
    log: list[str] = field(default_factory=list)
    evidence: str = ""
    """Where the results of next hops come from: ``journal``, ``file`` or ``report``."""

    @property
    def problems(self) -> list[str]:
        """The messages of the faults of severity ``error``."""
        return [fault.message for fault in self.faults if fault.severity == "error"]

    @property
    def warnings(self) -> list[str]:
        """The messages of the faults of severity ``warning``, and other warnings."""
        return [fault.message for fault in self.faults if fault.severity == "warning"] + self.notes

    def add(
        self, severity: str, message: str, subject: str = "", kind: str = "", undo: str = UNDO, level: str = ""
    ) -> None:
        """Record a fault.

        :param severity: ``error`` (a problem), ``warning`` or ``ignore`` (not recorded).
        :param kind: by default the message itself.
        """
        if severity != "ignore":
            # A warning alone does not undo a change.
            follows = KEEP if severity == "warning" and undo == UNDO else undo
            self.faults.append(Fault(subject, kind or message, message, severity, follows, level))

    def problem(self, message: str) -> None:
        """Record an error of Postfix itself."""
        self.add("error", message)
