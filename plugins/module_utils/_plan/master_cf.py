# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: the services of master.cf. Private to mailops.postfix."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, Mapping, Optional, Sequence

from .._formats import master_cf as master_cf_format
from .._formats import master_cf_spec
from .._formats.master_cf_spec import ServiceSpec
from .._host.instance import Instance
from . import postfix_cf
from .plan import Plan
from .postfix_cf import Services

_COLUMN = {"type": "raw", "default": "keep"}

SERVICE: Mapping[str, Any] = {
    "argument_spec": {
        "service": {"type": "str", "required": True},
        "command": {"type": "str", "default": "keep"},
        "private": _COLUMN,
        "unprivileged": _COLUMN,
        "chroot": _COLUMN,
        "wakeup": _COLUMN,
        "process_limit": _COLUMN,
        "options": {"type": "dict", "default": {}},
        "purge_options": {"type": "bool", "default": False},
        "state": {"type": "str", "choices": ["present", "absent", "disabled"], "default": "present"},
    }
}

MASTER_CF: Mapping[str, Any] = {
    "argument_spec": {
        "services": {"type": "list", "elements": "dict", "required": True, "options": SERVICE["argument_spec"]},
        "checks": postfix_cf.CHECKS_OPTION,
    }
}
"""What the module master_cf takes, as arguments of AnsibleModule."""


def master_cf(instance: Instance, options: Mapping[str, Any]) -> Plan:
    """Set, disable and remove services. Options and result: those of the module master_cf."""
    return postfix_cf.plan(instance, {}, planned_services(instance, options["services"]), checks=options.get("checks"))


def planned_services(instance: Instance, declared: Sequence[Mapping[str, Any]]) -> Services:
    """What becomes of master.cf.

    :param declared: services, as the module master_cf takes them.
    """
    before = instance.master_cf
    merged = master_cf_spec.merged_specs([master_cf_spec.service_spec(service) for service in declared])
    if not merged:
        return Services(before)
    # Imported here, since most configurations declare none.
    from .._formats import master_cf_edit

    wanted = [
        replace(service, options=postfix_cf.parameters_for_version(instance, service.options)) for service in merged
    ]
    after = master_cf_edit.edit_master_cf(before, wanted, instance.path("master.cf"))
    return Services(after, wanted, _changes(before, after, wanted))


def _changes(before: bytes, after: bytes, declarations: Sequence[ServiceSpec]) -> Dict[str, Dict[str, Optional[str]]]:
    result = {}
    for declaration in declarations:
        old = master_cf_format.find_entry(before, declaration.name, declaration.type)
        new = master_cf_format.find_entry(after, declaration.name, declaration.type)
        if (old and str(old)) != (new and str(new)):
            result[declaration.key] = {"before": str(old) if old else None, "after": str(new) if new else None}
    return result
