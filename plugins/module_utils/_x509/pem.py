# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PEM blocks, the DER in them, and fingerprints in Postfix's notation. Private to mailops.postfix. Pure.

No cryptography library is needed: a PEM block is DER in base64, and a fingerprint is a hash of the DER. Private keys are
recognised by their label, but never decoded.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Iterable, Sequence

DIGESTS = ("md5", "sha1", "sha256", "sha512")
"""Digests for which the certificate module returns fingerprints."""

OUTLINE_SCRIPT = (
    *("-e", "/^-----BEGIN [A-Z0-9 ]*CERTIFICATE-----/,/^-----END /{", "-e", "p", "-e", "b", "-e", "}"),
    *("-e", "/^-----BEGIN /p", "-e", "/^Proc-Type:/p"),
)
"""A ``sed -n`` script that prints the certificates of a PEM file, and only the label of every other block."""

SEQUENCE = 0x30
"""The ASN.1 tag of certificates and public keys."""


class PemError(ValueError):
    """A text does not contain the expected PEM. The caller adds the file name.

    :ivar cause: why the text was refused.
    :ivar remedy: what to do instead; may be empty.
    """

    def __init__(self, cause: str, remedy: str = "") -> None:
        super().__init__(f"{cause}. {remedy}" if remedy else cause)
        self.cause = cause
        self.remedy = remedy


@dataclass(frozen=True)
class Block:
    """One PEM block. A block without an END line continues to the next BEGIN line, so that outlines can be read too."""

    label: str
    body: tuple[bytes, ...]
    complete: bool
    """Whether the END line that belongs to the BEGIN line is present."""
    number: int
    """Position in the text, from 1."""

    @property
    def is_certificate(self) -> bool:
        return self.label in ("CERTIFICATE", "X509 CERTIFICATE")

    @property
    def is_private_key(self) -> bool:
        return self.label.endswith("PRIVATE KEY")

    @property
    def is_encrypted(self) -> bool:
        return self.label == "ENCRYPTED PRIVATE KEY" or any(b"ENCRYPTED" in line for line in self.body if b":" in line)

    @property
    def der(self) -> bytes:
        """The decoded content, for certificates and public keys only.

        :raises PemError: if the block is truncated or damaged.
        """
        what = f"PEM block {self.number} ({self.label})"
        if not self.complete:
            raise PemError(f"{what} has no END line: the file is truncated", "Install the complete file")
        try:
            der = base64.b64decode(b"".join(self.body), validate=True)
        except (binascii.Error, ValueError):
            raise PemError(f"{what} is not valid base64", "Install an undamaged file") from None
        tag, content, rest = asn1_value(der)
        if tag != SEQUENCE or rest or not content:
            raise PemError(
                f"{what} is damaged: its content is not one complete ASN.1 structure", "Install an undamaged file"
            )
        return der


def blocks(text: bytes) -> list[Block]:
    """All PEM blocks of a text, in order. Text between the blocks is ignored."""
    found: list[Block] = []
    label: str | None = None
    body: list[bytes] = []

    def close(complete: bool) -> None:
        if label is not None:
            found.append(Block(label, tuple(body), complete, len(found) + 1))

    for line in text.split(b"\n"):
        line = line.rstrip()
        begin = re.match(rb"-----BEGIN ([A-Z0-9 ]+)-----$", line)
        if begin:
            close(complete=False)
            label, body = begin.group(1).decode("ascii"), []
        elif label is not None and line.startswith(b"-----END "):
            close(complete=line == f"-----END {label}-----".encode("ascii"))
            label = None
        elif label is not None:
            body.append(line)
    close(complete=False)
    return found


def certificates(text: bytes) -> list[bytes]:
    """The DER of all certificates in a PEM text.

    :raises PemError: if there is no certificate, or one of them is damaged.
    """
    return certificates_of(blocks(text))


def certificates_of(found: Sequence[Block]) -> list[bytes]:
    """The DER of all certificates among PEM blocks.

    :raises PemError: if there is no certificate, or one of them is damaged.
    """
    ders = [block.der for block in found if block.is_certificate]
    if not ders:
        raise PemError("it holds no certificate" + _other_content(found), _remedy(found))
    return ders


def public_key(text: bytes) -> bytes | None:
    """The DER (SubjectPublicKeyInfo) of the first PUBLIC KEY block; None if there is no such block."""
    return next((block.der for block in blocks(text) if block.label == "PUBLIC KEY"), None)


def _other_content(found: Sequence[Block]) -> str:
    if not found:
        return ": there is no PEM block in it (-----BEGIN CERTIFICATE-----)"
    return " but " + ", ".join(dict.fromkeys(block.label for block in found))


def _remedy(found: Sequence[Block]) -> str:
    labels = {block.label for block in found}
    if "TRUSTED CERTIFICATE" in labels:
        return "'openssl x509' rewrites a TRUSTED CERTIFICATE as a plain one"
    if any(block.is_private_key for block in found):
        return "Give the certificate's file, not the private key's"
    if any("REQUEST" in label for label in labels):
        return "Give the certificate that the CA issued for this request"
    return "Give a certificate in PEM form; 'openssl x509 -inform DER' converts a DER file"


def to_pem(der: bytes, label: str = "CERTIFICATE") -> bytes:
    """One PEM block in canonical form (lines of 64 characters), so that equal certificates give equal text."""
    body = base64.b64encode(der)
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return b"\n".join(
        [f"-----BEGIN {label}-----".encode("ascii"), *lines, f"-----END {label}-----".encode("ascii"), b""]
    )


def bundle_text(header: str, ders: Iterable[bytes]) -> bytes:
    """The text of a CA file: a comment line with the header, then the certificates."""
    return b"".join([f"# {header}\n".encode(), *(to_pem(der) for der in ders)])


def listing(text: bytes) -> str:
    """A CA file as a diff shows it: one line for each certificate."""
    try:
        return "".join(
            f"certificate with SHA-256 {fingerprint(block.der)}\n" for block in blocks(text) if block.is_certificate
        )
    except PemError as error:
        return f"(damaged: {error})\n"


# DER


def asn1_value(der: bytes) -> tuple[int, bytes, bytes]:
    """The first ASN.1 value: its tag, its content, and the bytes after it; tag -1 if there is no complete value."""
    if len(der) < 2:
        return -1, b"", b""
    length, start = der[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start], "big")
    if len(der) < start + length:
        return -1, b"", b""
    return der[0], der[start : start + length], der[start + length :]


def fingerprint(der: bytes, digest: str = "sha256") -> str:
    """The hash of a certificate or public key in Postfix's notation, ``AA:BB:...``.

    :raises PemError: if the digest is unknown, or not available on this host.
    """
    if digest not in hashlib.algorithms_available or digest.startswith("shake"):
        raise PemError(f"{digest!r} is not a valid digest", "Use one of " + ", ".join(DIGESTS))
    try:
        hashed = hashlib.new(digest, der).hexdigest().upper()
    except ValueError:
        raise PemError(f"the digest {digest} is disabled on this host (FIPS mode?)", "Use sha256 or sha512") from None
    return ":".join(hashed[start : start + 2] for start in range(0, len(hashed), 2))


def fingerprints_by_digest(der: bytes) -> dict[str, str | None]:
    """The fingerprint for each of DIGESTS; None where this host refuses the digest."""
    return {digest: _fingerprint_or_none(der, digest) for digest in DIGESTS}


def _fingerprint_or_none(der: bytes, digest: str) -> str | None:
    try:
        return fingerprint(der, digest)
    except PemError:
        return None
