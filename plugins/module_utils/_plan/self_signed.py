# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans for self-signed certificates. Private to mailops.postfix.

Only openssl reads private keys: this process never does. It compares public keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

from .._errors import HostError
from .._host import openssl
from .._host.instance import Instance
from .._x509 import certificate as x509
from .._x509 import pem
from .._x509.certificate import Certificate
from .._x509.pem import PemError
from . import chain_file
from .certificate_options import CertificateOptions
from .chain_file import Deployment
from .plan import Change, Plan

CURVES = {256: "P-256", 384: "P-384", 521: "P-521"}
DEFAULT_BITS = {"ecdsa": 256, "rsa": 2048}


def self_signed(instance: Instance, options: CertificateOptions) -> Deployment:
    """The deployment of a private key that is generated on the host, and of a certificate that it signs, in one chain file.

    The next key and its certificate are in a second file, whose name ends in ``.next``.

    :raises DeclarationError: if the options contradict each other, or a file exists that this module has not written.
    """
    request = _request(instance, options)
    path = chain_file.chain_file(instance, options) or ""
    next_path, wish = f"{path}.next", options.next_key

    current, prepared = _existing(instance, path), _existing(instance, next_path)
    switches = wish == "switch" and prepared.stale != "missing"
    if switches and prepared.key is None:
        openssl.refuse_file(
            next_path,
            f"the next key cannot be used: {prepared.stale}",
            "Prepare another with next_key: prepare, and have peers pin it before the switch",
        )
    if switches:
        deployment = _chain(request, path, next_path, prepared, stale="the next key replaces the current one")
    else:
        # With a next key, key_type and key_bits apply to that one: the current key stays until the switch.
        has_next = wish == "prepare" or (wish != "discard" and prepared.key is not None)
        deployment = _chain(request, path, path, current if has_next else _of_wanted_type(request, current))
    if switches or (wish == "discard" and prepared.stale != "missing"):
        deployment.plan.changes.append(Change(next_path, None, b"", secret=True))
    elif wish == "prepare":
        following = _chain(request, next_path, next_path, _of_wanted_type(request, prepared))
        deployment.plan.changes += following.plan.changes
        deployment.next_facts = following.facts
    elif prepared.key is not None:
        deployment.next_facts = _facts(request, prepared)
    return deployment


@dataclass(frozen=True)
class _Request:
    """The declared properties of a certificate and its key."""

    instance: Instance
    options: CertificateOptions
    names: Sequence[str]
    kind: str | None
    bits: int | None


def _request(instance: Instance, options: CertificateOptions) -> _Request:
    name = options.name
    chain_file.refuse_file_options(options)
    if options.directory:
        raise options.refusal(
            "directory is not an option of provider self_signed", "Remove directory, and set chain_file instead"
        )
    if options.verify == "chain":
        raise options.refusal(
            "verify: chain fails for every self-signed certificate, since no CA has issued it", "Remove verify"
        )
    if len(name) > 64:
        raise options.refusal(
            "name: a common name has at most 64 characters",
            "Set name to a shorter one, and list the long one in hostnames",
        )
    if options.days < 1:
        raise options.refusal(f"days: {options.days} is not a valid number of days", "Set days to 1 or more")
    names = [x509.to_ascii(hostname) for hostname in options.hostnames or [name]]
    for hostname in names:
        if not x509.is_certificate_name(hostname):
            raise options.refusal(f"{hostname!r} is not a valid host name", "Correct hostnames")
    return _Request(instance, options, names, *_wanted_key(options))


def _chain(request: _Request, path: str, source: str, existing: _Existing, stale: str = "") -> Deployment:
    """The chain file at a path, with the key at source if that can be used.

    :param existing: the content of the file at source.
    :param stale: why the file at path must be written even if the file at source is as declared.
    """
    instance, key, current, reason = request.instance, existing.key, existing.certificate, existing.stale
    if not reason and current is not None:
        missing = ", ".join(x509.uncovered(current.names, request.names))
        reason = f"does not cover {missing}" if missing else _renewal_reason(current, request.options.renew_below)
    if reason and not request.options.reuse_key and source == path:
        key = None
    kept = current if not reason else None
    facts = _facts(request, _Existing("", key, kept))
    staged: dict[str, str] = {}

    def make(new: str) -> None:
        staged[path] = new
        if key is None:
            instance.run("openssl", "genpkey", *_genpkey(*_new_key(request)), "-out", new)
        else:
            instance.run("openssl", "pkey", "-in", source, *openssl.NO_PASSPHRASE, "-out", new)
        if kept is not None:
            chain_file.append(new, [kept.der])
            return
        signed = instance.run(
            *("openssl", "req", "-x509", "-new", "-key", new, *openssl.NO_PASSPHRASE),
            *("-days", str(request.options.days), "-config", "/dev/stdin"),
            stdin=x509.self_signed_configuration(request.options.name, request.names),
        )
        ders = pem.certificates(signed.stdout)
        chain_file.append(new, ders)
        # These facts were not known when the plan was made: add them to its result.
        facts.update(chain_file.facts(openssl.examine(instance, ders[0])))

    change = chain_file.secret_file(path, make, stale or reason)
    return Deployment(
        request.options,
        Plan([change], requires="reload" if change.rewrites else "none"),
        facts,
        None,
        chain_file.parameters(request.options, [path]),
        path,
        request.names,
        [kept.der] if kept is not None else None,
        key,
        new_key=key is None or source != path,
        staged=staged,
    )


def _facts(request: _Request, existing: _Existing) -> dict[str, Any]:
    """The facts of a certificate; of one that does not exist yet they are None where unknown."""
    current, key = existing.certificate, existing.key
    if current is not None:
        return chain_file.facts(current)
    kind, bits = x509.key_type(key) if key else _new_key(request)
    return dict(
        x509.planned_certificate_facts(f"CN={request.options.name}", request.names, kind, bits, spki=key),
        remaining=None,
    )


def _new_key(request: _Request) -> tuple[str, int]:
    kind = request.kind or "ecdsa"
    return kind, request.bits or DEFAULT_BITS[kind]


def _of_wanted_type(request: _Request, existing: _Existing) -> _Existing:
    """The same content, or, if its key does not have the declared type and size, only the reason why it can't be used."""
    if existing.key is None:
        return existing
    has_kind, has_bits = x509.key_type(existing.key)
    if request.kind in (None, has_kind) and request.bits in (None, has_bits):
        return existing
    return _Existing(f"its key is {has_kind} {has_bits}")


def _renewal_reason(current: Certificate, renew_below: float) -> str:
    """Why a certificate must be renewed; empty if it need not be."""
    now = openssl.now()
    remaining = x509.remaining(current, now)
    if remaining < renew_below and not x509.validity_problem(current, now):
        return f"it expires on {x509.iso8601(current.not_after)}, {remaining:.0%} of its lifetime is left"
    return x509.validity_problem(current, now)


def _wanted_key(options: CertificateOptions) -> tuple[str | None, int | None]:
    kind, bits = options.key_type, options.key_bits
    if bits is None:
        return kind, None
    kind = kind or ("ecdsa" if bits in CURVES else "rsa")
    if kind == "ecdsa" and bits not in CURVES:
        raise options.refusal(
            f"key_bits: {bits} is not a valid size of an ECDSA key", "Set key_bits to 256, 384 or 521"
        )
    if kind == "rsa" and not 2048 <= bits <= 16384:
        raise options.refusal(f"key_bits: peers reject RSA keys of {bits} bits", "Set key_bits to 2048, 3072 or 4096")
    return kind, bits


def _genpkey(kind: str, bits: int) -> Sequence[str]:
    if kind == "rsa":
        return ("-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}")
    return ("-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{CURVES[bits]}", "-pkeyopt", "ec_param_enc:named_curve")


@dataclass(frozen=True)
class _Existing:
    """The content of the file for a self-signed certificate."""

    stale: str
    """Why it can't be used as it is; empty if it can."""
    key: bytes | None = None
    """The public key of a private key that can be used."""
    certificate: Certificate | None = None
    """A certificate for this key."""


def _existing(instance: Instance, path: str) -> _Existing:
    """Read the file.

    :raises DeclarationError: if this module can't have written it; it is then neither used nor replaced.
    """
    blocks = openssl.outline(instance, path)
    if blocks is None:
        return _Existing("missing")
    status = openssl.status(path)
    if status is not None and status.st_size == 0:
        return _Existing("empty")
    replaced = "provider self_signed would replace it"
    remedy = "Set chain_file to another path, or use provider: files"
    keys = [block for block in blocks if block.is_private_key]
    if not keys:
        openssl.refuse_file(path, f"the file exists and has no private key: {replaced}", remedy)
    if keys[0].is_encrypted:
        openssl.refuse_file(path, f"the file exists and its private key is encrypted: {replaced}", remedy)
    key = openssl.public_half(instance, path)
    if key is None:
        return _Existing("its private key cannot be read")
    try:
        ders = [block.der for block in blocks if block.is_certificate]
    except PemError:
        return _Existing("its certificate is damaged", key)
    if not ders:
        return _Existing("it has no certificate", key)
    try:
        current = openssl.examine(instance, ders[0])
    except (HostError, PemError):
        return _Existing("its certificate is damaged", key)
    if len(ders) > 1 or not current.self_issued:
        openssl.refuse_file(
            path, f"the file exists and has a certificate that {current.issuer} issued: {replaced}", remedy
        )
    if current.public_key != key:
        return _Existing("its certificate belongs to another key", key)
    if not blocks[0].is_private_key:
        return _Existing("its key does not come first", key, current)
    return _Existing("", key, current)
