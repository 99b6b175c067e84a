# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import re

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import HostError, PostfixError
from ansible_collections.mailops.postfix.plugins.module_utils._model import listeners as listeners_model
from ansible_collections.mailops.postfix.plugins.module_utils._verify import listeners
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils._verify.host import CORRECT
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.authority import issue, write
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built


def test_each_of_several_certificates_is_probed(host):
    fingerprints = []
    for number in (0, 1):
        issued = issue("host.example.test")
        write(host.directory / f"{number}.pem", issued.key_pem + issued.pem)
        fingerprints.append(listeners.leaf_fingerprint(host.instance(), str(host.directory / f"{number}.pem")))
    chain_files = f"{host.directory}/0.pem, {host.directory}/1.pem"
    (host.directory / "main.cf").write_text(
        f"{host.old}smtpd_tls_security_level = may\nsmtpd_tls_chain_files = {chain_files}\n"
    )
    os.utime(host.directory / "main.cf", (1, 1))
    served = {None: fingerprints[0], "rsa": "11:22"}

    def probe(options):
        chain = [{"fingerprint": {"sha256": served[options.key_type]}, "key_type": options.key_type or "ecdsa"}]
        before = {**CORRECT["before_tls"], "starttls": True}
        return {**CORRECT, "before_tls": before, "chain": chain}

    host.probe = probe
    with pytest.raises(PostfixError, match=f"it serves another certificate .11:22. than .*{fingerprints[1]}"):
        host.verify()
    served["rsa"] = fingerprints[1]
    assert host.verify()["problems"] == []


def address_of(entry, **parameters):
    """The address at which a listener of master.cf is probed."""
    configuration = built(parameters, master_cf=f"{entry} inet n - n - - smtpd\n")
    [listener] = listeners_model.listeners(configuration)
    return listeners.address(configuration, listener)


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
    monkeypatch.setattr(listeners.connection, "own_address", lambda ipv6: "2001:db8::1" if ipv6 else "198.51.100.1")
    assert address_of(entry, **parameters) == address


def test_a_host_with_loopback_addresses_only(monkeypatch):
    monkeypatch.setattr(listeners.connection, "own_address", lambda ipv6: "")
    assert address_of("smtp") == "127.0.0.1"
    assert address_of("smtp", inet_protocols="ipv6") == "::1"


@pytest.mark.parametrize(("name", "number"), [("10025", 10025), ("smtp", 25), ("submission", 587)])
def test_port(name, number):
    assert listeners.port(name) == number


def test_a_port_that_services_does_not_have():
    message = "resolving the port 'submisson': /etc/services has no such service. Write the port number in master.cf"
    with pytest.raises(HostError, match=re.escape(message)):
        listeners.port("submisson")


def test_leaf_fingerprint_of_no_certificate(host):
    assert listeners.leaf_fingerprint(host.instance(), str(host.directory / "main.cf")) == ""
    assert listeners.leaf_fingerprint(host.instance(), str(host.directory / "missing.pem")) == ""
