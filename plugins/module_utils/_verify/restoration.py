# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Undo a change that fails its verification, unless the same was wrong before it. Private to mailops.postfix."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Mapping

from .._errors import HostError, PostfixError
from .._host import master as process
from .._host import state, system
from .._host.instance import Instance
from .._host.master import Master
from .._transaction import lock, reinstall, store, undo
from .._transaction.store import Transaction
from . import levels, next_hops, outcome
from .examination import Examination, Wanted
from .report import COMPARE, KEEP, UNDO, Fault, VerificationReport

COMPARISON_SECONDS = 150
"""Without so many seconds until the deadline of a transaction, it is undone, and the host is not looked at without it."""

_UNITS = "/etc/systemd/system/"


@dataclass
class Restored:
    """What has become of a change."""

    remedy: str
    """A sentence that reports it."""
    restored: list[str] = field(default_factory=list)
    """The files that have been restored."""
    is_back: bool = False
    """Whether the change has been installed again, because the same was wrong without it."""


def lock_timeout(options: Mapping[str, Any]) -> float:
    """Seconds to wait for another writer; the program on the host does not set the option."""
    return float(options.get("lock_timeout", lock.LOCK_TIMEOUT))


def undo_unless_as_before(
    examining: Examination, transaction: Transaction, report: VerificationReport, timeout: float
) -> Restored:
    """Undo a change, look at the host without it, and install it again if the same is wrong.

    :param report: what is wrong with the change. What was wrong before becomes a warning.
    :param timeout: seconds to wait for another writer.
    """
    kept = reinstall.keep(transaction)
    instance_before = examining.read_instance()
    undone = restore(examining.read_instance, transaction, timeout)
    is_soon = transaction.seconds > 0 and transaction.until - state.boot_time() < COMPARISON_SECONDS
    try:
        before = activate_restored(examining, transaction, undone)
        wrong = [fault for fault in report.faults if fault.undo in (UNDO, COMPARE)]
        if not is_soon and instance_before.running() and examining.read_instance().running():
            _probe_again(examining, before, wrong)
            if all(_was_before(fault, before) for fault in wrong):
                _install_again(examining, transaction, kept, timeout)
                report.faults = [_as_before(fault) if fault in wrong else fault for fault in report.faults]
                return Restored("What is wrong was wrong before the change, which has been confirmed", is_back=True)
        remedy = _remedy(examining, before)
    except PostfixError as error:
        remedy = f"The previous configuration has been restored, but is not active: {error}"
    store.close(transaction, "undone")
    return Restored(remedy + undone.report(), undone.restored)


def undo_change(examining: Examination, transaction: Transaction, timeout: float) -> tuple[str, list[str]]:
    """Undo a transaction; returns a sentence that reports it, and the restored files."""
    undone = restore(examining.read_instance, transaction, timeout)
    try:
        remedy = _remedy(examining, activate_restored(examining, transaction, undone))
        store.close(transaction, "undone")
    except PostfixError as error:
        remedy = f"The previous configuration has been restored, but is not active: {error}"
    return remedy + undone.report(), undone.restored


def restore(read_instance: Callable[[], Instance], transaction: Transaction, timeout: float) -> undo.Undone:
    """Restore the files. The transaction stays open until Postfix uses them, so that the host tries again if this process ends."""
    with lock.held(os.path.join(transaction.instance, "main.cf"), timeout):
        return levels.with_fallen_levels(read_instance, lambda: undo.undo(transaction, read_instance, closes=False))


def activate_restored(examining: Examination, transaction: Transaction, undone: undo.Undone) -> VerificationReport:
    """Make Postfix use the restored files; returns what is wrong with its ports and with the programs that master(8) wakes.

    :raises PostfixError: if Postfix can't be reloaded or started.
    """
    instance = examining.read_instance()
    report = VerificationReport()
    if undone.restored and (instance.running() or undo.must_run(transaction, instance)):
        requires = "reload" if transaction.requires == "none" else transaction.requires
        report = _activated(examining, requires)
        if report.problems and requires != "restart":
            # A reload does not start a service that master(8) throttles; master(8) retries only after a minute.
            report = _activated(examining, "restart")
    for problem in undo.reload_others(transaction, undone, instance):
        report.problem(problem)
    return report


def _activated(examining: Examination, requires: str) -> VerificationReport:
    instance = examining.read_instance()
    master = Master(instance)
    master.bring_up(requires)
    report = VerificationReport()
    timeout = examining.wanted.timeout
    replace(examining, wanted=Wanted(requires, timeout=timeout)).without_next_hops(report)
    for program in [] if report.problems else master.not_woken(timeout):
        report.problem(f"master(8) has not started {program}")
    return report


def _remedy(examining: Examination, before: VerificationReport) -> str:
    if before.problems:
        return f"The previous configuration has been restored, but its verification fails, too: {'; '.join(before.problems)}"
    if not examining.read_instance().running():
        return "The previous configuration has been restored. Postfix does not run, as before the change"
    return "The previous configuration has been restored and is active"


# What was wrong before


def _probe_again(examining: Examination, before: VerificationReport, wrong: list[Fault]) -> None:
    """Look at what is wrong again, without the change. Its ports have been probed when it was activated."""
    subjects = [fault.subject for fault in wrong]
    if not next_hops.named(subjects) and examining.wanted.dependencies == "ignore":
        return
    wanted = replace(
        examining.wanted, requires="none", scope="changed", recipients=(), listeners=Wanted("none").next_hops
    )
    report = VerificationReport()
    replace(examining, wanted=wanted).examine(report, None, subjects)
    before.faults += report.faults
    before.next_hops += report.next_hops


def _was_before(fault: Fault, before: VerificationReport) -> bool:
    if fault.undo == UNDO:
        return fault.identity in {found.identity for found in before.faults}
    for entry in before.next_hops:
        if next_hops.named([fault.subject]) == [str(entry["nexthop"])]:
            return not outcome.is_reached(str(entry["outcome"]), fault.level)
    return True


def _as_before(fault: Fault) -> Fault:
    """A fault that is not that of the change. It is an error still if the user declares it one."""
    severity = fault.severity if fault.undo == COMPARE else "warning"
    return replace(fault, severity=severity, undo=KEEP, message=f"{fault.message}. It was so before the change")


def _install_again(examining: Examination, transaction: Transaction, kept: reinstall.Kept, timeout: float) -> None:
    """Bring the change back into service.

    :raises PostfixError: if that fails.
    """
    reinstall.reinstall(transaction, kept, examining.read_instance(), timeout)
    if system.systemd_runs() and any(path.startswith(_UNITS) for path in kept.targets):
        with suppress(HostError):
            examining.read_instance().run("systemctl", "daemon-reload")
    instance = examining.read_instance()
    requires = "reload" if transaction.requires == "none" else transaction.requires
    master = Master(instance)
    master.bring_up(requires)
    if not master.survives(process.FIRST_LOOK_SECONDS):
        raise HostError("activating", transaction.instance, "master(8) terminated", "Look at Postfix's log")
