# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From tables of a type that this Postfix has lost to tables of one that it has. Private to mailops.postfix.

The text of a table is what counts: the new compiled file is made of it. Where there is no text, nothing is changed, since
a reference to a table that cannot be built would only break in another way.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import AbstractSet, Any, Iterator, Mapping, Sequence

from .._formats import lookup_table, macros, main_cf, master_cf
from .._formats.master_cf_spec import ServiceSpec, service_spec
from .._host import postmap
from .._host.instance import Instance
from .._model import migrations
from .._model import parameters as parameters_model
from . import lookup_table as lookup_table_plan
from .plan import Change, Plan
from .table_file import Table
from .table_references import choose_type, lost_types

_ALIASES = ("alias_maps", "alias_database")
_NAMES_OF_TABLES = ("_maps", "_map", "_database")
_KINDS_OF_TABLES = ("table", "table list", "restriction list", "match list")


@dataclass
class RetypedTables:
    """What becomes of the tables of lost types."""

    parameters: dict[str, str] = field(default_factory=dict)
    services: list[ServiceSpec] = field(default_factory=list)
    tables: list[Plan] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def lost_default(instance: Instance, lost: AbstractSet[str]) -> str:
    """The lost type that main.cf sets default_database_type to; empty if it does not."""
    default = instance.explicit.get(migrations.DEFAULT_TYPE, "").strip()
    return default if default in lost else ""


def retyped_tables(
    instance: Instance, declared: Mapping[str, Any], services: Sequence[ServiceSpec], created_files: set[str]
) -> RetypedTables:
    """What the transaction also does.

    :param declared: the parameters of main.cf that are declared, or migrated otherwise: they are left alone.
    :param services: the services that are declared, likewise.
    :param created_files: compiled files that the same transaction makes.
    """
    result = RetypedTables()
    lost = lost_types(instance)
    default = "" if migrations.DEFAULT_TYPE in declared else lost_default(instance, lost)
    found = [
        (service, name, value, tables)
        for service, name, value in (table_settings(instance) if lost else ())
        for tables in [migrations.berkeley_tables(migrations.spelled_out(value, default), lost)]
        if tables and not _is_declared(service, name, declared, services)
    ]
    if not found and not default:
        return result
    new = choose_type(instance, "auto")
    if default:
        result.parameters[migrations.DEFAULT_TYPE] = new
    planned: dict[str, str] = {}
    for service, name, value, tables in found:
        problem = _problem(instance, name, _paths(instance, tables), new, planned)
        if problem:
            where = f" in service {service}" if service else ""
            result.warnings.append(
                f"{name} = {main_cf.normalize_whitespace(value)}{where}: this Postfix no longer has tables of this type, and {problem}"
            )
            continue
        after = migrations.retyped_maps(value, lost, new)
        if after == value:
            continue  # its tables follow default_database_type
        if service:
            result.services.append(service_spec({"service": service, "options": {name: after}}))
        else:
            result.parameters[name] = after
    settings = {**declared, **result.parameters}
    for path, name in planned.items():
        if path + lookup_table.COMPILED[new] not in created_files:
            result.tables.append(_table(instance, name, path, new, settings))
    return result


def table_settings(instance: Instance) -> Iterator[tuple[str, str, str]]:
    """Service (empty for main.cf), name and value of whatever names tables."""
    classes = instance.parameters.get("smtpd_restriction_classes", "").replace(",", " ").split()
    of_services = [
        (entry.key, name, value)
        for entry in master_cf.master_entries(instance.master_cf, instance.path("master.cf"))
        for name, value in entry.effective_options.items()
    ]
    for service, name, value in [*(("", *item) for item in instance.explicit.items()), *of_services]:
        parameter = parameters_model.find_parameter(name)
        kind = parameter.kind if parameter else ""
        if kind in _KINDS_OF_TABLES or name.endswith(_NAMES_OF_TABLES) or name in classes:
            yield service, name, value


def _is_declared(service: str, name: str, declared: Mapping[str, Any], services: Sequence[ServiceSpec]) -> bool:
    if not service:
        return name in declared
    return any(
        name in entry.options or entry.purge_options or entry.state != "present"
        for entry in services
        if entry.key == service
    )


def _paths(instance: Instance, tables: list[tuple[str, str]]) -> list[str | None]:
    """The files of the tables; None for one that can't be told."""
    return [macros.expanded(path, instance.parameters) for _kind, path in tables]


def _problem(instance: Instance, name: str, paths: list[str | None], new: str, planned: dict[str, str]) -> str:
    """Why a setting can't be changed; else its tables join those that are made."""
    parameter = parameters_model.find_parameter(name)
    # Postfix itself writes such a table: it has no text.
    if parameter and parameter.kind == "table" and name not in _ALIASES:
        return "" if new == "lmdb" else f"cannot write ones of type {new}; install postfix-lmdb, or set another"
    for path in paths:
        if path is None or not os.path.isfile(path):
            missing = path or "one of its files"
            return f"there is no {missing} to make one of type {new} from: put the text there, or set {name}"
    planned.update((path, name) for path in paths if path is not None)
    return ""


def _table(instance: Instance, name: str, path: str, new: str, settings: Mapping[str, Any]) -> Plan:
    if name == "tls_server_sni_maps":
        from . import sni

        return sni.sni_table(instance, path, []).plan
    if name in _ALIASES:
        return _aliases(instance, path, new)
    return lookup_table_plan.edited_table(Table(instance, path, new, settings), lambda _table, text: text).plan


def _aliases(instance: Instance, path: str, new: str) -> Plan:
    """A table with the grammar of aliases(5), which postalias(1) compiles."""
    target = path + lookup_table.COMPILED[new]
    there = os.path.exists(target)

    def make(temporary: str) -> None:
        postmap.compile_text(instance, f"{new}:{path}", instance.read(path) or b"", temporary, ("postalias",))

    stale = "" if there and os.stat(target).st_mtime >= os.stat(path).st_mtime else "missing"
    return Plan([Change(target, make, b"" if there else None, stale, secret=True)])
