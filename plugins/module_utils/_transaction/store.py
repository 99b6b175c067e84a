# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Open transactions: what each one has changed, and until when it must be confirmed. Private to mailops.postfix.

The state directory of an instance has a directory ``transactions/ID`` for each, with a record and copies of the files before and, where
others may edit a part of them, after the change. All of it is only for root.

A record is written as ``record.new`` before the first file is renamed, and is valid as soon as the journal of the installation
(:mod:`journal`) has gone: :func:`settle` renames it, or removes it if the installation was interrupted. Callers of functions that write
hold the lock of the instance.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import json
import os
import shutil
import socket
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional

from .._errors import HostError
from .._host import state
from . import journal as journal_of_installation
from .journal import FORMAT

RECORD = "record"
"""The name of a valid record."""
_NEW = "record.new"
_LOCK = "lock"
_ABSENT = ".absent"
"""Marks a copy whose file was created by an earlier transaction that has been undone since."""
_ENDED = "ended.json"
_ENDED_KEPT = 20
_PAUSE = 0.1


@dataclass
class ChangedFile:
    """A file that a transaction has changed."""

    target: str
    """The path of the file itself, with symbolic links resolved."""
    before: Optional[str]
    """The name of the copy of its old content; None if there was no such file."""
    after: Optional[str]
    """The name of the copy of its new content; None if only the digest is known, or if the file was removed."""
    digest: Optional[str]
    """The SHA-256 of its new content; None if the file was removed."""
    stamp: str = ""
    """For the files of a lookup table: ``TYPE:PATH``, as :func:`_formats.lookup_table.stamp_name` writes it."""
    compiled: bool = False
    """Whether it is the compiled file of that table, which is made from the text."""


@dataclass
class Opener:
    """Who has opened a transaction, for the messages of others who wait for it."""

    host: str
    user: str
    process: Mapping[str, Any] = field(default_factory=dict)
    """What identifies the process of ansible-playbook on the controller; empty if that is not known."""


@dataclass
class Transaction:
    """An open transaction."""

    id: str
    instance: str
    """The configuration directory."""
    number: int
    """Counts the transactions of the host that are open at the same time, oldest first."""
    opener: Opener
    since: str
    """When it was opened, in ISO 8601 and UTC; for people only."""
    seconds: int
    """Within so many seconds it must be confirmed; 0 means that nothing undoes it."""
    boot: str
    until: float
    """Its deadline: a time of CLOCK_BOOTTIME of that boot."""
    deadline: Optional[str] = None
    """The same in ISO 8601 and UTC, for people only."""
    requires: str = "none"
    """What the running Postfix needs to go from old to new, and back."""
    ran: bool = False
    """Whether Postfix ran when the transaction was opened."""
    activated: bool = False
    """Whether Postfix may have read the new files."""
    created_directories: List[str] = field(default_factory=list)
    files: List[ChangedFile] = field(default_factory=list)
    """In the order of their installation."""

    @property
    def directory(self) -> str:
        """The directory with its record and the copies of files."""
        return os.path.join(_transactions(self.instance), self.id)

    @property
    def expired(self) -> bool:
        """Whether its deadline has passed, or the host was started again since."""
        return self.seconds > 0 and (state.boot() != self.boot or state.boot_time() >= self.until)

    def described(self) -> str:
        """Who has opened it, and when, for messages."""
        until = f", to be confirmed until {self.deadline}" if self.deadline else ""
        return f"the transaction {self.id} of {self.opener.user} on {self.opener.host}, open since {self.since}{until}"

    def copy(self, name: str) -> str:
        """The path of a copy."""
        return os.path.join(self.directory, name)

    def former(self, file: ChangedFile) -> Optional[str]:
        """The path of the copy of a file's old content; None if there was no such file."""
        if file.before is None or os.path.exists(self.copy(file.before + _ABSENT)):
            return None
        return self.copy(file.before)


def this_host(who: str = "") -> Opener:
    """The opener of a transaction that no controller opens: the program on the host, or a module without its action plugin.

    :param who: what opens it; by default the user.
    """
    user = who or os.environ.get("SUDO_USER") or os.environ.get("USER") or str(os.geteuid())
    return Opener(socket.gethostname(), user)


def create(config_directory: str, key: str, seconds: int, opener: Opener) -> Transaction:
    """A new transaction, which is not stored yet.

    :param key: its identifier.
    :param seconds: the time within which it must be confirmed; 0 for no limit.
    """
    now = time.time()
    last = max((found.number for found in all_open()), default=0)
    transaction = Transaction(
        key,
        config_directory,
        last + 1,
        opener,
        _moment(now),
        seconds,
        state.boot(),
        state.boot_time() + seconds,
        _moment(now + seconds) if seconds else None,
    )
    private_directory(transaction.directory)
    return transaction


def add(
    transaction: Transaction, target: str, new: Optional[str], stamp: str, compiled: bool, with_parts: bool
) -> None:
    """Add a file to a transaction before it is installed: copy what there is.

    A file that the transaction has changed before keeps its oldest content.

    :param new: the path of the new file; None if the file is to be removed.
    :param stamp: see :class:`ChangedFile`.
    :param with_parts: whether others may edit a part of the file, so that the new content is needed to take back only the change.
    """
    earlier = next((file for file in transaction.files if file.target == target), None)
    names = [name for file in transaction.files for name in (file.before, file.after) if name]
    number = max((int(name) for name in names), default=-1) + 1
    before = earlier.before if earlier else None
    if earlier is None and os.path.lexists(target):
        before, number = str(number), number + 1
        journal_of_installation.copy_file(target, transaction.copy(before))
    after = None
    if new is not None and with_parts:
        after = str(number)
        journal_of_installation.copy_file(new, transaction.copy(after))
    file = ChangedFile(target, before, after, None if new is None else digest(new), stamp, compiled)
    if earlier is not None:
        transaction.files[transaction.files.index(earlier)] = file
    else:
        transaction.files.append(file)


def replace_former(transaction: Transaction, file: ChangedFile, content: Optional[bytes]) -> None:
    """Change the old content of a file, since an earlier transaction of another instance is undone; None: there was no such file."""
    if file.before is None:
        return
    path = transaction.copy(file.before)
    temporary = f"{path}.new" if content is not None else f"{path}{_ABSENT}"
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as new:
        new.write(content or b"")
        os.fsync(new.fileno())
    if content is not None:
        shutil.copystat(path, temporary)
        status = os.stat(path)
        os.chown(temporary, status.st_uid, status.st_gid)
        os.rename(temporary, path)
    journal_of_installation.sync_directory(transaction.directory)


def save(transaction: Transaction, name: str = _NEW) -> None:
    """Write the record, in one rename. It is valid when the journal of the installation has gone."""
    content = {"format": FORMAT, **asdict(transaction)}
    path = transaction.copy(name)
    temporary = f"{path}.tmp"
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=True)
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, path)
    journal_of_installation.sync_directory(transaction.directory)


def settle(config_directory: str) -> bool:
    """Restore the files that an interrupted installation had replaced, and make the records of complete ones valid.

    :returns: whether an installation was interrupted.
    :raises HostError: if a newer version of this collection wrote the journal; nothing is changed then.
    """
    recovered = journal_of_installation.recover(config_directory)
    for directory in glob.glob(os.path.join(glob.escape(_transactions(config_directory)), "*")):
        new, record = os.path.join(directory, _NEW), os.path.join(directory, RECORD)
        if os.path.exists(new):
            if recovered:
                os.unlink(new)
            else:
                os.rename(new, record)
        if not os.path.exists(record):  # killed before it installed anything
            shutil.rmtree(directory, ignore_errors=True)
    return recovered


def open_transactions(config_directory: str) -> List[Transaction]:
    """The open transactions of an instance, oldest first.

    :raises HostError: if a newer version of this collection wrote a record.
    """
    return _in(_transactions(config_directory))


def all_open() -> List[Transaction]:
    """The open transactions of all instances of the host, those of each instance oldest first.

    :raises HostError: if a newer version of this collection wrote a record.
    """
    return [found for path in sorted(glob.glob(f"{state.ROOT}/*/transactions")) for found in _in(path)]


def find(config_directory: str, key: str) -> Optional[Transaction]:
    """An open transaction; None if it is not open."""
    return next((found for found in open_transactions(config_directory) if found.id == key), None)


def close(transaction: Transaction, how: str) -> None:
    """End a transaction: remove its record and copies.

    :param how: what became of it, for :func:`ending`, such as ``confirmed``.
    """
    path = os.path.join(state.directory(transaction.instance), _ENDED)
    ended = [*_ended(path), {"id": transaction.id, "how": how, "when": _moment(time.time())}][-_ENDED_KEPT:]
    with suppress(OSError):  # only messages need it, and the disk may be full
        temporary = f"{path}.{os.getpid()}"
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(ended, file)
        os.rename(temporary, path)
    for name in (_NEW, RECORD):
        with suppress(FileNotFoundError):
            os.unlink(transaction.copy(name))
    shutil.rmtree(transaction.directory, ignore_errors=True)


def ending(config_directory: str, key: str) -> str:
    """What became of a transaction, such as ``confirmed at 2026-11-29T12:00:00Z``; empty if that is not known."""
    for item in reversed(_ended(os.path.join(state.directory(config_directory), _ENDED))):
        if item.get("id") == key:
            return f"{item.get('how')} at {item.get('when')}"
    return ""


@contextmanager
def locked(transaction: Transaction, limit: float) -> Iterator[None]:
    """Hold the lock of a transaction, so that no other process verifies or undoes it meanwhile.

    :param limit: seconds to wait for it.
    :raises HostError: if it can't be acquired.
    """
    end = time.monotonic() + limit
    try:
        descriptor = os.open(transaction.copy(_LOCK), os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:  # it has just ended
        yield
        return
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise HostError(
                        "waiting for",
                        transaction.described(),
                        "another process verifies or undoes it",
                        "Run again when it has ended",
                    ) from None
            time.sleep(_PAUSE)
        yield
    finally:
        os.close(descriptor)


def is_held(transaction: Transaction) -> bool:
    """Whether another process verifies or undoes a transaction."""
    try:
        with locked(transaction, 0):
            return False
    except HostError:
        return True


def digest(path: str) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    result = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            result.update(block)
    return result.hexdigest()


def may_be_shared(path: str, config_directory: str) -> bool:
    """Whether other instances may use a file, too: it is neither in the configuration directory nor in the state directory.

    :param path: its path, with symbolic links resolved.
    """
    own = (os.path.join(os.path.realpath(config_directory), ""), os.path.join(state.ROOT, ""))
    return not path.startswith(own)


def private_directory(path: str) -> None:
    """Create a directory that only its owner can read, and those above it.

    :raises HostError: if that is not possible.
    """
    missing = [path]
    while not os.path.isdir(os.path.dirname(missing[-1])):
        missing.append(os.path.dirname(missing[-1]))
    try:
        for name in reversed(missing):
            with suppress(FileExistsError):
                os.mkdir(name, 0o700 if name.startswith(state.ROOT) else 0o755)
    except OSError as error:
        remedy = "Run as root (become: true)" if os.geteuid() else ""
        raise HostError("creating", path, error.strerror or str(error), remedy) from error


def _transactions(config_directory: str) -> str:
    return os.path.join(state.directory(config_directory), "transactions")


def _in(directory: str) -> List[Transaction]:
    found = []
    for path in glob.glob(os.path.join(glob.escape(directory), "*")):
        content = _read(os.path.join(path, RECORD)) or _read(os.path.join(path, _NEW))
        if content is not None:
            found.append(_transaction(content))
    return sorted(found, key=lambda transaction: transaction.number)


def _read(path: str) -> Optional[Dict[str, Any]]:
    try:
        with open(path, encoding="utf-8") as file:
            content: Dict[str, Any] = json.load(file)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    number = content.pop("format", None)
    if number != FORMAT:
        raise HostError(
            "reading",
            path,
            f"a newer version of mailops.postfix wrote it (format {number}; this version reads up to {FORMAT})",
            "Upgrade the collection mailops.postfix on the controller to that version and run the playbook again",
        )
    return content


def _transaction(content: Dict[str, Any]) -> Transaction:
    content["opener"] = Opener(**content["opener"])
    content["files"] = [ChangedFile(**item) for item in content["files"]]
    return Transaction(**content)


def _ended(path: str) -> List[Dict[str, str]]:
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError):
        return []
    return content if isinstance(content, list) else []


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
