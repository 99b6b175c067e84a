# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The next hops of mail, as Postfix's resolver and SMTP client determine them. Private to mailops.postfix. Pure.

The key of a TLS policy is the next hop, byte for byte, never the recipient's domain as such. Where it comes from, strongest
first (transport(5), postconf(5), src/trivial-rewrite/resolve.c and transport.c): the transport table; a transport with a next
hop of its own in relay_transport, sender_dependent_default_transport_maps or default_transport; sender_dependent_relayhost_maps;
relayhost; the recipient's domain. smtp(8) tries each element of it, and then its fallback relays (src/smtp/smtp_connect.c).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from .._formats.lookup_table import KEYED
from .._formats.main_cf import braced_words, words
from .._formats.master_cf import MasterEntry
from .configuration import Configuration
from .domain_lists import Patterns, bare, domain_patterns, with_files_read

LISTS_SINCE = (3, 5)
"""The first Postfix that supports several next hops; earlier ones read a list as one name."""

UNKNOWN_DOMAIN = "mail.invalid"
"""A domain that is not in any configuration: its mail takes the default route."""

ITSELF = "the domain itself"
"""The source of a route to the mail exchangers of the recipient's domain."""

# Types whose tables see whole addresses only, not their domains (DICT_FLAG_PATTERN in src/util/dict_*.c).
_PATTERNS = ("regexp", "pcre", "cidr", "tcp", "randmap", "fail")
_COMBINED = ("pipemap", "unionmap")
_STOCK = {"smtp": "smtp", "relay": "smtp", "lmtp": "lmtp"}
_SENDERS = ("sender_dependent_default_transport_maps", "sender_dependent_relayhost_maps")


class Unknown(Exception):
    """The route is unknown; the text says why."""


class TableLookup:
    """Lookup tables. This one has keyed tables by their entries; keys are lower case."""

    def __init__(self, texts: Optional[Mapping[str, Mapping[str, str]]] = None) -> None:
        self._texts = texts or {}
        self._addresses: Dict[str, Dict[str, List[str]]] = {}

    def find(self, name: str, key: str) -> Optional[str]:
        """What a table, named as in main.cf and without ``proxy:``, answers for a key.

        :raises Unknown: if it can't be read.
        """
        entries = self.entries(name)
        if entries is None:
            raise Unknown(f"{name} can't be read here")
        return entries.get(key.lower())

    def entries(self, name: str) -> Optional[Mapping[str, str]]:
        """All entries; None if they can't be listed."""
        return self._texts.get(name)

    def rules(self, name: str) -> Sequence[Tuple[str, str]]:
        """The patterns or networks of a table that is tried in order, with their results; empty if they can't be listed."""
        return ()

    def words(self, path: str) -> Sequence[str]:
        """The elements of a file that a list names.

        :raises Unknown: if it can't be read.
        """
        raise Unknown(f"{path} can't be read here")

    def prepare(self, name: str, keys: Sequence[str]) -> None:
        """Look up keys at once that :meth:`find` will be asked for.

        :raises Unknown: if the table can't be read.
        """

    def addresses(self, name: str, domain: str) -> Sequence[str]:
        """The keys of a table that are addresses of a domain."""
        if name not in self._addresses:
            self._addresses[name] = {}
            for key in self.entries(name) or {}:
                if "@" in key:
                    self._addresses[name].setdefault(key.rpartition("@")[2], []).append(key)
        return self._addresses[name].get(domain, ())


@dataclass(frozen=True)
class Route:
    """The result of the resolver for one recipient."""

    transport: str
    nexthop: str
    """As the resolver returns it, possibly a list."""
    source: str
    """The setting or entry that selects it, for messages: ``relayhost``, ``the entry example.com of hash:/etc/postfix/transport``."""
    shared: bool
    """Whether mail for other domains takes it too."""


@dataclass(frozen=True)
class Hop:
    """One next hop of a route."""

    transport: str
    nexthop: str
    """The key that Postfix looks up in smtp_tls_policy_maps."""
    source: str
    shared: bool
    protocol: str = "smtp"
    """``smtp`` or ``lmtp``, whose parameters count; empty where the transport speaks neither, or is not in master.cf."""
    fallback: bool = False
    """Whether it is tried when all others fail (smtp_fallback_relay)."""


class Router:
    """One configuration, with its tables."""

    def __init__(self, configuration: Configuration, tables: TableLookup) -> None:
        self.configuration = configuration
        self.tables = tables
        # Of two entries for one service master(8) uses the last.
        self._services = {service.key: service for service in configuration.services}
        self._rewrite = self._services.get("rewrite/unix")
        self._values: Dict[Tuple[str, int], str] = {}
        self._map_names: Dict[str, List[str]] = {}
        self._lists: Dict[Tuple[str, bool], List[Patterns]] = {}
        self._senders: Dict[bool, List[Tuple[str, str, str]]] = {}

    def routes(self, recipient: str, sender: Optional[str] = None) -> Tuple[Route, ...]:
        """The routes that mail may take.

        :param recipient: an address, or a domain for all its addresses, as far as the tables' texts name them.
        :param sender: an address, empty for the null sender; None for all senders, as far as the tables' texts name them.
        :raises Unknown: if they are unknown.
        """
        local, at, domain = recipient.rpartition("@")
        domain = domain.rstrip(".").lower()
        recipients = [f"{local}@{domain}"] if at else self._addresses(domain)
        found = [route for address in recipients for route in self._routes(address, domain, sender)]
        return tuple(dict.fromkeys(found))

    def hops(self, route: Route) -> Tuple[Hop, ...]:
        """The next hops of a route, in the order in which smtp(8) tries them."""
        service = self.service(route.transport)
        # A directory without services is not yet an instance; it will have those that Postfix ships.
        stock = "" if self.configuration.all_services else _STOCK.get(route.transport, "")
        protocol = service.column("command") if service else stock
        if protocol not in ("smtp", "lmtp"):
            return (Hop(route.transport, route.nexthop, route.source, route.shared, ""),)
        first = Hop(route.transport, route.nexthop, route.source, route.shared, protocol)
        if protocol == "lmtp" and route.nexthop.startswith("unix:"):
            return (replace(first, nexthop=route.nexthop[5:]),)
        nexthop = route.nexthop[5:] if protocol == "lmtp" and route.nexthop.startswith("inet:") else route.nexthop
        lists = self.configuration.version >= LISTS_SINCE
        hops = [replace(first, nexthop=element) for element in (words(nexthop) if lists else [nexthop.strip()])]
        name = f"{protocol}_fallback_relay"
        own = service is not None and name in service.effective_options
        source = f"{name} of {route.transport}" if own else name
        hops += [
            Hop(route.transport, element, source, True, protocol, fallback=True)
            for element in words(self._value(name, service))
        ]
        return tuple(hops)

    def service(self, transport: str) -> Optional[MasterEntry]:
        """The entry of master.cf that a transport names."""
        return self._services.get(f"{transport}/unix")

    def map_names(self, name: str, service: Optional[MasterEntry] = None) -> List[str]:
        """The tables that a ``*_maps`` parameter lists, without ``proxy:``."""
        value = self._value(name, service or self._rewrite)
        if value not in self._map_names:
            self._map_names[value] = [bare(word) for word in braced_words(value)]
        return self._map_names[value]

    def find(self, names: Sequence[str], key: str, partial: bool = False) -> Optional[Tuple[str, str]]:
        """The first answer for a key, and the table that gave it.

        :param partial: whether the key is part of an address, which Postfix does not look up in tables of patterns.
        :raises Unknown: if a table can't be read; Postfix does not read the next ones either.
        """
        for name in names:
            if partial and is_pattern(name):
                continue
            value = self.tables.find(name, key)
            if value is not None:
                return value, name
        return None

    def representatives(
        self, domains: Sequence[str] = (), concerns: Optional[Callable[[str], bool]] = None
    ) -> List[str]:
        """Recipients that together take every route of the configuration, as far as the tables' texts name them.

        :param domains: domains that are to be among them.
        :param concerns: whether a next hop is of interest; None for all. Without a fallback relay of interest, no route of interest is
            left out.
        """
        result = [*domains, UNKNOWN_DOMAIN, *self._words_of("relay_domains")]
        names = self._names_or_none("transport_maps")
        tables = [self.tables.entries(name) for name in names]
        for index, entries in enumerate(tables):
            first: Dict[str, str] = {}
            for key, value in (entries or {}).items():
                if key != "*":
                    first.setdefault(value, key)
            if concerns is not None and None not in tables:
                before = [table for table in tables[:index] if table]
                first = {
                    value: key
                    for value, key in first.items()
                    if not self._decides(names, before, key) or _leads_to(value, concerns)
                }
            result += [f"any{key}" if key.startswith(".") else key for key in first.values()]
        return [recipient for recipient in dict.fromkeys(result) if re.fullmatch(r"(\S+@)?[^\s@/:!]+", recipient)]

    def _decides(self, names: Sequence[str], before: Sequence[Mapping[str, str]], key: str) -> bool:
        """Whether all mail for a key of a transport table takes its entry.

        :param names: all transport tables.
        :param before: the entries of those that Postfix reads before this one.
        """
        return not (
            key.startswith(".")
            or key.endswith(".")
            or any(key in table for table in before)
            or any(self.tables.addresses(name, key) for name in names)
        )

    @cached_property
    def nexthops(self) -> Mapping[str, Sequence[str]]:
        """All next hops of the configuration that speak SMTP or LMTP, by host, as far as the tables' texts name them."""
        found: Dict[str, None] = {}
        for recipient in self.representatives():
            try:
                for route in self.routes(recipient):
                    found.update(dict.fromkeys(hop.nexthop for hop in self.hops(route) if hop.protocol))
            except Unknown:
                continue
        return by_host(found)

    def is_shared(self, nexthop: str, domain: str, source: str) -> bool:
        """Whether a next hop carries mail for other domains as well, as far as the tables' texts name them.

        :param source: what gives the domain's own route.
        """
        return nexthop in self._common_nexthops or any(
            source != _entry(key, name) and key != domain and not key.endswith(f"@{domain}")
            for key, name in self._users.get(nexthop, ())
        )

    @cached_property
    def _common_nexthops(self) -> frozenset[str]:
        result: List[str] = []
        for name in ("relayhost", "smtp_fallback_relay"):
            result += self._words_of(name)
        for name in ("default_transport", "relay_transport"):
            result += words(self._value_or_none(name).partition(":")[2])
        return frozenset(result)

    @cached_property
    def _users(self) -> Mapping[str, Sequence[Tuple[str, str]]]:
        """The entries that name a next hop: key and table."""
        result: Dict[str, List[Tuple[str, str]]] = {}
        for parameter in ("transport_maps", *_SENDERS):
            for name in self._names_or_none(parameter):
                for key, value in (self.tables.entries(name) or {}).items():
                    for nexthop in words(value if parameter == _SENDERS[1] else value.partition(":")[2]):
                        result.setdefault(nexthop, []).append((key, name))
        return result

    # Where the mail of one address goes

    def _routes(self, address: str, domain: str, sender: Optional[str]) -> Iterator[Route]:
        if self.is_listed(domain, "virtual_alias_domains") and not self.is_listed(domain, "mydestination"):
            yield Route("error", "5.1.1 User unknown in virtual alias table", "virtual_alias_domains", True)
            return
        moved = self.find_address("relocated_maps", address)
        if moved is not None:
            yield Route("error", f"5.1.6 User has moved to {moved[0]}", _entry(moved[2], moved[1]), True)
            return
        found = self._in_transport_maps(address, domain)
        value, source, shared = found or ("", "", False)
        transport, _colon, nexthop = (part.strip() for part in value.partition(":"))
        if transport:
            unsaid = "Address is undeliverable" if transport == "error" else domain
            yield Route(transport, nexthop or unsaid, source, shared and bool(nexthop))
            return
        for route in self._without_transport_maps(domain, sender):
            yield replace(route, nexthop=nexthop, source=source, shared=shared) if nexthop else route

    def _in_transport_maps(self, address: str, domain: str) -> Optional[Tuple[str, str, bool]]:
        """An entry's value, its description, and whether other domains use it too."""
        names = self.map_names("transport_maps")
        if not names:
            return None
        stripped = self._without_extension(address)
        parent_style = "transport_maps" in words(self._value("parent_domain_matches_subdomains", self._rewrite))
        keys = [(address, False)] + ([(stripped, True)] if stripped else []) + [(domain, True)]
        keys += [(key, True) for key in parents_of(domain, parent_style)] + [("*", False)]
        for key, partial in keys:
            found = self.find(names, key, partial)
            if found:
                value, name = found
                own = (key == domain or "@" in key) and not is_pattern(name) and not name.startswith("static:")
                return value, _entry(key, name), not own
        return None

    def _without_transport_maps(self, domain: str, sender: Optional[str]) -> Iterator[Route]:
        for name, transport in (("mydestination", "local_transport"), ("virtual_mailbox_domains", "virtual_transport")):
            if self.is_listed(domain, name):
                service, _colon, nexthop = self._value(transport, self._rewrite).partition(":")
                yield Route(service, nexthop or domain, name, True)
                return
        relayed = self.is_listed(domain, "relay_domains", hosts=True)
        if sender is None:
            if relayed not in self._senders:
                found = (self._of_sender(address, relayed) for address in self.sender_addresses(relayed))
                self._senders[relayed] = list(dict.fromkeys(found))
            found_routes = self._senders[relayed]
        else:
            found_routes = [self._of_sender(sender, relayed)]
        for service, nexthop, source in found_routes:
            yield Route(service, nexthop or domain, source, bool(nexthop))

    def _of_sender(self, sender: str, relayed: bool) -> Tuple[str, str, str]:
        """The transport for mail of a sender, its next hop, empty for the recipient's domain, and where they come from."""
        transport, source = self._value("default_transport", self._rewrite), "default_transport"
        if relayed:
            transport, source = self._value("relay_transport", self._rewrite), "relay_transport"
        else:
            transport, source = self._by_sender(_SENDERS[0], sender) or (transport, source)
        service, _colon, nexthop = transport.partition(":")
        if not service:
            raise Unknown(f"{source} names no transport")
        if nexthop.strip():
            return service, nexthop.strip(), source
        relayhost, source = self._by_sender(_SENDERS[1], sender) or (
            self._value("relayhost", self._rewrite),
            "relayhost",
        )
        return service, relayhost, source if relayhost else ITSELF

    def _by_sender(self, parameter: str, sender: str) -> Optional[Tuple[str, str]]:
        """A table's result for a sender, and its description; None for DUNNO."""
        null = {
            _SENDERS[0]: "empty_address_default_transport_maps_lookup_key",
            _SENDERS[1]: "empty_address_relayhost_maps_lookup_key",
        }
        found = self.find_address(parameter, sender or self._value(null[parameter], self._rewrite))
        if found is None or found[0].strip().upper() in ("", "DUNNO"):
            return None
        return found[0].strip(), _entry(found[2], found[1])

    def find_address(
        self, parameter: str, address: str, service: Optional[MasterEntry] = None
    ) -> Optional[Tuple[str, str, str]]:
        """An address in tables of addresses (src/global/mail_addr_find.c): the value, the table, the key.

        :raises Unknown: if a table can't be read.
        """
        names = self.map_names(parameter, service)
        if not names:
            return None
        local, at, domain = address.rpartition("@")
        stripped = self._without_extension(address)
        keys = [(address, False)] + ([(stripped, True)] if stripped else [])
        if at and (
            domain.lower() == self._value("myorigin").lower() or self.is_listed(domain.lower(), "mydestination")
        ):
            keys += [(local, True)] + ([(stripped.rpartition("@")[0], True)] if stripped else [])
        keys += [(f"@{domain}", True)] if at else []
        for key, partial in keys:
            found = self.find(names, key, partial)
            if found:
                return (*found, key)
        return None

    def _without_extension(self, address: str) -> str:
        """The address without its extension; empty if it has none."""
        local, _at, domain = address.rpartition("@")
        delimiters = re.escape(self._value("recipient_delimiter", self._rewrite))
        found = re.match(rf"[^@][^{delimiters}]*(?=[{delimiters}])", local) if delimiters else None
        return f"{found.group()}@{domain}" if found else ""

    # Known addresses

    def _addresses(self, domain: str) -> List[str]:
        """Addresses of a domain: those that the transport tables name, and one of all others."""
        named: Dict[str, None] = {}
        for name in self.map_names("transport_maps"):
            named.update(dict.fromkeys(self.tables.addresses(name, domain)))
        other = next(
            name for name in ("postmaster", *map(str, range(1 + len(named)))) if f"{name}@{domain}" not in named
        )
        return [f"{other}@{domain}", *named]

    def sender_addresses(self, relayed: bool) -> List[str]:
        """Senders that the tables name, and one of all others.

        :raises Unknown: if a table can't be listed.
        """
        named: List[str] = []
        for parameter in _SENDERS[1:] if relayed else _SENDERS:
            for name in self.map_names(parameter):
                entries = self.tables.entries(name)
                if entries is None:
                    raise Unknown(f"it depends on the sender, and {name} ({parameter}) can't be listed")
                named += entries
        if not named:
            return [f"postmaster@{UNKNOWN_DOMAIN}"]
        origin = self._value("myorigin")
        null_senders = {
            self._value(f"empty_address_{kind}_maps_lookup_key") for kind in ("default_transport", "relayhost")
        }
        senders = [
            ""
            if key in null_senders
            else f"postmaster{key}"
            if key.startswith("@")
            else key
            if "@" in key
            else f"{key}@{origin}"
            for key in dict.fromkeys(named)
        ]
        return [f"postmaster@{UNKNOWN_DOMAIN}", *senders]

    # Values

    def is_listed(self, domain: str, name: str, hosts: bool = False) -> bool:
        """Whether a list of domains has a domain (src/util/match_ops.c).

        :param hosts: whether it is one of hosts, in which parent domains count.
        """
        parents = hosts and name in words(self._value("parent_domain_matches_subdomains", self._rewrite))
        if (name, parents) not in self._lists:
            try:
                elements = with_files_read(braced_words(self._value(name, self._rewrite)), self.tables.words)
            except Unknown as error:
                raise Unknown(f"{name} is unknown: {error}") from error
            self._lists[name, parents] = list(domain_patterns(elements))
        above = parents_of(domain, False) + (parents_of(domain, True) if parents else []) if hosts else []
        for patterns in self._lists[name, parents]:
            if patterns.table:
                keys = [domain, *(parents_of(domain, parents) if hosts else [])]
                if any(self.find([patterns.table], key) for key in keys):
                    return patterns.found
            else:
                found = [patterns.names[key] for key in (domain, *above) if key in patterns.names]
                if found:
                    return min(found)[1]
        return False

    def _value(self, name: str, service: Optional[MasterEntry] = None) -> str:
        key = name, id(service)
        if key not in self._values:
            value = self.configuration.value(name, service)
            if value is None:
                raise Unknown(f"{name} = {self.configuration.raw(service).get(name, '')} is unknown")
            self._values[key] = value
        return self._values[key]

    def _value_or_none(self, name: str) -> str:
        return self.configuration.value(name, self._rewrite) or ""

    def _words_of(self, name: str) -> List[str]:
        return words(self._value_or_none(name))

    def _names_or_none(self, parameter: str) -> List[str]:
        return [bare(word) for word in braced_words(self._value_or_none(parameter))]


def _leads_to(value: str, concerns: Callable[[str], bool]) -> bool:
    """Whether an entry of a transport table may lead to a next hop of interest. One without a next hop may lead anywhere."""
    nexthops = words(value.partition(":")[2])
    # For lmtp(8), inet: is not part of the next hop.
    return not nexthops or any(
        concerns(nexthop[5:] if nexthop.startswith("inet:") else nexthop) for nexthop in nexthops
    )


def by_host(nexthops: Iterable[str]) -> Dict[str, List[str]]:
    """Next hops by the host that they name."""
    result: Dict[str, List[str]] = {}
    for nexthop in nexthops:
        result.setdefault(host(nexthop), []).append(nexthop)
    return result


def host(nexthop: str) -> str:
    """The host or domain that a next hop names, whatever its form."""
    found = re.match(r"\[([^\]]*)\]|([^:]*)", nexthop.lower())
    return (found.group(1) or found.group(2) or "") if found else ""


def is_keyed(name: str) -> bool:
    """Whether a table has the grammar of postmap(1)."""
    return name.partition(":")[0] in KEYED


def is_pattern(name: str) -> bool:
    """Whether a table sees complete keys only, not parent domains or networks."""
    kind, _colon, rest = name.partition(":")
    if kind in _COMBINED:
        return any(is_pattern(bare(word)) for word in braced_words(rest.strip().strip("{}")))
    return kind in _PATTERNS


def _entry(key: str, name: str) -> str:
    return f"the entry {key} of {name}" if not is_pattern(name) else f"the answer of {name} for {key}"


def parents_of(domain: str, without_dot: bool) -> List[str]:
    """The parent domains that Postfix looks up."""
    labels = domain.split(".")
    return [("" if without_dot else ".") + ".".join(labels[index:]) for index in range(1, len(labels))]
