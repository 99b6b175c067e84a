# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: the services of master.cf alone. Private to mailops.postfix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from .._formats.master_cf_spec import service_spec
from .._host.instance import Instance
from . import postfix_cf
from .master_cf import SERVICE, planned_services
from .options import Options, option
from .plan import Plan
from .proposal import Proposal


@dataclass(frozen=True)
class MasterCfOptions(Options):
    """The options of the module master_cf."""

    services: Sequence[Mapping[str, Any]] = option(
        "list", elements="dict", required=True, options=SERVICE["argument_spec"]
    )
    checks: Mapping[str, str] = option("dict", default={})


def master_cf(instance: Instance, options: Mapping[str, Any]) -> Plan:
    """Set, disable and remove services. Options and result: those of the module master_cf."""
    declared = MasterCfOptions.from_declaration(options)
    specs = [service_spec(service) for service in declared.services]
    return postfix_cf.plan(Proposal(instance, {}, planned_services(instance, specs), declared.checks))
