# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The running Postfix of an instance: started, reloaded, restarted and watched. Private to mailops.postfix.

``postfix reload`` ends well before master(8) reads anything, and what master(8) then finds fatal ends all of Postfix, after a second of sleep
(msg_fatal). So it is watched for some seconds, or until it has shown that it got through: only when it has read main.cf and master.cf anew
does it end the processes of before and wake the services that have a wakeup time, and only in its event loop, where nothing of this is
fatal any more, does it start new processes for them. One that has given up root has read its own parameters, too.
"""

from __future__ import annotations

import glob
import os
import time
from functools import cached_property
from typing import Dict, FrozenSet, List, NamedTuple, Optional, Tuple

from .._formats import master_cf
from .._formats.lines import to_text
from .instance import Instance

PAUSE = 0.02
"""Seconds between two looks at what is awaited."""

_NAME = 15
"""How many characters of a program's name Linux keeps."""

ProcessIdentity = Tuple[int, int]
"""Number of a process, and when it was started, since numbers are used again."""


class Process(NamedTuple):
    """A process that master(8) has started."""

    program: str
    user: int


class Master:
    """The running Postfix of an instance."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._before: Optional[FrozenSet[ProcessIdentity]] = None
        self._witnesses: FrozenSet[ProcessIdentity] = frozenset()

    def bring_up(self, requires: str) -> None:
        """Have the running Postfix use what is on disk.

        :param requires: ``none``, ``reload`` or ``restart``; a Postfix that does not run is started for either of the latter.
        :raises HostError: with what Postfix said.
        """
        if requires == "none":
            return
        self._before, self._witnesses = frozenset(self._processes()), frozenset()
        if requires == "reload" and self.instance.running():
            self._postfix("reload")
        elif self._has_unit():
            # Also where it is stopped: systemd takes the wrapper unit of old Debians for active whatever happens to Postfix.
            self.instance.run("systemctl", "restart", "postfix.service")
        else:
            if self.instance.running():
                self._postfix("stop")
            self._postfix("start")

    def survives(self, seconds: float) -> bool:
        """Whether master(8) runs all the while, or until it has shown that it has taken over what it was told to."""
        end = time.monotonic() + seconds
        while self.instance.running():
            if self.has_taken_over() or time.monotonic() >= end:
                return True
            time.sleep(PAUSE)
        return False

    def has_taken_over(self) -> bool:
        """Whether there are new processes of all services that master(8) wakes, in good health, and still the same as at the last look.

        No is no answer: where nothing is woken, or a process has ended for reasons of its own, only time can tell.
        """
        if self._before is None or not self._woken:
            return False
        if self._witnesses:
            return self._witnesses <= set(self._processes())
        new = self._new()
        if set(new.values()) != set(self._woken):
            return False
        self._witnesses = frozenset(new)
        return True

    def not_woken(self, seconds: float) -> List[str]:
        """The programs of which master(8) should have started new processes within so many seconds, and has not: it may throttle them."""
        end = time.monotonic() + seconds
        while True:
            missing = set(self._woken) - set(self._new().values())
            if not missing or time.monotonic() >= end:
                return sorted(missing)
            time.sleep(PAUSE)

    def _new(self) -> Dict[ProcessIdentity, str]:
        """The processes of woken services that are new and in good health, with their programs."""
        return {
            identity: process.program
            for identity, process in self._processes().items()
            if identity not in (self._before or ())
            and process.program in self._woken
            and (process.user != 0 or self._woken[process.program])
        }

    @cached_property
    def _woken(self) -> Dict[str, bool]:
        """The programs that master(8) wakes as soon as it has read master.cf, and whether they keep the rights of root."""
        return {
            os.path.basename(service.column("command"))[:_NAME]: service.column("unprivileged") == "n"
            for service in master_cf.master_entries(self.instance.master_cf)
            if service.column("wakeup").isdigit() and int(service.column("wakeup"))
        }

    def _processes(self) -> Dict[ProcessIdentity, Process]:
        """The processes that master(8) has started (proc(5)); none if it does not run."""
        master = self._master()
        result = {}
        for path in glob.iglob("/proc/[0-9]*"):
            try:
                with open(f"{path}/stat", encoding="utf-8", errors="replace") as file:
                    head, _parenthesis, tail = file.read().rpartition(")")
                fields = tail.split()
                if int(fields[1]) != master or fields[0] == "Z":
                    continue
                with open(f"{path}/status", encoding="utf-8", errors="replace") as file:
                    user = next(int(line.split()[2]) for line in file if line.startswith("Uid:"))
            except (OSError, StopIteration):
                continue  # ended meanwhile
            number, _blank, program = head.partition(" (")
            result[(int(number), int(fields[19]))] = Process(program, user)
        return result

    def _master(self) -> int:
        """The number of the process; -1 if there is none."""
        path = os.path.join(self.instance.parameters.get("queue_directory", ""), "pid", "master.pid")
        try:
            with open(path, encoding="ascii") as file:
                return int(file.read())
        except (OSError, ValueError):
            return -1

    def _postfix(self, command: str) -> None:
        self.instance.run("postfix", "-c", self.instance.config_directory, command)

    def _has_unit(self) -> bool:
        """Whether systemd is in charge of this instance: it is that of the distribution, and systemd runs."""
        if not os.path.isdir("/run/systemd/system"):
            return False
        usual = to_text(self.instance.run("postconf", "-h", "config_directory").stdout).strip()
        if os.path.realpath(usual) != os.path.realpath(self.instance.config_directory):
            return False
        return self.instance.run("systemctl", "cat", "postfix.service", check=False).returncode == 0
