# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""With what a run of a role ends on a host, for people. Private to mailops.postfix."""

from __future__ import annotations

from typing import Any, Mapping


def run_summary(
    configuration: Mapping[str, Any] | None, verification: Mapping[str, Any] | None, check_mode: bool
) -> str | list[str]:
    """One line if nothing was verified, or the lines of the summary.

    :param configuration: the result of the module configuration; None if it has not run.
    :param verification: the result of the module verify; None if it has not run.
    :param check_mode: whether it was check mode.
    """
    verified = verification if verification and "summary" in verification else None
    if verified is None:
        return _without_verification(configuration or {}, check_mode)
    return [_verdict(verified, configuration or {}), *str(verified["summary"]).split("\n")]


def _without_verification(configuration: Mapping[str, Any], check_mode: bool) -> str:
    if configuration.get("changed") and check_mode:
        return "Check mode: the change was not installed, and nothing was verified"
    if configuration.get("verified"):
        return f"Unchanged. Verified on {_time(configuration['verified'])}"
    return "Unchanged, and never verified. Verify it with --tags verify"


def _verdict(verification: Mapping[str, Any], configuration: Mapping[str, Any]) -> str:
    count = len(verification.get("warnings") or [])
    warnings = f", with {count} warning{'' if count == 1 else 's'}" if count else ""
    if verification.get("undone"):
        return "Undone: the previous configuration has been restored"
    if verification.get("failed"):
        kept = "the change stays" if verification.get("confirmed") else "nothing was undone"
        return f"Failed: {kept}"
    if verification.get("confirmed"):
        return f"Confirmed: the change is in service and verified{warnings}"
    if configuration.get("verify") == "changed":
        return f"Unchanged. What was wrong was verified again{warnings}"
    return f"Verified what is in service{warnings}"


def _time(text: str) -> str:
    """A time in ISO 8601, for people."""
    return text.replace("T", " at ")[:-4] + " UTC"
