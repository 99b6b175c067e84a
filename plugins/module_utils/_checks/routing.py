# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether mail can get past a TLS policy: by another next hop of its route, or by another name for the same host.

Private to mailops.postfix. Pure, but for what it asks tables.
"""

from __future__ import annotations

from typing import Dict, FrozenSet, Iterable, Iterator, List, Mapping, Set, Tuple

from .._errors import GrammarError
from .._formats import tls_levels, tls_policy
from .._model import effective_policy, routing
from .._model.configuration import MAIN
from .._model.effective_policy import EffectivePolicy
from .._model.finding import Finding, Setting
from .._model.routing import Hop, Router, Unknown

CHECK = "weaker_next_hop"

POLICY = "policy"
"""The first half of a touch: a policy, by its key."""

PARAMETERS = frozenset({
    "relayhost", "transport_maps", "default_transport", "relay_transport", "relay_domains", "smtp_fallback_relay",
    "lmtp_fallback_relay", "sender_dependent_relayhost_maps", "sender_dependent_default_transport_maps",
    "smtp_tls_security_level", "lmtp_tls_security_level", "smtp_tls_policy_maps", "lmtp_tls_policy_maps",
    "smtp_dns_support_level",
})  # fmt: skip
"""What decides over routes and levels."""

_Path = List[Tuple[Hop, EffectivePolicy]]


def routing_findings(resolver: Router) -> Iterator[Finding]:
    """All findings; what can't be told is left out."""
    declared = _declared(resolver)
    if not declared:
        return
    paths = list(_paths(resolver, [key for key in declared if _is_domain(key)]))
    told: Set[str] = set()
    for path in paths:
        for problem in [*_other_names(resolver, path, declared), *_weaker_links(resolver, path)]:
            told.add(problem.subject)
            yield problem
    used = {hop.nexthop.lower() for path in paths for hop, _counts in path}
    for key, level in declared.items():
        if _is_domain(key):
            yield from _passed_by(resolver, key, level, told, used)


def tables(resolver: Router) -> FrozenSet[str]:
    """The tables that decide over routes and levels."""
    return _listed(resolver, [name for name in PARAMETERS if name.endswith("_maps")])


def _listed(resolver: Router, parameters: Iterable[str]) -> FrozenSet[str]:
    """The tables that parameters list, in main.cf and in the options of services."""
    result: List[str] = []
    for service in (None, *resolver.configuration.services):
        for name in parameters:
            if service is None or name in service.effective_options:
                try:
                    result += resolver.map_names(name, service)
                except Unknown:
                    continue
    return frozenset(result)


def _declared(resolver: Router) -> Dict[str, str]:
    """The policies that demand TLS, key to level, as far as the tables' texts tell."""
    result: Dict[str, str] = {}
    for name in sorted(_listed(resolver, ("smtp_tls_policy_maps", "lmtp_tls_policy_maps"))):
        for key, value in (resolver.tables.entries(name) or {}).items():
            try:
                level = tls_policy.parse(key, value, version=resolver.configuration.version).level
            except GrammarError:
                continue
            if _strength(level) >= tls_levels.MANDATORY:
                result.setdefault(key.lower(), level)
    return result


def _paths(resolver: Router, domains: List[str]) -> Iterator[_Path]:
    """All routes of the configuration as their next hops, with what counts for each."""
    seen = set()
    for recipient in resolver.representatives(domains):
        try:
            for route in resolver.routes(recipient):
                if route not in seen:
                    seen.add(route)
                    yield [
                        (hop, effective_policy.effective_policy(resolver, hop))
                        for hop in resolver.hops(route)
                        if hop.protocol
                    ]
        except Unknown:
            continue


def _other_names(resolver: Router, path: _Path, declared: Mapping[str, str]) -> Iterator[Finding]:
    """Next hops without a policy of their own, whose host has one under another name, or in a table that is not looked at."""
    for hop, counts in path:
        if counts.table:
            continue
        own = hop.nexthop.lower()
        for key in sorted(declared, key=lambda key: key != own):
            if routing.host(key) != routing.host(hop.nexthop) or not _is_weaker(counts, declared[key]):
                continue
            if key == own:
                yield _problem(
                    resolver,
                    hop,
                    f"a policy demands {declared[key]}, but the transport {hop.transport} does not look at its table, and works at "
                    f"level {counts.level}",
                    f"Name that table in {hop.protocol}_tls_policy_maps of {hop.transport}/unix, or remove that option of it",
                    key,
                )
            else:
                yield _problem(
                    resolver,
                    hop,
                    f"it has no policy of its own and is at level {counts.level}, while the policy for {key} demands "
                    f"{declared[key]}: Postfix looks up each next hop exactly as it is written, port and brackets included",
                    f'Declare that policy for nexthop: "{hop.nexthop}" too, or instead',
                    key,
                )
            break


def _weaker_links(resolver: Router, path: _Path) -> Iterator[Finding]:
    """Next hops that are tried after, or before, one for which a policy demands more."""
    demanding = [
        (hop, counts) for hop, counts in path if counts.table and _strength(counts.level) >= tls_levels.MANDATORY
    ]
    if not demanding:
        return
    strongest, its = max(demanding, key=lambda link: _strength(link[1].level))
    for hop, counts in path:
        if hop.nexthop != strongest.nexthop and _is_weaker(counts, its.level) and not _shares_host(path, hop, counts):
            when = "when no other answers" if hop.fallback else "when the other does not answer"
            yield _problem(
                resolver,
                hop,
                f"mail for {strongest.nexthop}, whose policy demands {its.level}, takes it at level {counts.level} {when}",
                f'Declare a policy for nexthop: "{hop.nexthop}" too, or take it out of {hop.source}',
                strongest.nexthop.lower(),
            )


def _shares_host(path: _Path, hop: Hop, counts: EffectivePolicy) -> bool:
    """Whether another finding tells of it."""
    return not counts.table and any(
        other.nexthop != hop.nexthop
        and its.table
        and routing.host(other.nexthop) == routing.host(hop.nexthop)
        and _is_weaker(counts, its.level)
        for other, its in path
    )


def _passed_by(resolver: Router, key: str, level: str, told: Set[str], used: Set[str]) -> Iterator[Finding]:
    """Policies for a domain whose mail, or some of it, takes other next hops."""
    try:
        routes = [[hop for hop in resolver.hops(route) if hop.protocol] for route in resolver.routes(key)]
        past = [route for route in routes if key not in (hop.nexthop.lower() for hop in route)]
        weak = [
            (hop, counts)
            for route in past
            for hop in route
            for counts in [effective_policy.effective_policy(resolver, hop)]
        ]
    except Unknown:
        return
    if key in used and len(past) == len(routes):
        return  # not a domain but a host, to which other mail goes
    for hop, counts in weak:
        if _is_weaker(counts, level) and not (_subject(hop) in told and routing.host(hop.nexthop) == key):
            yield Finding(
                CHECK,
                f"the TLS policy for {key}",
                f"mail for {key} leaves through {hop.nexthop} ({hop.source}) at level {counts.level}, so that Postfix never "
                f"looks up this policy, which demands {level}",
                f'Declare it with domain: {key} and route: direct, or declare a policy for nexthop: "{hop.nexthop}"',
                touches=_touches(hop, key),
            )
            return


def _problem(resolver: Router, hop: Hop, cause: str, remedy: str, key: str) -> Finding:
    service = resolver.service(hop.transport)
    name = hop.source.split(" ")[0]
    where = resolver.configuration.where(name, service) if name in PARAMETERS else ""
    return Finding(CHECK, _subject(hop), cause, remedy, where, _touches(hop, key))


def _subject(hop: Hop) -> str:
    return f"the next hop {hop.nexthop} of {hop.source}"


def _touches(hop: Hop, key: str) -> FrozenSet[Setting]:
    touches = {(MAIN, name) for name in PARAMETERS} | {(f"{hop.transport}/unix", name) for name in PARAMETERS}
    return frozenset({*touches, (POLICY, key), (POLICY, hop.nexthop.lower())})


def _is_weaker(counts: EffectivePolicy, level: str) -> bool:
    """Levels that authenticate are alike; what is invalid carries no mail."""
    if counts.level not in tls_levels.STRENGTH:
        return False
    return min(_strength(counts.level), tls_levels.AUTHENTICATED) < min(_strength(level), tls_levels.AUTHENTICATED)


def _strength(level: str) -> int:
    return tls_levels.STRENGTH.get(level, 0)


def _is_domain(key: str) -> bool:
    return tls_policy.is_postfix_hostname(key)
