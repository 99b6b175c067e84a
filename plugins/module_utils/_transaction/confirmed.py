# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was confirmed last: the digest of main.cf and master.cf, and what their verification has found. Private to mailops.postfix.

If the files are others, they have been changed since by other means, and a run that finds nothing to change verifies everything. If they are
these, it verifies what was wrong with them.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from typing import Any, Mapping, Sequence

from .._errors import HostError
from .._host import state
from .journal import FORMAT
from .store import private_directory

Findings = Sequence[Mapping[str, str]]
"""What is wrong with a confirmed configuration: ``subject``, ``kind``, ``severity`` and ``message`` of each."""


def remember(config_directory: str, findings: Findings = ()) -> None:
    """Record the present files as confirmed. If that is not possible, a later run verifies them again.

    :param findings: what their verification has found.
    """
    path = _path(config_directory)
    with suppress(OSError, HostError):
        private_directory(os.path.dirname(path))
        temporary = f"{path}.{os.getpid()}"
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            content = {"format": FORMAT, "digest": _digest(config_directory), "findings": list(findings)}
            json.dump(content, file)
        os.rename(temporary, path)


def is_current(config_directory: str) -> bool:
    """Whether the present files are those that were confirmed last."""
    try:
        return bool(_content(config_directory).get("digest") == _digest(config_directory))
    except OSError:
        return False


def open_findings(config_directory: str) -> Findings:
    """What the last verification of the confirmed files has found, errors and warnings."""
    findings = _content(config_directory).get("findings")
    return [found for found in findings if isinstance(found, dict)] if isinstance(findings, list) else []


def _content(config_directory: str) -> Mapping[str, Any]:
    try:
        with open(_path(config_directory), encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _path(config_directory: str) -> str:
    return os.path.join(state.directory(config_directory), "confirmed.json")


def _digest(config_directory: str) -> str:
    result = hashlib.sha256()
    for name in ("main.cf", "master.cf"):
        with open(os.path.join(config_directory, name), "rb") as file:
            content = file.read()
        result.update(b"%d\n" % len(content) + content)
    return result.hexdigest()
