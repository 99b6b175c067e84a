# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state directory of the collection on the host. Private to mailops.postfix.

Only root can read it. It has the program, the stamps of tables, and one directory for each instance.
"""

from __future__ import annotations

import time

ROOT = "/var/lib/mailops-postfix"
"""The state directory."""

BOOT_ID = "/proc/sys/kernel/random/boot_id"
"""The file with the identity of this boot of the host."""

_SAFE = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_."


def directory(config_directory: str) -> str:
    """The state directory of an instance."""
    return f"{ROOT}/{escaped(config_directory)}"


def escaped(path: str) -> str:
    """A path as ``systemd-escape --path`` writes it."""
    parts = [part for part in path.split("/") if part]
    if not parts:
        return "-"
    text = "-".join(
        "".join(
            chr(byte) if chr(byte) in _SAFE else f"\\x{byte:02x}" for byte in part.encode("utf-8", "surrogateescape")
        )
        for part in parts
    )
    return f"\\x2e{text[1:]}" if text.startswith(".") else text


def boot() -> str:
    """The identity of this boot of the host; empty if the system has none.

    A container has that of its host, so the start time of its first process belongs to it.
    """
    try:
        with open(BOOT_ID, encoding="ascii") as file:
            identity = file.read().strip()
        with open("/proc/1/stat", encoding="utf-8", errors="replace") as file:
            return f"{identity} {file.read().rpartition(')')[2].split()[19]}"
    except (OSError, IndexError):
        return ""


def boot_time() -> float:
    """Seconds since the host was started, those in which it was suspended included. No change of its clock affects them."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
