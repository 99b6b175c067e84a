# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program on the host as one file: a zip archive of the packages of module_utils that Python runs. Private to mailops.postfix.

The controller builds it from the files of the collection. The same code must give the same bytes on each controller, as the modules
compare checksums. The standard module zipapp can't be used: it stores the time of each file and the order of the directory.
"""

from __future__ import annotations

import io
import zipfile
from functools import lru_cache
from pathlib import Path

from .._transaction.journal import FORMAT
from .install import COMMENT

PACKAGE = "mailops_postfix"
"""The name of the package in the archive that contains all others."""

_MODULE_UTILS = Path(__file__).resolve().parents[1]
_WITHOUT = {"_ansible.py"}
_MAIN = f"""\
import sys

from {PACKAGE}._program.main import main

sys.exit(main(sys.argv[1:]))
"""
_DATE = (2026, 1, 1, 0, 0, 0)


@lru_cache(maxsize=1)
def program() -> bytes:
    """The archive; equal bytes for equal code. It needs only Python's standard library."""
    sources = {
        path.relative_to(_MODULE_UTILS): path.read_bytes()
        for path in _MODULE_UTILS.rglob("*.py")
        if path.name not in _WITHOUT
    }
    members = {"__main__.py": _MAIN.encode(), f"{PACKAGE}/__init__.py": b""}
    for path, source in sources.items():
        if path.parent.parts:
            members[f"{PACKAGE}/{path.parent.as_posix()}/__init__.py"] = b""
        members[f"{PACKAGE}/{path.as_posix()}"] = source
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, members[name])
        archive.comment = COMMENT + str(FORMAT).encode()
    return content.getvalue()
