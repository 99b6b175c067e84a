# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mail that waits for a next hop. Private to mailops.postfix."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any, Iterator

from .._errors import HostError
from .._formats.lines import to_text
from .._host.instance import Instance
from .._model.routing import Hop, Router, Unknown

_MOST = 2000
"""Messages that are looked at: each is a look-up of its route."""

_SHOWN = 3


@dataclass(frozen=True)
class Waiting:
    """The messages in the queue for one next hop."""

    count: int
    since: float
    """When the oldest of them arrived, in seconds since 1970."""
    recipients: tuple[str, ...]

    def described(self, lifetime: str) -> str:
        """A sentence about them.

        :param lifetime: maximal_queue_lifetime, as postconf(1) prints it.
        """
        more = f" and {len(self.recipients) - _SHOWN} more" if len(self.recipients) > _SHOWN else ""
        messages = "1 message" if self.count == 1 else f"{self.count} messages"
        bounces = self.since + _seconds(lifetime)
        return (
            f"{messages} for {', '.join(self.recipients[:_SHOWN])}{more} {'waits' if self.count == 1 else 'wait'} since {utc(self.since)}; "
            f"the oldest is returned to its sender at {utc(bounces)} (maximal_queue_lifetime = {lifetime})"
        )


def waiting(instance: Instance, router: Router, hops: list[Hop]) -> dict[tuple[str, str], Waiting]:
    """The messages that wait for next hops, by transport and next hop."""
    wanted = {(hop.transport, hop.nexthop.lower()) for hop in hops}
    found: dict[tuple[str, str], list[tuple[float, str]]] = {}
    for message in _queue(instance):
        sender = str(message.get("sender", ""))
        for recipient in message.get("recipients") or []:
            address = str(recipient.get("address", ""))
            try:
                routes = router.routes(address, "" if sender == "MAILER-DAEMON" else sender)
            except Unknown:
                continue
            for hop in (hop for route in routes for hop in router.hops(route)):
                key = (hop.transport, hop.nexthop.lower())
                if key in wanted:
                    found.setdefault(key, []).append((float(message.get("arrival_time", 0)), address))
    return {
        key: Waiting(len(mails), min(mails)[0], tuple(dict.fromkeys(address for _time, address in sorted(mails))))
        for key, mails in found.items()
    }


def _queue(instance: Instance) -> Iterator[dict[str, Any]]:
    try:
        done = instance.run("postqueue", "-c", instance.config_directory, "-j", check=False)
    except HostError:
        return
    for number, line in enumerate(to_text(done.stdout).split("\n")):
        if number >= _MOST:
            return
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if isinstance(message, dict):
            yield message


def _seconds(text: str) -> int:
    """A time of Postfix in seconds; the default unit of queue lifetimes is a day (postconf(5))."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
    text = text.strip().lower()
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "d")
    return int(number) * units[unit] if number.isdigit() else 5 * 86400


def utc(seconds: float) -> str:
    """A time in seconds since 1970, for people."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
