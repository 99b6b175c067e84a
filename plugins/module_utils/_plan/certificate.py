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
import time
from dataclasses import replace
from datetime import datetime
from typing import Sequence

from .._errors import HostError
from .._host import openssl
from .._host.instance import Instance
from .._x509 import certificate as x509
from .._x509.acme_layout import Lineage, locate_files
from .._x509.certificate import Certificate
from .._x509.pem import PemError
from . import chain_file as chain_file_plan
from . import self_signed, sni
from .certificate_options import CertificateOptions
from .chain_file import Deployment
from .plan import Agreement, Attributes, Change, Plan, content_stays, strongest

_REPLACEMENT_SECONDS = 0.5
"""How long an ACME client may take to replace the files of a certificate."""


def deployments(
    instance: Instance, declared: Sequence[CertificateOptions], former: Sequence[CertificateOptions] = ()
) -> list[Deployment]:
    """The deployments of several certificates that are installed together.

    :param former: those of an earlier declaration, whose names the table of server names loses unless they are declared now.
    """
    result = [_deployment(instance, options) for options in declared]
    for item in result:
        item.plan.agreements += _agreements(instance, item)
    _join_sni(instance, result, sni_files(instance, former))
    return result


def stamped_files(instance: Instance, options: CertificateOptions) -> tuple[str, list[str]]:
    """The name of the stamp of a certificate that a provider renews, and its files: the provider's, and those that depend on them."""
    source = source_files(instance, options)
    own = chain_file_plan.chain_file(instance, options)
    trusted = instance.path(options.ca_file) if options.ca_file else openssl.system_bundle()
    paths = [
        source.private_key,
        source.certificate,
        *([own] if own else []),
        *([trusted] if _verifies(options) and trusted else []),
        # The text says for which names the file is served.
        *([sni_path(instance, options)] if options.sni else []),
    ]
    hostnames = ", ".join(sorted(options.hostnames or ["all its names"]))
    return f"certificate {own or source.certificate} for {hostnames}", paths


def _agreements(instance: Instance, item: Deployment) -> list[Agreement]:
    if item.source is None or not item.ends:
        return []
    return [Agreement(*stamped_files(instance, item.options), until=item.ends)]


def sni_files(instance: Instance, declared: Sequence[CertificateOptions]) -> list[str]:
    """The chain files of those certificates that are served by server name."""
    return [
        path for options in declared if options.sni for path in [chain_file_plan.chain_file(instance, options)] if path
    ]


def without_names(instance: Instance, former: Sequence[CertificateOptions]) -> Plan:
    """The plan that removes the server names of certificates, if no other certificate is declared for a server name."""
    plan = Plan()
    for path in dict.fromkeys(sni_path(instance, options) for options in former if options.sni):
        files = sni_files(instance, [options for options in former if sni_path(instance, options) == path])
        if any(
            file in files for names in sni.files_by_name(instance.read(path) or b"", "hash").values() for file in names
        ):
            table = sni.sni_table(instance, path, [], files)
            plan.changes += table.plan.changes
            plan.warnings += table.plan.warnings
            plan.requires = strongest(plan.requires, table.plan.requires)
    return plan


def sni_path(instance: Instance, options: CertificateOptions) -> str:
    """The path of the table of server names."""
    return instance.path(options.sni_table or os.path.join("tls", "sni"))


def _join_sni(instance: Instance, deployments: Sequence[Deployment], former: Sequence[str]) -> None:
    """Add the table of server names to the last of the plans whose certificates it lists. All certificates share one table.

    :param former: the chain files of an earlier declaration.
    """
    served = [item for item in deployments if item.options.sni and item.chain_file is not None]
    if not served:
        return
    last = served[-1]
    tables = list(dict.fromkeys(sni_path(instance, item.options) for item in served))
    if len(tables) > 1:
        raise last.options.refusal(
            f"sni_table: Postfix looks up server names in one table, not in {' and '.join(tables)}",
            "Give all certificates the same sni_table",
        )
    table = sni.sni_table(instance, tables[0], served, former)
    for item in served:
        item.parameters["tls_server_sni_maps"] = table.map
    last.plan.changes += table.plan.changes
    last.plan.warnings += table.plan.warnings
    last.plan.agreements += table.plan.agreements
    last.plan.requires = strongest(last.plan.requires, table.plan.requires)


def _deployment(instance: Instance, options: CertificateOptions) -> Deployment:
    name = options.name
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise replace(options, name=repr(name)).refusal(
            "this is not a valid certificate name",
            "Use letters, digits, '.', '-' and '_', and begin with a letter, a digit or '_'",
        )
    for option, value in (("warn_below", options.warn_below), ("renew_below", options.renew_below)):
        if not 0 <= value < 1:
            raise options.refusal(
                f"{option}: {value} is not a valid fraction of the certificate's lifetime",
                "Write a number from 0 to below 1, such as 0.3",
            )
    if options.sni_table and not options.sni:
        raise options.refusal("sni_table requires sni: true", "Set both, or neither")
    if options.sni and options.side == "client":
        raise options.refusal(
            "sni: only a server selects certificates by server name, and side is client",
            "Remove sni, or set side: server or side: both",
        )
    if options.provider == "self_signed":
        return self_signed.self_signed(instance, options)
    if options.next_key != "keep":
        raise options.refusal(
            f"next_key: provider {options.provider} manages the keys of its certificates itself",
            "Pins stay valid as long as the key does (certbot: --reuse-key). To replace the key, obtain a second certificate "
            "under another name, have peers pin its key as well, and then serve that certificate",
        )
    return _provided(instance, source_files(instance, options), options)


# Certificates of ACME clients, and from files


def source_files(instance: Instance, options: CertificateOptions) -> Lineage:
    """The files of a certificate from an ACME client or from provider ``files``."""
    if options.provider == "files":
        remedy = "Copy the file to this host first, or correct the path"
        return Lineage(instance.path(options.private_key or ""), instance.path(options.certificate or ""), remedy)
    chain_file_plan.refuse_file_options(options)
    directory = instance.path(options.directory) if options.directory else None
    return locate_files(options.provider, options.name, directory, options.key_type, os.path.exists)


def _provided(instance: Instance, source: Lineage, options: CertificateOptions) -> Deployment:
    plan, now = Plan(), openssl.now()
    chain = _sound_chain(instance, source, now, plan.warnings)
    leaf = chain[0]
    _check_names(source.certificate, leaf, options.hostnames or [])
    chain_file = chain_file_plan.chain_file(instance, options)
    protection = _protection(source.private_key, chain_file is not None, plan)
    if _verifies(options):
        _verify(instance, source.certificate, options)
    remaining = x509.remaining(leaf, now)
    if remaining < options.warn_below:
        plan.warnings.append(
            f"{source.certificate}: the certificate expires on {x509.iso8601(leaf.not_after)}, "
            f"{remaining:.0%} of its lifetime is left. Check that it is renewed"
        )
    files = list(dict.fromkeys([source.private_key, source.certificate])) if chain_file is None else [chain_file]
    deployment = Deployment(
        options,
        plan,
        chain_file_plan.facts(leaf),
        None,
        chain_file_plan.parameters(options, files),
        chain_file,
        leaf.names,
        [item.der for item in chain],
        leaf.public_key,
        source,
        min(item.not_after for item in chain).timestamp(),
    )
    if chain_file is not None:
        copy = _copy(instance, source, chain_file, chain, deployment.staged)
        plan.changes.append(copy)
        plan.requires = "reload" if copy.rewrites else "none"
        deployment.new_key = copy.rewrites and _key_of(instance, chain_file) != leaf.public_key
    plan.changes += protection
    return deployment


def _sound_chain(instance: Instance, source: Lineage, now: datetime, warnings: list[str]) -> Sequence[Certificate]:
    """The certificates of a source: valid now, in order, the first with the source's key.

    :raises DeclarationError: if they are not.
    """
    before = _identities(source)
    chain, key = _read_pair(instance, source)
    if key != chain[0].public_key:
        # An ACME client replaces one file after the other.
        time.sleep(_REPLACEMENT_SECONDS)
        if _identities(source) != before:
            chain, key = _read_pair(instance, source)
    leaf = chain[0]
    if key != leaf.public_key:
        openssl.refuse_file(
            source.private_key,
            f"this private key does not belong to the first certificate in {source.certificate} ({leaf.subject})",
            "Use the key of the leaf certificate, and write the leaf certificate first in its file",
        )
    problem = x509.order_problem(chain)
    if problem:
        openssl.refuse_file(
            source.certificate, problem, "Write the leaf first, then the certificate that issued it, and so on"
        )
    problem = x509.validity_problem(leaf, now)
    if problem:
        openssl.refuse_file(source.certificate, problem, "Renew it")
    for intermediate in chain[1:]:
        problem = x509.validity_problem(intermediate, now)
        if problem:
            warnings.append(f"{source.certificate}: the chain contains {intermediate.subject}: {problem}")
    return chain


def _read_pair(instance: Instance, source: Lineage) -> tuple[Sequence[Certificate], bytes]:
    """The certificates of a source, and the public half of its key."""
    chain = openssl.read_chain(instance, source.certificate, source.remedy)
    return chain, openssl.read_key(instance, source.private_key, source.remedy)


def _identities(source: Lineage) -> list[tuple[int, int] | None]:
    """What tells whether the files of a source are others."""
    found = (openssl.status(path) for path in (source.private_key, source.certificate))
    return [None if status is None else (status.st_ino, status.st_mtime_ns) for status in found]


def _copy(
    instance: Instance, source: Lineage, chain_file: str, chain: Sequence[Certificate], staged: dict[str, str]
) -> Change:
    """The chain file with the key and the certificates of a source."""
    if os.path.realpath(chain_file) in (os.path.realpath(source.private_key), os.path.realpath(source.certificate)):
        openssl.refuse_file(
            chain_file, "chain_file is also the file of the key or the certificate", "Set chain_file to another path"
        )

    def make(path: str) -> None:
        staged[chain_file] = path
        instance.run("openssl", "pkey", "-in", source.private_key, *openssl.NO_PASSPHRASE, "-out", path)
        chain_file_plan.append(path, [item.der for item in chain])
        if openssl.public_half(instance, path) != chain[0].public_key:
            raise HostError(
                "writing", chain_file, f"{source.private_key} was replaced during this run", "Run the task again"
            )

    return chain_file_plan.secret_file(chain_file, make, _stale(instance, chain_file, chain))


def _key_of(instance: Instance, chain_file: str) -> bytes | None:
    """The public half of the key in the chain file; None if there is no such file, or no key in it."""
    return None if openssl.status(chain_file) is None else openssl.public_half(instance, chain_file)


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
    return [Change(path, content_stays, b"", attributes=Attributes(mode=wanted), secret=True)]


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _verifies(options: CertificateOptions) -> bool:
    """Whether the chain must be verified. Files of one's own may be from a CA that the system does not know."""
    return options.verify == "chain" or (options.verify == "auto" and options.provider != "files")


def _verify(instance: Instance, path: str, options: CertificateOptions) -> None:
    """Verify the chain in a file with ``openssl verify``.

    :raises DeclarationError: if it fails.
    """
    ca_file = options.ca_file
    if ca_file:
        ca_file = instance.path(ca_file)
        if openssl.outline(instance, ca_file) is None:
            openssl.refuse_file(
                ca_file,
                "ca_file: there is no such file",
                "Set ca_file to a PEM file with the CA's certificate, or remove it",
            )
    problem = openssl.chain_problem(instance.unchecked, path, options.side != "client", ca_file or "")
    if problem:
        openssl.refuse_file(
            path,
            f"openssl does not verify it: {problem}",
            f"The file must hold the whole chain up to a CA in {ca_file or openssl.system_bundle() or 'the system CAs'}. "
            "For a CA of your own set ca_file; to skip this check set verify: consistent",
        )


def _check_names(path: str, leaf: Certificate, hostnames: Sequence[str]) -> None:
    missing = x509.uncovered(leaf.names, hostnames)
    if missing:
        openssl.refuse_file(
            path,
            f"the certificate does not cover {', '.join(missing)}; its names are {', '.join(leaf.names) or 'none'}",
            "Obtain a certificate for these names as well, or correct hostnames",
        )
