# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: the TLS policy table alone, judged by the routes that depend on it. Private to mailops.postfix."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Mapping

from .._host.instance import Instance
from . import tls_policy
from .options import option
from .plan import Plan
from .policy_keys import Surroundings
from .policy_options import PolicyTableOptions
from .proposal import PlannedTables


@dataclass(frozen=True)
class StandalonePolicyOptions(PolicyTableOptions):
    """The options of the module tls_policy."""

    checks: Mapping[str, str] = option("dict", default={})


def standalone_tls_policy(instance: Instance, options: Mapping[str, Any]) -> Plan:
    """Make or edit the TLS policy table. Options and result: those of the module tls_policy."""
    declared = StandalonePolicyOptions.from_declaration(options)
    policies = tls_policy.planned_policies(declared, Surroundings(instance, instance))
    plan = policies.reported()
    if not plan.changes_something():
        return plan
    # Imported here, so that a run without a change does not load it.
    from .._model import finding
    from . import tables

    severities = finding.severities(declared.checks)
    planned = PlannedTables(policies.texts, True, policies.table.map, policies.keys)
    warnings = tables.judge_routes(instance, instance, planned, severities, standalone=True)
    return replace(plan, warnings=[*plan.warnings, *warnings])
