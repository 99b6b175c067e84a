# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The TLS policy that applies to a next hop, and its effective level. Private to mailops.postfix. Pure.

Source: src/smtp/smtp_tls_policy.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, List, Optional, Tuple

from .._errors import DeclarationError, GrammarError
from .._formats import tls_policy
from .._formats.main_cf import words
from .routing import Hop, Router, Unknown

INVALID = "invalid"
"""Instead of a level: Postfix treats the policy as invalid, and defers the mail."""

_MATCH = {"fingerprint": "fingerprint_cert_match", "verify": "verify_cert_match", "secure": "secure_cert_match"}


@dataclass(frozen=True)
class EffectivePolicy:
    """The effective policy for one next hop."""

    level: str
    """The effective level; empty where the transport does not use SMTP."""
    match: Tuple[str, ...] = ()
    """The fingerprints or names to match at this level, from the policy or from main.cf."""
    table: str = ""
    """The table with a policy for it; empty where only main.cf applies."""
    key: str = ""
    policy: Optional[tls_policy.Policy] = None
    problem: str = ""
    """Why the level differs from the configured one."""


def effective_policy(router: Router, hop: Hop) -> EffectivePolicy:
    """The effective policy for a next hop.

    :raises Unknown: if a table can't be read, or a value is unknown.
    """
    if not hop.protocol:
        return EffectivePolicy("", problem=f"the transport {hop.transport} does not speak SMTP, or is not in master.cf")
    configuration, service, side = router.configuration, router.service(hop.transport), hop.protocol
    level = configuration.level(service, side)
    if level == "?":
        raise Unknown(f"{side}_tls_security_level can't be told")
    found = _lookup(router, hop)
    if found is None:
        if not configuration.value(f"{side}_tls_policy_maps", service) and configuration.value(
            f"{side}_tls_per_site", service
        ):
            raise Unknown(f"{side}_tls_per_site applies, which Postfix has replaced by {side}_tls_policy_maps")
        return _completed(router, hop, EffectivePolicy(level))
    value, table, key = found
    try:
        policy = tls_policy.parse(key, value, version=configuration.version)
        if policy.level != "none":  # Postfix ignores its attributes
            tls_policy.check_use(policy, configuration.version, " ".join(_default(router, hop, "fingerprint")))
    except (DeclarationError, GrammarError) as error:
        return EffectivePolicy(
            INVALID, table=table, key=key, problem=f"Postfix treats the policy as invalid: {error.cause}"
        )
    return _completed(router, hop, EffectivePolicy(policy.level, policy.match, table, key, policy))


def policy_keys(router: Router, domain: str, direct: bool = False) -> List[str]:
    """The keys under which a policy applies to a recipient domain, and to no other.

    Without fallback relays.

    :param direct: whether ``route: direct`` is declared already.
    :raises DeclarationError: if there are none, saying why and what to declare instead.
    """
    action = "applying the TLS policy to"
    past = "" if direct else f", or set route: direct to send mail for {domain} past it"
    try:
        hops = [hop for route in router.routes(domain) for hop in router.hops(route) if not hop.fallback]
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
        if hop.shared or router.is_shared(hop.nexthop, domain, hop.source):
            raise DeclarationError(
                action,
                f"the domain {domain}",
                f"its mail leaves through {hop.nexthop} ({hop.source}), as does other mail, "
                "and Postfix looks up the policy by next hop",
                f'Declare the policy for that next hop (nexthop: "{hop.nexthop}"){past}',
            )
    return list(dict.fromkeys(hop.nexthop for hop in hops))


def _lookup(router: Router, hop: Hop) -> Optional[Tuple[str, str, str]]:
    """The policy of a next hop: its text, the table, the key."""
    names = router.map_names(f"{hop.protocol}_tls_policy_maps", router.service(hop.transport))
    for key in keys(hop.nexthop):
        found = router.find(names, key)
        if found:
            return (*found, key)
    return None


def keys(nexthop: str) -> Iterator[str]:
    """The keys that Postfix looks up for a next hop: itself, and for a bare domain its parents."""
    yield nexthop
    if tls_policy.is_postfix_hostname(nexthop):
        labels = nexthop.split(".")
        for index in range(1, len(labels)):
            yield "." + ".".join(labels[index:])


def _default(router: Router, hop: Hop, level: str) -> Tuple[str, ...]:
    """The default of main.cf or of the service for a policy without match."""
    if level not in _MATCH:
        return ()
    value = router.configuration.value(f"{hop.protocol}_tls_{_MATCH[level]}", router.service(hop.transport))
    if value is None:
        raise Unknown(f"{hop.protocol}_tls_{_MATCH[level]} can't be told")
    return tuple(words(value.replace(":", " ") if level != "fingerprint" else value))


def _completed(router: Router, hop: Hop, effective: EffectivePolicy) -> EffectivePolicy:
    """Complete a policy from main.cf."""
    level = effective.level
    problem = ""
    if level in ("dane", "dane-only"):
        service = router.service(hop.transport)
        obstacle = tls_policy.dane_obstacle(lambda name: router.configuration.value(name, service) or "", hop.protocol)
        if obstacle:
            problem = f"{obstacle} Postfix treats level {level} as " + ("may" if level == "dane" else "an error")
            level = "may" if level == "dane" else INVALID
    match = effective.match or _default(router, hop, level)
    if level == "fingerprint" and not match:
        level, problem = INVALID, "level fingerprint without a fingerprint"
    return EffectivePolicy(level, match, effective.table, effective.key, effective.policy, problem)
