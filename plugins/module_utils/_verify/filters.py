# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probe content filters. Private to mailops.postfix.

Probes of smtp(8) bypass filters (src/qmgr/qmgr_message.c), so this host connects itself.
"""

from __future__ import annotations

from typing import Any

from .._errors import PostfixError
from .._formats import tls_levels
from .._model import content_filter, effective_policy
from .._model.content_filter import ContentFilter
from .._model.routing import Router, Unknown
from .._smtp.probe_options import ProbeOptions
from .delivery import CLEAR, ENCRYPTED
from .listeners import Probe, port_number
from .outcome import MISCONFIGURED
from .report import VerificationReport
from .targets import session_values

_LMTP_PORT = 24
"""The default of lmtp_tcp_port."""


def probe_filters(
    router: Router, before: Router | None, timeout: float, probe: Probe, report: VerificationReport
) -> None:
    """Probe each content filter that a change can affect, and record those that mail would wait for.

    :param before: the routes before the change; None to probe all.
    :param timeout: seconds that each reply may take.
    """
    known = [] if before is None else [_signature(before, item) for item in content_filter.content_filters(before)]
    for item in content_filter.content_filters(router):
        # This host can't tell who may connect to a socket, and in which chroot.
        if not item.is_socket and _signature(router, item) not in known:
            _probe_filter(router, item, timeout, probe, report)


def _signature(router: Router, item: ContentFilter) -> tuple[object, ...]:
    return item.hop.transport, item.hop.nexthop, _level(router, item), session_values(router, item.hop)


def _level(router: Router, item: ContentFilter) -> str:
    try:
        return effective_policy.effective_policy(router, item.hop).level
    except Unknown:
        return ""


def _probe_filter(
    router: Router, item: ContentFilter, timeout: float, probe: Probe, report: VerificationReport
) -> None:
    hop, level = item.hop, _level(router, item)
    implicit = router.configuration.is_on(f"{hop.protocol}_tls_wrappermode", router.service(hop.transport))
    subject = f"the filter {hop.nexthop}"
    try:
        is_lmtp = hop.protocol == "lmtp"
        number = _LMTP_PORT if is_lmtp and not item.port else port_number(item.port or "smtp")
        request = ProbeOptions(
            item.host, number, implicit, timeout=timeout, protocols=False, handshake=False, relay=False, lmtp=is_lmtp
        )
        facts: dict[str, Any] = probe(request)
    except PostfixError as error:
        report.add("error", f"{subject} ({item.source}): {error}", subject, MISCONFIGURED)
        return
    before_tls = facts.get("before_tls") or {}
    has_tls = implicit or bool(before_tls.get("starttls"))
    problem = str(facts["problem"]) if facts.get("problem") and not before_tls else ""
    if not problem and not has_tls and tls_levels.STRENGTH.get(level, 0) >= tls_levels.MANDATORY:
        problem = (
            f"it offers no TLS, and level {level} applies to it, so that all mail waits. Write {hop.protocol}_tls_security_level: none among "
            f"the options of {hop.transport}/unix"
        )
    report.next_hops.append(
        {
            "nexthop": hop.nexthop,
            "transport": hop.transport,
            "recipient": "",
            "sender": "",
            "policy": level,
            "outcome": MISCONFIGURED if problem else ENCRYPTED if has_tls else CLEAR,
            "level": "",
            "relay": f"{item.host}:{number}",
            "accepted": not problem,
            "reason": problem,
            "tls": "",
            "protocol": "",
            "cipher": "",
            "waiting": None,
        }
    )
    if problem:
        report.add("error", f"{subject} ({item.source}): {problem}", subject, MISCONFIGURED)
