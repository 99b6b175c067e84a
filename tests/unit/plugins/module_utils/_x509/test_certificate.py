# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates: key types, the output of openssl, names, validity and order."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._x509 import certificate, pem
from ansible_collections.mailops.postfix.plugins.module_utils._x509.certificate import Certificate
from ansible_collections.mailops.postfix.plugins.module_utils._x509.pem import PemError
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

SAMPLES = Path(__file__).parent.parent / "openssl"
VERSIONS = ("1.1.1", "3.0", "3.5")


def sample(name: str, version: str) -> Certificate:
    der = pem.certificates((SAMPLES / f"{name}.pem").read_bytes())[0]
    return certificate.read_certificate(der, (SAMPLES / f"{name}.{version}.txt").read_bytes())


def certificate_of(name: str, issuer: str, key_id: str = "", issuer_id: str = "") -> Certificate:
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    return Certificate(
        der=f"{name}/{issuer}/{key_id}".encode(),
        subject=f"CN={name}",
        issuer=f"CN={issuer}",
        names=(),
        not_before=start,
        not_after=start + timedelta(days=90),
        serial="01",
        public_key=b"",
        authority=None,
        subject_key_id=key_id,
        authority_key_id=issuer_id,
    )


# Keys


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (rsa.generate_private_key(65537, 2048), ("rsa", 2048)),
        (rsa.generate_private_key(65537, 1024), ("rsa", 1024)),
        (ec.generate_private_key(ec.SECP256R1()), ("ecdsa", 256)),
        (ec.generate_private_key(ec.SECP384R1()), ("ecdsa", 384)),
        (ec.generate_private_key(ec.SECP521R1()), ("ecdsa", 521)),
        (ec.generate_private_key(ec.SECP256K1()), ("ecdsa", 256)),
        (ec.generate_private_key(ec.BrainpoolP256R1()), ("ecdsa", 256)),
        (ec.generate_private_key(ec.BrainpoolP384R1()), ("ecdsa", 384)),
        (ec.generate_private_key(ec.BrainpoolP512R1()), ("ecdsa", 512)),
        (ed25519.Ed25519PrivateKey.generate(), ("ed25519", 256)),
        (ed448.Ed448PrivateKey.generate(), ("ed448", 456)),
        (dsa.generate_private_key(1024), ("dsa", None)),
    ],
    ids=lambda value: "-".join(str(part) for part in value) if isinstance(value, tuple) else "",
)
def test_key_type(key, expected):
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert certificate.key_type(spki) == expected


@given(st.binary(max_size=40))
def test_key_type_of_arbitrary_bytes(spki):
    assert certificate.key_type(spki)[1] is None or spki


# The output of openssl


@pytest.mark.parametrize("version", VERSIONS)
def test_leaf(version):
    leaf = sample("leaf", version)
    assert leaf.subject == "CN=mx1.example.org,O=Müller\\, Söhne \\+ Co,C=DE"
    assert leaf.issuer == "CN=Prüf-CA"
    assert leaf.names == ("mx1.example.org", "*.mx.example.org")
    assert leaf.serial == "FFEE0102"
    assert leaf.not_before == datetime(2026, 11, 23, 1, 50, 11, tzinfo=timezone.utc)
    assert leaf.not_after == datetime(2036, 11, 20, 1, 50, 11, tzinfo=timezone.utc)
    assert leaf.authority is False and not leaf.self_issued
    assert leaf.subject_key_id == "02:82:11:FA:0C:CB:D4:C7:EE:57:2F:C9:8E:AC:5B:7A:14:66:7A:FE"
    assert leaf.authority_key_id == "DF:B9:D0:C1:B9:63:D8:5D:9F:DB:28:C6:6D:D1:5D:F7:4F:AE:28:07"
    facts = certificate.certificate_facts(leaf)
    assert (facts["key_type"], facts["key_bits"]) == ("rsa", 2048)
    assert (facts["not_before"], facts["not_after"]) == ("2026-11-23T01:50:11Z", "2036-11-20T01:50:11Z")
    assert facts["fingerprint"]["sha1"] == "9F:D7:FD:09:36:99:34:96:4E:42:1E:92:56:A1:65:90:BD:65:FE:DA"
    assert facts["public_key_fingerprint"]["sha1"] == "10:D3:BE:FF:42:9B:25:C4:20:72:29:BC:9B:65:8F:E1:B1:45:75:A1"


@pytest.mark.parametrize("version", VERSIONS)
def test_ca(version):
    ca = sample("ca", version)
    assert ca.authority is True and ca.self_issued
    assert ca.names == ()
    assert certificate.key_type(ca.public_key) == ("ecdsa", 384)
    assert certificate.issued_by(sample("leaf", version), ca)


@pytest.mark.parametrize("version", VERSIONS)
def test_without_extensions(version):
    plain = sample("plain", version)
    assert plain.names == ("old.example.org",)
    assert plain.authority is None and plain.self_issued
    assert plain.not_after == datetime(2026, 11, 24, 1, 49, 51, tzinfo=timezone.utc)
    assert certificate.key_type(plain.public_key) == ("ed25519", 256)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"serial=", b"Serial=", "the output of openssl x509 is incomplete"),
        (b"PUBLIC KEY", b"KEY", "the output of openssl x509 is incomplete"),
        (b"notAfter=Nov", b"notAfter=M\xc3\xa4r", "the output of openssl x509 contains an invalid date"),
        (b"notAfter=Nov", b"notAfter=Okt", "the output of openssl x509 contains an invalid date"),
        (b" GMT", b"", "the output of openssl x509 contains an invalid date"),
    ],
)
def test_invalid_output(old, new, message):
    output = (SAMPLES / "leaf.3.0.txt").read_bytes()
    assert old in output
    with pytest.raises(PemError, match=message):
        certificate.read_certificate(b"", output.replace(old, new))


def test_planned_certificate_facts():
    facts = certificate.planned_certificate_facts("CN=hub", ["hub"], "ecdsa", 256, None)
    assert facts.keys() == certificate.certificate_facts(sample("leaf", "3.0")).keys()
    assert (
        facts["fingerprint"]
        == facts["public_key_fingerprint"]
        == {"md5": None, "sha1": None, "sha256": None, "sha512": None}
    )
    assert certificate.planned_certificate_facts("CN=hub", ["hub"], "ecdsa", 256, b"abc")[
        "public_key_fingerprint"
    ] == pem.fingerprints_by_digest(b"abc")


# Names


@pytest.mark.parametrize(
    ("names", "hostname", "covered"),
    [
        (["mx1.example.org"], "mx1.example.org", True),
        (["MX1.Example.ORG"], "mx1.example.org.", True),
        (["a.example.org", "mx1.example.org"], "mx1.example.org", True),
        (["mx2.example.org"], "mx1.example.org", False),
        (["example.org"], "mx1.example.org", False),
        (["*.example.org"], "mx1.example.org", True),
        (["*.example.org"], "a.mx1.example.org", False),
        (["*.example.org"], "example.org", False),
        (["*.example.org"], ".example.org", False),
        (["*.example.org"], "*.example.org", True),
        (["mx*.example.org"], "mx1.example.org", False),
        (["mx1.*.org"], "mx1.example.org", False),
        (["*"], "localhost", False),
        (["*.*.org"], "mx1.example.org", False),
        (["*.example.org"], "*.mx.example.org", False),
        (["xn--mller-kva.example"], "müller.example", True),
        ([], "mx1.example.org", False),
    ],
)
def test_covers(names, hostname, covered):
    assert certificate.covers(names, hostname) is covered
    assert certificate.uncovered(names, [hostname]) == ([] if covered else [hostname])


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("hub", True),
        ("hub.example.org", True),
        ("*.example.org", True),
        ("_mta.example.org", True),
        ("1.example", True),
        ("", False),
        ("hub.", False),
        (".hub", False),
        ("-hub", False),
        ("hub-", False),
        ("a..b", False),
        ("hub,DNS:evil", False),
        ("a b", False),
        ("a.*.b", False),
        ("$ENV", False),
        ("a" * 254, False),
        ("hub\n", False),
    ],
)
def test_is_certificate_name(name, good):
    assert certificate.is_certificate_name(name) is good


# Validity and order


@pytest.mark.parametrize(
    ("day", "problem"),
    [
        (datetime(2025, 12, 31), "it is not valid before 2026-01-01T00:00:00Z (is this host's clock right?)"),
        (datetime(2026, 1, 1), ""),
        (datetime(2026, 4, 1), ""),
        (datetime(2026, 4, 1, 0, 0, 1), "it expired on 2026-04-01T00:00:00Z"),
    ],
)
def test_validity(day, problem):
    assert certificate.validity_problem(certificate_of("leaf", "ca"), day.replace(tzinfo=timezone.utc)) == problem


LEAF, MIDDLE, ROOT = certificate_of("leaf", "middle"), certificate_of("middle", "root"), certificate_of("root", "root")


@pytest.mark.parametrize(
    ("chain", "problem"),
    [
        ([LEAF], ""),
        ([LEAF, MIDDLE], ""),
        ([LEAF, MIDDLE, ROOT], ""),
        ([ROOT], ""),
        ([LEAF, ROOT, MIDDLE], "wrong order: certificate 2 (CN=root) did not issue the one before it (CN=leaf)"),
        ([MIDDLE, LEAF], "certificate 2 is CN=leaf, but the one before it was issued by CN=root"),
        ([LEAF, ROOT], "certificate 2 is CN=root, but the one before it was issued by CN=middle"),
        ([LEAF, LEAF, MIDDLE], "certificate 2 is the same as the one before it"),
        ([certificate_of("leaf", "middle", issuer_id="A"), certificate_of("middle", "root", key_id="A")], ""),
        ([certificate_of("leaf", "middle", issuer_id="A"), MIDDLE], ""),
        (
            [certificate_of("leaf", "middle", issuer_id="A"), certificate_of("middle", "root", key_id="B")],
            "certificate 2 is CN=middle, but a different certificate with this name issued the one before it",
        ),
    ],
)
def test_order(chain, problem):
    assert certificate.order_problem(chain) == problem


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        (
            b"C = DE, CN = mx1\nerror 20 at 0 depth lookup: unable to get local issuer certificate\nerror x: failed\n",
            "unable to get local issuer certificate (at depth 0)",
        ),
        (
            b"CN = a\nerror 20 at 0 depth lookup:unable to get local issuer certificate\n",
            "unable to get local issuer certificate (at depth 0)",
        ),
        (
            b"error 26 at 0 depth lookup: unsuitable certificate purpose\nCN=a\n"
            b"error 10 at 1 depth lookup: certificate has expired\n",
            "unsuitable certificate purpose (at depth 0); certificate has expired (at depth 1)",
        ),
        (b"Error loading file ca.pem\n", "Error loading file ca.pem"),
        (b"", "openssl verify failed without an error message"),
    ],
)
def test_verify_problem(output, problem):
    assert certificate.verify_problem(output) == problem


def test_self_signed_configuration():
    lines = certificate.self_signed_configuration("hub", ["hub.example.org", "*.example.org"]).decode().split("\n")
    assert "CN = hub" in lines
    assert lines[lines.index("[names]") + 1 :] == ["DNS.1 = hub.example.org", "DNS.2 = *.example.org", ""]
    assert "basicConstraints = critical, CA:FALSE" in lines
