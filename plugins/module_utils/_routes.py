# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which next hops the mail for a domain takes, as Postfix has them. Private to mailops.postfix. Pure.

The key of a TLS policy is the next hop, byte for byte, never the recipient's domain as such. Where it comes from,
strongest first (transport(5), postconf(5), src/trivial-rewrite/resolve.c): the transport table, relay_transport or
default_transport with a next hop of their own, sender_dependent_relayhost_maps, relayhost, the recipient's domain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Callable, Mapping, Sequence

from ansible_collections.mailops.postfix.plugins.module_utils import _macros
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._lookup_table import KEYED

_LIST = re.compile(r"[ \t\r\n,]+")
_NO_SMTP = ("error", "retry", "discard", "local", "virtual", "pipe")


@dataclass(frozen=True)
class Table:
    """One table of a list such as transport_maps."""

    name: str
    """As Postfix has it: ``hash:/etc/postfix/transport``."""
    entries: Mapping[str, str] | None = None
    """Its values by folded key; None if they can't be known without asking the table (ldap, regexp …)."""


@dataclass(frozen=True)
class Hop:
    """One next hop."""

    transport: str
    nexthop: str
    """The key that Postfix looks up in smtp_tls_policy_maps."""
    source: str
    """What says so, for people: ``relayhost``, ``the entry example.com of hash:/etc/postfix/transport``."""
    shared: bool
    """Whether mail for other domains takes it too."""


class Unknown(Exception):
    """The route can't be told from the configuration; the text says why."""


def expand(value: str, parameters: Mapping[str, str]) -> str:
    """A value as a daemon uses it.

    :raises Unknown: if it can't be told.
    """
    try:
        return _macros.expand(value, parameters)
    except _macros.Unexpandable as error:
        raise Unknown(str(error)) from error


def map_names(value: str, parameters: Mapping[str, str]) -> list[str]:
    """The tables that a ``*_maps`` parameter lists, without ``proxy:``."""
    return [name[6:] if name.startswith("proxy:") else name for name in _LIST.split(expand(value, parameters)) if name]


def tables(
    value: str, parameters: Mapping[str, str], read: Callable[[str, str], Mapping[str, str] | None]
) -> list[Table]:
    """The tables that a ``*_maps`` parameter lists.

    :param read: the entries of a keyed table, given its type and path; None if its text is not there.
    """
    result = []
    for name in map_names(value, parameters):
        map_type, colon, path = name.partition(":")
        result.append(Table(name, read(map_type, path) if colon and map_type in KEYED else None))
    return result


def next_hops(domain: str, parameters: Mapping[str, str], transport: Sequence[Table]) -> tuple[Hop, ...]:
    """The next hops of all mail for a domain.

    :param parameters: effective values of main.cf.
    :param transport: the tables of transport_maps.
    :raises Unknown: if they can't be told from the configuration.
    """
    domain = domain.lower()
    _refuse_local(domain, parameters)
    found = _in_transport(domain, parameters, transport)
    hops = [_of_entry(domain, parameters, value, source, shared) for key, value, source, shared in found]
    if all("@" in key for key, _value, _source, _shared in found):
        hops.insert(0, _without_transport(domain, parameters))
    result: list[Hop] = []
    for hop in hops:
        elsewhere = _elsewhere(domain, hop, parameters, transport)
        result += [
            Hop(hop.transport, nexthop, hop.source, hop.shared or nexthop in elsewhere)
            for nexthop in _elements(hop.nexthop)
        ]
    fallback = _get("smtp_fallback_relay", parameters)
    result += [Hop("smtp", nexthop, "smtp_fallback_relay", True) for nexthop in _elements(fallback)]
    return tuple(dict.fromkeys(result))


def policy_keys(
    domain: str, parameters: Mapping[str, str], transport: Sequence[Table], direct: bool = False
) -> list[str]:
    """The keys under which a policy for a recipient domain really applies, and applies to nothing else.

    :param direct: whether ``route: direct`` is declared already.
    :raises DeclarationError: if there are none, saying why and what to declare instead.
    """
    action = "applying the TLS policy to"
    past = "" if direct else f", or set route: direct to send mail for {domain} past it"
    try:
        hops = next_hops(domain, parameters, transport)
    except Unknown as error:
        raise DeclarationError(
            action,
            f"the domain {domain}",
            f"the next hop of its mail can't be told: {error}",
            f"Declare the policy for the next hop itself (nexthop){past}",
        ) from None
    for hop in hops:
        if hop.shared:
            raise DeclarationError(
                action,
                f"the domain {domain}",
                f"its mail leaves through {hop.nexthop} ({hop.source}), as does other mail, "
                "and Postfix looks up the policy by next hop",
                f'Declare the policy for that next hop (nexthop: "{hop.nexthop}"){past}',
            )
    return [hop.nexthop for hop in hops]


def sample_domains(
    nexthops: Sequence[str], parameters: Mapping[str, str], transport: Sequence[Table]
) -> dict[str, str]:
    """For each next hop a domain whose mail takes it first; next hops for which none is known are left out.

    :param nexthops: as :func:`policy_keys` gives them.
    """
    keys = [key for table in transport for key in table.entries or {} if "@" not in key]
    others = [f"mail{key}" if key.startswith(".") else key for key in keys if key != "*"]
    result = {}
    for nexthop in nexthops:
        host = _host(nexthop)
        named = [host] if re.search("[g-z]", host) else []
        for domain in [*named, *others, "mail.invalid"]:
            try:
                hops = next_hops(domain, parameters, transport)
            except Unknown:
                continue
            if hops and hops[0].nexthop.lower() == nexthop.lower():
                result[nexthop] = domain
                break
    return result


def relayhosts(parameters: Mapping[str, str]) -> list[str]:
    """The next hops of relayhost; those that can't be told are left out."""
    try:
        return _elements(_get("relayhost", parameters))
    except Unknown:
        return []


def near_misses(keys: Sequence[str], parameters: Mapping[str, str]) -> list[str]:
    """Warnings for policy keys that name the host of the relayhost in a form that Postfix never looks up."""
    try:
        hops = _elements(_get("relayhost", parameters))
    except Unknown:
        return []
    folded = [key.lower() for key in keys]
    return [
        f"relayhost has the next hop {hop}, the TLS policy is for {key}: Postfix looks up the next hop as written, "
        f"so that this policy does not apply there. Declare it for {hop} too."
        for hop in hops
        for key in keys
        if hop.lower() not in folded and _host(key) == _host(hop)
    ]


def _host(nexthop: str) -> str:
    found = re.match(r"\[([^\]]*)\]|([^:]*)", nexthop.lower())
    return (found.group(1) or found.group(2) or "") if found else ""


def _get(name: str, parameters: Mapping[str, str]) -> str:
    return expand(parameters.get(name, ""), parameters).strip()


def _elements(nexthop: str) -> list[str]:
    return [element for element in _LIST.split(nexthop) if element]


def _refuse_local(domain: str, parameters: Mapping[str, str]) -> None:
    for name in ("mydestination", "virtual_mailbox_domains", "virtual_alias_domains"):
        try:
            listed = _elements(_get(name, parameters))
        except Unknown:
            continue
        if domain in (element.lower() for element in listed):
            raise Unknown(f"this host is its destination ({name})")


def _in_transport(
    domain: str, parameters: Mapping[str, str], transport: Sequence[Table]
) -> list[tuple[str, str, str, bool]]:
    """Entries that apply to the domain: key, value, source, and whether other domains use the entry too."""
    parents = []
    rest = domain
    exact = "transport_maps" in _elements(_get("parent_domain_matches_subdomains", parameters))
    while "." in rest:
        rest = rest.split(".", 1)[1]
        parents.append(rest if exact else f".{rest}")
    keys = [domain, *parents, "*"]
    result = []
    for table in transport:
        for key, value in (table.entries or {}).items():
            if key.endswith(f"@{domain}"):
                result.append((key, value, f"the entry {key} of {table.name}", False))
    for key in keys:
        for table in transport:
            if table.entries is None:
                # An earlier table that can't be read may have another answer.
                raise Unknown(f"transport_maps has {table.name}, whose entries can't be read")
            if key in table.entries:
                source = f"the entry {key} of {table.name}"
                value = table.entries[key]
                if value.strip() in ("", ":"):  # as if there were no transport table at all
                    return result
                return [*result, (key, value, source, key != domain)]
    return result


def _of_entry(domain: str, parameters: Mapping[str, str], value: str, source: str, shared: bool) -> Hop:
    transport, colon, nexthop = value.strip().partition(":")
    if not colon:
        raise Unknown(f"{source} is {value!r}, which has no colon")
    if not transport:
        other = _without_transport(domain, parameters)
        transport, nexthop = other.transport, nexthop or other.nexthop
    _refuse_no_smtp(transport, source)
    return Hop(transport, nexthop.strip() or domain, source, shared and bool(nexthop.strip()))


def _without_transport(domain: str, parameters: Mapping[str, str]) -> Hop:
    relayed = domain in (element.lower() for element in _elements(_get("relay_domains", parameters)))
    name = "relay_transport" if relayed else "default_transport"
    transport, _colon, nexthop = _get(name, parameters).partition(":")
    if not relayed and _get("sender_dependent_default_transport_maps", parameters):
        raise Unknown("it depends on the sender (sender_dependent_default_transport_maps)")
    _refuse_no_smtp(transport or "smtp", name)
    if nexthop.strip():
        return Hop(transport or "smtp", nexthop.strip(), name, True)
    if _get("sender_dependent_relayhost_maps", parameters):
        raise Unknown("it depends on the sender (sender_dependent_relayhost_maps)")
    relayhost = _get("relayhost", parameters)
    if relayhost:
        return Hop(transport or "smtp", relayhost, "relayhost", True)
    return Hop(transport or "smtp", domain, "the domain itself", False)


def _refuse_no_smtp(transport: str, source: str) -> None:
    if transport in _NO_SMTP:
        raise Unknown(f"{source} names the transport {transport}, which does not speak SMTP")


def _elsewhere(domain: str, hop: Hop, parameters: Mapping[str, str], transport: Sequence[Table]) -> frozenset[str]:
    """Next hops that are known to carry mail for other domains as well."""
    result = set()
    for name in ("relayhost", "smtp_fallback_relay"):
        result.update(_elements(_get(name, parameters)))
    for name in ("default_transport", "relay_transport"):
        result.update(_elements(_get(name, parameters).partition(":")[2]))
    for table in transport:
        for key, value in (table.entries or {}).items():
            if hop.source != f"the entry {key} of {table.name}" and key != domain and not key.endswith(f"@{domain}"):
                result.update(_elements(value.partition(":")[2]))
    return frozenset(result)
