# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Passwords for next hops: where they would leave without TLS, and where smtp(8) does not find them. Private to mailops.postfix. Pure.

Messages name keys of tables, never a value, nor a table, whose name may be a password.
"""

from __future__ import annotations

from typing import Callable, Dict, FrozenSet, Iterator, List, Optional, Tuple

from .._formats.tls_policy import is_postfix_hostname
from .._model import effective_policy, passwords, routing, ways_out
from .._model.configuration import MAIN
from .._model.effective_policy import EffectivePolicy
from .._model.finding import Finding
from .._model.routing import UNKNOWN_DOMAIN, Hop, Router, Unknown
from .._model.ways_out import WayOut
from .routing import POLICY, tables_in

CLEAR = "password_without_tls"
UNUSED = "unused_password"

_SIDES = ("smtp", "lmtp")
_NAMES = ("sasl_auth_enable", "sasl_password_maps", "sasl_security_options", "tls_security_level", "tls_policy_maps")


def password_findings(router: Router) -> Iterator[Finding]:
    """The findings of this module, without what is unknown."""
    keys = _keys(router)
    if keys is not None and not keys:
        return
    ways = _ways(router, keys)
    found: Dict[Tuple[str, str], str] = {}
    for way in ways:
        try:
            found[way.identity] = _found_key(router, way, keys)
            policy = effective_policy.effective_policy(router, way.hop)
        except Unknown:
            continue
        if passwords.may_be_in_clear(router, way.hop, policy):
            yield from _in_clear(router, way, policy, found[way.identity], keys or {})
    if keys is not None:
        yield from _unused(router, ways, found, keys)


def password_tables_of(router: Router) -> FrozenSet[str]:
    """The tables of passwords of all services."""
    return tables_in(router, [f"{side}_sasl_password_maps" for side in _SIDES])


def _keys(router: Router) -> Optional[Dict[str, str]]:
    """The keys of all tables of passwords, by themselves in lower case; None if a table can't be listed."""
    result: Dict[str, str] = {}
    for name in password_tables_of(router):
        entries = None if passwords.is_unasked(name) else router.tables.entries(name)
        if entries is None:
            return None
        result.update((key.lower(), key) for key in entries)
    return result


def _ways(router: Router, keys: Optional[Dict[str, str]]) -> List[WayOut]:
    """The next hops for which there may be a password."""
    concerns: Optional[Callable[[str], bool]] = None
    hosts = {routing.host(key) for key in keys or () if "@" not in key}
    if keys is not None and not any("@" in key for key in keys):

        def concerns(nexthop: str) -> bool:
            return routing.host(nexthop) in hosts or nexthop == UNKNOWN_DOMAIN

    # A domain whose own mail exchangers get a password has the key itself.
    return ways_out.ways_out(router, "", sorted(filter(is_postfix_hostname, keys or ())), concerns)


def _found_key(router: Router, way: WayOut, keys: Optional[Dict[str, str]]) -> str:
    """The key of a password that some mail for this next hop makes smtp(8) find; empty without one."""
    key = passwords.password_key(router, way.hop, way.sender)
    if key or way.sender or not keys or not passwords.authenticates(router, way.hop):
        return key
    # Mail of any sender may take it.
    return next((key for key in keys if "@" in key), "") if passwords.by_sender(router, way.hop) else ""


def _in_clear(
    router: Router, way: WayOut, policy: EffectivePolicy, key: str, keys: Dict[str, str]
) -> Iterator[Finding]:
    hop = way.hop
    cause = "a server that offers no STARTTLS, or an attacker who hides it, gets the password in clear"
    if key:
        yield _finding(
            router,
            CLEAR,
            hop,
            f"the password for {key} at the next hop {_shown(hop)}, whose level is {policy.level}",
            cause,
            _stricter(hop),
        )
        return
    # Of a next hop without brackets, smtp(8) looks up its mail exchangers, whatever they are.
    exchangers = [] if hop.nexthop.startswith("[") else [key for key in keys if is_postfix_hostname(key)]
    if exchangers and passwords.authenticates(router, hop):
        yield _finding(
            router,
            CLEAR,
            hop,
            f"the password for {exchangers[0]}",
            f"a server that the DNS names as the mail exchanger {exchangers[0]} of {_shown(hop)}, whose level is {policy.level}, gets the "
            "password in clear",
            f"Write the key as the next hop, such as [{exchangers[0]}]:587",
            severity="warning",
        )


def _stricter(hop: Hop) -> str:
    if hop.nexthop == UNKNOWN_DOMAIN:
        return f"Write {hop.protocol}_tls_security_level = secure, or encrypt"
    return (
        f'Declare a policy for nexthop: "{hop.nexthop}" with level secure, or encrypt, or write {hop.protocol}_tls_security_level = secure, '
        "or encrypt"
    )


def _unused(
    router: Router, ways: List[WayOut], found: Dict[Tuple[str, str], str], keys: Dict[str, str]
) -> Iterator[Finding]:
    without = [way for way in ways if not found.get(way.identity, "?") and way.hop.nexthop != UNKNOWN_DOMAIN]
    for way in without:
        hop = way.hop
        own = [key for key in keys if "@" not in key and routing.host(key) == routing.host(hop.nexthop)]
        if own and passwords.authenticates(router, hop):
            names = (
                f"{hop.nexthop}"
                if not hop.nexthop.startswith("[")
                else f"{routing.host(hop.nexthop)} and {hop.nexthop}"
            )
            yield _finding(
                router,
                UNUSED,
                hop,
                f"the password for {own[0]}",
                f"for the next hop {hop.nexthop} ({hop.source}) smtp(8) looks up {names}, and finds no password",
                f'Write the key "{hop.nexthop}"',
            )
        elif own:
            yield _finding(
                router,
                UNUSED,
                hop,
                f"the password for {own[0]}",
                f"{hop.protocol}_sasl_auth_enable is not yes for the next hop {hop.nexthop} ({hop.source}), so that smtp(8) does not use it",
                f"Write {hop.protocol}_sasl_auth_enable = yes, or remove the password",
                severity="warning",
            )
    senders = [key for key in keys if "@" in key]
    authenticated = [way.hop for way in ways if passwords.authenticates(router, way.hop)]
    if senders and authenticated and not any(passwords.by_sender(router, hop) for hop in authenticated):
        used = all(found.get(way.identity, "?") for way in ways if way.hop.nexthop != UNKNOWN_DOMAIN)
        yield _finding(
            router,
            UNUSED,
            authenticated[0],
            f"the password for {senders[0]}",
            f"smtp(8) looks up senders only if {passwords.SENDERS} is yes",
            f"Write {passwords.SENDERS} = yes",
            severity="warning" if used else "error",
        )


def _finding(
    router: Router, check: str, hop: Hop, subject: str, cause: str, remedy: str, severity: str = "error"
) -> Finding:
    service = router.service(hop.transport)
    names = [f"{hop.protocol}_{name}" for name in _NAMES]
    settings = {*router.configuration.settings_of(service, *names, passwords.SENDERS), (POLICY, hop.nexthop.lower())}
    settings |= {(MAIN, name) for name in ("relayhost", "transport_maps", "sender_dependent_relayhost_maps")}
    where = router.configuration.where(f"{hop.protocol}_sasl_password_maps", service)
    return Finding(check, subject, cause, remedy, where, frozenset(settings), severity)


def _shown(hop: Hop) -> str:
    return "each domain" if hop.nexthop == UNKNOWN_DOMAIN else f"{hop.nexthop} ({hop.source})"
