# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import HostError
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Completed
from ansible_collections.mailops.postfix.plugins.module_utils._verify import maillog


class Instance:
    """An instance with these parameters; journalctl(1) is simulated."""

    def __init__(self, journal=None, **parameters):
        self.parameters = parameters
        self.journal = journal
        self.commands = []

    def run(self, *argv, check=True):
        assert argv[0] == "journalctl" and not check
        if self.journal is None:
            raise HostError("running", "journalctl", "the program is not installed")
        self.commands.append(argv[1:])
        output = ""
        if "--show-cursor" in argv:
            output = "the last line\n-- cursor: s=1;i=2\n"
        elif argv[-1] == "--after-cursor=s=1;i=2":
            output = self.journal
        return Completed(argv, 0, output.encode(), b"")


OLD = "Nov 23 11:00:00 host postfix/smtpd[1]: fatal: long ago\n"
NEW = "Nov 23 12:00:00 host postfix/smtpd[2]: warning: unknown smtpd restriction: x\n"
LINE = "postfix/smtpd[2]: warning: unknown smtpd restriction: x"


def test_maillog_file(tmp_path):
    path = tmp_path / "maillog"
    path.write_text(OLD)
    log = maillog.Log(Instance(maillog_file=str(path)))
    assert log.lines() == []
    path.write_text(OLD + NEW + NEW + "not a line of syslog\n")
    assert log.lines() == [LINE, LINE], "of two sessions of one process, each is logged"
    assert log.warnings() == [LINE]


def test_a_rotated_file_is_read_from_its_beginning(tmp_path):
    path = tmp_path / "maillog"
    path.write_text(OLD * 10)
    log = maillog.Log(Instance(maillog_file=str(path)))
    path.write_text(NEW)
    assert log.lines() == [LINE]


def test_a_file_that_does_not_exist_yet(tmp_path):
    path = tmp_path / "maillog"
    log = maillog.Log(Instance(maillog_file=str(path)))
    assert log.lines() == []
    path.write_text(NEW)
    assert log.lines() == [LINE]


@pytest.mark.parametrize("journal", [None, "", NEW], ids=["no systemd", "an empty journal", "a journal"])
def test_syslog_and_journal(tmp_path, monkeypatch, journal):
    """A line that both have is read once."""
    path = tmp_path / "mail.log"
    path.write_text(OLD)
    monkeypatch.setattr(maillog.Log, "FILES", (str(path), str(tmp_path / "missing")))
    instance = Instance(journal)
    log = maillog.Log(instance)
    assert log.lines() == ([LINE] if journal else [])
    path.write_text(OLD + NEW)
    assert log.lines() == [LINE]
    assert (("--sync",) in instance.commands) == (journal is not None)


def test_warnings(tmp_path):
    path = tmp_path / "maillog"
    log = maillog.Log(Instance(maillog_file=str(path), syslog_name="mail-${name}", name="out"))
    path.write_text(
        NEW
        + "Nov 23 12:00:00 host mail-out/cleanup[3]: error: a\n"
        + "Nov 23 12:00:00 host mail-out/qmgr[4]: panic: b\n"
        + "Nov 23 12:00:00 host mail-out/qmgr[4]: removed\n"
        + "Nov 23 12:00:00 host named[5]: error: of another program\n"
    )
    assert log.warnings() == [LINE, "mail-out/cleanup[3]: error: a", "mail-out/qmgr[4]: panic: b"]


def test_daemon_failures():
    lines = [
        "postfix/cleanup[7]: fatal: bad boolean configuration: x = True",
        "postfix/qmgr[8]: panic: a",
        "postfix/smtpd[9]: warning: fatally slow",
        "postfix/sendmail[10]: fatal: usage: sendmail [options]",
        "postfix/postmap[11]: fatal: open b: No such file or directory",
    ]
    assert maillog.daemon_failures(lines) == lines[:2]
