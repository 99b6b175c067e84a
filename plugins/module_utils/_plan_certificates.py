# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans for certificates and CA files. Private to mailops.postfix.

A private key is handled by openssl alone: it is never read into this process, and only its public half is compared.
"""

from __future__ import annotations

import grp
import os
import re
import stat
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Callable, Mapping, NoReturn, Sequence

from ansible_collections.mailops.postfix.plugins.module_utils import _certificate
from ansible_collections.mailops.postfix.plugins.module_utils._certificate import Block, Certificate, PemError
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, HostError
from ansible_collections.mailops.postfix.plugins.module_utils._instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import Attributes, Change, Plan

LETSENCRYPT = "/etc/letsencrypt/live"

SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Red Hat
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Red Hat, where the one above is gone
    "/var/lib/ca-certificates/ca-bundle.pem",  # SUSE
    "/etc/ssl/ca-bundle.pem",
    "/usr/local/share/certs/ca-root-nss.crt",  # FreeBSD
    "/etc/ssl/cert.pem",  # Alpine, FreeBSD
)
"""Where systems keep all their CAs in one file; the first that is there is taken."""

CERTIFICATE: Mapping[str, Any] = {
    "argument_spec": {
        "name": {"type": "str", "required": True},
        "provider": {"type": "str", "choices": ["certbot", "files", "self_signed"], "default": "certbot"},
        "certificate": {"type": "path"},
        "private_key": {"type": "path", "no_log": False},
        "hostnames": {"type": "list", "elements": "str"},
        "verify": {"type": "str", "choices": ["auto", "chain", "consistent"], "default": "auto"},
        "ca_file": {"type": "path"},
        "chain_file": {"type": "path"},
        "side": {"type": "str", "choices": ["server", "client", "both"], "default": "server"},
        "key_type": {"type": "str", "choices": ["ecdsa", "rsa"], "no_log": False},
        "key_bits": {"type": "int", "no_log": False},
        "days": {"type": "int", "default": 3650},
    },
    "required_if": [["provider", "files", ["certificate", "private_key"]]],
}
"""What the module certificate takes, as arguments of AnsibleModule; likewise below."""

CA_BUNDLE: Mapping[str, Any] = {
    "argument_spec": {
        "extra": {"type": "list", "elements": "path", "default": []},
        "system": {"type": "bool", "default": True},
        "path": {"type": "path"},
    }
}

SIDES = {"server": ("smtpd",), "client": ("smtp",), "both": ("smtpd", "smtp")}
CURVES = {256: "P-256", 384: "P-384", 521: "P-521"}
DEFAULT_BITS = {"ecdsa": 256, "rsa": 2048}

# What must never happen is that openssl asks a terminal for a pass phrase; 1.1.1 does so when it is given an empty one.
_NO_PASSPHRASE = ("-passin", "pass:none")


def certificate(instance: Instance, options: Mapping[str, Any]) -> Plan:
    """Make sure that a certificate can be served, and say how.

    :raises DeclarationError: if Postfix, or its peers, would not accept the files.
    """
    name = options["name"]
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise DeclarationError(
            "managing certificate", repr(name), "this is no certificate name", "Use letters, digits, '.', '-' and '_'"
        )
    if options["provider"] == "self_signed":
        return _self_signed(instance, name, options)
    return _provided(instance, _PROVIDERS[options["provider"]](instance, name, options), options)


# Certificates that come from elsewhere


@dataclass(frozen=True)
class Source:
    """Where a provider keeps its files, and what to do if they are not there."""

    private_key: str
    certificate: str
    remedy: str
    verify: str
    """What ``verify: auto`` means for it."""


def _certbot(instance: Instance, name: str, options: Mapping[str, Any]) -> Source:
    _refuse_file_options(name, options)
    return Source(
        private_key=os.path.join(LETSENCRYPT, name, "privkey.pem"),
        certificate=os.path.join(LETSENCRYPT, name, "fullchain.pem"),
        remedy=f"Obtain it first (certbot certonly --cert-name {name} ...); 'certbot certificates' lists what is there",
        verify="chain",
    )


def _files(instance: Instance, name: str, options: Mapping[str, Any]) -> Source:
    return Source(
        private_key=instance.path(options["private_key"]),
        certificate=instance.path(options["certificate"]),
        remedy="Put the file there first, or correct the path",
        verify="consistent",
    )


_PROVIDERS: dict[str, Callable[[Instance, str, Mapping[str, Any]], Source]] = {"certbot": _certbot, "files": _files}


def _refuse_file_options(name: str, options: Mapping[str, Any]) -> None:
    for option in ("certificate", "private_key"):
        if options[option]:
            raise DeclarationError(
                "managing certificate",
                name,
                f"provider {options['provider']} does not take {option}",
                "Leave it out, or use provider files",
            )


def _provided(instance: Instance, source: Source, options: Mapping[str, Any]) -> Plan:
    plan = Plan()
    chain = _read_chain(instance, source.certificate, source.remedy)
    leaf = chain[0]
    key = _read_key(instance, source.private_key, source.remedy)
    if key != leaf.public_key:
        _refuse(
            source.private_key,
            f"this private key does not belong to the first certificate in {source.certificate} ({leaf.subject})",
            "The key and the leaf certificate must be from the same request, and the leaf must come first in its file",
        )
    problem = _certificate.order_problem(chain)
    if problem:
        _refuse(source.certificate, problem, "Write the leaf first, then the certificate that issued it, and so on")
    now = _now()
    problem = _certificate.validity_problem(leaf, now)
    if problem:
        _refuse(source.certificate, problem, "Renew it")
    for intermediate in chain[1:]:
        problem = _certificate.validity_problem(intermediate, now)
        if problem:
            plan.warnings.append(f"{source.certificate}: {intermediate.subject}, which stands in the chain: {problem}")
    _check_names(source.certificate, leaf, options["hostnames"] or [])
    _check_key_access(source.private_key, plan)
    verify = source.verify if options["verify"] == "auto" else options["verify"]
    if verify == "chain":
        _verify(instance, source.certificate, options)

    chain_file = _chain_file(instance, options)
    if chain_file is None:
        files = list(dict.fromkeys([source.private_key, source.certificate]))
        paths = {"chain_file": None, "certificate": source.certificate, "private_key": source.private_key}
    else:
        if os.path.realpath(chain_file) in (os.path.realpath(source.private_key), os.path.realpath(source.certificate)):
            _refuse(
                chain_file, "chain_file is one of the files that it is made from", "Give chain_file a path of its own"
            )
        files = [chain_file]
        paths = {"chain_file": chain_file, "certificate": source.certificate, "private_key": source.private_key}
        ders = [item.der for item in chain]

        def make(path: str) -> None:
            instance.run("openssl", "pkey", "-in", source.private_key, *_NO_PASSPHRASE, "-out", path)
            _append(path, ders)
            if _public_half(instance, path) != leaf.public_key:
                raise HostError(
                    "writing", chain_file or "", f"{source.private_key} was replaced meanwhile", "Run again"
                )

        plan.changes.append(_secret_file(chain_file, make, _stale(instance, chain_file, chain)))
        plan.requires = "reload" if plan.changes[0].rewrites else "none"
    plan.result = {
        "certificate": _certificate.facts(leaf),
        "parameters": _parameters(options["side"], files),
        "files": paths,
    }
    return plan


def _stale(instance: Instance, chain_file: str, chain: Sequence[Certificate]) -> str:
    """Why an existing chain file is not the one that is wanted; empty if it is."""
    blocks = _outline(instance, chain_file)
    if blocks is None:
        return "missing"
    if not blocks or not blocks[0].is_private_key or any(not block.is_certificate for block in blocks[1:]):
        return "not a key followed by its certificates"
    try:
        same = [block.der for block in blocks[1:]] == [item.der for item in chain]
    except PemError:
        same = False
    if not same:
        return "other certificates"
    if blocks[0].is_encrypted or _public_half(instance, chain_file) != chain[0].public_key:
        return "another private key"
    return ""


def _check_key_access(path: str, plan: Plan) -> None:
    status = _status(path)
    if status is None:
        return
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid not in (0, os.geteuid()):
        _refuse(
            path, f"the private key is not root's but user {status.st_uid}'s, who can replace it", f"chown root {path}"
        )
    if not mode & 0o077:
        return
    if not mode & 0o037 and _group_name(status.st_gid) == "ssl-cert":
        plan.warnings.append(
            f"{path}: members of the group ssl-cert can read this private key; Postfix does not need that (chmod 0600)"
        )
        return
    _refuse(path, f"others than root can get at the private key (mode {mode:04o})", f"chmod 0600 {path}")


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _verify(instance: Instance, path: str, options: Mapping[str, Any]) -> None:
    """openssl's own judgement on the chain in a file."""
    command: list[str] = ["openssl", "verify"]
    if options["side"] != "client":
        # A client certificate without the clientAuth purpose still relays by fingerprint; a server's must be one.
        command += ["-purpose", "sslserver"]
    ca_file = options["ca_file"]
    if ca_file:
        ca_file = instance.path(ca_file)
        if _outline(instance, ca_file) is None:
            _refuse(
                ca_file,
                "ca_file: there is no such file",
                "Name a PEM file with the CA's certificate, or leave ca_file out",
            )
        # Only these CAs. No option says so in every version: 3.0 and later need -no-CAstore, which 1.1.1 does not know.
        command = ["env", "SSL_CERT_DIR=/nonexistent", "SSL_CERT_FILE=/nonexistent", *command]
    trusted = ca_file or _system_bundle(instance)
    if trusted:
        command += ["-CAfile", trusted]
    done = instance.run(*command, "-untrusted", path, path, check=False)
    if done.returncode != 0:
        _refuse(
            path,
            "openssl does not verify it: " + _certificate.verify_problem(done.stderr + b"\n" + done.stdout),
            f"The file must hold the whole chain up to a CA in {trusted or 'the system CAs'}; "
            "for a CA of your own set ca_file, or verify: consistent to do without",
        )


# Self-signed certificates


def _self_signed(instance: Instance, name: str, options: Mapping[str, Any]) -> Plan:
    _refuse_file_options(name, options)
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
    path = _chain_file(instance, options) or instance.path(os.path.join("tls", f"{name}.pem"))

    existing = _existing(instance, path)
    key, current, stale = existing.key, existing.certificate, existing.stale
    if key is not None and (kind or bits):
        has_kind, has_bits = _certificate.key_type(key)
        if kind not in (None, has_kind) or bits not in (None, has_bits):
            key, stale = None, f"its key is {has_kind} {has_bits}"
    if not stale and current is not None:
        missing = ", ".join(_certificate.uncovered(current.names, names))
        stale = f"does not cover {missing}" if missing else _certificate.validity_problem(current, _now())

    if not stale and current is not None:
        facts = _certificate.facts(current)
    else:
        new_kind = kind or "ecdsa"
        new_key = (new_kind, bits or DEFAULT_BITS[new_kind])
        facts = _certificate.facts_to_come(
            f"CN={name}", names, *(_certificate.key_type(key) if key else new_key), spki=key
        )

    def make(new: str) -> None:
        if key is None:
            instance.run("openssl", "genpkey", *_genpkey(*new_key), "-out", new)
        else:
            instance.run("openssl", "pkey", "-in", path, *_NO_PASSPHRASE, "-out", new)
        configuration = _certificate.self_signed_configuration(name, names)
        request = (
            "openssl",
            "req",
            "-x509",
            "-new",
            "-key",
            new,
            *_NO_PASSPHRASE,
            "-days",
            str(options["days"]),
            "-config",
            "/dev/stdin",
        )
        ders = _certificate.certificates(instance.run(*request, stdin=configuration).stdout)
        _append(new, ders)
        # What the plan could not know: the result is told what has been made.
        facts.update(_certificate.facts(_examine(instance, ders[0])))

    return Plan(
        changes=[_secret_file(path, make, stale)],
        result={
            "certificate": facts,
            "parameters": _parameters(options["side"], [path]),
            "files": {"chain_file": path, "certificate": None, "private_key": None},
        },
        requires="reload" if stale else "none",
    )


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
    blocks = _outline(instance, path)
    if blocks is None:
        return _Existing("missing")
    status = _status(path)
    if status is not None and status.st_size == 0:
        return _Existing("empty")
    foreign = "provider self_signed would replace it"
    remedy = "Set chain_file to another path, or use provider files"
    keys = [block for block in blocks if block.is_private_key]
    if not keys:
        _refuse(path, f"there is a file already, without a private key: {foreign}", remedy)
    if keys[0].is_encrypted:
        _refuse(path, f"there is a file already, its private key is encrypted: {foreign}", remedy)
    key = _public_half(instance, path)
    if key is None:
        return _Existing("its private key cannot be read")
    try:
        ders = [block.der for block in blocks if block.is_certificate]
    except PemError:
        return _Existing("its certificate is damaged", key)
    if not ders:
        return _Existing("it has no certificate", key)
    try:
        current = _examine(instance, ders[0])
    except (HostError, PemError):
        return _Existing("its certificate is damaged", key)
    if len(ders) > 1 or not current.self_issued:
        _refuse(path, f"there is a certificate already that {current.issuer} issued: {foreign}", remedy)
    if current.public_key != key:
        return _Existing("its certificate is another key's", key)
    if not blocks[0].is_private_key:
        return _Existing("its key does not come first", key, current)
    return _Existing("", key, current)


# CA bundle


def ca_bundle(instance: Instance, options: Mapping[str, Any]) -> Plan:
    """Make the file of all CAs that smtp(8) shall trust, and say how."""
    extra = [instance.path(path) for path in options["extra"] or []]
    if not options["system"] and not extra:
        raise DeclarationError(
            "managing CAs", "ca_bundle", "system: false and no extra: nothing would be trusted", "List CAs in extra"
        )
    plan = Plan()
    ders: dict[bytes, None] = {}
    system: str | None = None
    if options["system"]:
        system = _system_bundle(instance)
        if system is None:
            raise HostError(
                "looking for",
                "the system's CAs",
                "none of " + ", ".join(SYSTEM_BUNDLES) + " is there",
                "Install ca-certificates",
            )
        ders.update(dict.fromkeys(_read_certificates(instance.read(system) or b"", system)))
    for path in extra:
        ders.update(dict.fromkeys(_extra_cas(instance, path, plan)))

    if system is not None and not extra and not options["path"]:
        path = system
    else:
        path = instance.path(options["path"] or os.path.join("tls", "ca-certificates.pem"))
        if os.path.realpath(path) in [os.path.realpath(other) for other in (*SYSTEM_BUNDLES, *extra)]:
            _refuse(
                path, "path is the system's own file, or one of extra", "Give path a name of its own, or leave it out"
            )
        text = _certificate.bundle("Written by Ansible (mailops.postfix.ca_bundle); changes made here are lost.", ders)
        before = instance.read(path)
        shown = (_certificate.listing(before or b""), _certificate.listing(text))
        plan.changes.append(Change(path, text, before, attributes=_attributes(0o644), shown=shown))
        plan.requires = "reload" if plan.changes[0].rewrites else "none"
    # The CAfile is read before the chroot, a CApath within it: one file works in both.
    plan.result = {
        "parameters": {"smtp_tls_CAfile": _as_parameter(path), "smtp_tls_CApath": None},
        "chrooted": instance.chrooted("smtp/unix"),
        "certificates": len(ders),
    }
    return plan


def _extra_cas(instance: Instance, path: str, plan: Plan) -> list[bytes]:
    blocks = _outline(instance, path)
    if blocks is None:
        _refuse(path, "there is no such file", "Copy the CA's certificate to this host first, or correct extra")
    if any(block.is_private_key for block in blocks):
        _refuse(
            path,
            "it holds a private key; this file would be readable to all",
            "Give a file with the CA's certificate only",
        )
    ders = _certificates_of(blocks, path)
    for der in ders:
        item = _examine(instance, der, path)
        problem = _certificate.validity_problem(item, _now())
        if problem:
            plan.warnings.append(f"{path}: {item.subject}: {problem}; nothing that it issued is trusted")
        if not item.self_issued and not item.authority:
            plan.warnings.append(
                f"{path}: {item.subject} is neither a CA's certificate nor self-signed: it makes no peer trusted"
            )
    return ders


def _system_bundle(instance: Instance) -> str | None:
    return next((path for path in SYSTEM_BUNDLES if os.path.isfile(path)), None)


# Tools


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _refuse(path: str, cause: str, remedy: str) -> NoReturn:
    raise DeclarationError("checking", path, cause, remedy)


def _status(path: str) -> os.stat_result | None:
    """The file behind symbolic links, or None."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise HostError("reading", path, error.strerror or str(error), "Run as root (become: true)") from error


def _outline(instance: Instance, path: str) -> list[Block] | None:
    """The PEM blocks of a file, without the content of its private keys; None if there is no file."""
    status = _status(path)
    if status is None:
        return None
    if not stat.S_ISREG(status.st_mode):
        _refuse(path, "it is not a file", "Name a PEM file")
    return _certificate.blocks(instance.run("sed", "-n", *_certificate.OUTLINE_SCRIPT, path).stdout)


def _read_certificates(text: bytes, path: str) -> list[bytes]:
    return _certificates_of(_certificate.blocks(text), path)


def _certificates_of(blocks: Sequence[Block], path: str) -> list[bytes]:
    try:
        return _certificate.certificates_of(blocks)
    except PemError as error:
        _refuse(path, error.cause, error.remedy)


def _examine(instance: Instance, der: bytes, path: str = "") -> Certificate:
    done = instance.run("openssl", "x509", *_certificate.X509_ARGUMENTS, stdin=_certificate.to_pem(der), check=False)
    if done.returncode != 0:
        raise HostError(
            "reading",
            path or "a certificate",
            f"openssl cannot read it: {done.complaint}",
            "Put an undamaged file there",
        )
    return _certificate.read_certificate(der, done.stdout)


def _read_chain(instance: Instance, path: str, remedy: str) -> list[Certificate]:
    blocks = _outline(instance, path)
    if blocks is None:
        _refuse(path, "there is no such file", remedy)
    return [_examine(instance, der, path) for der in _certificates_of(blocks, path)]


def _read_key(instance: Instance, path: str, remedy: str) -> bytes:
    """The public half of a private key that Postfix can load."""
    blocks = _outline(instance, path)
    if blocks is None:
        _refuse(path, "there is no such file", remedy)
    keys = [block for block in blocks if block.is_private_key]
    if not keys:
        held = ", ".join(dict.fromkeys(block.label for block in blocks)) or "no PEM block at all"
        _refuse(
            path, f"it holds no private key in PEM form but {held}", "Name the file with -----BEGIN PRIVATE KEY-----"
        )
    if keys[0].is_encrypted:
        _refuse(
            path,
            "the private key is encrypted, and Postfix has no way to ask for its pass phrase",
            f"Decrypt it: openssl pkey -in {path} -out NEWFILE",
        )
    key = _public_half(instance, path)
    if key is None:
        _refuse(path, "openssl cannot read the private key: it is damaged, or cut off", "Put the undamaged file there")
    return key


def _public_half(instance: Instance, path: str) -> bytes | None:
    done = instance.run("openssl", "pkey", "-in", path, *_NO_PASSPHRASE, "-pubout", check=False)
    return _certificate.public_key(done.stdout) if done.returncode == 0 else None


def _check_names(path: str, leaf: Certificate, hostnames: Sequence[str]) -> None:
    missing = _certificate.uncovered(leaf.names, hostnames)
    if missing:
        _refuse(
            path,
            f"the certificate does not cover {', '.join(missing)}; its names are {', '.join(leaf.names) or 'none'}",
            "Have it issued for these names too, or correct hostnames",
        )


def _chain_file(instance: Instance, options: Mapping[str, Any]) -> str | None:
    return instance.path(options["chain_file"]) if options["chain_file"] else None


def _secret_file(path: str, make: Callable[[str], None], stale: str) -> Change:
    return Change(path, make, stale=stale, attributes=_attributes(0o600), secret=True)


def _attributes(mode: int) -> Attributes:
    """The file is root's; or ours, where an instance is managed by someone else."""
    return Attributes(owner="root" if os.geteuid() == 0 else None, mode=mode)


def _append(path: str, ders: Sequence[bytes]) -> None:
    with open(path, "ab") as file:
        file.write(b"".join(_certificate.to_pem(der) for der in ders))


def _as_parameter(path: str) -> str:
    if re.search(r"[\s,$]", path):
        _refuse(path, "Postfix cannot have white space, ',' or '$' in this path", "Use another path")
    return path


def _parameters(side: str, files: Sequence[str]) -> dict[str, str | None]:
    """What makes Postfix serve these files, key first. It warns of the older parameters and ignores them: they go."""
    value = ", ".join(_as_parameter(path) for path in files)
    result: dict[str, str | None] = {}
    for prefix in SIDES[side]:
        result[f"{prefix}_tls_chain_files"] = value
        for old in ("cert_file", "key_file", "eccert_file", "eckey_file", "dcert_file", "dkey_file"):
            result[f"{prefix}_tls_{old}"] = None
    return result
