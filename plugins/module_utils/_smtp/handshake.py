# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server sends in the TLS handshake, as openssl-s_client(1) prints it. Private to mailops.postfix.

Python's ssl module gives neither the group of the key exchange nor the algorithm of the server's signature, nor whether the server requested
a client certificate, nor (before 3.13) the chain.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Sequence

from .._formats.lines import to_text
from .._host.runner import Runner
from .._x509 import pem
from .._x509.pem import PemError

_GROUP = re.compile(
    r"^(?:Negotiated TLS1\.3 group|(?:Server|Peer) Temp Key): (?:ECDH, )?([^,\n]+)(?:, (\d+) bits)?", re.M
)
_SIGNATURE = re.compile(r"^Peer signature type: (\S+)", re.M)
_DIGEST = re.compile(r"^Peer signing digest: SHA(\d+)$", re.M)
_REQUEST = re.compile(r"^(?:Requested Signature Algorithms|Client Certificate Types): ", re.M)
_SESSION = re.compile(r"^(TLS\S+), Cipher is (?!\(NONE\))")

# The names that Postfix logs.
_GROUPS = {"prime256v1": "P-256", "secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}

# Before OpenSSL 3.5, s_client(1) prints the type of the signature; from then on, IANA's name.
_SIGNATURES = {
    "RSA": "rsa_pkcs1_sha{}",
    "RSA-PSS": "rsa_pss_rsae_sha{}",
    "DSA": "dsa_sha{}",
    "Ed25519": "ed25519",
    "Ed448": "ed448",
}
_CURVES = {"1": "", "224": "", "256": "secp256r1_", "384": "secp384r1_", "512": "secp521r1_"}


@dataclass(frozen=True)
class Handshake:
    """What the server has sent; None is unknown."""

    chain: tuple[bytes, ...] = ()
    """The certificates in the order in which the server sent them, in DER."""
    key_exchange: str | None = None
    signature: str | None = None
    client_certificate_requested: bool | None = None


def observe(run: Runner, arguments: Sequence[str], seconds: float) -> Handshake:
    """Have s_client(1) connect to a server, and end after the handshake.

    :param arguments: those of s_client(1) that say where and how.
    :param seconds: after which it is ended.
    :raises HostError: if openssl(1) is not installed; never because of the server.
    """
    # Without the system's CAs, which take longer to read than all else and are not needed.
    options = ("-showcerts", "-prexit", "-no-CAfile", "-no-CApath")
    done = run(("timeout", str(math.ceil(seconds)), "openssl", "s_client", *arguments, *options), b"")
    return read(to_text(done.stdout))


def read(output: str) -> Handshake:
    """Parse the output of s_client(1) with -showcerts."""
    # With -prexit all of it is there twice, except the error of a handshake that has failed.
    _head, _title, rest = output.partition("\nCertificate chain\n")
    certificates, _title, rest = rest.partition("\nServer certificate\n")
    try:
        chain = tuple(pem.certificates(certificates.encode("utf-8", "surrogateescape")))
    except PemError:
        chain = ()
    # What follows the name of the cipher may be data of the server.
    facts, _title, rest = rest.partition("\nNew, ")
    session = _SESSION.match(rest)
    if session is None:
        return Handshake(chain)
    return Handshake(chain, _key_exchange(facts, session.group(1)), _signature(facts), bool(_REQUEST.search(facts)))


def _key_exchange(facts: str, protocol: str) -> str | None:
    found = _GROUP.search(facts)
    if found is None:
        # TLS 1.3 always has a group.
        return None if protocol == "TLSv1.3" else "RSA"
    name, bits = found.groups()
    return f"DH-{bits}" if name == "DH" else _GROUPS.get(name, name)


def _signature(facts: str) -> str | None:
    kind, digest = _SIGNATURE.search(facts), _DIGEST.search(facts)
    # Versions before TLS 1.2 do not name the algorithm.
    if kind is None or kind.group(1) == "rsa_pkcs1_md5_sha1":
        return None
    name, bits = kind.group(1), digest.group(1) if digest else ""
    if name == "ECDSA":
        return f"ecdsa_{_CURVES[bits]}sha{bits}" if bits in _CURVES else None
    if name not in _SIGNATURES:
        return name
    pattern = _SIGNATURES[name]
    return pattern.format(bits) if bits or "{}" not in pattern else None
