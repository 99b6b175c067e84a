# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recognizes files that were installed together, without reading them. Private to mailops.postfix. Pure.

A table and its compiled file are renamed into place one after the other, with the same modification time. Its nanoseconds
are the stamp: a checksum of the name and of the inode numbers and sizes. A later write changes the modification time; a
process that restores it cannot restore the time of the last status change (ctime); ``touch``, a restored backup or a copy
leave no stamp. Without a stamp, as on a file system without nanoseconds, the contents must be compared.

The stamp contains no content: every user can read it, and could guess a password from it.
"""

from __future__ import annotations

import hashlib
import os
from typing import Sequence

SECOND = 1_000_000_000

WINDOW = SECOND // 10
"""Maximum time between the renames of one installation, in nanoseconds."""


def fraction(name: str, files: Sequence[os.stat_result]) -> int:
    """The nanoseconds, never 0, of the modification time of these files if they belong together."""
    facts = [name, *(f"{status.st_ino}:{status.st_size}" for status in files)]
    return (
        int(hashlib.sha256("\n".join(facts).encode("utf-8", "surrogateescape")).hexdigest()[:15], 16) % (SECOND - 1) + 1
    )


def holds(name: str, files: Sequence[os.stat_result]) -> bool:
    """Whether these files are unchanged since they were installed together under this name."""
    moments = {status.st_mtime_ns for status in files}
    renamed = [status.st_ctime_ns for status in files]
    return (
        len(moments) == 1 and moments.pop() % SECOND == fraction(name, files) and max(renamed) - min(renamed) <= WINDOW
    )
