# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Messages of the program in the mail log."""

from __future__ import annotations

from ansible_collections.mailops.postfix.plugins.module_utils._host.runner import Completed
from ansible_collections.mailops.postfix.plugins.module_utils._program import host_log


def commands_of(monkeypatch, failing=()):
    done = []

    def run(argv, _stdin=None):
        done.append(argv)
        return Completed(tuple(argv), int(argv[0] in failing), b"", b"")

    monkeypatch.setattr(host_log, "run_program", run)
    return done


def test_postlog_writes_where_the_instance_logs(monkeypatch):
    done = commands_of(monkeypatch)
    host_log.log("/etc/postfix", "warn", "undone")
    assert done == [["postlog", "-c", "/etc/postfix", "-t", "mailops-postfix", "-p", "warn", "undone"]]


def test_logger_if_postlog_fails(monkeypatch):
    done = commands_of(monkeypatch, failing=["postlog"])
    host_log.log("/etc/postfix", "error", "-x")
    assert done[1] == ["logger", "-t", "mailops-postfix", "-p", "mail.err", "--", "-x"]


def test_without_an_instance(monkeypatch):
    done = commands_of(monkeypatch)
    host_log.log("", "warn", "x")
    assert [argv[0] for argv in done] == ["logger"] and "mail.warning" in done[0]
