# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The timer that deploys, each hour, the renewals that Postfix does not use yet. Private to mailops.postfix.

An ACME client calls its hook once for each renewal. If Postfix is stopped then, or its configuration is broken, or the client has no
hook, the next call comes with the next renewal, which may be months away.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Sequence

from .._host import system
from .._host.instance import Instance
from .._plan.plan import Change, root_owned

UNITS = "/etc/systemd/system"
HOURLY = "/etc/periodic/hourly"
"""The directory of the scripts that Alpine's crond runs each hour."""
CRONTABS = ("/usr/local/etc/cron.d", "/etc/cron.d")
"""Directories of system crontabs: that of FreeBSD, and that of all other systems. A host with neither has no cron."""

UNIT = "mailops-postfix-due"

_WRITTEN = "# Written by Ansible (mailops.postfix).\n"
_SERVICE = """\
[Unit]
Description=Deploy renewed certificates and CAs to Postfix
After=postfix.service
[Service]
Type=oneshot
ExecStart={command}
"""
_TIMER = """\
[Unit]
Description=Deploy renewed certificates and CAs to Postfix each hour
[Timer]
OnCalendar=hourly
RandomizedDelaySec=600
Persistent=true
"""
# Enables the timer as "systemctl enable" does, but as a file, which check mode can predict.
_WANTED = f"""\
[Unit]
Wants={UNIT}.timer
"""


@dataclass(frozen=True)
class Timer:
    """The files and commands that let the host run a command each hour."""

    path: str | None
    """The file of the timer; None if the host has neither systemd nor cron."""
    changes: Sequence[Change] = ()
    afterwards: Sequence[tuple[str, ...]] = field(default=())
    """Commands that start the timer without a restart of the host."""


def timer(instance: Instance, command: str) -> Timer:
    """The timer that runs a command each hour, with systemd or, without it, with cron."""
    if system.systemd_runs():
        path = os.path.join(UNITS, f"{UNIT}.timer")
        texts = {
            os.path.join(UNITS, f"{UNIT}.service"): _SERVICE.format(command=command),
            path: _TIMER,
            os.path.join(UNITS, "timers.target.d", f"{UNIT}.conf"): _WANTED,
        }
        changes = [written(instance, name, text, 0o644) for name, text in texts.items()]
        due = any(change.rewrites for change in changes)
        commands = (("systemctl", "daemon-reload"), ("systemctl", "restart", f"{UNIT}.timer"))
        return Timer(path, changes, commands if due else ())
    if os.path.isdir(HOURLY):
        path = os.path.join(HOURLY, UNIT)
        return Timer(path, [written(instance, path, f"exec {command}\n", 0o755, "#!/bin/sh\n")])
    for directory in filter(os.path.isdir, CRONTABS):
        path = os.path.join(directory, UNIT)
        # The program logs its errors to the mail log; without the redirection cron would mail them to root as well.
        return Timer(path, [written(instance, path, f"17 * * * * root {command} > /dev/null 2>&1\n", 0o644)])
    return Timer(None)


def written(instance: Instance, path: str, text: str, mode: int, first: str = "", stays: bool = False) -> Change:
    """The change that writes a file that says where it comes from."""
    after = (first + _WRITTEN + text).encode()
    return Change(path, after, instance.read(path), attributes=root_owned(mode), stays=stays)
