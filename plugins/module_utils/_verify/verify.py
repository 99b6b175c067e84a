# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bring a configuration into service, verify it, and confirm or undo the change. Private to mailops.postfix.

``postfix reload`` ends before master(8) has read the configuration, and master(8) may terminate because of what it reads. So its exit
status is not relied on: the process is watched, each port is probed, and the real smtp(8) client connects to the next hops.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Mapping

from .._errors import HostError, PostfixError
from .._host.instance import Instance
from .._host.master import Master
from .._plan.plan import REQUIRES, strongest
from .._smtp import probe as probe_smtp
from .._transaction import apply, journal, lock
from . import listeners, maillog, next_hops
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
    :raises HostError: if a newer version of this collection has installed an unverified change, or the transaction is no longer open;
        nothing is done then.
    """
    instance = read_instance()
    if options.get("state") == "undone":
        return undo_transaction(read_instance, options, check_mode, probe)
    master = Master(instance)
    report = VerificationReport()
    if check_mode:
        if options["requires"] == "none":
            _probe_all(master, dict(options, next_hops="ignore"), probe, None, report)
        return _result(options, report)
    journal.require_known_formats(instance.config_directory, "verifying")
    _must_be_open(instance.config_directory, options.get("transaction"))
    log = maillog.Log(instance)
    start = time.monotonic()
    try:
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
        raise _failure(read_instance, options, probe, report)
    apply.confirm(instance.config_directory, options.get("lock_timeout", lock.LOCK_TIMEOUT))
    return {**_result(options, report), "confirmed": True}


def undo_transaction(
    read_instance: Callable[[], Instance], options: Mapping[str, Any], check_mode: bool, probe: Probe
) -> dict[str, Any]:
    """Undo a transaction without verifying it. Other open transactions of the instance are undone with it.

    :returns: the result of the module verify; unchanged without a transaction, or if it is no longer open.
    :raises HostError: if the files can't be restored, or the running Postfix can't use them.
    """
    instance = read_instance()
    directory = instance.config_directory
    result = _result({"requires": "none"}, VerificationReport())
    if options.get("transaction") not in journal.open_transactions(directory):
        return result
    if check_mode:
        return {**result, "changed": True}
    was_running = instance.running()
    needs = strongest(*journal.unverified(directory))
    restored, left = apply.undo(directory, options.get("lock_timeout", lock.LOCK_TIMEOUT))
    if left:
        result["warnings"].append(f"not restored, because they have been changed since: {', '.join(left)}")
    result.update(changed=bool(restored), undone=True, restored=restored)
    if was_running and restored and needs != "none":
        problems = _activate_restored(read_instance(), needs, probe)
        if problems:
            raise VerificationFailed(
                "undoing",
                f"the change in {directory}",
                "; ".join(problems),
                "The previous configuration has been restored, but its verification fails",
                result,
            )
    return result


def _must_be_open(directory: str, transaction: str | None) -> None:
    """Refuse to verify a transaction that another process has confirmed or undone, since what is there is not what the caller installed."""
    if transaction is not None and transaction not in journal.open_transactions(directory):
        raise HostError(
            "verifying",
            f"the Postfix instance in {directory}",
            f"the transaction {transaction} is no longer open: another process has confirmed or undone it",
            "Run the playbook again",
        )


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
    read_instance: Callable[[], Instance], options: Mapping[str, Any], probe: Probe, report: VerificationReport
) -> VerificationFailed:
    """Undo the change where ``on_failure`` is ``undo``; returns the error that reports it."""
    directory = read_instance().config_directory
    result = _result(options, report)
    if options["on_failure"] == "fail":
        remedy = "The change has not been undone (on_failure: fail)"
    else:
        remedy, restored = _undo(read_instance, directory, probe, _lock_timeout(options))
        if restored:
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
    read_instance: Callable[[], Instance], directory: str, probe: Probe, lock_timeout: float
) -> tuple[str, list[str]]:
    """Undo all unverified changes; returns a sentence that reports it, and the restored files."""
    requires = strongest(*journal.unverified(directory))
    restored, left = apply.undo(directory, lock_timeout)
    if not restored:
        return "There is no unverified change to undo", []
    remedy = "The previous configuration has been restored and is active"
    if requires == "none":
        requires = "reload"
    try:
        problems = _activate_restored(read_instance(), requires, probe)
        if problems and requires != "restart":
            # A reload does not start a service that master(8) throttles; master(8) retries only after a minute.
            problems = _activate_restored(read_instance(), "restart", probe)
        if problems:
            remedy = (
                f"The previous configuration has been restored, but its verification fails, too: {'; '.join(problems)}"
            )
    except PostfixError as error:
        remedy = f"The previous configuration has been restored, but is not active: {error}"
    if left:
        remedy += f". Not restored, because they have been changed since: {', '.join(left)}"
    return remedy, restored


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
