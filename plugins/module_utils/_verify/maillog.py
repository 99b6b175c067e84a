# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read what Postfix logs during a verification. Private to mailops.postfix."""

from __future__ import annotations

import os
import re
from typing import Sequence

from .._errors import HostError
from .._formats import macros
from .._formats.lines import to_text
from .._host.instance import Instance

_FATAL = re.compile(r"\b(fatal|panic): ")
# A user's own command that fails ("postfix/sendmail[1]: fatal: ...") says nothing about the configuration.
_COMMAND = re.compile(r"\S*/(sendmail|postdrop|postqueue|postsuper|postmap|postalias|postconf|postcat|postlog)\[")


class Log:
    """The lines that Postfix has logged since this object was created.

    They are read from ``maillog_file``, or else from the files of syslogd and from systemd's journal.
    """

    FILES = ("/var/log/mail.log", "/var/log/maillog")

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        maillog_file = instance.parameters.get("maillog_file", "")
        has_maillog_file = maillog_file.startswith("/")
        self._sizes = {path: _size(path) for path in ((maillog_file,) if has_maillog_file else self.FILES)}
        self._cursor = "" if has_maillog_file else self._journal_end()

    @property
    def evidence(self) -> str:
        """Where the lines come from: ``journal`` or ``file``."""
        return "journal" if self._cursor else "file"

    def lines(self) -> list[str]:
        """The lines of all programs, each from the program's name on.

        Where several places have them, the one with most: a line that a program logs twice must count twice.
        """
        texts = [_tail(path, size) for path, size in self._sizes.items()]
        if self._cursor:
            # systemd-journald writes with a delay.
            self.instance.run("journalctl", "--sync", check=False)
            done = self.instance.run(
                "journalctl", "--quiet", "--no-pager", "--output=short", f"--after-cursor={self._cursor}", check=False
            )
            texts.append(to_text(done.stdout).split("\n"))
        return max((_of_programs(text) for text in texts), key=len, default=[])

    def warnings(self) -> list[str]:
        """The lines in which Postfix reports a warning, an error, a fatal error or a panic, each once."""
        names = ("postfix", macros.expanded_parameter("syslog_name", self.instance.parameters) or "postfix")
        own = dict.fromkeys(line for line in self.lines() if line.startswith(names))
        return [line for line in own if re.search(r"\b(fatal|panic|error|warning): ", line)]

    def _journal_end(self) -> str:
        try:
            done = self.instance.run(
                "journalctl", "--quiet", "--no-pager", "--lines=1", "--output=cat", "--show-cursor", check=False
            )
        except HostError:
            return ""  # no systemd
        return to_text(done.stdout).rpartition("-- cursor: ")[2].strip()


def daemon_failures(lines: Sequence[str]) -> list[str]:
    """Those lines in which a daemon reports a fatal error or a panic. Commands that users run do not count."""
    return [line for line in lines if _FATAL.search(line) and not _COMMAND.match(line)]


def _of_programs(text: Sequence[str]) -> list[str]:
    found = (re.search(r" ([^\s\[]+\[\d+\]: .*)$", line) for line in text)
    return [match.group(1) for match in found if match]


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _tail(path: str, size: int) -> list[str]:
    """The lines after the first ``size`` bytes; all lines of a file that has become shorter, since it has been rotated."""
    try:
        with open(path, "rb") as file:
            file.seek(size if _size(path) >= size else 0)
            return to_text(file.read()).split("\n")
    except OSError:
        return []
