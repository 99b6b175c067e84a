# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: the services of master.cf. Private to mailops.postfix."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Mapping, Sequence

from .._formats import master_cf as master_cf_format
from .._formats.master_cf_spec import ServiceSpec, merged_specs
from .._host.instance import Instance
from .proposal import Services, parameters_for_version

_COLUMN = {"type": "raw", "default": "keep"}

SERVICE: Mapping[str, Any] = {
    "argument_spec": {
        "service": {"type": "str", "required": True},
        "command": {"type": "str", "default": "keep"},
        **dict.fromkeys(("private", "unprivileged", "chroot", "wakeup", "process_limit"), _COLUMN),
        "options": {"type": "dict", "default": {}},
        "purge_options": {"type": "bool", "default": False},
        "state": {"type": "str", "choices": ["present", "absent", "disabled"], "default": "present"},
    }
}
"""What a service takes, as arguments of AnsibleModule; :func:`_formats.master_cf_spec.service_spec` makes a value of it."""


def planned_services(instance: Instance, declared: Sequence[ServiceSpec]) -> Services:
    """What becomes of master.cf."""
    before = instance.master_cf
    merged = merged_specs(declared)
    if not merged:
        return Services(before)
    # Imported here, since most configurations declare none.
    from .._formats import master_cf_edit

    wanted = [replace(service, options=parameters_for_version(instance, service.options)) for service in merged]
    after = master_cf_edit.edit_master_cf(before, wanted, instance.path("master.cf"))
    return Services(after, wanted, _changes(before, after, wanted, instance.path("master.cf")))


def _changes(
    before: bytes, after: bytes, declarations: Sequence[ServiceSpec], path: str
) -> dict[str, dict[str, str | None]]:
    result = {}
    for declaration in declarations:
        old = master_cf_format.find_entry(before, declaration.name, declaration.type, path)
        new = master_cf_format.find_entry(after, declaration.name, declaration.type, path)
        if (old and str(old)) != (new and str(new)):
            result[declaration.key] = {"before": str(old) if old else None, "after": str(new) if new else None}
    return result
