# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: main.cf and master.cf. Private to mailops.postfix.

The after is always edit(before, declaration), judged by the host's own postconf(1) on a staged copy.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Any, Collection, Mapping

from .._errors import DeclarationError
from .._formats import macros
from .._formats import main_cf as main_cf_format
from .._formats import master_cf as master_cf_format
from .._formats.lines import to_text
from .._host.instance import Instance
from .._model import secrets
from .plan import Change, Plan, strongest
from .proposal import Proposal

_TLS_FILE = re.compile(r"_(tls_)?(CAfile|(ec|d)?(cert|key)_file|chain_files)$")

# Values by which Postfix relies on what is outside it: a resolver that validates, a service of TLS policies.
_RELIES = re.compile(r"\bdane\b|\b(socketmap|tcp):")

# Without one of these in a file there is no level or policy that mail could bypass, and no password that it could disclose.
_POLICIES = re.compile(
    b"tls_policy_maps|tls_required_enable|sasl_password_maps|:(465|smtps|submissions)|smtp_tls_wrappermode|transport_maps|sender_dep"
)


def plan(proposal: Proposal) -> Plan:
    """Both files, with the result for the user."""
    instance, services = proposal.instance, proposal.services
    if proposal.checks:
        # Here and below, modules are imported where they are used: a run that changes nothing does not pay for them.
        from .._model import finding

        finding.severities(proposal.checks)
    with proposal.staged() as staged:
        warnings = _judged(proposal, staged) if staged is instance else _judged_change(proposal, staged)
        warnings += _judged_reachability(proposal, staged)
        requires = _requires(instance, staged)
        parameter_changes = _parameter_changes(staged, proposal) if proposal.parameters else {}
        names = instance.secrets.names | staged.secrets.names
    result: dict[str, Any] = {}
    changes = []
    if services.declared:
        result["services"] = {key: _shown_service(change, names) for key, change in services.changes.items()}
        before, after = to_text(instance.master_cf), to_text(services.master_cf)
        shown = secrets.shown_master_cf(before, names), secrets.shown_master_cf(after, names, before)
        change = Change(instance.path("master.cf"), services.master_cf, instance.read("master.cf"))
        changes.append(change if shown == (before, after) else replace(change, shown=shown))
    if proposal.parameters:
        result["parameters"] = parameter_changes
        change = Change(instance.path("main.cf"), proposal.main_cf, instance.main_cf)
        texts = (
            secrets.shown_main_cf(instance.main_cf, names),
            secrets.shown_main_cf(proposal.main_cf, names, instance.main_cf),
        )
        same = texts == (instance.main_cf, proposal.main_cf)
        changes.append(change if same else replace(change, shown=(to_text(texts[0]), to_text(texts[1]))))
    return Plan(changes, result, requires, warnings)


def _judged(proposal: Proposal, staged: Instance) -> list[str]:
    """Refuse what is wrong where the texts stay as they are; return warnings.

    Only what may be gone is looked for, files, and what Postfix relies on outside itself, and the routes of tables that change.
    """
    if not proposal.validate:
        return []
    warnings = _missing_files(proposal)
    instance, services = proposal.instance, proposal.services.declared
    values = [*proposal.parameters.values(), *(value for service in services for value in service.options.values())]
    if any(value and _RELIES.search(value) for value in values):
        from . import judge

        warnings += judge.judge_dependencies(proposal)
    if proposal.tables.change:
        from . import access

        texts, declared = proposal.tables.texts, proposal.settings
        warnings += access.judge_access(instance, texts, proposal.checks, declared, proposal.standalone)
        warnings += _judged_routes(proposal, staged)
    return warnings


def _judged_change(proposal: Proposal, staged: Instance) -> list[str]:
    """Refuse what is wrong with other texts; return warnings."""
    instance = proposal.instance
    # In the background, while the checks are loaded.
    instance.begin("parameters")
    staged.begin("parameters", "map_types", "defaults")
    if not proposal.validate:
        must_be_readable(proposal, staged)
        return []
    # A single module need not do what configuration does for all at once: it is as slow as all else together.
    instance.begin_postfix_check(staged.main_cf, staged.master_cf, standalone=proposal.standalone)
    from . import judge

    must_be_readable(proposal, staged)
    warnings = [*judge.judge_values(proposal, staged), *_judged_routes(proposal, staged)]
    return [*warnings, *judge.judge_postfix_check(proposal, staged)]


def _judged_reachability(proposal: Proposal, staged: Instance) -> list[str]:
    """Refuse a relay that no other host can reach, whether or not anything changes; return warnings."""
    if not proposal.owner or not proposal.validate:
        return []
    from .._checks import reachability
    from .._host.system import Host
    from .._model import finding
    from .._model.configuration import configuration_of

    configuration = configuration_of(proposal.instance, staged)
    found = reachability.reachability_findings(configuration, Host(), proposal.owner)
    errors, warnings = finding.classify((), found, frozenset(), proposal.checks, standalone=False)
    finding.raise_errors(errors)
    return [str(problem) for problem in warnings]


def must_be_readable(proposal: Proposal, staged: Instance) -> None:
    """Refuse what Postfix can't even read, for the reason that our checks or else postconf(1) find.

    :raises PostfixError: if postconf(1) fails for the staged instance.
    """
    if not staged.is_readable():
        from . import judge

        judge.refuse_unreadable(proposal, staged)


def _judged_routes(proposal: Proposal, staged: Instance) -> list[str]:
    """Refuse what lets mail past a TLS policy; return warnings."""
    if not proposal.tables.policy_table and not _POLICIES.search(staged.main_cf + staged.master_cf):
        return []
    from . import tables

    try:
        return tables.judge_routes(
            proposal.instance, staged, proposal.tables, proposal.checks, proposal.settings, proposal.standalone
        )
    except DeclarationError as error:
        if proposal.owner and "[password_without_tls]" in error.remedy:
            variables = f"{proposal.owner}_tls_policies or {proposal.owner}_main_cf"
            error.remedy += f"\nThe variables of the role are {variables}"
        raise


def _missing_files(proposal: Proposal) -> list[str]:
    parameters, severity = proposal.parameters, proposal.checks.get("missing_file", "error")
    gone = [
        (name, path)
        for name, value in parameters.items()
        if value and _TLS_FILE.search(name)
        for path in main_cf_format.words(value)
        if path.startswith("/") and "$" not in path and path not in proposal.created_files and not os.path.exists(path)
    ]
    for name, path in gone:
        if severity == "error":
            remedy = "Create it first: Postfix would work without TLS [missing_file]"
            raise DeclarationError("setting", f"{name} = {parameters[name]}", f"there is no file {path}", remedy)
    return [f"{name}: there is no file {path} [missing_file]" for name, path in gone if severity == "warning"]


def _requires(instance: Instance, staged: Instance) -> str:
    """What the running Postfix needs: nothing where no effective value changes."""
    if staged is instance:
        return "none"
    if not instance.is_readable():
        return "restart"  # how it was is not known
    from .._model import parameters as parameters_model

    before, after = _values(instance), _values(staged)
    needs = [
        "reload"
        if name.endswith("_CApath") and not _is_copied(name, after, staged)
        else parameters_model.requires(name)
        for name in _affected(before, after)
        if name in instance.parameters and _expanded(name, before) != _expanded(name, after)
    ]
    # Parameters that users define themselves are not among postconf's; their values work through others.
    if _user_defined(instance) != _user_defined(staged) or instance.master_cf != staged.master_cf:
        needs.append("reload")
    return strongest("none", *needs)


def _is_copied(name: str, after: Mapping[str, str], staged: Instance) -> bool:
    """Whether a directory of CAs is copied into a chroot when Postfix starts: it is used, by a service in the chroot."""
    if not _expanded(name, after):
        return False
    programs = (name.partition("_tls_")[0], "tlsproxy")
    services = master_cf_format.master_entries(staged.master_cf, staged.path("master.cf"))
    return any(staged.chrooted(service.key) for service in services if service.column("command") in programs)


def _values(instance: Instance) -> dict[str, str]:
    """All values, those of names that users define included; where the configuration stands makes no difference."""
    return {**instance.explicit, **instance.parameters, "config_directory": ""}


def _affected(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    """The parameters whose values change, and those whose values refer to one of them, directly or not."""
    found = {name for name in {**before, **after} if before.get(name) != after.get(name)}
    more = found
    while more:
        refers = re.compile(rf"\$[({{]?(?:{'|'.join(map(re.escape, sorted(more)))})\b")
        more = {name for name, value in after.items() if name not in found and refers.search(value)}
        found = found | more
    return found


def _expanded(name: str, values: Mapping[str, str]) -> str:
    found = macros.expanded(values.get(name, ""), values)
    return values[name] if found is None else found


def _user_defined(instance: Instance) -> dict[str, str]:
    return {name: value for name, value in instance.explicit.items() if name not in instance.parameters}


def _parameter_changes(staged: Instance, proposal: Proposal) -> dict[str, dict[str, str | None]]:
    old, new = proposal.instance.explicit, staged.explicit
    names = proposal.instance.secrets.names | staged.secrets.names
    return {
        name: {
            "before": _shown(name, old.get(name), None, names),
            "after": _shown(name, new.get(name), old.get(name), names),
        }
        for name in proposal.parameters
        if old.get(name) != new.get(name)
    }


def _shown(name: str, value: str | None, before: str | None, names: Collection[str]) -> str | None:
    return None if value is None else secrets.shown_value(name, value, before, names)


def _shown_service(change: Mapping[str, str | None], names: Collection[str]) -> dict[str, str | None]:
    before, after = change["before"], change["after"]
    return {
        "before": None if before is None else secrets.shown_master_cf(before, names),
        "after": None if after is None else secrets.shown_master_cf(after, names, before or ""),
    }
