# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The results of a verification. Private to mailops.postfix."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class VerificationReport:
    """What was probed, and what was found."""

    listeners: list[dict[str, Any]] = field(default_factory=list)
    next_hops: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def add(self, severity: str, message: str) -> None:
        """Record a message.

        :param severity: ``error`` (a problem), ``warning`` or ``ignore`` (not recorded).
        """
        if severity != "ignore":
            (self.problems if severity == "error" else self.warnings).append(message)
