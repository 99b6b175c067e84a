# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The routes of a host's configuration, as it is or as it is planned. Private to mailops.postfix.

Keyed tables are read by their text; what only Postfix can answer (regexp, pcre, ldap …), postmap(1) is asked.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import Mapping, Sequence

from .._checks import implicit_tls, passwords, routing, shadowed_policy, tls_required
from .._errors import HostError
from .._formats import lookup_table
from .._formats.lines import to_bytes, to_text
from .._formats.main_cf import braced_words
from .._formats.main_cf import words as main_cf_words
from .._host.instance import Instance
from .._host.runner import Completed
from .._model import finding
from .._model import routing as routing_model
from .._model.configuration import configuration_of
from .._model.finding import Finding, Setting
from .._model.routing import Router, TableLookup, Unknown
from .proposal import PlannedTables

# What postmap(1) reads from a text that is not on disk yet.
_FROM_TEXT = ("texthash", *lookup_table.ORDERED)


class MapLookup(TableLookup):
    """The tables of a host."""

    def __init__(
        self, instance: Instance, planned: Mapping[str, bytes] | None = None, present: MapLookup | None = None
    ) -> None:
        """
        :param planned: texts by path that are to replace those on disk, or to join them.
        :param present: the tables on disk, where they are read by others too.
        """
        super().__init__()
        self._instance = instance
        self._present = present
        self._planned = {os.path.realpath(path): text for path, text in (planned or {}).items()}
        self._listed: dict[str, Mapping[str, str] | None] = {}
        self._found: dict[tuple[str, str], str | None] = {}

    def entries(self, name: str) -> Mapping[str, str] | None:
        if name not in self._listed:
            self._listed[name] = self._read(name)
        return self._listed[name]

    def find(self, name: str, key: str) -> str | None:
        if name.startswith("static:"):
            value = name.partition(":")[2]
            return (
                value[1:-1].strip() if value.startswith("{") else value
            )  # not as an argument of postmap(1), which every user of the host can read
        entries = self.entries(name)
        if entries is not None:
            return entries.get(to_text(lookup_table.fold(to_bytes(key))))
        if (name, key) not in self._found:
            self._found[name, key] = self._asked(name, key)
        return self._found[name, key]

    def rules(self, name: str) -> Sequence[tuple[str, str]]:
        kind, _colon, path = name.partition(":")
        text = self._text(path) if kind in lookup_table.ORDERED else None
        rules = [] if text is None else lookup_table.table_entries(text, kind)
        return [(to_text(rule.key), to_text(rule.value)) for rule in rules if not rule.problem and not rule.block]

    def words(self, path: str) -> Sequence[str]:
        text = self._text(path)
        if text is None:
            raise Unknown(f"there is no file {path}")
        return main_cf_words(to_text(text))

    def prepare(self, name: str, keys: Sequence[str]) -> None:
        """One process for all keys, unless the text is not on disk yet: postmap(1) reads either from its standard input."""
        kind, _colon, path = name.partition(":")
        if (
            kind == "static"
            or self.entries(name) is not None
            or (kind in _FROM_TEXT and self._planned_text(path) is not None)
        ):
            return
        if self._present is not None:
            self._present.prepare(name, keys)
            return
        asked = [key for key in dict.fromkeys(keys) if key and "\n" not in key and (name, key) not in self._found]
        done = self._postmap("-", name, to_bytes("".join(f"{key}\n" for key in asked)))
        said = [line for line in _lines(done) if line not in self._usual]
        if said:
            raise Unknown(self._instance.secrets.cut(f"{name} can't be asked: {' / '.join(said)}"))
        answers = dict(line.split("\t", 1) for line in to_text(done.stdout).split("\n") if "\t" in line)
        self._found.update({(name, key): answers.get(key) for key in asked})

    def _text(self, path: str) -> bytes | None:
        text = self._planned_text(path)
        return self._instance.read(path) if text is None else text

    def _read(self, name: str) -> Mapping[str, str] | None:
        kind, _colon, path = name.partition(":")
        if kind == "inline":
            pairs = (word.strip("{}").partition("=") for word in braced_words(path.strip()[1:-1]))
            return {key.strip().lower(): value.strip() for key, _equals, value in pairs}
        if not routing_model.is_keyed(name):
            return None
        if self._planned_text(path) is None and self._present is not None:
            return self._present.entries(name)
        text = self._text(path)
        if text is None:
            return None
        values: dict[str, str] = {}  # in a large table, many entries share one
        return {
            to_text(key): values.setdefault(value, value)
            for key, value in ((key, to_text(value)) for key, value in lookup_table.pairs(text, kind))
        }

    def _planned_text(self, path: str) -> bytes | None:
        """The text that a file is to have, however the file is spelled."""
        return self._planned.get(os.path.realpath(path)) if self._planned else None

    def _asked(self, name: str, key: str) -> str | None:
        kind, _colon, path = name.partition(":")
        text = self._planned_text(path) if kind in _FROM_TEXT else None
        if text is None and self._present is not None:
            return self._present.find(name, key)
        try:
            done = self._postmap(key, name if text is None else f"{kind}:/dev/stdin", text)
            if done.returncode == 0:
                return to_text(done.stdout).rstrip("\n")
            # It says in the same way that there is no such key and that it can't tell; what it says of main.cf is neither.
            said = [line for line in _lines(done) if line not in self._usual]
        except HostError as error:
            raise Unknown(self._instance.secrets.cut(f"{name} can't be asked: {error.cause}")) from error
        if said:
            raise Unknown(self._instance.secrets.cut(f"{name} can't be asked: {' / '.join(said)}"))
        return None

    @cached_property
    def _usual(self) -> list[str]:
        """What postmap(1) warns of whatever it is asked."""
        return _lines(self._postmap("x", "static:x", None))

    def _postmap(self, key: str, name: str, text: bytes | None) -> Completed:
        return self._instance.run(
            "postmap", "-c", self._instance.config_directory, "-q", key, name, stdin=text, check=False
        )


def _lines(done: Completed) -> list[str]:
    return [line.strip() for line in to_text(done.stderr).split("\n") if line.strip()]


def router_of(
    instance: Instance,
    staged: Instance | None = None,
    planned: Mapping[str, bytes] | None = None,
    parameters: Mapping[str, str] | None = None,
    present: MapLookup | None = None,
) -> Router:
    """The router of an instance.

    :param staged: the instance with the texts of main.cf and master.cf that count, if they are not its own.
    :param planned: as for :class:`MapLookup`, like ``present``.
    :param parameters: parameters that count in place of those of main.cf.
    """
    staged = staged or instance
    counting = {**staged.parameters, "config_directory": instance.config_directory, **(parameters or {})}
    return Router(configuration_of(instance, staged, counting), MapLookup(instance, planned, present))


def judge_routes(
    instance: Instance,
    staged: Instance,
    planned: PlannedTables,
    severities: Mapping[str, str],
    declared: frozenset[Setting] = frozenset(),
    standalone: bool = False,
) -> list[str]:
    """Refuse what lets mail past a policy; return what to warn of.

    :param staged: the instance with the texts that are planned.
    :param severities: the user's choice.
    :param declared: what the user declares, besides policies.
    :param standalone: whether another task may name the table of policies in main.cf.
    :raises DeclarationError: with everything that is wrong.
    """
    present = MapLookup(instance)
    router = _with_policy_table(instance, staged, planned, present)
    after = _findings(router, planned)
    if not standalone:
        after += shadowed_policy.unused_table(
            router_of(instance, staged, planned.texts, present=present), planned.policy_keys, planned.policy_table
        )
    if not after:
        return []
    before = _findings(router_of(instance, present=present), planned) if instance.is_readable() else after
    policies = {(routing.POLICY, key) for key in planned.policy_keys}
    errors, warnings = finding.classify(before, after, declared | policies, severities, standalone=False)
    finding.raise_errors(errors)
    return [str(problem) for problem in warnings]


def _findings(router: Router, planned: PlannedTables) -> list[Finding]:
    return [
        *routing.routing_findings(router),
        *tls_required.tls_required_findings(router),
        *shadowed_policy.shadowed_policies(router, planned.policy_keys, planned.policy_table),
        *passwords.password_findings(router),
        *implicit_tls.implicit_tls_findings(router),
    ]


def _with_policy_table(instance: Instance, staged: Instance, planned: PlannedTables, present: MapLookup) -> Router:
    router = router_of(instance, staged, planned.texts, present=present)
    if not planned.policy_table or planned.policy_table in routing.tables(router):
        return router
    value = staged.parameters.get("smtp_tls_policy_maps", "")
    parameters = {"smtp_tls_policy_maps": f"{value} {planned.policy_table}".strip()}
    return router_of(instance, staged, planned.texts, parameters, present)
