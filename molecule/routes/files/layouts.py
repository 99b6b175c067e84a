# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes each layout of vars/layouts.yml, given as JSON, to a configuration directory that extends the one of this host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

BASE = Path("/etc/postfix")


def write(path: Path, text: str) -> None:
    """Write a file with an old modification time, so that Postfix reads it without waiting."""
    path.write_text(text, encoding="utf-8")
    os.utime(path, (1, 1))


def make(directory: Path, layout: dict[str, Any]) -> None:
    """Write one layout."""
    directory.mkdir(parents=True)
    for name, lines in layout.get("tables", {}).items():
        write(directory / name, "".join(f"{line}\n" for line in lines))
    more = "".join(f"{name} = {value}\n" for name, value in layout.get("main_cf", {}).items())
    write(directory / "main.cf", (BASE / "main.cf").read_text() + more.replace("%", str(directory)))
    services = "".join(f"{line}\n" for line in layout.get("master_cf", []))
    write(directory / "master.cf", (BASE / "master.cf").read_text() + services)
    for name in layout.get("tables", {}):
        if f"hash:%/{name}" in {word for value in layout["main_cf"].values() for word in value.split()}:
            subprocess.run(["postmap", f"hash:{directory / name}"], check=True)


for label, declared in json.loads(sys.argv[1]).items():
    make(Path("/etc/postfix-layouts", label), declared)
