# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a configuration on disk: a digest for each of its parts. Private to mailops.postfix.

The digests are keyed, since some parts are passwords. The status of a file tells whether it has to be read again.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from dataclasses import dataclass
from typing import Dict, Iterable, List, Mapping, Optional

from .._formats.lines import logical_lines, to_bytes
from .._model.configuration import configuration_of
from .._model.parts import NamedFile, named_files, text_parts
from . import stamp
from .instance import Instance

_MODE_AND_OWNER = ("st_mode", "st_uid", "st_gid")

Status = Optional[Dict[str, int]]
"""The status of a file, as a stamp has it; None if there is no regular file."""


@dataclass(frozen=True)
class State:
    """The state of a configuration at one time."""

    parts: Mapping[str, str]
    """The digest of each part by its name (:mod:`_model.parts`)."""
    statuses: Mapping[str, Status]
    """The status of main.cf, master.cf and each file that they name, by path."""


def present_state(instance: Instance, key: bytes, earlier: Optional[State] = None) -> State:
    """The present state.

    :param key: the key of the digests.
    :param earlier: an earlier state with the same key, whose digests of files are valid as long as their status is the same.
    :raises HostError: if postconf(1) can't read the configuration.
    """
    configuration = configuration_of(instance)
    parts = {name: _keyed(key, to_bytes(text)) for name, text in text_parts(configuration).items()}
    statuses: Dict[str, Status] = {path: _status(path) for path in _own_files(instance.config_directory)}
    for path, named in named_files(configuration).items():
        status = statuses[path] = _status(path)
        if status is None:
            continue
        if earlier is not None and earlier.statuses.get(path) == status and path in earlier.parts:
            parts[path] = earlier.parts[path]
        else:
            owner = " ".join(str(status[name]) for name in _MODE_AND_OWNER)
            parts[path] = _keyed(key, owner.encode() + b"\n" + _content(instance, named))
    return State(parts, statuses)


def is_on_disk(earlier: State, config_directory: str) -> bool:
    """Whether no file has been written, replaced, created or removed since."""
    own = _own_files(config_directory)
    return all(path in earlier.statuses for path in own) and all(
        _status(path) == status for path, status in earlier.statuses.items()
    )


def differing_parts(earlier: State, now: State) -> List[str]:
    """The names of the parts that differ, those that one of them lacks included."""
    names = {**earlier.parts, **now.parts}
    return [name for name in names if earlier.parts.get(name) != now.parts.get(name)]


def state_with(earlier: State, now: State, kept: Iterable[str]) -> State:
    """The later state, with these parts as they were earlier."""
    names = set(kept)
    if not names:
        return now
    parts = {name: digest for name, digest in now.parts.items() if name not in names}
    parts.update((name, digest) for name, digest in earlier.parts.items() if name in names)
    # Without their status, main.cf, master.cf and these files are read again.
    return State(parts, {path: status for path, status in now.statuses.items() if path in parts and path not in names})


def _own_files(config_directory: str) -> List[str]:
    return [os.path.join(config_directory, name) for name in ("main.cf", "master.cf")]


def _status(path: str) -> Status:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return {name: getattr(found, name) for name in stamp.FIELDS} if stat.S_ISREG(found.st_mode) else None


def _content(instance: Instance, named: NamedFile) -> bytes:
    """What counts of a file: neither comments and blank lines nor the bytes of a compiled table, which differ each time that it is compiled."""
    if named.map_type:
        text = named.path[: -len(os.path.splitext(named.path)[1])]
        listed = instance.run("postmap", "-s", f"{named.map_type}:{text}", check=False)
        if listed.returncode == 0:
            # postalias(1) adds the time and the name of the host.
            lines = [
                line
                for line in listed.stdout.split(b"\n")
                if not line.startswith((b"YP_LAST_MODIFIED", b"YP_MASTER_NAME"))
            ]
            return b"\n".join(sorted(lines))
    return b"\n".join(line.text for line in logical_lines(instance.read(named.path) or b""))


def _keyed(key: bytes, content: bytes) -> str:
    return hmac.new(key, content, hashlib.sha256).hexdigest()
