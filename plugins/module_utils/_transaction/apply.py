# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The transaction: stage, install by rename, undo on failure. Private to mailops.postfix.

Only this file and :mod:`journal` write to the host. A plan is made under Postfix's own lock (:mod:`lock`), so that no file that it has read
changes before it is installed. If another process has the lock, the plan is made without it; if that plan changes something, apply() waits
for the lock and makes the plan again. All new files are written next to their targets. When all are complete, they are renamed into place,
in the order of the plan. The old files are kept until then (:mod:`journal`), so that the next run can restore them after a kill.
In check mode the same plan is made, without a lock, and not installed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Callable

from .._errors import DeclarationError, HostError
from .._formats.lines import to_text
from .._host.instance import Instance
from .._plan.plan import Change, Plan, attribute_changes, group_id, strongest, user_id
from . import journal as journal_transaction
from . import lock, stamps

LARGE = 100_000
"""Bytes above which a diff shows only the size and checksum of a content."""

SETTLED_SECONDS = 3
"""Seconds that the modification time is set back. Postfix waits until a file has not changed for two seconds before it reads it."""


@dataclass
class Outcome:
    """What applying a plan has done, or in check mode would do."""

    changed: bool
    diff: list[dict[str, Any]]
    plan: Plan
    backup_files: list[str]
    requires: str = "none"
    """What the running Postfix needs now."""
    transaction: str | None = None
    """The identifier of the newest installation that has to be confirmed; None if there is none, and in check mode."""
    installed: bool = False
    """Whether this run has installed something."""

    @property
    def verify(self) -> str:
        """What has to be verified: ``none``, the ``changed`` files of this run, or ``all``, if only an earlier run left an open transaction."""
        if self.transaction is None:
            return "none"
        return "changed" if self.installed else "all"


def apply(
    build: Callable[[Instance], Plan],
    read_instance: Callable[[], Instance],
    check_mode: bool = False,
    backup: bool = False,
    provisional: bool = False,
    lock_timeout: float = lock.LOCK_TIMEOUT,
) -> Outcome:
    """Make a plan and install it.

    :param build: makes a plan for an instance; called again if another process had the lock, so that its changes are not lost.
    :param read_instance: gives the instance as it is now.
    :param check_mode: make the plan, but do not install it.
    :param backup: keep the old content of changed files next to them.
    :param provisional: keep the old files until the installation is confirmed or undone. An installation of an earlier run that has not
        been confirmed counts as a change, since the running Postfix may not use it yet.
    :param lock_timeout: seconds to wait for another writer.
    :raises HostError: if a file can't be written, or a newer version of this collection has been interrupted; nothing is changed then.
    """
    instance = read_instance()  # reads each file when it is first used
    directory = instance.config_directory
    main_cf = instance.path("main.cf")
    if check_mode:
        return _planned(build, instance, provisional)
    with lock.held_if_free(main_cf) as free:
        if free:
            return _apply_locked(build, instance, backup, provisional)
    # A directory of an installation may be that of the process that has the lock, or of a killed one. Only with the lock it is the latter.
    if not journal_transaction.interrupted(directory):
        outcome = _planned(build, instance, provisional)
        if not outcome.plan.changes_something():
            return _with_transaction(outcome, directory, provisional)
    with lock.held(main_cf, lock_timeout) as waited:
        outcome = _apply_locked(build, read_instance(), backup, provisional)
    outcome.plan.warnings += [f"{waited} that was editing {main_cf}"] if waited else []
    return outcome


def _planned(build: Callable[[Instance], Plan], instance: Instance, provisional: bool) -> Outcome:
    try:
        plan = _without_conflicts(build(instance))
    finally:
        instance.end()
    return _outcome(plan, instance.config_directory if provisional else None)


def _apply_locked(build: Callable[[Instance], Plan], instance: Instance, backup: bool, provisional: bool) -> Outcome:
    directory = instance.config_directory
    recovered = journal_transaction.recover(directory)
    begun = time.time()
    outcome = _planned(build, instance, provisional)
    if outcome.plan.changes_something():
        outcome.backup_files = _install(outcome.plan, directory, backup, provisional)
        outcome.installed = True
        outcome.plan.warnings += _run(outcome.plan.afterwards, instance)
    stamps.record(outcome.plan, begun)
    if recovered:
        outcome.plan.warnings.append(f"restored the files in {directory} that an interrupted run had begun to change")
    return _with_transaction(outcome, directory, provisional)


def _with_transaction(outcome: Outcome, directory: str, provisional: bool) -> Outcome:
    if provisional:
        outcome.transaction = next(reversed(journal_transaction.open_transactions(directory)), None)
    return outcome


def _without_conflicts(plan: Plan) -> Plan:
    """The plan itself, if it changes no file twice.

    :raises DeclarationError: if it does.
    """
    seen: dict[str, str] = {}
    for change in plan.changes:
        target = os.path.realpath(change.path)
        if target in seen:
            raise DeclarationError(
                "declaring",
                change.path,
                "the same file is declared twice",
                "Join the two declarations, or name another file",
            )
        seen[target] = change.path
    return plan


def undo(directory: str, lock_timeout: float = lock.LOCK_TIMEOUT) -> tuple[list[str], list[str]]:
    """Restore the files from before all installations that have not been confirmed.

    :param directory: the configuration directory.
    :returns: the files that were restored, and those that were not because they have been changed since.
    :raises HostError: if a newer version of this collection wrote one of the journals; nothing is changed then.
    """
    with lock.held(os.path.join(directory, "main.cf"), lock_timeout):
        return journal_transaction.undo(directory)


def confirm(directory: str, lock_timeout: float = lock.LOCK_TIMEOUT) -> None:
    """Confirm all installations: they can't be undone any more.

    :param directory: the configuration directory.
    :raises HostError: if a newer version of this collection wrote one of the journals; nothing is changed then.
    """
    if journal_transaction.unverified(directory):
        with lock.held(os.path.join(directory, "main.cf"), lock_timeout):
            journal_transaction.confirm(directory)


def _run(commands: list[tuple[str, ...]], instance: Instance) -> list[str]:
    failures = []
    for command in commands:
        try:
            instance.run(*command)
        except HostError as error:
            failures.append(str(error))
    return failures


# What would change


def _outcome(plan: Plan, unverified_in: str | None) -> Outcome:
    diff = []
    for change in plan.changes:
        if change.rewrites:
            diff.append(_content_diff(change))
        wanted = attribute_changes(change)
        if wanted:
            diff.append(
                {
                    "before_header": change.path,
                    "after_header": change.path,
                    "before": {name: old for name, (old, _new) in wanted.items()},
                    "after": {name: new for name, (_old, new) in wanted.items()},
                }
            )
    requires = plan.requires if diff else "none"
    if unverified_in is not None:
        earlier = journal_transaction.unverified(unverified_in)
        requires = strongest(requires, *earlier)
        if earlier and not diff:
            diff.append(
                {
                    "before_header": "the running Postfix",
                    "after_header": "the running Postfix",
                    "before": "(a change of an earlier run is not verified)\n",
                    "after": f"({'the change is verified' if requires == 'none' else f'{requires}, and the change is verified'})\n",
                }
            )
    return Outcome(bool(diff), diff, plan, [], requires)


def _content_diff(change: Change) -> dict[str, Any]:
    entry: dict[str, Any] = {"before_header": change.path, "after_header": change.path}
    if callable(change.after):
        entry.update(before=f"({change.stale})\n", after="(generated by its program)\n")
    elif change.shown is not None:
        entry.update(before=change.shown[0], after=change.shown[1])
    elif change.secret:
        entry.update(
            before="" if change.before is None else "(content not shown)\n",
            after="" if change.after is None else "(other content, not shown)\n",
        )
    elif max(len(change.before or b""), len(change.after or b"")) > LARGE:
        entry.update(before=_measured(change.before), after=_measured(change.after))
    else:
        entry.update(before=to_text(change.before or b""), after=to_text(change.after or b""))
        if change.before is None and change.after == b"":
            entry["after"] = "(empty file)\n"
        for side in ("before", "after"):
            entry[side] = entry[side].encode("utf-8", "replace").decode("utf-8")
    return entry


@lru_cache(maxsize=2)
def _measured(content: bytes | None) -> str:
    """What a diff shows of a large content: its size and checksum."""
    if content is None:
        return ""
    lines = content.count(b"\n") + (not content.endswith(b"\n") and content != b"")
    return (
        f"({len(content)} bytes, {lines} lines, SHA-256 {hashlib.sha256(content).hexdigest()}; too large to be shown)\n"
    )


# Installing


def _install(plan: Plan, directory: str, backup: bool, provisional: bool) -> list[str]:
    changes = [(change, os.path.realpath(change.path)) for change in plan.changes if _installs(change)]
    journal = None
    backups: list[str] = []
    try:
        journal = journal_transaction.begin(directory, os.urandom(4).hex(), [target for _change, target in changes])
        journal.requires = plan.requires
        settled = time.time() - SETTLED_SECONDS
        staged = [_stage(change, target, journal, settled) for change, target in changes]
        for (_change, target), new in zip(changes, staged):
            kept = journal.keep(target, provisional)
            journal.files.append(
                journal_transaction.Installed(
                    target, kept, None if new is None else journal_transaction.file_identity(new)
                )
            )
        if backup:
            for change, target in changes:
                if change.rewrites and os.path.exists(target):
                    backups.append(_back_up(target))
        journal.write()
        for (_change, target), new in zip(changes, staged):
            if new is not None:
                os.rename(new, target)
            else:
                os.unlink(target)
        for parent in {os.path.dirname(target) for _change, target in changes}:
            journal_transaction.sync_directory(parent)
        journal_transaction.complete(journal, provisional)
        return backups
    except BaseException as error:
        for path in backups:
            with suppress(OSError):
                os.unlink(path)
        journal_transaction.recover(directory)
        if not isinstance(error, OSError):
            raise
        # The user knows the target, not the temporary file.
        where = re.sub(
            r"/\.([^/]+)\.[0-9a-f]{8}\.new[^/]*$", r"/\1", str(error.filename2 or error.filename or directory)
        )
        raise HostError("writing", where, error.strerror or str(error), "Nothing has been changed") from error


def _installs(change: Change) -> bool:
    return change.rewrites or bool(attribute_changes(change))


def _make_directories(path: str, mode: int, journal: journal_transaction.Journal) -> None:
    if os.path.isdir(path):
        return
    _make_directories(os.path.dirname(path), mode, journal)
    journal.created_directories.append(path)
    journal.write()
    os.mkdir(path)
    os.chmod(path, mode)


def _stage(change: Change, target: str, journal: journal_transaction.Journal, settled: float) -> str | None:
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
    shutil.copy2(target, path)
    now = os.stat(target)
    os.chown(path, now.st_uid, now.st_gid)
    return path
