# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs an action in a process that is killed at one of its calls, and reads what it has left."""

from __future__ import annotations

import os
import signal


def contents(directory):
    """The content of every file below the directory, including hidden files."""
    return {
        os.path.relpath(os.path.join(path, name), directory): (
            open(os.path.join(path, name), "rb").read()  # noqa: SIM115
        )
        for path, _directories, names in os.walk(directory)
        for name in names
    }


def kill_at(count, action):
    """Run an action in a process that is killed at its count-th call that changes a name or a file; returns whether it was killed."""
    process = os.fork()
    if process == 0:
        try:
            left = [count]
            for name in ("rename", "link", "unlink", "mkdir", "rmdir", "fsync", "utime", "chmod", "fchmod"):
                setattr(os, name, _killing(getattr(os, name), left))
            action()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _pid, status = os.waitpid(process, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def _killing(function, left):
    def call(*arguments, **options):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)

    return call
