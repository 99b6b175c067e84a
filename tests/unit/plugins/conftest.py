# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host import dns, dns_message, state, system
from ansible_collections.mailops.postfix.plugins.module_utils._plan import dependencies
from ansible_collections.mailops.postfix.plugins.module_utils._program import (
    archive,
    deadline,
    install,
    renewals,
    timer,
)

MAIN_CF = """\
# As a distribution ships it.
biff = no
readme_directory = no
compatibility_level = 3.6
mydestination = $myhostname, localhost
"""

MASTER_CF = """\
smtp      inet  n       -       y       -       -       smtpd
#submission inet n       -       y       -       -       smtpd
#  -o syslog_name=postfix/submission
#  -o smtpd_tls_security_level=encrypt
#     Prose, which isn't an option.
pickup    unix  n       -       y       60      1       pickup
cleanup   unix  n       -       y       -       0       cleanup
smtp      unix  -       -       y       -       -       smtp
local     unix  -       n       n       -       -       local
"""


@pytest.fixture(autouse=True)
def no_hooks(tmp_path_factory, monkeypatch):
    """The program and its hooks are installed at fixed paths; tests have paths of their own."""
    root = tmp_path_factory.mktemp("hooks")
    monkeypatch.setattr(install, "PROGRAM", str(root / "lib/program"))
    monkeypatch.setattr(install, "WRAPPER", str(root / "sbin/mailops-postfix"))
    monkeypatch.setattr(install, "FORMER_PROGRAM", str(root / "libexec/deploy-certificate"))
    monkeypatch.setattr(renewals, "STORE", str(root / "store"))
    monkeypatch.setattr(install, "CA_HOOKS", (str(root / "update.d"),))
    monkeypatch.setattr(system, "SYSTEMD_RUNS", str(root / "systemd_runs"))
    for name in ("UNITS", "HOURLY"):
        monkeypatch.setattr(timer, name, str(root / name.lower()))
    monkeypatch.setattr(timer, "CRONTABS", (str(root / "cron.d"),))
    (root / "cron.d").mkdir()
    # No process of a test goes on in the background.
    monkeypatch.setattr(deadline, "watch_commands", lambda command: [])
    return root


@pytest.fixture(autouse=True)
def state_directory(tmp_path_factory, monkeypatch):
    """The state directory, which is at a fixed path; each test has one of its own."""
    path = tmp_path_factory.mktemp("state") / "mailops-postfix"
    monkeypatch.setattr(state, "ROOT", str(path))
    return path


@pytest.fixture
def sent(no_hooks):
    """The hidden option of modules that install the program, as the action plugin gives it when it has sent the program."""
    path = no_hooks / "sent"
    path.write_bytes(archive.program())
    return {"checksum": install.checksum(archive.program()), "path": str(path)}


@pytest.fixture(autouse=True)
def nameservers(monkeypatch):
    """What each nameserver answers, instead of the real ones: that all it knows is signed, and that it has looked."""
    answers = {}

    def ask(servers, question, timeout=0.0, port=0):
        return {
            server: answers.get((server, question.name), answers.get(question.name, VALIDATED)) for server in servers
        }

    monkeypatch.setattr(dns, "query_nameservers", ask)
    # Without a resolv.conf the C library asks this host.
    monkeypatch.setattr(dependencies, "RESOLV_CONF", "/nonexistent/resolv.conf")
    return answers


VALIDATED = dns_message.Answer("NOERROR", validated=True, truncated=False)


@pytest.fixture
def directory(tmp_path):
    """A small configuration directory; its files are old enough for Postfix to read them at once."""
    for name, text in (("main.cf", MAIN_CF), ("master.cf", MASTER_CF)):
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (1, 1))
    return tmp_path


@pytest.fixture
def run_module(directory, capsys):
    """A function that runs a module as Ansible does, on the configuration directory, and gives its result."""

    # ansible-core 2.18 does not have it; tests of plugins run with that version, too.
    from ansible.module_utils.common import warnings
    from ansible.module_utils.testing import patch_module_args

    def run(module, **options):
        warnings._global_warnings.clear()  # those of an earlier run in this process
        with patch_module_args({"config_directory": str(directory), **options}), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run
