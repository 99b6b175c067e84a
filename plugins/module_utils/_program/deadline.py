# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What undoes an open transaction on the host when its deadline passes, without Ansible. Private to mailops.postfix.

With systemd, a timer calls the program each 15 seconds while a transaction is open, and a service undoes what is open when the host starts.
A timer of systemd stands still while the host is suspended, and so do deadlines of its own; this one only asks, and the deadline is a time
of CLOCK_BOOTTIME. Without systemd, cron asks each minute and at boot, and a process in the background each 15 seconds.
"""

from __future__ import annotations

import glob
import os
from typing import Sequence

from .._host import state, system
from .._host.instance import Instance
from .._plan.plan import Plan
from . import timer

UNIT = "mailops-postfix-expired"
"""The timer that looks for transactions whose deadline has passed, and its service."""

BOOT_UNIT = "mailops-postfix-undo"
"""The service that undoes open transactions when the host starts."""

CRONTAB = "mailops-postfix"

SECONDS = 15
"""Seconds between two looks."""

_CRONS = ("cron", "crond", "fcron")

# KillMode: a Postfix that has no unit of its own is started by this service, and stays.
_SERVICE = """\
[Unit]
Description=Undo changes of Postfix that have not been confirmed in time
[Service]
Type=oneshot
ExecStart={command} undo --expired
KillMode=process
"""
_TIMER = """\
[Unit]
Description=Look for changes of Postfix that have not been confirmed in time
[Timer]
OnActiveSec={seconds}
OnUnitActiveSec={seconds}
AccuracySec=1s
"""
# Postfix is started after basic.target: as postfix.service, as postfix@-.service (which Debian orders before it), or as any other unit.
_BOOT = """\
[Unit]
Description=Undo unconfirmed changes of Postfix before it starts
DefaultDependencies=no
Conflicts=shutdown.target
After=local-fs.target
Before=basic.target shutdown.target
OnFailure={unit}.timer
RequiresMountsFor={state}
[Service]
Type=oneshot
ExecStart={command} undo --boot
"""
_WANTED = f"""\
[Unit]
Wants={BOOT_UNIT}.service
"""


def add_deadline(instance: Instance, plan: Plan, command: str) -> None:
    """Add to a plan the files and commands by which the host keeps the deadline of its transaction.

    :param command: the command by which units and cron call the program.
    """
    if system.systemd_runs():
        texts = {
            f"{UNIT}.service": _SERVICE.format(command=command),
            f"{UNIT}.timer": _TIMER.format(seconds=SECONDS),
            f"{BOOT_UNIT}.service": _BOOT.format(command=command, state=state.ROOT, unit=UNIT),
            f"basic.target.d/{BOOT_UNIT}.conf": _WANTED,
        }
        changes = [
            timer.written(instance, os.path.join(timer.UNITS, name), text, 0o644, stays=True)
            for name, text in texts.items()
        ]
        if any(change.rewrites for change in changes):
            plan.beforehand.append(("systemctl", "daemon-reload"))
        plan.changes += changes
        plan.beforehand.append(("systemctl", "restart", f"{UNIT}.timer"))
    else:
        plan.changes += [
            timer.written(
                instance,
                os.path.join(directory, CRONTAB),
                f"* * * * * root {command} undo --expired > /dev/null 2>&1\n@reboot root {command} undo --expired > /dev/null 2>&1\n",
                0o644,
                stays=True,
            )
            for directory in [path for path in timer.CRONTABS if os.path.isdir(path)][:1]
            if _cron_runs()
        ]
        if not _cron_runs():
            plan.warnings.append(
                "this host has neither systemd nor a running cron. If it is restarted before the change is confirmed, "
                f"nothing undoes the change. Let its scheduler run '{command} undo --expired' at boot and each minute"
            )
        plan.beforehand += watch_commands(command)
    if os.path.ismount(instance.config_directory) and not _is_below_mount(state.ROOT):
        plan.warnings.append(
            f"{instance.config_directory} is a mount, and {state.ROOT} is not: if this container is replaced before the change is "
            f"confirmed, nothing can undo it. Keep {state.ROOT} in a volume, too"
        )


def start_commands(command: str) -> Sequence[tuple[str, ...]]:
    """The commands that let the host look for expired transactions, until none is open, as far as it has what that needs."""
    if system.systemd_runs():
        is_there = os.path.exists(os.path.join(timer.UNITS, f"{UNIT}.timer"))
        return [("systemctl", "restart", f"{UNIT}.timer")] if is_there else []
    return watch_commands(command)


def watch_commands(command: str) -> Sequence[tuple[str, ...]]:
    """The command that starts a process which looks for expired transactions in the background."""
    return [(*command.split(" "), "undo", "--watch")]


def _cron_runs() -> bool:
    for path in glob.iglob("/proc/[0-9]*/comm"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                if file.read().strip() in _CRONS:
                    return True
        except OSError:
            continue
    return False


def _is_below_mount(path: str) -> bool:
    while path not in ("/", ""):
        if os.path.ismount(path):
            return True
        path = os.path.dirname(path)
    return False
