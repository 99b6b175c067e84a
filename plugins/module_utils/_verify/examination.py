# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Look at a running Postfix: its processes, ports, next hops and log. Private to mailops.postfix."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field, replace
from typing import Callable, Collection, Sequence

from .._host import master as process
from .._host.instance import Instance
from .._host.master import Master
from .._transaction.store import Transaction
from . import filters, listeners, maillog, next_hops
from .listeners import Probe
from .report import VerificationReport
from .severities import Severities

_PROCESS = re.compile(r"^(\S+)\[\d+\]: ")


def _all_errors() -> Severities:
    return Severities("", "error", "error")


def _nothing() -> Severities:
    return Severities("", "ignore", "ignore")


@dataclass(frozen=True)
class Wanted:
    """What is brought into service, and what is looked at."""

    requires: str
    listeners: Severities = field(default_factory=_all_errors)
    next_hops: Severities = field(default_factory=_nothing)
    dependencies: str = "ignore"
    bogus_names: Sequence[str] = ()
    recipients: Sequence[str] = ()
    timeout: float = 10.0
    settle: float = 0.0
    scope: str = "all"


@dataclass
class Examination:
    """One Postfix, and how it is looked at."""

    read_instance: Callable[[], Instance]
    """Gives the instance as it is now."""
    wanted: Wanted
    probe: Probe
    """Probes a port."""

    def examine(self, report: VerificationReport, transaction: Transaction | None, again: Collection[str] = ()) -> None:
        """Bring the configuration into service, and record what is wrong with it.

        :param transaction: the change; None if nothing has changed.
        :param again: the subjects of faults that were found last. Without a change, only these are looked at if the scope is ``changed``.
        """
        instance = self.read_instance()
        master = Master(instance)
        log = maillog.Log(instance)
        start = time.monotonic()
        master.bring_up(self.wanted.requires)
        self._look(master, report, log, transaction, again)
        if self.wanted.requires != "none" and not report.problems:
            # master(8) may still terminate after the ports have answered, unless it has shown that it has read everything.
            rest = self.wanted.settle - (time.monotonic() - start)
            if not master.survives(max(0.0, rest)):
                report.problem(f"master(8) terminated after the {self.wanted.requires}")
        report.log = log.warnings()
        if self.wanted.requires != "none":
            # master(8) starts a daemon that terminates again and again, which no port shows.
            for line in maillog.daemon_failures(report.log):
                report.add("error", line, kind=_PROCESS.sub(r"\1: ", line))

    def without_next_hops(self, report: VerificationReport) -> None:
        """Record what is wrong with the running Postfix, without its next hops."""
        looking = replace(self, wanted=replace(self.wanted, next_hops=_nothing(), scope="all"))
        looking._look(Master(self.read_instance()), report, None, None, ())

    def _look(
        self,
        master: Master,
        report: VerificationReport,
        log: maillog.Log | None,
        transaction: Transaction | None,
        again: Collection[str],
    ) -> None:
        instance, wanted = master.instance, self.wanted
        if not master.survives(0 if wanted.requires == "none" else process.FIRST_LOOK_SECONDS):
            report.problem("Postfix is not running")
            return
        if wanted.dependencies != "ignore":
            self._check_dependencies(instance, report)
        sent = None
        if log is not None and not wanted.next_hops.ignores_all():
            selection = next_hops.select(instance, wanted, transaction, next_hops.named(again))
            # smtp(8) works on its probes while the ports are probed.
            sent = next_hops.send_probes(instance, selection, report)
        if not wanted.listeners.ignores_all():
            only = again if transaction is None and wanted.scope == "changed" else None
            listeners.probe_listeners(instance, wanted.listeners, wanted.timeout, self.probe, report, only)
        if sent is not None and log is not None:
            if transaction is not None or wanted.scope == "all":
                before = sent.selection.before if wanted.scope == "changed" else None
                filters.probe_filters(sent.selection.router, before, wanted.timeout, self.probe, report)
            next_hops.read_results(instance, sent, wanted.next_hops, log, report)

    def _check_dependencies(self, instance: Instance, report: VerificationReport) -> None:
        """Check the resolver and the policy services that smtp(8) relies on."""
        # Imported here, since the renewal program does not need them.
        from .._model.configuration import configuration_of
        from .._plan import dependencies

        facts = dependencies.Dependencies(instance, self.wanted.bogus_names)
        # Several entries of master.cf may have the same finding.
        for finding in {finding.identity: finding for finding in facts.problems(configuration_of(instance))}.values():
            if finding.check in dependencies.LIVE:
                report.add(self.wanted.dependencies, str(finding), finding.subject, finding.check)
