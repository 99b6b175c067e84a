# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probe next hops through the real smtp(8) client. Private to mailops.postfix.

smtp(8) connects with its own chroot, tables and TLS settings. The probe has no content, and smtp(8) ends the session after RCPT. Its result is in
Postfix's own report. How the session was protected is in the log only, as are the results of probes for which Postfix keeps no report.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Collection, Mapping, Protocol, Sequence

from .._errors import HostError
from .._formats import macros
from .._host import cleanup
from .._host.cleanup import Queued
from .._host.instance import Instance
from .._host.probe_report import read_reports, remove_report
from .._model.routing import Router
from .._plan import tables
from .._transaction.store import Transaction
from . import outcome, targets
from .delivery import Delivery, deliveries, rejections
from .judgement import NAME, Judgement, Result, fault_name, subject_of
from .maillog import FILE, REPORT, Log
from .outcome import HELD, MISCONFIGURED, REFUSED, UNREACHABLE
from .previous import previous_router
from .report import VerificationReport
from .severities import Severities
from .targets import Target
from .waiting import waiting

NEXT_HOP_SECONDS = 60
"""Seconds that smtp(8) may take to report the result of a probe."""

_PAUSE = 0.2
_LOG_SECONDS = 3
"""Seconds after Postfix's reports in which the log must have the same results."""
_REJECTIONS = 3
"""After so many probes that cleanup(8) has rejected, the others would be too. Each may take long."""
_SHOWN_LINES = 2

_BAD = (HELD, REFUSED, MISCONFIGURED)


@dataclass
class Selection:
    """The next hops that a verification probes."""

    router: Router
    prober: str
    """The sender of probes: Postfix discards reports to this address (bounce(8))."""
    targets: list[Target] = field(default_factory=list)
    before: Router | None = None
    """The routes before the change; None if it is not known, or there is none."""
    recipients: Sequence[str] = ()
    """Further recipients."""


@dataclass(frozen=True)
class Probe:
    """A probe that has been sent."""

    what: Target | str
    """A next hop, or a further recipient."""
    recipient: str
    queue_id: str
    rejected: str = ""
    """Why cleanup(8) has rejected it; empty if it has not."""
    is_reported: bool = True
    """Whether Postfix keeps a report of its result."""


@dataclass
class Sent:
    """The probes that have been sent."""

    selection: Selection
    probes: list[Probe] = field(default_factory=list)

    @property
    def queue_ids(self) -> set[str]:
        """The queue ids of all probes, also of those that cleanup(8) has rejected."""
        return {probe.queue_id for probe in self.probes if probe.queue_id}


class Scope(Protocol):
    """What a verification looks at."""

    @property
    def scope(self) -> str:
        """``changed`` or ``all``."""

    @property
    def recipients(self) -> Sequence[str]:
        """Further recipients to probe."""

    @property
    def next_hops(self) -> Severities:
        """The severities of next hops."""


def select(
    instance: Instance, wanted: Scope, transaction: Transaction | None, again: Collection[str] = ()
) -> Selection:
    """What to probe.

    :param transaction: the change; None if nothing has changed.
    :param again: next hops with a fault when they were probed last.
    """
    router = tables.router_of(instance)
    selection = Selection(router, _prober(instance), recipients=wanted.recipients)
    if transaction is not None:
        selection.before = previous_router(instance, transaction)
    if wanted.scope == "changed" and (selection.before is not None or transaction is None):
        found = []
        if transaction is not None and selection.before is not None:
            files = [file.target for file in transaction.files]
            found = targets.affected(selection.before, router, selection.prober, files)
        faulty = {nexthop.lower() for nexthop in again}
        if faulty:
            known = {target.way.identity for target in found}
            more = targets.targets(router, selection.prober, lambda nexthop: nexthop.lower() in faulty)
            found += [target for target in more if target.way.identity not in known]
        if selection.before is not None and targets.is_handled_otherwise(selection.before, router):
            found = _with_some_mail(instance, selection, found)
    else:
        found = targets.targets(router, selection.prober)
    selection.targets = [
        target for target in _with_group(selection, found) if wanted.next_hops.of(target.hop.nexthop) != "ignore"
    ]
    return selection


def _with_some_mail(instance: Instance, selection: Selection, found: list[Target]) -> list[Target]:
    """The targets, with those of the default route, or a mailbox of this host: some mail must get through cleanup(8)."""
    relayhosts = set(targets.default_nexthops(selection.router, selection.prober))
    known = {target.way.identity for target in found}
    more = targets.targets(selection.router, selection.prober, lambda nexthop: nexthop.lower() in relayhosts, ())
    found = found + [target for target in more if target.way.identity not in known]
    if not found:
        own = macros.expanded_parameter("myhostname", instance.parameters)
        selection.recipients = [*selection.recipients, f"postmaster@{own}"]
    return found


def _with_group(selection: Selection, found: list[Target]) -> list[Target]:
    """The targets, with all others of the default route if one of them is in it: whether another way out remains depends on them."""
    if not any(target.way.is_default for target in found):
        return found
    relayhosts = set(targets.default_nexthops(selection.router, selection.prober))
    known = {target.way.identity for target in found}
    more = targets.targets(selection.router, selection.prober, lambda nexthop: nexthop.lower() in relayhosts, ())
    return found + [target for target in more if target.way.is_default and target.way.identity not in known]


def send_probes(instance: Instance, selection: Selection, report: VerificationReport) -> Sent:
    """Send a probe to each next hop that smtp(8) tries first for some mail, all at once."""
    sent = Sent(selection)
    wanted: list[tuple[Target | str, str, str | None]] = [(name, name, None) for name in selection.recipients]
    for target in selection.targets:
        if target.discloses:
            report.notes.append(
                f"the next hop {target.hop.nexthop} is not probed: its level is {target.policy.level}, so that the probe could send the "
                "password without TLS"
            )
        elif target.way.position == 0:  # smtp(8) tries others when those before them fail
            wanted.append((target, target.way.recipient, target.way.sender))
    rejected: list[Queued] = []
    for what, recipient, sender in wanted:
        is_reported = sender is None
        try:
            queued = (
                rejected[-1]
                if is_reported and len(rejected) >= _REJECTIONS
                else cleanup.queue_probe(
                    instance, selection.prober if sender is None else sender, recipient, is_reported
                )
            )
        except HostError as error:
            _not_sent(what, str(error), report)
            continue
        if queued.rejected:
            rejected.append(queued)
        sent.probes.append(Probe(what, recipient, queued.queue_id, queued.rejected, is_reported))
    return sent


def _not_sent(what: Target | str, cause: str, report: VerificationReport) -> None:
    subject = subject_of(what)
    report.add("error", f"sending a probe to the next hop {subject}: {cause}", fault_name(subject), MISCONFIGURED)


def read_results(instance: Instance, sent: Sent, severities: Severities, log: Log, report: VerificationReport) -> None:
    """Wait until the result of each probe is known, and record the results."""
    found = _wait_for_results(instance, sent, log)
    report.evidence = found.evidence
    results = {probe: _result(sent, probe, found) for probe in sent.probes}
    leaks = [probe for probe, result in results.items() if result.outcome == outcome.LEAK]
    if leaks:
        # A line about TLS may be lost, as systemd-journald drops lines under load: a leak must show twice.
        results.update(_results_again(instance, sent, leaks, report))
    _record_evidence(found, results, report)
    held = [
        result.what.hop for result in results.values() if isinstance(result.what, Target) and result.outcome == HELD
    ]
    waits = waiting(instance, sent.selection.router, held)
    report.next_hops += [result.shown(waits) for result in results.values()]
    judgement = Judgement(
        severities,
        sent.selection.before,
        _without_another_way_out(sent, results),
        waits,
        instance.parameters.get("maximal_queue_lifetime", "5d"),
    )
    for result in results.values():
        judgement.judge(result, report)


def _record_evidence(found: Found, results: Mapping[Probe, Result], report: VerificationReport) -> None:
    """Record what the evidence does not say."""
    if found.evidence == REPORT and results:
        unknown = [subject_of(probe.what) for probe in results if not probe.is_reported]
        report.notes.append(
            "Postfix's log has nothing of the probes. Their results are those of Postfix's own reports, which do not tell how sessions were "
            f"protected{', and not known for ' + ', '.join(unknown) if unknown else ''}. Set maillog_file to a file below /var/log "
            "(postlogd(8)), or run systemd-journald or a syslogd"
        )
    for probe in found.contradicted:
        subject = subject_of(probe.what)
        report.add(
            "error",
            f"{fault_name(subject)}: a line in the log file says otherwise than Postfix's own report of the probe "
            f"({found.results[probe].reason}). Another program may have written it",
            fault_name(subject),
            "contradiction",
        )


def _result(sent: Sent, probe: Probe, found: Found) -> Result:
    what = probe.what
    expected = what.expected if isinstance(what, Target) else targets.expected_of(sent.selection.router, what)
    if found.evidence == REPORT:
        expected = replace(expected, logs_tls=False)
    if probe in found.results:
        delivery = found.results[probe]
        return Result(probe.recipient, what, outcome.outcome_of(delivery, expected), delivery, expected)
    delivery = _without_result(probe, found.rejections)
    return Result(probe.recipient, what, MISCONFIGURED if probe.rejected else UNREACHABLE, delivery, expected)


def _results_again(
    instance: Instance, sent: Sent, probes: Sequence[Probe], report: VerificationReport
) -> dict[Probe, Result]:
    """The results of further probes, by the first ones."""
    selection = replace(
        sent.selection,
        targets=[probe.what for probe in probes if isinstance(probe.what, Target)],
        recipients=[probe.what for probe in probes if isinstance(probe.what, str)],
    )
    log = Log(instance)
    second = send_probes(instance, selection, report)
    found = _wait_for_results(instance, second, log)
    if found.evidence == REPORT:
        return {}
    first = {id(probe.what): probe for probe in probes}
    return {first[id(probe.what)]: _result(second, probe, found) for probe in found.results}


def _without_another_way_out(sent: Sent, results: Mapping[Probe, Result]) -> set[str]:
    """The next hops of the default route, for all senders or for one, if none of them takes mail."""
    groups: dict[str, list[Target]] = {}
    for target in sent.selection.targets:
        if target.way.is_default:
            groups.setdefault(target.way.sender or "", []).append(target)
    outcomes = {id(result.what): result.outcome for result in results.values()}
    return {
        target.hop.nexthop
        for group in groups.values()
        if all(outcomes.get(id(target)) in _BAD for target in group)
        for target in group
    }


@dataclass
class Found:
    """What is known of the probes."""

    results: dict[Probe, Delivery] = field(default_factory=dict)
    rejections: list[str] = field(default_factory=list)
    """The lines in which cleanup(8) says why it has rejected probes."""
    evidence: str = REPORT
    contradicted: list[Probe] = field(default_factory=list)
    """Of which the log says otherwise than Postfix's own report."""


def _wait_for_results(instance: Instance, sent: Sent, log: Log) -> Found:
    """The results of probes: of Postfix's own reports, and as long as they may come, of the log."""
    queued = [probe for probe in sent.probes if not probe.rejected]
    end = time.monotonic() + NEXT_HOP_SECONDS
    reports: dict[Probe, Delivery] = {}
    logged: dict[str, Delivery] = {}
    lines: list[str] = []
    is_complete = False
    while time.monotonic() < end:
        time.sleep(_PAUSE)
        for probe in queued:
            if probe.is_reported and probe not in reports:
                reports.update((probe, found) for found in _reported(instance, probe))
        if not is_complete and all(probe in reports or not probe.is_reported for probe in queued):
            is_complete = True
            if not log.evidence or all(probe.is_reported for probe in queued):
                end = min(end, time.monotonic() + (_LOG_SECONDS if log.evidence else 0))
        if is_complete:
            lines = log.lines()
            logged = deliveries(lines, sent.queue_ids)
            if all(probe.queue_id in logged for probe in queued):
                break
    if not is_complete:
        lines = log.lines()
        logged = deliveries(lines, sent.queue_ids)
    for probe in queued:
        if probe.is_reported:
            remove_report(instance, probe.queue_id)
    found = Found(
        rejections=rejections(lines, sent.queue_ids), evidence=log.evidence if logged or not queued else REPORT
    )
    for probe in queued:
        delivery = logged.get(probe.queue_id)
        if probe in reports:
            if delivery and delivery.accepted != reports[probe].accepted and log.evidence == FILE:
                found.contradicted.append(probe)
            found.results[probe] = reports[probe] if delivery is None else _merged(reports[probe], delivery)
        elif delivery:
            found.results[probe] = delivery
    return found


def _reported(instance: Instance, probe: Probe) -> list[Delivery]:
    """What Postfix's own report says; empty if there is none yet. Of several recipients, the first that is not accepted."""
    reports = sorted(read_reports(instance, probe.queue_id), key=lambda report: report.is_accepted)
    return [Delivery(report.relay, report.is_accepted, report.reason) for report in reports[:1]]


def _merged(report: Delivery, logged: Delivery) -> Delivery:
    """What the report says, and what only the log says."""
    return replace(logged, accepted=report.accepted, reason=report.reason)


def _without_result(probe: Probe, lines: Sequence[str]) -> Delivery:
    if probe.rejected:
        quoted = [probe.rejected, *lines[-_SHOWN_LINES:]]
        return Delivery("none", False, f"smtp(8) has not been given the probe: {' / '.join(quoted)}")
    return Delivery("none", False, f"smtp(8) has not reported a result within {NEXT_HOP_SECONDS} seconds")


def _prober(instance: Instance) -> str:
    name = instance.parameters.get("double_bounce_sender", "double-bounce")
    return f"{name}@{macros.expanded_parameter('myhostname', instance.parameters)}"


def named(subjects: Collection[str]) -> list[str]:
    """The next hops among the subjects of faults."""
    return [subject[len(NAME) :] for subject in subjects if subject.startswith(NAME)]
