# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter run_summary."""

from __future__ import annotations

DOCUMENTATION = r"""
name: run_summary
short_description: Summarize what was changed and verified on a host
version_added: 0.1.0
author: mailops.postfix contributors (!UNKNOWN)
description:
  - One line if nothing was verified in this run. Otherwise the lines of RV(mailops.postfix.verify#module:summary), after one that says what
    became of the change.
  - The roles of this collection end with it.
options:
  _input:
    description: The result of M(mailops.postfix.configuration).
    type: dict
    required: true
  verification:
    description: The result of M(mailops.postfix.verify), or of its skipped task.
    type: dict
  check_mode:
    description: Whether it was check mode.
    type: bool
    default: false
positional: _input, verification
"""

EXAMPLES = r"""
- name: Show what was verified
  ansible.builtin.debug:
    msg: "{{ result | mailops.postfix.run_summary(verification) }}"
"""

RETURN = r"""
_value:
  description: The line, or the list of lines.
  type: raw
  sample: Unchanged. Verified on 2026-11-30 at 05:10 UTC
"""

from typing import Any, Callable, Mapping

from ..plugin_utils import _run_summary


def run_summary(
    configuration: Mapping[str, Any] | None, verification: Mapping[str, Any] | None = None, check_mode: bool = False
) -> str | list[str]:
    """What was changed and verified."""
    return _run_summary.run_summary(configuration, verification, check_mode)


class FilterModule:
    """The Jinja2 filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"run_summary": run_summary}
