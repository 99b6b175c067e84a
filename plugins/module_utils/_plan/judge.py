# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judgement on a planned configuration. Private to mailops.postfix.

All checks look at the configuration before and after; what follows from a finding is for finding to say. This file, and what it
imports, is loaded only when something changes.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Callable, Collection, Iterable, Iterator, Mapping

from .._checks import access, relaying, tls
from .._checks import files as files_checks
from .._checks import master_cf as master_cf_checks
from .._checks import values as values_checks
from .._errors import DeclarationError, HostError
from .._formats.main_cf import words
from .._formats.master_cf import service_identity
from .._host.instance import Instance
from .._host.system import Host
from .._model import finding, parts
from .._model.configuration import Configuration, configuration_of, shown
from .._model.finding import Finding, Setting
from .access import AccessTables
from .proposal import PlannedTables, Proposal

_UNDEFINED = re.compile(r"undefined parameter: (\S+)")

# Without one of these in a file no service relies on a resolver that validates, nor on a service of TLS policies.
_RELIES = re.compile(b"dane|tls_policy_maps")


def judge_values(proposal: Proposal, staged: Instance) -> list[str]:
    """Refuse what our checks find wrong with a change; return what to warn of.

    :raises DeclarationError: with everything that is wrong.
    """
    instance, host, defaults = proposal.instance, Host(), staged.defaults
    types = _map_types(staged)
    after = configuration_of(instance, staged, map_types=types, created_files=proposal.created_files)
    # What Postfix can't read now is about to be corrected: its previous state is unknown, and counts as no better.
    before = configuration_of(instance, map_types=types) if instance.is_readable() else after
    dependencies = _dependencies(staged)
    present = AccessTables(instance)
    tables = AccessTables(instance, proposal.tables.texts, present)
    kept = _used_settings(before, instance) - proposal.settings if before is not after else frozenset()
    by_check = [list(findings) for findings in _all(after, host, staged, defaults, dependencies, tables, kept)]
    found = [problem for findings in by_check for problem in findings]
    found += master_cf_checks.port_findings(after, host, before)
    found += tls.override_findings(after, proposal.settings)
    found += _key_problems(instance, before, after, proposal.settings)
    known = found
    if before is not after:
        # Only the checks that find something now are made of the previous state.
        previous = zip(by_check, _all(before, host, instance, defaults, dependencies, present))
        known = [problem for now, findings in previous if now for problem in findings]
        known += [_renamed(problem, old, new) for old, new in _new_names(before, after) for problem in known]
    return _classified(proposal, known, found)


def judge_postfix_check(proposal: Proposal, staged: Instance) -> list[str]:
    """Refuse what ``postfix check`` reports about a change; return what to warn of.

    :raises DeclarationError: with everything that is wrong.
    """
    found = list(_postfix_check_findings(proposal, staged))
    # A generator: it runs only where there is something to compare with.
    known = _postfix_check_findings(proposal, proposal.instance)
    return _classified(proposal, known, found) if found else []


def judge_dependencies(proposal: Proposal) -> list[str]:
    """The same for a configuration that stays as it is: what it relies on dependencies Postfix may have changed.

    :raises DeclarationError: with everything that is wrong.
    """
    from .dependencies import Dependencies

    found = Dependencies(proposal.instance).problems(configuration_of(proposal.instance))
    mine = [problem for problem in found if problem.settings & proposal.settings]
    return _classified(replace(proposal, standalone=False), (), mine)


def judge_others(proposal: Proposal, names: Collection[str]) -> list[str]:
    """Refuse what others have made wrong in a configuration that stays as it is; return what to warn of.

    :param names: the parts that they have changed (:mod:`_model.parts`).
    :raises DeclarationError: with everything that is wrong.
    """
    if not proposal.validate:
        return []
    instance = proposal.instance
    configuration = configuration_of(instance, map_types=_map_types(instance))
    settings = parts.settings_of_parts(configuration, names)
    dependencies = _dependencies(instance)
    checks = _all(configuration, Host(), instance, instance.defaults, dependencies, AccessTables(instance))
    found = [problem for findings in checks for problem in findings]
    found += _key_problems(instance, configuration, configuration, settings)
    found += tls.override_findings(configuration, proposal.settings)
    found = [problem for problem in found if problem.settings & settings]
    found += [problem for problem in _postfix_check_findings(proposal, instance) if problem.check == "postfix_check"]
    warnings = _classified(replace(proposal, standalone=False), (), found)
    # Imported here, since a change is judged without it.
    from .tables import judge_routes

    return [*warnings, *judge_routes(instance, instance, PlannedTables(), proposal.checks, settings)]


def _dependencies(instance: Instance) -> Callable[[Configuration], Iterable[Finding]] | None:
    """Checks what an instance relies on outside Postfix; None if it relies on nothing."""
    if not _RELIES.search(instance.main_cf + instance.master_cf):
        return None
    # Here and below, what few changes need is imported where it is needed.
    from .dependencies import Dependencies

    return Dependencies(instance).problems


def _classified(proposal: Proposal, known: Iterable[Finding], found: Iterable[Finding]) -> list[str]:
    """What to warn of, of what is found after a change and was known before it.

    :raises DeclarationError: with the errors.
    """
    errors, warnings = finding.classify(known, found, proposal.settings, proposal.checks, proposal.standalone)
    finding.raise_errors(errors)
    return [str(problem) for problem in warnings]


def refuse_unreadable(proposal: Proposal, staged: Instance) -> None:
    """Refuse a configuration that postconf(1) can't read, with the reason that our checks find, or else with that of postconf(1).

    :raises PostfixError: always.
    """
    instance = proposal.instance
    # postconf(1) prints no values of a configuration that it can't read.
    parameters = instance.parameters if instance.is_readable() else staged.defaults
    configuration = configuration_of(instance, staged, {**parameters, **staged.explicit})
    finding.raise_errors(list(values_checks.dollar_findings(configuration)))
    found = [*values_checks.value_findings(configuration), *master_cf_checks.master_cf_findings(configuration, Host())]
    finding.raise_errors([problem for problem in found if problem.settings & proposal.settings])
    staged.must_be_readable()


def _new_names(before: Configuration, after: Configuration) -> list[tuple[str, str]]:
    """The services that are called otherwise after the change, such as smtps/inet, which is submissions/inet too: old and new name."""
    old = {service_identity(service): service.key for service in before.services}
    new = {service_identity(service): service.key for service in after.services}
    return [(old[one], new[one]) for one in old if one in new and old[one] != new[one]]


def _renamed(problem: Finding, old: str, new: str) -> Finding:
    subject, cause = (text.replace(f"service {old}", f"service {new}") for text in (problem.subject, problem.cause))
    return replace(problem, subject=subject, cause=cause)


def _used_settings(configuration: Configuration, instance: Instance) -> frozenset[Setting]:
    """What the files of a configuration set, without the names that Postfix does not use."""
    unused = frozenset(instance.unused)
    return frozenset(
        configuration.setting(name, service)
        for name, _value, service in configuration.all_settings()
        if ("master" if service else "main", name) not in unused
    )


def _map_types(staged: Instance) -> frozenset[str]:
    """Empty if postconf -m refuses to start with this configuration, as postfix check will say."""
    try:
        return staged.map_types
    except HostError:
        return frozenset()


def _all(
    configuration: Configuration,
    host: Host,
    of: Instance,
    defaults: Mapping[str, str],
    dependencies: Callable[[Configuration], Iterable[Finding]] | None,
    tables: AccessTables,
    kept: frozenset[Setting] = frozenset(),
) -> Iterator[Iterable[Finding]]:
    """The checks, each as the findings that it makes when it is iterated over.

    :param dependencies: checks what the configuration relies on outside Postfix, if it does.
    :param kept: settings that were used before, and are not declared.
    """
    yield values_checks.unknown_names(configuration, of.unused, defaults, kept)
    yield values_checks.undefined_names(configuration, _UNDEFINED.findall(of.complaints))
    yield values_checks.value_findings(configuration, None, defaults, host)
    yield access.access_findings(configuration)
    yield relaying.relaying_findings(configuration, tables)
    yield tls.tls_findings(configuration)
    yield master_cf_checks.master_cf_findings(configuration, host)
    yield files_checks.file_findings(configuration, host)
    yield _server_names(configuration, of)
    if dependencies is not None:
        from .._checks import dane

        yield dane.dane_findings(configuration)
        yield dependencies(configuration)


def _server_names(configuration: Configuration, of: Instance) -> Iterable[Finding]:
    if b"tls_server_sni_maps" not in configuration.main_cf + configuration.master_cf:
        return ()
    from . import server_names

    return server_names.server_name_findings(configuration, of)


def _postfix_check_findings(proposal: Proposal, texts: Instance) -> Iterator[Finding]:
    instance = proposal.instance
    failure, complaints = instance.postfix_check(texts.main_cf, texts.master_cf, proposal.standalone)
    where = instance.config_directory
    if failure:
        yield Finding("postfix_check", where, f"postfix check refuses it: {failure}", "Postfix would not start with it")
    for complaint in sorted(complaints):
        yield Finding("postfix_complaint", where, f"postfix check says: {complaint}", "Correct that first")


# Keys and certificates: openssl looks at the key


_PAIRS = (("tls_cert_file", "tls_key_file"), ("tls_eccert_file", "tls_eckey_file"))


def _key_problems(
    instance: Instance, before: Configuration, after: Configuration, declared: frozenset[Setting]
) -> list[Finding]:
    result: list[Finding] = []
    for service in (None, *after.services):
        for prefix in ("smtpd", "smtp", "lmtp"):
            chain = f"{prefix}_tls_chain_files"
            pairs = [(f"{prefix}_{one}", f"{prefix}_{other}") for one, other in _PAIRS]
            for names in [(chain,), *pairs] if not after.value(chain, service) else [(chain,)]:
                if service is not None and not any(name in service.effective_options for name in names):
                    continue
                values = [after.value(name, service) for name in names]
                if not any(values):
                    continue
                settings = after.settings_of(service, *names)
                same = values == [before.value(name, service) for name in names]
                if same and not settings & declared:
                    continue
                raw = after.raw(service)
                subject = " with ".join(shown(name, raw.get(name, "")) for name in names if raw.get(name))
                for check, cause, remedy in _pair_reasons(instance, after, [value or "" for value in values]):
                    result.append(Finding(check, subject, cause, remedy, after.where(names[0], service), settings))
    return result


def _pair_reasons(instance: Instance, after: Configuration, values: list[str]) -> Iterator[files_checks.Reason]:
    from .._host import openssl

    chain = len(values) == 1
    files = words(values[0]) if chain else [values[0], values[1] or values[0]]
    if any(path in after.created_files or not os.path.isfile(path) for path in files):
        return  # made by this very transaction and checked by its plan, or missing, which is another finding
    try:
        if not chain:
            certificate, key = files
            leaf = openssl.read_chain(instance, certificate, "")[0]
            if leaf.public_key != openssl.read_key(instance, key, ""):
                yield (
                    "key_mismatch",
                    f"the private key in {key} does not belong to {certificate}",
                    "Name the two of one pair",
                )
            return
        yield from _chain_reasons(instance, files)
    except (DeclarationError, HostError) as error:
        yield "wrong_file", f"{error.subject}: {error.cause}", error.remedy


def _chain_reasons(instance: Instance, files: list[str]) -> Iterator[files_checks.Reason]:
    """Each key must come before the certificate it belongs to, in one file or over several."""
    from .._host import openssl

    key = keyfile = ""
    public = b""
    for path in files:
        for block in openssl.outline(instance, path) or []:
            if block.is_private_key:
                key, keyfile = block.label, path
                public = openssl.read_key(instance, path, "")
            elif block.is_certificate and key:
                leaf = openssl.read_chain(instance, path, "")[0]
                if leaf.public_key != public:
                    yield (
                        "key_mismatch",
                        f"the private key in {keyfile} does not belong to the first certificate in {path}",
                        "Name the key first, then the chain that was issued for it",
                    )
                key = ""
            elif block.is_certificate and not keyfile:
                yield (
                    "wrong_file",
                    f"{path} starts with a certificate, and Postfix wants the key first",
                    "Put the key first",
                )
                return
    if not keyfile:
        yield "wrong_file", f"{' and '.join(files)} holds no private key", "Name the key first, then its chain"
    elif key:
        yield "wrong_file", f"the private key in {keyfile} has no certificate behind it", "Name its chain behind it"
