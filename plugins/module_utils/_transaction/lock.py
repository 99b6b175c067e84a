# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock of an instance, which ``postconf -e`` also uses: one writer at a time. Private to mailops.postfix.

It is an exclusive flock(2) on ``main.cf.tmp``, as in src/util/edit_file.c. A message names the process that has it. A file outside the
configuration directory, which several instances may use, has a lock of its own, on its name with ``.tmp``.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import Iterable, Iterator

from .._errors import HostError
from .._host.runner import program_of

LOCK_TIMEOUT = 120
"""Seconds that a writer waits for the lock."""

REPORTED_WAIT_SECONDS = 2.0
"""Seconds; a longer wait for the lock is reported to the user."""

_PAUSE = 0.05


@contextmanager
def held(main_cf: str, limit: float = LOCK_TIMEOUT) -> Iterator[str]:
    """Hold the lock of an instance.

    :param main_cf: the path of its main.cf.
    :param limit: seconds to wait for the lock.
    :returns: a text that reports the wait; empty after a short wait.
    :raises HostError: if the lock can't be acquired; it names the process that has the lock.
    """
    name = _lock_file(main_cf)
    start = time.monotonic()
    other = ""
    while True:
        descriptor = _open_file(name, main_cf)
        if not _try_lock(descriptor):
            waited = time.monotonic() - start
            other = holder(descriptor) or other
            os.close(descriptor)
            if waited > limit:
                raise HostError(
                    "locking",
                    main_cf,
                    f"{other or 'another process'} has been editing this configuration for {waited:.0f} seconds",
                    "Run again when it has ended, or set lock_timeout to wait longer",
                ) from None
            time.sleep(_PAUSE)
            continue
        if _is_current(descriptor, name):
            break
        os.close(descriptor)
    waited = time.monotonic() - start
    try:
        yield f"waited {waited:.0f} seconds for {other or 'another process'}" if waited > REPORTED_WAIT_SECONDS else ""
    finally:
        _release(descriptor, name)


@contextmanager
def files_held(paths: Iterable[str], limit: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Hold the locks of files that other instances may use, too. Files whose directory does not exist have none.

    :raises HostError: as :func:`held`.
    """
    with ExitStack() as stack:
        for path in sorted({path for path in paths if os.path.isdir(os.path.dirname(path))}):
            stack.enter_context(held(path, limit))
        yield


@contextmanager
def held_if_free(main_cf: str) -> Iterator[bool]:
    """Hold the lock of an instance if it is free and this user may acquire it; gives whether that is so."""
    name = _lock_file(main_cf)
    try:
        descriptor = _open_file(name, main_cf)
    except HostError:
        yield False
        return
    if not (_try_lock(descriptor) and _is_current(descriptor, name)):
        os.close(descriptor)
        yield False
        return
    try:
        yield True
    finally:
        _release(descriptor, name)


def _lock_file(main_cf: str) -> str:
    return f"{main_cf}.tmp"


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_current(descriptor: int, name: str) -> bool:
    """Whether the file that was locked is the one that other processes would lock."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(name))
    except FileNotFoundError:
        return False


def _release(descriptor: int, name: str) -> None:
    # Removed while it is still locked: a process that waits finds another file, or none, under this name and tries again.
    with suppress(OSError):
        os.unlink(name)
    os.close(descriptor)


def _open_file(name: str, main_cf: str) -> int:
    try:
        return os.open(name, os.O_CREAT | os.O_WRONLY, 0o600)
    except OSError as error:
        remedy = "Run as root (become: true)" if os.geteuid() else ""
        raise HostError("locking", main_cf, error.strerror or str(error), remedy) from error


def holder(descriptor: int) -> str:
    """The process that has the lock on an open file, such as ``process 4711 (postconf)``; empty if proc(5) does not have it."""
    inode = str(os.fstat(descriptor).st_ino)
    with suppress(OSError), open("/proc/locks", encoding="ascii") as file:
        for line in file:
            words = line.split()
            if words[1:2] == ["FLOCK"] and len(words) > 5 and words[5].split(":")[-1] == inode:
                return _process(words[4])
    return ""


def _process(pid: str) -> str:
    program = program_of(pid)
    if program:
        return f"process {pid} ({program})"
    return f"process {pid}" if pid.isdigit() and pid != "0" else ""
