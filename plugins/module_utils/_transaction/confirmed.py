# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was confirmed last: the state of the configuration, and what its verification has found. Private to mailops.postfix.

A part that is different has been changed since by other means, and a run that finds nothing to change checks and verifies everything. If no
part is, it verifies what was wrong with them.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict
from typing import Any, List, Mapping, Optional, Sequence

from .._errors import HostError, PostfixError
from .._host import digests, state
from .._host.digests import State
from .._host.instance import Instance
from .journal import FORMAT
from .store import Transaction, private_directory

Findings = Sequence[Mapping[str, str]]
"""What is wrong with a confirmed configuration: ``subject``, ``kind``, ``severity`` and ``message`` of each."""

_KEY_BYTES = 32
_KEPT = "state.json"


def recorded(config_directory: str) -> Optional[State]:
    """The state that was confirmed last; None if there is none."""
    content = _content(config_directory)
    return _state(content.get("state")) if _key(create=False) else None


def present(instance: Instance, earlier: Optional[State] = None) -> Optional[State]:
    """The present state; None if it can't be read, so that a later run verifies it again.

    :param earlier: an earlier state, to read only files that have been written since.
    """
    try:
        key = _key(create=True)
        return digests.present_state(instance, key, earlier) if key else None
    except (OSError, PostfixError):
        return None


def remember(config_directory: str, confirmed: Optional[State], findings: Optional[Findings] = ()) -> None:
    """Record a state as confirmed. If that is not possible, a later run verifies it again.

    :param confirmed: the state; None if it is not known.
    :param findings: what its verification has found; None for what was found last.
    """
    path = _path(config_directory)
    verified: Optional[int] = int(time.time())
    if findings is None:
        findings, verified = open_findings(config_directory), _verified(config_directory)
    with suppress(OSError, HostError):
        private_directory(os.path.dirname(path))
        content = {
            "format": FORMAT,
            "state": confirmed and asdict(confirmed),
            "findings": list(findings),
            "verified": verified,
        }
        _write(path, json.dumps(content).encode("ascii"))


def changed_since(instance: Instance, check_mode: bool = False) -> Optional[List[str]]:
    """The parts that are not as they were confirmed; None if nothing was confirmed before.

    :param check_mode: do not record the new times of files whose content is the same.
    """
    directory = instance.config_directory
    confirmed = recorded(directory)
    if confirmed is None:
        return None
    if digests.is_on_disk(confirmed, directory):
        return []
    now = present(instance, confirmed)
    if now is None:
        return None
    names = digests.differing_parts(confirmed, now)
    if not names and not check_mode:
        remember(directory, now, None)
    return names


def confirm_files(instance: Instance, paths: Sequence[str]) -> None:
    """Record these files, which a renewal has replaced and verified, as they are now. All else stays as it was confirmed."""
    confirmed = recorded(instance.config_directory)
    now = None if confirmed is None else present(instance, confirmed)
    if confirmed is not None and now is not None:
        others = [name for name in digests.differing_parts(confirmed, now) if name not in paths]
        remember(instance.config_directory, digests.state_with(confirmed, now, others), None)


def keep_state(transaction: Transaction, state_to_confirm: State) -> None:
    """Store the state that the confirmation of a transaction will record. Without it, that state is verified again."""
    with suppress(OSError):
        _write(transaction.copy(_KEPT), json.dumps(asdict(state_to_confirm)).encode("ascii"))


def kept_state(transaction: Transaction) -> Optional[State]:
    """The state that the confirmation of a transaction will record; None if it is not known."""
    try:
        with open(transaction.copy(_KEPT), encoding="ascii") as file:
            return _state(json.load(file))
    except (OSError, ValueError):
        return None


def open_findings(config_directory: str) -> Findings:
    """What the last verification of the confirmed state has found, errors and warnings."""
    findings = _content(config_directory).get("findings")
    return [found for found in findings if isinstance(found, dict)] if isinstance(findings, list) else []


def verified_at(config_directory: str) -> Optional[str]:
    """When the confirmed state was verified last, as ISO 8601 in UTC; None if it was not."""
    seconds = _verified(config_directory)
    return None if seconds is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _verified(config_directory: str) -> Optional[int]:
    seconds = _content(config_directory).get("verified")
    return seconds if isinstance(seconds, int) else None


def with_changes(confirmed: State, before: State, after: State) -> State:
    """The state to confirm after a run of ours: what others have changed before it is still not confirmed.

    What the run has written itself counts as confirmed in main.cf and master.cf, but not in a table, of which it may have left a part alone.

    :param confirmed: the state that was confirmed last.
    :param before: the state before the run.
    :param after: the state after it.
    """
    changed = set(digests.differing_parts(confirmed, before))
    written = {name for name in digests.differing_parts(before, after) if not name.startswith("/")}
    return digests.state_with(confirmed, after, changed - written)


def _state(content: Any) -> Optional[State]:
    if not isinstance(content, dict):
        return None
    parts, statuses = content.get("parts"), content.get("statuses")
    return State(parts, statuses) if isinstance(parts, dict) and isinstance(statuses, dict) else None


def _content(config_directory: str) -> Mapping[str, Any]:
    try:
        with open(_path(config_directory), encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _path(config_directory: str) -> str:
    return os.path.join(state.directory(config_directory), "confirmed.json")


def _key(create: bool) -> bytes:
    """The secret of the host for digests; empty if there is none."""
    path = f"{state.ROOT}/digest.key"
    with suppress(OSError):
        with open(path, "rb") as file:
            key = file.read()
        if len(key) == _KEY_BYTES:
            return key
    if not create:
        return b""
    private_directory(state.ROOT)
    _write(path, os.urandom(_KEY_BYTES))
    with open(path, "rb") as file:
        return file.read()


def _write(path: str, content: bytes) -> None:
    temporary = f"{path}.{os.getpid()}"
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    os.rename(temporary, path)
