# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records the arguments of all processes, which any user can read with ps, until a file exists: watch.py RESULT STOP."""

from __future__ import annotations

import glob
import os
import sys
import time

LIMIT = 600  # seconds
PAUSE = 0.1


def main(result: str, stop: str) -> None:
    """Record until the file ``stop`` exists, and write the result."""
    seen: set[bytes] = set()
    end = time.monotonic() + LIMIT
    while time.monotonic() < end and not os.path.exists(stop):
        for path in glob.iglob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, "rb") as file:
                    seen.add(file.read().replace(b"\0", b" "))
            except OSError:
                continue
        time.sleep(PAUSE)
    with open(result, "wb") as file:
        file.write(b"\n".join(sorted(seen)))


if __name__ == "__main__":
    main(*sys.argv[1:])
