# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PEM files on the host, read with the real openssl; what is made of them is tested with the plans."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._host import openssl
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._host.runner import run_program
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.authority import FULL_CHAIN, LEAF, ROOT, write


@pytest.fixture(name="instance")
def fixture_instance(directory):
    return Instance(str(directory))


def test_a_chain_and_its_key(instance, tmp_path):
    chain = openssl.read_chain(instance, write(tmp_path / "chain.pem", FULL_CHAIN), "")
    assert [item.subject for item in chain] == ["CN=mx1.example.org", "CN=Test CA"]
    assert openssl.read_key(instance, write(tmp_path / "key.pem", LEAF.key_pem), "") == chain[0].public_key == LEAF.spki


def test_an_outline_shows_no_key(instance, tmp_path):
    blocks = openssl.outline(instance, write(tmp_path / "both.pem", LEAF.key_pem + FULL_CHAIN))
    assert [(block.label, bool(block.body)) for block in blocks] == [
        ("PRIVATE KEY", False),
        ("CERTIFICATE", True),
        ("CERTIFICATE", True),
    ]


def test_no_file(instance, tmp_path):
    assert openssl.outline(instance, str(tmp_path / "none.pem")) is None
    assert openssl.status(str(tmp_path / "main.cf/none.pem")) is None
    with pytest.raises(DeclarationError, match="there is no such file. Put it there"):
        openssl.read_chain(instance, str(tmp_path / "none.pem"), "Put it there")


@pytest.mark.parametrize("path", ["/a b", "/a,b", "/$x"])
def test_paths_that_no_parameter_can_hold(path):
    with pytest.raises(DeclarationError, match="Postfix cannot have white space"):
        openssl.as_parameter(path)


@pytest.mark.parametrize(
    ("bundle", "server", "ca_file", "found"),
    [
        (ROOT.pem, True, "", True),
        (ROOT.pem, False, "", True),
        (b"", True, "", False),
        (b"", True, ROOT.pem, True),
        (ROOT.pem, True, LEAF.pem, False),
    ],
)
def test_a_chain_up_to_a_ca_of_the_system_or_to_the_given_one(tmp_path, monkeypatch, bundle, server, ca_file, found):
    if bundle:
        write(tmp_path / "system.pem", bundle)
    monkeypatch.setattr(openssl, "SYSTEM_BUNDLES", (str(tmp_path / "none.pem"), str(tmp_path / "system.pem")))
    monkeypatch.setenv("SSL_CERT_DIR", "/nonexistent")
    given = write(tmp_path / "given.pem", ca_file) if ca_file else ""
    problem = openssl.chain_problem(run_program, write(tmp_path / "chain.pem", FULL_CHAIN), server, given)
    assert problem == "" if found else "certificate" in problem


def test_only_the_chain_of_a_server_needs_that_purpose_and_a_directory_replaces_the_system(monkeypatch):
    commands = []

    def run(argv, stdin):
        commands.append(" ".join(argv))
        return run_program(["true"])

    monkeypatch.setattr(openssl, "SYSTEM_BUNDLES", ("/etc/passwd",))
    for server, ca_file, ca_path in ((True, "", ""), (False, "", ""), (True, "/a.pem", ""), (True, "", "/cas")):
        assert openssl.chain_problem(run, "/c.pem", server, ca_file, ca_path) == ""
    without_system = "env SSL_CERT_DIR=/nonexistent SSL_CERT_FILE=/nonexistent openssl verify -purpose sslserver"
    assert commands == [
        "openssl verify -purpose sslserver -CAfile /etc/passwd -untrusted /c.pem /c.pem",
        "openssl verify -CAfile /etc/passwd -untrusted /c.pem /c.pem",
        f"{without_system} -CAfile /a.pem -untrusted /c.pem /c.pem",
        f"{without_system} -CApath /cas -untrusted /c.pem /c.pem",
    ]
