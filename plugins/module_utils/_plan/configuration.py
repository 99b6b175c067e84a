# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans for all files of a Postfix instance. Private to mailops.postfix.

The plan is made in steps, each of which adds to one draft. Files are installed before the parameters that refer to them: certificates, CA
bundle, tables, then master.cf and main.cf.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Mapping, Protocol, Sequence

from .._formats import main_cf
from .._formats.master_cf_spec import ServiceSpec, service_spec
from .._host.instance import Instance
from .._model import migrations
from . import file, lookup_table, master_cf, postfix_cf, tls_policy
from .ca_bundle_options import CaBundleOptions
from .certificate_options import CertificateOptions
from .declared import Declared, read_declared, refuse_other_owner, stored_declaration
from .file import FileOptions
from .lookup_table import ParameterTableOptions, PlannedTable
from .options import Options, option
from .plan import Plan, strongest
from .policy_keys import Surroundings
from .policy_options import PolicyTableOptions
from .proposal import PlannedTables, Proposal, Services, parameters_for_version
from .table_references import lost_types, table_path
from .tls_policy import PlannedPolicies
from .withdrawal import Withdrawal
from .written import POLICY_MAPS, Literal, WrittenParts


@dataclass(frozen=True)
class OverridesOptions(Options):
    """What an administrator declares literally besides what a role derives from its variables."""

    main_cf: Mapping[str, Any] = option("dict", default={})
    master_cf: Sequence[Mapping[str, Any]] = option(
        "list", elements="dict", default=[], options=dict(master_cf.SERVICE["argument_spec"])
    )
    lookup_tables: Sequence[ParameterTableOptions] = option(
        "list", ParameterTableOptions, elements="dict", default=[], **ParameterTableOptions.suboptions()
    )


@dataclass(frozen=True)
class ConfigurationOptions(Options):
    """The options of the module configuration."""

    main_cf: Mapping[str, Any] = option("dict", default={})
    master_cf: Sequence[Mapping[str, Any]] = option("list", elements="dict", default=[])
    lookup_tables: Sequence[ParameterTableOptions] = option("list", ParameterTableOptions, elements="dict", default=[])
    tls_policy: PolicyTableOptions | None = option("dict", PolicyTableOptions)
    mta_sts: str | None = option()
    certificates: Sequence[CertificateOptions] = option("list", CertificateOptions, elements="dict", default=[])
    ca_bundle: CaBundleOptions | None = option("dict", CaBundleOptions)
    files: Sequence[FileOptions] = option("list", FileOptions, elements="dict", default=[])
    validate: bool = option("bool", default=True)
    checks: Mapping[str, str] = option("dict", default={})
    migrate: bool = option("bool", default=False)
    fail_closed: bool = option("bool", default=False)
    confirm_within: int = option("int", default=0)
    transaction: str | None = option()
    pending: str = option(choices=["wait", "undo"], default="wait")
    if_missing: str = option(choices=["fail", "report"], default="fail")
    owner: str | None = option()
    take_over: bool = option("bool", default=False)
    owner_remedies: Mapping[str, str] = option("dict", default={})
    overrides: OverridesOptions | None = option("dict", OverridesOptions)

    @property
    def literal(self) -> OverridesOptions:
        """The overrides, which may be empty."""
        return self.overrides or OverridesOptions()

    @property
    def all_parameters(self) -> Mapping[str, Any]:
        """The parameters of main.cf, overrides included."""
        return {**self.main_cf, **self.literal.main_cf}

    @property
    def all_services(self) -> Sequence[Mapping[str, Any]]:
        """The services of master.cf, overrides included."""
        return [*self.master_cf, *self.literal.master_cf]

    @property
    def all_tables(self) -> Sequence[ParameterTableOptions]:
        """The lookup tables, overrides included."""
        return [*self.lookup_tables, *self.literal.lookup_tables]


CONFIGURATION: Mapping[str, Any] = {
    **ConfigurationOptions.specification(),
    "parts": {
        "master_cf": master_cf.SERVICE,
        "lookup_tables": ParameterTableOptions.specification(),
        "tls_policy": PolicyTableOptions.specification(),
        "certificates": CertificateOptions.specification(),
        "ca_bundle": CaBundleOptions.specification(),
        "files": FileOptions.specification(),
        "overrides": OverridesOptions.specification(),
    },
}
"""The options of the module configuration, and the specifications of those that hold options of other modules."""


class Part(Protocol):
    """A part of a configuration that is planned by the planner of its own module."""

    @property
    def plan(self) -> Plan:
        """The changes of its files."""

    @property
    def parameters(self) -> Mapping[str, str | None]:
        """The parameters of main.cf that make Postfix use it; None removes one."""

    def reported(self, instance: Instance) -> Plan:
        """The plan with the result of that module."""


@dataclass
class Draft:
    """What the steps have planned so far."""

    instance: Instance
    options: ConfigurationOptions
    withdrawal: Withdrawal
    """What the owner of the instance has declared before, and no longer declares."""
    former_certificates: Sequence[CertificateOptions] = ()
    """Those of an earlier declaration."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """The parameters of main.cf to set; None removes one."""
    service_specs: Sequence[ServiceSpec] = ()
    services: Services = Services(b"")
    certificates: Sequence[Part] = ()
    server_names: Plan = field(default_factory=Plan)
    """The table of server names without the names of former certificates, if no declared certificate is in it."""
    ca_bundle: Part | None = None
    files: Sequence[Plan] = ()
    tables: list[PlannedTable] = field(default_factory=list)
    withdrawn_parameters: dict[str, str | None] = field(default_factory=dict)
    """Those of them that a former declaration has set."""
    migrated: Mapping[str, Any] = field(default_factory=dict)
    """The parameters that are not declared, but replaced since they are obsolete."""
    retyped: Plan = field(default_factory=Plan)
    """The tables of types that this Postfix has lost."""
    policies: PlannedPolicies | None = None

    def parts(self) -> list[Plan]:
        """The plans of the parts, in the order of their installation."""
        return [
            *(deployment.plan for deployment in self.certificates),
            self.server_names,
            *([] if self.ca_bundle is None else [self.ca_bundle.plan]),
            *self.files,
            *(table.plan for table in self.tables),
            self.retyped,
            *([] if self.policies is None else [self.policies.plan]),
        ]


def configuration(instance: Instance, options: Mapping[str, Any]) -> Plan:
    """The plan for an instance. Options and result: those of the module configuration.

    :raises PostfixError: if a part is wrong; see the planner of that part.
    """
    declared = ConfigurationOptions.from_declaration(options)
    draft = Draft(
        instance,
        declared,
        Withdrawal(instance, _former(instance, declared), declared.transaction is not None),
        [CertificateOptions.from_declaration(item) for item in options.get("former_certificates") or ()],
    )
    _read_ahead(draft)
    _add_certificates(draft)
    _add_services(draft)
    _add_ca_bundle(draft)
    _add_parameters(draft)
    _add_files(draft)
    _add_tables(draft)
    if draft.options.migrate:
        _add_migrations(draft)
    _add_policies(draft)
    _add_mta_sts(draft)
    if draft.options.fail_closed:
        _add_tls_required(draft)
    proposal = _proposal(draft)
    plan = _reported(draft, postfix_cf.plan(proposal))
    plan.judge_others = partial(_judged_others, proposal)
    _add_record(draft, plan)
    return plan


def _judged_others(proposal: Proposal, names: Sequence[str]) -> list[str]:
    # Imported here, since most runs find what they have confirmed.
    from . import judge

    return judge.judge_others(proposal, names)


def _former(instance: Instance, options: ConfigurationOptions) -> Declared:
    """What the owner of the instance has declared before.

    :raises DeclarationError: if that is another role, and take_over is false.
    """
    if not options.owner:
        return Declared()
    found = read_declared(instance)
    refuse_other_owner(found, instance, options.owner, options.take_over, options.owner_remedies.get(found.owner) or "")
    return found


def _read_ahead(draft: Draft) -> None:
    """Have postconf(1) run while openssl(1) reads the certificates."""
    instance, options = draft.instance, draft.options
    instance.begin("parameters")
    may_lack_types = options.migrate and migrations.may_be_lost(instance.main_cf, instance.master_cf)
    if options.all_tables or options.tls_policy or may_lack_types:
        instance.begin("map_types")


def _add_certificates(draft: Draft) -> None:
    """Several certificates, such as RSA and ECDSA, share one list of chain files."""
    declared, former = draft.options.certificates, draft.former_certificates
    if not declared and not former:
        return
    # Here and below, imported where they are used: they need all that reads certificates.
    from . import certificate

    draft.certificates = certificate.deployments(draft.instance, declared, former)
    if not any(options.sni for options in declared):
        draft.server_names = certificate.without_names(draft.instance, former)
    for deployment in draft.certificates:
        for name, value in deployment.parameters.items():
            if name in draft.parameters and name.endswith("_chain_files"):
                value = f"{draft.parameters[name]}, {value}"
            draft.parameters[name] = value


def _add_services(draft: Draft) -> None:
    declared = [service_spec(service) for service in draft.options.all_services]
    draft.service_specs = [*draft.withdrawal.services(declared), *declared]
    draft.services = master_cf.planned_services(draft.instance, draft.service_specs)


def _add_ca_bundle(draft: Draft) -> None:
    if draft.options.ca_bundle is None:
        return
    from . import ca_bundle

    with Proposal(draft.instance, {}, draft.services).staged() as staged:
        planned = ca_bundle.planned_bundle(draft.instance, draft.options.ca_bundle, staged)
    draft.ca_bundle = planned
    draft.parameters.update(planned.parameters)


def _add_parameters(draft: Draft) -> None:
    """The parameters that are declared, and those of former declarations, which tables and policies depend on."""
    options = draft.options
    maps = {table.parameter for table in options.all_tables if table.parameter}
    policies = {POLICY_MAPS} if options.tls_policy or options.mta_sts else set()
    draft.parameters.update(options.all_parameters)
    draft.withdrawn_parameters = draft.withdrawal.parameters({*draft.parameters, *maps, *policies})
    draft.parameters = {**draft.withdrawn_parameters, **draft.parameters}


def _add_files(draft: Draft) -> None:
    declared = draft.options.files
    draft.files = [file.file(draft.instance, options) for options in [*draft.withdrawal.files(declared), *declared]]


def _add_tables(draft: Draft) -> None:
    """The tables, and the parameters that are to name them."""
    declared = draft.withdrawal.entries(draft.options.all_tables)
    maps: dict[str, list[str]] = {options.parameter: [] for options in declared if options.parameter}
    # The current values of these parameters no longer matter.
    settings = {**dict.fromkeys(maps, ""), **draft.parameters}
    for options in declared:
        # Even a declared one is for the table as it will be.
        own = {options.parameter: ""} if options.parameter else {}
        table = lookup_table.lookup_table(draft.instance, options, {**settings, **own})
        if options.parameter and options.state != "absent":
            maps[options.parameter].append(table.map)
        draft.tables.append(table)
    for parameter, names in maps.items():
        if parameter not in draft.options.all_parameters:
            draft.parameters[parameter] = ", ".join(names)
    draft.tables += draft.withdrawal.tables(declared, {**settings, **draft.parameters})


def _add_migrations(draft: Draft) -> None:
    """Replace what is deprecated, and tables of types that this Postfix has lost."""
    instance = draft.instance
    draft.migrated = migrations.migrations(instance.explicit, draft.parameters)
    draft.parameters.update(draft.migrated)
    if not lost_types(instance):
        return
    # Imported here, since most hosts have all table types that their configuration uses.
    from . import migrations as migrations_plan

    compiled = {change.path for table in draft.tables for change in table.plan.changes}
    declared = {**draft.parameters, **({} if draft.options.tls_policy is None else {POLICY_MAPS: ""})}
    retyped = migrations_plan.retyped_tables(instance, declared, draft.service_specs, compiled)
    draft.migrated = {**draft.migrated, **retyped.parameters}
    draft.parameters.update(retyped.parameters)
    draft.services = master_cf.planned_services(instance, [*retyped.services, *draft.service_specs])
    draft.retyped = _merged([*retyped.tables, Plan(warnings=retyped.warnings)])


def _add_policies(draft: Draft) -> None:
    """The table of TLS policies, which depends on the routes of all that is planned before it."""
    if draft.options.tls_policy is None:
        return
    proposal = _proposal(draft)
    with proposal.staged() as staged:
        postfix_cf.must_be_readable(proposal, staged)
        settings = {POLICY_MAPS: "", **draft.parameters}
        surroundings = Surroundings(draft.instance, staged, _texts(draft), settings)
        draft.policies = tls_policy.planned_policies(draft.options.tls_policy, surroundings)
    draft.parameters.setdefault(POLICY_MAPS, draft.policies.table.map)


def _add_mta_sts(draft: Draft) -> None:
    """Append a service of MTA-STS policies to the declared or, without one, the current value of smtp_tls_policy_maps."""
    service = draft.options.mta_sts
    if not service or POLICY_MAPS in draft.options.main_cf:
        return
    # Imported here, since most instances do not use MTA-STS.
    from .._model import mta_sts

    first = draft.parameters.get(POLICY_MAPS, draft.instance.explicit.get(POLICY_MAPS, ""))
    draft.parameters[POLICY_MAPS] = mta_sts.joined(first, mta_sts.policy_map(service, draft.instance.version))


def _add_tls_required(draft: Draft) -> None:
    """Let no sender bypass the levels and policies with the header ``TLS-Required: no``."""
    # Imported here, since only roles set the option.
    from . import tls_required

    if tls_required.PARAMETER not in draft.options.all_parameters and tls_required.must_be_disabled(_proposal(draft)):
        draft.parameters[tls_required.PARAMETER] = "no"
        draft.withdrawn_parameters.pop(tls_required.PARAMETER, None)


def _proposal(draft: Draft) -> Proposal:
    """What the draft declares of main.cf and master.cf."""
    options, policies = draft.options, draft.policies
    paths = [change.path for part in draft.parts() for change in part.changes if change.after is not None]
    tables = [table.plan for table in draft.tables] + ([] if policies is None else [policies.plan])
    return Proposal(
        draft.instance,
        draft.parameters,
        draft.services,
        options.checks,
        options.validate,
        standalone=False,
        created_files=frozenset([*paths, *map(os.path.dirname, paths)]),
        tables=PlannedTables(
            _texts(draft),
            any(plan.changes_something() for plan in tables),
            "" if policies is None else policies.table.map,
            () if policies is None else policies.keys,
        ),
        owner=options.owner or "",
    )


def _add_record(draft: Draft, plan: Plan) -> None:
    """Add to the plan the files that record what the owner declares, and what taking back its former declaration needs."""
    options, withdrawal = draft.options, draft.withdrawal
    if not options.owner:
        return
    overrides, tables = options.literal, options.all_tables
    paths = [table_path(draft.instance, table.path) for table in overrides.lookup_tables]
    services = [str(service["service"]) for service in overrides.master_cf]
    parameters = [*overrides.main_cf, *(table.parameter for table in overrides.lookup_tables if table.parameter)]
    written = WrittenParts(draft.instance, Literal(parameters, services, paths))
    written.add_parameters(_recorded_parameters(draft))
    written.add_services(list(map(service_spec, options.all_services)))
    for table, planned in zip(tables, draft.tables):
        written.add_table(table, planned)
    for declared in options.files:
        written.add_file(declared)
    plan.changes += stored_declaration(draft.instance, withdrawal.declared, withdrawal.recorded(options.owner, written))
    plan.afterwards += withdrawal.afterwards
    plan.warnings += withdrawal.warnings


def _recorded_parameters(draft: Draft) -> Mapping[str, str | None]:
    """The parameters that are declared, as main.cf has them."""
    left_out = {*draft.migrated, *draft.withdrawn_parameters}
    if not draft.options.mta_sts and POLICY_MAPS not in draft.options.literal.main_cf:
        left_out.add(POLICY_MAPS)
    declared = {name: value for name, value in draft.parameters.items() if name not in left_out}
    return parameters_for_version(draft.instance, main_cf.declared_parameters(declared))


def _texts(draft: Draft) -> dict[str, bytes]:
    """The new texts of tables, by path."""
    texts = {table.path: table.text for table in draft.tables if table.text is not None}
    return {**texts, **({} if draft.policies is None else draft.policies.texts)}


def _reported(draft: Draft, postfix: Plan) -> Plan:
    """The plan with the result of the module configuration."""
    instance, policies = draft.instance, draft.policies
    certificates = [deployment.reported(instance) for deployment in draft.certificates]
    bundle = None if draft.ca_bundle is None else draft.ca_bundle.reported(instance)
    plan = _merged([*draft.parts(), postfix])
    # Several parts may write the same file.
    changes = list({change.path: change for change in plan.changes}.values())
    plan.changes = [change for change in changes if change.after is not None]
    plan.changes += [change for change in changes if change.after is None]
    plan.renewals = [renewal for part in [*certificates, *filter(None, [bundle])] for renewal in part.renewals]
    plan.result = {
        "certificates": [part.result for part in certificates],
        "ca_bundle": bundle and bundle.result,
        "lookup_tables": [table.reported().result for table in draft.tables],
        "tls_policy": policies and policies.reported().result,
        **postfix.result,
        "installed": True,
        "running": instance.running(),
    }
    return plan


def _merged(parts: Sequence[Plan]) -> Plan:
    """One plan for several parts, without their results."""
    return Plan(
        changes=[change for part in parts for change in part.changes],
        requires=strongest(*(part.requires for part in parts if part.changes_something())),
        warnings=list(dict.fromkeys(warning for part in parts for warning in part.warnings)),
        afterwards=list(dict.fromkeys(command for part in parts for command in part.afterwards)),
        agreements=[agreement for part in parts for agreement in part.agreements],
    )
