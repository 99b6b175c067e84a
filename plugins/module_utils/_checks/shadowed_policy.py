# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS policies that Postfix does not use, because another table answers first. Private to mailops.postfix. Pure.

Postfix looks up a next hop in all tables of smtp_tls_policy_maps in their order, and uses the first answer (src/global/maps.c).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Collection, Dict, FrozenSet, Iterator, List, Optional, Tuple

from .._errors import GrammarError
from .._formats import tls_levels, tls_policy
from .._formats.master_cf import MasterEntry
from .._model.finding import Finding, Setting
from .._model.routing import Router, Unknown
from .routing import POLICY

CHECK = "shadowed_policy"

ASKED = 100
"""So many keys at most are looked up in a table that can't be listed: each look-up is a process."""


def shadowed_policies(router: Router, declared: Collection[str], table: str) -> Iterator[Finding]:
    """Declared policies that do not count, and others where a weaker one takes their place.

    :param declared: the keys of the policies that are declared.
    :param table: the table that has, or will have, them; empty without one.
    """
    seen = set()
    for side in ("smtp", "lmtp"):
        for service in router.configuration.of_command(side):
            name = f"{side}_tls_policy_maps"
            try:
                names = router.map_names(name, service)
            except Unknown:
                continue
            if tuple(names) not in seen and len(names) > 1:
                seen.add(tuple(names))
                setting = router.configuration.setting(name, service)
                own = next((other for other in names if other.partition(":")[2] == table.partition(":")[2]), "")
                yield from _by_listed(router, names, frozenset(declared), own, setting)
                yield from _by_others(router, names, declared, own, setting)


def unused_table(router: Router, declared: Collection[str], table: str) -> Iterator[Finding]:
    """A table with declared policies that no service uses."""
    path = table.partition(":")[2]
    services: List[Tuple[str, MasterEntry]] = [
        (side, service) for side in ("smtp", "lmtp") for service in router.configuration.of_command(side)
    ]
    for side, service in services:
        try:
            names = router.map_names(f"{side}_tls_policy_maps", service)
        except Unknown:
            return
        if any(name.partition(":")[2] == path for name in names):
            return
    if services and declared:
        value = router.configuration.value("smtp_tls_policy_maps") or ""
        yield Finding(
            CHECK,
            f"the TLS policies in {table}",
            f"smtp_tls_policy_maps = {value} does not name this table, so that Postfix uses none of them",
            f"Add {table} to smtp_tls_policy_maps, or leave the parameter out",
            router.configuration.where("smtp_tls_policy_maps"),
            frozenset([("main", "smtp_tls_policy_maps"), *((POLICY, key) for key in declared)]),
        )


def _by_listed(
    router: Router, names: List[str], declared: FrozenSet[str], own: str, setting: Setting
) -> Iterator[Finding]:
    first: Dict[str, Tuple[str, str]] = {}
    version = router.configuration.version
    for name in names:
        for key, value in (router.tables.entries(name) or {}).items():
            answer = first.setdefault(key.lower(), (value, name))
            is_declared = name == own and key.lower() in declared
            if answer[1] != name and _differs(answer[0], value, is_declared, version):
                yield _finding(key, value, name, *answer, setting)


def _by_others(
    router: Router, names: List[str], declared: Collection[str], own: str, setting: Setting
) -> Iterator[Finding]:
    """Declared policies that tables that can't be listed, such as services of policies, take the place of."""
    if not own or len(declared) > ASKED:
        return
    before = [name for name in names[: names.index(own)] if router.tables.entries(name) is None]
    policies = router.tables.entries(own) or {}
    for key in declared if before else ():
        try:
            answer = router.find(before, key)
        except Unknown:
            continue
        if answer and key in policies and _differs(answer[0], policies[key], True, router.configuration.version):
            yield _finding(key, policies[key], own, *answer, setting)


def _differs(first: str, value: str, declared: bool, version: Tuple[int, ...]) -> bool:
    """Whether the first answer makes a difference: any to a declared policy, a weaker one to others."""
    if first == value:
        return False
    one, other = _parsed(first, version), _parsed(value, version)
    if other is None or one == other:
        return False
    return declared or (one is not None and tls_levels.STRENGTH[one.level] < tls_levels.STRENGTH[other.level])


def _parsed(value: str, version: Tuple[int, ...]) -> Optional[tls_policy.Policy]:
    try:
        policy = tls_policy.parse("", value, version=version)
    except GrammarError:
        return None
    return replace(policy, match=tuple(sorted(policy.match)))


def _finding(key: str, value: str, name: str, first: str, before: str, setting: Setting) -> Finding:
    return Finding(
        CHECK,
        f"the TLS policy for {key}, '{value}', in {name}",
        f"{before} answers first, with '{first}', and Postfix uses the first answer",
        f"Remove {key} from {before}, or name {name} before it in {setting[1]}",
        settings=frozenset([setting, (POLICY, key.lower())]),
    )
