# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which next hops a verification probes. Private to mailops.postfix.

All that mail must not miss: relayhosts, next hops whose level or policy demands TLS, and those for which there is a password. After a change
only those that it can affect: whose route, policy, password or parameters of smtp(8) have changed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import (
    Callable,
    Collection,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Pattern,
    Set,
    Tuple,
)

from .._formats import tls_levels
from .._formats.main_cf import words
from .._formats.master_cf import MasterEntry
from .._formats.tls_policy import is_postfix_hostname
from .._model import effective_policy, passwords, routing, ways_out
from .._model.effective_policy import EffectivePolicy
from .._model.routing import ITSELF, UNKNOWN_DOMAIN, Hop, Router, Unknown
from .._model.ways_out import WayOut
from .outcome import Expected

_RELEVANT = re.compile(
    r"(?:smtp|lmtp|tls)_|relayhost$|transport_maps$|(?:default|relay|virtual|local)_transport$|relay_domains$|mydestination$"
    r"|virtual_(?:alias|mailbox)_domains$|relocated_maps$|sender_dependent_|inet_|proxy_interfaces$|smtputf8_|dns_|dnssec_"
)
_WITHOUT_EFFECT = re.compile(
    r"(?:smtp|lmtp)_(?:tls_loglevel|tls_note_|.*_timeout$|generic_maps|header_checks|body_checks|.*concurrency)"
)
# Without tables, whose answers count, and fallback relays, which are next hops of their own.
_OF_SESSIONS = re.compile(r"(?!.*(?:_maps|_fallback_relay)$)(?:(?:smtp|lmtp|tls)_|inet_(?:interfaces|protocols)$)")
# What handles mail before smtp(8) does, by the configuration of pickup(8) and cleanup(8).
_BEFORE_SMTP = re.compile(
    r"non_smtpd_milters$|milter_|content_filter$|receive_override_options$|(?:\w+_)?canonical_(?:maps|classes)$|virtual_alias_"
    r"|(?:\w+_)?(?:header|body)_checks$|always_bcc$|(?:sender|recipient)_bcc_maps$|cleanup_|pickup_|local_header_rewrite"
)
_FILES = re.compile(r"_tls_(?:CAfile|CApath|trust_anchor_file|chain_files|(?:d|ec)?(?:cert|key)_file)$")
_TABLES = re.compile(r"(?:_tls_policy_maps|_sasl_password_maps|^transport_maps|^sender_dependent_.*_maps)$")


@dataclass(frozen=True)
class Target:
    """A next hop to probe."""

    way: WayOut
    expected: Expected
    discloses: bool = False
    """Whether a probe could send a password without TLS."""
    signature: Tuple[object, ...] = ()
    """What the probe depends on."""

    @property
    def hop(self) -> Hop:
        """The next hop and its transport."""
        return self.way.hop

    @property
    def policy(self) -> EffectivePolicy:
        """Its effective policy."""
        return self.expected.policy


def targets(
    router: Router,
    prober: str,
    concerns: Optional[Callable[[str], bool]] = None,
    keys: Optional[Collection[str]] = None,
) -> List[Target]:
    """The next hops of a configuration, those that are tried first before fallback relays.

    :param prober: the sender of probes.
    :param concerns: whether a next hop is of interest; None for all.
    :param keys: the keys of policies and passwords that are of interest; None for all.
    """
    wanted = _keys(router) if keys is None else keys
    domains = [key for key in wanted if is_postfix_hostname(key)]
    # Recipients that a relayhost should know. Their domains' own mail exchangers are of no interest.
    nexthops = _relayhosts(router)
    hosts = {name for name in map(routing.host, [*wanted, *nexthops]) if is_postfix_hostname(name)}
    hosts = {name for name in hosts if re.search("[g-z]", name)} - set(domains)
    values = lru_cache(maxsize=None)(lambda service: _values(router, service, _OF_SESSIONS))
    found = []
    for way in ways_out.ways_out(router, prober, [*domains, *sorted(hosts)], concerns):
        if way.hop.nexthop in hosts and way.hop.source == ITSELF and way.hop.nexthop not in nexthops:
            continue
        try:
            target = _target(router, way, values)
        except Unknown:
            continue
        if target is not None:
            found.append(target)
    return found


def affected(before: Router, after: Router, prober: str, changed_files: Collection[str]) -> List[Target]:
    """The next hops that a change can affect.

    :param before: the routes before the change.
    :param after: the routes after it.
    :param changed_files: the paths of all files that have changed.
    """
    everything = _uses(after, changed_files)
    if everything or _settings(before) != _settings(after):
        concerns, keys = None, None
    else:
        keys = _changed_keys(before, after)
        if keys is not None and not keys:
            return []
        concerns = None if keys is None or any("@" in key for key in keys) else _about(keys)
    old = {target.way.identity: target.signature for target in targets(before, prober, concerns, keys)}
    found = targets(after, prober, concerns, keys)
    return [target for target in found if everything or old.get(target.way.identity) != target.signature]


def is_handled_otherwise(before: Router, after: Router) -> bool:
    """Whether a change is about what handles mail before smtp(8), such as a milter."""

    def values(router: Router) -> List[Tuple[object, ...]]:
        services = [*router.configuration.of_command("pickup"), *router.configuration.of_command("cleanup")]
        return [_values(router, service, _BEFORE_SMTP) for service in (None, *services)]

    return values(before) != values(after)


def is_stricter(before: Router, target: Target) -> bool:
    """Whether a change has made a next hop, or its level or match, stricter or new."""
    try:
        known = effective_policy.effective_policy(before, target.hop)
    except Unknown:
        return False
    if not any(way.identity == target.way.identity for way in _same_host(before, target)):
        return True
    now = target.policy
    if tls_levels.STRENGTH.get(now.level, 0) > tls_levels.STRENGTH.get(known.level, 0):
        return True
    return now.level == known.level and bool(now.match) and not set(known.match) <= set(now.match)


def _same_host(router: Router, target: Target) -> List[WayOut]:
    host = routing.host(target.hop.nexthop)
    return ways_out.ways_out(
        router, "", [host] if re.search("[g-z]", host) else [], lambda nexthop: routing.host(nexthop) == host
    )


def _target(
    router: Router, way: WayOut, values: Callable[[Optional[MasterEntry]], Tuple[object, ...]]
) -> Optional[Target]:
    hop = way.hop
    if hop.nexthop == UNKNOWN_DOMAIN:
        return None
    policy = effective_policy.effective_policy(router, hop)
    universal = way.is_default and not hop.fallback
    key = passwords.password_key(router, hop, way.sender)
    is_demanding = tls_levels.STRENGTH.get(policy.level, 9) > tls_levels.STRENGTH["may"]
    if not (universal or key or is_demanding or hop.fallback):
        return None
    configuration, service = router.configuration, router.service(hop.transport)
    expected = Expected(
        policy,
        universal,
        bool(key),
        passwords.authenticates(router, hop) and bool(passwords.password_tables(router, hop)),
        configuration.is_on(f"{hop.protocol}_tls_wrappermode", service),
        hop.nexthop.rpartition("]")[2].rpartition(":")[2] if ":" in hop.nexthop.rpartition("]")[2] else "",
        (configuration.value(f"{hop.protocol}_tls_loglevel", service) or "0").strip()[:1] not in ("", "0"),
    )
    discloses = bool(key) and passwords.may_be_in_clear(router, hop, policy)
    return Target(way, expected, discloses, (policy, universal, _password(router, hop, key), values(service)))


def _password(router: Router, hop: Hop, key: str) -> Optional[str]:
    """The password: another one is a change."""
    names = passwords.password_tables(router, hop) if key else []
    if any(map(passwords.is_unasked, names)):
        return " ".join(names)
    found = router.find(names, key) if key else None
    return found[0] if found else None


def _relayhosts(router: Router) -> List[str]:
    result = words(router.configuration.value("relayhost") or "")
    for parameter in ("sender_dependent_relayhost_maps", "transport_maps"):
        for name in _map_names(router, parameter):
            for value in (router.tables.entries(name) or {}).values():
                result += words(value if parameter != "transport_maps" else value.partition(":")[2])
    return result


def _keys(router: Router) -> List[str]:
    """The keys of all policies."""
    result: Dict[str, None] = {}
    for parameter in ("smtp_tls_policy_maps", "lmtp_tls_policy_maps"):
        for name in _map_names(router, parameter):
            result.update(dict.fromkeys(router.tables.entries(name) or {}))
    return list(result)


def _map_names(router: Router, parameter: str) -> List[str]:
    """The tables that a parameter names in main.cf and in options of services."""
    result: Dict[str, None] = {}
    for service in (None, *router.configuration.services):
        if service is None or parameter in service.effective_options:
            try:
                result.update(dict.fromkeys(router.map_names(parameter, service)))
            except Unknown:
                continue
    return list(result)


# What has changed


def session_values(router: Router, hop: Hop) -> Tuple[object, ...]:
    """The parameters of smtp(8) that a session with a next hop depends on."""
    return _values(router, router.service(hop.transport), _OF_SESSIONS)


def _settings(router: Router) -> Dict[str, Tuple[object, ...]]:
    """The values that routes and sessions depend on, by service."""
    configuration = router.configuration
    clients = [*configuration.of_command("smtp"), *configuration.of_command("lmtp")]
    clients += [service for service in configuration.services if service.key == "rewrite/unix"]
    return {"main": _values(router, None), **{service.key: _values(router, service) for service in clients}}


def _values(router: Router, service: Optional[MasterEntry], relevant: Pattern[str] = _RELEVANT) -> Tuple[object, ...]:
    configuration = router.configuration
    columns = () if service is None else (service.column("command"), service.column("chroot"))
    names = sorted(
        name for name in configuration.raw(service) if relevant.match(name) and not _WITHOUT_EFFECT.match(name)
    )
    return (*columns, *((name, configuration.value(name, service)) for name in names))


def _uses(router: Router, changed_files: Collection[str]) -> bool:
    """Whether the client uses one of these files as a certificate, key or CA."""
    wanted: Set[str] = set(changed_files)
    for service in (None, *router.configuration.services):
        for name, value in router.configuration.raw(service).items():
            if _FILES.search(name) and name.startswith(("smtp_", "lmtp_")) and value:
                for path in words(router.configuration.value(name, service) or ""):
                    if path in wanted or any(file.endswith(path) for file in wanted if path.startswith("/")):
                        return True
    return False


def _changed_keys(before: Router, after: Router) -> Optional[Set[str]]:
    """The keys, and the next hops in values, of the table entries that differ; None if they can't be listed."""
    result: Set[str] = set()
    for parameter in sorted(name for name in after.configuration.raw(None) if _TABLES.search(name)):
        for name in _map_names(after, parameter):
            if before.tables.entries(name) is None or after.tables.entries(name) is None:
                if not name.startswith(("socketmap:", "tcp:")) and not passwords.is_unasked(name):
                    return None
                continue
            for key, value in _different(before.tables.entries(name) or {}, after.tables.entries(name) or {}):
                result.add(key)
                if parameter in ("transport_maps", "sender_dependent_relayhost_maps"):
                    nexthops = words(value.partition(":")[2] if parameter == "transport_maps" else value)
                    result.update(nexthop.lower() for nexthop in nexthops)
                    # An address is a recipient, not a next hop.
                    if "@" in key:
                        result.discard(key)
    return result


def _different(one: Mapping[str, str], other: Mapping[str, str]) -> Iterator[Tuple[str, str]]:
    for first, second in ((one, other), (other, one)):
        yield from ((key, value) for key, value in first.items() if second.get(key) != value)


def _about(keys: Iterable[str]) -> Callable[[str], bool]:
    """Tells whether keys of policies, passwords or routes may be about a next hop."""
    wanted = {key.lower() for key in keys}
    hosts = {key for key in wanted if is_postfix_hostname(key)}

    def concerns(nexthop: str) -> bool:
        lower = nexthop.lower()
        return (
            lower in wanted
            or routing.host(lower) in hosts
            or any(key in wanted for key in effective_policy.keys(lower))
        )

    return concerns


def default_nexthops(router: Router, prober: str) -> List[str]:
    """The next hops of mail for domains that no table names, for all senders, in lower case."""
    address = f"postmaster@{UNKNOWN_DOMAIN}"
    result: List[str] = []
    try:
        for sender in [prober, *router.sender_addresses(relayed=False)]:
            for route in router.routes(address, sender):
                result += [hop.nexthop.lower() for hop in router.hops(route)]
    except Unknown:
        pass
    return [nexthop for nexthop in dict.fromkeys(result) if nexthop != UNKNOWN_DOMAIN]


def expected_of(router: Router, recipient: str) -> Expected:
    """What the next hop of a recipient is expected to do."""
    try:
        hops = [hop for route in router.routes(recipient, "") for hop in router.hops(route)]
        return Expected(effective_policy.effective_policy(router, hops[0]))
    except (Unknown, IndexError):
        return Expected(EffectivePolicy(""))
