# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal of a transaction: the old files, and the way back to them. Private to mailops.postfix.

Only this file and :mod:`apply` write to the host. While files are being installed, ``<config_directory>/.transaction`` (root only) has each
old file and a journal. It is removed when the installation is complete. If it is found, an installation was killed, and :func:`recover`
restores the old files. An installation that has yet to be verified renames it to ``.unverified-N``, for :func:`undo` or :func:`confirm`.
All callers hold the lock of the instance.
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
from typing import Any, Optional, Sequence, Tuple

from .._errors import HostError
from .._plan.plan import REQUIRES

FORMAT = 1
"""The format of journals, and of the store of the program on the host. An older program leaves a newer format alone."""

TRANSACTION = ".transaction"
"""The directory of an installation in progress, in the configuration directory."""
UNVERIFIED = ".unverified-"
"""The name of the directory of an installation that is complete but not confirmed; a number follows."""
_JOURNAL = "journal"

FileIdentity = Optional[Tuple[int, ...]]
"""Size, modification time in nanoseconds, mode, owner and group of a file; None if there is none."""


def file_identity(path: str) -> FileIdentity:
    """The properties by which a file is recognized as the one that was installed."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_mode, status.st_uid, status.st_gid


@dataclass
class Installed:
    """One file of an installation."""

    target: str
    """The path of the file itself, with symbolic links resolved."""
    kept: str | None
    """Name of the old file in the journal's directory; None if there was none."""
    new: FileIdentity
    """The file as it was installed; None if it was removed."""


@dataclass
class Journal:
    """What an installation is about to do, or has done."""

    directory: str
    """Its directory: ``.transaction`` or ``.unverified-N`` in a configuration directory."""
    key: str
    """Part of the names of this installation's temporary files."""
    targets: list[str] = field(default_factory=list)
    """The directories of these files may have temporary files."""
    created_directories: list[str] = field(default_factory=list)
    """Outermost first."""
    files: list[Installed] = field(default_factory=list)
    """In the order in which they are installed; empty until all are staged."""
    requires: str = "none"
    """What the running Postfix needs to go from old to new, and back."""

    def write(self) -> None:
        """Write the journal to disk in one rename."""
        content = {
            "format": FORMAT,
            "key": self.key,
            "targets": self.targets,
            "made": self.created_directories,
            "files": [asdict(item) for item in self.files],
            "requires": self.requires,
        }
        path = os.path.join(self.directory, _JOURNAL)
        descriptor = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(f"{path}.new", path)
        sync_directory(self.directory)

    def keep(self, target: str, as_copy: bool) -> str | None:
        """Keep an old file; returns its name in the journal's directory, None if there is no old file.

        :param as_copy: keep a copy instead of a second name (hard link). A daemon that has a table open opens the new one only when
            the old one has no name left (src/util/dict.c), so an old file that stays after the installation must be a copy.
        """
        if not os.path.lexists(target):
            return None
        name = str(len(self.files))
        path = os.path.join(self.directory, name)
        try:
            if as_copy:
                _copy(target, path)
            else:
                os.link(target, path)
        except OSError:
            if as_copy:
                raise
            _copy(target, path)
        return name


def begin(config_directory: str, key: str, targets: Sequence[str]) -> Journal:
    """Open a journal. If the installation is killed after this, the next run finds everything that it has left."""
    directory = os.path.join(config_directory, TRANSACTION)
    os.mkdir(directory, 0o700)
    journal = Journal(directory, key, list(targets))
    journal.write()
    return journal


def complete(journal: Journal, provisional: bool) -> None:
    """Complete an installation, with one rename or one unlink.

    :param provisional: whether the old files are kept until :func:`confirm` or :func:`undo`.
    """
    parent = os.path.dirname(journal.directory)
    if provisional:
        last = max([0, *(number for number, _path in _unverified(parent))])
        os.rename(journal.directory, os.path.join(parent, f"{UNVERIFIED}{last + 1}"))
        sync_directory(parent)
    else:
        _remove(journal.directory)


def recover(config_directory: str) -> bool:
    """Restore the files that an installation had replaced when it was killed.

    :returns: whether there was such an installation. A directory without a journal is left if the kill came before the first file
        was written or after the last one was installed: no file has to be restored then.
    :raises HostError: if a newer version of this collection wrote the journal; nothing is changed then.
    """
    directory = os.path.join(config_directory, TRANSACTION)
    if not os.path.isdir(directory):
        return False
    journal = _read(directory, "recovering")
    if journal is not None:
        _restore(journal)
    _remove(directory)
    return journal is not None


def interrupted(config_directory: str) -> bool:
    """Whether an installation is in progress, or was killed."""
    return os.path.isdir(os.path.join(config_directory, TRANSACTION))


def undo(config_directory: str) -> tuple[list[str], list[str]]:
    """Restore the files from before all installations that have not been confirmed.

    :returns: the files that were restored, and those that were not because they have been changed since.
    :raises HostError: if a newer version of this collection wrote one of the journals; nothing is changed then.
    """
    journals = [(directory, _read(directory, "undoing")) for _number, directory in _unverified(config_directory)]
    restored: list[str] = []
    left: list[str] = []
    for directory, journal in reversed(journals):
        if journal is not None:
            done, changed = _restore(journal)
            restored += done
            left += changed
        _remove(directory)
    return list(dict.fromkeys(restored)), list(dict.fromkeys(left))


def confirm(config_directory: str) -> None:
    """Confirm all installations: their old files are removed, and they can't be undone any more.

    :raises HostError: if a newer version of this collection wrote one of the journals; nothing is changed then.
    """
    require_known_formats(config_directory, "confirming")
    for _number, directory in _unverified(config_directory):
        _remove(directory)


def require_known_formats(config_directory: str, action: str) -> None:
    """Refuse to handle unverified installations of a newer version of this collection.

    :param action: what is being done, for the message.
    :raises HostError: if a newer version of this collection wrote one of the journals.
    """
    for _number, directory in _unverified(config_directory):
        content = _content(directory)
        if content is not None:
            _require_known_format(content, directory, action)


def unverified(config_directory: str) -> list[str]:
    """What the running Postfix needs to use each installation that has not been confirmed; empty if there is none.

    Installations of a newer version of this collection count, too: ``restart`` if their journal does not have a value that this
    version knows.
    """
    contents = [_content(directory) for _number, directory in _unverified(config_directory)]
    needs = [content.get("requires") for content in contents if content is not None]
    return [requires if requires in REQUIRES else "restart" for requires in needs]


def open_transactions(config_directory: str) -> list[str]:
    """The identifiers of all installations that have not been confirmed, oldest first."""
    contents = [_content(directory) for _number, directory in _unverified(config_directory)]
    return [str(content["key"]) for content in contents if content is not None and content.get("key")]


def unverified_targets(config_directory: str) -> set[str]:
    """The files, with symbolic links resolved, of all installations that have not been confirmed.

    :raises HostError: if a newer version of this collection wrote one of the journals.
    """
    journals = [_read(directory, "reading") for _number, directory in _unverified(config_directory)]
    return {item.target for journal in journals if journal is not None for item in journal.files}


def _unverified(config_directory: str) -> list[tuple[int, str]]:
    """Numbers and directories of the installations that have not been confirmed, oldest first."""
    found = []
    with suppress(FileNotFoundError):
        for name in os.listdir(config_directory):
            number = re.match(re.escape(UNVERIFIED) + r"(\d+)$", name)
            if number:
                found.append((int(number.group(1)), os.path.join(config_directory, name)))
    return sorted(found)


def _content(directory: str) -> dict[str, Any] | None:
    """The content of a journal of any format; None if the installation was killed before it wrote one."""
    try:
        with open(os.path.join(directory, _JOURNAL), encoding="utf-8", errors="surrogateescape") as file:
            content: dict[str, Any] = json.load(file)
    except FileNotFoundError:
        return None
    return content


def _require_known_format(content: dict[str, Any], directory: str, action: str) -> None:
    number = content.get("format", 1)
    if not isinstance(number, int) or number > FORMAT:
        raise HostError(
            action,
            os.path.join(directory, _JOURNAL),
            f"a newer version of mailops.postfix wrote it (format {number}; this version reads up to {FORMAT})",
            "Upgrade the collection mailops.postfix on the controller to that version and run the playbook again",
        )


def _read(directory: str, action: str) -> Journal | None:
    """A journal; None if the installation was killed before it wrote one.

    :param action: what is being done, for the message.
    :raises HostError: if a newer version of this collection wrote it.
    """
    content = _content(directory)
    if content is None:
        return None
    _require_known_format(content, directory, action)
    files = [
        Installed(item["target"], item["kept"], tuple(item["new"]) if item["new"] else None)
        for item in content["files"]
    ]
    return Journal(directory, content["key"], content["targets"], content["made"], files, content["requires"])


def _restore(journal: Journal) -> tuple[list[str], list[str]]:
    """Restore the old files, last installed first. If this is killed, the next call does the rest.

    :returns: the files that were restored, and those that were not because they have been changed since.
    """
    restored = []
    left = []
    for item in reversed(journal.files):
        kept = None if item.kept is None else os.path.join(journal.directory, item.kept)
        if kept is not None and not os.path.lexists(kept):
            continue  # restored by a call that was killed
        now = file_identity(item.target)
        if kept is not None and now == file_identity(kept):
            continue  # never installed
        if now != item.new:
            left.append(item.target)
        elif kept is not None:
            _move_back(kept, item.target, journal.key)
            restored.append(item.target)
        elif now is not None:
            os.unlink(item.target)
            restored.append(item.target)
    for target in journal.targets:
        remove_temporary(target, journal.key)
    for directory in {os.path.dirname(item.target) for item in journal.files}:
        with suppress(FileNotFoundError):
            sync_directory(directory)
    for directory in reversed(journal.created_directories):
        with suppress(OSError):
            os.rmdir(directory)
    return restored, left


def _move_back(kept: str, target: str, key: str) -> None:
    try:
        os.rename(kept, target)
    except OSError:  # another file system
        temporary = os.path.join(os.path.dirname(target), f".{os.path.basename(target)}.{key}.new")
        _copy(kept, temporary)
        os.rename(temporary, target)


def remove_temporary(target: str, key: str) -> None:
    """Remove the temporary files and directories of an installation next to a target: their names contain its key."""
    directory, name = os.path.split(target)
    for path in glob.glob(f"{glob.escape(os.path.join(directory, f'.{name}.{key}'))}*"):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(FileNotFoundError):
                os.unlink(path)


def _copy(source: str, target: str) -> None:
    """Copy a file with owner, mode, times and extended attributes."""
    shutil.copy2(source, target, follow_symlinks=False)
    status = os.lstat(source)
    os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(target, stat.S_IMODE(status.st_mode))
        with open(target, "rb") as file:
            os.fsync(file.fileno())


def _remove(directory: str) -> None:
    """Remove a journal's directory. The journal goes first: without it, the other files are ignored."""
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(directory, _JOURNAL))
    shutil.rmtree(directory, ignore_errors=True)


def sync_directory(path: str) -> None:
    """Write the names in a directory to disk, so that they survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
