# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probe next hops through the real smtp(8) client. Private to mailops.postfix.

``sendmail -bv`` has smtp(8) connect with its own chroot, tables and TLS settings. The probe has no content, and Postfix
itself discards the report. The result is in the log.
"""

from __future__ import annotations

import re
import time
from dataclasses import asdict
from typing import Any, Mapping, Sequence

from .._formats import macros
from .._formats.main_cf import words
from .._host.instance import Instance
from .._model import routing
from .._plan import tables
from . import delivery
from .maillog import Log
from .report import VerificationReport

NEXT_HOP_SECONDS = 60
"""Seconds that smtp(8) may take to log the result of a probe."""

_PAUSE = 0.2
_WEAK = ("none", "may")


def send_probes(instance: Instance, options: Mapping[str, Any], report: VerificationReport) -> dict[str, str]:
    """Send a probe to each next hop that is declared; returns the next hops by recipient.

    :param options: ``recipients``, further addresses to probe, and ``next_hops``, the severity of a probe that can't be sent.
    """
    recipients = _recipients(instance)
    recipients.update((recipient, recipient) for recipient in options["recipients"])
    sender = _sender(instance)
    sent = {}
    for recipient, nexthop in recipients.items():
        done = instance.run(
            macros.expanded_parameter("sendmail_path", instance.parameters) or "sendmail",
            "-C",
            instance.config_directory,
            "-bv",
            "-f",
            sender,
            recipient,
            check=False,
        )
        if done.returncode == 0:
            sent[recipient] = nexthop
        else:
            report.add(options["next_hops"], f"sending a probe to the next hop {nexthop}: {done.complaint}")
    return sent


def _recipients(instance: Instance) -> dict[str, str]:
    """A recipient for each next hop that has a policy above ``may`` and for each relayhost: mail to the recipient takes this next hop."""
    router = tables.router_of(instance)
    nexthops = words(router.configuration.value("relayhost") or "")
    try:
        for name in router.map_names("smtp_tls_policy_maps"):
            entries = router.tables.entries(name) or {}
            nexthops += [key for key, value in entries.items() if value.split()[0].lower() not in _WEAK]
    except routing.Unknown:
        return {}
    found = samples(router, list(dict.fromkeys(nexthops)), _sender(instance))
    return {recipient: nexthop for nexthop, recipient in found.items()}


def samples(router: routing.Router, nexthops: Sequence[str], sender: str) -> dict[str, str]:
    """For each next hop a recipient whose mail from a sender takes it first; those for which none is known are left out."""
    named = [name for name in map(routing.host, nexthops) if re.search("[g-z]", name)]
    spellings: dict[str, list[str]] = {}
    for nexthop in nexthops:
        spellings.setdefault(nexthop.lower(), []).append(nexthop)
    result: dict[str, str] = {}
    for recipient in router.representatives(named):
        address = recipient if "@" in recipient else f"postmaster@{recipient}"
        try:
            hops = [router.hops(route)[0] for route in router.routes(address, sender)]
        except (routing.Unknown, IndexError):
            continue
        first = hops[0].nexthop.lower() if hops and hops[0].protocol else ""
        for nexthop in spellings.get(first, ()):
            result.setdefault(nexthop, address)
    return result


def _sender(instance: Instance) -> str:
    """The sender of probes: Postfix discards reports to this address (bounce(8))."""
    name = instance.parameters.get("double_bounce_sender", "double-bounce")
    return f"{name}@{macros.expanded_parameter('myhostname', instance.parameters)}"


def read_results(probes: Mapping[str, str], options: Mapping[str, Any], log: Log, report: VerificationReport) -> None:
    """Wait until the log has the result of each probe, and record the results.

    :param probes: next hops by recipient.
    :param options: the severities ``next_hops`` and ``unreachable``.
    """
    results = _wait_for_results(probes, log)
    for recipient, nexthop in probes.items():
        result = results.get(recipient) or delivery.Delivery(
            delivery.UNREACHABLE,
            "none",
            False,
            f"smtp(8) has not logged a result within {NEXT_HOP_SECONDS} seconds",
        )
        report.next_hops.append({"nexthop": nexthop, "recipient": recipient, **asdict(result)})
        message = f"the next hop {nexthop}: {result.reason}"
        if result.outcome == delivery.FAILED:
            report.add(options["next_hops"], message)
        elif result.outcome == delivery.UNREACHABLE:
            report.add(options["unreachable"], message)
        elif not result.accepted:
            report.warnings.append(f"the next hop {nexthop} does not accept mail for {recipient}: {result.reason}")


def _wait_for_results(probes: Mapping[str, str], log: Log) -> dict[str, delivery.Delivery]:
    end = time.monotonic() + NEXT_HOP_SECONDS
    results: dict[str, delivery.Delivery] = {}
    while len(results) < len(probes) and time.monotonic() < end:
        time.sleep(_PAUSE)
        lines = log.lines()
        for recipient in probes:
            result = delivery.delivery_of(lines, recipient)
            if result is not None:
                results[recipient] = result
    return results
