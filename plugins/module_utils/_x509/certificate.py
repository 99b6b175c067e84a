# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PEM, fingerprints in Postfix's notation, and what openssl says about a certificate. Private to mailops.postfix. Pure.

Nothing here needs a cryptography library: a PEM block is base64 round DER, a fingerprint is a hash of that DER, and the
fields of a certificate are read from the output of ``openssl x509`` (1.1.1 and later). Private keys are recognised, but
never decoded.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Iterable, Sequence

DIGESTS = ("md5", "sha1", "sha256", "sha512")

X509_ARGUMENTS = (
    *("-noout", "-subject", "-issuer", "-serial", "-dates", "-pubkey", "-nameopt", "RFC2253,-esc_msb,utf8"),
    *("-ext", "subjectAltName,basicConstraints,subjectKeyIdentifier,authorityKeyIdentifier"),
)
"""What ``openssl x509`` must be asked for so that read_certificate() understands the answer."""

OUTLINE_SCRIPT = (
    *("-e", "/^-----BEGIN [A-Z0-9 ]*CERTIFICATE-----/,/^-----END /{", "-e", "p", "-e", "b", "-e", "}"),
    *("-e", "/^-----BEGIN /p", "-e", "/^Proc-Type:/p"),
)
"""The sed -n script that prints what a PEM file may show: its certificates, and the labels of everything else."""


class PemError(ValueError):
    """A text is not the PEM that it should be; the caller knows which file it came from."""

    def __init__(self, cause: str, remedy: str = "") -> None:
        super().__init__(f"{cause}. {remedy}" if remedy else cause)
        self.cause = cause
        self.remedy = remedy


@dataclass(frozen=True)
class Block:
    """One PEM block. A block without its END line goes on until the next BEGIN, so that an outline can be read too."""

    label: str
    body: tuple[bytes, ...]
    complete: bool
    number: int

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
        """The decoded content; for certificates and public keys only."""
        what = f"PEM block {self.number} ({self.label})"
        if not self.complete:
            raise PemError(f"{what} has no END line: the file is cut off", "Put the whole file there")
        try:
            der = base64.b64decode(b"".join(self.body), validate=True)
        except (binascii.Error, ValueError):
            raise PemError(f"{what} is not base64", "Put an undamaged file there") from None
        tag, content, rest = _tlv(der)
        if tag != _SEQUENCE or rest or not content:
            raise PemError(
                f"{what} is damaged: what it holds is not one whole ASN.1 structure", "Put an undamaged file there"
            )
        return der


def blocks(text: bytes) -> list[Block]:
    """All PEM blocks of a text, in order; what stands between them is comment."""
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


def pem_certificates(text: bytes) -> list[bytes]:
    """The DER of all certificates in a PEM text; an error if there is none."""
    return certificates_of(blocks(text))


def certificates_of(found: Sequence[Block]) -> list[bytes]:
    """The DER of all certificates among blocks; an error if there is none."""
    ders = [block.der for block in found if block.is_certificate]
    if not ders:
        raise PemError("it holds no certificate" + _instead(found), _remedy(found))
    return ders


def public_key(text: bytes) -> bytes | None:
    """The DER (SubjectPublicKeyInfo) of the first PUBLIC KEY block, if there is one."""
    return next((block.der for block in blocks(text) if block.label == "PUBLIC KEY"), None)


def _instead(found: Sequence[Block]) -> str:
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
        return "Give the certificate that the CA made of this request"
    return "Give a certificate in PEM form; 'openssl x509 -inform DER' converts a DER file"


def to_pem(der: bytes, label: str = "CERTIFICATE") -> bytes:
    """One PEM block in its canonical form, so that equal certificates give equal text."""
    body = base64.b64encode(der)
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return b"\n".join(
        [f"-----BEGIN {label}-----".encode("ascii"), *lines, f"-----END {label}-----".encode("ascii"), b""]
    )


# Fingerprints


def fingerprint(der: bytes, digest: str = "sha256") -> str:
    """Hash of a certificate or public key, as Postfix writes it: ``AA:BB:...``."""
    if digest not in hashlib.algorithms_available or digest.startswith("shake"):
        raise PemError(f"no digest is called {digest!r}", "Use one of " + ", ".join(DIGESTS))
    try:
        hashed = hashlib.new(digest, der).hexdigest().upper()
    except ValueError:
        raise PemError(
            f"the digest {digest} is switched off on this machine (FIPS mode?)", "Use sha256 or sha512"
        ) from None
    return ":".join(hashed[start : start + 2] for start in range(0, len(hashed), 2))


def fingerprints(der: bytes) -> dict[str, str | None]:
    """The fingerprint in every digest that Postfix is used with; null where this machine refuses the digest."""
    return {digest: _fingerprint_or_none(der, digest) for digest in DIGESTS}


def _fingerprint_or_none(der: bytes, digest: str) -> str | None:
    try:
        return fingerprint(der, digest)
    except PemError:
        return None


# DER

_INTEGER, _BIT_STRING, _OID, _SEQUENCE = 0x02, 0x03, 0x06, 0x30

_ALGORITHMS = {
    "2a864886f70d010101": "rsa",
    "2a864886f70d01010a": "rsa-pss",
    "2a8648ce3d0201": "ecdsa",
    "2a8648ce380401": "dsa",
    "2b6570": "ed25519",
    "2b6571": "ed448",
}
_CURVES = {
    "2a8648ce3d030107": 256,  # P-256
    "2b81040022": 384,  # P-384
    "2b81040023": 521,  # P-521
    "2b8104000a": 256,  # secp256k1
    "2b2403030208010107": 256,  # brainpoolP256r1
    "2b240303020801010b": 384,  # brainpoolP384r1
    "2b240303020801010d": 512,  # brainpoolP512r1
}


def _tlv(der: bytes) -> tuple[int, bytes, bytes]:
    """The first ASN.1 value: its tag, its content, and what follows; tag -1 if there is no whole value."""
    if len(der) < 2:
        return -1, b"", b""
    length, start = der[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start], "big")
    if len(der) < start + length:
        return -1, b"", b""
    return der[0], der[start : start + length], der[start + length :]


def key_type(spki: bytes) -> tuple[str | None, int | None]:
    """Algorithm (rsa, ecdsa, ed25519 ...) and size in bits of a public key; null where they are not known."""
    algorithm, rest = _tlv(_tlv(spki)[1])[1:]
    tag, oid, parameters = _tlv(algorithm)
    kind = _ALGORITHMS.get(oid.hex()) if tag == _OID else None
    if kind == "ecdsa":
        return kind, _CURVES.get(_tlv(parameters)[1].hex())
    if kind in ("rsa", "rsa-pss"):
        # BIT STRING (no unused bits) of SEQUENCE of modulus, exponent
        modulus = _tlv(_tlv(_tlv(rest)[1][1:])[1])[1]
        return kind, int.from_bytes(modulus, "big").bit_length() or None
    return kind, {"ed25519": 256, "ed448": 456}.get(kind or "")


# Certificates


@dataclass(frozen=True)
class Certificate:
    """One certificate, as far as mail cares."""

    der: bytes
    subject: str
    issuer: str
    names: tuple[str, ...]
    """DNS names: those of subjectAltName, or the common name where it has none (as Postfix does)."""
    not_before: datetime
    not_after: datetime
    serial: str
    public_key: bytes
    authority: bool | None
    """What basicConstraints says: a CA or not; null if it says nothing."""
    subject_key_id: str
    authority_key_id: str

    @property
    def self_issued(self) -> bool:
        return self.subject == self.issuer


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HOSTNAME = re.compile(
    r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*"
)


def read_certificate(der: bytes, output: bytes) -> Certificate:
    """A certificate from its DER and from what ``openssl x509`` said when asked with X509_ARGUMENTS."""
    text = output.decode("utf-8", "surrogateescape")
    lines = [line.rstrip() for line in text.split("\n")]
    fields: dict[str, str] = {}
    for line in lines:
        key, equals, value = line.partition("=")
        if equals and key in ("subject", "issuer", "serial", "notBefore", "notAfter"):
            fields.setdefault(key, value.strip())
    spki = public_key(output)
    if spki is None or len(fields) != 5:
        raise PemError("openssl did not say all about the certificate", "OpenSSL 1.1.1 or later is needed")

    def extension(title: str) -> str:
        for number, line in enumerate(lines[:-1]):
            if line.startswith(f"X509v3 {title}:"):
                return lines[number + 1].strip()
        return ""

    names = re.findall(r"(?:^|, )DNS:([^\s,]+)", extension("Subject Alternative Name"))
    common_name = re.search(r"(?:^|[,+])CN=((?:\\.|[^\\,+])*)", fields["subject"])
    if not names and common_name and _HOSTNAME.fullmatch(common_name.group(1)):
        names = [common_name.group(1)]
    constraints = re.search(r"\bCA:(TRUE|FALSE)\b", extension("Basic Constraints"))
    key_id = re.compile(r"(?:^|keyid:)((?:[0-9A-F]{2}:)+[0-9A-F]{2})")
    subject_key_id = key_id.search(extension("Subject Key Identifier"))
    authority_key_id = key_id.search(extension("Authority Key Identifier"))
    return Certificate(
        der=der,
        subject=fields["subject"],
        issuer=fields["issuer"],
        names=tuple(dict.fromkeys(names)),
        not_before=_instant(fields["notBefore"]),
        not_after=_instant(fields["notAfter"]),
        serial=fields["serial"],
        public_key=spki,
        authority=constraints.group(1) == "TRUE" if constraints else None,
        subject_key_id=subject_key_id.group(1) if subject_key_id else "",
        authority_key_id=authority_key_id.group(1) if authority_key_id else "",
    )


def _instant(text: str) -> datetime:
    """``Nov 23 01:40:44 2026 GMT``; not with strptime(), whose month names follow the locale."""
    match = re.fullmatch(r"([A-Z][a-z]{2}) +(\d+) (\d+):(\d+):(\d+)(?:\.\d+)? (\d+) GMT", text)
    if match is None or match.group(1) not in _MONTHS:
        raise PemError(f"openssl wrote a date that cannot be read: {text!r}")
    day, hour, minute, second, year = (int(part) for part in match.groups()[1:])
    return datetime(year, _MONTHS.index(match.group(1)) + 1, day, hour, minute, second, tzinfo=timezone.utc)


def iso8601(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def certificate_facts(certificate: Certificate) -> dict[str, Any]:
    """What the certificate module returns."""
    kind, bits = key_type(certificate.public_key)
    return {
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "names": list(certificate.names),
        "not_before": iso8601(certificate.not_before),
        "not_after": iso8601(certificate.not_after),
        "serial": certificate.serial,
        "key_type": kind,
        "key_bits": bits,
        "fingerprint": fingerprints(certificate.der),
        "public_key_fingerprint": fingerprints(certificate.public_key),
    }


def facts_unread(der: bytes) -> dict[str, Any]:
    """The same for a certificate that openssl cannot read: its fingerprint is all that is known."""
    unknown: dict[str, Any] = dict.fromkeys(("subject", "issuer", "not_before", "not_after", "serial"))
    unknown.update(names=[], key_type=None, key_bits=None)
    return dict(unknown, fingerprint=fingerprints(der), public_key_fingerprint=dict.fromkeys(DIGESTS))


def facts_to_come(
    subject: str, names: Sequence[str], kind: str | None, bits: int | None, spki: bytes | None
) -> dict[str, Any]:
    """The same for a self-signed certificate that is still to be made: what cannot be known yet is null."""
    unknown: dict[str, str | None] = dict.fromkeys(DIGESTS)
    return {
        "subject": subject,
        "issuer": subject,
        "names": list(names),
        "not_before": None,
        "not_after": None,
        "serial": None,
        "key_type": kind,
        "key_bits": bits,
        "fingerprint": dict(unknown),
        "public_key_fingerprint": dict(unknown) if spki is None else fingerprints(spki),
    }


# Checks


def to_ascii(hostname: str) -> str:
    """A host name as certificates hold it: lower case, without the root's dot, internationalised labels as A-labels."""
    hostname = hostname[:-1] if hostname.endswith(".") else hostname
    try:
        return hostname.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return hostname.lower()


def is_hostname(hostname: str) -> bool:
    """Whether it can stand in a certificate: letters, digits, hyphens; ``*`` as a whole left-most label."""
    return len(hostname) <= 253 and _HOSTNAME.fullmatch(hostname) is not None


def covers(names: Iterable[str], hostname: str) -> bool:
    """RFC 6125: equal without regard to case; a wildcard stands for exactly one label, the left-most."""
    wanted = to_ascii(hostname)
    first, dot, rest = wanted.partition(".")
    wildcard = f"*.{rest}" if dot and first else wanted
    return any(to_ascii(name) in (wanted, wildcard) for name in names)


def uncovered(names: Sequence[str], hostnames: Iterable[str]) -> list[str]:
    return [hostname for hostname in hostnames if not covers(names, hostname)]


def validity_problem(certificate: Certificate, now: datetime) -> str:
    """Why the certificate is not valid now; empty if it is."""
    if now > certificate.not_after:
        return f"it expired on {iso8601(certificate.not_after)}"
    if now < certificate.not_before:
        return f"it is not valid before {iso8601(certificate.not_before)} (is this host's clock right?)"
    return ""


def remaining(certificate: Certificate, now: datetime) -> float:
    """How much of its life is left, from 1 to 0."""
    life = (certificate.not_after - certificate.not_before).total_seconds()
    left = (certificate.not_after - now).total_seconds()
    return round(min(1.0, max(0.0, left / life)), 3) if life > 0 else 0.0


def issued_by(certificate: Certificate, issuer: Certificate) -> bool:
    if certificate.issuer != issuer.subject:
        return False
    ids = (certificate.authority_key_id, issuer.subject_key_id)
    return not all(ids) or ids[0] == ids[1]


def order_problem(chain: Sequence[Certificate]) -> str:
    """What is wrong with the order leaf, its issuer, that one's issuer ...; empty if it is right."""
    for position, (certificate, following) in enumerate(zip(chain, chain[1:]), start=2):
        if issued_by(certificate, following):
            continue
        if certificate.der == following.der:
            return f"certificate {position} is the same as the one before it"
        if any(issued_by(certificate, other) for other in chain):
            what = (
                f"certificate {position} ({following.subject}) did not issue the one before it ({certificate.subject})"
            )
            return f"wrong order: {what}"
        if certificate.issuer == following.subject:
            return (
                f"certificate {position} is {following.subject}, but another one of this name issued the one before it"
            )
        return (
            f"certificate {position} is {following.subject}, but the one before it was issued by {certificate.issuer}"
        )
    return ""


def verify_problem(output: bytes) -> str:
    """Why ``openssl verify`` said no, from its two outputs."""
    text = output.decode("utf-8", "replace")
    reasons = re.findall(r"error \d+ at (\d+) depth lookup: ?([^\n]*)", text)
    if reasons:
        return "; ".join(dict.fromkeys(f"{reason.strip()} (at depth {depth})" for depth, reason in reasons))
    return " ".join(text.split()) or "openssl verify failed without a word"


# Writing


def self_signed_configuration(common_name: str, names: Sequence[str]) -> bytes:
    """The openssl configuration for a certificate that serves both roles and is no CA."""
    lines = [
        "[req]",
        "prompt = no",
        "utf8 = yes",
        "string_mask = utf8only",
        "distinguished_name = subject",
        "x509_extensions = extensions",
        "[subject]",
        f"CN = {common_name}",
        "[extensions]",
        "basicConstraints = critical, CA:FALSE",
        "keyUsage = critical, digitalSignature",
        "extendedKeyUsage = serverAuth, clientAuth",
        "subjectKeyIdentifier = hash",
        "subjectAltName = @names",
        "[names]",
        *(f"DNS.{number} = {name}" for number, name in enumerate(names, start=1)),
        "",
    ]
    return "\n".join(lines).encode()


def bundle_text(header: str, ders: Iterable[bytes]) -> bytes:
    """A CA file: a line that says whose it is, then the certificates."""
    return b"".join([f"# {header}\n".encode(), *(to_pem(der) for der in ders)])


def listing(text: bytes) -> str:
    """A CA file as a diff shows it: a line for each certificate instead of twenty."""
    try:
        return "".join(
            f"certificate with SHA-256 {fingerprint(block.der)}\n" for block in blocks(text) if block.is_certificate
        )
    except PemError as error:
        return f"(damaged: {error})\n"
