# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's files, accounts, addresses and ports, for the checks. Private to mailops.postfix. It only reads.

The checks run before and after a change. What takes time, names and sockets, is looked up once.
"""

from __future__ import annotations

import glob
import grp
import os
import pwd
import re
import socket
import sys
from functools import cached_property, lru_cache
from typing import Dict, FrozenSet, List, NamedTuple, Optional, Tuple

from .._errors import HostError
from .runner import program_of, run_program

SYSTEMD_RUNS = "/run/systemd/system"

_LISTENING = "0A"


def systemd_runs() -> bool:
    """Whether systemd is the init process, as sd_booted(3) tests it."""
    return os.path.isdir(SYSTEMD_RUNS)


class Socket(NamedTuple):
    """A TCP socket that listens."""

    address: str
    port: int
    inode: str


class Host:
    """This host, as it is now."""

    def __init__(self) -> None:
        self._addresses: Dict[str, Tuple[str, ...]] = {}

    def status(self, path: str) -> Optional[os.stat_result]:
        """The status of a file, through symbolic links; None if it can't be read."""
        try:
            return os.stat(path)
        except OSError:
            return None

    def readable_by(self, path: str, user: str) -> bool:
        """Whether the modes of a file and of its directories let a user read it; True if there are access lists."""
        try:
            number, groups = _account(user)
        except KeyError:
            return True
        if number == 0:
            return True
        path = os.path.realpath(path)
        needed = 4
        while True:
            status = self.status(path)
            if status is None or "system.posix_acl_access" in _attributes(path):
                return True
            if not _allows(status, number, groups, needed):
                return False
            if path == "/":
                return True
            path, needed = os.path.dirname(path), 1

    def has_user(self, name: str) -> bool:
        """Whether there is a user of this name or number."""
        try:
            pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
        except KeyError:
            return False
        return True

    def has_group(self, name: str) -> bool:
        """Whether there is a group of this name or number."""
        try:
            grp.getgrgid(int(name)) if name.isdigit() else grp.getgrnam(name)
        except KeyError:
            return False
        return True

    def port(self, name: str) -> Optional[int]:
        """The TCP port of a name in services(5)."""
        try:
            return socket.getservbyname(name, "tcp")
        except OSError:
            return None

    def addresses(self, name: str) -> Tuple[str, ...]:
        """The addresses of a host name or of an address; none if it can't be resolved."""
        if name not in self._addresses:
            self._addresses[name] = _resolved(name)
        return self._addresses[name]

    def has_address(self, address: str) -> bool:
        """Whether a program may listen on this address: binds a socket to any free port, and closes it."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.bind((address, 0))
        except OSError:
            return False
        return True

    def listeners(self) -> Tuple[Socket, ...]:
        """The TCP sockets that listen now."""
        return self._listeners

    @cached_property
    def _listeners(self) -> Tuple[Socket, ...]:
        result = []
        for path in ("/proc/net/tcp", "/proc/net/tcp6"):
            try:
                with open(path, encoding="ascii") as file:
                    rows = file.readlines()[1:]
            except OSError:
                continue
            for row in rows:
                fields = row.split()
                if fields[3] == _LISTENING:
                    address, _colon, port = fields[1].partition(":")
                    result.append(Socket(_address(address), int(port, 16), fields[9]))
        return tuple(result)

    def holder(self, inode: str) -> str:
        """The process that holds a socket, ``program (process 123)``; empty if unknown."""
        for path in glob.iglob("/proc/[0-9]*/fd/*"):
            try:
                if os.readlink(path) == f"socket:[{inode}]":
                    process = path.split("/")[2]
                    program = program_of(process)
                    if program:
                        return f"{program} (process {process})"
            except OSError:
                continue
        return ""

    def sockets_of(self, process: int) -> FrozenSet[str]:
        """The inodes of the sockets that a process holds."""
        result = set()
        for path in glob.iglob(f"/proc/{process}/fd/*"):
            try:
                found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(path))
            except OSError:
                continue
            if found:
                result.add(found.group(1))
        return frozenset(result)

    def has_tls_group(self, name: str) -> bool:
        """Whether OpenSSL has a key exchange group; True if openssl(1) is not installed."""
        try:
            # It reads its options before it fails to connect to this port.
            done = run_program(("openssl", "s_client", "-groups", name, "-connect", "127.0.0.1:0"))
        except HostError:
            return True
        return b"-groups" not in done.stderr

    def master(self, queue_directory: str) -> FrozenSet[str]:
        """The inodes of the sockets of the master(8) that serves this queue."""
        return self.sockets_of(master_process(queue_directory))


def master_process(queue_directory: str) -> int:
    """The number of the process of the master(8) that serves a queue; -1 if there is none."""
    try:
        with open(os.path.join(queue_directory, "pid", "master.pid"), encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return -1


def unit_of(process: int) -> str:
    """The service of systemd to which a process belongs; empty if it belongs to none."""
    try:
        with open(f"/proc/{process}/cgroup", encoding="utf-8", errors="replace") as file:
            name = file.read().splitlines()[-1].rpartition("/")[2]
    except (OSError, IndexError):
        return ""
    return name if name.endswith(".service") else ""


@lru_cache(maxsize=16)
def _account(user: str) -> Tuple[int, FrozenSet[int]]:
    """The number and the groups of a user, which a directory service may take long to find.

    :raises KeyError: if there is no such user.
    """
    account = pwd.getpwnam(user)
    return account.pw_uid, frozenset(os.getgrouplist(user, account.pw_gid))


def _resolved(name: str) -> Tuple[str, ...]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(item[4][0]) for item in found))


def _allows(status: os.stat_result, user: int, groups: FrozenSet[int], needed: int) -> bool:
    if status.st_uid == user:
        return bool(status.st_mode >> 6 & needed)
    if status.st_gid in groups:
        return bool(status.st_mode >> 3 & needed)
    return bool(status.st_mode & needed)


def _attributes(path: str) -> List[str]:
    try:
        return os.listxattr(path)
    except OSError:
        return []


def _address(text: str) -> str:
    """Parse an address of /proc/net/tcp: words of 32 bits in the machine's byte order."""
    raw = b"".join(int(text[start : start + 8], 16).to_bytes(4, sys.byteorder) for start in range(0, len(text), 8))
    return socket.inet_ntop(socket.AF_INET6 if len(raw) == 16 else socket.AF_INET, raw)
