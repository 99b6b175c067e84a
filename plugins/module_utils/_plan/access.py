# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The judgement on who may relay, with the tables of the host as they will be. Private to mailops.postfix."""

from __future__ import annotations

from typing import Mapping, Sequence

from .._checks.relaying import relaying_findings
from .._errors import HostError
from .._host.instance import Instance
from .._model import finding
from .._model.configuration import configuration_of
from .._model.finding import Setting
from .._model.routing import Unknown
from .tables import MapLookup

_REMOTE = ("tcp", "socketmap", "memcache")
"""Tables that are programs: to wait for one that does not answer would take minutes."""


class AccessTables(MapLookup):
    """The tables of a host, each of which is asked no more after it has failed."""

    def __init__(
        self, instance: Instance, planned: Mapping[str, bytes] | None = None, present: MapLookup | None = None
    ) -> None:
        super().__init__(instance, planned, present)
        self._failures: dict[str, Unknown] = {}

    def find(self, name: str, key: str) -> str | None:
        if name.partition(":")[0] in _REMOTE:
            raise Unknown(f"{name} is a program, which is not asked")
        if name in self._failures:
            raise self._failures[name]
        try:
            return super().find(name, key)
        except Unknown as error:
            self._failures[name] = error
            raise

    def prepare(self, name: str, keys: Sequence[str]) -> None:
        if name.partition(":")[0] in _REMOTE or name in self._failures:
            return
        try:
            super().prepare(name, keys)
        except Unknown as error:
            self._failures[name] = error
        except HostError as error:
            self._failures[name] = Unknown(f"{name} can't be asked: {error.cause}")


def judge_access(
    instance: Instance,
    planned: Mapping[str, bytes],
    severities: Mapping[str, str],
    declared: frozenset[Setting] = frozenset(),
    standalone: bool = False,
) -> list[str]:
    """Refuse tables that make the host an open relay; return what to warn of.

    :param planned: their texts, by path.
    :param severities: the user's choice.
    :param declared: what the user declares.
    :param standalone: whether the rest of the configuration may come from other tasks.
    :raises DeclarationError: with everything that is wrong.
    """
    configuration, present = configuration_of(instance), AccessTables(instance)
    after = list(relaying_findings(configuration, AccessTables(instance, planned, present)))
    before = list(relaying_findings(configuration, present)) if after else []
    errors, warnings = finding.classify(before, after, declared, severities, standalone)
    finding.raise_errors(errors)
    return [str(problem) for problem in warnings]
