# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Postfix's log says of a probe (``sendmail -bv``): how far smtp(8) came, and how well it knew the other side.

Private to mailops.postfix. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional, Sequence

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
    r"^(?P<process>\S+?\[\d+\]): (?:\w+: )?(?P<verdict>Anonymous|Untrusted|Trusted|Verified) TLS connection established to "
    r"(?P<host>\S+): (?P<protocol>\S+) with cipher (?P<cipher>\S+)"
)
_ANSWERED = re.compile(r"said: .* \(in reply to (?:MAIL FROM|RCPT TO|DATA|RSET|end of DATA) command\)")
_NOBODY = re.compile(
    r"connect to |Connection (?:refused|timed out)|No route to host|Network is unreachable|Host (?:or domain name )?not found"
    r"|Host found but no data record|Name service error|conversation with .* timed out|refused to talk to me|lost connection",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Delivery:
    """The fate of one probe."""

    outcome: str
    """``verified``, ``unreachable`` or ``failed``."""
    relay: str
    """Who was spoken with, as ``hub.example.org[192.0.2.1]:587``; ``none`` if nobody."""
    accepted: bool
    """Whether the other side would have taken the mail: a matter of its rules, not of TLS."""
    reason: str
    """The last words."""
    tls: str = ""
    """Anonymous, Untrusted, Trusted or Verified; empty where it was not TLS, or smtp_tls_loglevel is 0."""
    protocol: str = ""
    cipher: str = ""


def delivery_of(lines: Sequence[str], recipient: str) -> Optional[Delivery]:
    """What became of the probe for a recipient; None while the log does not say.

    :param lines: Postfix's lines, from the program's name on (``postfix/smtp[4711]: …``), in order.
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
            *((seen["verdict"], seen["protocol"], seen["cipher"]) if seen else ()),
        )
    return None


def _outcome(accepted: bool, reason: str) -> str:
    if accepted or _ANSWERED.search(reason):
        return VERIFIED
    return UNREACHABLE if _NOBODY.search(reason) else FAILED
