# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse the log of probes: how far smtp(8) came, and how it verified the next hop. Private to mailops.postfix. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Collection, Sequence

CLEAR, ENCRYPTED, TRUSTED, VERIFIED = "clear", "encrypted", "trusted", "verified"
"""How a session was protected, weakest first: no TLS, a server that nothing has verified, a certificate of a trusted CA, a match."""

_DELIVERY = re.compile(
    r"^(?P<process>\S+?\[\d+\]): (?P<queue_id>\w+): to=<.*?>,(?: orig_to=<.*?>,)? relay=(?P<relay>\S+), (?:conn_use=\d+, )?delay=\S+, "
    r"[^()]*?status=(?P<status>\w+) \((?P<reason>.*)\)$"
)
_TLS = re.compile(
    r"^(?P<process>\S+?\[\d+\]): (?:\w+: )?(?P<tls>Anonymous|Untrusted|Trusted|Verified) TLS connection (?:established|reused) to "
    r"(?P<host>\S+): (?P<protocol>\S+) with cipher (?P<cipher>\S+)"
)
_LEVELS = {"Anonymous": ENCRYPTED, "Untrusted": ENCRYPTED, "Trusted": TRUSTED, "Verified": VERIFIED}
_PROBES = ("deliverable", "undeliverable")
# cleanup(8) handles a message before smtp(8) does.
_BEFORE = re.compile(r"^\S+?/cleanup\[\d+\]: (?P<text>.*)$")
_QUEUED = re.compile(r"^(?P<warning>(?:warning|error): )?(?P<queue_id>[0-9A-F]{6,}|[0-9A-Za-z]{10,}): (?P<rest>.*)$")
_REJECTED = re.compile(r"(?:milter-)?(?:reject|hold|discard|quarantine): |to=<.* status=bounced ")


@dataclass(frozen=True)
class Delivery:
    """What smtp(8) has logged of one probe."""

    relay: str
    """The host that smtp(8) connected to, as ``hub.example.org[192.0.2.1]:587``; ``none`` if there was no connection."""
    accepted: bool
    """Whether the next hop accepts mail to the recipient, which does not depend on TLS."""
    reason: str
    """The reason that smtp(8) has logged."""
    process: str = ""
    """The program that has logged it, such as ``postfix/smtp[4711]``."""
    tls: str = ""
    """Anonymous, Untrusted, Trusted or Verified; empty without TLS, or if smtp_tls_loglevel is 0."""
    protocol: str = ""
    cipher: str = ""

    @property
    def level(self) -> str:
        """How the session was protected, if smtp(8) logs TLS sessions."""
        return _LEVELS.get(self.tls, CLEAR)


def deliveries(lines: Sequence[str], queue_ids: Collection[str]) -> dict[str, Delivery]:
    """The results of probes, as far as the log has them, by queue id. Of several recipients, that of the first which is not accepted.

    :param lines: the lines of the log in order, each from the program's name on (``postfix/smtp[4711]: …``).
    :param queue_ids: those of probes that have sessions of their own.
    """
    tls: dict[str, re.Match[str]] = {}
    found: dict[str, Delivery] = {}
    for line in lines:
        established = _TLS.match(line)
        if established:
            tls[established["process"]] = established
            continue
        delivery = _DELIVERY.match(line)
        if not delivery:
            continue
        # The next delivery of this process is in another session, or says again that it has TLS.
        seen = tls.pop(delivery["process"], None)
        queue_id = delivery["queue_id"]
        if queue_id not in queue_ids or delivery["status"] not in _PROBES:
            continue
        if seen and seen["host"] != delivery["relay"]:
            seen = None
        if queue_id in found and not found[queue_id].accepted:
            continue
        found[queue_id] = Delivery(
            delivery["relay"],
            delivery["status"] == "deliverable",
            delivery["reason"],
            delivery["process"],
            *((seen["tls"], seen["protocol"], seen["cipher"]) if seen else ()),
        )
    return found


def rejections(lines: Sequence[str], queue_ids: Collection[str]) -> list[str]:
    """The lines in which cleanup(8) reports what keeps probes from smtp(8), such as a milter.

    :param queue_ids: those of the probes. Messages of others do not count.
    """
    result: dict[str, None] = {}
    for line in lines:
        before = _BEFORE.match(line)
        if not before:
            continue
        queued = _QUEUED.match(before["text"])
        if not queued:
            if re.match(r"(?:warning|error|fatal): ", before["text"]):
                result[line] = None
        elif queued["queue_id"] in queue_ids and (queued["warning"] or _REJECTED.match(queued["rest"])):
            result[line] = None
    return list(result)
