# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which TLS policy applies to a next hop, and what it comes to. Private to mailops.postfix. Pure.

Source: src/smtp/smtp_tls_policy.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from .._errors import DeclarationError, GrammarError
from .._formats import tls_levels, tls_policy
from .configuration import words
from .routing import Hop, Router, Unknown

INVALID = "invalid"
"""In place of a level: Postfix takes the policy for wrong, and mail waits."""

_MATCH = {"fingerprint": "fingerprint_cert_match", "verify": "verify_cert_match", "secure": "secure_cert_match"}


@dataclass(frozen=True)
class EffectivePolicy:
    """What counts for one next hop."""

    level: str
    """The level that the client works at; empty where there is no SMTP client."""
    match: Tuple[str, ...] = ()
    """The fingerprints or names that count at this level, from the policy or from main.cf."""
    table: str = ""
    """The table that has a policy for it; empty where main.cf alone counts."""
    key: str = ""
    policy: Optional[tls_policy.Policy] = None
    problem: str = ""
    """Why the level is not what is written."""


def effective_policy(resolver: Router, hop: Hop) -> EffectivePolicy:
    """What counts for a next hop.

    :raises Unknown: if a table can't be asked, or a value be told.
    """
    if not hop.protocol:
        return EffectivePolicy("", problem=f"the transport {hop.transport} does not speak SMTP, or is not in master.cf")
    configuration, service, side = resolver.configuration, resolver.service(hop.transport), hop.protocol
    level = configuration.level(service, side)
    if level == "?":
        raise Unknown(f"{side}_tls_security_level can't be told")
    found = _lookup(resolver, hop)
    if found is None:
        if not configuration.value(f"{side}_tls_policy_maps", service) and configuration.value(
            f"{side}_tls_per_site", service
        ):
            raise Unknown(f"{side}_tls_per_site decides, which Postfix has given up for {side}_tls_policy_maps")
        return _completed(resolver, hop, EffectivePolicy(level))
    value, table, key = found
    try:
        policy = tls_policy.parse(key, value, version=configuration.version)
        if policy.level != "none":  # what stands behind it is ignored
            tls_policy.check_use(policy, configuration.version, " ".join(_default(resolver, hop, "fingerprint")))
    except (DeclarationError, GrammarError) as error:
        return EffectivePolicy(
            INVALID, table=table, key=key, problem=f"Postfix takes the policy for wrong: {error.cause}"
        )
    return _completed(resolver, hop, EffectivePolicy(policy.level, policy.match, table, key, policy))


def policy_keys(resolver: Router, domain: str, direct: bool = False) -> List[str]:
    """The keys under which a policy for a recipient domain really applies, and applies to nothing else.

    Fallback relays are not among them: whether those are weaker is another question.

    :param direct: whether ``route: direct`` is declared already.
    :raises DeclarationError: if there are none, saying why and what to declare instead.
    """
    action = "applying the TLS policy to"
    past = "" if direct else f", or set route: direct to send mail for {domain} past it"
    try:
        hops = [hop for route in resolver.routes(domain) for hop in resolver.hops(route) if not hop.fallback]
        for hop in hops:
            if not hop.protocol:
                raise Unknown(f"it goes to the transport {hop.transport} ({hop.source}), which does not speak SMTP")
    except Unknown as error:
        raise DeclarationError(
            action,
            f"the domain {domain}",
            f"the next hop of its mail can't be told: {error}",
            f"Declare the policy for the next hop itself (nexthop){past}",
        ) from None
    for hop in hops:
        if hop.shared or hop.nexthop in resolver.elsewhere(domain, hop.source):
            raise DeclarationError(
                action,
                f"the domain {domain}",
                f"its mail leaves through {hop.nexthop} ({hop.source}), as does other mail, "
                "and Postfix looks up the policy by next hop",
                f'Declare the policy for that next hop (nexthop: "{hop.nexthop}"){past}',
            )
    return list(dict.fromkeys(hop.nexthop for hop in hops))


def weakest(levels: Sequence[str]) -> str:
    """The weakest of some levels; what is invalid or no SMTP carries no mail, and is not counted while there is another."""
    counted = [level for level in levels if level in tls_levels.STRENGTH]
    return min(counted, key=lambda level: tls_levels.STRENGTH[level]) if counted else next(iter(levels), "")


def route_report(resolver: Router, recipient: str, sender: Optional[str] = None) -> Dict[str, Any]:
    """What the module instance_info says of a recipient's routes."""
    result: Dict[str, Any] = {
        "recipient": recipient,
        "sender": sender,
        "next_hops": [],
        "weakest_level": "",
        "problem": "",
    }
    try:
        for route in resolver.routes(recipient, sender):
            for hop in resolver.hops(route):
                result["next_hops"].append(_described(hop, effective_policy(resolver, hop)))
    except Unknown as error:
        result["problem"] = str(error)
        return result
    result["weakest_level"] = weakest([hop["level"] for hop in result["next_hops"]])
    return result


def _described(hop: Hop, counts: EffectivePolicy) -> Dict[str, Any]:
    policy = None
    if counts.table:
        policy = {"table": counts.table, "key": counts.key}
        if counts.policy is not None:
            policy.update(
                (name, value) for name, value in tls_policy.to_declaration(counts.policy).items() if name != "nexthop"
            )
    return {
        "transport": hop.transport,
        "nexthop": hop.nexthop,
        "source": hop.source,
        "fallback": hop.fallback,
        "level": counts.level,
        "match": list(counts.match),
        "policy": policy,
        "problem": counts.problem,
    }


def _lookup(resolver: Router, hop: Hop) -> Optional[Tuple[str, str, str]]:
    """The policy of a next hop: its text, the table, the key."""
    names = resolver.map_names(f"{hop.protocol}_tls_policy_maps", resolver.service(hop.transport))
    for key in keys(hop.nexthop):
        found = resolver.find(names, key)
        if found:
            return (*found, key)
    return None


def keys(nexthop: str) -> Iterator[str]:
    """What is looked up for a next hop: itself, and for a bare domain its parents."""
    yield nexthop
    if tls_policy.is_postfix_hostname(nexthop):
        labels = nexthop.split(".")
        for index in range(1, len(labels)):
            yield "." + ".".join(labels[index:])


def _default(resolver: Router, hop: Hop, level: str) -> Tuple[str, ...]:
    """What main.cf, or an option of the service, has where a policy names nothing to match."""
    if level not in _MATCH:
        return ()
    value = resolver.configuration.value(f"{hop.protocol}_tls_{_MATCH[level]}", resolver.service(hop.transport))
    if value is None:
        raise Unknown(f"{hop.protocol}_tls_{_MATCH[level]} can't be told")
    return tuple(words(value.replace(":", " ") if level != "fingerprint" else value))


def _completed(resolver: Router, hop: Hop, counts: EffectivePolicy) -> EffectivePolicy:
    """With what main.cf adds to it."""
    level = counts.level
    problem = ""
    if level in ("dane", "dane-only"):
        service = resolver.service(hop.transport)
        obstacle = tls_policy.dane_obstacle(
            lambda name: resolver.configuration.value(name, service) or "", hop.protocol
        )
        if obstacle:
            problem = f"{obstacle} Postfix takes level {level} for " + ("may" if level == "dane" else "a mistake")
            level = "may" if level == "dane" else INVALID
    match = counts.match or _default(resolver, hop, level)
    if level == "fingerprint" and not match:
        level, problem = INVALID, "level fingerprint without a fingerprint"
    return EffectivePolicy(level, match, counts.table, counts.key, counts.policy, problem)
