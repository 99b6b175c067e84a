# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From tables of a type that this Postfix has lost to tables of one that it has. Private to mailops.postfix.

The text of a table is what counts: the new compiled file is made of it. Where there is no text, nothing is changed, since
a reference to a table that cannot be built would only break in another way.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from typing import AbstractSet, Any, Dict, Iterator, List, Mapping, Optional, Set, Tuple

from .._errors import HostError
from .._formats import lookup_table, macros, main_cf, master_cf
from .._formats.lines import to_text
from .._host.instance import Instance
from .._model import migrations
from .._model import parameters as parameters_model
from . import lookup_table as lookup_table_plan
from .plan import Change, Plan

_ALIASES = ("alias_maps", "alias_database")
_NAMES_OF_TABLES = ("_maps", "_map", "_database")
_KINDS_OF_TABLES = ("table", "table list", "restriction list", "match list")


@dataclass
class RetypedTables:
    """What becomes of the tables of lost types."""

    parameters: Dict[str, str] = field(default_factory=dict)
    services: List[Dict[str, Any]] = field(default_factory=list)
    tables: List[Plan] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)


def lost_tables(instance: Instance) -> List[Dict[str, Any]]:
    """Each reference to a table of a lost type, for instance_info."""
    lost = lookup_table_plan.lost_types(instance)
    default = _lost_default(instance, lost)
    return [
        {"service": service, "parameter": name, "table": f"{kind}:{path}"}
        for service, name, value in (_settings(instance) if lost else ())
        for kind, path in migrations.berkeley_tables(migrations.spelled_out(value, default), lost)
    ]


def _lost_default(instance: Instance, lost: AbstractSet[str]) -> str:
    """The lost type that main.cf sets default_database_type to; empty if it does not."""
    default = instance.explicit.get(migrations.DEFAULT_TYPE, "").strip()
    return default if default in lost else ""


def retyped_tables(
    instance: Instance, declared: Mapping[str, Any], services: List[Mapping[str, Any]], created_files: Set[str]
) -> RetypedTables:
    """What the transaction also does.

    :param declared: the parameters of main.cf that are declared, or migrated otherwise: they are left alone.
    :param services: the services that are declared, likewise.
    :param made: compiled files that the same transaction makes.
    """
    result = RetypedTables()
    lost = lookup_table_plan.lost_types(instance)
    default = "" if migrations.DEFAULT_TYPE in declared else _lost_default(instance, lost)
    found = [
        (service, name, value, tables)
        for service, name, value in (_settings(instance) if lost else ())
        for tables in [migrations.berkeley_tables(migrations.spelled_out(value, default), lost)]
        if tables and not _is_declared(service, name, declared, services)
    ]
    if not found and not default:
        return result
    new = lookup_table_plan.choose_type(instance, "auto")
    if default:
        result.parameters[migrations.DEFAULT_TYPE] = new
    planned: Dict[str, str] = {}
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
            result.services.append({"service": service, "options": {name: after}})
        else:
            result.parameters[name] = after
    settings = {**declared, **result.parameters}
    for path, name in planned.items():
        if path + lookup_table.COMPILED[new] not in created_files:
            result.tables.append(_table(instance, name, path, new, settings))
    return result


def _settings(instance: Instance) -> Iterator[Tuple[str, str, str]]:
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


def _is_declared(service: str, name: str, declared: Mapping[str, Any], services: List[Mapping[str, Any]]) -> bool:
    if not service:
        return name in declared
    return any(
        name in (entry.get("options") or {}) or entry.get("purge_options") or entry.get("state", "present") != "present"
        for entry in services
        if entry.get("service") == service
    )


def _paths(instance: Instance, tables: List[Tuple[str, str]]) -> List[Optional[str]]:
    """The files of the tables; None for one that can't be told."""
    result: List[Optional[str]] = []
    for _kind, path in tables:
        try:
            result.append(macros.expand(path, instance.parameters))
        except macros.Unexpandable:
            result.append(None)
    return result


def _problem(instance: Instance, name: str, paths: List[Optional[str]], new: str, planned: Dict[str, str]) -> str:
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

        return sni.table(instance, path, [])
    if name in _ALIASES:
        return _aliases(instance, path, new)
    return lookup_table_plan.edited_table(instance, path, new, {}, lambda text, *_others: text, settings)


def _aliases(instance: Instance, path: str, new: str) -> Plan:
    """A table with the grammar of aliases(5), which postalias(1) compiles."""
    target = path + lookup_table.COMPILED[new]
    there = os.path.exists(target)

    def make(temporary: str) -> None:
        # Its name begins like that of the temporary file, so that it is found if this process is killed.
        directory = f"{temporary}.postalias"
        os.mkdir(directory, 0o700)
        try:
            source = os.path.join(directory, os.path.basename(path))
            shutil.copy2(path, source)
            done = instance.run("postalias", "-c", instance.config_directory, f"{new}:{source}", check=False)
            if done.returncode != 0:
                cause = to_text(done.stderr).strip().replace("\n", " / ").replace(source, path)
                raise HostError("compiling", f"{new}:{path}", cause, "Nothing has been changed")
            os.rename(source + lookup_table.COMPILED[new], temporary)
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    stale = "" if there and os.stat(target).st_mtime >= os.stat(path).st_mtime else "missing"
    return Plan([Change(target, make, b"" if there else None, stale, secret=True)])
