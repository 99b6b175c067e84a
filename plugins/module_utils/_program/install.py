# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Adds to a plan what makes renewals reach Postfix without Ansible. Private to mailops.postfix.

A planner says what it makes of files that others renew (:class:`_plan.plan.Renewal`). This file adds the program on the host, a
specification for each renewal (:mod:`renewals`), the hooks of those who renew, and a timer (:mod:`timer`).

The program is built on the controller (:mod:`archive`) and does not travel with a module: the action plugin sends its checksum, and
the program itself only when the host has another one.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any, Callable, Mapping, Optional

from .._errors import DeclarationError, ProgramNotSent
from .._host.instance import Instance
from .._plan.plan import Change, Plan, Renewal, RenewalKind, root_owned
from .._transaction.journal import FORMAT
from .._x509 import acme_layout
from . import archive, renewals, timer

PROGRAM = "/var/lib/mailops-postfix/program"

WRAPPER = "/usr/local/sbin/mailops-postfix"
"""The command for people."""

FORMER_PROGRAM = "/usr/local/libexec/mailops-postfix/deploy-certificate"
"""The program of earlier versions. Hooks that administrators have set up themselves, of lego or acme.sh say, call it."""

CERTBOT_HOOK = "renewal-hooks/deploy/mailops-postfix"
"""In certbot's directory; ``certbot renew`` runs what is there."""

CA_HOOKS = ("/etc/ca-certificates/update.d",)
"""Where update-ca-certificates of Debian, SUSE and Alpine finds what to run afterwards. Red Hat and FreeBSD have no such place."""

CA_HOOK = "mailops-postfix"

OPTION: Mapping[str, Any] = {
    "_program": {
        "type": "dict",
        "options": {"checksum": {"type": "str", "required": True}, "path": {"type": "path"}},
    }
}
"""The hidden option by which the action plugin tells of the program."""

_SYSTEM = ("/etc/", "/usr/local/etc/")
_USUAL_PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3")
_WRITTEN = "# Written by Ansible (mailops.postfix)."


def with_renewals(
    build: Callable[[Instance, Mapping[str, Any]], Plan],
) -> Callable[[Instance, Mapping[str, Any]], Plan]:
    """A function that plans as the given one does, and adds what its renewals need on this host."""

    def complete(instance: Instance, options: Mapping[str, Any]) -> Plan:
        plan = build(instance, options)
        add_renewals(instance, plan, options.get("_program"))
        return plan

    return complete


def add_renewals(instance: Instance, plan: Plan, sent: Optional[Mapping[str, Any]]) -> None:
    """Add to a plan what its renewals need on this host, or remove what an earlier plan has added.

    :param sent: the option :data:`OPTION`: checksum of the program, and its path on this host if it has been sent.
    """
    wanted = [renewal for renewal in plan.renewals if _is_wanted(instance, renewal)]
    for renewal in plan.renewals:
        renewal.result[_RESULT[renewal.kind]] = None
        if renewal not in wanted:
            plan.changes += renewals.forgotten(instance, renewal)
    if not wanted:
        return
    program, warnings = _program_changes(instance, sent)
    hourly = timer.timer(instance, f"{command()} deploy --due")
    changes = [*hourly.changes]
    for renewal in wanted:
        changes += [renewals.stored(instance, renewal), *_scripts(instance, renewal)]
        renewal.result[_RESULT[renewal.kind]] = {
            "program": PROGRAM,
            "command": f"{command()} deploy",
            "declaration": renewals.spec_path(instance, renewal),
            "timer": hourly.path,
        }
    # The program comes first: whatever else of the plan is in place, its hooks find what they call.
    plan.changes[:0] = program
    plan.changes += {change.path: change for change in changes}.values()
    plan.afterwards += hourly.afterwards
    plan.warnings += warnings
    if hourly.path is None:
        plan.warnings.append(
            f"this host has neither systemd nor cron. Configure its scheduler to run '{command()} deploy --due' each hour"
        )


_RESULT = {RenewalKind.CERTIFICATE: "deploy_hook", RenewalKind.CA_BUNDLE: "update_hook"}


def _is_wanted(instance: Instance, renewal: Renewal) -> bool:
    """Whether the host must follow a renewal: as the user declares, otherwise where Postfix has a copy of what others renew."""
    if renewal.kind is RenewalKind.CERTIFICATE:
        wanted = renewal.options.get("deploy_hook")
        provider = renewal.options["provider"]
        if wanted and provider == "self_signed":
            raise DeclarationError(
                "managing certificate",
                str(renewal.options["name"]),
                "deploy_hook: only this module renews a self-signed certificate",
                "Remove deploy_hook",
            )
        return provider in acme_layout.DIRECTORIES and renewal.copied if wanted is None else bool(wanted)
    wanted = renewal.options.get("update_hook")
    if wanted and not renewal.copied:
        raise DeclarationError(
            "managing CAs",
            "ca_bundle",
            "update_hook: Postfix uses the system's CAs directly, or none of them, so that nothing has to follow them",
            "Remove update_hook",
        )
    if wanted is None:
        # Users other than root cannot install a hook.
        return renewal.copied and instance.config_directory.startswith(_SYSTEM) and os.geteuid() == 0
    return bool(wanted)


def _scripts(instance: Instance, renewal: Renewal) -> list[Change]:
    """The hooks of those who renew."""
    if renewal.kind is RenewalKind.CERTIFICATE:
        if renewal.options["provider"] != "certbot":
            return []
        base = instance.path(renewal.options.get("directory") or "/etc/letsencrypt")
        return [_script(instance, os.path.join(base, CERTBOT_HOOK), f'exec {command()} deploy "$@"')]
    return [
        # The mail log has the reason of a failure, which must not fail the package that updates the CAs.
        _script(instance, os.path.join(directory, CA_HOOK), f"{command()} deploy --ca-bundles || :")
        for directory in CA_HOOKS
        if os.path.isdir(directory)
    ]


def _script(instance: Instance, path: str, line: str, comment: str = f"{_WRITTEN}\n") -> Change:
    text = f"#!/bin/sh\n{comment}{line}\n".encode()
    return Change(path, text, instance.read(path), attributes=root_owned(0o755))


# The program


def command() -> str:
    """How units, cron and hooks call the program: the Python that runs this, and the path of the program."""
    return f"{interpreter()} {PROGRAM}"


def interpreter() -> str:
    """The Python that runs this, by a name that stays when the system is upgraded, if it has one."""
    own = os.path.realpath(sys.executable)
    return next((path for path in _USUAL_PYTHONS if os.path.realpath(path) == own), sys.executable)


def _program_changes(instance: Instance, sent: Optional[Mapping[str, Any]]) -> tuple[list[Change], list[str]]:
    """The program, what calls it by other names, and warnings."""
    if sent is None:
        raise _not_sent()
    changes, warnings = [], []
    before = instance.read(PROGRAM)
    installed = None if before is None else archive.format_of(before)
    if installed is not None and installed > FORMAT:
        warnings.append(
            f"{PROGRAM} stays as it is: a newer version of mailops.postfix installed it (format {installed}; "
            f"this version has {FORMAT})"
        )
    else:
        changes.append(_program_file(before, sent))
    forward = f'exec {command()} "$@"'
    obstacle = _obstacle(WRAPPER)
    if obstacle:
        warnings.append(f"{WRAPPER} can't be written: {obstacle}. Call '{command()}' instead")
    else:
        changes.append(_script(instance, WRAPPER, forward, comment=""))
    if os.path.lexists(FORMER_PROGRAM):
        changes.append(_script(instance, FORMER_PROGRAM, f'exec {command()} deploy "$@"'))
    return changes, warnings


def _program_file(before: Optional[bytes], sent: Mapping[str, Any]) -> Change:
    def copy(path: str) -> None:
        if not sent.get("path"):
            raise _not_sent()
        shutil.copyfile(sent["path"], path)

    stale = "missing"
    if before is not None:
        stale = "" if archive.checksum(before) == sent["checksum"] else "other code"
    return Change(PROGRAM, copy, stale=stale, attributes=root_owned(0o600), directory_mode=0o700)


def _not_sent() -> ProgramNotSent:
    return ProgramNotSent(
        "installing",
        PROGRAM,
        "the action plugin of the module has not sent it",
        "Call the module by its full name, such as mailops.postfix.certificate",
    )


def _obstacle(path: str) -> str:
    """Why a file can't be written; empty if it can."""
    if os.path.isdir(path):
        return "it is a directory"
    directory = os.path.dirname(path)
    while not os.path.lexists(directory):
        directory = os.path.dirname(directory)
    if not os.path.isdir(directory):
        return f"{directory} is not a directory"
    return "" if os.access(directory, os.W_OK) else f"{directory} is not writable"
