# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What s_client(1) of OpenSSL 1.1.1, 3.0, 3.5 and 3.6 prints. Real handshakes, with the version that is installed, are in test_probe.py."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host.runner import Completed
from ansible_collections.mailops.postfix.plugins.module_utils._smtp import handshake
from ansible_collections.mailops.postfix.plugins.module_utils._smtp.handshake import Handshake
from ansible_collections.mailops.postfix.plugins.module_utils._x509 import pem
from hypothesis import given
from hypothesis import strategies as st

CERTIFICATES = (b"\x30\x03\x02\x01\x01", b"\x30\x03\x02\x01\x02")
"""Sequences in DER, which is all that this file must know of a certificate."""
REQUEST = (
    "Requested Signature Algorithms: ECDSA+SHA256:RSA+SHA256\nShared Requested Signature Algorithms: ECDSA+SHA256\n"
)
FAILED = "---\nno peer certificate available\n---\nNo client certificate CA names sent\n---\n"
"""A handshake that has failed before the certificate."""


def output(facts, session="TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384", certificates=CERTIFICATES, more=""):
    """The output of s_client(1) with -showcerts and -prexit, which prints all of it twice."""
    chain = "".join(
        f" {number} s:CN = mx.test\n   i:CN = ca.test\n{pem.to_pem(der).decode()}"
        for number, der in enumerate(certificates)
    )
    once = (
        f"CONNECTED(00000003)\n---\nCertificate chain\n{chain}---\nServer certificate\nsubject=CN = mx.test\n\n"
        f"---\nNo client certificate CA names sent\n{facts}---\nSSL handshake has read 1 bytes\nVerification: OK\n---\n"
        f"New, {session}\nServer public key is 256 bit\n{more}"
    )
    return f"{once}{once}"


@pytest.mark.parametrize(
    ("facts", "session", "expected"),
    [
        # OpenSSL 1.1.1
        (
            "Peer signing digest: SHA256\nPeer signature type: ECDSA\nServer Temp Key: ECDH, P-384, 384 bits\n",
            "TLSv1.2",
            ("P-384", "ecdsa_secp256r1_sha256", False),
        ),
        ("Peer signature type: Ed25519\nServer Temp Key: X25519, 253 bits\n", "TLSv1.3", ("X25519", "ed25519", False)),
        # 3.0
        (
            "Peer signing digest: SHA384\nPeer signature type: ECDSA\nServer Temp Key: ECDH, prime256v1, 256 bits\n",
            "TLSv1.2",
            ("P-256", "ecdsa_secp384r1_sha384", False),
        ),
        (
            f"{REQUEST}Peer signing digest: SHA256\nPeer signature type: RSA-PSS\nServer Temp Key: DH, 2048 bits\n",
            "TLSv1.2",
            ("DH-2048", "rsa_pss_rsae_sha256", True),
        ),
        ("Peer signing digest: SHA1\nPeer signature type: RSA\n", "TLSv1.2", ("RSA", "rsa_pkcs1_sha1", False)),
        ("Peer signature type: ECDSA\n", "TLSv1.2", ("RSA", None, False)),
        # Versions before TLS 1.2 do not name the signature algorithm
        (
            "Client Certificate Types: RSA sign, ECDSA sign\nPeer signing digest: MD5-SHA1\nPeer signature type: RSA\n",
            "TLSv1.0",
            ("RSA", None, True),
        ),
        # 3.5 and 3.6
        (
            "Peer signing digest: SHA256\nPeer signature type: rsa_pss_rsae_sha256\n"
            "Negotiated TLS1.3 group: X25519MLKEM768\n",
            "TLSv1.3",
            ("X25519MLKEM768", "rsa_pss_rsae_sha256", False),
        ),
        (
            "Peer signature type: mldsa65\nPeer Temp Key: ECDH, secp521r1, 521 bits\n",
            "TLSv1.3",
            ("P-521", "mldsa65", False),
        ),
        ("Peer signing digest: MD5-SHA1\nPeer signature type: rsa_pkcs1_md5_sha1\n", "TLSv1.0", ("RSA", None, False)),
        ("Negotiated TLS1.3 group: secp384r1\n", "TLSv1.3", ("P-384", None, False)),
        # What is missing is unknown
        ("", "TLSv1.3", (None, None, False)),
    ],
)
def test_read(facts, session, expected):
    assert handshake.read(output(facts, f"{session}, Cipher is X")) == Handshake(CERTIFICATES, *expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Handshake()),
        ("CONNECTED(00000003)\n" + FAILED + "New, (NONE), Cipher is (NONE)\n", Handshake()),
        # refused after the certificate
        (output(REQUEST, "(NONE), Cipher is (NONE)"), Handshake(CERTIFICATES)),
        (output("", certificates=()), Handshake((), None, None, False)),
        (output("").partition("-----END")[0], Handshake()),
    ],
)
def test_a_handshake_that_has_failed(text, expected):
    assert handshake.read(text) == expected


def test_data_of_the_server_is_not_read():
    more = f"220 mx\nPeer signature type: x\nServer Temp Key: y\n{REQUEST}"
    assert handshake.read(output("", "TLSv1.2, Cipher is X", more=more)) == Handshake(CERTIFICATES, "RSA", None, False)


@given(st.text(), st.text())
def test_read_accepts_any_text(facts, session):
    assert isinstance(handshake.read(output(facts, session)), Handshake)


def test_observe():
    calls = []

    def run(argv, stdin):
        calls.append((argv, stdin))
        return Completed(argv, 1, output("").encode(), b"")

    assert handshake.observe(run, ["-connect", "mx:25"], 2.5).chain == CERTIFICATES
    assert calls[0][0][:6] == ("timeout", "3", "openssl", "s_client", "-connect", "mx:25") and calls[0][1] == b""
