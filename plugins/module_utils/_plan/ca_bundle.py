# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans for the CAs that smtp(8) trusts. Private to mailops.postfix.

smtp(8) reads smtp_tls_CAfile before it enters its chroot; it reads smtp_tls_CApath inside the chroot, at each handshake. Debian's start
script copies the directory that smtp_tls_CApath names into the chroot. This plan puts the same files there.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import asdict, dataclass, replace
from typing import Mapping, Sequence

from .._errors import DeclarationError, HostError
from .._formats import master_cf
from .._host import openssl
from .._host.instance import Instance
from .._x509 import certificate, pem
from .ca_bundle_options import CaBundleOptions
from .plan import Change, Plan, Renewal, RenewalKind, root_owned

_HEADER = "Written by Ansible (mailops.postfix.ca_bundle); changes made here are lost."
_CLIENTS = ("smtp", "lmtp")

# The names of the files that this plan writes into a directory: the fingerprint of a certificate, and the hash of its subject.
_HASH = re.compile(r"[0-9a-f]{8}\.\d+")
_OURS = re.compile(rf"[0-9a-f]{{16}}\.pem|{_HASH.pattern}")


@dataclass(frozen=True)
class PlannedBundle:
    """What becomes of the CAs that smtp(8) trusts."""

    options: CaBundleOptions
    plan: Plan
    path: str
    services: Mapping[str, bool]
    """The services that run smtp(8) or lmtp(8), and whether each runs chrooted."""
    certificates: int

    @property
    def parameters(self) -> dict[str, str | None]:
        """The main.cf parameters that make smtp(8) use it; None removes a parameter."""
        value, form = openssl.as_parameter(self.path), self.options.form
        return {
            "smtp_tls_CAfile": value if form == "file" else None,
            "smtp_tls_CApath": value if form == "directory" else None,
        }

    def reported(self, instance: Instance) -> Plan:
        """The plan with the result of the module ca_bundle, and with what is to be planned again at a renewal."""
        result = {
            "parameters": self.parameters,
            "chrooted": any(self.services.values()),
            "services": self.services,
            "certificates": self.certificates,
        }
        copied = self.options.system and bool(self.plan.changes)
        key = openssl.relative(instance, self.path)
        renewal = Renewal(RenewalKind.CA_BUNDLE, key, asdict(self.options), copied, result)
        return replace(self.plan, result=result, renewals=[renewal])


def planned_bundle(instance: Instance, options: CaBundleOptions, staged: Instance) -> PlannedBundle:
    """What becomes of the CAs that smtp(8) trusts.

    :param staged: the instance with the master.cf of the same transaction, which may change which services run chrooted.
    :raises DeclarationError: if a file in ``extra`` has no CA certificate, or ``path`` is not a path to write to.
    :raises HostError: if the system has no CA file.
    """
    plan = Plan()
    extra = [instance.path(path) for path in options.extra]
    system, ders = _certificates(instance, options, extra, plan)
    services = _clients(staged)
    if system and not extra and not options.path and options.form == "file":
        return PlannedBundle(options, plan, system, services, len(ders))
    path = instance.path(options.destination)
    if options.form == "file":
        _refuse_path(path, [*openssl.SYSTEM_BUNDLES, *extra])
        plan.changes.append(_file(instance, path, pem.bundle_text(_HEADER, ders)))
    else:
        _refuse_path(path, [*map(os.path.dirname, openssl.SYSTEM_BUNDLES), *map(os.path.dirname, extra)])
        files = _hashed(instance, ders)
        plan.changes += _directory(instance, path, files, _OURS)
        if any(services.values()):
            inside = os.path.join(instance.parameters["queue_directory"], path.lstrip("/"))
            hashes = {name: text for name, text in files.items() if _HASH.fullmatch(name)}
            plan.changes += _directory(instance, inside, hashes, _HASH)
    plan.requires = "reload" if any(change.rewrites for change in plan.changes) else "none"
    return PlannedBundle(options, plan, path, services, len(ders))


def _certificates(
    instance: Instance, options: CaBundleOptions, extra: Sequence[str], plan: Plan
) -> tuple[str, list[bytes]]:
    """The system's file, empty without it, and all certificates, in DER form; adds warnings to the plan."""
    if not options.system and not extra:
        raise DeclarationError(
            "managing CAs",
            "ca_bundle",
            "system is false and extra is empty: smtp(8) would trust no CA",
            "List CAs in extra, or set system: true",
        )
    ders: dict[bytes, None] = {}
    system = ""
    if options.system:
        system = openssl.system_bundle()
        if not system:
            raise HostError(
                "looking for",
                "the system's CAs",
                "none of these files exists: " + ", ".join(openssl.SYSTEM_BUNDLES),
                "Install the package ca-certificates",
            )
        ders.update(dict.fromkeys(openssl.read_certificates(instance.read(system) or b"", system)))
    for path in extra:
        ders.update(dict.fromkeys(_extra_cas(instance, path, plan)))
    return system, list(ders)


def _clients(instance: Instance) -> dict[str, bool]:
    """The services of master.cf that run smtp(8) or lmtp(8), and whether each runs chrooted."""
    return {
        service.key: instance.chrooted(service.key)
        for service in master_cf.master_entries(instance.master_cf, instance.path("master.cf"))
        if service.column("command") in _CLIENTS
    }


def _refuse_path(path: str, others: Sequence[str]) -> None:
    if os.path.realpath(path) in [os.path.realpath(other) for other in others]:
        openssl.refuse_file(
            path, "path is a file or directory of the system, or of extra", "Set path to another path, or remove it"
        )


def _file(instance: Instance, path: str, text: bytes) -> Change:
    before = instance.read(path)
    shown = (pem.listing(before or b""), pem.listing(text))
    return Change(path, text, before, attributes=root_owned(0o644), shown=shown)


# CApath


def _hashed(instance: Instance, ders: Sequence[bytes]) -> dict[str, bytes]:
    """The files of a directory for smtp_tls_CApath, by name: each certificate under its fingerprint and under the hash that OpenSSL looks up.

    At a restart Debian copies into the chroot, depending on its release, the files under fingerprints and adds links with hashes, or the
    files under hashes. In the chroot this plan therefore considers only names with hashes. OpenSSL treats links and files alike.
    """
    files = {f"{pem.fingerprint(der).replace(':', '').lower()[:16]}.pem": pem.to_pem(der) for der in ders}
    with tempfile.TemporaryDirectory(prefix="postfix-ca-") as directory:
        for name, text in files.items():
            with open(os.path.join(directory, name), "wb") as file:
                file.write(text)
        instance.run("openssl", "rehash", directory)
        links = [name for name in sorted(os.listdir(directory)) if os.path.islink(os.path.join(directory, name))]
        files.update({name: files[os.readlink(os.path.join(directory, name))] for name in links})
    return files


def _directory(instance: Instance, directory: str, files: Mapping[str, bytes], ours: re.Pattern[str]) -> list[Change]:
    """The changes that write these files into a directory, and remove other files whose names match a pattern.

    :param ours: matches the names of the files that this plan writes.
    """
    try:
        present = os.listdir(directory)
    except FileNotFoundError:
        present = []
    except OSError as error:
        raise HostError("reading", directory, error.strerror or str(error), "Set path to another path") from error
    changes = [_file(instance, os.path.join(directory, name), text) for name, text in files.items()]
    removed: dict[str, Change] = {}
    for name in sorted(present):
        path = os.path.join(directory, name)
        if name in files or not ours.fullmatch(name):
            continue
        content, target = instance.read(path), os.path.realpath(path)
        # Debian 11 has two links to each file in the chroot, the second with a hash that only old versions of OpenSSL look up. A broken link
        # makes OpenSSL trust no CA, and a file in another directory was not written by this plan.
        leads_out = os.path.dirname(target) != os.path.realpath(directory)
        if os.path.islink(path) and (content is None or content in files.values() or leads_out):
            continue
        removed[target] = Change(target, None, content or b"", shown=("(a CA that is no longer trusted)\n", ""))
    changes += removed.values()
    return changes


# CAs in extra


def _extra_cas(instance: Instance, path: str, plan: Plan) -> list[bytes]:
    """The certificates in a file, in DER form; adds warnings to the plan.

    :raises DeclarationError: if the file does not exist, or holds a private key or no certificate.
    """
    blocks = openssl.outline(instance, path)
    if blocks is None:
        openssl.refuse_file(
            path, "there is no such file", "Copy the CA's certificate to this host first, or correct extra"
        )
    if any(block.is_private_key for block in blocks):
        openssl.refuse_file(
            path,
            "it holds a private key, which the CA bundle would make readable to all users",
            "List a file with the CA's certificate only",
        )
    ders = openssl.decode_certificates(blocks, path)
    for der in ders:
        item = openssl.examine(instance, der, path)
        problem = certificate.validity_problem(item, openssl.now())
        if problem:
            plan.warnings.append(f"{path}: {item.subject}: {problem}; certificates that it issued are not trusted")
        if not item.self_issued and not item.authority:
            plan.warnings.append(
                f"{path}: {item.subject} is neither a CA's certificate nor self-signed: OpenSSL does not trust it"
            )
    return ders
