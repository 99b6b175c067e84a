# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store of renewal specifications, from which the program on the host plans again after a renewal. Private to mailops.postfix.

It has one JSON file for each certificate or CA bundle of an instance, which only root can read.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from typing import Any, Mapping

from .._formats.lines import to_bytes
from .._host.instance import Instance
from .._plan.ca_bundle_options import DEFAULT_PATHS
from .._plan.plan import Change, Renewal, RenewalKind, root_owned
from .._transaction.journal import FORMAT

STORE = "/etc/mailops-postfix"
"""The directory of the specifications; it has one directory for each kind."""

ROLE = "role "
"""The beginning of the names of declarers that are roles."""

# Options that apply to one run of a module, and not to the renewal.
_NOT_STORED = ("config_directory", "backup", "lock_timeout", "deploy_hook", "update_hook", "_program")


@dataclass(frozen=True)
class Declarer:
    """Who declares the renewals of a run."""

    name: str
    """``role NAME`` or ``module NAME``."""
    joins: bool = False
    """Whether the run joins an open transaction, so that an earlier call of the same play may have declared other renewals."""

    @property
    def is_role(self) -> bool:
        """Whether it is a role, which declares all renewals of its instance in one call."""
        return self.name.startswith(ROLE)


def declarer(module: str, options: Mapping[str, Any]) -> Declarer:
    """The declarer of a run of a module: the role that owns the instance, if the options name one."""
    owner = options.get("owner")
    return Declarer(f"{ROLE}{owner}" if owner else f"module {module}", bool(options.get("transaction")))


def spec_path(instance: Instance, renewal: Renewal) -> str:
    """The file that holds the specification of a renewal."""
    name = "--".join(part.strip("/").replace("/", "-") for part in (instance.config_directory, renewal.key))
    return os.path.join(STORE, renewal.kind.value, f"{name}.json")


def stored(instance: Instance, renewal: Renewal, by: Declarer) -> Change:
    """The change that stores the specification of a renewal.

    If several declare the same renewal with the same options, it belongs to a module that manages a single renewal, else to the module
    configuration without a role: their next runs do not change it in turn, and a role does not forget what others still declare.
    """
    path = spec_path(instance, renewal)
    before = instance.read(path)
    names = [by.name]
    former = _content(before)
    if former.get("options") == json.loads(json.dumps(_options(renewal))):
        names.append(str(former.get("declared_by", "")))
    content = {
        "format": FORMAT,
        "config_directory": instance.config_directory,
        "declared_by": max(names, key=_claim),
        "options": _options(renewal),
    }
    text = to_bytes(json.dumps(content, indent=2, sort_keys=True) + "\n")
    return Change(path, text, before, attributes=root_owned(0o600))


def _options(renewal: Renewal) -> dict[str, Any]:
    return {name: value for name, value in renewal.options.items() if name not in _NOT_STORED}


def _claim(name: str) -> int:
    """Which of several declarers has a specification: that with the largest number."""
    if not name:
        return 0  # an earlier version of this collection
    return 1 if name.startswith(ROLE) else 2 if name == "module configuration" else 3


def _content(text: bytes | None) -> dict[str, Any]:
    try:
        content = json.loads(text or b"{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def forgotten(instance: Instance, renewal: Renewal) -> list[Change]:
    """The change that removes the specification of a renewal, if it is stored."""
    return _removed(instance, spec_path(instance, renewal))


def replaced(instance: Instance, renewal: Renewal, by: Declarer) -> list[Change]:
    """The changes that remove the specifications which a run of the module ca_bundle replaces: an instance has one bundle at its default path."""
    if renewal.kind is not RenewalKind.CA_BUNDLE or by.name != "module ca_bundle" or renewal.options.get("path"):
        return []
    own = spec_path(instance, renewal)
    paths = [spec_path(instance, replace(renewal, key=path)) for path in DEFAULT_PATHS.values()]
    return [
        change
        for path in paths
        if path != own and _content(instance.read(path)).get("declared_by") == by.name
        for change in _removed(instance, path)
    ]


def _removed(instance: Instance, path: str) -> list[Change]:
    before = instance.read(path)
    return [] if before is None else [Change(path, None, before)]
