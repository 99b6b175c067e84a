# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What openssl reports about a certificate: its names, validity and place in a chain. Private to mailops.postfix. Pure.

No cryptography library is needed: the fields of a certificate are read from the output of ``openssl x509`` (1.1.1 and
later), and the type of its public key from the DER.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Iterable, Sequence

from .pem import DIGESTS, PemError, asn1_value, fingerprints_by_digest, public_key

X509_ARGUMENTS = (
    *("-noout", "-subject", "-issuer", "-serial", "-dates", "-pubkey", "-nameopt", "RFC2253,-esc_msb,utf8"),
    *("-ext", "subjectAltName,basicConstraints,subjectKeyIdentifier,authorityKeyIdentifier"),
)
"""The arguments of ``openssl x509`` whose output read_certificate() parses."""

_OID = 0x06  # ASN.1 tag
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


def key_type(spki: bytes) -> tuple[str | None, int | None]:
    """Algorithm (rsa, ecdsa, ed25519 ...) and size in bits of a public key (SubjectPublicKeyInfo); None where unknown."""
    algorithm, rest = asn1_value(asn1_value(spki)[1])[1:]
    tag, oid, parameters = asn1_value(algorithm)
    kind = _ALGORITHMS.get(oid.hex()) if tag == _OID else None
    if kind == "ecdsa":
        return kind, _CURVES.get(asn1_value(parameters)[1].hex())
    if kind in ("rsa", "rsa-pss"):
        # BIT STRING (no unused bits) of SEQUENCE of modulus, exponent
        modulus = asn1_value(asn1_value(asn1_value(rest)[1][1:])[1])[1]
        return kind, int.from_bytes(modulus, "big").bit_length() or None
    return kind, {"ed25519": 256, "ed448": 456}.get(kind or "")


# Certificates


@dataclass(frozen=True)
class Certificate:
    """The fields of a certificate that matter for mail."""

    der: bytes
    subject: str
    issuer: str
    names: tuple[str, ...]
    """DNS names: those of subjectAltName, or the common name if it has none (as in Postfix)."""
    not_before: datetime
    not_after: datetime
    serial: str
    public_key: bytes
    authority: bool | None
    """Whether it is a CA, according to basicConstraints; None without this extension."""
    subject_key_id: str
    authority_key_id: str

    @property
    def self_issued(self) -> bool:
        return self.subject == self.issuer


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CERTIFICATE_NAME = re.compile(
    r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*"
)


def read_certificate(der: bytes, output: bytes) -> Certificate:
    """A certificate from its DER and the output of ``openssl x509`` with X509_ARGUMENTS.

    :raises PemError: if the output is incomplete.
    """
    text = output.decode("utf-8", "surrogateescape")
    lines = [line.rstrip() for line in text.split("\n")]
    fields: dict[str, str] = {}
    for line in lines:
        key, equals, value = line.partition("=")
        if equals and key in ("subject", "issuer", "serial", "notBefore", "notAfter"):
            fields.setdefault(key, value.strip())
    spki = public_key(output)
    if spki is None or len(fields) != 5:
        raise PemError("the output of openssl x509 is incomplete", "Install OpenSSL 1.1.1 or later")

    def extension(title: str) -> str:
        for number, line in enumerate(lines[:-1]):
            if line.startswith(f"X509v3 {title}:"):
                return lines[number + 1].strip()
        return ""

    names = re.findall(r"(?:^|, )DNS:([^\s,]+)", extension("Subject Alternative Name"))
    common_name = re.search(r"(?:^|[,+])CN=((?:\\.|[^\\,+])*)", fields["subject"])
    if not names and common_name and _CERTIFICATE_NAME.fullmatch(common_name.group(1)):
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
    """A time such as ``Nov 23 01:40:44 2026 GMT``. strptime() is not used because its month names depend on the locale."""
    match = re.fullmatch(r"([A-Z][a-z]{2}) +(\d+) (\d+):(\d+):(\d+)(?:\.\d+)? (\d+) GMT", text)
    if match is None or match.group(1) not in _MONTHS:
        raise PemError(f"the output of openssl x509 contains an invalid date: {text!r}")
    day, hour, minute, second, year = (int(part) for part in match.groups()[1:])
    return datetime(year, _MONTHS.index(match.group(1)) + 1, day, hour, minute, second, tzinfo=timezone.utc)


def iso8601(instant: datetime) -> str:
    """A time in UTC as ``YYYY-MM-DDTHH:MM:SSZ``."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def certificate_facts(certificate: Certificate) -> dict[str, Any]:
    """The facts about a certificate that the certificate module returns."""
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
        "fingerprint": fingerprints_by_digest(certificate.der),
        "public_key_fingerprint": fingerprints_by_digest(certificate.public_key),
    }


def planned_certificate_facts(
    subject: str, names: Sequence[str], kind: str | None, bits: int | None, spki: bytes | None
) -> dict[str, Any]:
    """The same facts for a self-signed certificate that is not issued yet: what is not known yet is None."""
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
        "public_key_fingerprint": dict(unknown) if spki is None else fingerprints_by_digest(spki),
    }


# Checks


def to_ascii(hostname: str) -> str:
    """A host name as in certificates: lower case, without the final dot, internationalized labels as A-labels (RFC 5890)."""
    hostname = hostname[:-1] if hostname.endswith(".") else hostname
    try:
        return hostname.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return hostname.lower()


def is_certificate_name(name: str) -> bool:
    """Whether a name is valid as a DNS name in a certificate. The left-most label may be ``*``."""
    return len(name) <= 253 and _CERTIFICATE_NAME.fullmatch(name) is not None


def covers(names: Iterable[str], hostname: str) -> bool:
    """Whether one of the names matches the host name (RFC 6125). Case is ignored, and ``*`` matches one left-most label."""
    wanted = to_ascii(hostname)
    first, dot, rest = wanted.partition(".")
    wildcard = f"*.{rest}" if dot and first else wanted
    return any(to_ascii(name) in (wanted, wildcard) for name in names)


def uncovered(names: Sequence[str], hostnames: Iterable[str]) -> list[str]:
    """The host names that none of the names matches."""
    return [hostname for hostname in hostnames if not covers(names, hostname)]


def validity_problem(certificate: Certificate, now: datetime) -> str:
    """Why the certificate is not valid now; empty if it is."""
    if now > certificate.not_after:
        return f"it expired on {iso8601(certificate.not_after)}"
    if now < certificate.not_before:
        return f"it is not valid before {iso8601(certificate.not_before)} (is this host's clock right?)"
    return ""


def remaining(certificate: Certificate, now: datetime) -> float:
    """The fraction of its lifetime that remains, from 1 to 0."""
    lifetime = (certificate.not_after - certificate.not_before).total_seconds()
    rest = (certificate.not_after - now).total_seconds()
    return round(min(1.0, max(0.0, rest / lifetime)), 3) if lifetime > 0 else 0.0


def issued_by(certificate: Certificate, issuer: Certificate) -> bool:
    """Whether the names, and the key identifiers where both have one, fit."""
    if certificate.issuer != issuer.subject:
        return False
    ids = (certificate.authority_key_id, issuer.subject_key_id)
    return not all(ids) or ids[0] == ids[1]


def order_problem(chain: Sequence[Certificate]) -> str:
    """Why a chain is not in the order leaf, its issuer, the issuer of that ...; empty if it is."""
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
            return f"certificate {position} is {following.subject}, but a different certificate with this name issued the one before it"
        return (
            f"certificate {position} is {following.subject}, but the one before it was issued by {certificate.issuer}"
        )
    return ""


def verify_problem(output: bytes) -> str:
    """Why ``openssl verify`` failed, from its standard error and output."""
    text = output.decode("utf-8", "replace")
    reasons = re.findall(r"error \d+ at (\d+) depth lookup: ?([^\n]*)", text)
    if reasons:
        return "; ".join(dict.fromkeys(f"{reason.strip()} (at depth {depth})" for depth, reason in reasons))
    return " ".join(text.split()) or "openssl verify failed without an error message"


# Writing


def self_signed_configuration(common_name: str, names: Sequence[str]) -> bytes:
    """The openssl configuration for a certificate for TLS servers and clients that is not a CA."""
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
