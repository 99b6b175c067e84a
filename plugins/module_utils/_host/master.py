# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starts, reloads, restarts and watches the Postfix of an instance. Private to mailops.postfix.

``postfix reload`` ends before master(8) reads its files, and a fatal error of master(8) stops Postfix a second later (msg_fatal). So this
file watches it for some seconds, or until it has reloaded: master(8) first reads main.cf and master.cf, then ends the old processes and
wakes the services with a wakeup time, and starts new processes for them in its event loop, where none of these errors is fatal any more.
A process that has dropped root has read its own parameters, too.
"""

from __future__ import annotations

import glob
import os
import re
import time
from functools import cached_property
from typing import Collection, Dict, FrozenSet, List, NamedTuple, Optional, Tuple

from .._errors import HostError
from .._formats.lines import to_text
from .._model.configuration import configuration_of
from . import state, system
from .instance import Instance

PAUSE = 0.02
"""Seconds between two polls."""

_UNIT = "postfix.service"
"""The unit of the default instance."""

_NAME = 15
"""Characters of a program's name that Linux keeps."""

ProcessIdentity = Tuple[int, int]
"""Number of a process, and its start time, since Linux reuses numbers."""


class Process(NamedTuple):
    """A process that master(8) has started."""

    program: str
    user: int


FIRST_LOOK_SECONDS = 1
"""Seconds to watch master(8) before the first port is probed, unless it shows earlier that it has taken over the configuration.
Most of what makes master(8) terminate does so within this time."""


class Master:
    """The running Postfix of an instance."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._before: Optional[FrozenSet[ProcessIdentity]] = None
        self._witnesses: FrozenSet[ProcessIdentity] = frozenset()

    def bring_up(self, requires: str) -> None:
        """Make the running Postfix use the files on disk.

        :param requires: ``none``, ``reload`` or ``restart``; the latter two start a stopped Postfix.
        :raises HostError: with the error of Postfix.
        """
        if requires == "none":
            return
        self._before, self._witnesses = frozenset(self._processes()), frozenset()
        if requires == "reload" and self.instance.running():
            self._postfix("reload")
        elif self._unit:
            # The change may have added or removed drop-ins of the unit.
            self.instance.run("systemctl", "daemon-reload", check=False)
            # Also if it is stopped: to systemd the wrapper unit of old Debian releases is always active.
            self.instance.run("systemctl", "restart", self._unit)
        else:
            if self.instance.running():
                self._postfix("stop")
            try:
                self._postfix("start")
            except HostError:
                if not self.instance.running():
                    raise
                # Another process has started it meanwhile, such as the init of this host, and perhaps with the former files.
                self._before = frozenset(self._processes())
                for command in ("reload",) if requires == "reload" else ("stop", "start"):
                    self._postfix(command)

    def survives(self, seconds: float) -> bool:
        """Whether master(8) keeps running for so many seconds, or until it uses the new configuration."""
        end = time.monotonic() + seconds
        while self.instance.running():
            if self.has_taken_over() or time.monotonic() >= end:
                return True
            time.sleep(PAUSE)
        return False

    def has_taken_over(self) -> bool:
        """Whether all services that master(8) wakes have new, working processes, the same as at the last poll.

        False is inconclusive: there may be no such service, or a process may have ended normally.
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
        """The programs for which master(8) has not started new processes within so many seconds; it may throttle them."""
        end = time.monotonic() + seconds
        while True:
            missing = set(self._woken) - set(self._new().values())
            if not missing or time.monotonic() >= end:
                return sorted(missing)
            time.sleep(PAUSE)

    def oldest_start(self, programs: Collection[str]) -> Optional[float]:
        """When the oldest process of these programs was started, in seconds since the epoch; None if none of them runs.

        It is computed with the clock as it is now: if the clock has been set since, it differs from that of files by as much.
        """
        ticks = [start for (_number, start), process in self._processes().items() if process.program in programs]
        if not ticks:
            return None
        return time.time() - state.boot_time() + min(ticks) / os.sysconf("SC_CLK_TCK")

    def stopped_on_purpose(self) -> Optional[bool]:
        """Whether systemd says that Postfix has ended without a failure; None where systemd does not manage it."""
        if not self._unit:
            return None
        names = [_UNIT, "postfix@-.service"] if self._unit == _UNIT else [self._unit]
        shown = self.instance.run(
            "systemctl", "show", "--property=Result,ActiveState,ExecMainStatus", *names, check=False
        )
        text = to_text(shown.stdout)
        return "ActiveState=failed" not in text and not re.search(r"^Result=(?!success$)", text, re.MULTILINE)

    def _new(self) -> Dict[ProcessIdentity, str]:
        """The new, working processes of woken services, with their programs."""
        return {
            identity: process.program
            for identity, process in self._processes().items()
            if identity not in (self._before or ())
            and process.program in self._woken
            and (process.user != 0 or self._woken[process.program])
        }

    @cached_property
    def _woken(self) -> Dict[str, bool]:
        """The programs that master(8) wakes after it has read master.cf, and whether they keep root's privileges."""
        return {
            os.path.basename(service.column("command"))[:_NAME]: service.column("unprivileged") == "n"
            for service in configuration_of(self.instance).services
            if service.column("wakeup").isdigit() and int(service.column("wakeup"))
        }

    def _processes(self) -> Dict[ProcessIdentity, Process]:
        """The processes that master(8) has started (proc(5)); none if it does not run."""
        master = system.master_process(self.instance.parameters.get("queue_directory", ""))
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
                continue  # it has ended
            number, _blank, program = head.partition(" (")
            result[(int(number), int(fields[19]))] = Process(program, user)
        return result

    def _postfix(self, command: str) -> None:
        self.instance.run("postfix", "-c", self.instance.config_directory, command)

    @cached_property
    def _unit(self) -> str:
        """The unit of systemd by which this instance is started; empty if there is none."""
        if not system.systemd_runs():
            return ""
        usual = to_text(self.instance.run("postconf", "-h", "config_directory").stdout).strip()
        if os.path.realpath(usual) == os.path.realpath(self.instance.config_directory):
            return _UNIT if self._shown(_UNIT).get("LoadState") == "loaded" else ""
        return self._unit_of_other_instance()

    def _unit_of_other_instance(self) -> str:
        """The unit of an instance that is not the default one, ``postfix@NAME.service``.

        NAME is the name of the instance on older releases of Debian, the end of its directory's name on newer ones.
        """
        running = system.unit_of(system.master_process(self.instance.parameters.get("queue_directory", "")))
        if running.startswith("postfix@"):
            return running
        directory = self.instance.config_directory
        names = [
            self.instance.parameters.get("multi_instance_name", ""),
            os.path.basename(directory).partition("-")[2],
        ]
        for name in filter(None, names):
            unit = f"postfix@{state.escaped(name)}.service"
            shown = self._shown(unit)
            is_own = name == names[0] or f"MAIL_CONFIG={directory}" in shown.get("Environment", "").split()
            is_used = shown.get("ActiveState", "inactive") != "inactive" or shown.get("UnitFileState") == "enabled"
            if is_own and is_used and shown.get("LoadState") == "loaded":
                return unit
        return ""

    def _shown(self, unit: str) -> Dict[str, str]:
        """Properties of a unit. (``systemctl cat`` fails if a change has removed a drop-in, until systemd reads its units again.)"""
        names = "LoadState,ActiveState,UnitFileState,Environment"
        shown = self.instance.run("systemctl", "show", f"--property={names}", unit, check=False)
        pairs = (line.partition("=") for line in to_text(shown.stdout).splitlines())
        return {name: value for name, _equals, value in pairs}
