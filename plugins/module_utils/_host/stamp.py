# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How files that were installed together are known again without reading them. Private to mailops.postfix. Pure.

A table and its compiled file are renamed into place one after the other, with one modification time. Its part below the
second is the seal: a checksum of what they were called, and of their inode numbers and sizes. Whoever writes to one of
them later gives it another modification time; who puts that back can't put back the time of the last change of status
(ctime); and times that were set otherwise (``touch``, a restored backup, a copy) are no seal. Without a seal, which is
also what a file system without nanoseconds keeps, nothing is known, and contents must be compared.

No content goes into the seal: everybody may see it, and a password could be guessed from it.
"""

from __future__ import annotations

import hashlib
import os
from typing import Sequence

SECOND = 1_000_000_000

WINDOW = SECOND // 10
"""How far apart, in nanoseconds, the renames of one installation may be."""


def fraction(name: str, files: Sequence[os.stat_result]) -> int:
    """The nanoseconds, never 0, that the modification time of these files ends with if they belong together."""
    facts = [name, *(f"{status.st_ino}:{status.st_size}" for status in files)]
    return (
        int(hashlib.sha256("\n".join(facts).encode("utf-8", "surrogateescape")).hexdigest()[:15], 16) % (SECOND - 1) + 1
    )


def holds(name: str, files: Sequence[os.stat_result]) -> bool:
    """Whether these files still are as they were installed, together and under this name."""
    moments = {status.st_mtime_ns for status in files}
    renamed = [status.st_ctime_ns for status in files]
    return (
        len(moments) == 1 and moments.pop() % SECOND == fraction(name, files) and max(renamed) - min(renamed) <= WINDOW
    )
