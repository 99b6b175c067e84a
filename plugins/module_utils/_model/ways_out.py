# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The next hops that mail of a configuration can take, each with a message that takes it. Private to mailops.postfix. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from .routing import UNKNOWN_DOMAIN, Hop, Route, Router, Unknown, host


@dataclass(frozen=True)
class WayOut:
    """One next hop of a transport, and a message that takes it."""

    hop: Hop
    recipient: str
    sender: Optional[str]
    """The sender of the message; None if the next hop is the same for the sender of probes."""
    position: int
    """Its place among the next hops of its route, from 0: smtp(8) tries them in this order."""
    is_default: bool
    """Whether mail for domains that no table names takes it."""

    @property
    def rank(self) -> Tuple[int, bool, bool]:
        """The lower, the better it shows the next hop: first on its route, by any sender, for a recipient that it should know."""
        return self.position, self.sender is not None, self.recipient.rpartition("@")[2] != host(self.hop.nexthop)

    @property
    def identity(self) -> Tuple[str, str]:
        """What makes it another one: the transport, and the next hop."""
        return self.hop.transport, self.hop.nexthop.lower()


def ways_out(
    router: Router, prober: str, domains: Sequence[str] = (), concerns: Optional[Callable[[str], bool]] = None
) -> List[WayOut]:
    """All next hops, as far as the tables' texts name them, those that mail takes first before others.

    :param prober: the sender of probes. A message with this sender is preferred.
    :param domains: domains that are to be among the recipients.
    :param concerns: whether a next hop is of interest; None for all.
    """
    found: Dict[Tuple[str, str], WayOut] = {}
    for way in [*_by_recipient(router, prober, domains, concerns), *_by_sender(router, prober)]:
        known = found.get(way.identity)
        if known is None or way.rank < known.rank:
            is_default = way.is_default or (known is not None and known.is_default)
            found[way.identity] = WayOut(way.hop, way.recipient, way.sender, way.position, is_default)
        elif way.is_default and not known.is_default:
            found[way.identity] = WayOut(known.hop, known.recipient, known.sender, known.position, True)
    ways = [way for way in found.values() if way.hop.protocol and (concerns is None or concerns(way.hop.nexthop))]
    return sorted(ways, key=lambda way: way.position > 0)


def _by_recipient(
    router: Router, prober: str, domains: Sequence[str], concerns: Optional[Callable[[str], bool]]
) -> Iterator[WayOut]:
    for recipient in router.representatives(domains, concerns):
        address = recipient if "@" in recipient else f"postmaster@{recipient}"
        try:
            routes = router.routes(address, prober)
        except Unknown:
            continue
        yield from _of_routes(router, routes, address, None, recipient == UNKNOWN_DOMAIN)


def _by_sender(router: Router, prober: str) -> Iterator[WayOut]:
    """The next hops that only mail of certain senders takes."""
    try:
        usual = set(router.routes(f"postmaster@{UNKNOWN_DOMAIN}", prober))
        senders = router.sender_addresses(relayed=False)
    except Unknown:
        return
    seen = set(usual)
    for sender in senders:
        try:
            routes = [route for route in router.routes(f"postmaster@{UNKNOWN_DOMAIN}", sender) if route not in seen]
        except Unknown:
            continue
        seen.update(routes)
        for way in _of_routes(router, routes, f"postmaster@{UNKNOWN_DOMAIN}", sender, True):
            yield WayOut(way.hop, _recipient(router, way), sender, way.position, True)


def _recipient(router: Router, way: WayOut) -> str:
    """A recipient that the next hop is more likely to know than one of an unknown domain."""
    address = f"postmaster@{host(way.hop.nexthop)}"
    try:
        nexthops = [hop.nexthop for route in router.routes(address, way.sender) for hop in router.hops(route)]
    except Unknown:
        return way.recipient
    return address if way.hop.nexthop in nexthops and re.search("[g-z]", address.partition("@")[2]) else way.recipient


def _of_routes(
    router: Router, routes: Sequence[Route], recipient: str, sender: Optional[str], is_default: bool
) -> Iterator[WayOut]:
    for route in routes:
        for position, hop in enumerate(router.hops(route)):
            yield WayOut(hop, recipient, sender, position, is_default)
