# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: self-signed certificates. Private to mailops.postfix.

A private key is handled by openssl alone: it is never read into this process, and only its public half is compared.
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
"""The fraction of its life below which a certificate is renewed."""

CURVES = {256: "P-256", 384: "P-384", 521: "P-521"}
DEFAULT_BITS = {"ecdsa": 256, "rsa": 2048}


NEXT = ("keep", "prepare", "switch", "discard")
"""What can be asked of the next key."""


def self_signed(instance: Instance, name: str, options: Mapping[str, Any]) -> Deployment:
    """A key that is made here and never leaves, and a certificate that it signs itself, in one file.

    The next key, where there is one, waits with a certificate of its own in a file beside it.
    """
    request = _request(instance, name, options)
    path = chain_file.chain_file(instance, {**options, "sni": True}) or ""
    next_path = f"{path}.next"
    wish = options.get("next_key", "keep")

    current, prepared = _existing(instance, path), _existing(instance, next_path)
    switches = wish == "switch" and prepared.stale != "missing"
    if switches and prepared.key is None:
        openssl.refuse_file(
            next_path, f"there is no next key to switch to: {prepared.stale}", "Prepare another: next_key: prepare"
        )
    if switches:
        chain = _chain(request, path, next_path, prepared, stale="its next key takes its place")
    else:
        # A key of another type than is wanted now stays until the next one takes its place.
        waits = wish == "prepare" or (wish != "discard" and prepared.key is not None)
        chain = _chain(request, path, path, current if waits else _of_wanted_type(request, current))
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
    """What a certificate shall say, and what key it shall be of."""

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
            "managing certificate", name, "provider self_signed does not take directory", "Set chain_file instead"
        )
    if options["verify"] == "chain":
        raise DeclarationError(
            "managing certificate",
            name,
            "no CA vouches for a self-signed certificate, verify: chain cannot pass",
            "Leave verify out",
        )
    if len(name) > 64:
        raise DeclarationError(
            "managing certificate",
            name,
            "a common name has at most 64 characters",
            "Use a short name, and list the long one in hostnames",
        )
    if options["days"] < 1:
        raise DeclarationError(
            "managing certificate", name, "days: it would have expired at once", "Set days to 1 or more"
        )
    names = [certificate_x509.to_ascii(hostname) for hostname in options["hostnames"] or [name]]
    for hostname in names:
        if not certificate_x509.is_certificate_name(hostname):
            raise DeclarationError(
                "managing certificate", name, f"{hostname!r} is not a host name", "Correct hostnames"
            )
    kind, bits = _wanted_key(name, options)
    renew_below, reuse_key = options.get("renew_below", RENEW_BELOW), options.get("reuse_key", True)
    return _Request(instance, name, names, kind, bits, options["days"], renew_below, reuse_key)


@dataclass(frozen=True)
class _Chain:
    """A file with a key and its certificate, as it shall be."""

    change: Change
    facts: dict[str, Any]
    key: bytes | None
    """Public half of its key; None if that is still to be made."""
    ders: list[bytes] | None
    """Its certificate; None if that is still to be made."""
    staged: dict[str, str]


def _chain(request: _Request, path: str, source: str, existing: _Existing, stale: str = "") -> _Chain:
    """The file at path, made of the key at source if that can go on being used.

    :param existing: what there is at source.
    :param stale: why the file must be made even if what there is at source is as it shall be.
    """
    instance, key, current, why = request.instance, existing.key, existing.certificate, existing.stale
    if not why and current is not None:
        missing = ", ".join(certificate_x509.uncovered(current.names, request.names))
        why = f"does not cover {missing}" if missing else _renewal(current, request.renew_below)
    if why and not request.reuse_key and source == path:
        key = None
    kept = current if not why else None
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
        # What the plan could not know: the result is told what has been made.
        made = openssl.examine(instance, ders[0])
        facts.update(
            certificate_x509.certificate_facts(made), remaining=certificate_x509.remaining(made, openssl.now())
        )

    change = chain_file.secret_file(path, make, stale or why)
    return _Chain(change, facts, key, [kept.der] if kept is not None else None, staged)


def _facts(request: _Request, existing: _Existing) -> dict[str, Any]:
    """What a certificate says; what is not known yet of one that is still to be made is null."""
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
    """What there is, or, where its key is of another type than is wanted, why it can't go on being used."""
    if existing.key is None:
        return existing
    has_kind, has_bits = certificate_x509.key_type(existing.key)
    if request.kind in (None, has_kind) and request.bits in (None, has_bits):
        return existing
    return _Existing(f"its key is {has_kind} {has_bits}")


def _renewal(current: Certificate, renew_below: float) -> str:
    """Why a certificate is to be renewed; empty if it need not be."""
    now = openssl.now()
    remaining = certificate_x509.remaining(current, now)
    if remaining < renew_below and not certificate_x509.validity_problem(current, now):
        return f"it expires on {certificate_x509.iso8601(current.not_after)}, {remaining:.0%} of its life is left"
    return certificate_x509.validity_problem(current, now)


def _wanted_key(name: str, options: Mapping[str, Any]) -> tuple[str | None, int | None]:
    kind, bits = options["key_type"], options["key_bits"]
    if bits is None:
        return kind, None
    kind = kind or ("ecdsa" if bits in CURVES else "rsa")
    if kind == "ecdsa" and bits not in CURVES:
        raise DeclarationError(
            "managing certificate", name, f"there is no ecdsa key of {bits} bits", "key_bits: 256, 384 or 521"
        )
    if kind == "rsa" and not 2048 <= bits <= 16384:
        raise DeclarationError(
            "managing certificate", name, f"peers refuse RSA keys of {bits} bits", "key_bits: 2048, 3072 or 4096"
        )
    return kind, bits


def _genpkey(kind: str, bits: int) -> Sequence[str]:
    if kind == "rsa":
        return ("-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}")
    return ("-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{CURVES[bits]}", "-pkeyopt", "ec_param_enc:named_curve")


@dataclass(frozen=True)
class _Existing:
    """What stands where a self-signed certificate is wanted."""

    stale: str
    key: bytes | None = None
    """Public half of a key that can go on being used."""
    certificate: Certificate | None = None
    """A certificate that belongs to this key."""


def _existing(instance: Instance, path: str) -> _Existing:
    """Look at the file. Only what this module can have made is taken over or replaced; nothing else is touched."""
    blocks = openssl.outline(instance, path)
    if blocks is None:
        return _Existing("missing")
    status = openssl.status(path)
    if status is not None and status.st_size == 0:
        return _Existing("empty")
    foreign = "provider self_signed would replace it"
    remedy = "Set chain_file to another path, or use provider files"
    keys = [block for block in blocks if block.is_private_key]
    if not keys:
        openssl.refuse_file(path, f"there is a file already, without a private key: {foreign}", remedy)
    if keys[0].is_encrypted:
        openssl.refuse_file(path, f"there is a file already, its private key is encrypted: {foreign}", remedy)
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
        openssl.refuse_file(path, f"there is a certificate already that {current.issuer} issued: {foreign}", remedy)
    if current.public_key != key:
        return _Existing("its certificate is another key's", key)
    if not blocks[0].is_private_key:
        return _Existing("its key does not come first", key, current)
    return _Existing("", key, current)
