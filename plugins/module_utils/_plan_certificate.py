# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: certificates. Private to mailops.postfix.

A private key is handled by openssl alone: it is never read into this process, and only its public half is compared.
"""

from __future__ import annotations

import grp
import os
import re
import stat
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.mailops.postfix.plugins.module_utils import (
    _certificate,
    _lineage,
    _pem_files,
    _plan_hook,
    _plan_sni,
)
from ansible_collections.mailops.postfix.plugins.module_utils._certificate import Certificate, PemError
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, HostError
from ansible_collections.mailops.postfix.plugins.module_utils._instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import Attributes, Change, Plan, strongest

RENEW_BELOW = 0.33
WARN_BELOW = 0.3
"""Fractions of the life of a certificate. ACME clients renew when a third of it is left."""

CERTIFICATE: Mapping[str, Any] = {
    "argument_spec": {
        "name": {"type": "str", "required": True},
        "provider": {"type": "str", "choices": [*_lineage.DIRECTORIES, "files", "self_signed"], "default": "certbot"},
        "certificate": {"type": "path"},
        "private_key": {"type": "path", "no_log": False},
        "directory": {"type": "path"},
        "hostnames": {"type": "list", "elements": "str"},
        "verify": {"type": "str", "choices": ["auto", "chain", "consistent"], "default": "auto"},
        "ca_file": {"type": "path"},
        "chain_file": {"type": "path"},
        "side": {"type": "str", "choices": ["server", "client", "both"], "default": "server"},
        "key_type": {"type": "str", "choices": ["ecdsa", "rsa"], "no_log": False},
        "key_bits": {"type": "int", "no_log": False},
        "days": {"type": "int", "default": 3650},
        "renew_below": {"type": "float", "default": RENEW_BELOW},
        "reuse_key": {"type": "bool", "default": True, "no_log": False},
        "warn_below": {"type": "float", "default": WARN_BELOW},
        "sni": {"type": "bool", "default": False},
        "sni_table": {"type": "path"},
        "deploy_hook": {"type": "bool"},
    },
    "required_if": [["provider", "files", ["certificate", "private_key"]]],
}
"""What the module certificate takes, as arguments of AnsibleModule."""

SIDES = {"server": ("smtpd",), "client": ("smtp",), "both": ("smtpd", "smtp")}
CURVES = {256: "P-256", 384: "P-384", 521: "P-521"}
DEFAULT_BITS = {"ecdsa": 256, "rsa": 2048}


@dataclass
class Deployment:
    """One certificate on its way into service."""

    options: Mapping[str, Any]
    plan: Plan
    chain_file: str | None
    """The file with key and chain that is made for Postfix; None if Postfix is given the provider's own."""
    certificate: str
    """The file whose replacement is a renewal."""
    names: Sequence[str]
    chain: Sequence[bytes] | None
    """What the chain file shall hold; None if that is not known yet."""
    public_key: bytes | None
    staged: dict[str, str] = field(default_factory=dict)
    """Where a new chain file is while the transaction is under way, for what is made of it."""


def certificate(instance: Instance, options: Mapping[str, Any]) -> Plan:
    """Make sure that a certificate can be served, and say how.

    :raises DeclarationError: if Postfix, or its peers, would not accept the files.
    """
    return certificates(instance, [options])[0]


def certificates(instance: Instance, declared: Sequence[Mapping[str, Any]]) -> list[Plan]:
    """The plans for several certificates that go into service together; options and result as for one."""
    deployments = [_deployment(instance, options) for options in declared]
    _join_sni(instance, deployments)
    paths: set[str] = set()
    for deployment in deployments:
        wanted = _wants_hook(deployment)
        what = _pem_files.relative(instance, deployment.chain_file or deployment.options["name"])
        changes, hook = _plan_hook.certificate_hook(instance, deployment.options, what, wanted)
        deployment.plan.changes += [change for change in changes if change.path not in paths]
        deployment.plan.result["deploy_hook"] = hook
        paths.update(change.path for change in changes)
    return [deployment.plan for deployment in deployments]


def renewal(instance: Instance, options: Mapping[str, Any]) -> Deployment:
    """What a deploy hook does with one certificate: the same, but for the hook itself."""
    deployment = _deployment(instance, options)
    _join_sni(instance, [deployment])
    return deployment


def source(instance: Instance, options: Mapping[str, Any]) -> str:
    """The file whose replacement is a renewal."""
    return _PROVIDERS[options["provider"]](instance, options["name"], options).certificate


def served_file(instance: Instance, options: Mapping[str, Any]) -> str:
    """The file whose first certificate Postfix serves."""
    return _chain_file(instance, options) or source(instance, options)


def server_names(instance: Instance, options: Mapping[str, Any]) -> dict[str, list[str]]:
    """The server names for which a certificate is served, without whole domains, each with all its files."""
    own = served_file(instance, options)
    names = _plan_sni.files_by_name(instance, _sni_table(instance, options))
    return {name: files for name, files in names.items() if own in files and not name.startswith(".")}


def _sni_table(instance: Instance, options: Mapping[str, Any]) -> str:
    return instance.path(options.get("sni_table") or os.path.join("tls", "sni"))


def _wants_hook(deployment: Deployment) -> bool:
    """Whether a renewal needs a hook: unless told otherwise, where Postfix has a copy of what a client renews."""
    wanted = deployment.options.get("deploy_hook")
    provider, name = deployment.options["provider"], deployment.options["name"]
    if wanted and provider == "self_signed":
        raise DeclarationError(
            "managing certificate",
            name,
            "deploy_hook: nobody but this module renews a self-signed certificate",
            "Leave deploy_hook out",
        )
    if wanted is None:
        return provider in _lineage.DIRECTORIES and deployment.chain_file is not None
    return bool(wanted)


def _join_sni(instance: Instance, deployments: Sequence[Deployment]) -> None:
    """Add the table of server names, one for all, to the last of the plans whose certificates stand in it."""
    entries = []
    tables: dict[str, None] = {}
    last = None
    for deployment in deployments:
        if not deployment.options.get("sni") or deployment.chain_file is None:
            continue
        tables[_sni_table(instance, deployment.options)] = None
        entries.append(
            _plan_sni.Entry(
                deployment.chain_file,
                deployment.options["hostnames"] or deployment.names,
                deployment.chain,
                deployment.public_key,
                deployment.plan.changes[0].rewrites,
                deployment.staged,
            )
        )
        last = deployment
    if last is None:
        return
    if len(tables) > 1:
        raise DeclarationError(
            "managing certificate",
            last.options["name"],
            f"sni_table: Postfix looks up server names in one table, not in {' and '.join(tables)}",
            "Give all certificates the same sni_table",
        )
    table = _plan_sni.table(instance, next(iter(tables)), entries)
    for deployment in deployments:
        if deployment.options.get("sni"):
            deployment.plan.result["parameters"].update(table.result["parameters"])
    last.plan.changes += table.changes
    last.plan.requires = strongest(last.plan.requires, table.requires)


def _deployment(instance: Instance, options: Mapping[str, Any]) -> Deployment:
    name = options["name"]
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise DeclarationError(
            "managing certificate", repr(name), "this is no certificate name", "Use letters, digits, '.', '-' and '_'"
        )
    for option in ("warn_below", "renew_below"):
        if not 0 <= options.get(option, 0) < 1:
            raise DeclarationError(
                "managing certificate", name, f"{option}: it is a fraction of the certificate's life", "Write 0.3, say"
            )
    if options.get("sni_table") and not options.get("sni"):
        raise DeclarationError("managing certificate", name, "sni_table without sni: true", "Set both, or neither")
    if options.get("sni") and options["side"] == "client":
        raise DeclarationError(
            "managing certificate", name, "sni: server names are for servers, side: client is none", "Leave sni out"
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


def _acme(instance: Instance, name: str, options: Mapping[str, Any]) -> Source:
    _refuse_file_options(name, options)
    directory = instance.path(options["directory"]) if options.get("directory") else None
    found = _lineage.find(options["provider"], name, directory, options["key_type"], os.path.exists)
    return Source(found.private_key, found.certificate, found.remedy, verify="chain")


def _files(instance: Instance, name: str, options: Mapping[str, Any]) -> Source:
    return Source(
        private_key=instance.path(options["private_key"]),
        certificate=instance.path(options["certificate"]),
        remedy="Put the file there first, or correct the path",
        verify="consistent",
    )


_PROVIDERS: dict[str, Callable[[Instance, str, Mapping[str, Any]], Source]] = {
    **dict.fromkeys(_lineage.DIRECTORIES, _acme),
    "files": _files,
}


def _refuse_file_options(name: str, options: Mapping[str, Any]) -> None:
    for option in ("certificate", "private_key"):
        if options[option]:
            raise DeclarationError(
                "managing certificate",
                name,
                f"provider {options['provider']} does not take {option}",
                "Leave it out, or use provider files",
            )


def _provided(instance: Instance, source: Source, options: Mapping[str, Any]) -> Deployment:
    plan = Plan()
    chain = _pem_files.read_chain(instance, source.certificate, source.remedy)
    leaf = chain[0]
    key = _pem_files.read_key(instance, source.private_key, source.remedy)
    if key != leaf.public_key:
        _pem_files.refuse(
            source.private_key,
            f"this private key does not belong to the first certificate in {source.certificate} ({leaf.subject})",
            "The key and the leaf certificate must be from the same request, and the leaf must come first in its file",
        )
    problem = _certificate.order_problem(chain)
    if problem:
        _pem_files.refuse(
            source.certificate, problem, "Write the leaf first, then the certificate that issued it, and so on"
        )
    now = _pem_files.now()
    problem = _certificate.validity_problem(leaf, now)
    if problem:
        _pem_files.refuse(source.certificate, problem, "Renew it")
    for intermediate in chain[1:]:
        problem = _certificate.validity_problem(intermediate, now)
        if problem:
            plan.warnings.append(f"{source.certificate}: {intermediate.subject}, which stands in the chain: {problem}")
    _check_names(source.certificate, leaf, options["hostnames"] or [])
    chain_file = _chain_file(instance, options)
    protection = _protection(source.private_key, chain_file is not None, plan)
    verify = source.verify if options["verify"] == "auto" else options["verify"]
    if verify == "chain":
        _verify(instance, source.certificate, options)

    remaining = _certificate.remaining(leaf, now)
    if remaining < options.get("warn_below", WARN_BELOW):
        plan.warnings.append(
            f"{source.certificate}: the certificate expires on {_certificate.iso8601(leaf.not_after)}, "
            f"{remaining:.0%} of its life is left: does its renewal work?"
        )
    staged: dict[str, str] = {}
    if chain_file is None:
        files = list(dict.fromkeys([source.private_key, source.certificate]))
        paths = {"chain_file": None, "certificate": source.certificate, "private_key": source.private_key}
    else:
        if os.path.realpath(chain_file) in (os.path.realpath(source.private_key), os.path.realpath(source.certificate)):
            _pem_files.refuse(
                chain_file, "chain_file is one of the files that it is made from", "Give chain_file a path of its own"
            )
        files = [chain_file]
        paths = {"chain_file": chain_file, "certificate": source.certificate, "private_key": source.private_key}
        ders = [item.der for item in chain]

        def make(path: str) -> None:
            staged[chain_file] = path
            instance.run("openssl", "pkey", "-in", source.private_key, *_pem_files.NO_PASSPHRASE, "-out", path)
            _append(path, ders)
            if _pem_files.public_half(instance, path) != leaf.public_key:
                raise HostError("writing", chain_file, f"{source.private_key} was replaced meanwhile", "Run again")

        plan.changes.append(_secret_file(chain_file, make, _stale(instance, chain_file, chain)))
        plan.requires = "reload" if plan.changes[0].rewrites else "none"
    plan.changes += protection
    plan.result = {
        "certificate": dict(_certificate.facts(leaf), remaining=remaining),
        "parameters": _parameters(options, files),
        "files": paths,
    }
    ders_wanted = [item.der for item in chain]
    return Deployment(options, plan, chain_file, source.certificate, leaf.names, ders_wanted, key, staged)


def _stale(instance: Instance, chain_file: str, chain: Sequence[Certificate]) -> str:
    """Why an existing chain file is not the one that is wanted; empty if it is."""
    blocks = _pem_files.outline(instance, chain_file)
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
    if blocks[0].is_encrypted or _pem_files.public_half(instance, chain_file) != chain[0].public_key:
        return "another private key"
    return ""


def _protection(path: str, copied: bool, plan: Plan) -> list[Change]:
    """What keeps others from a private key.

    :param copied: whether Postfix gets a copy of its own.
    """
    status = _pem_files.status(path)
    if status is None:
        return []
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid not in (0, os.geteuid()) and not copied:
        _pem_files.refuse(
            path,
            f"the private key is not root's but user {status.st_uid}'s, who can replace it",
            f"Set chain_file, so that Postfix has a copy that was checked, or: chown root {path}",
        )
    group = _group_name(status.st_gid)
    wanted = mode & (0o740 if group == "ssl-cert" else 0o700)
    if wanted & 0o040:
        plan.warnings.append(
            f"{path}: members of the group ssl-cert can read this private key; Postfix does not need that (chmod 0600)"
        )
    if wanted == mode:
        return []
    plan.warnings.append(
        f"{path}: others than root could get at this private key (mode {mode:04o}, now {wanted:04o}); whoever has read it still has it"
    )
    return [Change(path, _kept, b"", attributes=Attributes(mode=wanted), secret=True)]


def _kept(temporary: str) -> None:
    """What keeps its content is not made."""
    raise AssertionError(temporary)


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
        if _pem_files.outline(instance, ca_file) is None:
            _pem_files.refuse(
                ca_file,
                "ca_file: there is no such file",
                "Name a PEM file with the CA's certificate, or leave ca_file out",
            )
        # Only these CAs. No option says so in every version: 3.0 and later need -no-CAstore, which 1.1.1 does not know.
        command = ["env", "SSL_CERT_DIR=/nonexistent", "SSL_CERT_FILE=/nonexistent", *command]
    trusted = ca_file or _pem_files.system_bundle(instance)
    if trusted:
        command += ["-CAfile", trusted]
    done = instance.run(*command, "-untrusted", path, path, check=False)
    if done.returncode != 0:
        _pem_files.refuse(
            path,
            "openssl does not verify it: " + _certificate.verify_problem(done.stderr + b"\n" + done.stdout),
            f"The file must hold the whole chain up to a CA in {trusted or 'the system CAs'}; "
            "for a CA of your own set ca_file, or verify: consistent to do without",
        )


# Self-signed certificates


def _self_signed(instance: Instance, name: str, options: Mapping[str, Any]) -> Deployment:
    _refuse_file_options(name, options)
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
    path = _chain_file(instance, {**options, "sni": True}) or ""

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
        _append(new, ders)
        # What the plan could not know: the result is told what has been made.
        made = _pem_files.examine(instance, ders[0])
        facts.update(_certificate.facts(made), remaining=_certificate.remaining(made, _pem_files.now()))

    plan = Plan(
        changes=[_secret_file(path, make, stale)],
        result={
            "certificate": facts,
            "parameters": _parameters(options, [path]),
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


# Tools


def _check_names(path: str, leaf: Certificate, hostnames: Sequence[str]) -> None:
    missing = _certificate.uncovered(leaf.names, hostnames)
    if missing:
        _pem_files.refuse(
            path,
            f"the certificate does not cover {', '.join(missing)}; its names are {', '.join(leaf.names) or 'none'}",
            "Have it issued for these names too, or correct hostnames",
        )


def _chain_file(instance: Instance, options: Mapping[str, Any]) -> str | None:
    """Where key and chain are put together for Postfix; a table of server names is made of such files only."""
    path = options["chain_file"]
    if path is None and options.get("sni"):
        path = os.path.join("tls", f"{options['name']}.pem")
    return _pem_files.protected(instance.path(path)) if path else None


def _secret_file(path: str, make: Callable[[str], None], stale: str) -> Change:
    return Change(path, make, stale=stale, attributes=_pem_files.attributes(0o600), secret=True)


def _append(path: str, ders: Sequence[bytes]) -> None:
    with open(path, "ab") as file:
        file.write(b"".join(_certificate.to_pem(der) for der in ders))


def _parameters(options: Mapping[str, Any], files: Sequence[str]) -> dict[str, str | None]:
    """What makes Postfix serve these files, key first. It warns of the older parameters and ignores them: they go.

    A certificate that stands in the table of server names is not served to those who ask for no name.
    """
    value = ", ".join(_pem_files.as_parameter(path) for path in files)
    result: dict[str, str | None] = {}
    for prefix in SIDES[options["side"]]:
        if prefix == "smtpd" and options.get("sni"):
            continue
        result[f"{prefix}_tls_chain_files"] = value
        for old in ("cert_file", "key_file", "eccert_file", "eckey_file", "dcert_file", "dkey_file"):
            result[f"{prefix}_tls_{old}"] = None
    return result
