# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role that owns an instance, in the state directory of the instance. Private to mailops.postfix.

Two roles that configure one instance in turn undo the settings of each other. So the first one is recorded in the transaction that installs
its configuration, and another one is refused before anything is written.
"""

from __future__ import annotations

import json
import os
from typing import Any, Mapping

from .._errors import DeclarationError, HostError
from .._host import state, system
from .._host.instance import Instance
from . import master_cf
from .plan import Change, Plan, root_owned


def declared_path(config_directory: str) -> str:
    """The file that names the owner of an instance."""
    return f"{state.directory(config_directory)}/declared.json"


def owned(instance: Instance, options: Mapping[str, Any]) -> tuple[Mapping[str, Any], Plan]:
    """The options for the declared role, with what withdraws the settings of a former one, and the plan that records the role.

    :param options: those of the module configuration.
    :raises DeclarationError: if another role owns the instance, and ``take_over`` is false.
    """
    owner = options.get("owner")
    if not owner:
        return options, Plan()
    path = declared_path(instance.config_directory)
    before = instance.read(path)
    declared = _declared(before, path)
    former = declared.get("owner") or owner
    record = Plan()
    if former != owner:
        of_former = (options.get("former_owners") or {}).get(former) or {}
        if not options.get("take_over"):
            raise DeclarationError(
                f"applying the role {owner} to",
                f"the Postfix instance in {instance.config_directory}",
                f"the role {former} owns it ({path})",
                of_former.get("remedy") or "Set take_over to true to replace that role",
            )
        options = _without_former(options, of_former)
        record.afterwards += _stopping(instance, of_former)
    after = before
    if declared.get("owner") != owner:
        after = f"{json.dumps({'format': 1, **declared, 'owner': owner})}\n".encode()
    record.changes.append(Change(path, after, before, attributes=root_owned(0o600), directory_mode=0o700))
    return options, record


def _stopping(instance: Instance, of_former: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The commands that stop the services of the former owner, whose units are removed."""
    if not system.systemd_runs():
        return []
    paths = [path for path in of_former.get("files") or [] if path.endswith(".service")]
    return [("systemctl", "stop", os.path.basename(path)) for path in paths if instance.read(path) is not None]


def _declared(content: bytes | None, path: str) -> dict[str, Any]:
    try:
        declared = {} if content is None else json.loads(content)
    except ValueError:
        declared = None
    if not isinstance(declared, dict):
        raise HostError("reading", path, "it is not valid JSON", "Remove it; the next run writes it again")
    return declared


def _without_former(options: Mapping[str, Any], of_former: Mapping[str, Any]) -> dict[str, Any]:
    """The options with what withdraws the settings of the former owner. What is declared has precedence."""
    unchanged = {name: option.get("default") for name, option in master_cf.SERVICE["argument_spec"].items()}
    services = [{**unchanged, **service} for service in of_former.get("services") or []]
    files = [
        {"path": path, "content": None, "mode": "0644", "state": "absent"} for path in of_former.get("files") or []
    ]
    return {
        **options,
        "withdrawn": of_former.get("parameters") or [],
        "master_cf": [*services, *(options.get("master_cf") or [])],
        "files": [*files, *(options.get("files") or [])],
    }
