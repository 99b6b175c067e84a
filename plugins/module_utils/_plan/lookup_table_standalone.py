# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: a lookup table alone, judged by the routes that depend on it. Private to mailops.postfix.

In a whole configuration, and with a TLS policy, all tables are judged together, not one by one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any, Mapping

from .._checks import passwords, routing
from .._host.instance import Instance
from .._model import finding
from . import access, tables
from . import lookup_table as lookup_table_plan
from .options import option
from .plan import Plan
from .proposal import PlannedTables


@dataclass(frozen=True)
class StandaloneTableOptions(lookup_table_plan.ParameterTableOptions):
    """The options of the module lookup_table."""

    checks: Mapping[str, str] = option("dict", default={})


def standalone_lookup_table(instance: Instance, options: Mapping[str, Any]) -> Plan:
    """Make, edit or remove a table; where routes or TLS policies depend on it, what lets mail past a policy is refused, and so is what
    discloses a password, or lets strangers relay.

    Options and result: those of the module lookup_table.
    """
    declared = StandaloneTableOptions.from_declaration(options)
    table = lookup_table_plan.lookup_table(instance, declared)
    plan = table.reported()
    if not plan.changes_something():
        return plan
    severities = finding.severities(declared.checks)
    text = b"" if declared.state == "absent" else table.text
    planned = PlannedTables({} if text is None else {table.path: text})
    warnings: list[str] = []
    # What was wrong before is made no worse by other entries.
    if os.path.basename(table.path).encode() in instance.main_cf + instance.master_cf:
        warnings += access.judge_access(instance, planned.texts, severities, standalone=True)
    if _concerns(instance, table.path):
        warnings += tables.judge_routes(instance, instance, planned, severities, standalone=True)
    return replace(plan, warnings=[*plan.warnings, *warnings])


def _concerns(instance: Instance, path: str) -> bool:
    """Whether the table with this text decides over routes or their levels, by whatever type and spelling Postfix knows it."""
    router = tables.router_of(instance)
    paths = [name.partition(":")[2] for name in routing.tables(router) | passwords.password_tables_of(router)]
    return os.path.realpath(path) in map(os.path.realpath, paths)
