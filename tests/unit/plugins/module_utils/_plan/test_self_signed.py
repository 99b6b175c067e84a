# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Self-signed certificates, created by the real openssl."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, HostError
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._host.runner import run_program
from ansible_collections.mailops.postfix.plugins.module_utils._plan import certificate_standalone, chain_file
from ansible_collections.mailops.postfix.plugins.module_utils._plan import self_signed as self_signed_plan
from ansible_collections.mailops.postfix.plugins.module_utils._plan.certificate_options import (
    CertificateOptions,
)
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Plan
from ansible_collections.mailops.postfix.plugins.module_utils._transaction.apply import Outcome, apply
from ansible_collections.mailops.postfix.plugins.module_utils._x509 import pem
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


def self_signed(host: Path, check_mode: bool = False, spy: Any = run_program, **given: Any) -> Outcome:
    specified = {name: option.get("default") for name, option in CertificateOptions.suboptions()["options"].items()}
    options = {**specified, "provider": "self_signed", "name": "hub.example.org", **given}

    def build(instance: Instance) -> Plan:
        declared = CertificateOptions.from_declaration(options)
        return self_signed_plan.self_signed(instance, declared).reported(instance)

    return apply(build, lambda: Instance(str(host), spy), check_mode=check_mode)


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
    assert (
        not again.changed
        and again.plan.result == {**outcome.plan.result, "new_key": False}
        and again.plan.requires == "none"
    )
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
def test_an_existing_certificate_with_other_options(host, given, reason, same_key):
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
    assert pins[2] == (pins[1] if same_key else dict.fromkeys(pem.DIGESTS))
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
        (HUB.key_pem + pem.to_pem(b"\x30\x03\x02\x01\x01"), "its certificate is damaged", True),
        (HUB.key_pem + ROOT.pem, "its certificate belongs to another key", True),
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
        outcome.plan.result["certificate"]["public_key_fingerprint"] == pem.fingerprints_by_digest(HUB.spki)
    ) is same_key
    assert not self_signed(host).changed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"something of value\n",
            "the file exists and has no private key: provider self_signed would replace it",
        ),
        (HUB.pem, "the file exists and has no private key"),
        (
            HUB.private(encryption=BestAvailableEncryption(b"none")) + HUB.pem,
            "the file exists and its private key is encrypted",
        ),
        (
            LEAF.key_pem + FULL_CHAIN,
            "the file exists and has a certificate that CN=Test CA issued: provider self_signed would replace it. Set",
        ),
    ],
)
def test_files_that_are_not_replaced(host, content, message):
    path = host / "tls/hub.example.org.pem"
    write(path, content)
    with pytest.raises(DeclarationError) as caught:
        self_signed(host)
    assert message in str(caught.value)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"verify": "chain"}, "verify: chain fails for every self-signed certificate"),
        ({"certificate": "/x"}, "certificate is not an option of provider self_signed"),
        ({"private_key": "/x"}, "private_key is not an option of provider self_signed"),
        ({"name": "a" * 65}, "a common name has at most 64 characters"),
        ({"hostnames": ["a,DNS:b"]}, "'a,dns:b' is not a valid host name"),
        ({"hostnames": [""]}, "'' is not a valid host name"),
        ({"key_type": "ecdsa", "key_bits": 2048}, "key_bits: 2048 is not a valid size of an ECDSA key"),
        ({"key_type": "rsa", "key_bits": 1024}, "key_bits: peers reject RSA keys of 1024 bits"),
        ({"key_bits": 255}, "key_bits: peers reject RSA keys of 255 bits"),
        ({"days": 0}, "days: 0 is not a valid number of days"),
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
    assert (pins == pem.fingerprints_by_digest(HUB.spki)) is same_key
    assert outcome.plan.result["certificate"]["remaining"] == (1.0 if reason else pytest.approx(0.2, abs=0.002))
    assert not self_signed(host, **given).changed


# The next key

HUB_PEM = "tls/hub.example.org.pem"
NEXT_PEM = f"{HUB_PEM}.next"


def pin(facts: Any) -> Any:
    return facts["public_key_fingerprint"]["sha256"]


def files(host: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (host / "tls").iterdir()}


def step(host: Path, **given: Any) -> Outcome:
    """A run. Check mode writes nothing and predicts its result; a second run changes nothing."""
    before = files(host)
    predicted = self_signed(host, check_mode=True, **given)
    assert files(host) == before
    outcome = self_signed(host, **given)
    assert (predicted.diff, predicted.requires) == (outcome.diff, outcome.requires)
    for name in ("certificate", "next"):
        expected, actual = predicted.plan.result[name], outcome.plan.result[name]
        assert (expected is None) == (actual is None)
        assert actual is None or pin(expected) in (None, pin(actual))
    again = self_signed(host, **given)
    assert not again.changed and again.plan.result == {**outcome.plan.result, "new_key": False}
    return outcome


def test_a_key_is_replaced_by_the_one_that_was_prepared(host):
    first = self_signed(host)
    assert first.plan.result["next"] is None
    old = files(host)

    prepared = step(host, next_key="prepare")
    assert prepared.changed and prepared.requires == "none"
    assert files(host)["hub.example.org.pem"] == old["hub.example.org.pem"] and mode(host / NEXT_PEM) == 0o600
    assert prepared.plan.result["certificate"] == first.plan.result["certificate"]
    next_facts = prepared.plan.result["next"]
    assert pin(next_facts) not in (None, pin(first.plan.result["certificate"]))
    assert self_signed(host).plan.result == prepared.plan.result

    next_file = files(host)["hub.example.org.pem.next"]
    switched = step(host, next_key="switch")
    assert switched.changed and switched.requires == "reload"
    assert files(host) == {"hub.example.org.pem": next_file} and mode(host / HUB_PEM) == 0o600
    assert switched.plan.result["next"] is None
    assert {**switched.plan.result["certificate"], "remaining": 0} == {**next_facts, "remaining": 0}
    assert not self_signed(host).changed


def test_check_mode_predicts_the_switch(host):
    """The pin of the next key is known, since the key exists."""
    self_signed(host)
    next_facts = self_signed(host, next_key="prepare").plan.result["next"]
    assert pin(self_signed(host, check_mode=True, next_key="switch").plan.result["certificate"]) == pin(next_facts)
    assert pin(self_signed(host, check_mode=True).plan.result["certificate"]) != pin(next_facts)


def test_a_next_key_is_discarded(host):
    self_signed(host)
    old = files(host)
    self_signed(host, next_key="prepare")
    outcome = step(host, next_key="discard")
    assert outcome.changed and outcome.requires == "none" and outcome.plan.result["next"] is None
    assert files(host) == old
    assert not self_signed(host, next_key="discard").changed


def test_switch_without_a_next_key(host):
    self_signed(host)
    assert not step(host, next_key="switch").changed


def test_key_and_next_key_are_created_together(host):
    outcome = self_signed(host, next_key="prepare")
    assert set(files(host)) == {"hub.example.org.pem", "hub.example.org.pem.next"}
    assert pin(outcome.plan.result["next"]) != pin(outcome.plan.result["certificate"])


def test_the_next_key_has_another_type(host):
    """Pins on the old key match until the switch."""
    old = self_signed(host).plan.result["certificate"]
    prepared = step(host, next_key="prepare", key_type="rsa").plan.result
    assert (prepared["certificate"]["key_type"], prepared["next"]["key_type"]) == ("ecdsa", "rsa")
    assert pin(self_signed(host, key_type="rsa").plan.result["certificate"]) == pin(old)
    switched = step(host, next_key="switch", key_type="rsa").plan.result["certificate"]
    assert pin(switched) == pin(prepared["next"])
    assert not self_signed(host, key_type="rsa").changed


@pytest.mark.parametrize(
    ("content", "given"),
    [
        (HUB.key_pem + OLD.pem, {}),
        (HUB.key_pem + HUB.pem, {"hostnames": ["other.example.org"]}),
        (HUB.key_pem, {}),
        (HUB.key_pem + OLD.pem, {"reuse_key": False}),
    ],
    ids=["expired", "other name", "no certificate", "without reuse_key"],
)
def test_the_certificate_of_the_next_key_cannot_be_used(host, content, given):
    """The switch creates a new certificate. The key, which is pinned, stays."""
    self_signed(host, **given)
    write(host / NEXT_PEM, content)
    facts = step(host, next_key="switch", **given).plan.result["certificate"]
    assert pin(facts) == pem.fingerprints_by_digest(HUB.spki)["sha256"]
    assert facts["names"] == given.get("hostnames", ["hub.example.org"]) and facts["remaining"] > 0.9


def test_a_damaged_next_key(host):
    self_signed(host)
    old = files(host)["hub.example.org.pem"]
    write(host / NEXT_PEM, HUB.key_pem[:90] + b"\n")
    assert self_signed(host).plan.result["next"] is None
    with pytest.raises(DeclarationError, match="the next key cannot be used: its private key cannot be read"):
        self_signed(host, next_key="switch")
    assert files(host)["hub.example.org.pem"] == old
    assert self_signed(host, next_key="prepare").plan.result["next"] is not None
    assert self_signed(host, next_key="switch").changed


def test_the_next_key_is_never_read(host):
    seen = []

    def spy(argv, stdin):
        done = run_program(argv, stdin)
        seen.append(repr((argv, stdin, done)))
        return done

    keys = set()
    for next_key in ("prepare", "switch", "prepare", "discard"):
        outcome = self_signed(host, spy=spy, next_key=next_key)
        seen.append(repr((outcome.diff, outcome.plan.result, outcome.plan.warnings)))
        keys |= {
            line for text in files(host).values() for line in text.partition(b"-----END PRIVATE")[0].split(b"\n")[1:-1]
        }
    assert len(keys) > 6 and not [key for key in keys if key.decode() in "".join(seen)]


def test_a_switch_that_fails_changes_nothing(host, monkeypatch):
    self_signed(host)
    self_signed(host, next_key="prepare")
    before = files(host)

    def full(path, ders):
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr(chain_file, "append", full)
    with pytest.raises(HostError, match="Nothing has been changed"):
        self_signed(host, next_key="switch")
    assert files(host) == before


@pytest.mark.parametrize("next_key", ["prepare", "switch", "discard"])
def test_other_providers_have_no_next_key(directory, next_key):
    write(directory / "cert.pem", FULL_CHAIN)
    write(directory / "key.pem", LEAF.key_pem)
    given = {"provider": "files", "certificate": "cert.pem", "private_key": "key.pem", "next_key": next_key}
    specified = {name: option.get("default") for name, option in CertificateOptions.suboptions()["options"].items()}
    with pytest.raises(
        DeclarationError, match="provider files manages the keys of its certificates itself. Pins stay valid as long"
    ):
        certificate_standalone.certificate(Instance(str(directory)), {**specified, "name": "mx1", **given})


def test_whether_the_key_is_new(host):
    """A road-warrior must not use a key that its smarthost does not know."""

    def is_new(**given):
        predicted = self_signed(host, check_mode=True, **given).plan.result["new_key"]
        result = self_signed(host, **given).plan.result
        assert result["new_key"] is predicted
        return predicted

    assert [is_new(), is_new(), is_new(hostnames=["other.example.org"])] == [True, False, False]
    steps = ("prepare", "prepare", "switch", "switch", "prepare", "discard")
    assert [is_new(next_key=step) for step in steps] == [False, False, True, False, False, False]
    assert [is_new(key_type="rsa"), is_new(key_type="rsa")] == [True, False]
    assert is_new(hostnames=["third.example.org"], reuse_key=False) is True
