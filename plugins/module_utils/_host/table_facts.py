# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts about a lookup table without a module. Private to mailops.postfix. Imports only Python's standard library.

The action plugin of lookup_table sends this file to the host's Python: for an unchanged large table, the start of a module takes longer than
all else together.
"""

from __future__ import annotations

import contextlib
import glob
import grp
import hashlib
import json
import os
import pwd
import sys
from typing import Any, Callable, Dict, Optional, Sequence


def table_facts(
    directory: str,
    path: str,
    suffixes: Sequence[str],
    fields: Sequence[str],
    stamps: str,
    owner: Optional[str] = None,
    group: Optional[str] = None,
) -> Dict[str, Any]:
    """The checksum of a text, its status and that of its compiled files, their stamps, and the numbers of an owner and a group.

    :param directory: the configuration directory.
    :param suffixes: those of compiled files.
    :param fields: the fields of a status (:data:`stamp.FIELDS`).
    :param stamps: the file that has the stamps (:func:`stamp.state_file`).
    """
    path = os.path.join(directory, path)
    there = os.path.exists(path)
    return {
        "path": path,
        "sha256": _sha256(path) if there else None,
        "text": _status(path, fields) if there else None,
        "compiled": {suffix: _status(path + suffix, fields) for suffix in suffixes if os.path.lexists(path + suffix)},
        "stamps": _stamps(path, stamps),
        "owner": _number(owner, lambda name: pwd.getpwnam(name).pw_uid),
        "group": _number(group, lambda name: grp.getgrnam(name).gr_gid),
        "passwords": _may_hold_passwords(directory, os.path.basename(path)),
        "under_way": ".transaction" in os.listdir(directory) or _has_transactions(os.path.dirname(stamps)),
    }


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def _status(path: str, fields: Sequence[str]) -> Dict[str, int]:
    status = os.stat(path)
    return {name: getattr(status, name) for name in fields}


def _stamps(path: str, stamps: str) -> Dict[str, Any]:
    """The stamps of a text."""
    if not os.path.exists(stamps):
        return {}
    with open(stamps, encoding="utf-8") as file:
        return {name: files for name, files in json.load(file).items() if path in files}


def _may_hold_passwords(directory: str, name: str) -> bool:
    """Whether the configuration has parameters of passwords, and names the table."""
    text = b""
    for file_name in ("main.cf", "master.cf"):
        with contextlib.suppress(OSError), open(os.path.join(directory, file_name), "rb") as file:
            text += file.read()
    return b"passw" in text and os.fsencode(name) in text


def _has_transactions(state: str) -> bool:
    """Whether a transaction is open, which may have changed the table."""
    return bool(glob.glob(os.path.join(glob.escape(state), "*", "transactions", "*")))


def _number(name: Optional[str], find: Callable[[str], int]) -> Optional[int]:
    if name is None:
        return None
    return int(name) if name.isdigit() else find(name)


if __name__ == "__main__":
    sys.stdout.write(f"{json.dumps(table_facts(sys.argv[1], **json.loads(sys.argv[2])))}\n")
