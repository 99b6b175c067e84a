# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PEM blocks and fingerprints."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._x509 import pem
from ansible_collections.mailops.postfix.plugins.module_utils._x509.pem import PemError
from hypothesis import given
from hypothesis import strategies as st

CERTIFICATE = (Path(__file__).parent.parent / "openssl/leaf.pem").read_bytes()
KEY = b"-----BEGIN PRIVATE KEY-----\nMAMCAQE=\n-----END PRIVATE KEY-----\n"


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
        # An outline has only the first lines of private keys.
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
    assert [(block.label, block.complete, block.is_encrypted) for block in pem.blocks(text)] == labels


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "it holds no certificate: there is no PEM block in it"),
        (b"\x30\x82\x01\x00", "'openssl x509 -inform DER' converts"),
        (KEY, "it holds no certificate but PRIVATE KEY. Give the certificate's file, not the private key's"),
        (
            KEY.replace(b"PRIVATE KEY", b"CERTIFICATE REQUEST"),
            "no certificate but CERTIFICATE REQUEST. Give the certificate that the CA issued",
        ),
        (KEY.replace(b"PRIVATE", b"PUBLIC"), "no certificate but PUBLIC KEY"),
        (CERTIFICATE.replace(b"CERT", b"TRUSTED CERT"), "rewrites a TRUSTED CERTIFICATE as a plain one"),
        (CERTIFICATE[:-30], "PEM block 1 (CERTIFICATE) has no END line: the file is truncated"),
        (
            KEY + CERTIFICATE[: CERTIFICATE.index(b"\n", 300) + 1] + CERTIFICATE,
            "PEM block 2 (CERTIFICATE) has no END line",
        ),
        (CERTIFICATE.replace(b"MII", b"M*I", 1), "PEM block 1 (CERTIFICATE) is not valid base64"),
        (b"-----BEGIN CERTIFICATE-----\nMAMCAQ==\n-----END CERTIFICATE-----\n", "is damaged"),
        (b"-----BEGIN CERTIFICATE-----\nMAMCAQEA\n-----END CERTIFICATE-----\n", "is damaged"),
        (b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "is damaged"),
    ],
)
def test_no_certificate(text, message):
    with pytest.raises(PemError) as caught:
        pem.certificates(text)
    assert message in str(caught.value)


def test_certificates_ignores_other_blocks():
    assert len(pem.certificates(KEY + CERTIFICATE + KEY + CERTIFICATE)) == 2


def test_to_pem_equals_openssl_output():
    assert pem.to_pem(pem.certificates(CERTIFICATE)[0]) == CERTIFICATE


@given(st.binary(min_size=1, max_size=300))
def test_pem_round_trip(content):
    length = len(content)
    header = bytes([length]) if length < 128 else bytes([0x82]) + length.to_bytes(2, "big")
    der = b"\x30" + header + content
    assert pem.certificates(pem.to_pem(der)) == [der]


@given(
    st.lists(
        st.sampled_from(
            [b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----", b"-----BEGIN X", b"AAAA", b"\xff", b""]
        )
    )
)
def test_blocks_of_arbitrary_text(lines):
    for block in pem.blocks(b"\n".join(lines)):
        assert block.label == "CERTIFICATE"


def test_bundle():
    ders = [b"\x30\x01a", b"\x30\x01b"]
    text = pem.bundle_text("managed by x", ders)
    assert text.startswith(b"# managed by x\n-----BEGIN CERTIFICATE-----\n")
    assert text.endswith(b"-----END CERTIFICATE-----\n")
    assert pem.certificates(text) == ders


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
    assert pem.fingerprint(b"abc", digest) == fingerprint
    assert pem.fingerprints_by_digest(b"abc")[digest] == fingerprint


def test_fingerprints_by_digest():
    assert {digest: len(value) for digest, value in pem.fingerprints_by_digest(b"").items()} == {
        "md5": 47,
        "sha1": 59,
        "sha256": 95,
        "sha512": 191,
    }


@pytest.mark.parametrize("digest", ["sha-256", "shake_128", "crc32", ""])
def test_unknown_digest(digest):
    with pytest.raises(PemError, match="is not a valid digest. Use one of md5, sha1, sha256, sha512"):
        pem.fingerprint(b"abc", digest)


def test_disabled_digest(monkeypatch):
    new = hashlib.new

    def fips(name, data):
        if name == "md5":
            raise ValueError("[digital envelope routines] unsupported")
        return new(name, data)

    monkeypatch.setattr(hashlib, "new", fips)
    with pytest.raises(PemError, match="disabled on this host"):
        pem.fingerprint(b"abc", "md5")
    assert pem.fingerprints_by_digest(b"abc")["md5"] is None
    assert pem.fingerprints_by_digest(b"abc")["sha1"]
