# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The transaction: stage, install by rename, undo on failure. Private to mailops.postfix. The only place that writes.

A plan is made under Postfix's own lock (:mod:`lock`), so that what it has read still is what is there when it is installed. Where the lock
is not to be had at once, it is made without: if that plan changes something, the lock is waited for, and the plan made again. All new files
are written beside their targets, and only when every one is complete are they renamed into place, in the order of the plan. What stood there
before is kept until then (:mod:`journal_transaction`): whoever comes after a kill goes back to it. Check mode is the same, neither locked nor installed.
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
from typing import Any, Callable, Dict, List, Optional, Tuple

from .._errors import DeclarationError, HostError
from .._formats.lines import to_text
from .._host import stamp
from .._host.instance import Instance
from .._plan.plan import Change, Plan, attribute_changes, group_id, strongest, user_id
from . import journal as journal_transaction
from . import lock

LARGE = 100_000
"""Bytes above which a diff does not show a content, only its size."""

SETTLED_SECONDS = 3
"""Seconds that the modification time is set back, so that no reader waits for Postfix's two-second rule."""


@dataclass
class Outcome:
    """What a run of a plan did, or in check mode would do."""

    changed: bool
    diff: List[Dict[str, Any]]
    plan: Plan
    backup_files: List[str]
    requires: str = "none"
    """What the running Postfix needs now."""


def apply(
    build: Callable[[Instance], Plan],
    instance: Callable[[], Instance],
    check_mode: bool = False,
    backup: bool = False,
    provisional: bool = False,
    lock_timeout: float = lock.LOCK_TIMEOUT,
) -> Outcome:
    """Make a plan and install it.

    :param build: plans from a snapshot; called again if the lock had to be waited for, so that no edit in between is lost.
    :param instance: takes a snapshot, which reads a file only when it is asked for it.
    :param check_mode: plan only.
    :param backup: keep the old content of changed files beside them.
    :param provisional: keep the way back until what is installed has been accepted. What an earlier run has installed and nobody has
        accepted counts as a change: the running Postfix may not know of it yet.
    :param lock_timeout: seconds to wait for another writer.
    :raises HostError: if a file can't be written; nothing is changed then.
    """
    snapshot = instance()  # which has read nothing yet
    directory = snapshot.config_directory
    main_cf = snapshot.path("main.cf")
    if check_mode:
        return _planned(build, snapshot, provisional)
    with lock.held_if_free(main_cf) as free:
        if free:
            return _apply_locked(build, snapshot, backup, provisional)
    # Of a run that was killed, or of one that is at work: with the lock in hand it is the former.
    if not journal_transaction.interrupted(directory):
        outcome = _planned(build, snapshot, provisional)
        if not outcome.plan.changes_something():
            return outcome
    with lock.held(main_cf, lock_timeout) as waited:
        outcome = _apply_locked(build, instance(), backup, provisional)
    outcome.plan.warnings += [f"{waited} that was editing {main_cf}"] if waited else []
    return outcome


def _planned(build: Callable[[Instance], Plan], snapshot: Instance, provisional: bool) -> Outcome:
    try:
        plan = _without_conflicts(build(snapshot))
    finally:
        snapshot.end()
    return _outcome(plan, snapshot.config_directory if provisional else None)


def _apply_locked(build: Callable[[Instance], Plan], snapshot: Instance, backup: bool, provisional: bool) -> Outcome:
    directory = snapshot.config_directory
    recovered = journal_transaction.recover(directory)
    outcome = _planned(build, snapshot, provisional)
    if outcome.plan.changes_something():
        outcome.backup_files = _install(outcome.plan, directory, backup, provisional)
        outcome.plan.warnings += _run(outcome.plan.afterwards, snapshot)
    if recovered:
        outcome.plan.warnings.append(f"put back what an interrupted run had begun to change in {directory}")
    return outcome


def _without_conflicts(plan: Plan) -> Plan:
    """The plan, once it is certain that no file is declared twice."""
    seen: Dict[str, str] = {}
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


def undo(directory: str, lock_timeout: float = lock.LOCK_TIMEOUT) -> Tuple[List[str], List[str]]:
    """Go back to before all provisional installations that have not been accepted.

    :param directory: the configuration directory.
    :returns: the files that were put back, and those left alone because somebody has changed them since.
    """
    with lock.held(os.path.join(directory, "main.cf"), lock_timeout):
        return journal_transaction.undo(directory)


def confirm(directory: str, lock_timeout: float = lock.LOCK_TIMEOUT) -> None:
    """Close the way back: what has been installed provisionally stays.

    :param directory: the configuration directory.
    """
    if journal_transaction.unverified(directory):
        with lock.held(os.path.join(directory, "main.cf"), lock_timeout):
            journal_transaction.confirm(directory)


def _run(commands: List[Tuple[str, ...]], instance: Instance) -> List[str]:
    failures = []
    for command in commands:
        try:
            instance.run(*command)
        except HostError as error:
            failures.append(str(error))
    return failures


# What would change


def _outcome(plan: Plan, unproven_in: Optional[str]) -> Outcome:
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
    if unproven_in is not None:
        earlier = journal_transaction.unverified(unproven_in)
        requires = strongest(requires, *earlier)
        if earlier and not diff:
            diff.append(
                {
                    "before_header": "the running Postfix",
                    "after_header": "the running Postfix",
                    "before": "(has not proven what an earlier run installed)\n",
                    "after": f"({'has no more to do than prove it' if requires == 'none' else f'will {requires}'})\n",
                }
            )
    return Outcome(bool(diff), diff, plan, [], requires)


def _content_diff(change: Change) -> Dict[str, Any]:
    entry: Dict[str, Any] = {"before_header": change.path, "after_header": change.path}
    if callable(change.after):
        entry.update(before=f"({change.stale})\n", after="(made by its program)\n")
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
def _measured(content: Optional[bytes]) -> str:
    """What stands in a diff for a large content: enough to tell one from another."""
    if content is None:
        return ""
    lines = content.count(b"\n") + (not content.endswith(b"\n") and content != b"")
    return (
        f"({len(content)} bytes, {lines} lines, SHA-256 {hashlib.sha256(content).hexdigest()}; too large to be shown)\n"
    )


# Installing


def _install(plan: Plan, directory: str, backup: bool, provisional: bool) -> List[str]:
    seals = {change.stamp for change in plan.changes if change.stamp and _installs(change)}
    changes = [
        (change, os.path.realpath(change.path)) for change in plan.changes if _installs(change) or change.stamp in seals
    ]
    journal = None
    backups: List[str] = []
    try:
        journal = journal_transaction.begin(directory, os.urandom(4).hex(), [target for _change, target in changes])
        journal.requires = plan.requires
        settled = time.time() - SETTLED_SECONDS
        staged = [_stage(change, target, journal, settled) for change, target in changes]
        for seal in seals:
            _set_seal(seal, [new for (change, _target), new in zip(changes, staged) if new and change.stamp == seal])
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
        # A temporary file says nothing to the user; its target does.
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
    journal.made.append(path)
    journal.write()
    os.mkdir(path)
    os.chmod(path, mode)


def _stage(change: Change, target: str, journal: journal_transaction.Journal, settled: float) -> Optional[str]:
    """Write the new file beside its target, complete with owner, mode and modification time; None for a removal."""
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


def _set_seal(seal: str, paths: List[str]) -> None:
    """Give staged files the modification time by which they are known again; its seconds are those of the first."""
    files = [os.stat(path) for path in paths]
    seconds = files[0].st_mtime_ns // stamp.SECOND
    moment = seconds * stamp.SECOND + stamp.fraction(seal, files)
    for path in paths:
        os.utime(path, ns=(moment, moment))


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
