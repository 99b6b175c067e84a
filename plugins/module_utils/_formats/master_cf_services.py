# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The services of a master.cf as dictionaries. Private to mailops.postfix. Pure."""

from __future__ import annotations

from typing import Any

from .lines import to_bytes
from .master_cf import MasterEntry, braced, master_entries


def parse_services(text: str) -> list[dict[str, Any]]:
    """The services of a master.cf as dictionaries with the keys of the master_cf module.

    :raises GrammarError: for an entry that master(8) would reject.
    """
    return [describe(entry) for entry in master_entries(to_bytes(text))]


def describe(entry: MasterEntry) -> dict[str, Any]:
    """An entry as a dictionary with the keys of the master_cf module; columns that are ``-`` are None."""
    flags = {"y": True, "n": False, "-": None}
    result: dict[str, Any] = {"service": entry.key}
    for name in ("private", "unprivileged", "chroot"):
        result[name] = flags[entry.column(name)]
    for name in ("wakeup", "process_limit"):
        value = entry.column(name)
        result[name] = None if value == "-" else value
    result["command"] = " ".join([entry.column("command")] + [braced(word.text) for word in entry.arguments])
    result["options"] = dict(entry.effective_options)
    return result
