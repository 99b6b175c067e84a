# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse a server's messages of a TLS handshake. Private to mailops.postfix. Pure.

Python's ssl module gives neither the group of the key exchange nor the algorithm of the server's signature, nor whether the server requested
a client certificate, nor (before 3.13) the chain. The handshake messages (RFC 5246 and RFC 8446) have all of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable

SERVER_HELLO, CERTIFICATE, SERVER_KEY_EXCHANGE, CERTIFICATE_REQUEST, CERTIFICATE_VERIFY = 2, 11, 12, 13, 15
MESSAGE_TYPES = (SERVER_HELLO, CERTIFICATE, SERVER_KEY_EXCHANGE, CERTIFICATE_REQUEST, CERTIFICATE_VERIFY)
"""The types of messages that :func:`read` parses."""

_SUPPORTED_VERSIONS, _KEY_SHARE = 43, 51
_TLS_1_2, _TLS_1_3 = 0x0303, 0x0304
_NAMED_CURVE = 3

# The names that Postfix logs if it has one, otherwise those of IANA.
GROUPS = {
    0x0017: "P-256",
    0x0018: "P-384",
    0x0019: "P-521",
    0x001A: "brainpoolP256r1",
    0x001B: "brainpoolP384r1",
    0x001C: "brainpoolP512r1",
    0x001D: "X25519",
    0x001E: "X448",
    0x0100: "ffdhe2048",
    0x0101: "ffdhe3072",
    0x0102: "ffdhe4096",
    0x0103: "ffdhe6144",
    0x0104: "ffdhe8192",
    0x11EB: "SecP256r1MLKEM768",
    0x11EC: "X25519MLKEM768",
    0x11ED: "SecP384r1MLKEM1024",
}

SIGNATURES = {
    0x0201: "rsa_pkcs1_sha1",
    0x0202: "dsa_sha1",
    0x0203: "ecdsa_sha1",
    0x0301: "rsa_pkcs1_sha224",
    0x0303: "ecdsa_sha224",
    0x0401: "rsa_pkcs1_sha256",
    0x0501: "rsa_pkcs1_sha384",
    0x0601: "rsa_pkcs1_sha512",
    0x0403: "ecdsa_secp256r1_sha256",
    0x0503: "ecdsa_secp384r1_sha384",
    0x0603: "ecdsa_secp521r1_sha512",
    0x0804: "rsa_pss_rsae_sha256",
    0x0805: "rsa_pss_rsae_sha384",
    0x0806: "rsa_pss_rsae_sha512",
    0x0807: "ed25519",
    0x0808: "ed448",
    0x0809: "rsa_pss_pss_sha256",
    0x080A: "rsa_pss_pss_sha384",
    0x080B: "rsa_pss_pss_sha512",
    0x0904: "mldsa44",
    0x0905: "mldsa65",
    0x0906: "mldsa87",
}


@dataclass(frozen=True)
class Handshake:
    """What the messages have; None where there is no such message, or it can't be parsed."""

    chain: tuple[bytes, ...] = ()
    """The certificates in the order in which the server sent them, in DER."""
    key_exchange: str | None = None
    signature: str | None = None
    client_certificate_requested: bool | None = None


class _Reader:
    """Reads the fields of a message one by one.

    All methods raise ValueError if the message is too short.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def take(self, length: int) -> bytes:
        end = self._position + length
        if end > len(self._data):
            raise ValueError("the message is too short")
        taken = self._data[self._position : end]
        self._position = end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """A field that is preceded by its length."""
        return self.take(self.number(size))

    @property
    def left(self) -> int:
        return len(self._data) - self._position


def read(messages: Iterable[tuple[int, bytes]]) -> Handshake:
    """Parse the handshake messages of a server.

    :param messages: type and content (with the header of four bytes) of each message, in order.
    """
    version: int | None = None
    chain: tuple[bytes, ...] = ()
    group: str | None = None
    signature: str | None = None
    requested: bool | None = None
    for kind, message in messages:
        body = _Reader(message[4:])
        try:
            if kind == SERVER_HELLO:
                version, share = _server_hello(body)
                # A requested client certificate and a key exchange other than RSA have messages of their own.
                requested = False
                group = _named(GROUPS, share) if share is not None else ("RSA" if version < _TLS_1_3 else None)
            elif kind == CERTIFICATE and version is not None:
                chain = _certificates(body, version)
            elif kind == SERVER_KEY_EXCHANGE and version is not None:
                group, signature = _server_key_exchange(body, version)
            elif kind == CERTIFICATE_REQUEST:
                requested = True
            elif kind == CERTIFICATE_VERIFY:
                signature = _named(SIGNATURES, body.number(2))
        except ValueError:
            # OpenSSL decides whether a handshake is valid. A value that can't be parsed here stays unknown.
            continue
    return Handshake(chain, group, signature, requested)


def _named(names: dict[int, str], number: int) -> str:
    return names.get(number, f"0x{number:04x}")


def _server_hello(body: _Reader) -> tuple[int, int | None]:
    """The version and, in TLS 1.3, the group of the key share."""
    version = body.number(2)
    share: int | None = None
    body.take(32)
    body.vector(1)
    body.take(3)
    extensions = _Reader(body.vector(2) if body.left else b"")
    while extensions.left:
        kind, content = extensions.number(2), _Reader(extensions.vector(2))
        if kind == _SUPPORTED_VERSIONS:
            version = content.number(2)
        elif kind == _KEY_SHARE:
            share = content.number(2)
    return version, share


def _certificates(body: _Reader, version: int) -> tuple[bytes, ...]:
    if version >= _TLS_1_3:
        body.vector(1)
    found = []
    entries = _Reader(body.vector(3))
    while entries.left:
        found.append(entries.vector(3))
        if version >= _TLS_1_3:
            entries.vector(2)
    return tuple(found)


def _server_key_exchange(body: _Reader, version: int) -> tuple[str, str | None]:
    """The group, and in TLS 1.2 the signature.

    A curve begins with the byte 3, a prime with its length: that is 3 as well from 6144 bits on, but then prime and
    public value make the message longer than one with a curve can be.
    """
    long = body.left > 2 * 768
    first = body.number(1)
    if first == _NAMED_CURVE and not long:
        group = _named(GROUPS, body.number(2))
        body.vector(1)
    else:
        prime = body.take((first << 8) + body.number(1))
        group = f"DH-{int.from_bytes(prime, 'big').bit_length()}"
        body.vector(2)
        body.vector(2)
    # Older versions do not name the algorithm; an anonymous key exchange has no signature.
    signature = _named(SIGNATURES, body.number(2)) if version == _TLS_1_2 and body.left else None
    return group, signature
