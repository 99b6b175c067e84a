# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: a whole file that goes with a configuration. Private to mailops.postfix."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass

from .._errors import DeclarationError
from .._formats import file_modes
from .._formats.lines import to_bytes
from .._host.instance import Instance
from .._model.secrets import holds_password
from .options import Options, option
from .plan import Change, Plan, declared_attributes, root_owned


@dataclass(frozen=True)
class FileOptions(Options):
    """An item of the option files of the module configuration."""

    constraints = {"required_if": [["state", "present", ["content"]]]}
    path: str = option("path", required=True)
    content: str | None = option()
    mode: str | int = option("raw", default="0644")
    state: str = option(default="present", choices=["present", "absent"])


def file(instance: Instance, options: FileOptions) -> Plan:
    """Write or remove one file."""
    path = instance.path(options.path)
    attributes = declared_attributes(path, root_owned(0).owner, None, options.mode)
    if os.path.isdir(path):
        raise DeclarationError("writing", path, "it is a directory", "Name a file")
    after = to_bytes(options.content or "") if options.state == "present" else None
    before = instance.read(path)
    return Plan(
        [Change(path, after, before, attributes=attributes, secret=_is_secret(path, attributes.mode, before, after))]
    )


def _is_secret(path: str, mode: int | None, *contents: bytes | None) -> bool:
    """Whether not every user may read a file, now or afterwards, or it has a password."""
    modes = [mode or 0]
    with suppress(OSError):
        modes.append(stat.S_IMODE(os.stat(path).st_mode))
    return any(map(file_modes.is_private, modes)) or any(content and holds_password(content) for content in contents)
