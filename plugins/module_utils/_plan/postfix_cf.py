# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: main.cf and master.cf. Private to mailops.postfix.

The after is always edit(before, declaration), judged by the host's own postconf(1) on a staged copy. It stands apart from the plan of a
whole configuration, and from the edits of master.cf, since whatever a module imports travels to the host each time.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from .._errors import DeclarationError
from .._formats import macros, tls_protocols
from .._formats import main_cf as main_cf_format
from .._formats import master_cf as master_cf_format
from .._formats.lines import to_text
from .._formats.master_cf_spec import ServiceSpec
from .._host.instance import Instance
from .plan import Change, Plan, strongest

_TLS_FILE = re.compile(r"_(tls_)?(CAfile|(ec|d)?(cert|key)_file|chain_files)$")

# Values by which Postfix relies on what is outside it: a resolver that validates, a service of TLS policies.
_RELIES = re.compile(r"\bdane\b|\b(socketmap|tcp):")

# Without this in a file there is no policy that mail could bypass.
_POLICIES = b"tls_policy_maps"

CHECKS_OPTION = {"type": "dict", "default": {}}

MAIN_CF: Mapping[str, Any] = {
    "argument_spec": {"parameters": {"type": "dict", "required": True}, "checks": CHECKS_OPTION}
}
"""What the module main_cf takes, as arguments of AnsibleModule."""


@dataclass(frozen=True)
class Services:
    """What is declared of master.cf, and what becomes of it."""

    master_cf: bytes
    declared: Sequence[ServiceSpec] = ()
    changes: Mapping[str, Mapping[str, Optional[str]]] = field(default_factory=dict)
    """The entries that change, as the module master_cf returns them."""


@dataclass(frozen=True)
class PlannedTables:
    """The tables of the same transaction, as far as routes and their policies depend on them."""

    texts: Mapping[str, bytes] = field(default_factory=dict)
    change: bool = False
    policy_table: str = ""
    policy_keys: Sequence[str] = ()


def main_cf(instance: Instance, options: Mapping[str, Any]) -> Plan:
    """Set and remove parameters. Options and result: those of the module main_cf."""
    return plan(instance, options["parameters"], Services(instance.master_cf), checks=options.get("checks"))


def edited_main_cf(instance: Instance, parameters: Mapping[str, Any]) -> bytes:
    return main_cf_format.edit_main_cf(instance.main_cf, _declared(instance, parameters), instance.path("main.cf"))


def _declared(instance: Instance, parameters: Mapping[str, Any]) -> Dict[str, Optional[str]]:
    return parameters_for_version(instance, main_cf_format.declared_parameters(parameters))


def parameters_for_version(instance: Instance, values: Mapping[str, Optional[str]]) -> Dict[str, Optional[str]]:
    """Values of parameters as this Postfix knows them, which is asked only if one of them depends on it."""
    return {
        name: tls_protocols.for_version(value, instance.version)
        if value and tls_protocols.has_bounds(name, value)
        else value
        for name, value in values.items()
    }


def plan(
    instance: Instance,
    parameters: Mapping[str, Any],
    services: Services,
    created_files: FrozenSet[str] = frozenset(),
    validate: bool = True,
    checks: Optional[Mapping[str, str]] = None,
    planned_tables: PlannedTables = PlannedTables(),
    standalone: bool = True,
) -> Plan:
    """Both files.

    :param created_files: files that the same transaction makes, so that parameters may refer to them.
    :param validate: whether to judge the meaning of what is declared; what Postfix can't even read is refused in any case.
    :param checks: severities that the user has chosen.
    :param planned_tables: tables that the same transaction makes.
    :param standalone: whether the rest of the configuration may come from other tasks.
    """
    declared = _declared(instance, parameters)
    wanted, master_after = services.declared, services.master_cf
    main_after = main_cf_format.edit_main_cf(instance.main_cf, declared, instance.path("main.cf"))
    if checks:
        # Here and below, modules are imported where they are used: a run that changes nothing does not pay for them.
        from .._model import finding

        finding.severities(checks)
    with staged_instance(instance, main_after, master_after) as staged:
        warnings = _judged(instance, staged, declared, wanted, created_files, checks or {}, validate, standalone)
        if validate and (planned_tables.change or staged is not instance):
            warnings += _judged_routes(instance, staged, declared, wanted, planned_tables, checks or {})
        requires = _requires(instance, staged)
    result: Dict[str, Any] = {}
    changes = []
    if parameters:
        result["parameters"] = _parameter_changes(instance.main_cf, main_after, declared)
        changes.append(Change(instance.path("main.cf"), main_after, instance.main_cf))
    if wanted:
        result["services"] = services.changes
        before = instance.read("master.cf")
        changes.insert(0, Change(instance.path("master.cf"), master_after, before))
    return Plan(changes, result, requires, warnings)


def _judged(
    instance: Instance,
    staged: Instance,
    parameters: Mapping[str, Optional[str]],
    services: Sequence[ServiceSpec],
    created_files: FrozenSet[str],
    severities: Mapping[str, str],
    validate: bool,
    standalone: bool,
) -> List[str]:
    """Refuse what is wrong; return warnings.

    Where the texts stay as they are, only what may be gone is looked for: files, and what Postfix relies on outside itself.
    """
    if staged is instance and not validate:
        return []
    missing: List[str] = []
    if staged is instance:
        missing = _missing_files(parameters, created_files, severities.get("missing_file", "error"))
        values = [*parameters.values(), *(value for service in services for value in service.options.values())]
        if not any(value and _RELIES.search(value) for value in values):
            return missing
    else:
        instance.begin("parameters")  # here and below, while the checks are loaded
        staged.begin("parameters", "map_types", "defaults")
    from . import judge

    declared = _declared_settings(parameters, services, staged.master_cf, instance.path("master.cf"))
    if staged is instance:
        return [*missing, *judge.judge_dependencies(instance, declared, severities)]
    must_be_readable(instance, staged, parameters, services)
    return (
        judge.judge_configuration(instance, staged, declared, created_files, severities, standalone) if validate else []
    )


def must_be_readable(
    instance: Instance, staged: Instance, parameters: Mapping[str, Any], services: Sequence[ServiceSpec]
) -> None:
    """Refuse what Postfix can't even read, for the reason that our checks or else postconf(1) find.

    :raises PostfixError: if postconf(1) fails for the staged instance.
    """
    if not staged.is_readable():
        from . import judge

        declared = _declared_settings(parameters, services, staged.master_cf, instance.path("master.cf"))
        judge.refuse_unreadable(instance, staged, declared)


def _judged_routes(
    instance: Instance,
    staged: Instance,
    parameters: Mapping[str, Optional[str]],
    services: Sequence[ServiceSpec],
    planned_tables: PlannedTables,
    severities: Mapping[str, str],
) -> List[str]:
    """Refuse what lets mail past a TLS policy; return warnings."""
    if not planned_tables.policy_table and _POLICIES not in staged.main_cf + staged.master_cf:
        return []
    from . import tables

    declared = _declared_settings(parameters, services, staged.master_cf, instance.path("master.cf"))
    declared |= tables.policy_settings(planned_tables.policy_keys)
    return tables.judge_routes(
        instance, staged, planned_tables.texts, declared, severities, planned_tables.policy_table
    )


def _missing_files(parameters: Mapping[str, Optional[str]], created_files: FrozenSet[str], severity: str) -> List[str]:
    gone = [
        (name, path)
        for name, value in parameters.items()
        if value and _TLS_FILE.search(name)
        for path in re.split(r"[\s,]+", value)
        if path.startswith("/") and "$" not in path and path not in created_files and not os.path.exists(path)
    ]
    for name, path in gone:
        if severity == "error":
            remedy = "Create it first: Postfix would work without TLS [missing_file]"
            raise DeclarationError("setting", f"{name} = {parameters[name]}", f"there is no file {path}", remedy)
    return [f"{name}: there is no file {path} [missing_file]" for name, path in gone if severity == "warning"]


def _declared_settings(
    parameters: Mapping[str, Any], services: Sequence[ServiceSpec], master_cf: bytes, path: str
) -> FrozenSet[Tuple[str, str]]:
    """What is declared: parameters, and columns and options of services under the names that they have in the file."""
    result = {("main", name) for name in parameters}
    for service in services:
        entry = master_cf_format.find_entry(master_cf, service.name, service.type, path)
        names = ["service", *service.columns, *service.options] + (["command"] if service.arguments is not None else [])
        result.update((key, name) for key in (service.key, entry.key if entry else service.key) for name in names)
    return frozenset(result)


@contextmanager
def staged_instance(instance: Instance, main_cf: bytes, master_cf: bytes) -> Iterator[Instance]:
    """The staged instance, or the one that there is where the texts do not change."""
    if (main_cf, master_cf) == (instance.main_cf, instance.master_cf):
        yield instance
        return
    with instance.staged(main_cf, master_cf) as staged:
        yield staged


def _requires(instance: Instance, staged: Instance) -> str:
    """What the running Postfix needs: nothing where no effective value changes."""
    if staged is instance:
        return "none"
    if not instance.is_readable():
        return "restart"  # how it was is not known
    from .._model import parameters as parameters_model

    before, after = _values(instance), _values(staged)
    needs = [
        # A CA directory is copied into the chroot at a restart; one that is no longer used needs no copy.
        "reload" if name.endswith("_CApath") and not after.get(name) else parameters_model.requires(name)
        for name in _affected(before, after)
        if name in instance.parameters and _expanded(name, before) != _expanded(name, after)
    ]
    # Parameters that users define themselves are not among postconf's; their values work through others.
    if _user_defined(instance) != _user_defined(staged) or instance.master_cf != staged.master_cf:
        needs.append("reload")
    return strongest("none", *needs)


def _values(instance: Instance) -> Dict[str, str]:
    """All values, those of names that users define included; where the configuration stands makes no difference."""
    return {**instance.explicit, **instance.parameters, "config_directory": ""}


def _affected(before: Mapping[str, str], after: Mapping[str, str]) -> Set[str]:
    """The parameters whose values change, and those whose values refer to one of them, directly or not."""
    found = {name for name in {**before, **after} if before.get(name) != after.get(name)}
    more = found
    while more:
        refers = re.compile(rf"\$[({{]?(?:{'|'.join(map(re.escape, sorted(more)))})\b")
        more = {name for name, value in after.items() if name not in found and refers.search(value)}
        found = found | more
    return found


def _expanded(name: str, values: Mapping[str, str]) -> Optional[str]:
    value = values.get(name)
    with suppress(macros.Unexpandable):
        return None if value is None else macros.expand(value, values)
    return value


def _user_defined(instance: Instance) -> Dict[str, str]:
    return {name: value for name, value in instance.explicit.items() if name not in instance.parameters}


def _parameter_changes(
    before: bytes, after: bytes, declared: Mapping[str, Optional[str]]
) -> Dict[str, Dict[str, Optional[str]]]:
    old, new = main_cf_format.parse_parameters(to_text(before)), main_cf_format.parse_parameters(to_text(after))
    return {
        name: {"before": _shown(old.get(name)), "after": _shown(new.get(name))}
        for name in declared
        if old.get(name) != new.get(name)
    }


def _shown(value: Optional[str]) -> Optional[str]:
    return None if value is None else main_cf_format.normalize_whitespace(value)
