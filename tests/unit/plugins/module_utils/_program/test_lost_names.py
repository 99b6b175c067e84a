# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Renewals whose certificate has lost a name, with the real openssl."""

from __future__ import annotations

import os

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._program import lost_names
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils._program.renewal_host import NAME
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.authority import MIDDLE, issue

BOTH = issue(NAME, MIDDLE, names=[NAME, "imap.example.org"])
WILD = issue(NAME, MIDDLE, names=["*.example.org"])
FIRST_ONLY = issue(NAME, MIDDLE, names=[NAME])
OTHER = issue(NAME, MIDDLE, names=["imap.example.org"])


def served(host):
    return host.chain_file.read_bytes()


def with_myhostname(host, name):
    path = host.directory / "main.cf"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("myhostname")]
    path.write_text("\n".join([*lines, f"myhostname = {name}", ""]))
    os.utime(path, (1, 1))


@pytest.mark.parametrize(("hostnames", "myhostname"), [([NAME], "host.example.net"), (None, NAME)])
def test_a_name_that_is_needed_is_refused(host, capsys, hostnames, myhostname):
    with_myhostname(host, myhostname)
    host.renew(BOTH)
    host.declare(hostnames=hostnames)
    before = served(host)
    host.renew(OTHER)
    assert host.certbot() == 1
    message = capsys.readouterr().err
    assert NAME in message and served(host) == before and host.left_over() == []


def test_a_server_name_is_needed(host, capsys):
    with_myhostname(host, "host.example.net")
    host.renew(BOTH)
    host.declare(hostnames=None, sni=True)
    before = served(host)
    host.renew(FIRST_ONLY)
    assert host.certbot() == 1
    assert "imap.example.org (" in capsys.readouterr().err and served(host) == before


def test_another_name_is_a_warning(host):
    with_myhostname(host, "host.example.net")
    host.renew(BOTH)
    host.declare(hostnames=[NAME])
    host.renew(FIRST_ONLY)
    assert host.certbot() == 0
    [warning] = [line for line in host.log if line.startswith("warn")]
    assert "no longer has imap.example.org" in warning
    assert served(host).startswith(FIRST_ONLY.key_pem)


@pytest.mark.parametrize("renewed", [BOTH, WILD])
def test_a_wildcard_covers_the_names(host, renewed):
    host.renew(BOTH)
    host.declare(hostnames=None)
    host.renew(issue(NAME, MIDDLE, names=["imap.example.org", NAME]) if renewed is BOTH else renewed)
    assert host.certbot() == 0
    assert not [line for line in host.log if line.startswith("warn")]


def test_a_client_certificate_is_asked_for_by_no_name():
    class Spec:
        options = {"side": "client"}

    assert lost_names.must_not_be_needed(Spec(), None, [NAME]) is None
