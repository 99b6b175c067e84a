# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans for certificates. Private to mailops.postfix.

Only openssl reads private keys: this process never does. It compares public keys.
"""

from __future__ import annotations

import grp
import os
import re
import stat
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Sequence

from .._errors import DeclarationError, HostError
from .._host import openssl
from .._host.instance import Instance
from .._x509 import acme_layout
from .._x509 import certificate as certificate_x509
from .._x509.certificate import Certificate
from .._x509.pem import PemError
from . import chain_file as chain_file_plan
from . import self_signed, sni
from .chain_file import Deployment
from .plan import Attributes, Change, Plan, Renewal, RenewalKind, strongest

WARN_BELOW = 0.3
"""The fraction of a certificate's lifetime below which a warning is given. ACME clients renew when a third of it is left."""

CERTIFICATE: Mapping[str, Any] = {
    "argument_spec": {
        "name": {"type": "str", "required": True},
        "provider": {
            "type": "str",
            "choices": [*acme_layout.DIRECTORIES, "files", "self_signed"],
            "default": "certbot",
        },
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
        "renew_below": {"type": "float", "default": self_signed.RENEW_BELOW},
        "reuse_key": {"type": "bool", "default": True, "no_log": False},
        "next_key": {"type": "str", "choices": [*self_signed.NEXT], "default": "keep", "no_log": False},
        "warn_below": {"type": "float", "default": WARN_BELOW},
        "sni": {"type": "bool", "default": False},
        "sni_table": {"type": "path"},
        "deploy_hook": {"type": "bool"},
    },
    "required_if": [["provider", "files", ["certificate", "private_key"]]],
}
"""The options of the module certificate, as arguments of AnsibleModule."""


def certificate(instance: Instance, options: Mapping[str, Any]) -> Plan:
    """The plan that lets Postfix serve one certificate. Options and result: those of the module certificate.

    :raises DeclarationError: if Postfix or its peers would not accept the files.
    """
    return certificate_plans(instance, [options])[0]


def certificate_plans(instance: Instance, declared: Sequence[Mapping[str, Any]]) -> list[Plan]:
    """The plans for several certificates that are installed together. Options and results: as for :func:`certificate`."""
    deployments = [_deployment(instance, options) for options in declared]
    _join_sni(instance, deployments)
    return [deployment.plan for deployment in deployments]


def renewed(instance: Instance, options: Mapping[str, Any]) -> Deployment:
    """The deployment of one certificate after its renewal."""
    deployment = _deployment(instance, options)
    _join_sni(instance, [deployment])
    return deployment


def source(instance: Instance, options: Mapping[str, Any]) -> str:
    """The path of the certificate file that its provider replaces at a renewal."""
    return _PROVIDERS[options["provider"]](instance, options["name"], options).certificate


def served_file(instance: Instance, options: Mapping[str, Any]) -> str:
    """The path of the file whose first certificate Postfix serves."""
    return chain_file_plan.chain_file(instance, options) or source(instance, options)


def server_names(instance: Instance, options: Mapping[str, Any]) -> dict[str, list[str]]:
    """The server names for which a certificate is served, without names of the form ``.domain``, each with all its files."""
    own = served_file(instance, options)
    names = sni.files_by_name(instance, _sni_table(instance, options))
    return {name: files for name, files in names.items() if own in files and not name.startswith(".")}


def _sni_table(instance: Instance, options: Mapping[str, Any]) -> str:
    return instance.path(options.get("sni_table") or os.path.join("tls", "sni"))


def _join_sni(instance: Instance, deployments: Sequence[Deployment]) -> None:
    """Add the table of server names to the last of the plans whose certificates it lists. All certificates share one table."""
    entries = []
    tables: dict[str, None] = {}
    last = None
    for deployment in deployments:
        if not deployment.options.get("sni") or deployment.chain_file is None:
            continue
        tables[_sni_table(instance, deployment.options)] = None
        entries.append(
            sni.SniEntry(
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
    table = sni.table(instance, next(iter(tables)), entries)
    for deployment in deployments:
        if deployment.options.get("sni"):
            deployment.plan.result["parameters"].update(table.result["parameters"])
    last.plan.changes += table.changes
    last.plan.requires = strongest(last.plan.requires, table.requires)


def _deployment(instance: Instance, options: Mapping[str, Any]) -> Deployment:
    deployment = _checked_deployment(instance, options)
    key = openssl.relative(instance, deployment.chain_file or options["name"])
    renewal = Renewal(RenewalKind.CERTIFICATE, key, options, deployment.chain_file is not None, deployment.plan.result)
    deployment.plan.renewals.append(renewal)
    return deployment


def _checked_deployment(instance: Instance, options: Mapping[str, Any]) -> Deployment:
    name = options["name"]
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise DeclarationError(
            "managing certificate",
            repr(name),
            "this is not a valid certificate name",
            "Use letters, digits, '.', '-' and '_', and begin with a letter, a digit or '_'",
        )
    for option in ("warn_below", "renew_below"):
        if not 0 <= options.get(option, 0) < 1:
            raise DeclarationError(
                "managing certificate",
                name,
                f"{option}: {options[option]} is not a valid fraction of the certificate's lifetime",
                "Write a number from 0 to below 1, such as 0.3",
            )
    if options.get("sni_table") and not options.get("sni"):
        raise DeclarationError("managing certificate", name, "sni_table requires sni: true", "Set both, or neither")
    if options.get("sni") and options["side"] == "client":
        raise DeclarationError(
            "managing certificate",
            name,
            "sni: only a server selects certificates by server name, and side is client",
            "Remove sni, or set side: server or side: both",
        )
    if options["provider"] == "self_signed":
        return self_signed.self_signed(instance, name, options)
    if options.get("next_key", "keep") != "keep":
        raise DeclarationError(
            "managing certificate",
            name,
            f"next_key: provider {options['provider']} manages the keys of its certificates itself",
            "Pins stay valid as long as the key does (certbot: --reuse-key). To replace the key, obtain a second certificate "
            "under another name, have peers pin its key as well, and then serve that certificate",
        )
    return _provided(instance, _PROVIDERS[options["provider"]](instance, name, options), options)


# Certificates of ACME clients, and from files


@dataclass(frozen=True)
class Source:
    """Where a provider keeps the files of a certificate."""

    private_key: str
    certificate: str
    remedy: str
    """What to do if a file does not exist."""
    verify: str
    """The value of ``verify`` that ``auto`` means."""


def _acme(instance: Instance, name: str, options: Mapping[str, Any]) -> Source:
    chain_file_plan.refuse_file_options(name, options)
    directory = instance.path(options["directory"]) if options.get("directory") else None
    found = acme_layout.locate_files(options["provider"], name, directory, options["key_type"], os.path.exists)
    return Source(found.private_key, found.certificate, found.remedy, verify="chain")


def _files(instance: Instance, name: str, options: Mapping[str, Any]) -> Source:
    return Source(
        private_key=instance.path(options["private_key"]),
        certificate=instance.path(options["certificate"]),
        remedy="Copy the file to this host first, or correct the path",
        verify="consistent",
    )


_PROVIDERS: dict[str, Callable[[Instance, str, Mapping[str, Any]], Source]] = {
    **dict.fromkeys(acme_layout.DIRECTORIES, _acme),
    "files": _files,
}


def _provided(instance: Instance, source: Source, options: Mapping[str, Any]) -> Deployment:
    plan = Plan()
    chain = openssl.read_chain(instance, source.certificate, source.remedy)
    leaf = chain[0]
    key = openssl.read_key(instance, source.private_key, source.remedy)
    if key != leaf.public_key:
        openssl.refuse_file(
            source.private_key,
            f"this private key does not belong to the first certificate in {source.certificate} ({leaf.subject})",
            "Use the key of the leaf certificate, and write the leaf certificate first in its file",
        )
    problem = certificate_x509.order_problem(chain)
    if problem:
        openssl.refuse_file(
            source.certificate, problem, "Write the leaf first, then the certificate that issued it, and so on"
        )
    now = openssl.now()
    problem = certificate_x509.validity_problem(leaf, now)
    if problem:
        openssl.refuse_file(source.certificate, problem, "Renew it")
    for intermediate in chain[1:]:
        problem = certificate_x509.validity_problem(intermediate, now)
        if problem:
            plan.warnings.append(f"{source.certificate}: the chain contains {intermediate.subject}: {problem}")
    _check_names(source.certificate, leaf, options["hostnames"] or [])
    chain_file = chain_file_plan.chain_file(instance, options)
    protection = _protection(source.private_key, chain_file is not None, plan)
    verify = source.verify if options["verify"] == "auto" else options["verify"]
    if verify == "chain":
        _verify(instance, source.certificate, options)

    remaining = certificate_x509.remaining(leaf, now)
    if remaining < options.get("warn_below", WARN_BELOW):
        plan.warnings.append(
            f"{source.certificate}: the certificate expires on {certificate_x509.iso8601(leaf.not_after)}, "
            f"{remaining:.0%} of its lifetime is left. Check that it is renewed"
        )
    staged: dict[str, str] = {}
    if chain_file is None:
        files = list(dict.fromkeys([source.private_key, source.certificate]))
        paths = {"chain_file": None, "certificate": source.certificate, "private_key": source.private_key}
    else:
        if os.path.realpath(chain_file) in (os.path.realpath(source.private_key), os.path.realpath(source.certificate)):
            openssl.refuse_file(
                chain_file,
                "chain_file is also the file of the key or the certificate",
                "Set chain_file to another path",
            )
        files = [chain_file]
        paths = {"chain_file": chain_file, "certificate": source.certificate, "private_key": source.private_key}
        ders = [item.der for item in chain]

        def make(path: str) -> None:
            staged[chain_file] = path
            instance.run("openssl", "pkey", "-in", source.private_key, *openssl.NO_PASSPHRASE, "-out", path)
            chain_file_plan.append(path, ders)
            if openssl.public_half(instance, path) != leaf.public_key:
                raise HostError(
                    "writing", chain_file, f"{source.private_key} was replaced during this run", "Run the task again"
                )

        plan.changes.append(chain_file_plan.secret_file(chain_file, make, _stale(instance, chain_file, chain)))
        plan.requires = "reload" if plan.changes[0].rewrites else "none"
    plan.changes += protection
    plan.result = {
        "certificate": dict(certificate_x509.certificate_facts(leaf), remaining=remaining),
        "next": None,
        "parameters": chain_file_plan.parameters(options, files),
        "files": paths,
    }
    return Deployment(
        options, plan, chain_file, source.certificate, leaf.names, [item.der for item in chain], key, staged
    )


def _stale(instance: Instance, chain_file: str, chain: Sequence[Certificate]) -> str:
    """Why the chain file must be written; empty if it holds this key and these certificates."""
    blocks = openssl.outline(instance, chain_file)
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
    if blocks[0].is_encrypted or openssl.public_half(instance, chain_file) != chain[0].public_key:
        return "another private key"
    return ""


def _protection(path: str, copied: bool, plan: Plan) -> list[Change]:
    """The change that denies other users access to a private key, if there is one to make.

    :param copied: whether Postfix uses a copy of the key in a chain file.
    :raises DeclarationError: if another user owns the key, and Postfix does not use a copy.
    """
    status = openssl.status(path)
    if status is None:
        return []
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid not in (0, os.geteuid()) and not copied:
        openssl.refuse_file(
            path,
            f"user {status.st_uid} owns the private key and can replace it",
            f"Set chain_file, so that Postfix uses a copy that this module has checked, or run: chown root {path}",
        )
    group = _group_name(status.st_gid)
    wanted = mode & (0o740 if group == "ssl-cert" else 0o700)
    if wanted & 0o040:
        plan.warnings.append(
            f"{path}: members of the group ssl-cert can read this private key. Postfix does not need this; "
            f"to deny it, run: chmod 0600 {path}"
        )
    if wanted == mode:
        return []
    plan.warnings.append(
        f"{path}: users other than root had access to this private key (mode {mode:04o}, now {wanted:04o}). "
        "If one of them may have read it, replace the key"
    )
    return [Change(path, _content_stays, b"", attributes=Attributes(mode=wanted), secret=True)]


def _content_stays(temporary: str) -> None:
    """Marks a change of attributes alone: the transaction does not write the file."""
    raise AssertionError(temporary)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _verify(instance: Instance, path: str, options: Mapping[str, Any]) -> None:
    """Verify the chain in a file with ``openssl verify``.

    :raises DeclarationError: if it fails.
    """
    command: list[str] = ["openssl", "verify"]
    if options["side"] != "client":
        # A server that knows a client certificate by its fingerprint accepts it without the clientAuth purpose.
        # A server certificate needs serverAuth.
        command += ["-purpose", "sslserver"]
    ca_file = options["ca_file"]
    if ca_file:
        ca_file = instance.path(ca_file)
        if openssl.outline(instance, ca_file) is None:
            openssl.refuse_file(
                ca_file,
                "ca_file: there is no such file",
                "Set ca_file to a PEM file with the CA's certificate, or remove it",
            )
        # Trust only these CAs. OpenSSL 3.0 and later have the option -no-CAstore for this, but 1.1.1 does not know it.
        command = ["env", "SSL_CERT_DIR=/nonexistent", "SSL_CERT_FILE=/nonexistent", *command]
    trusted = ca_file or openssl.system_bundle(instance)
    if trusted:
        command += ["-CAfile", trusted]
    done = instance.run(*command, "-untrusted", path, path, check=False)
    if done.returncode != 0:
        openssl.refuse_file(
            path,
            "openssl does not verify it: " + certificate_x509.verify_problem(done.stderr + b"\n" + done.stdout),
            f"The file must hold the whole chain up to a CA in {trusted or 'the system CAs'}. "
            "For a CA of your own set ca_file; to skip this check set verify: consistent",
        )


def _check_names(path: str, leaf: Certificate, hostnames: Sequence[str]) -> None:
    missing = certificate_x509.uncovered(leaf.names, hostnames)
    if missing:
        openssl.refuse_file(
            path,
            f"the certificate does not cover {', '.join(missing)}; its names are {', '.join(leaf.names) or 'none'}",
            "Obtain a certificate for these names as well, or correct hostnames",
        )
