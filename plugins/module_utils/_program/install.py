# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to what renews it without Ansible. Private to mailops.postfix.

One program on the host, made of the very files that run now, and a file that says what was declared. Who renews a
certificate or the system's CAs calls the program (:mod:`deploy`), which plans and installs as the module does. A
timer calls it each hour (:mod:`timer_program`).
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import sys
import zipfile
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from .._errors import HostError
from .._formats.lines import to_bytes
from .._host import openssl
from .._host.instance import Instance
from .._plan.plan import Change
from . import timer as timer_program

if TYPE_CHECKING:
    # Never imported by a module; but Ansible sends to the host what it sees imported somewhere.
    from . import deploy  # noqa: F401

PROGRAM = "/usr/local/libexec/mailops-postfix/deploy-certificate"
DECLARATIONS = "/etc/mailops-postfix"
CERTIFICATES = "certificates"
CA_BUNDLES = "ca-bundles"

CERTBOT_HOOK = "renewal-hooks/deploy/mailops-postfix"
"""In certbot's directory; ``certbot renew`` runs what is there."""

CA_HOOKS = ("/etc/ca-certificates/update.d",)
"""Where update-ca-certificates of Debian, SUSE and Alpine finds what to run afterwards. Red Hat and FreeBSD have no such place."""

CA_HOOK = "mailops-postfix"

_PACKAGE = "ansible_collections.mailops.postfix.plugins.module_utils"
_MAIN = f"""\
import sys

from {_PACKAGE} import deploy

sys.exit(deploy.main(sys.argv[1:]))
"""
_IMPORT = re.compile(
    rf"^[ \t]*from {re.escape(_PACKAGE)}(?:\.(?P<part>_\w+))? import (?P<names>\([^)]*\)|[^\n]*)", re.MULTILINE
)
_USUAL_PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3")
_EPOCH = (2026, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Hook:
    """What has Postfix follow a renewal."""

    changes: Sequence[Change]
    result: dict[str, str | None] | None = None
    """What the module returns; None if there is no hook."""
    afterwards: Sequence[tuple[str, ...]] = ()
    """Commands to be run when the changes are installed."""
    warnings: Sequence[str] = field(default=())


def certificate_hook(instance: Instance, options: Mapping[str, Any], what: str, wanted: bool) -> Hook:
    """What has a certificate deployed when its client renews it, or nothing any more.

    :param what: what tells this certificate of the instance from others: its chain file or its name.
    """
    path = _declaration(CERTIFICATES, instance, what)
    if not wanted:
        return Hook(_forgotten(instance, path))
    scripts = []
    if options["provider"] == "certbot":
        base = instance.path(options.get("directory") or "/etc/letsencrypt")
        scripts.append(_script(instance, os.path.join(base, CERTBOT_HOOK), f'exec {PROGRAM} "$@"'))
    return _hook(instance, path, options, scripts)


def ca_hook(instance: Instance, options: Mapping[str, Any], what: str, wanted: bool) -> Hook:
    """What makes a CA bundle anew when the system's CAs change: at once where the system has a place for it."""
    path = _declaration(CA_BUNDLES, instance, what)
    if not wanted:
        return Hook(_forgotten(instance, path))
    scripts = [
        # What goes wrong is in the mail log; the package that updates the CAs is not to fail of it.
        _script(instance, os.path.join(directory, CA_HOOK), f"{PROGRAM} --ca-bundles || :")
        for directory in CA_HOOKS
        if os.path.isdir(directory)
    ]
    return _hook(instance, path, options, scripts)


def _hook(instance: Instance, path: str, options: Mapping[str, Any], scripts: Sequence[Change]) -> Hook:
    timer = timer_program.timer(instance, f"{PROGRAM} --due")
    warnings = [f"this host has neither systemd nor cron: have something call {PROGRAM} --due each hour"]
    return Hook(
        [_program_file(instance), *_declared(instance, path, options), *scripts, *timer.changes],
        {"program": PROGRAM, "declaration": path, "timer": timer.path},
        timer.afterwards,
        () if timer.path else warnings,
    )


def _declaration(kind: str, instance: Instance, what: str) -> str:
    name = "--".join(part.strip("/").replace("/", "-") for part in (instance.config_directory, what))
    return os.path.join(DECLARATIONS, kind, f"{name}.json")


def _declared(instance: Instance, path: str, options: Mapping[str, Any]) -> list[Change]:
    declared = {name: value for name, value in sorted(options.items()) if name not in _NOT_DECLARED}
    content = {"config_directory": instance.config_directory, "options": declared}
    text = to_bytes(json.dumps(content, indent=2, sort_keys=True) + "\n")
    return [Change(path, text, instance.read(path), attributes=openssl.attributes(0o600))]


# What concerns one run of a module, and not the certificate.
_NOT_DECLARED = ("config_directory", "backup", "lock_timeout", "deploy_hook", "update_hook")


def _forgotten(instance: Instance, path: str) -> list[Change]:
    before = instance.read(path)
    return [] if before is None else [Change(path, None, before)]


def _script(instance: Instance, path: str, command: str) -> Change:
    text = f"#!/bin/sh\n# Written by Ansible (mailops.postfix).\n{command}\n".encode()
    return Change(path, text, instance.read(path), attributes=openssl.attributes(0o755))


# The program


def _program_file(instance: Instance) -> Change:
    before, after = instance.read(PROGRAM), program()
    shown = ("" if before is None else "(other code)\n", "(the code of this collection)\n")
    return Change(PROGRAM, after, before, attributes=openssl.attributes(0o755), shown=shown)


@lru_cache(maxsize=1)
def program() -> bytes:
    """The program, byte for byte the same for the same code: an archive that Python runs, without Ansible and without site-packages."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        _add(file, "__main__.py", _MAIN)
        package = _PACKAGE.split(".")
        for depth in range(1, len(package) + 1):
            _add(file, "/".join([*package[:depth], "__init__.py"]), "")
        for part, source in sorted(parts("deploy").items()):
            _add(file, "/".join([*package, f"{part}.py"]), source)
    return f"#!{interpreter()} -IS\n".encode() + archive.getvalue()


def parts(first: str) -> dict[str, str]:
    """The sources of a file of module_utils, of all that it imports, and of what they import."""
    found: dict[str, str] = {}
    waiting = [first]
    while waiting:
        part = waiting.pop()
        if part in found:
            continue
        found[part] = _source(f"{_PACKAGE}.{part}")
        for match in _IMPORT.finditer(found[part]):
            waiting += [match.group("part")] if match.group("part") else re.findall(r"\b_\w+", match.group("names"))
    return found


def _add(file: zipfile.ZipFile, name: str, text: str) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.external_attr = 0o644 << 16
    file.writestr(entry, text.encode())


def _source(name: str) -> str:
    """The source of a file that runs here, wherever Ansible has put it."""
    spec = importlib.util.find_spec(name)
    source = getattr(spec.loader, "get_source", None) if spec is not None else None
    text = source(name) if source is not None else None
    if text is None:
        raise HostError("making", PROGRAM, f"the source of {name} is not to be found")
    return str(text)


def interpreter() -> str:
    """The Python that runs this, by a name that a new release of the system will still know."""
    own = os.path.realpath(sys.executable)
    return next((path for path in _USUAL_PYTHONS if os.path.realpath(path) == own), sys.executable)
