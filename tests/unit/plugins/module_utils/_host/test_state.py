# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state directory of an instance has the name that systemd-escape(1) gives its configuration directory."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host import state


@pytest.mark.parametrize(
    "path",
    ["/etc/postfix", "/", "/etc/postfix-out", "/etc/a b/ü", "/.hidden/x", "/a//b/", "/etc/postfix.d/_x:y", "/etc/-"],
)
def test_escaped_as_systemd_does(path):
    program = shutil.which("systemd-escape")
    if program is None:
        pytest.skip("no systemd-escape")
    done = subprocess.run([program, "--path", "--", path], capture_output=True, text=True, check=True)
    assert state.escaped(path) == done.stdout.rstrip("\n")


@pytest.mark.parametrize(
    ("path", "name"),
    [("/etc/postfix", "etc-postfix"), ("/", "-"), ("/etc/postfix-out", "etc-postfix\\x2dout"), ("/.a", "\\x2ea")],
)
def test_escaped(path, name):
    assert state.escaped(path) == name


def test_an_instance_has_its_own_directory(monkeypatch):
    monkeypatch.setattr(state, "ROOT", "/srv/state")
    assert state.directory("/etc/postfix-out") == "/srv/state/etc-postfix\\x2dout"
