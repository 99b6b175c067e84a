# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Self-signed certificates, made by the real openssl."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils import _certificate, _plan_certificate, _plan_self_signed
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._instance import Instance, run_program
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import Outcome, Plan, apply
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.authority import (
    FULL_CHAIN,
    LEAF,
    ROOT,
    issue,
    write,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID


@pytest.fixture(name="host")
def fixture_host(directory):
    return directory


def self_signed(host: Path, check_mode: bool = False, **given: Any) -> Outcome:
    specified = {name: option.get("default") for name, option in _plan_certificate.CERTIFICATE["argument_spec"].items()}
    options = {**specified, "provider": "self_signed", "name": "hub.example.org", **given}

    def build(instance: Instance) -> Plan:
        return _plan_self_signed.self_signed(instance, options["name"], options).plan

    return apply(build, lambda: Instance(str(host)), check_mode=check_mode)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def parts(path: Path) -> tuple[bytes, x509.Certificate]:
    key, begin, certificate = path.read_bytes().partition(b"-----BEGIN CERTIFICATE-----")
    return key, x509.load_pem_x509_certificate(begin + certificate)


def extension(certificate: x509.Certificate, kind: Any) -> Any:
    return certificate.extensions.get_extension_for_class(kind).value


@pytest.mark.parametrize(
    ("given", "names", "key"),
    [
        ({}, ["hub.example.org"], ("ecdsa", 256)),
        (
            {"hostnames": ["Hub.Example.org.", "*.example.net", "müller.example"]},
            ["hub.example.org", "*.example.net", "xn--mller-kva.example"],
            ("ecdsa", 256),
        ),
        ({"key_type": "ecdsa", "key_bits": 384}, ["hub.example.org"], ("ecdsa", 384)),
        ({"key_bits": 521}, ["hub.example.org"], ("ecdsa", 521)),
        ({"key_type": "rsa"}, ["hub.example.org"], ("rsa", 2048)),
        ({"key_bits": 3072, "days": 30}, ["hub.example.org"], ("rsa", 3072)),
    ],
)
def test_self_signed(host, given, names, key):
    path = host / "tls/hub.example.org.pem"
    predicted = self_signed(host, check_mode=True, **given)
    assert predicted.changed and not path.parent.exists()
    outcome = self_signed(host, **given)
    assert outcome.changed and outcome.plan.requires == "reload"
    assert (mode(path), mode(path.parent)) == (0o600, 0o755)
    _key, certificate = parts(path)
    facts = outcome.plan.result["certificate"]
    assert (facts["key_type"], facts["key_bits"]) == key
    assert (
        facts["names"] == names == extension(certificate, x509.SubjectAlternativeName).get_values_for_type(x509.DNSName)
    )
    assert facts["subject"] == facts["issuer"] == "CN=hub.example.org"
    assert extension(certificate, x509.BasicConstraints).ca is False
    assert set(extension(certificate, x509.ExtendedKeyUsage)) == {
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
    }
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == given.get("days", 3650)
    assert facts["fingerprint"]["sha256"].replace(":", "").lower() == certificate.fingerprint(hashes.SHA256()).hex()
    for name, value in predicted.plan.result["certificate"].items():
        assert value in (None, facts[name]) or set(value.values()) == {None}
    assert outcome.plan.result["parameters"]["smtpd_tls_chain_files"] == str(path)
    again = self_signed(host, **given)
    assert not again.changed and again.plan.result == outcome.plan.result and again.plan.requires == "none"
    assert run_program(["openssl", "verify", "-purpose", "sslserver", "-CAfile", str(path), str(path)]).returncode == 0


@pytest.mark.parametrize(
    ("given", "reason", "same_key"),
    [
        ({"hostnames": ["hub.example.org"]}, "", True),
        ({"days": 1}, "", True),
        ({"key_type": "ecdsa"}, "", True),
        ({"hostnames": ["hub.example.org", "b.example.org"]}, "does not cover b.example.org", True),
        ({"key_type": "rsa"}, "its key is ecdsa 256", False),
        ({"key_bits": 384}, "its key is ecdsa 256", False),
    ],
)
def test_self_signed_once_more(host, given, reason, same_key):
    path = host / "tls/hub.example.org.pem"
    first = self_signed(host)
    before = path.read_bytes()
    predicted = self_signed(host, check_mode=True, **given)
    second = self_signed(host, **given)
    assert second.changed is predicted.changed is bool(reason)
    assert second.plan.changes[0].stale == reason
    assert (path.read_bytes() == before) is not bool(reason)
    pins = [outcome.plan.result["certificate"]["public_key_fingerprint"] for outcome in (first, second, predicted)]
    assert (pins[1] == pins[0]) is same_key
    assert pins[2] == (pins[1] if same_key else dict.fromkeys(_certificate.DIGESTS))
    assert not self_signed(host, **given).changed


HUB = issue("hub.example.org", names=["hub.example.org"])
OLD = issue("hub.example.org", names=["hub.example.org"], start=-20, end=-10, key=HUB.key)
EARLY = issue("hub.example.org", names=["hub.example.org"], start=10, end=20, key=HUB.key)


@pytest.mark.parametrize(
    ("content", "reason", "same_key"),
    [
        (HUB.key_pem + HUB.pem, "", True),
        (HUB.private(PrivateFormat.TraditionalOpenSSL) + HUB.pem, "", True),
        (b"", "empty", False),
        (HUB.key_pem, "it has no certificate", True),
        (HUB.pem + HUB.key_pem, "its key does not come first", True),
        (HUB.key_pem + HUB.pem[:-40], "its certificate is damaged", True),
        (HUB.key_pem + _certificate.to_pem(b"\x30\x03\x02\x01\x01"), "its certificate is damaged", True),
        (HUB.key_pem + ROOT.pem, "its certificate is another key's", True),
        (HUB.key_pem[:90] + b"\n", "its private key cannot be read", False),
        (HUB.key_pem + OLD.pem, "it expired on", True),
        (HUB.key_pem + EARLY.pem, "it is not valid before", True),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_existing_self_signed(host, content, reason, same_key):
    path = host / "tls/hub.example.org.pem"
    write(path, content)
    outcome = self_signed(host)
    assert outcome.plan.changes[0].stale.startswith(reason) and outcome.changed is bool(reason)
    assert (
        outcome.plan.result["certificate"]["public_key_fingerprint"] == _certificate.fingerprints(HUB.spki)
    ) is same_key
    assert not self_signed(host).changed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"something of value\n",
            "there is a file already, without a private key: provider self_signed would replace it",
        ),
        (HUB.pem, "there is a file already, without a private key"),
        (
            HUB.private(encryption=BestAvailableEncryption(b"none")) + HUB.pem,
            "there is a file already, its private key is encrypted",
        ),
        (
            LEAF.key_pem + FULL_CHAIN,
            "there is a certificate already that CN=Test CA issued: provider self_signed would replace it. Set",
        ),
    ],
)
def test_what_self_signed_leaves_alone(host, content, message):
    path = host / "tls/hub.example.org.pem"
    write(path, content)
    with pytest.raises(DeclarationError) as caught:
        self_signed(host)
    assert message in str(caught.value)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"verify": "chain"}, "verify: chain cannot pass"),
        ({"certificate": "/x"}, "provider self_signed does not take certificate"),
        ({"private_key": "/x"}, "provider self_signed does not take private_key"),
        ({"name": "a" * 65}, "a common name has at most 64 characters"),
        ({"hostnames": ["a,DNS:b"]}, "'a,dns:b' is not a host name"),
        ({"hostnames": [""]}, "'' is not a host name"),
        ({"key_type": "ecdsa", "key_bits": 2048}, "there is no ecdsa key of 2048 bits"),
        ({"key_type": "rsa", "key_bits": 1024}, "peers refuse RSA keys of 1024 bits"),
        ({"key_bits": 255}, "peers refuse RSA keys of 255 bits"),
        ({"days": 0}, "it would have expired at once"),
    ],
)
def test_self_signed_declarations_that_are_refused(host, given, message):
    with pytest.raises(DeclarationError) as caught:
        self_signed(host, **given)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("given", "reason", "same_key"),
    [
        ({}, "it expires on", True),
        ({"renew_below": 0.1}, "", True),
        ({"reuse_key": False}, "it expires on", False),
        ({"reuse_key": False, "renew_below": 0.1}, "", True),
    ],
)
def test_self_signed_is_renewed_before_it_expires(host, given, reason, same_key):
    soon = issue("hub.example.org", names=["hub.example.org"], start=-80, end=20, key=HUB.key)
    write(host / "tls/hub.example.org.pem", soon.key_pem + soon.pem)
    predicted = self_signed(host, check_mode=True, **given)
    outcome = self_signed(host, **given)
    assert predicted.changed is outcome.changed is bool(reason)
    assert outcome.plan.changes[0].stale.startswith(reason)
    pins = outcome.plan.result["certificate"]["public_key_fingerprint"]
    assert (pins == _certificate.fingerprints(HUB.spki)) is same_key
    assert outcome.plan.result["certificate"]["remaining"] == (1.0 if reason else pytest.approx(0.2, abs=0.002))
    assert not self_signed(host, **given).changed
