# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stood there before, and the way back to it. Private to mailops.postfix; the second of the two files that write.

While files are being installed, ``<config_directory>/.transaction`` (for root alone) holds each old file and a journal.
It is gone when the installation is complete; if it is found, an installation was killed, and the old files are put back.
An installation that still has to prove itself on the wire renames it to ``.unproven-N``: that is the way back for
:func:`undo`, until :func:`confirm`. All callers hold the lock of the instance.
"""

from __future__ import annotations

import glob
import json
import os
import re
import shutil
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

FORMAT = 1
"""The format of journals, and of the store of the program on the host. An older program leaves a newer format alone."""

NAME = ".transaction"
UNPROVEN = ".unproven-"
_JOURNAL = "journal"

FileIdentity = Optional[Tuple[int, ...]]
"""Size, modification time in nanoseconds, mode, owner and group of a file; None if there is none."""


def file_identity(path: str) -> FileIdentity:
    """What tells whether a file is still the one that was installed."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_mode, status.st_uid, status.st_gid


@dataclass
class Installed:
    """One file of an installation."""

    target: str
    """The file itself, behind symbolic links."""
    kept: Optional[str]
    """Name of the old file in the journal's directory; None if there was none."""
    new: FileIdentity
    """The file as it was installed; None if it was removed."""


@dataclass
class Journal:
    """What an installation is about to do, or has done."""

    directory: str
    """Where it stands: ``.transaction`` or ``.unproven-N`` of a configuration directory."""
    key: str
    """What the names of this installation's temporary files end with."""
    targets: List[str] = field(default_factory=list)
    """Beside these there may be temporary files."""
    made: List[str] = field(default_factory=list)
    """Directories that were made, outermost first."""
    files: List[Installed] = field(default_factory=list)
    """In the order in which they are installed; empty until all are staged."""
    requires: str = "none"
    """What the running Postfix needs to go from old to new, and back."""

    def write(self) -> None:
        """Put it on disk, whole."""
        path = os.path.join(self.directory, _JOURNAL)
        descriptor = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            json.dump(asdict(self), file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(f"{path}.new", path)
        sync_directory(self.directory)

    def keep(self, target: str, for_long: bool) -> Optional[str]:
        """Keep an old file here; None if there is none.

        :param for_long: also when the installation is complete. A daemon that reads a table looks for a new one only when the old
            one has lost its last name (src/util/dict.c), so that a second name would keep it from seeing the new one.
        """
        if not os.path.lexists(target):
            return None
        name = str(len(self.files))
        path = os.path.join(self.directory, name)
        try:
            if for_long:
                _copy(target, path)
            else:
                os.link(target, path)
        except OSError:
            if for_long:
                raise
            _copy(target, path)
        return name


def begin(config_directory: str, key: str, targets: Sequence[str]) -> Journal:
    """Open a journal: from here on a kill leaves nothing behind that the next run does not find."""
    directory = os.path.join(config_directory, NAME)
    os.mkdir(directory, 0o700)
    journal = Journal(directory, key, list(targets))
    journal.write()
    return journal


def complete(journal: Journal, provisional: bool) -> None:
    """The installation is whole. This is the moment: one rename, or one unlink."""
    parent = os.path.dirname(journal.directory)
    if provisional:
        last = max([0, *(number for number, _path in _unproven(parent))])
        os.rename(journal.directory, os.path.join(parent, f"{UNPROVEN}{last + 1}"))
        sync_directory(parent)
    else:
        _remove(journal.directory)


def recover(config_directory: str) -> bool:
    """Go back to before an installation that was killed.

    :returns: whether there was one. A directory without a journal is left by a kill before the first file was written, or after
        the last one was in place: there is nothing to put back.
    """
    directory = os.path.join(config_directory, NAME)
    if not os.path.isdir(directory):
        return False
    journal = _read(directory)
    if journal is not None:
        _restore(journal)
    _remove(directory)
    return journal is not None


def interrupted(config_directory: str) -> bool:
    """Whether a killed installation left something to tidy up."""
    return os.path.isdir(os.path.join(config_directory, NAME))


def undo(config_directory: str) -> Tuple[List[str], List[str]]:
    """Go back to what was there before all installations that have not been accepted.

    :returns: the files that were put back, and those left alone because they have been changed since.
    """
    restored: List[str] = []
    left: List[str] = []
    for _number, directory in reversed(_unproven(config_directory)):
        journal = _read(directory)
        if journal is not None:
            done, changed = _restore(journal)
            restored += done
            left += changed
        _remove(directory)
    return list(dict.fromkeys(restored)), list(dict.fromkeys(left))


def confirm(config_directory: str) -> None:
    """What has been installed has proven itself: the way back is closed."""
    for _number, directory in _unproven(config_directory):
        _remove(directory)


def unverified(config_directory: str) -> List[str]:
    """What the running Postfix needs to go over to each installation that has not been accepted; empty if there is none."""
    journals = [_read(directory) for _number, directory in _unproven(config_directory)]
    return [journal.requires for journal in journals if journal is not None]


def unverified_targets(config_directory: str) -> Set[str]:
    """The files, behind symbolic links, of all installations that have not been accepted."""
    journals = [_read(directory) for _number, directory in _unproven(config_directory)]
    return {item.target for journal in journals if journal is not None for item in journal.files}


def _unproven(config_directory: str) -> List[Tuple[int, str]]:
    found = []
    with suppress(FileNotFoundError):
        for name in os.listdir(config_directory):
            number = re.match(re.escape(UNPROVEN) + r"(\d+)$", name)
            if number:
                found.append((int(number.group(1)), os.path.join(config_directory, name)))
    return sorted(found)


def _read(directory: str) -> Optional[Journal]:
    """A journal; None if the kill came before there was one."""
    try:
        with open(os.path.join(directory, _JOURNAL), encoding="utf-8", errors="surrogateescape") as file:
            data: Dict[str, Any] = json.load(file)
    except FileNotFoundError:
        return None
    files = [
        Installed(item["target"], item["kept"], tuple(item["new"]) if item["new"] else None)
        for item in data.pop("files")
    ]
    return Journal(**dict(data, directory=directory, files=files))


def _restore(journal: Journal) -> Tuple[List[str], List[str]]:
    """Put the old files back, last installed first. Whatever a kill leaves undone here, the next call does."""
    restored = []
    left = []
    for item in reversed(journal.files):
        kept = None if item.kept is None else os.path.join(journal.directory, item.kept)
        if kept is not None and not os.path.lexists(kept):
            continue  # put back by a call that was killed
        now = file_identity(item.target)
        if kept is not None and now == file_identity(kept):
            continue  # never installed
        if now != item.new:
            left.append(item.target)
        elif kept is not None:
            _put(kept, item.target, journal.key)
            restored.append(item.target)
        elif now is not None:
            os.unlink(item.target)
            restored.append(item.target)
    for target in journal.targets:
        remove_temporary(target, journal.key)
    for directory in {os.path.dirname(item.target) for item in journal.files}:
        with suppress(FileNotFoundError):
            sync_directory(directory)
    for directory in reversed(journal.made):
        with suppress(OSError):
            os.rmdir(directory)
    return restored, left


def _put(kept: str, target: str, key: str) -> None:
    try:
        os.rename(kept, target)
    except OSError:  # another file system
        temporary = os.path.join(os.path.dirname(target), f".{os.path.basename(target)}.{key}.new")
        _copy(kept, temporary)
        os.rename(temporary, target)


def remove_temporary(target: str, key: str) -> None:
    """Remove what an installation wrote beside a target: files and directories whose names hold its key."""
    directory, name = os.path.split(target)
    for path in glob.glob(f"{glob.escape(os.path.join(directory, f'.{name}.{key}'))}*"):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(FileNotFoundError):
                os.unlink(path)


def _copy(source: str, target: str) -> None:
    """A copy that is the same to everybody: owner, mode, times, extended attributes."""
    shutil.copy2(source, target, follow_symlinks=False)
    status = os.lstat(source)
    os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(target, stat.S_IMODE(status.st_mode))
        with open(target, "rb") as file:
            os.fsync(file.fileno())


def _remove(directory: str) -> None:
    """Remove a journal's directory, the journal first: without it the rest means nothing."""
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(directory, _JOURNAL))
    shutil.rmtree(directory, ignore_errors=True)


def sync_directory(path: str) -> None:
    """Have the names in a directory survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
