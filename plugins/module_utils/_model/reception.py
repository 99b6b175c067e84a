# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a port accepts mail for the domains of its host: what its replies mean. Private to mailops.postfix. Pure.

Source of the replies: src/smtpd/smtpd.c, smtpd_check.c, smtpd_milter.c, src/postscreen/postscreen_smtpd.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from .._formats.main_cf import braced_words
from . import restriction_lists
from .configuration import Configuration, shown
from .domain_lists import domain_patterns
from .listeners import Listener
from .restriction_lists import Closing

DOMAIN_LISTS = ("mydestination", "relay_domains", "virtual_alias_domains", "virtual_mailbox_domains")
"""The parameters with the domains that an instance accepts mail for."""

MOST_DOMAINS = 20
"""Domains for which a port is probed."""

FAULT, WARNING = "fault", "warning"

_DOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)+")
_REPLY = re.compile(r"(?:.* / )?([245]\d\d) (?:([245]\.\d{1,3}\.\d{1,3})\b)?", re.DOTALL)
_LIMITS = re.compile(r"Error: too (many|much) |too many new TLS sessions")
_SCREENED = re.compile(
    r"Service currently unavailable|All (server|screening) ports are busy|Service unavailable; client "
)
_MILTER = re.compile(r"451 4\.7\.1 Service unavailable - try again later")
_RELAYING = "Relay access denied"
_LISTS_OF = {
    "Client host rejected": ("smtpd_client_restrictions",),
    "Helo command rejected": ("smtpd_helo_restrictions",),
    "Sender address rejected": ("smtpd_sender_restrictions",),
    "Recipient address rejected": ("smtpd_relay_restrictions", "smtpd_recipient_restrictions"),
}


@dataclass(frozen=True)
class Reception:
    """What is wrong with the reply of a port."""

    verdict: str
    """``fault``, or ``warning`` if other clients may get another reply."""
    kind: str
    """The same for the same fault, whatever else its reply says."""
    message: str
    domain: str = ""
    reply: str = ""


def own_domains(configuration: Configuration) -> list[str]:
    """The domains of this host that its configuration names, ``myhostname`` first; not those of tables, and not localhost."""
    found = [configuration.value("myhostname") or "", *listed_domains(configuration)]
    return list(dict.fromkeys(domain.lower() for domain in found if _is_public(domain.lower())))


def listed_domains(configuration: Configuration) -> list[str]:
    """The domains that the lists name."""
    return [
        name
        for parameter in DOMAIN_LISTS
        for patterns in domain_patterns(braced_words(configuration.value(parameter) or ""))
        for name, (_place, is_listed) in patterns.names.items()
        if is_listed
    ]


def takes_mail_from_outside(configuration: Configuration, listener: Listener) -> bool:
    """Whether other hosts can send mail to a listener without authenticating themselves."""
    if listener.is_loopback:
        return False
    closings = [
        restriction_lists.closing_of(configuration, listener.smtpd, name) for name in restriction_lists.RCPT_LISTS
    ]
    return not listener.requires_certificate and not any(closing and closing.authenticated for closing in closings)


def refusals(configuration: Configuration, listener: Listener, facts: Mapping[str, Any]) -> list[Reception]:
    """What is wrong with the replies of a port that takes mail from outside.

    :param facts: as smtp_tls_info returns them, with ``recipients``.
    """
    asked: Sequence[Mapping[str, str]] = facts.get("recipients") or []
    accepted = [item for item in asked if item["reply"].startswith("2")]
    found = []
    for item in asked:
        domain = item["recipient"].rpartition("@")[2]
        verdict = _verdict(configuration, listener, domain, item["reply"], bool(accepted))
        if verdict:
            found.append(_reception(verdict, domain, item["reply"]))
    if accepted:
        found += _about_other_hosts(configuration, listener)
    if facts.get("failed_at") == "recipients" and not facts.get("refusal"):
        cause = str(facts["problem"])
        found.append(
            Reception(WARNING, "own domains", f"whether it accepts mail for its own domains is unknown: {cause}")
        )
    elif not listener.requires_certificate and refuses_this_host(configuration, listener, facts):
        message = f"it refuses this host, so that it cannot be probed from here: {facts['refusal']}"
        found.append(Reception(WARNING, f"refused {' '.join(code_of(facts['refusal']))}", message))
    return found


def refuses_this_host(configuration: Configuration, listener: Listener, facts: Mapping[str, Any]) -> bool:
    """Whether a session ended early with a reply that other clients may not get."""
    reply = facts.get("refusal") or ""
    if not reply:
        return False
    if listener.requires_certificate and facts["chain"] and code_of(reply)[0] == "421":
        return True
    if facts["failed_at"] == "starttls" and not _LIMITS.search(reply):
        return False
    return _verdict(configuration, listener, "", reply, False) == WARNING


def code_of(reply: str) -> tuple[str, str]:
    """The codes of a reply, such as ``("554", "5.7.1")``; the second one is empty if it has none."""
    found = _REPLY.match(reply)
    return (found.group(1), found.group(2) or "") if found else ("", "")


def closing_for(configuration: Configuration, listener: Listener, reply: str) -> Closing | None:
    """The element of a list that has led to a reply and rejects every client; None if none does."""
    if "Access denied" not in reply and "Try again later" not in reply:
        return None
    lists = next((names for phrase, names in _LISTS_OF.items() if phrase in reply), ())
    closings = (restriction_lists.closing_of(configuration, listener.smtpd, name) for name in lists)
    return next((item for item in closings if item and _rejects_all(listener, item)), None)


def _rejects_all(listener: Listener, closing: Closing) -> bool:
    """Whether a list rejects all other hosts. A port besides that of mail servers may be for this host alone, as that of a filter."""
    is_for_this_host = closing.own and listener.port not in ("25", "smtp")
    return not closing.authenticated and not closing.others and not is_for_this_host


def _about_other_hosts(configuration: Configuration, listener: Listener) -> list[Reception]:
    """The lists that permit this host and reject all others, which its own probes do not show."""
    closings = (
        restriction_lists.closing_of(configuration, listener.smtpd, name) for name in restriction_lists.RCPT_LISTS
    )
    return [
        Reception(
            FAULT,
            f"other hosts {item.list_name}",
            f"it refuses mail from all other hosts: {shown(item.list_name, item.value)} permits only this host. "
            f"Remove {item.element.name}, or write before it which clients to permit",
        )
        for item in closings
        if item and _rejects_all(listener, item)
    ]


def _verdict(configuration: Configuration, listener: Listener, domain: str, reply: str, takes_others: bool) -> str:
    code, status = code_of(reply)
    if code.startswith("2") or code == "530":
        return ""
    if _LIMITS.search(reply) or (listener.postscreen and _SCREENED.search(reply)):
        return WARNING
    if _RELAYING in reply:
        return _verdict_on_relaying(configuration, domain, takes_others)
    if (
        code == "421"
        or status.startswith("4.3.")
        or _MILTER.search(reply)
        or closing_for(configuration, listener, reply)
    ):
        return FAULT
    return WARNING


def _verdict_on_relaying(configuration: Configuration, domain: str, takes_others: bool) -> str:
    """The verdict on a port that refuses mail for a domain since no list has it.

    A host may refuse mail for its own name on purpose: its mail is for other domains, or for none. If the lists have only names
    such as localhost, it has lost its name.
    """
    listed = listed_domains(configuration)
    if domain.lower() not in listed:
        elements = [word for name in DOMAIN_LISTS for word in braced_words(configuration.value(name) or "")]
        if takes_others or any(":" in word or word.lstrip("!").startswith("/") for word in elements):
            return ""
        if not listed:
            return WARNING
    return FAULT


def _reception(verdict: str, domain: str, reply: str) -> Reception:
    code, status = code_of(reply)
    kind = " ".join(["own domain", domain, code, status]).strip()
    if verdict == FAULT or _RELAYING in reply:
        return Reception(verdict, kind, f"it refuses mail for {domain}, a domain of this host: {reply}", domain, reply)
    if status.startswith("5.1."):
        return Reception(verdict, kind, f"it refuses mail for postmaster@{domain}: {reply}")
    return Reception(
        verdict, kind, f"mail for {domain}, a domain of this host, cannot be probed from this host: {reply}"
    )


def _is_public(domain: str) -> bool:
    return bool(_DOMAIN.fullmatch(domain)) and not domain.startswith("localhost.") and not domain.endswith(".localhost")
