# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a probe says about a next hop, compared with what its policy demands. Private to mailops.postfix. Pure.

The reasons are those of smtp(8) (src/smtp/*.c) and of the programs before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._formats import tls_levels
from .._model.effective_policy import EffectivePolicy
from .delivery import CLEAR, ENCRYPTED, TRUSTED, VERIFIED, Delivery
from .reason import ReportedReason, parse_reason

LEAK = "leak"
"""Mail leaves less protected than its policy demands."""
MISCONFIGURED = "misconfigured"
"""This host's own fault."""
HELD = "held"
"""The next hop does not meet its policy, so that its mail waits."""
REFUSED = "refused"
"""The next hop refuses the connection, EHLO, AUTH or MAIL; if it must accept mail for any domain, RCPT too."""
UNREACHABLE = "unreachable"
"""There is no connection, or it breaks before a reply."""

GOOD = (CLEAR, ENCRYPTED, TRUSTED, VERIFIED)
"""The outcomes of next hops that work, weakest first."""

_AFTER_EHLO = ("MAIL FROM", "RCPT TO", "DATA", "RSET", "end of DATA")
_SESSION = ("EHLO", "HELO", "LHLO", "XFORWARD")
_ABOUT_RECIPIENT = re.compile(r"5\.(?:1\.[1-6]|2\.\d+)$")
_NOT_AUTHENTICATED = ("530", "534", "535", "538")
_HELD = re.compile(
    r"TLS is required, but (?:was not offered|host \S+ refused to start TLS)|Server certificate not (?:trusted|verified)|Cannot start TLS"
    r"|DNSSEC destination|TLSA"
)
_MISCONFIGURED = re.compile(
    r"client TLS configuration problem|mail transport unavailable|unknown mail transport|address resolver failure|configuration error"
    r"|loops? back to myself|(?<!TLSA )lookup (?:error|problem|failure)|SASL authentication failed; cannot authenticate"
    r"|offered no compatible authentication mechanisms|TLS engine is unavailable|wrappermode",
    re.IGNORECASE,
)
_REFUSED = re.compile(r"refused to talk to me|SASL authentication failed; server")
_NO_SESSION = re.compile(
    r"connect to |Connection (?:refused|timed out|reset)|No route to host|Network is unreachable|Host (?:or domain name )?not found"
    r"|no data record|Name service error|unable to look up host|timed out while|lost connection|server dropped connection|not accept mail",
    re.IGNORECASE,
)
_GREETING = re.compile(
    r"(?:lost connection with|timed out while|conversation with).*initial server greeting|SSL_connect|Cannot start TLS"
)
_IMPLICIT_PORTS = ("465", "smtps", "submissions")


@dataclass(frozen=True)
class Expected:
    """What a next hop is expected to do."""

    policy: EffectivePolicy
    universal: bool = False
    """Whether it must accept mail for any domain, as a relayhost."""
    has_password: bool = False
    """Whether smtp(8) finds a password for it."""
    may_authenticate: bool = False
    """Whether smtp(8) authenticates with passwords at all."""
    implicit_tls: bool = False
    port: str = ""
    """As the next hop names it; empty for the default."""
    logs_tls: bool = True
    """Whether smtp(8) logs TLS sessions."""


def outcome_of(delivery: Delivery, expected: Expected) -> str:
    """The outcome of a probe, as the documentation of the module verify lists them."""
    reason = parse_reason(delivery.reason)
    if delivery.accepted or reason.command in _AFTER_EHLO:
        level = level_of(delivery, expected)
        if _strength(level) < _demanded(expected.policy):
            return LEAK
        return _refusal(delivery, expected, reason) or level
    if reason.command in _SESSION or reason.command.startswith("AUTH"):
        return REFUSED
    if reason.command == "STARTTLS":
        return HELD
    if _GREETING.search(reason.own) and expected.implicit_tls != (expected.port in _IMPLICIT_PORTS) and expected.port:
        return MISCONFIGURED
    for outcome, pattern in (
        (MISCONFIGURED, _MISCONFIGURED),
        (HELD, _HELD),
        (REFUSED, _REFUSED),
        (UNREACHABLE, _NO_SESSION),
    ):
        if pattern.search(reason.own):
            return outcome
    return MISCONFIGURED if delivery.relay == "none" else REFUSED


def level_of(delivery: Delivery, expected: Expected) -> str:
    """How the session was protected. Without a log of TLS sessions, as the policy demands: smtp(8) has sent mail."""
    if delivery.tls or expected.logs_tls:
        return delivery.level
    return (CLEAR, ENCRYPTED, TRUSTED, VERIFIED)[_demanded(expected.policy)]


def is_reached(outcome: str, level: str) -> bool:
    """Whether a next hop works, and as well protected as a level demands.

    :param level: the level of a policy.
    """
    return outcome in GOOD and _strength(outcome) >= _demanded(EffectivePolicy(level))


def _refusal(delivery: Delivery, expected: Expected, reason: ReportedReason) -> str:
    """How a next hop refuses mail although the session is as it must be; empty if it accepts it, or refuses only the recipient."""
    if delivery.accepted:
        return ""
    is_permanent = reason.code.startswith("5")
    if not expected.has_password and expected.may_authenticate and is_permanent:
        is_about_access = reason.enhanced.startswith("5.7.") or not reason.enhanced
        if reason.code in _NOT_AUTHENTICATED or (expected.universal and is_about_access):
            return MISCONFIGURED
    if reason.command == "MAIL FROM":
        return REFUSED
    if expected.universal and is_permanent and reason.command == "RCPT TO":
        return "" if _ABOUT_RECIPIENT.match(reason.enhanced) else REFUSED
    return ""


def _strength(level: str) -> int:
    return GOOD.index(level)


def _demanded(policy: EffectivePolicy) -> int:
    """The least protection that a policy demands, as an index of GOOD."""
    strength = tls_levels.STRENGTH.get(policy.level, 0)
    if strength >= tls_levels.AUTHENTICATED:
        return GOOD.index(VERIFIED)
    return GOOD.index(ENCRYPTED) if strength >= tls_levels.MANDATORY else GOOD.index(CLEAR)
