# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The routes of a host's configuration, as it is or as it is planned. Private to mailops.postfix.

Keyed tables are read by their text; what only Postfix can answer (regexp, pcre, ldap …), postmap(1) is asked.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, Optional, Tuple

from .._checks import routing
from .._errors import HostError
from .._formats import lookup_table
from .._formats.lines import to_bytes, to_text
from .._host.instance import Instance
from .._host.runner import Completed
from .._model import effective_policy, finding
from .._model import routing as routing_model
from .._model.configuration import braced_words, configuration_of
from .._model.finding import Setting
from .._model.routing import Router, TableLookup, Unknown

# What postmap(1) reads from a text that is not on disk yet.
_FROM_TEXT = ("texthash", *lookup_table.ORDERED)


class MapLookup(TableLookup):
    """The tables of a host."""

    def __init__(self, instance: Instance, planned: Optional[Mapping[str, bytes]] = None) -> None:
        """
        :param planned: texts by path that are to replace those on disk, or to join them.
        """
        super().__init__()
        self._instance = instance
        self._planned = {os.path.realpath(path): text for path, text in (planned or {}).items()}
        self._listed: Dict[str, Optional[Mapping[str, str]]] = {}
        self._found: Dict[Tuple[str, str], Optional[str]] = {}

    def entries(self, name: str) -> Optional[Mapping[str, str]]:
        if name not in self._listed:
            self._listed[name] = self._read(name)
        return self._listed[name]

    def find(self, name: str, key: str) -> Optional[str]:
        entries = self.entries(name)
        if entries is not None:
            return entries.get(to_text(lookup_table.fold(to_bytes(key))))
        if (name, key) not in self._found:
            self._found[name, key] = self._asked(name, key)
        return self._found[name, key]

    def _read(self, name: str) -> Optional[Mapping[str, str]]:
        kind, _colon, path = name.partition(":")
        if kind == "inline":
            pairs = (word.strip("{}").partition("=") for word in braced_words(path.strip()[1:-1]))
            return {key.strip().lower(): value.strip() for key, _equals, value in pairs}
        if not routing_model.is_keyed(name):
            return None
        text = self._planned_text(path)
        if text is None:
            text = self._instance.read(path)
        if text is None:
            return None
        return {to_text(key): to_text(value) for key, value in lookup_table.contents(text, kind).items()}

    def _planned_text(self, path: str) -> Optional[bytes]:
        """The text that a file is to have, however the file is spelled."""
        return self._planned.get(os.path.realpath(path)) if self._planned else None

    def _asked(self, name: str, key: str) -> Optional[str]:
        kind, _colon, path = name.partition(":")
        text = self._planned_text(path) if kind in _FROM_TEXT else None
        try:
            done = self._postmap(key, name if text is None else f"{kind}:/dev/stdin", text)
            if done.returncode == 0:
                return to_text(done.stdout).rstrip("\n")
            # It says in the same way that there is no such key and that it can't tell; what it says of main.cf is neither.
            said = [line for line in _lines(done) if line not in self._usual]
        except HostError as error:
            raise Unknown(f"{name} can't be asked: {error.cause}") from error
        if said:
            raise Unknown(f"{name} can't be asked: {' / '.join(said)}")
        return None

    @cached_property
    def _usual(self) -> List[str]:
        """What postmap(1) warns of whatever it is asked."""
        return _lines(self._postmap("x", "static:x", None))

    def _postmap(self, key: str, name: str, text: Optional[bytes]) -> Completed:
        return self._instance.run(
            "postmap", "-c", self._instance.config_directory, "-q", key, name, stdin=text, check=False
        )


def _lines(done: Completed) -> List[str]:
    return [line.strip() for line in to_text(done.stderr).split("\n") if line.strip()]


def router_of(
    instance: Instance,
    staged: Optional[Instance] = None,
    planned: Optional[Mapping[str, bytes]] = None,
    parameters: Optional[Mapping[str, str]] = None,
) -> Router:
    """The router of an instance.

    :param staged: the instance with the texts of main.cf and master.cf that count, if they are not its own.
    :param planned: the texts of tables, by path, that the same transaction makes.
    :param parameters: parameters that count in place of those of main.cf.
    """
    staged = staged or instance
    counting = {**staged.parameters, "config_directory": instance.config_directory, **(parameters or {})}
    return Router(configuration_of(instance, staged, counting), MapLookup(instance, planned))


def routes_report(instance: Instance, asked: Iterable[Mapping[str, Any]]) -> List[Dict[str, Any]]:
    """What the module instance_info says of routes."""
    asked = list(asked)
    if not asked:
        return []
    router = router_of(instance)
    return [
        {
            **effective_policy.route_report(
                router, route["recipient"], "" if route["sender"] == "<>" else route["sender"]
            ),
            "sender": route["sender"],
        }
        for route in asked
    ]


def judge_routes(
    instance: Instance,
    staged: Instance,
    planned: Mapping[str, bytes],
    declared: FrozenSet[Setting],
    severities: Mapping[str, str],
    policy_table: str = "",
) -> List[str]:
    """Refuse what lets mail past a policy; return what to warn of.

    :param staged: the instance with the texts that are planned.
    :param planned: the texts of tables, by path, that are planned.
    :param declared: what the user declares.
    :param severities: the user's choice.
    :param policy_table: a table that is, or will be, in smtp_tls_policy_maps, whether it is there already or not.
    :raises DeclarationError: with everything that is wrong.
    """
    after = list(routing.routing_findings(_with_policy_table(instance, staged, planned, policy_table)))
    if not after:
        return []
    before = list(routing.routing_findings(router_of(instance))) if instance.is_readable() else after
    errors, warnings = finding.classify(before, after, declared, severities, standalone=False)
    finding.raise_errors(errors)
    return [str(problem) for problem in warnings]


def policy_settings(keys: Iterable[str]) -> FrozenSet[Setting]:
    """Policies that are declared, as checks know them."""
    return frozenset((routing.POLICY, key) for key in keys)


def concerns(instance: Instance, path: str) -> bool:
    """Whether the table with this text decides over routes or their levels, by whatever type and spelling Postfix knows it."""
    paths = [name.partition(":")[2] for name in routing.tables(router_of(instance))]
    return os.path.realpath(path) in map(os.path.realpath, paths)


def _with_policy_table(instance: Instance, staged: Instance, planned: Mapping[str, bytes], policy_table: str) -> Router:
    router = router_of(instance, staged, planned)
    if not policy_table or policy_table in routing.tables(router):
        return router
    value = staged.parameters.get("smtp_tls_policy_maps", "")
    return router_of(instance, staged, planned, {"smtp_tls_policy_maps": f"{value} {policy_table}".strip()})
