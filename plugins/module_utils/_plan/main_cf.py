# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: the parameters of main.cf alone. Private to mailops.postfix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping

from .._host.instance import Instance
from . import postfix_cf
from .options import Options, option
from .plan import Plan
from .proposal import Proposal, Services


@dataclass(frozen=True)
class MainCfOptions(Options):
    """The options of the module main_cf."""

    parameters: Mapping[str, Any] = option("dict", required=True)
    checks: Mapping[str, str] = option("dict", default={})


def main_cf(instance: Instance, options: Mapping[str, Any]) -> Plan:
    """Set and remove parameters. Options and result: those of the module main_cf."""
    declared = MainCfOptions.from_declaration(options)
    return postfix_cf.plan(Proposal(instance, declared.parameters, Services(instance.master_cf), declared.checks))
