# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pure part of certificates: PEM, fingerprints, openssl's output, names, order."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._x509 import certificate
from ansible_collections.mailops.postfix.plugins.module_utils._x509.certificate import Certificate, PemError
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

SAMPLES = Path(__file__).parent.parent / "openssl"
VERSIONS = ("1.1.1", "3.0", "3.5")
CERTIFICATE = (SAMPLES / "leaf.pem").read_bytes()
KEY = b"-----BEGIN PRIVATE KEY-----\nMAMCAQE=\n-----END PRIVATE KEY-----\n"


def sample(name: str, version: str) -> Certificate:
    der = certificate.pem_certificates((SAMPLES / f"{name}.pem").read_bytes())[0]
    return certificate.read_certificate(der, (SAMPLES / f"{name}.{version}.txt").read_bytes())


def made(name: str, issuer: str, key_id: str = "", issuer_id: str = "") -> Certificate:
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


# PEM


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        (b"", []),
        (b"no PEM at all\n", []),
        (CERTIFICATE, [("CERTIFICATE", True, False)]),
        (CERTIFICATE.rstrip(b"\n"), [("CERTIFICATE", True, False)]),
        (CERTIFICATE.replace(b"\n", b"\r\n"), [("CERTIFICATE", True, False)]),
        (b"# a comment\n" + CERTIFICATE + b"between\n" + CERTIFICATE, [("CERTIFICATE", True, False)] * 2),
        (KEY + CERTIFICATE, [("PRIVATE KEY", True, False), ("CERTIFICATE", True, False)]),
        # an outline, in which private keys have no more than their first lines
        (
            b"-----BEGIN EC PARAMETERS-----\n-----BEGIN EC PRIVATE KEY-----\n" + CERTIFICATE,
            [("EC PARAMETERS", False, False), ("EC PRIVATE KEY", False, False), ("CERTIFICATE", True, False)],
        ),
        (b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n", [("ENCRYPTED PRIVATE KEY", False, True)]),
        (b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n", [("RSA PRIVATE KEY", False, True)]),
        (b"-----BEGIN CERTIFICATE-----\nMAMC\n", [("CERTIFICATE", False, False)]),
        (b"-----BEGIN CERTIFICATE-----\nMAMC\n-----END PRIVATE KEY-----\n", [("CERTIFICATE", False, False)]),
        (b" -----BEGIN CERTIFICATE-----\nMAMC\n-----END CERTIFICATE-----\n", []),
    ],
)
def test_blocks(text, labels):
    assert [(block.label, block.complete, block.is_encrypted) for block in certificate.blocks(text)] == labels


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "it holds no certificate: there is no PEM block in it"),
        (b"\x30\x82\x01\x00", "'openssl x509 -inform DER' converts"),
        (KEY, "it holds no certificate but PRIVATE KEY. Give the certificate's file, not the private key's"),
        (
            KEY.replace(b"PRIVATE KEY", b"CERTIFICATE REQUEST"),
            "no certificate but CERTIFICATE REQUEST. Give the certificate that the CA made",
        ),
        (KEY.replace(b"PRIVATE", b"PUBLIC"), "no certificate but PUBLIC KEY"),
        (CERTIFICATE.replace(b"CERT", b"TRUSTED CERT"), "rewrites a TRUSTED CERTIFICATE as a plain one"),
        (CERTIFICATE[:-30], "PEM block 1 (CERTIFICATE) has no END line: the file is cut off"),
        (
            KEY + CERTIFICATE[: CERTIFICATE.index(b"\n", 300) + 1] + CERTIFICATE,
            "PEM block 2 (CERTIFICATE) has no END line",
        ),
        (CERTIFICATE.replace(b"MII", b"M*I", 1), "PEM block 1 (CERTIFICATE) is not base64"),
        (b"-----BEGIN CERTIFICATE-----\nMAMCAQ==\n-----END CERTIFICATE-----\n", "is damaged"),
        (b"-----BEGIN CERTIFICATE-----\nMAMCAQEA\n-----END CERTIFICATE-----\n", "is damaged"),
        (b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "is damaged"),
    ],
)
def test_no_certificate(text, message):
    with pytest.raises(PemError) as caught:
        certificate.pem_certificates(text)
    assert message in str(caught.value)


def test_certificates_skips_what_is_none():
    assert len(certificate.pem_certificates(KEY + CERTIFICATE + KEY + CERTIFICATE)) == 2


def test_canonical_pem_is_what_openssl_writes():
    assert certificate.to_pem(certificate.pem_certificates(CERTIFICATE)[0]) == CERTIFICATE


@given(st.binary(min_size=1, max_size=300))
def test_pem_round_trip(content):
    length = len(content)
    header = bytes([length]) if length < 128 else bytes([0x82]) + length.to_bytes(2, "big")
    der = b"\x30" + header + content
    assert certificate.pem_certificates(certificate.to_pem(der)) == [der]


@given(
    st.lists(
        st.sampled_from(
            [b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----", b"-----BEGIN X", b"AAAA", b"\xff", b""]
        )
    )
)
def test_any_text_has_blocks(lines):
    for block in certificate.blocks(b"\n".join(lines)):
        assert block.label == "CERTIFICATE"


def test_bundle():
    ders = [b"\x30\x01a", b"\x30\x01b"]
    text = certificate.bundle_text("whose it is", ders)
    assert text.startswith(b"# whose it is\n-----BEGIN CERTIFICATE-----\n")
    assert text.endswith(b"-----END CERTIFICATE-----\n")
    assert certificate.pem_certificates(text) == ders


# Fingerprints


@pytest.mark.parametrize(
    ("digest", "fingerprint"),
    [
        ("md5", "90:01:50:98:3C:D2:4F:B0:D6:96:3F:7D:28:E1:7F:72"),
        ("sha1", "A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D"),
        ("sha256", "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD"),
    ],
)
def test_fingerprint(digest, fingerprint):
    assert certificate.fingerprint(b"abc", digest) == fingerprint
    assert certificate.fingerprints(b"abc")[digest] == fingerprint


def test_fingerprints_have_all_digests():
    assert {digest: len(value) for digest, value in certificate.fingerprints(b"").items()} == {
        "md5": 47,
        "sha1": 59,
        "sha256": 95,
        "sha512": 191,
    }


@pytest.mark.parametrize("digest", ["sha-256", "shake_128", "crc32", ""])
def test_unknown_digest(digest):
    with pytest.raises(PemError, match="Use one of md5, sha1, sha256, sha512"):
        certificate.fingerprint(b"abc", digest)


def test_digest_that_is_switched_off(monkeypatch):
    new = hashlib.new

    def fips(name, data):
        if name == "md5":
            raise ValueError("[digital envelope routines] unsupported")
        return new(name, data)

    monkeypatch.setattr(hashlib, "new", fips)
    with pytest.raises(PemError, match="switched off on this machine"):
        certificate.fingerprint(b"abc", "md5")
    assert certificate.fingerprints(b"abc")["md5"] is None
    assert certificate.fingerprints(b"abc")["sha1"]


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
def test_key_type_of_nonsense(spki):
    assert certificate.key_type(spki)[1] is None or spki


# What openssl says


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
        (b"serial=", b"Serial=", "openssl did not say all"),
        (b"PUBLIC KEY", b"KEY", "openssl did not say all"),
        (b"notAfter=Nov", b"notAfter=M\xc3\xa4r", "date that cannot be read"),
        (b"notAfter=Nov", b"notAfter=Okt", "date that cannot be read"),
        (b" GMT", b"", "date that cannot be read"),
    ],
)
def test_output_that_cannot_be_read(old, new, message):
    output = (SAMPLES / "leaf.3.0.txt").read_bytes()
    assert old in output
    with pytest.raises(PemError, match=message):
        certificate.read_certificate(b"", output.replace(old, new))


def test_facts_to_come():
    facts = certificate.facts_to_come("CN=hub", ["hub"], "ecdsa", 256, None)
    assert facts.keys() == certificate.certificate_facts(sample("leaf", "3.0")).keys()
    assert (
        facts["fingerprint"]
        == facts["public_key_fingerprint"]
        == {"md5": None, "sha1": None, "sha256": None, "sha512": None}
    )
    assert certificate.facts_to_come("CN=hub", ["hub"], "ecdsa", 256, b"abc")[
        "public_key_fingerprint"
    ] == certificate.fingerprints(b"abc")


def test_facts_unread():
    facts = certificate.facts_unread(b"abc")
    assert facts.keys() == certificate.certificate_facts(sample("leaf", "3.0")).keys()
    assert facts["fingerprint"] == certificate.fingerprints(b"abc") and facts["names"] == []
    assert {facts[name] for name in ("subject", "issuer", "not_after", "key_type", "key_bits", "serial")} == {None}
    assert set(facts["public_key_fingerprint"].values()) == {None}


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
def test_is_hostname(name, good):
    assert certificate.is_hostname(name) is good


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
    assert certificate.validity_problem(made("leaf", "ca"), day.replace(tzinfo=timezone.utc)) == problem


LEAF, MIDDLE, ROOT = made("leaf", "middle"), made("middle", "root"), made("root", "root")


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
        ([made("leaf", "middle", issuer_id="A"), made("middle", "root", key_id="A")], ""),
        ([made("leaf", "middle", issuer_id="A"), MIDDLE], ""),
        (
            [made("leaf", "middle", issuer_id="A"), made("middle", "root", key_id="B")],
            "certificate 2 is CN=middle, but another one of this name issued the one before it",
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
        (b"", "openssl verify failed without a word"),
    ],
)
def test_verify_problem(output, problem):
    assert certificate.verify_problem(output) == problem


def test_self_signed_configuration():
    lines = certificate.self_signed_configuration("hub", ["hub.example.org", "*.example.org"]).decode().split("\n")
    assert "CN = hub" in lines
    assert lines[lines.index("[names]") + 1 :] == ["DNS.1 = hub.example.org", "DNS.2 = *.example.org", ""]
    assert "basicConstraints = critical, CA:FALSE" in lines
