# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was verified, in lines for people. Private to mailops.postfix. Pure."""

from __future__ import annotations

import textwrap
from typing import Any, Mapping, Sequence

from .outcome import GOOD
from .report import VerificationReport

WIDTH = 70
"""Columns of a line: Ansible's output indents it, and a terminal has 80."""

_MOST = 10
"""Next hops that work, of which each has a line. More are counted."""
_EVIDENCE = {
    "journal": "systemd's journal",
    "file": "a log file. A local user can write to it",
    "report": "Postfix's own reports of the probes, without its log",
}


def summary_of(
    listeners: Sequence[Mapping[str, Any]],
    next_hops: Sequence[Mapping[str, Any]],
    evidence: str = "",
    reasons: Mapping[str, str] | None = None,
) -> str:
    """The ports and next hops with their results, and what was not asked.

    :param listeners: as the module verify returns them.
    :param next_hops: as the module verify returns them.
    :param evidence: where the results of next hops come from.
    :param reasons: why no ``port`` or no ``next hop`` was probed, if none was.
    """
    lines = []
    if listeners:
        lines += ["Ports", *(line for listener in listeners for line in _port(listener))]
    if next_hops:
        lines += ["Next hops", *_next_hops(next_hops), *_wrapped(f"Evidence: {_EVIDENCE.get(evidence, evidence)}", 0)]
    left_out = dict.fromkeys(name for listener in listeners for name in listener.get("not_probed", ()))
    not_asked = [f"Ports were not probed for {', '.join(left_out)}."] if left_out else []
    if next_hops:
        not_asked.append("Probes end after RCPT TO: a server may still reject mail after DATA.")
    not_asked += [f"No {kind}: {reason}." for kind, reason in (reasons or {}).items()]
    if not_asked:
        lines += ["Not asked", *(line for text in not_asked for line in _wrapped(text, 2))]
    return "\n".join(lines)


def reasons_of(
    report: VerificationReport, ignored: Sequence[str], scope: str, check_mode: bool = False
) -> dict[str, str]:
    """Why no port or no next hop was probed.

    :param ignored: of ``listeners`` and ``next_hops`` those that are to be ignored.
    :param scope: ``all``, or ``changed`` if only what the change can affect was to be probed.
    """
    result = {}
    if not report.listeners:
        result["port"] = (
            "listeners: ignore" if "listeners" in ignored else "smtpd(8) listens on none that can be probed"
        )
    if not report.next_hops:
        result["next hop"] = (
            "check mode"
            if check_mode
            else "next_hops: ignore"
            if "next_hops" in ignored
            else "the change can affect none"
            if scope == "changed"
            else "none has a password or must have TLS, and there is no relayhost"
        )
    return result


def _port(listener: Mapping[str, Any]) -> list[str]:
    name = str(listener["service"]).rpartition("/")[0].rpartition(":")[2]
    number = str(listener["port"])
    title = f"{number} at {listener['host']}" if name == number else f"{number} ({name}) at {listener['host']}"
    facts = [
        listener.get("tls", ""),
        _authentication(listener),
        {"closed": "relay closed", "open": "open relay"}.get(listener.get("relay", ""), ""),
    ]
    lines = _wrapped(f"{title}: {', '.join(filter(None, facts)) or 'no session'}", 2)
    certificate = listener.get("certificate")
    if certificate:
        days = certificate["days_left"]
        lines += _wrapped(
            f"certificate of {', '.join(certificate['names'][:3]) or certificate['subject']}, {days} day{'' if days == 1 else 's'} left",
            4,
        )
    if listener.get("domains"):
        domains = listener["domains"]
        more = f" and {len(domains) - 3} more" if len(domains) > 3 else ""
        lines += _wrapped(f"asked for mail to {', '.join(domains[:3])}{more}", 4)
    lines += [line for text in listener["problems"] for line in _wrapped(f"ERROR: {text}", 4)]
    return lines + [line for text in listener["warnings"] for line in _wrapped(f"WARNING: {text}", 4)]


def _authentication(listener: Mapping[str, Any]) -> str:
    auth = listener.get("auth")
    if auth is None:
        return ""
    return f"AUTH {' '.join(auth)}" if auth else "no AUTH"


def _next_hops(next_hops: Sequence[Mapping[str, Any]]) -> list[str]:
    good = [found for found in next_hops if found["outcome"] in GOOD]
    others = [found for found in next_hops if found["outcome"] not in GOOD]
    if len(good) > _MOST:
        outcomes = [str(found["outcome"]) for found in good]
        counts = [f"{outcomes.count(outcome)} {outcome}" for outcome in dict.fromkeys(outcomes)]
        lines = _wrapped(f"{len(good)} as their policies demand: {', '.join(counts)}", 2)
    else:
        lines = [line for found in good for line in _next_hop(found)]
    return lines + [line for found in others for line in _next_hop(found)]


def _next_hop(found: Mapping[str, Any]) -> list[str]:
    policy = f" (level {found['policy']})" if found["policy"] else ""
    outcome = str(found["outcome"])
    is_good = outcome in GOOD
    details = [outcome + policy, str(found["protocol"])]
    lines = _wrapped(f"{found['nexthop']}: {', '.join(filter(None, details))}", 2)
    if not is_good or not found["accepted"]:
        lines += _wrapped(str(found["reason"]), 4)
    waiting = found.get("waiting")
    if waiting:
        messages = "1 message waits" if waiting["messages"] == 1 else f"{waiting['messages']} messages wait"
        lines += _wrapped(f"{messages} since {waiting['since']}", 4)
    return lines


def _wrapped(text: str, indent: int) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )
