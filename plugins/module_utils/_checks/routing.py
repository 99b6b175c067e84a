# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail that bypasses a TLS policy, through another next hop of its route or another name for the same host.

Private to mailops.postfix. Pure; a Router has the tables.
"""

from __future__ import annotations

from typing import Callable, Dict, FrozenSet, Iterable, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from .._errors import GrammarError
from .._formats import tls_levels, tls_policy
from .._formats.main_cf import words
from .._model import effective_policy, routing
from .._model.configuration import MAIN
from .._model.effective_policy import EffectivePolicy
from .._model.finding import Finding, Setting
from .._model.routing import Hop, Router, Unknown

CHECK = "weaker_next_hop"

POLICY = "policy"
"""The first half of the Setting of a policy; the second is its key."""

PARAMETERS = frozenset({
    "relayhost", "transport_maps", "default_transport", "relay_transport", "relay_domains", "smtp_fallback_relay",
    "lmtp_fallback_relay", "sender_dependent_relayhost_maps", "sender_dependent_default_transport_maps",
    "smtp_tls_security_level", "lmtp_tls_security_level", "smtp_tls_policy_maps", "lmtp_tls_policy_maps",
    "smtp_dns_support_level",
})  # fmt: skip
"""The parameters that determine routes and levels."""

_Path = List[Tuple[Hop, EffectivePolicy]]


def routing_findings(router: Router) -> Iterator[Finding]:
    """The findings of this module, without what is unknown."""
    declared = _declared(router)
    if not declared:
        return
    same_host = routing.by_host(declared)
    domains = [key for key in declared if _is_domain(key)]
    paths = list(_paths(router, domains, _concerned(router, declared, same_host)))
    told: Set[str] = set()
    for path in paths:
        for problem in [*_other_names(router, path, declared, same_host), *_weaker_links(router, path)]:
            told.add(problem.subject)
            yield problem
    used = {hop.nexthop.lower() for path in paths for hop, _counts in path}
    for key in domains:
        yield from _passed_by(router, key, declared[key], told, used)


def tables(router: Router) -> FrozenSet[str]:
    """The tables that determine routes and levels."""
    return tables_in(router, [name for name in PARAMETERS if name.endswith("_maps")])


def tables_in(router: Router, parameters: Iterable[str]) -> FrozenSet[str]:
    """The tables that parameters list, in main.cf and in the options of services."""
    result: List[str] = []
    for service in (None, *router.configuration.services):
        for name in parameters:
            if service is None or name in service.effective_options:
                try:
                    result += router.map_names(name, service)
                except Unknown:
                    continue
    return frozenset(result)


def _declared(router: Router) -> Dict[str, str]:
    """The policies that demand TLS in the tables' texts: key to level."""
    result: Dict[str, str] = {}
    levels: Dict[str, str] = {}  # in a large table, many entries share a value
    for name in _policy_tables(router):
        for key, value in (router.tables.entries(name) or {}).items():
            if value not in levels:
                levels[value] = _level(value, router.configuration.version)
            if _strength(levels[value]) >= tls_levels.MANDATORY:
                result.setdefault(key.lower(), levels[value])
    return result


def _policy_tables(router: Router) -> List[str]:
    return sorted(tables_in(router, ("smtp_tls_policy_maps", "lmtp_tls_policy_maps")))


def _level(policy: str, version: Tuple[int, ...]) -> str:
    """The level of a policy; empty if Postfix treats it as invalid."""
    try:
        return tls_policy.parse("", policy, version=version).level
    except GrammarError:
        return ""


def _concerned(
    router: Router, declared: Mapping[str, str], same_host: Mapping[str, Sequence[str]]
) -> Optional[Callable[[str], bool]]:
    """Tells whether one of these policies may be about a next hop; None if each next hop must be looked at."""
    if any(router.tables.entries(name) is None for name in _policy_tables(router)):
        return None
    for_subdomains = any(key.startswith(".") for key in declared)

    def concerns(nexthop: str) -> bool:
        return routing.host(nexthop) in same_host or (
            for_subdomains and any(key in declared for key in effective_policy.keys(nexthop.lower()))
        )

    configuration = router.configuration
    fallback_relays = [
        nexthop
        for service in (None, *configuration.services)
        for side in ("smtp", "lmtp")
        for nexthop in words(configuration.value(f"{side}_fallback_relay", service) or "")
    ]
    return None if any(map(concerns, fallback_relays)) else concerns


def _paths(router: Router, domains: List[str], concerns: Optional[Callable[[str], bool]]) -> Iterator[_Path]:
    """The routes of the configuration that policies may be about, as their next hops, with the effective policy of each."""
    seen = set()
    for recipient in router.representatives(domains, concerns):
        try:
            for route in router.routes(recipient):
                if route not in seen:
                    seen.add(route)
                    yield [
                        (hop, effective_policy.effective_policy(router, hop))
                        for hop in router.hops(route)
                        if hop.protocol
                    ]
        except Unknown:
            continue


def _other_names(
    router: Router, path: _Path, declared: Mapping[str, str], same_host: Mapping[str, Sequence[str]]
) -> Iterator[Finding]:
    """Next hops without a policy of their own, whose host has one under another name, or in a table that Postfix does not use for it.

    :param same_host: the keys of the policies by their hosts.
    """
    for hop, counts in path:
        if counts.table:
            continue
        own = hop.nexthop.lower()
        for key in sorted(same_host.get(routing.host(own), ()), key=lambda key: key != own):
            if not _is_weaker(counts, declared[key]):
                continue
            if key == own:
                yield _problem(
                    router,
                    hop,
                    f"a policy demands {declared[key]}, but the transport {hop.transport} does not use its table, and works at "
                    f"level {counts.level}",
                    f"Name that table in {hop.protocol}_tls_policy_maps of {hop.transport}/unix, or remove that option of it",
                    key,
                )
            else:
                yield _problem(
                    router,
                    hop,
                    f"it has no policy of its own and is at level {counts.level}, while the policy for {key} demands "
                    f"{declared[key]}: Postfix looks up each next hop exactly as it is written, port and brackets included",
                    f'Declare that policy for nexthop: "{hop.nexthop}" too, or instead',
                    key,
                )
            break


def _weaker_links(router: Router, path: _Path) -> Iterator[Finding]:
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
                router,
                hop,
                f"mail for {strongest.nexthop}, whose policy demands {its.level}, takes it at level {counts.level} {when}",
                f'Declare a policy for nexthop: "{hop.nexthop}" too, or take it out of {hop.source}',
                strongest.nexthop.lower(),
            )


def _shares_host(path: _Path, hop: Hop, counts: EffectivePolicy) -> bool:
    """Whether _other_names() reports it."""
    return not counts.table and any(
        other.nexthop != hop.nexthop
        and its.table
        and routing.host(other.nexthop) == routing.host(hop.nexthop)
        and _is_weaker(counts, its.level)
        for other, its in path
    )


def _passed_by(router: Router, key: str, level: str, told: Set[str], used: Set[str]) -> Iterator[Finding]:
    """Policies for a domain whose mail, or some of it, takes other next hops."""
    try:
        routes = [[hop for hop in router.hops(route) if hop.protocol] for route in router.routes(key)]
        past = [route for route in routes if key not in (hop.nexthop.lower() for hop in route)]
        weak = [
            (hop, counts)
            for route in past
            for hop in route
            for counts in [effective_policy.effective_policy(router, hop)]
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
                settings=_settings(hop, key),
            )
            return


def _problem(router: Router, hop: Hop, cause: str, remedy: str, key: str) -> Finding:
    service = router.service(hop.transport)
    name = hop.source.split(" ")[0]
    where = router.configuration.where(name, service) if name in PARAMETERS else ""
    return Finding(CHECK, _subject(hop), cause, remedy, where, _settings(hop, key))


def _subject(hop: Hop) -> str:
    return f"the next hop {hop.nexthop} of {hop.source}"


def _settings(hop: Hop, key: str) -> FrozenSet[Setting]:
    settings = {(MAIN, name) for name in PARAMETERS} | {(f"{hop.transport}/unix", name) for name in PARAMETERS}
    return frozenset({*settings, (POLICY, key), (POLICY, hop.nexthop.lower())})


def _is_weaker(counts: EffectivePolicy, level: str) -> bool:
    """Levels that authenticate are equal; an invalid policy carries no mail."""
    if counts.level not in tls_levels.STRENGTH:
        return False
    return min(_strength(counts.level), tls_levels.AUTHENTICATED) < min(_strength(level), tls_levels.AUTHENTICATED)


def _strength(level: str) -> int:
    return tls_levels.STRENGTH.get(level, 0)


def _is_domain(key: str) -> bool:
    return tls_policy.is_postfix_hostname(key)
