# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse the log of a probe (``sendmail -bv``): how far smtp(8) came, and how it verified the next hop.

Private to mailops.postfix. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Sequence

VERIFIED = "verified"
"""smtp(8) connected to the next hop as its configuration requires, and the next hop replied to an SMTP command of the mail transaction."""
UNREACHABLE = "unreachable"
"""smtp(8) could not connect, or the connection broke before a reply."""
FAILED = "failed"
"""smtp(8) connected, but could not send mail as its configuration requires."""

_DELIVERY = re.compile(
    r"^(?P<process>\S+?\[\d+\]): (?P<queue_id>\w+): to=<(?P<recipient>.*?)>,.*? relay=(?P<relay>.*?), "
    r".*?status=(?P<status>deliverable|undeliverable) \((?P<reason>.*)\)$"
)
_TLS = re.compile(
    r"^(?P<process>\S+?\[\d+\]): (?:\w+: )?(?P<tls>Anonymous|Untrusted|Trusted|Verified) TLS connection established to "
    r"(?P<host>\S+): (?P<protocol>\S+) with cipher (?P<cipher>\S+)"
)
_REPLIED = re.compile(r"said: .* \(in reply to (?:MAIL FROM|RCPT TO|DATA|RSET|end of DATA) command\)")
_NO_SESSION = re.compile(
    r"connect to |Connection (?:refused|timed out)|No route to host|Network is unreachable|Host (?:or domain name )?not found"
    r"|Host found but no data record|Name service error|conversation with .* timed out|refused to talk to me|lost connection",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Delivery:
    """The result of one probe."""

    outcome: str
    """``verified``, ``unreachable`` or ``failed``."""
    relay: str
    """The host that smtp(8) connected to, as ``hub.example.org[192.0.2.1]:587``; ``none`` if there was no connection."""
    accepted: bool
    """Whether the next hop accepts mail to the recipient, which does not depend on TLS."""
    reason: str
    """The reason that smtp(8) has logged."""
    tls: str = ""
    """Anonymous, Untrusted, Trusted or Verified; empty without TLS, or if smtp_tls_loglevel is 0."""
    protocol: str = ""
    cipher: str = ""


def delivery_of(lines: Sequence[str], recipient: str) -> Delivery | None:
    """The result of the probe for a recipient; None while the log does not have it.

    :param lines: the lines of the log in order, each from the program's name on (``postfix/smtp[4711]: …``).
    """
    tls = {}
    for line in lines:
        established = _TLS.match(line)
        if established:
            tls[established["process"]] = established
            continue
        found = _DELIVERY.match(line)
        if not found or found["recipient"].lower() != recipient.lower():
            continue
        seen = tls.get(found["process"])
        if seen and seen["host"] != found["relay"]:
            seen = None
        accepted = found["status"] == "deliverable"
        return Delivery(
            _outcome(accepted, found["reason"]),
            found["relay"],
            accepted,
            found["reason"],
            *((seen["tls"], seen["protocol"], seen["cipher"]) if seen else ()),
        )
    return None


def _outcome(accepted: bool, reason: str) -> str:
    if accepted or _REPLIED.search(reason):
        return VERIFIED
    return UNREACHABLE if _NO_SESSION.search(reason) else FAILED
