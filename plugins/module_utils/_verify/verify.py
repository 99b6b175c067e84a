# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bring a configuration into service, verify it, and confirm or undo the change. Private to mailops.postfix.

``postfix reload`` ends before master(8) has read the configuration, and master(8) may terminate because of what it reads. So its exit
status is not relied on: the process is watched, each port is probed, and the real smtp(8) client connects to the next hops.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Mapping

from .._errors import HostError, PostfixError
from .._host.instance import Instance
from .._host.master import Master
from .._plan.plan import REQUIRES
from .._smtp import probe as probe_smtp
from .._transaction import apply, confirmed, lock, store, undo
from .._transaction.store import Transaction
from . import levels, listeners, maillog, next_hops
from .listeners import Probe
from .report import VerificationReport

FIRST_LOOK_SECONDS = 1
"""Seconds to watch master(8) before the first port is probed, unless it shows earlier that it has taken over the configuration.
Most of what makes master(8) terminate does so within this time."""

_TIMEOUT = 10.0
_LOG_LINES = 5
_SEVERITIES = ["error", "warning", "ignore"]

VERIFY: Mapping[str, Any] = {
    "transaction": {"type": "str"},
    "state": {"type": "str", "choices": ["confirmed", "undone"], "default": "confirmed"},
    "scope": {"type": "str", "choices": ["changed", "all"], "default": "all"},
    "requires": {"type": "str", "choices": list(REQUIRES), "default": "none"},
    "listeners": {"type": "str", "choices": _SEVERITIES, "default": "error"},
    "next_hops": {"type": "str", "choices": _SEVERITIES, "default": "error"},
    "unreachable": {"type": "str", "choices": _SEVERITIES, "default": "warning"},
    "dependencies": {"type": "str", "choices": _SEVERITIES, "default": "error"},
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
    instance = read_instance()
    key = options.get("transaction")
    if options.get("state") == "undone":
        return _undo_only(read_instance, key, options, check_mode, probe)
    if check_mode:
        report = VerificationReport()
        if options["requires"] == "none":
            _probe_all(Master(instance), dict(options, next_hops="ignore"), probe, None, report)
        return _result(options, report)
    if key is None:
        result = _verified(read_instance, options, probe, None)
        if not store.open_transactions(instance.config_directory):
            confirmed.remember(instance.config_directory)
        return result
    transaction = _open_transaction(instance.config_directory, key)
    # An undo waits for this lock, so it does not begin while the verification runs.
    with store.locked(transaction, _lock_timeout(options)):
        transaction = _open_transaction(instance.config_directory, key)
        if transaction.expired:
            remedy, _restored = _undo(read_instance, transaction, probe, _lock_timeout(options))
            raise HostError("verifying", transaction.described(), "its deadline has passed", remedy)
        transaction.activated = transaction.activated or options["requires"] != "none"
        store.save(transaction, store.RECORD)
        result = _verified(read_instance, options, probe, transaction)
        apply.confirm(transaction, _lock_timeout(options))
    return {**result, "confirmed": True}


def _verified(
    read_instance: Callable[[], Instance], options: Mapping[str, Any], probe: Probe, transaction: Transaction | None
) -> dict[str, Any]:
    """Bring the configuration into service and verify it.

    :raises VerificationFailed: if something is wrong, after the transaction has been undone where ``on_failure`` is ``undo``.
    """
    instance = read_instance()
    master = Master(instance)
    report = VerificationReport()
    log = maillog.Log(instance)
    start = time.monotonic()
    try:
        with _limited(transaction.seconds if transaction else 0, instance.config_directory):
            master.bring_up(options["requires"])
            _probe_all(master, options, probe, log, report)
    except PostfixError as error:
        report.problems.append(str(error))
    else:
        if options["requires"] != "none" and not report.problems:
            # master(8) may still terminate after the ports have answered, unless it has shown that it has read everything.
            rest = options["settle"] - (time.monotonic() - start)
            if not master.survives(max(0.0, rest)):
                report.problems.append(f"master(8) terminated after the {options['requires']}")
    report.log = log.warnings()
    if options["requires"] != "none":
        # master(8) starts a daemon that terminates again and again, which no port shows.
        report.problems += maillog.daemon_failures(report.log)
    if report.problems:
        raise _failure(read_instance, options, probe, report, transaction)
    return _result(options, report)


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


def _undo_only(
    read_instance: Callable[[], Instance],
    key: str | None,
    options: Mapping[str, Any],
    check_mode: bool,
    probe: Probe,
) -> dict[str, Any]:
    """Undo a transaction without verifying it.

    :returns: the result of the module verify; unchanged without a transaction, or if it is no longer open.
    :raises HostError: if the files can't be restored.
    :raises VerificationFailed: if the running Postfix can't use them.
    """
    directory = read_instance().config_directory
    result = _result({"requires": "none"}, VerificationReport())
    transaction = None if key is None else store.find(directory, key)
    if transaction is None:
        return result
    if check_mode:
        return {**result, "changed": True}
    timeout = _lock_timeout(options)
    with store.locked(transaction, timeout):
        if store.find(directory, transaction.id) is None:
            return result  # undone by another process meanwhile
        undone = _undone(read_instance, transaction, timeout)
        problems = _activated(read_instance, transaction, undone, probe)
    result.update(changed=bool(undone.restored), undone=True, restored=undone.restored)
    if undone.report():
        result["warnings"].append(undone.report()[2:])
    if problems:
        raise VerificationFailed(
            "undoing",
            f"the change in {directory}",
            "; ".join(problems),
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


def _result(options: Mapping[str, Any], report: VerificationReport) -> dict[str, Any]:
    return {
        "confirmed": False,
        "undone": False,
        "changed": options["requires"] != "none",
        "listeners": report.listeners,
        "next_hops": report.next_hops,
        "problems": report.problems,
        "warnings": report.warnings,
        "restored": [],
    }


def _probe_all(
    master: Master, options: Mapping[str, Any], probe: Probe, log: maillog.Log | None, report: VerificationReport
) -> None:
    instance = master.instance
    if not master.survives(0 if options["requires"] == "none" else FIRST_LOOK_SECONDS):
        report.problems.append("Postfix is not running")
        return
    if options.get("dependencies", "ignore") != "ignore":
        _check_dependencies(instance, options, report)
    # smtp(8) works on its probes while the ports are probed.
    probes = next_hops.send_probes(instance, options, report) if options["next_hops"] != "ignore" else {}
    if options["listeners"] != "ignore":
        listeners.probe_listeners(instance, options, probe, report)
    if log is not None:
        next_hops.read_results(probes, options, log, report)


def _check_dependencies(instance: Instance, options: Mapping[str, Any], report: VerificationReport) -> None:
    """Check the resolver and the policy services that smtp(8) relies on."""
    # Imported here, since the renewal program does not need them.
    from .._model.configuration import configuration_of
    from .._plan import dependencies

    facts = dependencies.Dependencies(instance, options.get("bogus_names") or ())
    # Several entries of master.cf may have the same finding.
    for finding in {finding.identity: finding for finding in facts.problems(configuration_of(instance))}.values():
        if finding.check in dependencies.LIVE:
            report.add(options["dependencies"], str(finding))


def _failure(
    read_instance: Callable[[], Instance],
    options: Mapping[str, Any],
    probe: Probe,
    report: VerificationReport,
    transaction: Transaction | None,
) -> VerificationFailed:
    """Undo the transaction where ``on_failure`` is ``undo``; returns the error that reports it."""
    directory = read_instance().config_directory
    result = _result(options, report)
    if transaction is None:
        remedy = "Nothing has been undone: what this verifies does not belong to an open transaction, and stays"
    elif options["on_failure"] == "fail":
        # Otherwise its deadline would undo it.
        apply.confirm(transaction, _lock_timeout(options))
        result["confirmed"] = True
        remedy = "The change has not been undone (on_failure: fail)"
    else:
        remedy, restored = _undo(read_instance, transaction, probe, _lock_timeout(options))
        result.update(changed=True, undone=True, restored=restored)
    cause = "; ".join(report.problems)
    log = [line for line in report.log if line not in report.problems]
    if log:
        cause += ". Postfix's log: " + " / ".join(log[-_LOG_LINES:])
    return VerificationFailed("verifying", f"the Postfix instance in {directory}", cause, remedy, result)


def _lock_timeout(options: Mapping[str, Any]) -> float:
    """Seconds to wait for another writer; the program on the host does not set the option."""
    return float(options.get("lock_timeout", lock.LOCK_TIMEOUT))


def _undo(
    read_instance: Callable[[], Instance], transaction: Transaction, probe: Probe, lock_timeout: float
) -> tuple[str, list[str]]:
    """Undo a transaction; returns a sentence that reports it, and the restored files."""
    undone = _undone(read_instance, transaction, lock_timeout)
    try:
        problems = _activated(read_instance, transaction, undone, probe)
        remedy = "The previous configuration has been restored and is active"
        if problems:
            remedy = (
                f"The previous configuration has been restored, but its verification fails, too: {'; '.join(problems)}"
            )
        elif not read_instance().running():
            remedy = "The previous configuration has been restored. Postfix does not run, as before the change"
    except PostfixError as error:
        remedy = f"The previous configuration has been restored, but is not active: {error}"
    return remedy + undone.report(), undone.restored


def _undone(read_instance: Callable[[], Instance], transaction: Transaction, lock_timeout: float) -> undo.Undone:
    """Restore the files. The transaction stays open until Postfix uses them, so that the host tries again if this process ends."""
    with lock.held(os.path.join(transaction.instance, "main.cf"), lock_timeout):
        return levels.with_fallen_levels(read_instance, lambda: undo.undo(transaction, read_instance, closes=False))


def _activated(
    read_instance: Callable[[], Instance], transaction: Transaction, undone: undo.Undone, probe: Probe
) -> list[str]:
    """Make Postfix use the restored files, and end the transaction; returns what is wrong with its ports and with the programs that
    master(8) wakes.

    :raises PostfixError: if Postfix can't be reloaded or started; the transaction stays open then.
    """
    instance = read_instance()
    problems: list[str] = []
    if undone.restored and (instance.running() or undo.must_run(transaction, instance)):
        requires = "reload" if transaction.requires == "none" else transaction.requires
        problems = _activate_restored(instance, requires, probe)
        if problems and requires != "restart":
            # A reload does not start a service that master(8) throttles; master(8) retries only after a minute.
            problems = _activate_restored(read_instance(), "restart", probe)
    problems += undo.reload_others(transaction, undone, instance)
    store.close(transaction, "undone")
    return problems


def _activate_restored(instance: Instance, requires: str, probe: Probe) -> list[str]:
    """Make Postfix use the restored configuration; returns what is wrong with its ports and with the programs that master(8) wakes."""
    master = Master(instance)
    master.bring_up(requires)
    report = VerificationReport()
    options = {"requires": requires, "listeners": "error", "next_hops": "ignore", "timeout": _TIMEOUT}
    _probe_all(master, options, probe, None, report)
    for program in [] if report.problems else master.not_woken(_TIMEOUT):
        report.problems.append(f"master(8) has not started {program}")
    return report.problems
