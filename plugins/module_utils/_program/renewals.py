# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store of renewal specifications, from which the program on the host plans again after a renewal. Private to mailops.postfix.

It has one JSON file for each certificate or CA bundle of an instance, which only root can read.
"""

from __future__ import annotations

import json
import os

from .._formats.lines import to_bytes
from .._host.instance import Instance
from .._plan.plan import Change, Renewal, root_owned
from .._transaction.journal import FORMAT

STORE = "/etc/mailops-postfix"
"""The directory of the specifications; it has one directory for each kind."""

# Options that apply to one run of a module, and not to the renewal.
_NOT_STORED = ("config_directory", "backup", "lock_timeout", "deploy_hook", "update_hook", "_program")


def spec_path(instance: Instance, renewal: Renewal) -> str:
    """The file that holds the specification of a renewal."""
    name = "--".join(part.strip("/").replace("/", "-") for part in (instance.config_directory, renewal.key))
    return os.path.join(STORE, renewal.kind.value, f"{name}.json")


def stored(instance: Instance, renewal: Renewal) -> Change:
    """The change that stores the specification of a renewal."""
    options = {name: value for name, value in sorted(renewal.options.items()) if name not in _NOT_STORED}
    content = {"format": FORMAT, "config_directory": instance.config_directory, "options": options}
    text = to_bytes(json.dumps(content, indent=2, sort_keys=True) + "\n")
    path = spec_path(instance, renewal)
    return Change(path, text, instance.read(path), attributes=root_owned(0o600))


def forgotten(instance: Instance, renewal: Renewal) -> list[Change]:
    """The change that removes the specification of a renewal, if it is stored."""
    path = spec_path(instance, renewal)
    before = instance.read(path)
    return [] if before is None else [Change(path, None, before)]
