# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import pwd

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import HostError
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Completed
from ansible_collections.mailops.postfix.plugins.module_utils._verify import maillog


class Instance:
    """An instance with these parameters; journalctl(1) is simulated."""

    def __init__(self, journal=None, master_cf=b"", **parameters):
        self.parameters = {"mail_owner": "daemon", **parameters}
        self.journal = journal
        self.master_cf = master_cf
        self.commands = []

    def path(self, name):
        return f"/etc/postfix/{name}"

    def run(self, *argv, check=True):
        assert argv[0] == "journalctl" and not check
        if self.journal is None:
            raise HostError("running", "journalctl", "the program is not installed")
        self.commands.append(argv[1:])
        output = ""
        if "--show-cursor" in argv:
            output = "the last line\n-- cursor: s=1;i=2\n"
        elif "--after-cursor=s=1;i=2" in argv:
            output = self.journal
        return Completed(argv, 0, output.encode(), b"")


def entry(message, identifier="postfix/smtpd", pid="2"):
    return json.dumps({"MESSAGE": message, "SYSLOG_IDENTIFIER": identifier, "SYSLOG_PID": pid}) + "\n"


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


TEXT = "warning: unknown smtpd restriction: x"


def test_the_journal(monkeypatch, tmp_path):
    """Log files are not read beside it: every local user can write to them through syslog."""
    (tmp_path / "mail.log").write_text("")
    monkeypatch.setattr(maillog.Log, "FILES", (str(tmp_path / "mail.log"),))
    instance = Instance(entry(TEXT) + entry(list(b"error: \xff"), pid=["3", "4"]))
    log = maillog.Log(instance)
    (tmp_path / "mail.log").write_text(NEW * 5)
    assert [line.encode("utf-8", "replace")[:24] for line in log.lines()] == [
        LINE.encode()[:24],
        b"postfix/smtpd[4]: error:",
    ]
    assert log.evidence == "journal" and ("--sync",) in instance.commands
    query = next(command for command in instance.commands if "--after-cursor=s=1;i=2" in command)
    assert {argument for argument in query if argument.startswith("_UID=")} == {
        "_UID=0",
        f"_UID={pwd.getpwnam('daemon').pw_uid}",
    }


@pytest.mark.parametrize("journal", [None, ""], ids=["no systemd", "no line"])
def test_syslog(tmp_path, monkeypatch, journal):
    path = tmp_path / "mail.log"
    path.write_text(OLD)
    monkeypatch.setattr(maillog.Log, "FILES", (str(path), str(tmp_path / "missing")))
    instance = Instance(journal)
    if journal is not None:
        instance.run = lambda *argv, check: Completed(argv, 0, b"", b"")
    log = maillog.Log(instance)
    assert log.lines() == [] and log.evidence == "file"
    path.write_text(OLD + NEW)
    assert log.lines() == [LINE]


@pytest.mark.parametrize("maillog_file", ["/dev/stdout", "/nonexistent/maillog", ""])
def test_no_log(monkeypatch, maillog_file):
    """As in a container. What postlogd(8) writes to its standard output can't be read."""
    monkeypatch.setattr(maillog.Log, "FILES", ("/nonexistent/mail.log",))
    log = maillog.Log(Instance(None, maillog_file=maillog_file))
    assert (log.lines(), log.evidence) == ([], "")


@pytest.mark.parametrize(
    "time", ["Nov 23 12:00:00", "Nov  3 12:00:00", "2026-11-23T12:00:00.123456+01:00", "2026-11-23T12:00:00Z"]
)
def test_times(tmp_path, time):
    path = tmp_path / "maillog"
    path.write_text(f"{time} host {LINE}\n")
    log = maillog.Log(Instance(maillog_file=str(path)))
    log._sizes[str(path)] = 0
    assert log.lines() == [LINE]


def test_warnings(tmp_path):
    """Only those of this instance."""
    path = tmp_path / "maillog"
    master_cf = b"smtp inet n - n - - smtpd\n587 inet n - n - - smtpd -o syslog_name=$syslog_name/587\n588 inet n - n - - smtpd -o syslog_name=sub\n"
    log = maillog.Log(Instance(maillog_file=str(path), syslog_name="mail-${name}", name="out", master_cf=master_cf))
    path.write_text(
        NEW
        + "".join(
            f"Nov 23 12:00:00 host {line}\n"
            for line in [
                "mail-out/cleanup[3]: error: a",
                "mail-out/qmgr[4]: panic: b",
                "mail-out/qmgr[4]: removed",
                "mail-out/587/smtpd[4]: fatal: c",
                "sub/smtpd[4]: fatal: d",
                "mail-out/smtpd[4]: NOQUEUE: reject: RCPT from x[192.0.2.1]: 554 fatal: e",
                "mail-outer/smtpd[4]: fatal: f",
                "named[5]: error: of another program",
            ]
        )
    )
    assert log.warnings() == [
        "mail-out/cleanup[3]: error: a",
        "mail-out/qmgr[4]: panic: b",
        "mail-out/587/smtpd[4]: fatal: c",
        "sub/smtpd[4]: fatal: d",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-23T12:00:00Z host kernel: x postfix/smtpd[1]: fatal: y",
        "Nov 23 12:00:00 host sshd[3]: Invalid user postfix/smtpd[1]: fatal: y",
        "  postfix/smtpd[1]: fatal: the second line of a message",
        "x Nov 23 12:00:00 host postfix/smtpd[1]: fatal: y",
    ],
)
def test_lines_in_which_the_form_only_occurs(tmp_path, line):
    path = tmp_path / "maillog"
    log = maillog.Log(Instance(maillog_file=str(path)))
    path.write_text(f"{line}\n")
    assert log.lines() == []


def test_daemon_failures():
    lines = [
        "postfix/cleanup[7]: fatal: bad boolean configuration: x = True",
        "postfix/qmgr[8]: panic: a",
        "postfix/smtpd[9]: warning: fatally slow",
        'postfix/smtpd[9]: NOQUEUE: reject: RCPT from x[192.0.2.1]: 550 5.1.1; from=<"fatal: x"@example.org> to=<a@b.test>',
        "postfix/smtp[9]: A1: to=<a@b.test>, relay=x, delay=1, dsn=5.0.0, status=bounced (host x said: 550 fatal: y)",
        "postfix/smtpd[9]: warning: hostname panic: fatal: x does not resolve",
        "postfix/sendmail[10]: fatal: usage: sendmail [options]",
        "postfix/postmap[11]: fatal: open b: No such file or directory",
    ]
    assert maillog.daemon_failures(lines) == lines[:2]
