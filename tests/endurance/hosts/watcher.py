# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Watches directories of a host, as a user without privileges: opens each new file at once, keeps it open, and looks for secrets in it.

watcher.py DIRECTORIES SECRETS, both JSON lists. Runs until its input ends; prints as JSON how many files it has opened, and in which of them
it has read a secret. It also reads the arguments of all processes.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import struct
import sys
import time
from contextlib import suppress

# inotify(7)
CLOSE_WRITE, MOVED_TO, CREATE, ATTRIB, MODIFY = 0x8, 0x80, 0x100, 0x4, 0x2
MASK = CLOSE_WRITE | MOVED_TO | CREATE | ATTRIB | MODIFY
HEADER = struct.Struct("iIII")
KEPT = 400
LIBC = ctypes.CDLL(None, use_errno=True)


class Watcher:
    """One run."""

    def __init__(self, directories: list[str], secrets: list[str]) -> None:
        self.secrets = [secret.encode() for secret in secrets]
        self.opened = 0
        self.read: set[str] = set()
        self.kept: dict[int, str] = {}
        self.watches: dict[int, str] = {}
        self.inotify = LIBC.inotify_init1(os.O_NONBLOCK)
        self.wanted = set(directories)

    def add(self, directory: str) -> None:
        """Watch a directory and those below it, as far as this user may read them."""
        number = LIBC.inotify_add_watch(self.inotify, os.fsencode(directory), MASK)
        if number < 0:
            return
        self.watches[number] = directory
        with suppress(OSError), os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    self.add(entry.path)
                else:
                    self.look(entry.path)

    def look(self, path: str) -> None:
        """Open a file, and keep it open: what is written later can be read, whatever its mode is then."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            return
        self.opened += 1
        self.kept[descriptor] = path
        self.examine(descriptor, path)
        if len(self.kept) > KEPT:
            oldest = next(iter(self.kept))
            self.examine(oldest, self.kept.pop(oldest))
            os.close(oldest)

    def examine(self, descriptor: int, path: str) -> None:
        """Look for secrets in an open file."""
        with suppress(OSError):
            content = os.pread(descriptor, 1 << 20, 0)
            self.read.update(f"{path}: {secret.decode()}" for secret in self.secrets if secret in content)

    def events(self) -> None:
        """Open what has just been created, changed, or renamed."""
        with suppress(BlockingIOError):
            data = os.read(self.inotify, 1 << 16)
            offset = 0
            while offset < len(data):
                number, _mask, _cookie, length = HEADER.unpack_from(data, offset)
                offset += HEADER.size
                name = os.fsdecode(data[offset : offset + length].rstrip(b"\0"))
                offset += length
                path = os.path.join(self.watches.get(number, ""), name)
                if os.path.isdir(path):
                    self.add(path)
                else:
                    self.look(path)

    def processes(self) -> None:
        """Read the arguments of all processes."""
        for number in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError), open(f"/proc/{number}/cmdline", "rb") as file:
                content = file.read()
                if int(number) != os.getpid():
                    self.read.update(f"{content!r}: {secret.decode()}" for secret in self.secrets if secret in content)

    def run(self) -> None:
        """Watch until the input ends."""
        print("watching", flush=True)
        last = 0.0
        while True:
            for directory in self.wanted - set(self.watches.values()):
                self.add(directory)
            ready, _out, _err = select.select([self.inotify, sys.stdin], [], [], 0.05)
            if self.inotify in ready:
                self.events()
            if time.monotonic() - last > 0.1:
                self.processes()
                last = time.monotonic()
            if sys.stdin in ready:
                break
        self.events()
        for descriptor, path in self.kept.items():
            self.examine(descriptor, path)
        print(json.dumps({"opened": self.opened, "read": sorted(self.read)}))


def main() -> None:
    """Watch the directories of the command line."""
    directories, secrets = map(json.loads, sys.argv[1:])
    Watcher(directories, secrets).run()


if __name__ == "__main__":
    main()
