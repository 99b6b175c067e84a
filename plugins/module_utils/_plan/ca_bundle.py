# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: the CAs that smtp(8) trusts. Private to mailops.postfix.

A CAfile is read before smtp(8) enters its chroot; a CApath is looked up inside, for each handshake. What Debian copies into
the chroot at a start it finds through CApath: what is put there by this plan is the same, file by file.
"""

from __future__ import annotations

import os
import re
import tempfile
from typing import Any, Mapping, Sequence

from .._errors import DeclarationError, HostError
from .._formats import master_cf
from .._host import openssl
from .._host.instance import Instance
from .._x509 import certificate
from .plan import Change, Plan, Renewal, RenewalKind

CA_BUNDLE: Mapping[str, Any] = {
    "argument_spec": {
        "extra": {"type": "list", "elements": "path", "default": []},
        "system": {"type": "bool", "default": True},
        "form": {"type": "str", "choices": ["file", "directory"], "default": "file"},
        "path": {"type": "path"},
        "update_hook": {"type": "bool"},
    }
}
"""What the module ca_bundle takes, as arguments of AnsibleModule."""

_DEFAULT_PATH = {"file": "tls/ca-certificates.pem", "directory": "tls/ca-certificates"}
_HEADER = "Written by Ansible (mailops.postfix.ca_bundle); changes made here are lost."
_CLIENTS = ("smtp", "lmtp")

# Files of a directory that this plan may have made: a certificate by its fingerprint, and by the hash of its subject.
_HASH = re.compile(r"[0-9a-f]{8}\.\d+")
_OURS = re.compile(rf"[0-9a-f]{{16}}\.pem|{_HASH.pattern}")


def ca_bundle(instance: Instance, options: Mapping[str, Any], future: Instance | None = None) -> Plan:
    """The CAs that smtp(8) trusts. Options and result: those of the module.

    :param future: the instance as the same transaction leaves it, where that may change which services run chrooted.
    """
    extra = [instance.path(path) for path in options["extra"] or []]
    form = options.get("form") or "file"
    if not options["system"] and not extra:
        raise DeclarationError(
            "managing CAs", "ca_bundle", "system: false and no extra: nothing would be trusted", "List CAs in extra"
        )
    plan = Plan()
    ders: dict[bytes, None] = {}
    system: str | None = None
    if options["system"]:
        system = openssl.system_bundle(instance)
        if system is None:
            raise HostError(
                "looking for",
                "the system's CAs",
                "none of " + ", ".join(openssl.SYSTEM_BUNDLES) + " is there",
                "Install ca-certificates",
            )
        ders.update(dict.fromkeys(openssl.read_certificates(instance.read(system) or b"", system)))
    for path in extra:
        ders.update(dict.fromkeys(_extra_cas(instance, path, plan)))

    services = _clients(future or instance)
    if system is not None and not extra and not options["path"] and form == "file":
        path = system
    else:
        path = instance.path(options["path"] or _DEFAULT_PATH[form])
        if form == "file":
            _refuse_path(path, [*openssl.SYSTEM_BUNDLES, *extra])
            plan.changes.append(_file(instance, path, list(ders)))
        else:
            _refuse_path(path, [*map(os.path.dirname, openssl.SYSTEM_BUNDLES), *map(os.path.dirname, extra)])
            files = _hashed(instance, list(ders))
            plan.changes += _directory(instance, path, files, _OURS)
            if any(services.values()):
                inside = os.path.join(instance.parameters["queue_directory"], path.lstrip("/"))
                hashes = {name: text for name, text in files.items() if _HASH.fullmatch(name)}
                plan.changes += _directory(instance, inside, hashes, _HASH)
        plan.requires = "reload" if any(change.rewrites for change in plan.changes) else "none"
    value = openssl.as_parameter(path)
    plan.result = {
        "parameters": {
            "smtp_tls_CAfile": value if form == "file" else None,
            "smtp_tls_CApath": value if form == "directory" else None,
        },
        "chrooted": any(services.values()),
        "services": services,
        "certificates": len(ders),
    }
    copied = options["system"] and bool(plan.changes)
    key = openssl.relative(instance, path)
    plan.renewals.append(Renewal(RenewalKind.CA_BUNDLE, key, options, copied, plan.result))
    return plan


def _clients(instance: Instance) -> dict[str, bool]:
    """The services of master.cf that are clients, and whether each is chrooted."""
    return {
        service.key: instance.chrooted(service.key)
        for service in master_cf.master_entries(instance.master_cf, instance.path("master.cf"))
        if service.column("command") in _CLIENTS
    }


def _refuse_path(path: str, others: Sequence[str]) -> None:
    if os.path.realpath(path) in [os.path.realpath(other) for other in others]:
        openssl.refuse_file(
            path, "path is the system's own file, or one of extra", "Give path a name of its own, or leave it out"
        )


def _file(instance: Instance, path: str, ders: Sequence[bytes]) -> Change:
    text = certificate.bundle_text(_HEADER, ders)
    before = instance.read(path)
    shown = (certificate.listing(before or b""), certificate.listing(text))
    return Change(path, text, before, attributes=openssl.attributes(0o644), shown=shown)


# CApath


def _hashed(instance: Instance, ders: Sequence[bytes]) -> dict[str, bytes]:
    """The files of a CApath: each certificate by its fingerprint, and again by the hash that openssl looks for.

    At a restart Debian fills the chroot with the former and links to them, or with the latter, by its release; so there only
    the latter are looked at. Where others have links, these are files: they are the same to OpenSSL, and can be installed
    like any other file.
    """
    files = {
        f"{certificate.fingerprint(der).replace(':', '').lower()[:16]}.pem": certificate.to_pem(der) for der in ders
    }
    with tempfile.TemporaryDirectory(prefix="postfix-ca-") as directory:
        for name, text in files.items():
            with open(os.path.join(directory, name), "wb") as file:
                file.write(text)
        instance.run("openssl", "rehash", directory)
        links = [name for name in sorted(os.listdir(directory)) if os.path.islink(os.path.join(directory, name))]
        files.update({name: files[os.readlink(os.path.join(directory, name))] for name in links})
    return files


def _directory(instance: Instance, directory: str, files: Mapping[str, bytes], ours: re.Pattern[str]) -> list[Change]:
    """Make these files, and remove those others whose names could be ours."""
    try:
        present = os.listdir(directory)
    except FileNotFoundError:
        present = []
    except OSError as error:
        raise HostError("reading", directory, error.strerror or str(error), "Give path another name") from error
    changes = []
    for name, text in files.items():
        path = os.path.join(directory, name)
        before = instance.read(path)
        shown = (certificate.listing(before or b""), certificate.listing(text))
        changes.append(Change(path, text, before, attributes=openssl.attributes(0o644), shown=shown))
    gone: dict[str, Change] = {}
    for name in sorted(present):
        path = os.path.join(directory, name)
        if name in files or not ours.fullmatch(name):
            continue
        content, target = instance.read(path), os.path.realpath(path)
        # Debian 11 has two links to each file in the chroot, the second by a hash that only old versions of OpenSSL look for. What leads
        # nowhere makes nobody trusted, and what is elsewhere is not ours to remove.
        elsewhere = os.path.dirname(target) != os.path.realpath(directory)
        if os.path.islink(path) and (content is None or content in files.values() or elsewhere):
            continue
        gone[target] = Change(target, None, content or b"", shown=("(a CA of before)\n", ""))
    changes += gone.values()
    return changes


# Site CAs


def _extra_cas(instance: Instance, path: str, plan: Plan) -> list[bytes]:
    blocks = openssl.outline(instance, path)
    if blocks is None:
        openssl.refuse_file(
            path, "there is no such file", "Copy the CA's certificate to this host first, or correct extra"
        )
    if any(block.is_private_key for block in blocks):
        openssl.refuse_file(
            path,
            "it holds a private key; this file would be readable to all",
            "Give a file with the CA's certificate only",
        )
    ders = openssl.certificates_of(blocks, path)
    for der in ders:
        item = openssl.examine(instance, der, path)
        problem = certificate.validity_problem(item, openssl.now())
        if problem:
            plan.warnings.append(f"{path}: {item.subject}: {problem}; nothing that it issued is trusted")
        if not item.self_issued and not item.authority:
            plan.warnings.append(
                f"{path}: {item.subject} is neither a CA's certificate nor self-signed: it makes no peer trusted"
            )
    return ders
