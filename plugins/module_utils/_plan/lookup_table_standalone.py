# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: a lookup table alone, judged by the routes that depend on it. Private to mailops.postfix.

In a whole configuration, and with a TLS policy, all tables are judged together, not one by one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Mapping

from .._host.instance import Instance
from .._model import finding
from . import lookup_table as lookup_table_plan
from . import tables
from .plan import Plan

STANDALONE_LOOKUP_TABLE: Mapping[str, Any] = {
    **lookup_table_plan.LOOKUP_TABLE,
    "argument_spec": {**lookup_table_plan.LOOKUP_TABLE["argument_spec"], "checks": {"type": "dict", "default": {}}},
}
"""What the module lookup_table takes, as arguments of AnsibleModule."""


def standalone_lookup_table(instance: Instance, options: Mapping[str, Any]) -> Plan:
    """Make, edit or remove a table; where routes or TLS policies depend on it, what lets mail past a policy is refused.

    Options and result: those of the module lookup_table.
    """
    plan = lookup_table_plan.lookup_table(instance, options)
    if not plan.changes_something():
        return plan
    severities = finding.severities(options.get("checks") or {})
    if not tables.concerns(instance, plan.result["map"].partition(":")[2]):
        return plan
    texts = {change.path: change.after or b"" for change in plan.changes if not callable(change.after)}
    # What was wrong before is made no worse by other entries.
    warnings = tables.judge_routes(instance, instance, texts, frozenset(), severities)
    return replace(plan, warnings=[*plan.warnings, *warnings])
