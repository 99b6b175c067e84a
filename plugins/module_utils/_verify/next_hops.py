# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probe next hops through the real smtp(8) client. Private to mailops.postfix.

``sendmail -bv`` has smtp(8) connect with its own chroot, tables and TLS settings. The probe has no content, and Postfix
itself discards the report. The result is in the log.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Collection, Mapping, Protocol, Sequence

from .._errors import HostError
from .._formats import macros
from .._host import cleanup
from .._host.instance import Instance
from .._model.routing import Router
from .._plan import tables
from .._transaction.store import Transaction
from . import outcome, targets
from .delivery import Delivery, Probe, deliveries, rejections
from .judgement import NAME, Judgement, Result, fault_name, subject_of
from .maillog import Log
from .outcome import HELD, MISCONFIGURED, REFUSED, UNREACHABLE
from .previous import previous_router
from .report import VerificationReport
from .severities import Severities
from .targets import Target
from .waiting import waiting

NEXT_HOP_SECONDS = 60
"""Seconds that smtp(8) may take to log the result of a probe."""

_PAUSE = 0.2
_REJECTED_SECONDS = 2
"""Seconds to wait for results after a program before smtp(8) has reported an error."""
_AT_ONCE = 50
"""Recipients of one message: smtp(8) probes their next hops at the same time."""

# authorized_submit_users does not name this user, as in instances of postmulti(1) that take mail from the network only.
_NOT_AUTHORIZED = "is not allowed to submit mail"

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


@dataclass
class Sent:
    """The probes that have been sent."""

    selection: Selection
    by_probe: dict[Probe, Target | str] = field(default_factory=dict)
    """What each probes: a next hop, or a further recipient."""
    senders: set[str] = field(default_factory=set)


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
    """Send a probe to each next hop that smtp(8) tries first for some mail, as many at once as possible."""
    sent = Sent(selection)
    together: dict[str, Target | str] = {recipient: recipient for recipient in selection.recipients}
    for target in selection.targets:
        if target.discloses:
            report.notes.append(
                f"the next hop {target.hop.nexthop} is not probed: its level is {target.policy.level}, so that the probe could send the "
                "password without TLS"
            )
        elif target.way.position > 0:
            continue  # smtp(8) tries it when those before it fail
        elif target.way.sender is None and target.way.recipient not in together:
            together[target.way.recipient] = target
        else:
            sender = selection.prober if target.way.sender is None else target.way.sender
            _send_by_itself(instance, target, target.way.recipient, sender, report, sent)
    recipients = list(together)
    for start in range(0, len(recipients), _AT_ONCE):
        some = recipients[start : start + _AT_ONCE]
        done = instance.run(
            macros.expanded_parameter("sendmail_path", instance.parameters) or "sendmail",
            *("-C", instance.config_directory, "-bv", "-f", selection.prober, "--", *some),
            check=False,
        )
        if done.returncode == 0:
            sent.by_probe.update((("", recipient), together[recipient]) for recipient in some)
            sent.senders.add(selection.prober)
            continue
        for recipient in some:
            if _NOT_AUTHORIZED in done.complaint:
                _send_by_itself(instance, together[recipient], recipient, selection.prober, report, sent)
            else:
                _not_sent(together[recipient], done.complaint, report)
    return sent


def _send_by_itself(
    instance: Instance, what: Target | str, recipient: str, sender: str, report: VerificationReport, sent: Sent
) -> None:
    """Send a probe whose sender would get a report from sendmail(1), whose recipient another probe has, or that sendmail(1) refuses."""
    try:
        queue_id = cleanup.queue_probe(instance, sender, recipient)
    except HostError as error:
        _not_sent(what, str(error), report)
        return
    sent.by_probe[queue_id, recipient] = what
    sent.senders.add(sender)


def _not_sent(what: Target | str, cause: str, report: VerificationReport) -> None:
    subject = subject_of(what)
    report.add("error", f"sending a probe to the next hop {subject}: {cause}", fault_name(subject), MISCONFIGURED)


def read_results(instance: Instance, sent: Sent, severities: Severities, log: Log, report: VerificationReport) -> None:
    """Wait until the log has the result of each probe, and record the results."""
    found, rejected = _wait_for_results(sent, log)
    report.evidence = log.evidence
    results = {probe: _result(sent, probe, found, rejected) for probe in sent.by_probe}
    leaks = [probe for probe, result in results.items() if result.outcome == outcome.LEAK]
    if leaks:
        # A line about TLS may be lost, as systemd-journald drops lines under load: a leak must show twice.
        found.update(_probe_again(instance, sent, leaks, report))
        results.update((probe, _result(sent, probe, found, rejected)) for probe in leaks)
    report.next_hops += [result.shown() for result in results.values()]
    held = [
        result.what.hop for result in results.values() if isinstance(result.what, Target) and result.outcome == HELD
    ]
    judgement = Judgement(
        severities,
        sent.selection.before,
        _without_another_way_out(sent, results),
        waiting(instance, sent.selection.router, held),
        instance.parameters.get("maximal_queue_lifetime", "5d"),
    )
    for result in results.values():
        judgement.judge(result, report)


def _result(sent: Sent, probe: Probe, found: Mapping[Probe, Delivery], rejected: Sequence[str]) -> Result:
    what = sent.by_probe[probe]
    expected = what.expected if isinstance(what, Target) else targets.expected_of(sent.selection.router, what)
    if probe in found:
        return Result(probe[1], what, outcome.outcome_of(found[probe], expected), found[probe], expected)
    return Result(probe[1], what, MISCONFIGURED if rejected else UNREACHABLE, _without_result(rejected), expected)


def _probe_again(
    instance: Instance, sent: Sent, probes: Sequence[Probe], report: VerificationReport
) -> dict[Probe, Delivery]:
    """The results of further probes, by the first ones."""
    what = [sent.by_probe[probe] for probe in probes]
    selection = replace(
        sent.selection,
        targets=[item for item in what if isinstance(item, Target)],
        recipients=[item for item in what if isinstance(item, str)],
    )
    log = Log(instance)
    second = send_probes(instance, selection, report)
    found, _rejected = _wait_for_results(second, log)
    first = {id(sent.by_probe[probe]): probe for probe in probes}
    return {first[id(second.by_probe[probe])]: delivery for probe, delivery in found.items()}


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


def _wait_for_results(sent: Sent, log: Log) -> tuple[dict[Probe, Delivery], list[str]]:
    """The results, and what has kept probes from smtp(8)."""
    end = time.monotonic() + NEXT_HOP_SECONDS
    found: dict[Probe, Delivery] = {}
    rejected: list[str] = []
    while len(found) < len(sent.by_probe) and time.monotonic() < end:
        time.sleep(_PAUSE)
        lines = log.lines()
        found = deliveries(lines, list(sent.by_probe))
        if not rejected:
            rejected = rejections(lines, sent.senders)
            if rejected:
                end = min(end, time.monotonic() + _REJECTED_SECONDS)
    return found, rejected


def _without_result(rejected: Sequence[str]) -> Delivery:
    if rejected:
        return Delivery("none", False, f"smtp(8) has not been given the probe: {' / '.join(rejected[-2:])}")
    return Delivery("none", False, f"smtp(8) has not logged a result within {NEXT_HOP_SECONDS} seconds")


def _prober(instance: Instance) -> str:
    name = instance.parameters.get("double_bounce_sender", "double-bounce")
    return f"{name}@{macros.expanded_parameter('myhostname', instance.parameters)}"


def named(subjects: Collection[str]) -> list[str]:
    """The next hops among the subjects of faults."""
    return [subject[len(NAME) :] for subject in subjects if subject.startswith(NAME)]
