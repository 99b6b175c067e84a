# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is declared of main.cf and master.cf, as one value for all who judge it. Private to mailops.postfix."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Iterator, Mapping, Sequence

from .._formats import main_cf as main_cf_format
from .._formats import master_cf as master_cf_format
from .._formats import tls_protocols
from .._formats.master_cf_spec import ServiceSpec
from .._host.instance import Instance


def parameters_for_version(instance: Instance, values: Mapping[str, str | None]) -> dict[str, str | None]:
    """Values of parameters as this Postfix knows them, which is asked only if one of them depends on it."""
    return {
        name: tls_protocols.for_version(value, instance.version)
        if value and tls_protocols.has_bounds(name, value)
        else value
        for name, value in values.items()
    }


@dataclass(frozen=True)
class Services:
    """What is declared of master.cf, and what becomes of it."""

    master_cf: bytes
    declared: Sequence[ServiceSpec] = ()
    changes: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    """The entries that change, as the module master_cf returns them."""


@dataclass(frozen=True)
class PlannedTables:
    """The tables of the same transaction, as far as routes and their policies depend on them."""

    texts: Mapping[str, bytes] = field(default_factory=dict)
    """By path."""
    change: bool = False
    policy_table: str = ""
    """A table that is, or will be, in smtp_tls_policy_maps, whether it is there already or not."""
    policy_keys: Sequence[str] = ()
    """The keys of the policies that are declared."""


@dataclass(frozen=True)
class Proposal:
    """A declaration of main.cf and master.cf, and what decides how it is judged."""

    instance: Instance
    declared: Mapping[str, Any]
    """The parameters of main.cf; None removes one."""
    services: Services
    checks: Mapping[str, str] = field(default_factory=dict)
    """Severities that the user has chosen."""
    validate: bool = True
    """Whether to judge the meaning of what is declared; what Postfix can't even read is refused in any case."""
    standalone: bool = True
    """Whether the rest of the configuration may come from other tasks."""
    created_files: frozenset[str] = frozenset()
    """Files that the same transaction makes, so that parameters may refer to them."""
    tables: PlannedTables = PlannedTables()
    owner: str = ""
    """The role that owns the instance."""

    @cached_property
    def parameters(self) -> Mapping[str, str | None]:
        """The parameters as main.cf of this Postfix has them; None removes one."""
        return parameters_for_version(self.instance, main_cf_format.declared_parameters(self.declared))

    @cached_property
    def main_cf(self) -> bytes:
        """The text that main.cf will have."""
        return main_cf_format.edit_main_cf(self.instance.main_cf, self.parameters, self.instance.path("main.cf"))

    @cached_property
    def settings(self) -> frozenset[tuple[str, str]]:
        """What is declared: parameters, and columns and options of services under the names that they have in the file."""
        result = {("main", name) for name in self.parameters}
        path = self.instance.path("master.cf")
        for service in self.services.declared:
            entry = master_cf_format.find_entry(self.services.master_cf, service.name, service.type, path)
            names = ["service", *service.columns, *service.options]
            names += ["command"] if service.arguments is not None else []
            result.update((key, name) for key in (service.key, entry.key if entry else service.key) for name in names)
        return frozenset(result)

    @contextmanager
    def staged(self) -> Iterator[Instance]:
        """The staged instance, or the one that there is where the texts do not change."""
        instance, texts = self.instance, (self.main_cf, self.services.master_cf)
        if texts == (instance.main_cf, instance.master_cf):
            yield instance
            return
        with instance.staged(*texts) as staged:
            yield staged
