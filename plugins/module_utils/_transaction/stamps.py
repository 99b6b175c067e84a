# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records stamps (:mod:`_host.stamp`). Private to mailops.postfix.

If runs of two instances write the state file at the same time, one of them wins, and the files of the other are compared again.
"""

from __future__ import annotations

import json
import math
import os
import time
from contextlib import suppress

from .._host import stamp
from .._plan.plan import Plan

MARGIN_SECONDS = 1.0
"""Not every file system has fractions of a second."""


def record(plan: Plan, begun: float) -> None:
    """Record the stamps of a plan that has been installed, or that changes nothing. If that fails, the files are compared again.

    :param begun: when the plan was begun. A file that another process has changed since then gets no stamp.
    """
    tables: dict[str, dict[str, float]] = {}
    for change in plan.changes:
        if change.stamp and change.after is not None:
            # The modification time of a new file is in the past.
            tables.setdefault(change.stamp, {})[change.path] = time.time() if change.rewrites else begun
    old = stamp.stamps()
    new = dict(old)
    for name, latest in tables.items():
        with suppress(OSError):
            files = stamp.statuses(latest)
            if all(files[path]["st_mtime_ns"] / 1e9 < moment - MARGIN_SECONDS for path, moment in latest.items()):
                new[name] = files
    new.update(_of_agreements(plan, begun))
    if new != old:
        with suppress(OSError):
            _write(stamp.state_file(), {name: files for name, files in new.items() if _exist(files)})


def _of_agreements(plan: Plan, begun: float) -> stamp.Stamps:
    written = {change.path for change in plan.changes if change.rewrites}
    found: stamp.Stamps = {}
    for agreement in plan.agreements:
        with suppress(OSError):
            files = stamp.statuses(agreement.paths)
            # The time of the last status change also tells of a file that was replaced by an older one.
            unwritten = [status for path, status in files.items() if path not in written]
            if all(status["st_ctime_ns"] / 1e9 < begun - MARGIN_SECONDS for status in unwritten):
                until = {} if math.isinf(agreement.until) else {stamp.UNTIL: {"until": int(agreement.until)}}
                found[agreement.name] = {**files, **until}
    return found


def _exist(files: stamp.Statuses) -> bool:
    return all(os.path.exists(path) for path in files if path != stamp.UNTIL)


def _write(path: str, stamps: stamp.Stamps) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    temporary = f"{path}.{os.getpid()}"
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(stamps, file, indent=1)
    os.rename(temporary, path)
