# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: a whole file that goes with a configuration. Private to mailops.postfix."""

from __future__ import annotations

import os
from typing import Any, Mapping

from .._errors import DeclarationError
from .._formats import file_modes
from .._formats.lines import to_bytes
from .._host.instance import Instance
from .plan import Change, Plan, root_owned

FILE: Mapping[str, Any] = {
    "argument_spec": {
        "path": {"type": "path", "required": True},
        "content": {"type": "str"},
        "mode": {"type": "raw", "default": "0644"},
        "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
    },
    "required_if": [["state", "present", ["content"]]],
}
"""What an item of the option files of the module configuration takes, as arguments of AnsibleModule."""


def file(instance: Instance, options: Mapping[str, Any]) -> Plan:
    """Write or remove one file."""
    path = instance.path(options["path"])
    mode = file_modes.octal(options["mode"])
    if mode is None:
        raise DeclarationError(
            "setting the mode of",
            path,
            f"{options['mode']!r} is not a valid octal mode",
            'Write it in quotes, as in "0644"',
        )
    if os.path.isdir(path):
        raise DeclarationError("writing", path, "it is a directory", "Name a file")
    after = to_bytes(options["content"]) if options["state"] == "present" else None
    return Plan(
        [
            Change(
                path,
                after,
                instance.read(path),
                attributes=root_owned(mode),
                secret=file_modes.is_private(mode),
            )
        ]
    )
