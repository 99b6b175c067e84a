# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One writer at a time: the lock that postconf -e takes. Private to mailops.postfix.

An exclusive flock on ``main.cf.tmp``, the protocol of src/util/edit_file.c. Whoever waits is told for whom.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from typing import Iterator

from .._errors import HostError

LOCK_TIMEOUT = 120
"""Seconds that a writer waits for another one."""

REPORTED_WAIT_SECONDS = 2.0
"""Seconds of waiting from which on the user hears of it."""

_PAUSE = 0.05


@contextmanager
def held(main_cf: str, limit: float = LOCK_TIMEOUT) -> Iterator[str]:
    """Hold the lock of an instance.

    :param main_cf: the path of its main.cf.
    :param limit: seconds to wait for another writer.
    :returns: what there was to wait for, in words; empty if the wait was not worth telling.
    :raises HostError: if the lock can't be taken, naming who has it.
    """
    name = _name(main_cf)
    start = time.monotonic()
    whom = ""
    while True:
        descriptor = _opened(name, main_cf)
        if not _locked(descriptor):
            waited = time.monotonic() - start
            whom = holder(descriptor) or whom
            os.close(descriptor)
            if waited > limit:
                raise HostError(
                    "locking",
                    main_cf,
                    f"{whom or 'another program'} has been editing this configuration for {waited:.0f} seconds",
                    "Run again when it has ended, or set lock_timeout to wait longer",
                ) from None
            time.sleep(_PAUSE)
            continue
        if _still_named(descriptor, name):
            break
        os.close(descriptor)
    waited = time.monotonic() - start
    try:
        yield f"waited {waited:.0f} seconds for {whom or 'another program'}" if waited > REPORTED_WAIT_SECONDS else ""
    finally:
        _release(descriptor, name)


@contextmanager
def held_if_free(main_cf: str) -> Iterator[bool]:
    """Hold the lock of an instance if nobody else has it and this user may take it: whether that is so."""
    name = _name(main_cf)
    try:
        descriptor = _opened(name, main_cf)
    except HostError:
        yield False
        return
    if not (_locked(descriptor) and _still_named(descriptor, name)):
        os.close(descriptor)
        yield False
        return
    try:
        yield True
    finally:
        _release(descriptor, name)


def _name(main_cf: str) -> str:
    return f"{main_cf}.tmp"


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _still_named(descriptor: int, name: str) -> bool:
    """Whether the file that was locked is the one that others would lock."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(name))
    except FileNotFoundError:
        return False


def _release(descriptor: int, name: str) -> None:
    # Removed while it is still locked: whoever waits finds another file, or none, under the name and tries again.
    with suppress(OSError):
        os.unlink(name)
    os.close(descriptor)


def _opened(name: str, main_cf: str) -> int:
    try:
        return os.open(name, os.O_CREAT | os.O_WRONLY, 0o600)
    except OSError as error:
        remedy = "Run as root (become: true)" if os.geteuid() else ""
        raise HostError("locking", main_cf, error.strerror or str(error), remedy) from error


def holder(descriptor: int) -> str:
    """Who has the lock on an open file, such as ``process 4711 (postconf -e a=b)``; empty if it can't be told (proc(5))."""
    inode = str(os.fstat(descriptor).st_ino)
    with suppress(OSError), open("/proc/locks", encoding="ascii") as file:
        for line in file:
            words = line.split()
            if words[1:2] == ["FLOCK"] and len(words) > 5 and words[5].split(":")[-1] == inode:
                return _process(words[4])
    return ""


def _process(pid: str) -> str:
    # The name of the program, not its arguments: they may hold what is nobody's business.
    with suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
        return f"process {pid} ({file.read().strip()})"
    return f"process {pid}" if pid.isdigit() and pid != "0" else ""
