# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model import listeners as listeners_model
from ansible_collections.mailops.postfix.plugins.module_utils._smtp import connection
from ansible_collections.mailops.postfix.plugins.module_utils._verify import listener_address
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built


def address_of(entry, **parameters):
    """The address at which a listener of master.cf is probed."""
    configuration = built(parameters, master_cf=f"{entry} inet n - n - - smtpd\n")
    [listener] = listeners_model.listeners(configuration)
    return listener_address.address(configuration, listener)


@pytest.mark.parametrize(
    ("entry", "parameters", "address"),
    [
        ("192.0.2.7:25", {}, "192.0.2.7"),
        ("[2001:db8::7]:25", {}, "2001:db8::7"),
        ("25", {}, "198.51.100.1"),
        ("0.0.0.0:25", {}, "198.51.100.1"),
        ("[::]:25", {"inet_protocols": "ipv6"}, "2001:db8::1"),
        ("25", {"inet_protocols": "ipv6"}, "2001:db8::1"),
        ("25", {"inet_interfaces": "loopback-only"}, "127.0.0.1"),
        ("25", {"inet_interfaces": "localhost", "inet_protocols": "ipv6"}, "::1"),
        ("25", {"inet_interfaces": "[2001:db8::9], 192.0.2.9"}, "2001:db8::9"),
        ("25", {"inet_interfaces": "$ours", "ours": "192.0.2.5"}, "192.0.2.5"),
    ],
)
def test_address(monkeypatch, entry, parameters, address):
    monkeypatch.setattr(
        listener_address.connection, "own_address", lambda ipv6: "2001:db8::1" if ipv6 else "198.51.100.1"
    )
    assert address_of(entry, **parameters) == address


def test_a_host_with_loopback_addresses_only(monkeypatch):
    monkeypatch.setattr(listener_address.connection, "own_address", lambda ipv6: "")
    assert address_of("smtp") == "127.0.0.1"
    assert address_of("smtp", inet_protocols="ipv6") == "::1"


@pytest.fixture(name="own")
def fixture_own(monkeypatch):
    """A host with these addresses, and names that have others too."""
    names = {"mx.example.test": ["203.0.113.9", "2001:db8::7", "192.0.2.7"], "localhost": ["::1", "127.0.0.1"]}
    monkeypatch.setattr(connection, "resolved_addresses", lambda name: names.get(name, [name]))
    monkeypatch.setattr(connection, "is_bindable", lambda address: address in ("2001:db8::7", "192.0.2.7", "127.0.0.1"))


@pytest.mark.parametrize(
    ("entry", "parameters", "address"),
    [
        ("mx.example.test:25", {}, "2001:db8::7"),
        ("mx.example.test:25", {"inet_protocols": "ipv4"}, "192.0.2.7"),
        (
            "25",
            {"inet_interfaces": "$myhostname", "myhostname": "mx.example.test", "inet_protocols": "ipv4"},
            "192.0.2.7",
        ),
        ("25", {"inet_interfaces": "localhost, mx.example.test", "inet_protocols": "ipv4"}, "192.0.2.7"),
        ("25", {"inet_interfaces": "127.0.0.1, 192.0.2.7"}, "192.0.2.7"),
        ("localhost:10025", {}, "127.0.0.1"),
        ("203.0.113.9:25", {}, "203.0.113.9"),  # it has none: the probe says so
    ],
)
def test_only_addresses_that_the_host_has(own, entry, parameters, address):
    assert address_of(entry, **parameters) == address


def test_the_name_of_the_host_has_an_address_that_the_host_does_not_have(monkeypatch):
    """As on a host with IPv6 only whose name has an A record (R13)."""

    class Unreachable(socket.socket):
        def connect(self, address):
            raise OSError("Network is unreachable")

    def resolved(name, port, family, *_rest, **_options):
        return [(family, None, None, "", (address, 0)) for address in ("203.0.113.9", "127.0.1.1")]

    monkeypatch.setattr(connection.socket, "socket", Unreachable)
    monkeypatch.setattr(connection.socket, "getaddrinfo", resolved)
    assert connection.own_address() == ""
