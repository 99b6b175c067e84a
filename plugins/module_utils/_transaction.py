# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The transaction: stage, install by rename, undo on failure. Private to mailops.postfix. The only place that writes.

A plan is made without a lock. If it changes something, Postfix's own lock is taken (an exclusive flock on ``main.cf.tmp``, the protocol of
postconf -e, src/util/edit_file.c), the plan is made again from what is there now, all new files are written beside their targets, and
only when every one is complete are they renamed into place, in the order of the plan. Check mode is the same, not installed.
"""

from __future__ import annotations

import errno
import fcntl
import grp
import os
import pwd
import shutil
import stat
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Union

from ansible_collections.mailops.postfix.plugins.module_utils._errors import HostError
from ansible_collections.mailops.postfix.plugins.module_utils._instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._logical_lines import to_text

SETTLED = 3
"""Seconds that the modification time is set back, so that no reader waits for Postfix's two-second rule."""

REQUIRES = ("none", "reload", "restart")
"""What a running Postfix needs, from least to most."""


@dataclass(frozen=True)
class Attributes:
    """Owner, group and mode of a file; None keeps an existing file's, and is root, root, 0644 for a new one."""

    owner: Optional[str] = None
    group: Optional[str] = None
    mode: Optional[int] = None


@dataclass(frozen=True)
class Change:
    """One file as it is and as it shall be."""

    path: str
    after: Union[bytes, None, Callable[[str], None]]
    """New content; None if there shall be no file; or a function that writes, to the path it is given, what only a program can make
    (a postmap database, an openssl key). The function is called when the plan is installed, never in check mode."""
    before: Optional[bytes] = None
    """The content at the time of planning; None if there is no file."""
    stale: str = ""
    """Why a function must make the file anew (``missing``, ``older than its text``); empty if there is no need."""
    attributes: Attributes = Attributes()
    secret: bool = False
    """Whether its content must never be shown."""
    shown: Optional[Tuple[str, str]] = None
    """What a diff shows as before and after in place of a content that nobody wants to read."""
    not_before: float = 0.0
    """A modification time that the new file must not be older than: that of the text, for a database."""
    directory_mode: int = 0o755
    """Mode of directories that must be made for it."""

    @property
    def rewrites(self) -> bool:
        """Whether the content changes."""
        return bool(self.stale) if callable(self.after) else self.after != self.before


@dataclass
class Plan:
    """What shall change, and what to tell the user."""

    changes: List[Change] = field(default_factory=list)
    """In the order in which they must be installed."""
    result: Dict[str, Any] = field(default_factory=dict)
    requires: str = "none"
    """What Postfix needs if the plan changes anything: none, reload or restart."""
    warnings: List[str] = field(default_factory=list)

    def changes_something(self) -> bool:
        """Whether a file gets other content or other attributes."""
        return any(change.rewrites or _attribute_changes(change) for change in self.changes)


@dataclass
class Outcome:
    """What a run of a plan did, or in check mode would do."""

    changed: bool
    diff: List[Dict[str, Any]]
    plan: Plan
    backup_files: List[str]


def strongest(*requires: str) -> str:
    """The one need that covers all."""
    return max(requires, key=REQUIRES.index, default="none")


def apply(
    build: Callable[[Instance], Plan], instance: Callable[[], Instance], check_mode: bool = False, backup: bool = False
) -> Outcome:
    """Make a plan and install it.

    :param build: plans from a snapshot; called again under the lock, so that no edit in between is lost.
    :param instance: takes a snapshot.
    :param check_mode: plan only.
    :param backup: keep the old content of changed files beside them.
    :raises HostError: if a file can't be written; nothing is changed then.
    """
    snapshot = instance()
    plan = build(snapshot)
    outcome = _outcome(plan)
    if check_mode or not outcome.changed:
        return outcome
    with _locked(snapshot.path("main.cf")):
        plan = build(instance())
        outcome = _outcome(plan)
        outcome.backup_files = _install(plan, backup)
    return outcome


# What would change


def _outcome(plan: Plan) -> Outcome:
    diff = []
    for change in plan.changes:
        if change.rewrites:
            diff.append(_content_diff(change))
        wanted = _attribute_changes(change)
        if wanted:
            diff.append(
                {
                    "before_header": change.path,
                    "after_header": change.path,
                    "before": {name: old for name, (old, _new) in wanted.items()},
                    "after": {name: new for name, (_old, new) in wanted.items()},
                }
            )
    return Outcome(bool(diff), diff, plan, [])


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
    else:
        entry.update(before=to_text(change.before or b""), after=to_text(change.after or b""))
        if change.before is None and change.after == b"":
            entry["after"] = "(empty file)\n"
        for side in ("before", "after"):
            entry[side] = entry[side].encode("utf-8", "replace").decode("utf-8")
    return entry


def _attribute_changes(change: Change) -> Dict[str, Tuple[str, str]]:
    """Owner, group and mode of an existing file that differ from the wanted ones: ``{name: (old, new)}``."""
    if change.after is None:
        return {}
    try:
        now = os.stat(change.path)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise HostError("reading", change.path, error.strerror or str(error)) from error
    result = {}
    wanted = change.attributes
    if wanted.mode is not None and stat.S_IMODE(now.st_mode) != wanted.mode:
        result["mode"] = (f"{stat.S_IMODE(now.st_mode):04o}", f"{wanted.mode:04o}")
    if wanted.owner is not None and now.st_uid != _user(wanted.owner, change.path):
        result["owner"] = (str(now.st_uid), wanted.owner)
    if wanted.group is not None and now.st_gid != _group(wanted.group, change.path):
        result["group"] = (str(now.st_gid), wanted.group)
    return result


def _user(name: str, path: str) -> int:
    try:
        return int(name) if name.isdigit() else pwd.getpwnam(name).pw_uid
    except KeyError:
        raise HostError("setting the owner of", path, f"there is no user {name!r}", "Name an existing user") from None


def _group(name: str, path: str) -> int:
    try:
        return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise HostError("setting the group of", path, f"there is no group {name!r}", "Name an existing group") from None


# Installing


@dataclass
class _Staged:
    change: Change
    target: str
    """The file behind symbolic links."""
    new: Optional[str]
    """The complete new file beside it; None for a removal."""
    old: Optional[str] = None
    """A second name of what was there, to go back to."""


def _install(plan: Plan, backup: bool) -> List[str]:
    staged: List[_Staged] = []
    made: List[str] = []
    done: List[_Staged] = []
    try:
        settled = time.time() - SETTLED
        for change in plan.changes:
            target = os.path.realpath(change.path)
            if change.rewrites:
                _make_directories(os.path.dirname(target), change.directory_mode, made)
                moment = max(settled, change.not_before)
                staged.append(_Staged(change, target, None if change.after is None else _stage(change, target, moment)))
            elif _attribute_changes(change):
                staged.append(_Staged(change, target, _stage(change, target, None)))
        for item in staged:
            item.old = _second_name(item.target)
        backups = [_back_up(item.target) for item in staged if item.old and item.change.rewrites] if backup else []
        for item in staged:
            done.append(item)
            if item.new is not None:
                os.rename(item.new, item.target)
            else:
                os.unlink(item.target)
        for directory in {os.path.dirname(item.target) for item in staged}:
            _sync_directory(directory)
        return backups
    except BaseException as error:
        _undo(done)
        _remove_leftovers(staged)
        for directory in reversed(made):
            with suppress(OSError):
                os.rmdir(directory)
        if not isinstance(error, OSError):
            raise
        where = error.filename2 or error.filename or "the configuration"
        raise HostError("writing", str(where), error.strerror or str(error), "Nothing has been changed") from error
    finally:
        _remove_leftovers(staged)


def _undo(done: List[_Staged]) -> None:
    for item in reversed(done):
        if item.new is not None and os.path.exists(item.new):
            continue  # the rename itself has failed
        if item.old is not None:
            os.rename(item.old, item.target)
        else:
            os.unlink(item.target)


def _remove_leftovers(staged: List[_Staged]) -> None:
    for item in staged:
        for leftover in (item.new, item.old):
            if leftover is not None:
                with suppress(OSError):
                    os.unlink(leftover)


def _make_directories(path: str, mode: int, made: List[str]) -> None:
    if os.path.isdir(path):
        return
    _make_directories(os.path.dirname(path), mode, made)
    os.mkdir(path)
    made.append(path)
    os.chmod(path, mode)


def _stage(change: Change, target: str, settled: Optional[float]) -> str:
    """Write the new file beside its target, complete with owner, mode and modification time; settled is None to keep the latter."""
    descriptor, path = tempfile.mkstemp(
        prefix=f".{os.path.basename(target)}.", suffix=".new", dir=os.path.dirname(target)
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            if isinstance(change.after, bytes):
                file.write(change.after)
            elif not change.rewrites:
                with open(target, "rb") as source:
                    shutil.copyfileobj(source, file)
            file.flush()
            os.fsync(file.fileno())
        if callable(change.after) and change.rewrites:
            change.after(path)
        _set_attributes(path, target, change)
        times = (settled, settled) if settled is not None else (os.stat(target).st_atime, os.stat(target).st_mtime)
        os.utime(path, times)
        return path
    except BaseException:
        with suppress(OSError):
            os.unlink(path)
        raise


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
        uid = _user(wanted.owner, change.path)
    if wanted.group is not None:
        gid = _group(wanted.group, change.path)
    new = os.stat(path)
    if (new.st_uid, new.st_gid) != (uid, gid):
        os.chown(path, uid, gid)
    os.chmod(path, mode if wanted.mode is None else wanted.mode)


def _second_name(target: str) -> Optional[str]:
    if not os.path.exists(target):
        return None
    directory, name = os.path.split(target)
    path = os.path.join(directory, f".{name}.{os.getpid()}.old")
    with suppress(FileNotFoundError):
        os.unlink(path)
    try:
        os.link(target, path)
    except OSError:  # a file system without hard links
        shutil.copy2(target, path)
    return path


def _back_up(target: str) -> str:
    path = f"{target}.{os.getpid()}.{time.strftime('%Y-%m-%d@%H:%M:%S')}~"
    shutil.copy2(target, path)
    now = os.stat(target)
    os.chown(path, now.st_uid, now.st_gid)
    return path


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(path: str) -> Iterator[None]:
    """Hold the lock that postconf -e takes before it reads and replaces a file."""
    name = f"{path}.tmp"
    while True:
        try:
            descriptor = os.open(name, os.O_CREAT | os.O_WRONLY, 0o600)
        except OSError as error:
            raise HostError("locking", path, error.strerror or str(error), "Run as root (become: true)") from error
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            if os.path.samestat(os.fstat(descriptor), os.stat(name)):
                break
        except FileNotFoundError:
            pass
        os.close(descriptor)
    try:
        yield
    finally:
        # Removed while it is still locked: whoever waits finds another file, or none, under the name and tries again.
        with suppress(OSError):
            os.unlink(name)
        os.close(descriptor)
