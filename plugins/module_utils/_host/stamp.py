# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recognizes files that have not changed, without reading them. Private to mailops.postfix.

A stamp says that some files agreed when the transaction installed or compared them: the text and the compiled file of a table, or the files
of a certificate and those that Postfix uses. It has their status.
Every write, touch(1) or chmod(1) sets the time of the last status change (ctime), which no program can set back. Then, and without a stamp,
the contents must be compared. Instances that share a table share its stamp.
"""

from __future__ import annotations

import json
import os
import time
from functools import lru_cache
from typing import Dict, Iterable

from . import state

FIELDS = ("st_ino", "st_size", "st_mtime_ns", "st_ctime_ns", "st_mode", "st_uid", "st_gid")
"""What a stamp has of the status of a file."""

UNTIL = ""
"""Among the files of a stamp, the entry for the time at which it ends: ``{"until": SECONDS}``, since the epoch."""

Statuses = Dict[str, Dict[str, int]]
"""The status of files by path."""

Stamps = Dict[str, Statuses]
"""The files of stamps by name."""


def state_file() -> str:
    """The file that has the stamps of all tables."""
    return f"{state.ROOT}/tables.json"


def stamps() -> Stamps:
    """All stamps; empty if there are none, or if they can't be read."""
    try:
        path = state_file()
        found = os.stat(path)
    except OSError:
        return {}
    return _read(path, found.st_ino, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=1)  # a plan asks for each of its tables
def _read(path: str, *_identity: int) -> Stamps:
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError):
        return {}
    valid = isinstance(content, dict) and all(isinstance(files, dict) for files in content.values())
    return content if valid else {}


def statuses(paths: Iterable[str]) -> Statuses:
    """The status of files, through symbolic links.

    :raises OSError: if one does not exist.
    """
    found = {path: os.stat(path) for path in paths}
    return {path: {name: getattr(status, name) for name in FIELDS} for path, status in found.items()}


def holds(name: str, paths: Iterable[str]) -> bool:
    """Whether all these files are as they were when this stamp was recorded, and it has not ended."""
    recorded = dict(stamps().get(name) or {})
    until = recorded.pop(UNTIL, {}).get("until")
    if not recorded or (until is not None and time.time() >= until):
        return False
    try:
        return recorded == statuses(paths)
    except OSError:
        return False
