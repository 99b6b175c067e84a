# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parsing of handshake messages that no current OpenSSL sends. Real handshakes are in test_probe.py."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._smtp import tls_handshake
from ansible_collections.mailops.postfix.plugins.module_utils._smtp.tls_handshake import (
    CERTIFICATE,
    CERTIFICATE_REQUEST,
    CERTIFICATE_VERIFY,
    SERVER_HELLO,
    SERVER_KEY_EXCHANGE,
    Handshake,
)
from hypothesis import given
from hypothesis import strategies as st


def number(value, size):
    return value.to_bytes(size, "big")


def vector(data, size):
    return number(len(data), size) + data


def message(kind, body):
    return kind, bytes([kind]) + vector(body, 3)


def server_hello(version=0x0303, share=None):
    """A message of TLS 1.3 if there is a key share, otherwise of an older version."""
    extensions = b""
    if share is not None:
        extensions = number(43, 2) + vector(number(0x0304, 2), 2) + number(51, 2) + vector(number(share, 2) + b"xx", 2)
    body = number(version, 2) + bytes(32) + vector(b"session", 1) + b"\x13\x02" + b"\x00"
    return message(SERVER_HELLO, body + (vector(extensions, 2) if extensions else b""))


def certificates(*ders, modern=False):
    entries = b"".join(vector(der, 3) + (vector(b"ext", 2) if modern else b"") for der in ders)
    return message(CERTIFICATE, (vector(b"", 1) if modern else b"") + vector(entries, 3))


def curve(group, signature=0x0403, length=65):
    return message(
        SERVER_KEY_EXCHANGE,
        b"\x03" + number(group, 2) + vector(bytes(length), 1) + number(signature, 2) + vector(b"s" * 70, 2),
    )


def prime(bits, signature=0x0804):
    value = vector(b"\xff" * (bits // 8), 2)
    body = value + vector(b"\x02", 2) + value + number(signature, 2) + vector(b"s" * 256, 2)
    return message(SERVER_KEY_EXCHANGE, body)


VERIFY = message(CERTIFICATE_VERIFY, number(0x0807, 2) + vector(b"s" * 64, 2))
REQUEST = message(CERTIFICATE_REQUEST, b"\x01\x40")


@pytest.mark.parametrize(
    ("messages", "handshake"),
    [
        ([], Handshake()),
        ([server_hello()], Handshake((), "RSA", None, False)),
        ([server_hello(), certificates(b"a", b"bb")], Handshake((b"a", b"bb"), "RSA", None, False)),
        ([server_hello(share=29)], Handshake((), "X25519", None, False)),
        ([server_hello(share=0x11EC)], Handshake((), "X25519MLKEM768", None, False)),
        ([server_hello(share=0x6A6A)], Handshake((), "0x6a6a", None, False)),
        # HelloRetryRequest selects another group, which is in the second ServerHello
        ([server_hello(share=29), server_hello(share=24)], Handshake((), "P-384", None, False)),
        (
            [server_hello(share=29), REQUEST, certificates(b"a", b"bb", modern=True), VERIFY],
            Handshake((b"a", b"bb"), "X25519", "ed25519", True),
        ),
        ([server_hello(), curve(23)], Handshake((), "P-256", "ecdsa_secp256r1_sha256", False)),
        ([server_hello(), curve(23, 0x0999)], Handshake((), "P-256", "0x0999", False)),
        # TLS 1.1 does not name the signature algorithm
        ([server_hello(0x0302), curve(24)], Handshake((), "P-384", None, False)),
        ([server_hello(), prime(2048)], Handshake((), "DH-2048", "rsa_pss_rsae_sha256", False)),
        ([server_hello(), prime(6144)], Handshake((), "DH-6144", "rsa_pss_rsae_sha256", False)),
        ([server_hello(), prime(8192)], Handshake((), "DH-8192", "rsa_pss_rsae_sha256", False)),
        # truncated or out of order: a value that can't be parsed stays unknown, the others are parsed
        ([certificates(b"a")], Handshake()),
        ([message(SERVER_HELLO, b"\x03\x03"), REQUEST], Handshake((), None, None, True)),
        ([server_hello(), message(CERTIFICATE, b"\x00\x00\x09abc")], Handshake((), "RSA", None, False)),
        ([server_hello(), message(CERTIFICATE, b"")], Handshake((), "RSA", None, False)),
        ([server_hello(share=29), message(CERTIFICATE_VERIFY, b"\x08")], Handshake((), "X25519", None, False)),
    ],
)
def test_read(messages, handshake):
    assert tls_handshake.read(messages) == handshake


@given(st.lists(st.tuples(st.sampled_from(tls_handshake.MESSAGE_TYPES), st.binary(max_size=200)), max_size=6))
def test_read_accepts_any_bytes(messages):
    assert isinstance(tls_handshake.read([server_hello(), *messages]), Handshake)
