# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the route of a message from Postfix's logs: the hosts, the TLS status of each connection, and the result.

Pure: text in, values out.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Iterable, Mapping

# A line of syslog or of journalctl, from Postfix's name on: "postfix/submission/smtpd[12]: ..."
_LINE = re.compile(r"\bpostfix(?:-[\w-]+)?/(?:[\w-]+/)*(?P<program>\w+)\[(?P<pid>\d+)\]: (?P<text>.*)$")
_MESSAGE_ID = re.compile(r"(?P<queue_id>\w+): (?:resent-)?message-id=(?P<message_id>\S+)$")
_TLS = re.compile(
    r"(?:(?P<queue_id>\w+): )?(?P<verdict>Anonymous|Untrusted|Trusted|Verified) TLS connection established to "
    r"(?P<host>[^\[\s]+)\[(?P<address>[^\]]*)\]:(?P<port>\d+): (?P<protocol>\S+) with cipher (?P<cipher>\S+)"
)
_DELIVERY = re.compile(
    r"(?P<queue_id>\w+): to=<(?P<recipient>[^>]*)>,.*? relay=(?P<relay>[^,]+), .*?"
    r"status=(?P<status>\w+) \((?P<reason>.*)\)$"
)
_RELAY = re.compile(r"(?P<host>[^\[]+)\[(?P<address>[^\]]*)\](?::(?P<port>\d+))?$")


@dataclass(frozen=True)
class Hop:
    """One delivery attempt of one host: to another host, or into a mailbox."""

    source: str  # the host of the log
    program: str  # smtp, local, ...
    target: str  # the other host's name; "" if it was unreachable, or for a mailbox
    port: str
    verdict: str  # Verified, Trusted, Untrusted, Anonymous; none: clear text, or no connection
    protocol: str
    cipher: str
    status: str  # sent, deferred, bounced
    reason: str

    @property
    def local(self) -> bool:
        """Whether the message was delivered to a mailbox."""
        return self.program in ("local", "virtual", "pipe", "lmtp")


def hops(host: str, log: str, message_id: str) -> list[Hop]:
    """The last delivery attempt of one host for each recipient."""
    queue_ids: set[str] = set()
    # The TLS line has no queue id: it belongs to the next delivery of the same process to the same peer.
    connections: dict[tuple[str, str, str], Mapping[str, str]] = {}
    found: dict[tuple[str, str], Hop] = {}
    for line in log.splitlines():
        parts = _LINE.search(line)
        if not parts:
            continue
        pid, text = parts["pid"], parts["text"].rstrip()
        if match := _MESSAGE_ID.match(text):
            if match["message_id"].strip("<>") == message_id.strip("<>"):
                queue_ids.add(match["queue_id"])
        elif match := _TLS.match(text):
            connections[pid, match["address"], match["port"]] = match.groupdict()
        elif match := _DELIVERY.match(text):
            relay = _RELAY.match(match["relay"])
            peer = (relay["address"], relay["port"] or "") if relay else ("", "")
            tls = connections.pop((pid, *peer), {})
            if match["queue_id"] in queue_ids:
                key = (match["queue_id"], match["recipient"])
                found.pop(key, None)
                found[key] = Hop(
                    source=host,
                    program=parts["program"],
                    target=relay["host"] if relay else "",
                    port=peer[1],
                    verdict=tls.get("verdict", "none"),
                    protocol=tls.get("protocol", ""),
                    cipher=tls.get("cipher", ""),
                    status=match["status"],
                    reason=match["reason"],
                )
    return list(found.values())


def way(start: str, logs: Mapping[str, str], message_id: str, names: Mapping[str, str]) -> list[Hop]:
    """The route of the message from the host `start`. logs: by host; names: full name of each host -> host."""
    result: list[Hop] = []
    host, seen = start, set()
    while host in logs and host not in seen:
        seen.add(host)
        here = hops(host, logs[host], message_id)
        if not here:
            break
        hop = here[-1]
        result.append(hop)
        if hop.local or hop.status != "sent":
            break
        host = names.get(hop.target, "")
    return result


def replace_target(hop: Hop, target: str) -> Hop:
    """The hop with another target than the one in the log."""
    return dataclasses.replace(hop, target=target)


def ended(hops_so_far: Iterable[Hop]) -> bool:
    """Whether the message has been delivered to a mailbox, deferred or bounced."""
    last = list(hops_so_far)[-1:]
    return bool(last) and (last[0].local or last[0].status != "sent")


def commands(impostor_log: str) -> list[str]:
    """The SMTP commands that the impostor received, verbatim and in order."""
    return [line.split(" < ", 1)[1] for line in impostor_log.splitlines() if " < " in line]
