# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The TLS levels of next hops that fall by an undo. Private to mailops.postfix.

An undo is whole: it takes back a stricter policy, too. Its message must say which mail is protected less than declared.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Callable, Dict, List, Mapping

from .._formats import tls_levels
from .._host.instance import Instance
from .._model.effective_policy import INVALID, effective_policy
from .._model.routing import UNKNOWN_DOMAIN, Router, Unknown, is_keyed
from .._model.ways_out import ways_out
from .._plan import tables
from .._transaction.undo import Undone

_HELD = max(tls_levels.STRENGTH.values()) + 1
"""The strength of a policy that Postfix treats as invalid: mail waits."""


@dataclass(frozen=True)
class _Protection:
    """How mail for a recipient leaves."""

    nexthop: str
    level: str

    @property
    def strength(self) -> int:
        return _HELD if self.level == INVALID else tls_levels.STRENGTH.get(self.level, 0)


def with_fallen_levels(read_instance: Callable[[], Instance], undo: Callable[[], Undone], boot: bool = False) -> Undone:
    """Call a function that undoes a transaction, and record the next hops whose level falls by it.

    :param read_instance: gives the instance as it is now.
    :param boot: whether the host is starting, so that tables which a daemon or the network provides can't be asked.
    """
    before: Mapping[str, _Protection] = {}
    # The report must not prevent the undo, whatever the configuration is that has to be undone.
    with suppress(Exception):
        before = _protections(tables.router_of(read_instance()), None, boot)
    undone = undo()
    with suppress(Exception):
        if before:
            after = _protections(tables.router_of(read_instance()), list(before), boot)
            undone.fallen = _fallen(before, after)
    return undone


def _protections(router: Router, recipients: List[str] | None, boot: bool) -> Dict[str, _Protection]:
    """How mail for each recipient leaves: the weakest of its first next hops.

    :param recipients: None for those that together take every route and have every policy.
    """
    names = [*router.map_names("smtp_tls_policy_maps"), *router.map_names("transport_maps")]
    if boot and not all(is_keyed(name) for name in names):
        return {}
    if recipients is None:
        policies = [key for name in names for key in router.tables.entries(name) or {} if key[:1] not in "[."]
        recipients = list(dict.fromkeys(way.recipient for way in ways_out(router, "", policies)))
    result = {}
    for recipient in recipients:
        try:
            hops = [router.hops(route)[0] for route in router.routes(recipient, "")]
            found = [_Protection(hop.nexthop, effective_policy(router, hop).level) for hop in hops if hop.protocol]
        except (Unknown, IndexError):
            continue
        if found:
            result[recipient] = min(found, key=lambda protection: protection.strength)
    return result


def _fallen(before: Mapping[str, _Protection], after: Mapping[str, _Protection]) -> List[str]:
    result: Dict[str, None] = {}
    for recipient, old in before.items():
        new = after.get(recipient)
        if new is None or new.strength >= old.strength:
            continue
        domain = recipient.rpartition("@")[2]
        title = "mail for other domains" if domain == UNKNOWN_DOMAIN else old.nexthop
        now = new.level if new.nexthop == old.nexthop else f"{new.level} (through {new.nexthop})"
        result[f"{title} from {'held' if old.level == INVALID else old.level} to {now}"] = None
    return list(result)
