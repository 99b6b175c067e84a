# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Adds to a plan the files that deploy renewals to Postfix without Ansible. Private to mailops.postfix.

A planner lists what depends on renewed files (:class:`_plan.plan.Renewal`). This file adds the program on the host, a specification for
each renewal (:mod:`renewals`), the hooks of certbot and of update-ca-certificates, and a timer (:mod:`timer`).

The controller builds the program (:mod:`archive`). It is not part of a module's payload: the action plugin sends its checksum, and the
program itself only if the host has another one.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sys
import zipfile
from typing import Any, Mapping, Optional

from .._errors import DeclarationError, ProgramNotSent
from .._host import state
from .._host.instance import Instance
from .._plan.plan import Change, Plan, Renewal, RenewalKind, root_owned
from .._transaction.journal import FORMAT
from .._x509 import acme_layout
from . import deadline, renewals, timer

PROGRAM = f"{state.ROOT}/program"
"""The program; only root can read it."""

WRAPPER = "/usr/local/sbin/mailops-postfix"
"""The command for people, and for hooks that administrators set up."""

FORMER_PROGRAM = "/usr/local/libexec/mailops-postfix/deploy-certificate"
"""The program of earlier versions. Hooks that administrators have set up, such as those of lego and acme.sh, call it."""

CERTBOT_HOOK = "renewal-hooks/deploy/mailops-postfix"
"""The hook in certbot's directory; ``certbot renew`` runs the programs in renewal-hooks/deploy."""

CA_HOOKS = ("/etc/ca-certificates/update.d",)
"""The directories of the hooks of update-ca-certificates on Debian, SUSE and Alpine. Red Hat and FreeBSD have none."""

CA_HOOK = "mailops-postfix"

COMMENT = b"mailops.postfix format "
"""The beginning of the archive's comment. The format number of journals and store follows."""

OPTION: Mapping[str, Any] = {"_program": {"type": "dict"}}
"""The option in which the action plugin sends the checksum of the program and, if the host needs it, its path on the host."""

_SYSTEM = ("/etc/", "/usr/local/etc/")
_USUAL_PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3")
_WRITTEN = "# Written by Ansible (mailops.postfix)."


def add_program(module: str, instance: Instance, plan: Plan, options: Mapping[str, Any]) -> None:
    """Add to a plan the files that its renewals, and the deadline of its transaction, need on this host.

    :param module: the name of the module.
    :param options: those of the module, with :data:`OPTION`.
    :raises DeclarationError: if a hook is declared that would have no effect.
    :raises ProgramNotSent: if the host needs the program and it has not been sent.
    """
    sent = options.get("_program")
    add_renewals(instance, plan, sent, renewals.declarer(module, options))
    if options.get("confirm_within") and plan.changes_something():
        _add_program(instance, plan, sent)
        deadline.add_deadline(instance, plan, command())


def add_renewals(
    instance: Instance, plan: Plan, sent: Optional[Mapping[str, Any]], declarer: renewals.Declarer
) -> None:
    """Add to a plan the files that its renewals need on this host, and remove the specifications of those that are no longer wanted.

    :param sent: the value of :data:`OPTION`: checksum of the program, and its path on this host if it has been sent.
    :raises DeclarationError: if a hook is declared that would have no effect.
    :raises ProgramNotSent: if the host needs the program and it has not been sent.
    """
    wanted = [renewal for renewal in plan.renewals if _is_wanted(instance, renewal)]
    for renewal in plan.renewals:
        renewal.result[_RESULT[renewal.kind]] = None
        if renewal not in wanted:
            plan.changes += renewals.forgotten(instance, renewal)
        plan.changes += renewals.replaced(instance, renewal, declarer)
    if not wanted:
        return
    _add_program(instance, plan, sent)
    hourly = timer.timer(instance, f"{command()} deploy --due")
    changes = [*hourly.changes]
    for renewal in wanted:
        changes += [renewals.stored(instance, renewal, declarer), *_scripts(instance, renewal)]
        renewal.result[_RESULT[renewal.kind]] = {
            "program": PROGRAM,
            "command": f"{command()} deploy",
            "declaration": renewals.spec_path(instance, renewal),
            "timer": hourly.path,
        }
    plan.changes += {change.path: change for change in changes}.values()
    plan.afterwards += hourly.afterwards
    if hourly.path is None:
        plan.warnings.append(
            f"this host has neither systemd nor cron. Configure its scheduler to run '{command()} deploy --due' each hour"
        )


_RESULT = {RenewalKind.CERTIFICATE: "deploy_hook", RenewalKind.CA_BUNDLE: "update_hook"}


def _is_wanted(instance: Instance, renewal: Renewal) -> bool:
    """Whether renewals must be deployed on the host: as declared, by default if Postfix uses a copy of the renewed files.

    :raises DeclarationError: if it is declared and would have no effect.
    """
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
            "update_hook: Postfix uses the system's CAs directly, or does not use them, so there is no copy to update",
            "Remove update_hook",
        )
    if wanted is None:
        # Only root can install a hook.
        return renewal.copied and instance.config_directory.startswith(_SYSTEM) and os.geteuid() == 0
    return bool(wanted)


def _scripts(instance: Instance, renewal: Renewal) -> list[Change]:
    """The hooks of certbot and of update-ca-certificates."""
    if renewal.kind is RenewalKind.CERTIFICATE:
        if renewal.options["provider"] != "certbot":
            return []
        base = instance.path(renewal.options.get("directory") or "/etc/letsencrypt")
        return [_script(instance, os.path.join(base, CERTBOT_HOOK), f'exec {command()} deploy "$@"')]
    return [
        # A failure is in the mail log. It must not fail the update of the package of CAs.
        _script(instance, os.path.join(directory, CA_HOOK), f"{command()} deploy --ca-bundles || :")
        for directory in CA_HOOKS
        if os.path.isdir(directory)
    ]


def _script(instance: Instance, path: str, line: str, comment: str = f"{_WRITTEN}\n") -> Change:
    text = f"#!/bin/sh\n{comment}{line}\n".encode()
    return Change(path, text, instance.read(path), attributes=root_owned(0o755), stays=path == WRAPPER)


# The program


def command() -> str:
    """The command by which units, cron and hooks call the program: the path of the Python that runs this, and of the program."""
    return f"{interpreter()} {PROGRAM}"


def interpreter() -> str:
    """The path of the Python that runs this; if possible one that stays the same when the system is upgraded."""
    own = os.path.realpath(sys.executable)
    return next((path for path in _USUAL_PYTHONS if os.path.realpath(path) == own), sys.executable)


def _add_program(instance: Instance, plan: Plan, sent: Optional[Mapping[str, Any]]) -> None:
    """Add the program to a plan that does not have it yet. It comes first, so that hooks find it even if the transaction is interrupted."""
    if any(change.path == PROGRAM for change in plan.changes):
        return
    changes, warnings = _program_changes(instance, sent)
    plan.changes[:0] = changes
    plan.warnings += warnings


def _program_changes(instance: Instance, sent: Optional[Mapping[str, Any]]) -> tuple[list[Change], list[str]]:
    """The changes for the program and for the scripts that call it, and warnings."""
    if sent is None:
        raise _not_sent()
    changes, warnings = [], []
    before = instance.read(PROGRAM)
    installed = None if before is None else format_of(before)
    if installed is not None and installed > FORMAT:
        warnings.append(
            f"{PROGRAM} is not replaced: a newer version of mailops.postfix installed it (format {installed}; "
            f"this version has {FORMAT}). Update the collection on this controller"
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
        stale = "" if checksum(before) == sent["checksum"] else "other code"
    return Change(PROGRAM, copy, stale=stale, attributes=root_owned(0o600), stays=True, directory_mode=0o700)


def _not_sent() -> ProgramNotSent:
    return ProgramNotSent(
        "installing",
        PROGRAM,
        "the action plugin of the module has not sent it",
        "Call the module by its full name, such as mailops.postfix.certificate",
    )


def checksum(content: bytes) -> str:
    """The SHA-256 checksum of an archive, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def format_of(content: bytes) -> int | None:
    """The format number of journals and store that a program can read; None if the content is not such a program."""
    try:
        comment = zipfile.ZipFile(io.BytesIO(content)).comment
    except zipfile.BadZipFile:
        return None
    number = comment[len(COMMENT) :]
    return int(number) if comment.startswith(COMMENT) and number.isdigit() else None


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
