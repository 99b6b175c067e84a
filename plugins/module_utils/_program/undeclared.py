# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Forgets the specifications of renewals that runs of the module configuration no longer declare. Private to mailops.postfix.

A certificate must be renewed as long as Postfix serves it, declared or not. So a specification is removed only if main.cf, master.cf and the table
of server names, as they will be, do not name its file.

* A role declares all renewals of its instance in one call. It forgets what earlier runs of a role have stored.
* The module without a role may be called several times, each time with a part of the renewals. It forgets what it puts out of use, and what
  has no source any more.
* What the modules certificate and ca_bundle have stored belongs to them (:mod:`renewals`).
"""

from __future__ import annotations

import os
from typing import Any, Mapping

from .._errors import PostfixError
from .._formats import main_cf
from .._formats.main_cf import words
from .._host.instance import Instance
from .._model.configuration import Configuration
from .._plan import certificate_standalone, sni
from .._plan.ca_bundle_options import CaBundleOptions
from .._plan.plan import Change, Plan, RenewalKind
from . import renewals, specifications
from .renewals import Declarer
from .specifications import RenewalSpec

_SNI = "tls_server_sni_maps"


def with_former(instance: Instance, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options of the module configuration, with ``former_certificates``: those that its role has stored, declared or not."""
    by = renewals.declarer("configuration", options)
    if not by.is_role or by.joins:
        return options
    stored = specifications.stored_for(instance, RenewalKind.CERTIFICATE)
    return {**options, "former_certificates": [spec.options for spec in stored if _is_ours(spec, by)]}


def forget(instance: Instance, plan: Plan, options: Mapping[str, Any]) -> None:
    """Add to a plan of the module configuration the removal of the specifications that it forgets.

    :param plan: the plan with all files of Postfix that it changes.
    """
    by = renewals.declarer("configuration", options)
    if by.joins:
        return  # an earlier call of the same play may have declared them
    declared = {renewals.spec_path(instance, renewal) for renewal in plan.renewals}
    found = [
        spec
        for kind in RenewalKind
        for spec in specifications.stored_for(instance, kind)
        if spec.path not in declared and _is_ours(spec, by)
    ]
    if found:
        after = _named_files(instance, {change.path: change.after for change in plan.changes})
        found = [spec for spec in found if not after & _used_files(instance, spec)]
    if found and not by.is_role:
        before = _named_files(instance, {})
        found = [spec for spec in found if before & _used_files(instance, spec) or lost_sources(instance, spec)]
    plan.changes += [Change(spec.path, None, instance.read(spec.path)) for spec in found]


def lost_sources(instance: Instance, spec: RenewalSpec) -> list[str]:
    """The files from which a renewal is made, as far as they do not exist."""
    return [path for path in _sources(instance, spec) if not os.path.exists(path)]


def _is_ours(spec: RenewalSpec, by: Declarer) -> bool:
    """Whether a run may forget a specification. An instance has one role, so that a specification of another one is of its former role."""
    if by.is_role:
        return spec.declared_by.startswith(renewals.ROLE)
    return spec.declared_by == by.name


def _sources(instance: Instance, spec: RenewalSpec) -> list[str]:
    if spec.kind is RenewalKind.CA_BUNDLE:
        return [instance.path(path) for path in spec.options.get("extra") or []]
    source = certificate_standalone.source(instance, spec.options)
    return [source.private_key, source.certificate]


# What Postfix uses


def _used_files(instance: Instance, spec: RenewalSpec) -> set[str]:
    """The files of a renewal that Postfix uses."""
    if spec.kind is RenewalKind.CA_BUNDLE:
        path = instance.path(CaBundleOptions.from_declaration(spec.options).destination)
    else:
        try:
            path = certificate_standalone.served_file(instance, spec.options)
        except PostfixError:  # other users can write to the directory of the chain file
            path = instance.path(spec.options.get("chain_file") or "")
    return {os.path.realpath(path)}


def _named_files(instance: Instance, changed: Mapping[str, Any]) -> set[str]:
    """The paths in main.cf, in master.cf and in the table of server names, and other words.

    :param changed: the new contents of files, by path.
    """

    def text_of(path: str) -> bytes:
        text = changed.get(path)
        return text if isinstance(text, bytes) else instance.read(path) or b""

    main_path, master_path = instance.path("main.cf"), instance.path("master.cf")
    explicit = {entry.name: entry.value for entry in main_cf.main_entries(text_of(main_path), main_path)}
    parameters = {**instance.parameters, **explicit, "config_directory": instance.config_directory}
    configuration = Configuration(
        parameters, text_of(main_path), text_of(master_path), main_path, master_path, instance.version, frozenset()
    )
    found: set[str] = set()
    for name, value, service in configuration.all_settings():
        expanded = words(configuration.expanded(value, service) or value)
        found.update(expanded)
        if name == _SNI:
            texts = [text_of(word.partition(":")[2]) for word in expanded if ":/" in word]
            found.update(file for text in texts for files in sni.files_by_name(text, "hash").values() for file in files)
    return {os.path.realpath(word) for word in found}
