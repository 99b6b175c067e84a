# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bring a configuration into service, verify it, and confirm or undo the change. Private to mailops.postfix.

``postfix reload`` ends before master(8) has read the configuration, and master(8) may terminate because of what it reads. So its exit
status is not relied on: the process is watched, each port is probed, and the real smtp(8) client connects to the next hops.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Mapping

from .._errors import HostError, PostfixError
from .._host.instance import Instance
from .._plan.plan import REQUIRES
from .._smtp import probe as probe_smtp
from .._transaction import apply, confirmed, store
from .._transaction.store import Transaction
from . import restoration
from .examination import Examination, Wanted
from .listeners import Probe
from .report import COMPARE, UNDO, VerificationReport
from .severities import SEVERITIES, Severities
from .summary import reasons_of, summary_of

_TIMEOUT = 10.0
_LOG_LINES = 5

VERIFY: Mapping[str, Any] = {
    "transaction": {"type": "str"},
    "state": {"type": "str", "choices": ["confirmed", "undone"], "default": "confirmed"},
    "scope": {"type": "str", "choices": ["changed", "all"]},
    "requires": {"type": "str", "choices": list(REQUIRES), "default": "none"},
    "listeners": {"type": "raw", "default": "error"},
    "next_hops": {"type": "raw", "default": "warning"},
    "dependencies": {"type": "str", "choices": list(SEVERITIES), "default": "error"},
    "bogus_names": {"type": "list", "elements": "str", "default": []},
    "recipients": {"type": "list", "elements": "str", "default": []},
    "on_failure": {"type": "str", "choices": ["undo", "fail"], "default": "undo"},
    "timeout": {"type": "float", "default": _TIMEOUT},
    "settle": {"type": "float", "default": 3.0},
}
"""The options of the module verify."""


class VerificationFailed(PostfixError):
    """The configuration does not pass its verification; ``result`` is what the module returns besides the message."""

    def __init__(self, action: str, subject: str, cause: str, remedy: str, result: dict[str, Any]) -> None:
        super().__init__(action, subject, cause, remedy)
        self.result = result


def verify(
    read_instance: Callable[[], Instance],
    options: Mapping[str, Any],
    check_mode: bool = False,
    probe: Probe = probe_smtp.probe,
) -> dict[str, Any]:
    """Bring the configuration into service, verify it, and confirm or undo the change.

    :param read_instance: gives the instance as it is now.
    :param options: those of the module verify.
    :param check_mode: change nothing. A configuration that would have to be reloaded first is not probed.
    :param probe: probes a port.
    :returns: the result of the module verify.
    :raises VerificationFailed: if something is wrong, after the change has been undone where ``on_failure`` is ``undo``.
    :raises HostError: if a newer version of this collection has opened the transaction, or it is no longer open; nothing is done then.
    """
    key = options.get("transaction")
    wanted = _wanted(options)
    examining = Examination(read_instance, wanted, probe)
    if options.get("state") == "undone":
        return _undo_only(examining, key, options, check_mode)
    directory = read_instance().config_directory
    if check_mode:
        report = VerificationReport()
        if wanted.requires == "none":
            examining.without_next_hops(report)
        return _result(wanted, report, check_mode)
    if key is None:
        return _of_no_transaction(examining, directory, options)
    transaction = _open_transaction(directory, key)
    timeout = restoration.lock_timeout(options)
    # An undo waits for this lock, so it does not begin while the verification runs.
    with store.locked(transaction, timeout):
        transaction = _open_transaction(directory, key)
        if transaction.expired:
            remedy, _restored = restoration.undo_change(examining, transaction, timeout)
            raise HostError("verifying", transaction.described(), "its deadline has passed", remedy)
        transaction.activated = transaction.activated or wanted.requires != "none"
        store.save(transaction, store.RECORD)
        report = _examined(examining, transaction, directory)
        return _concluded(examining, report, transaction, options)


def _wanted(options: Mapping[str, Any]) -> Wanted:
    """What to look at.

    :raises DeclarationError: if a severity is not valid.
    """
    return Wanted(
        options["requires"],
        Severities("listeners", options["listeners"], "error"),
        Severities("next_hops", options["next_hops"], "warning", {"unreachable": "warning"}),
        str(options.get("dependencies") or "ignore"),
        options.get("bogus_names") or (),
        options.get("recipients") or (),
        float(options["timeout"]),
        float(options["settle"]),
        "changed"
        if options.get("scope") == "changed" or (not options.get("scope") and options.get("transaction"))
        else "all",
    )


def _examined(examining: Examination, transaction: Transaction | None, directory: str) -> VerificationReport:
    """The report on the present configuration, brought into service."""
    report = VerificationReport()
    again = confirmed.open_findings(directory) if examining.wanted.scope == "changed" else ()
    try:
        with _limited(transaction.seconds if transaction else 0, directory):
            examining.examine(report, transaction, [found.get("subject", "") for found in again])
    except PostfixError as error:
        report.problem(str(error))
    return report


def _of_no_transaction(examining: Examination, directory: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Verify what is there. It stays, whatever is wrong."""
    # What others change while it is verified is not verified.
    present = confirmed.present(examining.read_instance(), confirmed.recorded(directory))
    report = _examined(examining, None, directory)
    if not store.open_transactions(directory):
        if examining.wanted.scope != "all":
            present = confirmed.recorded(directory)
        confirmed.remember(directory, present, _findings(report))
    result = _result(examining.wanted, report)
    if report.problems:
        remedy = "Nothing has been undone: what this verifies does not belong to an open transaction, and stays"
        raise _failure(directory, report, remedy, result)
    return result


def _concluded(
    examining: Examination, report: VerificationReport, transaction: Transaction, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Confirm the change, or undo it."""
    timeout = restoration.lock_timeout(options)
    result = _result(examining.wanted, report)
    remedy = ""
    if any(fault.undo in (UNDO, COMPARE) for fault in report.faults):
        if options["on_failure"] == "fail":
            remedy = "The change has not been undone (on_failure: fail)"
        else:
            undone = restoration.undo_unless_as_before(examining, transaction, report, timeout)
            if not undone.is_back:
                result.update(changed=True, undone=True, restored=undone.restored)
                raise _failure(transaction.instance, report, undone.remedy, result)
            result = _result(examining.wanted, report)
            remedy = undone.remedy
    apply.confirm(transaction, timeout, _findings(report))
    result["confirmed"] = True
    if report.problems:
        remedy = remedy or "The change has been confirmed: with its undo, this mail would not leave as declared either"
        raise _failure(transaction.instance, report, remedy, result)
    return result


def _findings(report: VerificationReport) -> confirmed.Findings:
    return [
        {"subject": fault.subject, "kind": fault.kind, "severity": fault.severity, "message": fault.message}
        for fault in report.faults
    ]


@contextmanager
def _limited(seconds: int, directory: str) -> Iterator[None]:
    """Interrupt what takes longer than so many seconds; 0 for no limit."""

    def interrupt(_number: int, _frame: Any) -> None:
        raise HostError(
            "verifying",
            f"the Postfix instance in {directory}",
            f"it has not ended within {seconds} seconds (confirm_within)",
            "Raise confirm_within",
        )

    if not seconds:
        yield
        return
    former = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def _undo_only(examining: Examination, key: str | None, options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Undo a transaction without verifying it.

    :returns: the result of the module verify; unchanged without a transaction, or if it is no longer open.
    :raises HostError: if the files can't be restored.
    :raises VerificationFailed: if the running Postfix can't use them.
    """
    directory = examining.read_instance().config_directory
    result = _result(Wanted("none"), VerificationReport())
    transaction = None if key is None else store.find(directory, key)
    if transaction is None:
        return result
    if check_mode:
        return {**result, "changed": True}
    timeout = restoration.lock_timeout(options)
    with store.locked(transaction, timeout):
        if store.find(directory, transaction.id) is None:
            return result  # undone by another process meanwhile
        undone = restoration.restore(examining.read_instance, transaction, timeout)
        report = restoration.activate_restored(examining, transaction, undone)
        store.close(transaction, "undone")
    result.update(changed=bool(undone.restored), undone=True, restored=undone.restored)
    if undone.report():
        result["warnings"].append(undone.report()[2:])
    if report.problems:
        raise VerificationFailed(
            "undoing",
            f"the change in {directory}",
            "; ".join(report.problems),
            "The previous configuration has been restored, but its verification fails",
            result,
        )
    return result


def _open_transaction(directory: str, key: str) -> Transaction:
    """Refuse a transaction that has ended: what is there is not what the caller has installed."""
    transaction = store.find(directory, key)
    if transaction is None:
        how = store.ending(directory, key)
        raise HostError(
            "verifying",
            f"the Postfix instance in {directory}",
            f"the transaction {key} is no longer open: " + (f"it was {how}" if how else "nothing is known of it"),
            "Run the playbook again",
        )
    return transaction


def _result(wanted: Wanted, report: VerificationReport, check_mode: bool = False) -> dict[str, Any]:
    severities = {"listeners": wanted.listeners, "next_hops": wanted.next_hops}
    ignored = [name for name, found in severities.items() if found.ignores_all()]
    reasons = reasons_of(report, ignored, wanted.scope, check_mode)
    return {
        "confirmed": False,
        "undone": False,
        "changed": wanted.requires != "none",
        "listeners": report.listeners,
        "next_hops": report.next_hops,
        "problems": report.problems,
        "warnings": report.warnings,
        "summary": summary_of(report.listeners, report.next_hops, report.evidence, reasons),
        "evidence": report.evidence,
        "restored": [],
    }


def _failure(directory: str, report: VerificationReport, remedy: str, result: dict[str, Any]) -> VerificationFailed:
    causes = report.problems or [fault.message for fault in report.faults if fault.undo == COMPARE]
    cause = "; ".join(causes)
    log = [line for line in report.log if line not in causes]
    if log:
        cause += ". Postfix's log: " + " / ".join(log[-_LOG_LINES:])
    return VerificationFailed("verifying", f"the Postfix instance in {directory}", cause, remedy, result)
