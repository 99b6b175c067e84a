# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was confirmed last: the digest of main.cf and master.cf. Private to mailops.postfix.

If the files are others, they have been changed since by other means, and a run that finds nothing to change verifies everything.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress

from .._errors import HostError
from .._host import state
from .journal import FORMAT
from .store import private_directory


def remember(config_directory: str) -> None:
    """Record the present files as confirmed. If that is not possible, a later run verifies them again."""
    path = _path(config_directory)
    with suppress(OSError, HostError):
        private_directory(os.path.dirname(path))
        temporary = f"{path}.{os.getpid()}"
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump({"format": FORMAT, "digest": _digest(config_directory)}, file)
        os.rename(temporary, path)


def is_current(config_directory: str) -> bool:
    """Whether the present files are those that were confirmed last."""
    try:
        with open(_path(config_directory), encoding="utf-8") as file:
            return bool(json.load(file)["digest"] == _digest(config_directory))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _path(config_directory: str) -> str:
    return os.path.join(state.directory(config_directory), "confirmed.json")


def _digest(config_directory: str) -> str:
    result = hashlib.sha256()
    for name in ("main.cf", "master.cf"):
        with open(os.path.join(config_directory, name), "rb") as file:
            content = file.read()
        result.update(b"%d\n" % len(content) + content)
    return result.hexdigest()
