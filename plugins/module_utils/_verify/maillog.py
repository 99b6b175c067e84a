# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read what Postfix logs during a verification. Private to mailops.postfix.

Lines have text of others in them, such as addresses, and a local user can write lines to a log file. So lines are read by the program that has
written them and by its own form of messages. The journal has the user of each program, which nothing but that program can choose.
"""

from __future__ import annotations

import json
import os
import pwd
import re
from functools import cached_property
from typing import Any, Sequence

from .._errors import HostError
from .._formats import macros, master_cf
from .._formats.lines import to_text
from .._host.instance import Instance

JOURNAL, FILE, REPORT = "journal", "file", "report"
"""Where the results of probes come from: systemd's journal, a log file, or Postfix's own reports alone."""

_PROGRAM = re.compile(r"(?P<name>\S+)/[^\s/\[]+\[\d+\]: ")
# The form of syslogd and of postlogd(8), with a traditional time or one of RFC 3339.
_LINE = re.compile(r"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S+) \S+ (?P<line>[^\s\[]+\[\d+\]: .*)$")
_FAILURE = re.compile(r"\S+?\[\d+\]: (?:fatal|panic): ")
_WARNING = re.compile(r"\S+?\[\d+\]: (?:fatal|panic|error|warning): ")
# A user's own command that fails ("postfix/sendmail[1]: fatal: ...") says nothing about the configuration.
_COMMAND = re.compile(r"\S*/(sendmail|postdrop|postqueue|postsuper|postmap|postalias|postconf|postcat|postlog)\[")


class Log:
    """The lines that this Postfix instance has logged since this object was created.

    They are read from ``maillog_file``, or else from systemd's journal, or else from the files of syslogd.
    """

    FILES = ("/var/log/mail.log", "/var/log/maillog", "/var/log/mail", "/var/log/messages", "/var/log/syslog")

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        maillog_file = instance.parameters.get("maillog_file", "")
        self._cursor = "" if maillog_file else self._journal_end()
        files = () if self._cursor else (maillog_file,) if maillog_file else self.FILES
        self._sizes = {path: _size(path) for path in files}

    @property
    def evidence(self) -> str:
        """Where the lines come from: ``journal`` or ``file``; empty if there is neither."""
        if self._cursor:
            return JOURNAL
        return FILE if any(_is_readable(path) for path in self._sizes) else ""

    def lines(self) -> list[str]:
        """The lines of this instance, each from the program's name on.

        Where several files have them, those of the one with most: a line that a program logs twice must count twice.
        """
        if self._cursor:
            return self._own(self._journal())
        found = (self._own(_of_programs(_tail(path, size))) for path, size in self._sizes.items())
        return max(found, key=len, default=[])

    def warnings(self) -> list[str]:
        """The lines in which Postfix reports a warning, an error, a fatal error or a panic, each once."""
        return [line for line in dict.fromkeys(self.lines()) if _WARNING.match(line)]

    @cached_property
    def _names(self) -> frozenset[str]:
        """The values of syslog_name, in main.cf and in options of services."""
        parameters = self.instance.parameters
        values = {"$syslog_name"}
        for entry in master_cf.master_entries(self.instance.master_cf, self.instance.path("master.cf")):
            values.add(entry.effective_options.get("syslog_name", "$syslog_name"))
        parameters = {"syslog_name": "postfix", **parameters}
        return frozenset(name for name in (macros.expanded(value, parameters) for value in values) if name)

    def _own(self, lines: Sequence[str]) -> list[str]:
        programs = ((line, _PROGRAM.match(line)) for line in lines)
        return [line for line, program in programs if program and program["name"] in self._names]

    def _journal_end(self) -> str:
        try:
            done = self.instance.run(
                "journalctl", "--quiet", "--no-pager", "--lines=1", "--output=cat", "--show-cursor", check=False
            )
        except HostError:
            return ""  # no systemd
        return to_text(done.stdout).rpartition("-- cursor: ")[2].strip()

    def _journal(self) -> list[str]:
        # systemd-journald writes with a delay.
        self.instance.run("journalctl", "--sync", check=False)
        # journald gets the user from the kernel. A name such as that of the unit it looks up, and may miss for a short-lived process.
        users = [f"_UID={number}" for number in self._users()]
        fields = "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,SYSLOG_PID"
        done = self.instance.run(
            *("journalctl", "--quiet", "--no-pager", "--all", "--output=json", fields),
            *(f"--after-cursor={self._cursor}", *users),
            check=False,
        )
        entries = [json.loads(line) for line in to_text(done.stdout).split("\n") if line.startswith("{")]
        return [
            f"{_text(entry.get('SYSLOG_IDENTIFIER'))}[{_text(entry.get('SYSLOG_PID'))}]: {_text(entry.get('MESSAGE'))}"
            for entry in entries
        ]

    def _users(self) -> list[int]:
        """The users as whom Postfix's programs run."""
        try:
            return [0, pwd.getpwnam(self.instance.parameters.get("mail_owner", "postfix")).pw_uid]
        except KeyError:
            return [0]


def daemon_failures(lines: Sequence[str]) -> list[str]:
    """Those lines in which a daemon reports a fatal error or a panic. Commands that users run do not count."""
    return [line for line in lines if _FAILURE.match(line) and not _COMMAND.match(line)]


def _of_programs(lines: Sequence[str]) -> list[str]:
    found = (_LINE.match(line) for line in lines)
    return [match["line"] for match in found if match]


def _text(value: Any) -> str:
    """A field of the journal, which is a list of bytes if it is not plain text, or a list of values."""
    if isinstance(value, list):
        return to_text(bytes(value)) if all(isinstance(item, int) for item in value) else _text(value[-1])
    return str(value or "")


def _is_readable(path: str) -> bool:
    """Whether it is a file. ``/dev/stdout`` is that of postlogd(8), not of this program."""
    return os.path.isfile(path) and not path.startswith("/dev/")


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _tail(path: str, size: int) -> list[str]:
    """The lines after the first ``size`` bytes; all lines of a file that has become shorter, since it has been rotated."""
    if not _is_readable(path):
        return []
    try:
        with open(path, "rb") as file:
            file.seek(size if _size(path) >= size else 0)
            return to_text(file.read()).split("\n")
    except OSError:
        return []
