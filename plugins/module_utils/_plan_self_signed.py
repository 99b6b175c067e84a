# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: self-signed certificates. Private to mailops.postfix.

A private key is handled by openssl alone: it is never read into this process, and only its public half is compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from ansible_collections.mailops.postfix.plugins.module_utils import _certificate, _pem_files, _plan_chain_file
from ansible_collections.mailops.postfix.plugins.module_utils._certificate import Certificate, PemError
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, HostError
from ansible_collections.mailops.postfix.plugins.module_utils._instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan_chain_file import Deployment
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import Plan

RENEW_BELOW = 0.33
"""The fraction of its life below which a certificate is renewed."""

CURVES = {256: "P-256", 384: "P-384", 521: "P-521"}
DEFAULT_BITS = {"ecdsa": 256, "rsa": 2048}


def self_signed(instance: Instance, name: str, options: Mapping[str, Any]) -> Deployment:
    """A key that is made here and never leaves, and a certificate that it signs itself, in one file."""
    _plan_chain_file.refuse_file_options(name, options)
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
    names = [_certificate.to_ascii(hostname) for hostname in options["hostnames"] or [name]]
    for hostname in names:
        if not _certificate.is_hostname(hostname):
            raise DeclarationError(
                "managing certificate", name, f"{hostname!r} is not a host name", "Correct hostnames"
            )
    kind, bits = _wanted_key(name, options)
    path = _plan_chain_file.chain_file(instance, {**options, "sni": True}) or ""

    existing = _existing(instance, path)
    key, current, stale = existing.key, existing.certificate, existing.stale
    if key is not None and (kind or bits):
        has_kind, has_bits = _certificate.key_type(key)
        if kind not in (None, has_kind) or bits not in (None, has_bits):
            key, stale = None, f"its key is {has_kind} {has_bits}"
    if not stale and current is not None:
        missing = ", ".join(_certificate.uncovered(current.names, names))
        stale = f"does not cover {missing}" if missing else _renewal(current, options.get("renew_below", RENEW_BELOW))
    if stale and not options.get("reuse_key", True):
        key = None

    if not stale and current is not None:
        facts = dict(_certificate.facts(current), remaining=_certificate.remaining(current, _pem_files.now()))
    else:
        new_kind = kind or "ecdsa"
        new_key = (new_kind, bits or DEFAULT_BITS[new_kind])
        facts = _certificate.facts_to_come(
            f"CN={name}", names, *(_certificate.key_type(key) if key else new_key), spki=key
        )
        facts["remaining"] = None
    staged: dict[str, str] = {}

    def make(new: str) -> None:
        staged[path] = new
        if key is None:
            instance.run("openssl", "genpkey", *_genpkey(*new_key), "-out", new)
        else:
            instance.run("openssl", "pkey", "-in", path, *_pem_files.NO_PASSPHRASE, "-out", new)
        configuration = _certificate.self_signed_configuration(name, names)
        request = (
            "openssl",
            "req",
            "-x509",
            "-new",
            "-key",
            new,
            *_pem_files.NO_PASSPHRASE,
            "-days",
            str(options["days"]),
            "-config",
            "/dev/stdin",
        )
        ders = _certificate.certificates(instance.run(*request, stdin=configuration).stdout)
        _plan_chain_file.append(new, ders)
        # What the plan could not know: the result is told what has been made.
        made = _pem_files.examine(instance, ders[0])
        facts.update(_certificate.facts(made), remaining=_certificate.remaining(made, _pem_files.now()))

    plan = Plan(
        changes=[_plan_chain_file.secret_file(path, make, stale)],
        result={
            "certificate": facts,
            "parameters": _plan_chain_file.parameters(options, [path]),
            "files": {"chain_file": path, "certificate": None, "private_key": None},
        },
        requires="reload" if stale else "none",
    )
    ders_wanted = [current.der] if current is not None and not stale else None
    return Deployment(options, plan, path, path, names, ders_wanted, key, staged)


def _renewal(current: Certificate, renew_below: float) -> str:
    """Why a certificate is to be renewed; empty if it need not be."""
    now = _pem_files.now()
    remaining = _certificate.remaining(current, now)
    if remaining < renew_below and not _certificate.validity_problem(current, now):
        return f"it expires on {_certificate.iso8601(current.not_after)}, {remaining:.0%} of its life is left"
    return _certificate.validity_problem(current, now)


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
    blocks = _pem_files.outline(instance, path)
    if blocks is None:
        return _Existing("missing")
    status = _pem_files.status(path)
    if status is not None and status.st_size == 0:
        return _Existing("empty")
    foreign = "provider self_signed would replace it"
    remedy = "Set chain_file to another path, or use provider files"
    keys = [block for block in blocks if block.is_private_key]
    if not keys:
        _pem_files.refuse(path, f"there is a file already, without a private key: {foreign}", remedy)
    if keys[0].is_encrypted:
        _pem_files.refuse(path, f"there is a file already, its private key is encrypted: {foreign}", remedy)
    key = _pem_files.public_half(instance, path)
    if key is None:
        return _Existing("its private key cannot be read")
    try:
        ders = [block.der for block in blocks if block.is_certificate]
    except PemError:
        return _Existing("its certificate is damaged", key)
    if not ders:
        return _Existing("it has no certificate", key)
    try:
        current = _pem_files.examine(instance, ders[0])
    except (HostError, PemError):
        return _Existing("its certificate is damaged", key)
    if len(ders) > 1 or not current.self_issued:
        _pem_files.refuse(path, f"there is a certificate already that {current.issuer} issued: {foreign}", remedy)
    if current.public_key != key:
        return _Existing("its certificate is another key's", key)
    if not blocks[0].is_private_key:
        return _Existing("its key does not come first", key, current)
    return _Existing("", key, current)
