# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.filter import run_summary as plugin
from ansible_collections.mailops.postfix.plugins.plugin_utils._run_summary import run_summary

SKIPPED = {"skipped": True, "changed": False}
VERIFIED = {"summary": "Ports\n  25", "confirmed": True, "undone": False, "warnings": []}


@pytest.mark.parametrize(
    ("configuration", "verification", "expected"),
    [
        ({"verified": "2026-11-30T05:10:00Z"}, SKIPPED, "Unchanged. Verified on 2026-11-30 at 05:10 UTC"),
        ({"verified": None, "changed": False}, SKIPPED, "Unchanged, and never verified. Verify it with --tags verify"),
        (
            {"verified": "2026-11-30T05:10:00Z", "changed": True},
            SKIPPED,
            "Unchanged. Verified on 2026-11-30 at 05:10 UTC",
        ),
        (
            {"changed": True, "check_mode": True},
            SKIPPED,
            "Check mode: the change was not installed, and nothing was verified",
        ),
        (
            {"verify": "changed", "changed": True},
            VERIFIED,
            ["Confirmed: the change is in service and verified", "Ports", "  25"],
        ),
        (
            {"verify": "changed", "changed": True},
            {**VERIFIED, "warnings": ["a", "b"]},
            ["Confirmed: the change is in service and verified, with 2 warnings", "Ports", "  25"],
        ),
        (
            {"verify": "changed"},
            {**VERIFIED, "confirmed": False, "warnings": ["a"]},
            ["Unchanged. What was wrong was verified again, with 1 warning", "Ports", "  25"],
        ),
        (None, {**VERIFIED, "confirmed": False}, ["Verified what is in service", "Ports", "  25"]),
        (
            {"changed": True},
            {**VERIFIED, "confirmed": False, "undone": True, "failed": True},
            ["Undone: the previous configuration has been restored", "Ports", "  25"],
        ),
        ({"changed": True}, {**VERIFIED, "failed": True}, ["Failed: the change stays", "Ports", "  25"]),
        (None, {**VERIFIED, "confirmed": False, "failed": True}, ["Failed: nothing was undone", "Ports", "  25"]),
    ],
)
def test_summaries(configuration, verification, expected):
    check_mode = bool(configuration and configuration.pop("check_mode", False))
    assert run_summary(configuration, verification, check_mode) == expected
    assert plugin.FilterModule().filters()["run_summary"](configuration, verification, check_mode) == expected
