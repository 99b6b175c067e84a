# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs programs: Postfix's own commands and openssl, as a list of arguments, with a C locale and a time limit. Private to mailops.postfix.

It is the only file that runs programs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from dataclasses import dataclass
from typing import Any, Callable, Optional, Sequence, Tuple

from .._errors import HostError
from .._formats.lines import to_text

TIME_LIMIT = 120
"""Seconds after which a program is killed."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Completed:
    """The result of a program."""

    argv: Tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def complaint(self) -> str:
        """Its error output in one line."""
        lines = (line.strip() for line in to_text(self.stderr).split("\n"))
        return " / ".join(line for line in lines if line) or f"exit status {self.returncode}"


Runner = Callable[[Sequence[str], Optional[bytes]], Completed]


def run_program(argv: Sequence[str], stdin: Optional[bytes] = None) -> Completed:
    """Run a program.

    :raises HostError: if it is not installed or does not end in time; the caller checks its exit status.
    """
    environment = {"PATH": f"{os.environ.get('PATH', '')}:{_PATH}", "LC_ALL": "C", "LANG": "C"}
    program = shutil.which(argv[0], path=environment["PATH"])
    if program is None:
        raise HostError("running", argv[0], "the program is not installed", "Install the package that contains it")
    try:
        # run_command() of AnsibleModule has no time limit, and the program on the host has no AnsibleModule.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            [program, *argv[1:]],
            env=environment,
            input=stdin if stdin is not None else b"",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=TIME_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise HostError("running", " ".join(argv), f"it did not end within {TIME_LIMIT} seconds") from error
    return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)


class BackgroundCall(threading.Thread):
    """Runs a function in a thread; get() waits for its result, or raises its error."""

    def __init__(self, function: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._function = function
        self._done: Any = None
        self._error: Optional[BaseException] = None
        self.start()

    def run(self) -> None:
        try:
            self._done = self._function()
        except BaseException as error:  # get() raises it
            self._error = error

    def get(self) -> Any:
        self.join()
        if self._error is not None:
            raise self._error
        return self._done


def program_of(process: str) -> str:
    """The name of the program that a process runs, without its arguments, which may contain secrets; empty if it has ended."""
    try:
        with open(f"/proc/{process}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def is_installed() -> bool:
    """Whether Postfix's commands are on this host."""
    return shutil.which("postconf", path=f"{os.environ.get('PATH', '')}:{_PATH}") is not None
