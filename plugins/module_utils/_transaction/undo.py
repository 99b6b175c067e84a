# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes an open transaction back: the files, and the running Postfix. Private to mailops.postfix.

What the transaction has set is taken back in the files as they are now (:mod:`_formats.reversal`), so that edits of others stay. The result is
a list of changes that is installed as any other. If an undo is killed, the next one finds nothing left to change, and goes on.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Callable, Dict, List, Optional, Tuple

from .._errors import HostError
from .._formats import reversal
from .._host import instances, postmap, state, system
from .._host.instance import Instance
from .._host.master import Master
from .._plan.plan import Attributes, Change, attribute_changes
from . import journal, lock, store
from .install import install
from .store import ChangedFile, Transaction

_UNITS = "/etc/systemd/system/"
_IN_BYTES = " in bytes"


@dataclass
class Undone:
    """What an undo has done."""

    restored: List[str] = field(default_factory=list)
    """The files that have changed by it."""
    kept: List[str] = field(default_factory=list)
    """What stays since others have changed it: files, with the parameter, the service or the key."""
    saved: List[str] = field(default_factory=list)
    """Copies of the old content of files that could not be taken back."""
    fallen: List[str] = field(default_factory=list)
    """The next hops whose TLS level has fallen by it, each with the level from which and to which."""
    problems: List[str] = field(default_factory=list)
    """Why the running Postfix does not use the restored files."""

    def report(self) -> str:
        """What others have changed, and which levels have fallen, as the end of a sentence; empty if nothing and none."""
        result = ""
        if self.kept:
            aside = f". Their old content is in {', '.join(self.saved)}" if self.saved else ""
            result = f". Not taken back, because others have changed it since: {', '.join(self.kept)}{aside}"
        if self.fallen:
            result += f". Mail is protected less than before the undo: {', '.join(self.fallen)}"
        return result


def undo(
    transaction: Transaction, read_instance: Callable[[], Instance], boot: bool = False, closes: bool = True
) -> Undone:
    """Take a transaction back. The caller holds the lock of the instance and of the transaction.

    :param read_instance: gives the instance as it is now.
    :param boot: whether the host is starting, so that Postfix does not run yet and no daemon of the host can be asked.
    :param closes: whether the transaction ends with it; if not, the caller activates the files and closes it.
    :raises HostError: if a file can't be written; nothing is changed then, and the transaction stays open.
    """
    store.settle(transaction.instance)
    instance = read_instance()
    with lock.files_held(_shared(transaction)):
        undone = _restore(transaction, instance)
    if not boot and any(path.startswith(_UNITS) for path in undone.restored) and system.systemd_runs():
        _restore_units(transaction, undone, read_instance())
    if closes:
        if not boot:
            undone.problems += activate(transaction, read_instance())
            undone.problems += reload_others(transaction, undone, read_instance())
        if not undone.problems:
            store.close(transaction, "undone")
    return undone


def _restore_units(transaction: Transaction, undone: Undone, instance: Instance) -> None:
    """Let systemd read its units again; stop services that the transaction has added, and start those that it has removed."""
    commands: List[Tuple[str, ...]] = [("systemctl", "daemon-reload")]
    for file in transaction.files:
        if file.target in undone.restored and file.target.startswith(_UNITS) and file.target.endswith(".service"):
            if transaction.former(file) is None:
                commands.insert(0, ("systemctl", "stop", os.path.basename(file.target)))
            elif file.digest is None and instance.running():
                commands.append(("systemctl", "start", os.path.basename(file.target)))
    for command in commands:
        with suppress(HostError):
            instance.run(*command)


def with_locks(
    transaction: Transaction, do: Callable[[Transaction], Undone], limit: float = lock.LOCK_TIMEOUT
) -> Optional[Undone]:
    """Call a function with the locks of a transaction and of its instance; None if the transaction has ended meanwhile.

    :param limit: seconds to wait for each lock.
    """
    with store.locked(transaction, limit), lock.held(os.path.join(transaction.instance, "main.cf"), limit):
        store.settle(transaction.instance)
        current = store.find(transaction.instance, transaction.id)
        return None if current is None else do(current)


def activate(transaction: Transaction, instance: Instance) -> List[str]:
    """Make the running Postfix use the restored files; returns what went wrong.

    A Postfix that did not run when the transaction was opened is not started, nor is one that was stopped on purpose since.
    """
    if transaction.requires == "none" and not _has_read(transaction):
        return []
    # Others may have restarted Postfix, which has read the new files then.
    requires = "reload" if transaction.requires == "none" else transaction.requires
    try:
        if instance.running() or must_run(transaction, instance):
            Master(instance).bring_up(requires)
    except HostError as error:
        return [str(error)]
    return []


def reload_others(transaction: Transaction, undone: Undone, instance: Instance) -> List[str]:
    """Reload the other running instances that name a restored file; returns what went wrong."""
    own = [os.path.realpath(instance.path(name)) for name in ("main.cf", "master.cf")]
    restored = {file.target for file in transaction.files if file.target not in own} & set(undone.restored)
    problems = []
    for other in instances.other_instances(instance) if restored else ():
        try:
            if any(instances.names_file(other, path) for path in restored) and other.running():
                Master(other).bring_up("reload")
        except HostError as error:
            problems.append(str(error))
    return problems


def _shared(transaction: Transaction) -> List[str]:
    """The changed files that other instances may use, too."""
    return [file.target for file in transaction.files if store.may_be_shared(file.target, transaction.instance)]


def must_run(transaction: Transaction, instance: Instance) -> bool:
    """Whether Postfix must run after the undo: it ran when the transaction was opened, and has not been stopped since.

    Where systemd does not tell, one that has not read the new files is taken for stopped on purpose, and one that has for terminated by them.
    """
    if not transaction.ran:
        return False
    on_purpose = Master(instance).stopped_on_purpose()
    return _has_read(transaction) if on_purpose is None else not on_purpose


def _has_read(transaction: Transaction) -> bool:
    """Whether Postfix may have read the new files: because of a verification, or since the host was started again."""
    return transaction.activated or transaction.boot != state.boot()


def _restore(transaction: Transaction, instance: Instance) -> Undone:
    undone = Undone()
    texts: Dict[str, Optional[bytes]] = {}
    changes: List[Change] = []
    for file in transaction.files:
        if not file.compiled:
            change = _taken_back(transaction, file, instance, undone)
            changes.append(change)
            texts[file.target] = change.after if isinstance(change.after, bytes) else None
    own = [os.path.realpath(instance.path(name)) for name in ("main.cf", "master.cf")]
    _keep_what_is_named(transaction, changes, [text for path in own for text in [texts.get(path)] if text], undone)
    for file in transaction.files:
        if file.compiled:
            changes += _compiled_again(transaction, file, instance, changes)
    # Nothing may name a file that is not there: what comes back first, what goes last.
    changes.sort(key=lambda change: 2 if change.after is None else int(change.path in own))
    _correct_later(transaction, instance)
    undone.restored = [change.path for change in changes if change.rewrites or attribute_changes(change)]
    install(changes, transaction.instance)
    for directory in reversed(transaction.created_directories):
        with suppress(OSError):
            os.rmdir(directory)
    return undone


def _taken_back(transaction: Transaction, file: ChangedFile, instance: Instance, undone: Undone) -> Change:
    """The change that takes a file back; one that changes nothing if others have changed all of it."""
    now, former = instance.read(file.target), transaction.former(file)
    old = None if former is None else instance.read(former)
    attributes = Attributes() if former is None else _attributes(former)
    is_ours = (None if now is None else store.digest(file.target)) == file.digest
    if is_ours or now == old:
        return Change(file.target, old, now, attributes=attributes, secret=True)
    if old is not None and now is not None and file.after is not None:
        new = instance.read(transaction.copy(file.after)) or b""
        result = _reverse(transaction, file)(old, new, now)
        if result.text is not None:
            undone.kept += [f"{file.target} ({name})" for name in result.kept]
            return Change(file.target, result.text, now, secret=True)
    undone.kept.append(file.target)
    if former is not None:
        undone.saved.append(_saved(transaction, file.target, former))
    return Change(file.target, now, now)


def _reverse(transaction: Transaction, file: ChangedFile) -> Callable[[bytes, bytes, bytes], reversal.Reversal]:
    directory, name = os.path.split(file.target)
    if directory == os.path.realpath(transaction.instance) and name in ("main.cf", "master.cf"):
        return reversal.reverse_main_cf if name == "main.cf" else reversal.reverse_master_cf
    if file.stamp:
        utf8 = not file.stamp.endswith(_IN_BYTES)
        return partial(reversal.reverse_table, map_type=file.stamp.partition(":")[0], utf8=utf8)
    return reversal.reverse_file


def _keep_what_is_named(transaction: Transaction, changes: List[Change], texts: List[bytes], undone: Undone) -> None:
    """Keep files that the transaction has created, and that main.cf or master.cf name, as others have edited them, afterwards."""
    created = {file.target for file in transaction.files if transaction.former(file) is None}
    for index, change in enumerate(changes):
        if change.after is None and change.path in created and any(os.fsencode(change.path) in text for text in texts):
            if change.before is not None:
                undone.kept.append(f"{change.path} (main.cf or master.cf names it)")
            changes[index] = Change(change.path, change.before, change.before)


def _correct_later(transaction: Transaction, instance: Instance) -> None:
    """Take the change back in what later transactions of other instances have found, so that their undo does not bring it back."""
    for other in store.all_open():
        if other.number <= transaction.number or other.id == transaction.id:
            continue
        for file in transaction.files:
            later = next((item for item in other.files if item.target == file.target and not item.compiled), None)
            found = None if later is None or later.before is None else instance.read(other.copy(later.before))
            if later is None or found is None or file.compiled:
                continue
            former = transaction.former(file)
            old = None if former is None else instance.read(former)
            if hashlib.sha256(found).hexdigest() == file.digest:
                store.replace_former(other, later, old)
            elif old is not None and file.after is not None:
                new = instance.read(transaction.copy(file.after)) or b""
                result = _reverse(transaction, file)(old, new, found)
                if result.text is not None:
                    store.replace_former(other, later, result.text)


def _compiled_again(
    transaction: Transaction, file: ChangedFile, instance: Instance, changes: List[Change]
) -> List[Change]:
    """The change of the compiled file of a table whose text is taken back."""
    name = file.stamp[: -len(_IN_BYTES)] if file.stamp.endswith(_IN_BYTES) else file.stamp
    path = os.path.realpath(name.partition(":")[2])
    text = next((change for change in changes if change.path == path), None)
    if text is None or not text.rewrites:
        return []
    if text.after is None:
        return [Change(file.target, None, instance.read(file.target), secret=True)]
    content = text.after if isinstance(text.after, bytes) else b""

    def make(temporary: str) -> None:
        postmap.compile_text(instance, name, content, temporary, secret=True, faulty=True)

    former = transaction.former(file)
    attributes = Attributes() if former is None else _attributes(former)
    return [Change(file.target, make, stale="older than its text", attributes=attributes, secret=True)]


def _attributes(path: str) -> Attributes:
    status = os.lstat(path)
    return Attributes(str(status.st_uid), str(status.st_gid), stat.S_IMODE(status.st_mode))


def _saved(transaction: Transaction, target: str, former: str) -> str:
    """Keep the copy of the old content of a file where the transaction's end does not remove it; returns the path of the copy."""
    directory = os.path.join(state.directory(transaction.instance), "not-restored", transaction.id)
    store.private_directory(directory)
    path = os.path.join(directory, target.strip("/").replace("/", "-"))
    with suppress(FileExistsError):
        journal.copy_file(former, path)
    return path
