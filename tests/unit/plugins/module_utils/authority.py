# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A certification authority for tests: certificates of all kinds, and files with a mode."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.now(timezone.utc).replace(microsecond=0)
UNENCRYPTED = NoEncryption()


@dataclass
class Issued:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.private()

    def private(self, form=PrivateFormat.PKCS8, encryption=UNENCRYPTED) -> bytes:
        return self.key.private_bytes(Encoding.PEM, form, encryption)

    @property
    def spki(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def issue(
    name,
    issuer=None,
    *,
    names=(),
    ca=False,
    start=-1,
    end=90,
    key=None,
    usage=ExtendedKeyUsageOID.SERVER_AUTH,
    constraints=True,
):
    """A certificate for a subject, self-signed without issuer, that is valid from start to end (days from now)."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=start))
        .not_valid_after(NOW + timedelta(days=end))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False)
    )
    if constraints:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(item) for item in names]), False)
    if not ca and usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
    return Issued(builder.sign(signer, hashes.SHA256()), key)


ROOT = issue("Test root", ca=True)
OTHER_ROOT = issue("Other root", ca=True)
MIDDLE = issue("Test CA", ROOT, ca=True)
LEAF = issue(
    "mx1.example.org", MIDDLE, names=["mx1.example.org", "*.mx.example.org"], key=rsa.generate_private_key(65537, 2048)
)
FULL_CHAIN = LEAF.pem + MIDDLE.pem


def write(path: Path, content: bytes, mode: int = 0o600) -> str:
    """Write a file with this mode. Returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)
