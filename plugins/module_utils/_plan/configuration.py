# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans for all files of a Postfix instance. Private to mailops.postfix."""

from __future__ import annotations

import os
from typing import Any, Mapping

from .._host.instance import Instance
from .._model import migrations
from . import ca_bundle, certificate, file, lookup_table, master_cf, postfix_cf, tls_policy
from .plan import Plan, strongest

_TABLE_OF_PARAMETER: Mapping[str, Any] = {
    **lookup_table.LOOKUP_TABLE,
    "argument_spec": {**lookup_table.LOOKUP_TABLE["argument_spec"], "parameter": {"type": "str"}},
}

CONFIGURATION: Mapping[str, Any] = {
    "argument_spec": {
        "main_cf": {"type": "dict", "default": {}},
        "master_cf": {"type": "list", "elements": "dict", "default": []},
        "lookup_tables": {"type": "list", "elements": "dict", "default": []},
        "tls_policy": {"type": "dict"},
        "mta_sts": {"type": "str"},
        "certificates": {"type": "list", "elements": "dict", "default": []},
        "ca_bundle": {"type": "dict"},
        "files": {"type": "list", "elements": "dict", "default": []},
        "validate": {"type": "bool", "default": True},
        "checks": postfix_cf.CHECKS_OPTION,
        "migrate": {"type": "bool", "default": False},
        "provisional": {"type": "bool", "default": False},
        "if_missing": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
    },
    "parts": {
        "master_cf": master_cf.SERVICE,
        "lookup_tables": _TABLE_OF_PARAMETER,
        "tls_policy": tls_policy.TLS_POLICY,
        "certificates": certificate.CERTIFICATE,
        "ca_bundle": ca_bundle.CA_BUNDLE,
        "files": file.FILE,
    },
}
"""The options of the module configuration, and the specifications of those that hold options of other modules."""


def configuration(instance: Instance, options: Mapping[str, Any]) -> Plan:
    """The plan for an instance. Options and result: those of the module configuration.

    Files are installed before the parameters that refer to them: certificates, CA bundle, tables, then master.cf and main.cf.

    :raises PostfixError: if a part is wrong; see the planner of that part.
    """
    has_tables = bool(options.get("lookup_tables")) or options.get("tls_policy") is not None
    may_lack_types = bool(options.get("migrate")) and migrations.may_be_lost(instance.main_cf, instance.master_cf)
    # postconf runs while openssl reads the certificates.
    instance.begin("parameters", *(["map_types"] if has_tables or may_lack_types else []))
    parts: list[Plan] = []
    parameters: dict[str, Any] = {}
    maps: dict[str, list[str]] = {}
    table_texts: dict[str, bytes] = {}
    policy_keys: list[str] = []
    table_plans: list[Plan] = []
    result: dict[str, Any] = {"certificates": [], "ca_bundle": None, "lookup_tables": [], "tls_policy": None}
    entries = options.get("master_cf") or []
    for part in certificate.certificate_plans(instance, options.get("certificates") or []):
        _join_certificate(parameters, part.result["parameters"])
        result["certificates"].append(part.result)
        parts.append(part)
    services = master_cf.planned_services(instance, entries)
    if options.get("ca_bundle") is not None:
        with postfix_cf.staged_instance(instance, instance.main_cf, services.master_cf) as staged:
            part = ca_bundle.ca_bundle(instance, options["ca_bundle"], staged)
        parameters.update(part.result["parameters"])
        result["ca_bundle"] = part.result
        parts.append(part)
    parts += [file.file(instance, declared) for declared in options.get("files") or []]
    declared_tables = options.get("lookup_tables") or []
    # The current values of these parameters no longer matter.
    replaced = {
        **{table["parameter"]: "" for table in declared_tables if table.get("parameter")},
        **(options.get("main_cf") or {}),
    }
    for declared in declared_tables:
        part = lookup_table.lookup_table(instance, declared, replaced)
        if declared.get("parameter"):
            maps.setdefault(declared["parameter"], [])
            if declared.get("state") != "absent":
                maps[declared["parameter"]].append(part.result["map"])
        result["lookup_tables"].append(part.result)
        table_texts.update(_texts_of(part))
        table_plans.append(part)
        parts.append(part)
    parameters.update((name, ", ".join(maps_of_parameter)) for name, maps_of_parameter in maps.items())
    parameters.update(options.get("main_cf") or {})
    if options.get("migrate"):
        parameters.update(migrations.migrations(instance.explicit, parameters))
    if options.get("migrate") and lookup_table.lost_types(instance):
        # Imported here, since most hosts have all table types that their configuration uses.
        from . import migrations as migrations_plan

        compiled = {change.path for part in table_plans for change in part.changes}
        declared_parameters = {
            **parameters,
            **({} if options.get("tls_policy") is None else {"smtp_tls_policy_maps": ""}),
        }
        retyped = migrations_plan.retyped_tables(instance, declared_parameters, entries, compiled)
        parameters.update(retyped.parameters)
        services = master_cf.planned_services(instance, [*retyped.services, *entries])
        parts += [*retyped.tables, Plan(warnings=retyped.warnings)]
    if options.get("tls_policy") is not None:
        with postfix_cf.staged_instance(
            instance, postfix_cf.edited_main_cf(instance, parameters), services.master_cf
        ) as staged:
            postfix_cf.must_be_readable(instance, staged, parameters, services.declared)
            part, policy_keys = tls_policy.planned(
                instance,
                options["tls_policy"],
                staged.parameters,
                table_texts,
                staged,
                {"smtp_tls_policy_maps": "", **parameters},
            )
        parameters.setdefault("smtp_tls_policy_maps", part.result["map"])
        result["tls_policy"] = part.result
        table_plans.append(part)
        parts.append(part)
    if options.get("mta_sts"):
        _join_mta_sts(instance, options["mta_sts"], parameters, options.get("main_cf") or {})
    files = [change.path for part in parts for change in part.changes if change.after is not None]
    created_files = frozenset([*files, *map(os.path.dirname, files)])
    planned_tables = postfix_cf.PlannedTables(
        {path: text for part in table_plans for path, text in _texts_of(part).items()},
        any(part.changes_something() for part in table_plans),
        (result["tls_policy"] or {}).get("map", ""),
        policy_keys,
    )
    parts.append(
        postfix_cf.plan(
            instance,
            parameters,
            services,
            created_files,
            options["validate"],
            options.get("checks"),
            planned_tables,
            standalone=False,
        )
    )
    result.update(parts[-1].result, installed=True, running=instance.running())
    # Several parts may write the same file.
    changes = list({change.path: change for part in parts for change in part.changes}.values())
    return Plan(
        changes=[change for change in changes if change.after is not None]
        + [change for change in changes if change.after is None],
        result=result,
        requires=strongest(*(part.requires for part in parts if part.changes_something())),
        warnings=list(dict.fromkeys(warning for part in parts for warning in part.warnings)),
        afterwards=list(dict.fromkeys(command for part in parts for command in part.afterwards)),
        renewals=[renewal for part in parts for renewal in part.renewals],
    )


def _texts_of(part: Plan) -> dict[str, bytes]:
    """The new contents of the files that are not written by programs, by path."""
    return {change.path: change.after for change in part.changes if isinstance(change.after, bytes)}


def _join_mta_sts(instance: Instance, service: str, parameters: dict[str, Any], main_cf: Mapping[str, Any]) -> None:
    """Append a service of MTA-STS policies to the declared or, without one, the current value of smtp_tls_policy_maps."""
    # Imported here, since most instances do not use MTA-STS.
    from .._model import mta_sts

    name = "smtp_tls_policy_maps"
    table = mta_sts.policy_map(service, instance.version)
    if name not in main_cf:
        first = parameters.get(name, instance.explicit.get(name, ""))
        parameters[name] = mta_sts.joined(first, table)


def _join_certificate(parameters: dict[str, Any], of_certificate: Mapping[str, Any]) -> None:
    """Add the parameters of a certificate. Several certificates, such as RSA and ECDSA, share one list of chain files."""
    for name, value in of_certificate.items():
        if name in parameters and name.endswith("_chain_files"):
            value = f"{parameters[name]}, {value}"
        parameters[name] = value
