# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Messages of the program on the host in the mail log. Private to mailops.postfix."""

from __future__ import annotations

from contextlib import suppress

from .._errors import PostfixError
from .._host.runner import run_program

TAG = "mailops-postfix"
"""The tag of log lines."""


def log(config_directory: str, level: str, message: str) -> None:
    """Write a message with postlog(1), or, if that fails, with logger(1).

    :param config_directory: that of the instance that it is about; empty for none.
    :param level: ``info``, ``warn`` or ``error``.
    """
    priority = {"error": "err", "warn": "warning"}.get(level, level)
    commands = [["logger", "-t", TAG, "-p", f"mail.{priority}", "--", message]]
    if config_directory:
        commands.insert(0, ["postlog", "-c", config_directory, "-t", TAG, "-p", level, message])
    for command in commands:
        with suppress(PostfixError):
            if run_program(command).returncode == 0:
                return
