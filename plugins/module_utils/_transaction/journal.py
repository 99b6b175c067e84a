# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal of an installation: the old files, and the way back to them if it is killed. Private to mailops.postfix.

While files are being installed, ``<config_directory>/.transaction`` (root only) has each old file and a journal. It is removed when the
installation is complete. If it is found, an installation was killed, and :func:`recover` restores the old files. What has yet to be
verified is another matter, see :mod:`store`. All callers hold the lock of the instance.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Optional, Sequence, Tuple

from .._errors import HostError

FORMAT = 1
"""The format of journals, and of the store of the program on the host. An older program leaves a newer format alone."""

TRANSACTION = ".transaction"
"""The directory of an installation in progress, in the configuration directory."""
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
    """Its directory, ``.transaction`` in the configuration directory."""
    key: str
    """Part of the names of this installation's temporary files."""
    targets: list[str] = field(default_factory=list)
    """The directories of these files may have temporary files."""
    created_directories: list[str] = field(default_factory=list)
    """Outermost first."""
    files: list[Installed] = field(default_factory=list)
    """In the order in which they are installed; empty until all are staged."""

    def write(self) -> None:
        """Write the journal to disk in one rename."""
        content = {
            "format": FORMAT,
            "key": self.key,
            "targets": self.targets,
            "made": self.created_directories,
            "files": [asdict(item) for item in self.files],
        }
        path = os.path.join(self.directory, _JOURNAL)
        descriptor = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(f"{path}.new", path)
        sync_directory(self.directory)

    def keep(self, target: str) -> str | None:
        """Keep an old file; returns its name in the journal's directory, None if there is no old file."""
        if not os.path.lexists(target):
            return None
        name = str(len(self.files))
        path = os.path.join(self.directory, name)
        try:
            os.link(target, path)
        except OSError:  # another file system
            copy_file(target, path)
        return name


def begin(config_directory: str, key: str, targets: Sequence[str]) -> Journal:
    """Open a journal. If the installation is killed after this, the next run finds everything that it has left."""
    directory = os.path.join(config_directory, TRANSACTION)
    os.mkdir(directory, 0o700)
    journal = Journal(directory, key, list(targets))
    journal.write()
    return journal


def complete(journal: Journal) -> None:
    """Complete an installation. The moment is that in which the journal's file goes."""
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
    journal = _read(directory)
    if journal is not None:
        _restore(journal)
    _remove(directory)
    return journal is not None


def interrupted(config_directory: str) -> bool:
    """Whether an installation is in progress, or was killed."""
    return os.path.isdir(os.path.join(config_directory, TRANSACTION))


def _content(directory: str) -> dict[str, Any] | None:
    """The content of a journal of any format; None if the installation was killed before it wrote one."""
    try:
        with open(os.path.join(directory, _JOURNAL), encoding="utf-8", errors="surrogateescape") as file:
            content: dict[str, Any] = json.load(file)
    except FileNotFoundError:
        return None
    return content


def _read(directory: str) -> Journal | None:
    """A journal; None if the installation was killed before it wrote one.

    :raises HostError: if a newer version of this collection wrote it.
    """
    content = _content(directory)
    if content is None:
        return None
    number = content.get("format", 1)
    if not isinstance(number, int) or number > FORMAT:
        raise HostError(
            "recovering",
            os.path.join(directory, _JOURNAL),
            f"a newer version of mailops.postfix wrote it (format {number}; this version reads up to {FORMAT})",
            "Upgrade the collection mailops.postfix on the controller to that version and run the playbook again",
        )
    files = [
        Installed(item["target"], item["kept"], tuple(item["new"]) if item["new"] else None)
        for item in content["files"]
    ]
    return Journal(directory, content["key"], content["targets"], content["made"], files)


def _restore(journal: Journal) -> None:
    """Restore the old files, last installed first. If this is killed, the next call does the rest."""
    for item in reversed(journal.files):
        kept = None if item.kept is None else os.path.join(journal.directory, item.kept)
        if kept is not None and not os.path.lexists(kept):
            continue  # restored by a call that was killed
        now = file_identity(item.target)
        if now != item.new or (kept is not None and now == file_identity(kept)):
            continue  # changed by others since, or never installed
        if kept is not None:
            _move_back(kept, item.target, journal.key)
        elif now is not None:
            os.unlink(item.target)
    for target in journal.targets:
        remove_temporary(target, journal.key)
    for directory in {os.path.dirname(item.target) for item in journal.files}:
        with suppress(FileNotFoundError):
            sync_directory(directory)
    for directory in reversed(journal.created_directories):
        with suppress(OSError):
            os.rmdir(directory)


def _move_back(kept: str, target: str, key: str) -> None:
    try:
        os.rename(kept, target)
    except OSError:  # another file system
        temporary = os.path.join(os.path.dirname(target), f".{os.path.basename(target)}.{key}.new")
        copy_file(kept, temporary)
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


def copy_file(source: str, target: str) -> None:
    """Copy a file with owner, mode, times and extended attributes. The copy is at no time more readable than the original."""
    status = os.lstat(source)
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(source), target)
        os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
        return
    with (
        open(source, "rb") as old,
        os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new,
    ):
        os.fchown(new.fileno(), status.st_uid, status.st_gid)
        os.fchmod(new.fileno(), stat.S_IMODE(status.st_mode))
        shutil.copyfileobj(old, new, 1 << 20)
        new.flush()
        shutil.copystat(source, target)
        os.fsync(new.fileno())


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
