# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Installs the files of an open transaction again after its undo. Private to mailops.postfix.

A fault that was there before a change is found by looking at the host without the change. The transaction stays open meanwhile: if this
process ends, the files are the old ones, and the undo at the deadline finds nothing left to take back.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass, field
from functools import partial
from typing import List

from .._host.instance import Instance
from .._plan.plan import Attributes, Change
from . import journal, lock, store
from .install import install, shared_files
from .store import Transaction

_KEPT = "undone"


@dataclass
class Kept:
    """The files of a transaction as they are before its undo."""

    directory: str
    """Where the copies are, below the directory of the transaction."""
    targets: List[str] = field(default_factory=list)
    modes: List[int] = field(default_factory=list)
    """The modes of their directories, which the undo may remove."""


def keep(transaction: Transaction) -> Kept:
    """Copy the files of a transaction, with what others have edited since."""
    kept = Kept(transaction.copy(_KEPT))
    shutil.rmtree(kept.directory, ignore_errors=True)
    store.private_directory(kept.directory)
    for number, file in enumerate(transaction.files):
        kept.targets.append(file.target)
        directory = os.path.dirname(file.target)
        kept.modes.append(stat.S_IMODE(os.stat(directory).st_mode) if os.path.isdir(directory) else 0o755)
        if os.path.lexists(file.target):
            journal.copy_file(file.target, os.path.join(kept.directory, str(number)))
    return kept


def reinstall(transaction: Transaction, kept: Kept, instance: Instance, lock_timeout: float) -> None:
    """Install the kept files again, under the lock of the instance. The transaction stays open.

    :raises HostError: if a file can't be written; nothing is changed then.
    """
    with lock.held(os.path.join(transaction.instance, "main.cf"), lock_timeout):
        changes = [_change(kept, number, target, instance) for number, target in enumerate(kept.targets)]
        own = [os.path.realpath(instance.path(name)) for name in ("main.cf", "master.cf")]
        # Nothing may name a file that is not there: what comes back first, what goes last.
        changes.sort(key=lambda change: 2 if change.after is None else int(change.path in own))
        with lock.files_held(change.path for change in shared_files(changes, transaction.instance)):
            install(changes, transaction.instance)
    shutil.rmtree(kept.directory, ignore_errors=True)


def _change(kept: Kept, number: int, target: str, instance: Instance) -> Change:
    path = os.path.join(kept.directory, str(number))
    if not os.path.lexists(path):
        return Change(target, None, instance.read(target), secret=True)
    status = os.lstat(path)
    attributes = Attributes(str(status.st_uid), str(status.st_gid), stat.S_IMODE(status.st_mode))
    return Change(
        target,
        partial(shutil.copyfile, path),
        stale="taken back for a moment",
        attributes=attributes,
        secret=True,
        directory_mode=kept.modes[number],
    )
