# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has the host look every hour whether Postfix uses what it should. Private to mailops.postfix.

A client calls once for each renewal. If Postfix does not run just then, or its configuration is broken, or the client was never told
whom to call, nobody would come back to it before the next renewal, and that may be months away.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Sequence

from .._host import openssl
from .._host.instance import Instance
from .._plan.plan import Change

SYSTEMD_RUNS = "/run/systemd/system"
UNITS = "/etc/systemd/system"
HOURLY = "/etc/periodic/hourly"
"""Scripts that Alpine's crond runs."""
CRONTABS = ("/usr/local/etc/cron.d", "/etc/cron.d")
"""System crontabs: FreeBSD's and everybody's. There is no cron where there are none."""

UNIT = "mailops-postfix-due"

_WRITTEN = "# Written by Ansible (mailops.postfix).\n"
_SERVICE = """\
[Unit]
Description=Bring into service what Postfix does not use yet
After=postfix.service
[Service]
Type=oneshot
ExecStart={command}
"""
_TIMER = """\
[Unit]
Description=See each hour whether Postfix uses its certificates and CAs
[Timer]
OnCalendar=hourly
RandomizedDelaySec=600
Persistent=true
"""
# As good as "systemctl enable", which makes a link behind the back of check mode.
_WANTED = f"""\
[Unit]
Wants={UNIT}.timer
"""


@dataclass(frozen=True)
class Timer:
    """What calls a command each hour."""

    path: str | None
    """Where it stands; None if the host has no place for it."""
    changes: Sequence[Change] = ()
    afterwards: Sequence[tuple[str, ...]] = field(default=())
    """What makes it run now and not only after the next start of the host."""


def timer(instance: Instance, command: str) -> Timer:
    """Have a command run each hour, by systemd or else by cron."""
    if os.path.isdir(SYSTEMD_RUNS):
        path = os.path.join(UNITS, f"{UNIT}.timer")
        texts = {
            os.path.join(UNITS, f"{UNIT}.service"): _SERVICE.format(command=command),
            path: _TIMER,
            os.path.join(UNITS, "timers.target.d", f"{UNIT}.conf"): _WANTED,
        }
        changes = [_change(instance, name, text, 0o644) for name, text in texts.items()]
        due = any(change.rewrites for change in changes)
        commands = (("systemctl", "daemon-reload"), ("systemctl", "restart", f"{UNIT}.timer"))
        return Timer(path, changes, commands if due else ())
    if os.path.isdir(HOURLY):
        path = os.path.join(HOURLY, UNIT)
        return Timer(path, [_change(instance, path, f"exec {command}\n", 0o755, "#!/bin/sh\n")])
    for directory in filter(os.path.isdir, CRONTABS):
        path = os.path.join(directory, UNIT)
        # Their own error output goes to the mail log as well; cron would mail it to root.
        return Timer(path, [_change(instance, path, f"17 * * * * root {command} > /dev/null 2>&1\n", 0o644)])
    return Timer(None)


def _change(instance: Instance, path: str, text: str, mode: int, first: str = "") -> Change:
    after = (first + _WRITTEN + text).encode()
    return Change(path, after, instance.read(path), attributes=openssl.attributes(mode))
