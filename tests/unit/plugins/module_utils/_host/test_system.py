# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the checks ask the host about, on this one."""

from __future__ import annotations

import os
import pwd
import socket
import tempfile

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host import runner
from ansible_collections.mailops.postfix.plugins.module_utils._host.system import Host


@pytest.fixture
def host():
    return Host()


def test_accounts(host):
    assert (host.has_user("root"), host.has_user("0"), host.has_user("no-such-user")) == (True, True, False)
    assert (host.has_group("root"), host.has_group("0"), host.has_group("no-such-group")) == (True, True, False)


def test_ports_and_addresses(host):
    assert (host.port("smtp"), host.port("no-such-port")) == (25, None)
    assert host.addresses("127.0.0.1") == ("127.0.0.1",)
    assert host.addresses("no-such-host.invalid") == ()
    assert (host.has_address("127.0.0.1"), host.has_address("192.0.2.1")) == (True, False)


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_who_listens(family, address):
    with socket.socket(family) as listener:
        try:
            listener.bind((address, 0))
        except OSError:
            pytest.skip(f"this machine has no {address}")
        listener.listen()
        port = listener.getsockname()[1]
        host = Host()
        [found] = [other for other in host.listeners() if other.port == port]
        assert found.address == address
        assert host.holder(found.inode).endswith(f"(process {os.getpid()})")
        assert found.inode in host.sockets_of(os.getpid())
        with socket.create_connection((address, port)) as connection:
            mine = connection.getsockname()[1]
            assert [other for other in Host().listeners() if other.port == mine] == []
    assert [other for other in Host().listeners() if other.port == port] == []


@pytest.fixture
def open_directory():
    """Other users can't enter pytest's own directories."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield name


@pytest.mark.parametrize(
    ("directory", "file", "readable"),
    [(0o755, 0o644, True), (0o755, 0o600, False), (0o700, 0o644, False), (0o711, 0o604, True), (0o711, 0o640, False)],
)
def test_who_may_read(host, open_directory, directory, file, readable):
    inner = os.path.join(open_directory, "inner")
    os.mkdir(inner)
    path = os.path.join(inner, "file")
    with open(path, "wb"):
        pass
    os.chmod(path, file)
    os.chmod(inner, directory)
    assert host.readable_by(path, "daemon") is readable
    assert host.readable_by(path, "root")


@pytest.mark.parametrize(
    ("mode", "owned", "in_group", "readable"),
    [
        (0o400, True, True, True),
        (0o044, True, True, False),
        (0o040, False, True, True),
        (0o404, False, True, False),
        (0o004, False, False, True),
        (0o440, False, False, False),
    ],
)
def test_the_bits_of_owner_group_and_others(host, tmp_path, mode, owned, in_group, readable):
    """The first that applies counts alone."""
    account = pwd.getpwnam("daemon")
    of_file = os.stat_result(
        (mode, 0, 0, 1, account.pw_uid if owned else 0, account.pw_gid if in_group else 54321, 0, 0, 0, 0)
    )
    of_directory = os.stat_result((0o755, 0, 0, 1, 0, 0, 0, 0, 0, 0))
    path = str(tmp_path / "file")
    host.status = lambda name: of_file if name == os.path.realpath(path) else of_directory
    assert host.readable_by(path, "daemon") is readable


def test_no_master_no_sockets(host, tmp_path):
    assert host.master(str(tmp_path)) == frozenset()


def test_names_and_sockets_are_looked_up_once(host, monkeypatch):
    names, sockets = host.addresses("127.0.0.1"), host.listeners()
    with socket.create_server(("127.0.0.1", 0)):
        assert host.listeners() == sockets and Host().listeners() != sockets
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_options: [])
        assert host.addresses("127.0.0.1") == names and Host().addresses("127.0.0.1") == ()


@pytest.mark.parametrize(
    ("name", "known"), [("X25519", True), ("prime256v1", True), ("P-384", True), ("bogus", False), ("secp112r1", False)]
)
def test_groups_of_openssl(host, name, known):
    assert host.has_tls_group(name) is known


def test_groups_without_openssl(host, monkeypatch, tmp_path):
    monkeypatch.setattr(runner, "_PATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host.has_tls_group("bogus")
