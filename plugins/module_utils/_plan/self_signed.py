# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans for self-signed certificates. Private to mailops.postfix.

Only openssl reads private keys: this process never does. It compares public keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from .._errors import DeclarationError, HostError
from .._host import openssl
from .._host.instance import Instance
from .._x509 import certificate as certificate_x509
from .._x509 import pem
from .._x509.certificate import Certificate
from .._x509.pem import PemError
from . import chain_file
from .chain_file import Deployment
from .plan import Change, Plan

RENEW_BELOW = 0.33
"""The fraction of its lifetime below which a certificate is renewed."""

CURVES = {256: "P-256", 384: "P-384", 521: "P-521"}
DEFAULT_BITS = {"ecdsa": 256, "rsa": 2048}

NEXT = ("keep", "prepare", "switch", "discard")
"""The values of the option next_key."""


def self_signed(instance: Instance, name: str, options: Mapping[str, Any]) -> Deployment:
    """The deployment of a private key that is generated on the host, and of a certificate that it signs, in one chain file.

    The next key and its certificate are in a second file, whose name ends in ``.next``.

    :raises DeclarationError: if the options contradict each other, or a file exists that this module has not written.
    """
    request = _request(instance, name, options)
    path = chain_file.chain_file(instance, {**options, "sni": True}) or ""
    next_path = f"{path}.next"
    wish = options.get("next_key", "keep")

    current, prepared = _existing(instance, path), _existing(instance, next_path)
    switches = wish == "switch" and prepared.stale != "missing"
    if switches and prepared.key is None:
        openssl.refuse_file(
            next_path,
            f"the next key cannot be used: {prepared.stale}",
            "Prepare another with next_key: prepare, and have peers pin it before the switch",
        )
    if switches:
        chain = _chain(request, path, next_path, prepared, stale="the next key replaces the current one")
    else:
        # With a next key, key_type and key_bits apply to that one: the current key stays until the switch.
        has_next = wish == "prepare" or (wish != "discard" and prepared.key is not None)
        chain = _chain(request, path, path, current if has_next else _of_wanted_type(request, current))
    changes, facts_of_next = [chain.change], None
    if switches or (wish == "discard" and prepared.stale != "missing"):
        changes.append(Change(next_path, None, b"", secret=True))
    elif wish == "prepare":
        following = _chain(request, next_path, next_path, _of_wanted_type(request, prepared))
        changes.append(following.change)
        facts_of_next = following.facts
    elif prepared.key is not None:
        facts_of_next = _facts(request, prepared)

    plan = Plan(
        changes=changes,
        result={
            "certificate": chain.facts,
            "next": facts_of_next,
            "parameters": chain_file.parameters(options, [path]),
            "files": {"chain_file": path, "certificate": None, "private_key": None},
        },
        requires="reload" if chain.change.rewrites else "none",
    )
    return Deployment(options, plan, path, path, request.names, chain.ders, chain.key, chain.staged)


@dataclass(frozen=True)
class _Request:
    """The declared properties of a certificate and its key."""

    instance: Instance
    name: str
    names: Sequence[str]
    kind: str | None
    bits: int | None
    days: int
    renew_below: float
    reuse_key: bool


def _request(instance: Instance, name: str, options: Mapping[str, Any]) -> _Request:
    chain_file.refuse_file_options(name, options)
    if options.get("directory"):
        raise DeclarationError(
            "managing certificate",
            name,
            "directory is not an option of provider self_signed",
            "Remove directory, and set chain_file instead",
        )
    if options["verify"] == "chain":
        raise DeclarationError(
            "managing certificate",
            name,
            "verify: chain fails for every self-signed certificate, since no CA has issued it",
            "Remove verify",
        )
    if len(name) > 64:
        raise DeclarationError(
            "managing certificate",
            name,
            "name: a common name has at most 64 characters",
            "Set name to a shorter one, and list the long one in hostnames",
        )
    if options["days"] < 1:
        raise DeclarationError(
            "managing certificate",
            name,
            f"days: {options['days']} is not a valid number of days",
            "Set days to 1 or more",
        )
    names = [certificate_x509.to_ascii(hostname) for hostname in options["hostnames"] or [name]]
    for hostname in names:
        if not certificate_x509.is_certificate_name(hostname):
            raise DeclarationError(
                "managing certificate", name, f"{hostname!r} is not a valid host name", "Correct hostnames"
            )
    kind, bits = _wanted_key(name, options)
    renew_below, reuse_key = options.get("renew_below", RENEW_BELOW), options.get("reuse_key", True)
    return _Request(instance, name, names, kind, bits, options["days"], renew_below, reuse_key)


@dataclass(frozen=True)
class _Chain:
    """The planned chain file with a key and its certificate."""

    change: Change
    facts: dict[str, Any]
    key: bytes | None
    """The public key; None if the key does not exist yet."""
    ders: list[bytes] | None
    """The certificate in DER form; None if it does not exist yet."""
    staged: dict[str, str]


def _chain(request: _Request, path: str, source: str, existing: _Existing, stale: str = "") -> _Chain:
    """The chain file at a path, with the key at source if that can be used.

    :param existing: the content of the file at source.
    :param stale: why the file at path must be written even if the file at source is as declared.
    """
    instance, key, current, reason = request.instance, existing.key, existing.certificate, existing.stale
    if not reason and current is not None:
        missing = ", ".join(certificate_x509.uncovered(current.names, request.names))
        reason = f"does not cover {missing}" if missing else _renewal_reason(current, request.renew_below)
    if reason and not request.reuse_key and source == path:
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
            "openssl",
            "req",
            "-x509",
            "-new",
            "-key",
            new,
            *openssl.NO_PASSPHRASE,
            "-days",
            str(request.days),
            "-config",
            "/dev/stdin",
            stdin=certificate_x509.self_signed_configuration(request.name, request.names),
        )
        ders = pem.certificates(signed.stdout)
        chain_file.append(new, ders)
        # These facts were not known when the plan was made: add them to its result.
        signed_certificate = openssl.examine(instance, ders[0])
        facts.update(
            certificate_x509.certificate_facts(signed_certificate),
            remaining=certificate_x509.remaining(signed_certificate, openssl.now()),
        )

    change = chain_file.secret_file(path, make, stale or reason)
    return _Chain(change, facts, key, [kept.der] if kept is not None else None, staged)


def _facts(request: _Request, existing: _Existing) -> dict[str, Any]:
    """The facts of a certificate, as the module returns them. Facts of a certificate that does not exist yet are None where unknown."""
    current, key = existing.certificate, existing.key
    if current is not None:
        return dict(
            certificate_x509.certificate_facts(current), remaining=certificate_x509.remaining(current, openssl.now())
        )
    kind, bits = certificate_x509.key_type(key) if key else _new_key(request)
    return dict(
        certificate_x509.planned_certificate_facts(f"CN={request.name}", request.names, kind, bits, spki=key),
        remaining=None,
    )


def _new_key(request: _Request) -> tuple[str, int]:
    kind = request.kind or "ecdsa"
    return kind, request.bits or DEFAULT_BITS[kind]


def _of_wanted_type(request: _Request, existing: _Existing) -> _Existing:
    """The same content, or, if its key does not have the declared type and size, only the reason why it can't be used."""
    if existing.key is None:
        return existing
    has_kind, has_bits = certificate_x509.key_type(existing.key)
    if request.kind in (None, has_kind) and request.bits in (None, has_bits):
        return existing
    return _Existing(f"its key is {has_kind} {has_bits}")


def _renewal_reason(current: Certificate, renew_below: float) -> str:
    """Why a certificate must be renewed; empty if it need not be."""
    now = openssl.now()
    remaining = certificate_x509.remaining(current, now)
    if remaining < renew_below and not certificate_x509.validity_problem(current, now):
        return f"it expires on {certificate_x509.iso8601(current.not_after)}, {remaining:.0%} of its lifetime is left"
    return certificate_x509.validity_problem(current, now)


def _wanted_key(name: str, options: Mapping[str, Any]) -> tuple[str | None, int | None]:
    kind, bits = options["key_type"], options["key_bits"]
    if bits is None:
        return kind, None
    kind = kind or ("ecdsa" if bits in CURVES else "rsa")
    if kind == "ecdsa" and bits not in CURVES:
        raise DeclarationError(
            "managing certificate",
            name,
            f"key_bits: {bits} is not a valid size of an ECDSA key",
            "Set key_bits to 256, 384 or 521",
        )
    if kind == "rsa" and not 2048 <= bits <= 16384:
        raise DeclarationError(
            "managing certificate",
            name,
            f"key_bits: peers reject RSA keys of {bits} bits",
            "Set key_bits to 2048, 3072 or 4096",
        )
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
