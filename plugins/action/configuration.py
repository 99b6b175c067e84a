# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action plugin of the module configuration, which sends the program to the host, and says which run opens a transaction.

If an earlier run was interrupted between configuration and verification, its transaction is still open. The module then asks this plugin,
which looks whether that process of ansible-playbook still runs on this controller. If it does not, the module undoes what it has left.
"""

from __future__ import annotations

import getpass
import os
import socket
from typing import Any, Mapping

from ..plugin_utils._program_action import ProgramAction

_SELF = "/proc/self/ns/pid"


class ActionModule(ProgramAction):
    """Runs the module configuration."""

    def _call(self, program: dict[str, str], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Run the module, again after each question about an open transaction."""
        asked: list[str] = []
        ended = None
        while True:
            controller = {**_this_run(), "asks": not self._task.async_val, "asked": asked, "ended": ended}
            answer = self._answer({"_program": program, "_controller": controller}, task_vars)
            key = answer.pop("_open", None)
            if key is None:
                return answer
            asked.append(key)
            ended = key if _has_ended(answer.pop("_opener", None) or {}) else None


def _this_run() -> dict[str, Any]:
    """Who runs this playbook, and where. Tasks run in children of the process of ansible-playbook."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container without an entry for this user
        user = str(os.getuid())
    return {"host": socket.gethostname(), "user": user, "process": _process(os.getppid())}


def _process(number: int) -> dict[str, Any]:
    """What identifies a process, from proc(5); empty on systems that do not have it."""
    started = _start_time(number)
    try:
        with (
            open("/etc/machine-id", encoding="ascii") as machine,
            open("/proc/sys/kernel/random/boot_id", encoding="ascii") as boot,
        ):
            found = {"machine": machine.read().strip(), "boot": boot.read().strip(), "namespace": os.readlink(_SELF)}
    except OSError:
        return {}
    return {**found, "number": number, "started": started} if started and found["machine"] else {}


def _start_time(number: int) -> str:
    """The start time of a process in clock ticks since the host was started; empty if there is no such process."""
    try:
        with open(f"/proc/{number}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _has_ended(process: Mapping[str, Any]) -> bool:
    """Whether a process was one of this controller, and has ended. False if that can't be decided."""
    here = _process(os.getpid())
    if not process or not here or process.get("machine") != here["machine"]:
        return False
    if process.get("boot") != here["boot"]:
        return True
    if process.get("namespace") != here["namespace"]:
        return False
    return _start_time(int(process["number"])) != process.get("started")
