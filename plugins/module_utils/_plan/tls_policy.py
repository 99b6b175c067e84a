# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: the TLS policy table. Private to mailops.postfix.

Policies become the entries of a lookup table; what a host would not enforce is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Mapping, Sequence

from .._errors import GrammarError
from .._formats import lookup_table, lookup_table_edit, tls_policy_spec
from .._formats.lines import to_bytes, to_text
from .._formats.tls_policy import Policy, is_postfix_hostname, parse, to_declaration
from .._host.instance import Instance
from . import lookup_table as lookup_table_plan
from .lookup_table import PlannedTable
from .plan import Plan, declared_attributes, strongest
from .policy_keys import PolicyKeys, Surroundings
from .policy_limits import PolicyLimits, policy_refusal
from .policy_options import PolicyOptions, PolicyTableOptions
from .table_file import Table
from .table_references import choose_type, table_path


@dataclass(frozen=True)
class PlannedPolicies:
    """What becomes of the table of policies, and of the transport tables that get routes."""

    table: PlannedTable
    transports: Sequence[PlannedTable]
    keys: Sequence[str]
    """The keys of the policies that are declared."""
    policies: Sequence[Policy]
    """All policies that the table will have."""
    warnings: Sequence[str]

    @property
    def texts(self) -> dict[str, bytes]:
        """The new texts of tables, by path."""
        return {table.path: table.text for table in [self.table, *self.transports] if table.text is not None}

    @property
    def plan(self) -> Plan:
        """The plan for all these tables."""
        plans = [table.plan for table in [self.table, *self.transports]]
        return Plan(
            changes=[change for plan in plans for change in plan.changes],
            requires=strongest(*(plan.requires for plan in plans)),
            warnings=list(self.warnings),
        )

    def reported(self) -> Plan:
        """The plan with the result of the module tls_policy."""
        policies = [to_declaration(policy) for policy in self.policies]
        return replace(self.plan, result={"map": self.table.map, "policies": policies})


def planned_policies(options: PolicyTableOptions, surroundings: Surroundings) -> PlannedPolicies:
    """What becomes of the table, not judged with the routes yet."""
    instance = surroundings.instance
    path = table_path(instance, options.path or "tls_policy")
    table = Table(instance, path, choose_type(instance, options.type), surroundings.settings)
    keys = PolicyKeys(surroundings, table.map)
    limits = PolicyLimits(instance, surroundings.staged)
    wanted = _wanted(instance, options.policies, keys, limits.digest)
    declared = [policy for policy in wanted.values() if policy is not None]
    for policy in declared:
        limits.refuse(policy)
    attributes = declared_attributes(path, options.owner, options.group, options.mode)

    def edit(table: Table, text: bytes) -> bytes:
        return _edit_policies(table, text, wanted, options.exclusive)

    planned_table = lookup_table_plan.edited_table(replace(table, attributes=attributes), edit)
    declared_keys = dict.fromkeys(nexthop.lower() for nexthop in wanted)
    policies = _policies(table, planned_table.text or b"")
    others = [policy for policy in policies if policy.nexthop.lower() not in declared_keys]
    return PlannedPolicies(
        planned_table,
        keys.tables(),
        list(declared_keys),
        policies,
        warnings=[
            *(text for policy in declared for text in tls_policy_spec.policy_warnings(policy)),
            *(text for policy in others for text in limits.doubts(policy, path)),
        ],
    )


def _wanted(
    instance: Instance, declared: Sequence[PolicyOptions], keys: PolicyKeys, digest: str
) -> dict[str, Policy | None]:
    """The policies that are declared, by key; None removes one."""
    keys.route_directly(_domain(options) for options in declared if options.route == "direct" and options.present)
    result: dict[str, Policy | None] = {}
    known = set()
    for options in declared:
        for nexthop, policy in _declared_policies(_with_pins(instance, options, digest), keys):
            if nexthop.lower() in known:
                raise policy_refusal(nexthop, "it is declared twice", "Keep one of the two")
            known.add(nexthop.lower())
            result[nexthop] = policy
    return result


def _with_pins(instance: Instance, declared: PolicyOptions, digest: str) -> PolicyOptions:
    """A declaration with its pins among what is to match."""
    if not declared.pins:
        return declared
    where = str(declared.nexthop or declared.domain or declared.host)
    if declared.level != "fingerprint":
        raise policy_refusal(
            where,
            f"pins count at level fingerprint alone, this is {declared.level}",
            "Choose level fingerprint, or leave the pins out",
        )
    # Imported here, since few policies have pins.
    from . import pins as pins_plan

    fingerprints = pins_plan.pinned_fingerprints(instance, declared.pins, digest, where)
    return replace(declared, match=[*(declared.match or []), *fingerprints], pins=[])


def _declared_policies(declared: PolicyOptions, keys: PolicyKeys) -> list[tuple[str, Policy | None]]:
    """The keys and policies of one declaration: several for a domain with several next hops."""
    domain = _domain(declared)
    if domain:
        names = keys.keys(domain, declared.route == "direct", declared.present)
    elif declared.host:
        names = keys.keys_of_host(declared.host.rstrip(".").lower(), declared.present)
    else:
        names = [declared.nexthop or ""]
        tls_policy_spec.check_nexthop(names[0])
    if not declared.present:
        return [(name, None) for name in names]
    attributes = {item.name: getattr(declared, item.name) for item in fields(Policy) if hasattr(declared, item.name)}
    return [(name, tls_policy_spec.from_declaration({**attributes, "nexthop": name})) for name in names]


def _domain(declared: PolicyOptions) -> str:
    """The domain of a declaration; empty without one."""
    domain = (declared.domain or "").rstrip(".").lower()
    if declared.domain and not is_postfix_hostname(domain):
        raise policy_refusal(repr(domain), "it is not a valid domain", "Declare a next hop with nexthop")
    return domain


def _edit_policies(table: Table, text: bytes, wanted: Mapping[str, Policy | None], exclusive: bool) -> bytes:
    """The text with the wanted policies; an entry that says the same in other words stays as it is."""
    present = lookup_table.contents(text, table.type, table.utf8)
    declared: dict[str, str | None] = {}
    for nexthop, policy in wanted.items():
        old = present.get(lookup_table.fold(to_bytes(nexthop), table.type, table.utf8))
        text_of_policy = None if policy is None else tls_policy_spec.render(policy, table.instance.version)
        if text_of_policy and old and _says(nexthop, old) == _says(nexthop, to_bytes(text_of_policy)):
            text_of_policy = to_text(old)
        declared[nexthop] = text_of_policy
    entries = lookup_table_edit.declaration(declared, table.type, table.utf8)
    return lookup_table_edit.edit_table(text, entries, table.type, exclusive, table.utf8)


def _says(nexthop: str, value: bytes) -> Policy | None:
    try:
        policy = parse(nexthop, to_text(value))
    except GrammarError:
        return None
    return replace(policy, match=tuple(sorted(policy.match)))


def _policies(table: Table, text: bytes) -> list[Policy]:
    """The policies of a table.

    :raises GrammarError: for an entry that Postfix would take for wrong, and mail would wait for.
    """
    result = []
    for entry in lookup_table.table_entries(text, table.type):
        key, where = to_text(entry.key), f"{table.path}:{entry.line.number}"
        try:
            result.append(parse(key, to_text(entry.value), where, table.instance.version))
        except GrammarError as error:
            remedy = error.remedy or f"Mail to {key} waits for it. Declare its policy again, or with state: absent"
            raise GrammarError(error.action, error.subject, error.cause, remedy) from None
    return result
