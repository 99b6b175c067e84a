# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host whose certificates are renewed."""

from __future__ import annotations

import os

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host import master
from ansible_collections.mailops.postfix.plugins.module_utils._program import archive, deploy, host_log, ports, undo
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils._program.renewal_host import FIRST, NAME, Host
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.authority import ROOT, write


@pytest.fixture(name="host")
def fixture_host(tmp_path, monkeypatch):
    monkeypatch.setattr(deploy, "PORT_SECONDS", 0.3)
    monkeypatch.setattr(ports, "_PAUSE", 0.01)
    monkeypatch.setattr(master, "FIRST_LOOK_SECONDS", 0)
    monkeypatch.setattr(master.Master, "_unit", "")
    found = Host(tmp_path)
    monkeypatch.setattr(master.Master, "oldest_start", lambda self, programs: found.oldest_process)
    found.directory.mkdir()
    (found.directory / "main.cf").write_text(
        f"compatibility_level = 3.6\nqueue_directory = {found.directory}/queue\nmyhostname = {NAME}\n"
        f"smtpd_tls_security_level = may\nsmtpd_tls_chain_files = {found.chain_file}\n"
    )
    (found.directory / "master.cf").write_text("127.0.0.1:2525 inet n - n - - smtpd\n")
    for name in ("main.cf", "master.cf"):
        os.utime(found.directory / name, (1, 1))
    monkeypatch.setattr(host_log, "run_program", found.write_log)
    monkeypatch.setattr(undo, "Instance", lambda _directory: found.instance())
    monkeypatch.setattr(deploy.RenewalSpec, "instance", lambda self: found.instance())
    write(tmp_path / "root.pem", ROOT.pem, 0o644)
    found.program.write_bytes(archive.program())
    found.start()
    found.renew(FIRST)
    found.declare()
    found.commands.clear()
    yield found
    found.stop()
