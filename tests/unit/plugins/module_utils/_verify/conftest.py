# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host import cleanup, master
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Change, Plan
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply
from ansible_collections.mailops.postfix.plugins.module_utils._verify import next_hops
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils._verify.host import Host


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(master, "FIRST_LOOK_SECONDS", 0)
    monkeypatch.setattr(next_hops, "NEXT_HOP_SECONDS", 0.2)
    monkeypatch.setattr(next_hops, "_PAUSE", 0.01)
    monkeypatch.setattr(next_hops, "_LOG_SECONDS", 0.1)
    monkeypatch.setattr(master.Master, "_unit", "")
    old = f"queue_directory = {tmp_path}/queue\nmaillog_file = {tmp_path}/maillog\nmyhostname = host.example.test\nmydestination =\n"
    old += "smtp_tls_loglevel = 1\n"
    (tmp_path / "main.cf").write_text(old)
    (tmp_path / "master.cf").write_text("127.0.0.1:2525 inet n - n - - smtpd\nsmtp unix - - n - - smtp\n")
    (tmp_path / "maillog").write_text("Nov 23 11:00:00 host postfix/smtpd[1]: fatal: long ago\n")
    for name in ("main.cf", "master.cf"):
        os.utime(tmp_path / name, (1, 1))
    found = Host(tmp_path)
    monkeypatch.setattr(cleanup, "queue_probe", found.queue_probe)
    found.old = old
    found.start()
    apply.apply(
        lambda instance: Plan(
            [Change(instance.path("main.cf"), (old + "# new\n").encode(), instance.main_cf)], requires="reload"
        ),
        found.instance,
        confirmation=apply.Confirmation(600),
    )
    yield found
    found.die()
