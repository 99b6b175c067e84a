# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state directory of the collection on the host. Private to mailops.postfix.

Only root can read it. It has the program, the stamps of tables, and one directory for each instance.
"""

from __future__ import annotations

ROOT = "/var/lib/mailops-postfix"
"""The state directory."""

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
