# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Installing the files of a plan: stage them, keep the old ones, rename. Private to mailops.postfix.

All new files are written next to their targets. When all are complete, they are renamed into place, in the order of the plan. The old files
are kept until then (:mod:`journal`), so that the next run can restore them after a kill. Callers hold the lock of the instance.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import time
from contextlib import suppress
from typing import Sequence

from .._errors import HostError
from .._plan.plan import Change, attribute_changes, group_id, user_id
from . import journal as journal_of_installation
from . import store

SETTLED_SECONDS = 3
"""Seconds that the modification time is set back. Postfix waits until a file has not changed for two seconds before it reads it."""


def install(
    changes: Sequence[Change], directory: str, backup: bool = False, transaction: store.Transaction | None = None
) -> list[str]:
    """Install the files of a plan, all or none.

    :param directory: the configuration directory.
    :param backup: keep the old content of changed files next to them.
    :param transaction: the open transaction that records what is changed; None if the installation is confirmed at once.
    :returns: the paths of the backups.
    :raises HostError: if a file can't be written; nothing is changed then.
    """
    targets = [(change, os.path.realpath(change.path)) for change in changes if installs(change)]
    backups: list[str] = []
    if not targets:
        return backups
    try:
        journal = journal_of_installation.begin(directory, os.urandom(4).hex(), [target for _change, target in targets])
        settled = time.time() - SETTLED_SECONDS
        staged = [_stage(change, target, journal, settled) for change, target in targets]
        for (_change, target), new in zip(targets, staged):
            kept = journal.keep(target)
            identity = None if new is None else journal_of_installation.file_identity(new)
            journal.files.append(journal_of_installation.Installed(target, kept, identity))
        if backup:
            for change, target in targets:
                if change.rewrites and os.path.exists(target):
                    backups.append(_back_up(target))
        journal.write()
        if transaction is not None:
            _record(transaction, targets, staged, journal.created_directories)
        for (_change, target), new in zip(targets, staged):
            if new is not None:
                os.rename(new, target)
            else:
                os.unlink(target)
        for parent in {os.path.dirname(target) for _change, target in targets}:
            journal_of_installation.sync_directory(parent)
        journal_of_installation.complete(journal)
        store.settle(directory)
        return backups
    except BaseException as error:
        for path in backups:
            with suppress(OSError):
                os.unlink(path)
        store.settle(directory)
        if not isinstance(error, OSError):
            raise
        # The user knows the target, not the temporary file.
        where = re.sub(
            r"/\.([^/]+)\.[0-9a-f]{8}\.new[^/]*$", r"/\1", str(error.filename2 or error.filename or directory)
        )
        raise HostError("writing", where, error.strerror or str(error), "Nothing has been changed") from error


def shared_files(changes: Sequence[Change], config_directory: str) -> list[Change]:
    """The changes of files that other instances may use, too."""
    return [
        change
        for change in changes
        if not change.stays
        and installs(change)
        and store.may_be_shared(os.path.realpath(change.path), config_directory)
    ]


def _record(
    transaction: store.Transaction,
    targets: Sequence[tuple[Change, str]],
    staged: Sequence[str | None],
    created_directories: Sequence[str],
) -> None:
    own = {os.path.realpath(os.path.join(transaction.instance, name)) for name in ("main.cf", "master.cf")}
    for (change, target), new in zip(targets, staged):
        compiled = bool(change.stamp) and callable(change.after)
        with_parts = target in own or (bool(change.stamp) and not compiled)
        store.add(transaction, target, new, change.stamp, compiled, with_parts)
    transaction.created_directories += created_directories
    store.save(transaction)


def installs(change: Change) -> bool:
    """Whether the content or the attributes of the file change."""
    return change.rewrites or bool(attribute_changes(change))


def _make_directories(path: str, mode: int, journal: journal_of_installation.Journal) -> None:
    if os.path.isdir(path):
        return
    _make_directories(os.path.dirname(path), mode, journal)
    journal.created_directories.append(path)
    journal.write()
    os.mkdir(path)
    os.chmod(path, mode)


def _stage(change: Change, target: str, journal: journal_of_installation.Journal, settled: float) -> str | None:
    """Write the new file next to its target, with owner, mode and modification time; returns its path, None for a removal."""
    if change.rewrites:
        _make_directories(os.path.dirname(target), change.directory_mode, journal)
    if change.after is None:
        return None
    directory, name = os.path.split(target)
    path = os.path.join(directory, f".{name}.{journal.key}.new")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if isinstance(change.after, bytes):
            file.write(change.after)
        elif not change.rewrites:
            with open(target, "rb") as source:
                shutil.copyfileobj(source, file)
    if callable(change.after) and change.rewrites:
        change.after(path)
    _set_attributes(path, target, change)
    if change.rewrites:
        moment = max(settled, change.not_before)
        os.utime(path, (moment, moment))
    else:
        old = os.stat(target)
        os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
    with open(path, "rb") as file:
        os.fsync(file.fileno())
    return path


def _set_attributes(path: str, target: str, change: Change) -> None:
    wanted = change.attributes
    uid, gid, mode = os.geteuid(), os.getegid(), 0o644
    if os.path.exists(target):
        now = os.stat(target)
        uid, gid, mode = now.st_uid, now.st_gid, stat.S_IMODE(now.st_mode)
        for name in os.listxattr(target):  # access control lists and security labels
            try:
                os.setxattr(path, name, os.getxattr(target, name))
            except OSError as error:
                if error.errno not in (errno.ENOTSUP, errno.EPERM, errno.ENODATA):
                    raise
    if wanted.owner is not None:
        uid = user_id(wanted.owner, change.path)
    if wanted.group is not None:
        gid = group_id(wanted.group, change.path)
    new = os.stat(path)
    if (new.st_uid, new.st_gid) != (uid, gid):
        os.chown(path, uid, gid)
    os.chmod(path, mode if wanted.mode is None else wanted.mode)


def _back_up(target: str) -> str:
    path = f"{target}.{os.getpid()}.{time.strftime('%Y-%m-%d@%H:%M:%S')}~"
    journal_of_installation.copy_file(target, path)
    return path
