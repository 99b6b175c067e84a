# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of TLS policies that are declared for a domain or a host. Private to mailops.postfix."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterable, Mapping, Sequence

from .._errors import DeclarationError
from .._host.instance import Instance
from .._model.routing import Router
from . import lookup_table
from .lookup_table import PlannedTable, TableOptions
from .policy_limits import policy_refusal


@dataclass(frozen=True)
class Surroundings:
    """What policies will live with."""

    instance: Instance
    staged: Instance
    """The instance with the main.cf and master.cf of the same transaction."""
    texts: Mapping[str, bytes] = field(default_factory=dict)
    """The texts of tables, by path, that the same transaction makes."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of main.cf that the same transaction sets."""


class PolicyKeys:
    """The keys of policies for domains, and the transport entries that ``route: direct`` takes."""

    def __init__(self, surroundings: Surroundings, table: str) -> None:
        """:param table: the name of the table of policies."""
        self.surroundings = surroundings
        self.table = table
        self._texts = dict(surroundings.texts)
        self._router: Router | None = None
        self._present: Mapping[str, Sequence[str]] | None = None
        self._added: dict[tuple[str, str], dict[str, str]] = {}

    @property
    def router(self) -> Router:
        """The routes as they will be."""
        # Imported here, since only policies for domains need routes.
        from . import tables

        if self._router is None:
            self._router = tables.router_of(self.surroundings.instance, self.surroundings.staged, self._texts)
        return self._router

    def keys(self, domain: str, direct: bool, present: bool) -> list[str]:
        """The policy keys for a recipient domain.

        :raises DeclarationError: if a policy could not apply to its mail, and to its mail alone.
        """
        from .._model import effective_policy

        if not present:
            # What once was declared for the domain stood under the domain, or under the next hop that has it to itself.
            try:
                return list(dict.fromkeys([domain, *effective_policy.policy_keys(self.router, domain)]))
            except DeclarationError:
                return [domain]
        return effective_policy.policy_keys(self.router, domain, direct)

    def keys_of_host(self, host: str, present: bool) -> list[str]:
        """Every next hop of the configuration that names a host.

        :raises DeclarationError: if there is none.
        """
        from .._model import routing

        router = self.router
        if not present:
            if self._present is None:
                self._present = routing.by_host(router.tables.entries(self.table) or {})
            own = [key for key in (host, f"[{host}]") if routing.host(key) == host]
            keys = [*router.nexthops.get(host, ()), *self._present.get(host, ()), *own]
            return list(dict.fromkeys(key.lower() for key in keys))
        keys = list(router.nexthops.get(host, ()))
        if not keys:
            raise policy_refusal(
                host,
                "neither relayhost, nor a transport, nor a fallback relay has a next hop on this host",
                "Declare the policy for the next hop itself (nexthop), or the route with it",
            )
        return keys

    def tables(self) -> list[PlannedTable]:
        """The transport tables with the routes that are added."""
        return [self._planned(map_type, path) for map_type, path in self._added]

    def _planned(self, map_type: str, path: str) -> PlannedTable:
        options = TableOptions(path=path, type=map_type, entries=self._added[map_type, path])
        return lookup_table.lookup_table(self.surroundings.instance, options)

    def route_directly(self, domains: Iterable[str]) -> None:
        """Add transport entries that send the mail of domains to their own servers.

        :raises DeclarationError: if there is no place for one.
        """
        for domain in domains:
            self._route_directly(domain)
        for map_type, path in self._added:
            self._texts[path] = self._planned(map_type, path).text or b""
            self._router = None

    def _route_directly(self, domain: str) -> None:
        from .._model import routing

        router, where = self.router, f"the domain {domain}"
        try:
            names = router.map_names("transport_maps")
        except routing.Unknown as error:
            raise DeclarationError("routing directly", where, str(error), "Correct that first") from None
        for name in names:
            entries = router.tables.entries(name) if routing.is_keyed(name) else None
            if entries is None:
                continue
            if entries.get(domain) in ("smtp:", f"smtp:{domain}"):
                return
            map_type, _colon, path = name.partition(":")
            if path in self._texts and (map_type, path) not in self._added:
                raise DeclarationError(
                    "routing directly",
                    where,
                    f"{name} is declared in the same configuration, without that route",
                    f'Add the entry {domain}: "smtp:" there',
                )
            self._added.setdefault((map_type, path), {})[domain] = "smtp:"
            return
        raise DeclarationError(
            "routing directly",
            where,
            "transport_maps has no table whose text is on this host, so there is no place for the route",
            f"Declare a lookup_table {self.surroundings.instance.path('transport')}, which may be empty, "
            "and name its map in the main.cf parameter transport_maps",
        )
