# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: the CAs alone, for their module and for their renewal. Private to mailops.postfix."""

from __future__ import annotations

from typing import Any, Mapping

from .._host.instance import Instance
from .ca_bundle import planned_bundle
from .ca_bundle_options import CaBundleOptions
from .plan import Plan


def ca_bundle(instance: Instance, options: Mapping[str, Any]) -> Plan:
    """The plan for the CAs that smtp(8) trusts. Options and result: those of the module ca_bundle."""
    return planned_bundle(instance, CaBundleOptions.from_declaration(options), instance).reported(instance)
