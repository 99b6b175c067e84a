# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: the services of master.cf. Private to mailops.postfix."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, Mapping, Optional, Sequence

from ansible_collections.mailops.postfix.plugins.module_utils import _master_cf, _master_cf_declaration, _plan_cf
from ansible_collections.mailops.postfix.plugins.module_utils._instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._master_cf_declaration import Declaration
from ansible_collections.mailops.postfix.plugins.module_utils._plan_cf import Services
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import Plan

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
        "checks": _plan_cf.SEVERITIES,
    }
}
"""What the module master_cf takes, as arguments of AnsibleModule."""


def master_cf(instance: Instance, options: Mapping[str, Any]) -> Plan:
    """Set, disable and remove services. Options and result: those of the module master_cf."""
    return _plan_cf.plan(instance, {}, services(instance, options["services"]), checks=options.get("checks"))


def services(instance: Instance, declared: Sequence[Mapping[str, Any]]) -> Services:
    """What becomes of master.cf.

    :param declared: services, as the module master_cf takes them.
    """
    before = instance.master_cf
    merged = _master_cf_declaration.merged([_master_cf_declaration.declared(service) for service in declared])
    if not merged:
        return Services(before)
    # Imported here, since most configurations declare none.
    from ansible_collections.mailops.postfix.plugins.module_utils import _master_cf_edit

    wanted = [replace(service, options=_plan_cf.adapted(instance, service.options)) for service in merged]
    after = _master_cf_edit.edit(before, wanted, instance.path("master.cf"))
    return Services(after, wanted, _changes(before, after, wanted))


def _changes(before: bytes, after: bytes, declarations: Sequence[Declaration]) -> Dict[str, Dict[str, Optional[str]]]:
    result = {}
    for declaration in declarations:
        old = _master_cf.find(before, declaration.name, declaration.type)
        new = _master_cf.find(after, declaration.name, declaration.type)
        if (old and str(old)) != (new and str(new)):
            result[declaration.key] = {"before": str(old) if old else None, "after": str(new) if new else None}
    return result
