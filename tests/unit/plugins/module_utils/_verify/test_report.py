# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._verify.report import VerificationReport


@pytest.mark.parametrize(
    ("severity", "problems", "warnings"), [("error", ["x"], []), ("warning", [], ["x"]), ("ignore", [], [])]
)
def test_severities(severity, problems, warnings):
    report = VerificationReport()
    report.add(severity, "x")
    assert (report.problems, report.warnings) == (problems, warnings)
