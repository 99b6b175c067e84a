# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of the words in smtpd(8)'s access restrictions. Private to mailops.postfix. Pure.

Source: postconf(5), SMTPD_ACCESS_README, src/smtpd/smtpd_check.c.
"""

from __future__ import annotations

from typing import Dict, FrozenSet, Iterator, Optional, Sequence, Tuple

from .._errors import did_you_mean
from .._formats.main_cf import braced_words, words
from .._formats.master_cf import MasterEntry
from .._model import parameters
from .._model.configuration import Configuration, shown
from .._model.finding import Finding
from .._model.relaying import LISTS
from .._model.restrictions import ACCESS_LISTS, NAMES, PLAIN, WITH_ARGUMENT, restrictions


def access_findings(configuration: Configuration) -> Iterator[Finding]:
    """The findings of this module."""
    yield from _unknown_restrictions(configuration)
    for service in configuration.of_command("smtpd"):
        if not configuration.is_on("smtpd_sasl_auth_enable", service):
            yield from _missing_auth(configuration, service)


def _classes(configuration: Configuration, service: Optional[MasterEntry]) -> Dict[str, str]:
    names = words(configuration.value("smtpd_restriction_classes", service) or "")
    return {name: configuration.value(name, service) or "" for name in names}


def _unknown_restrictions(configuration: Configuration) -> Iterator[Finding]:
    main_classes = set(_classes(configuration, None))
    for name, written, service in configuration.all_settings():
        parameter = parameters.find_parameter(name)
        classes = _classes(configuration, service) if service else dict.fromkeys(main_classes, "")
        if name not in classes and not (parameter and parameter.kind == "restriction list"):
            continue
        value = configuration.expanded(written, service)
        if value is None:
            continue
        for cause, remedy in _wrong_words(value, frozenset(classes)):
            yield Finding(
                "unknown_restriction",
                shown(name, written) + (f" in service {service.key}" if service else ""),
                cause,
                remedy,
                configuration.where(name, service),
                frozenset([configuration.setting(name, service)]),
            )


def _wrong_words(value: str, classes: FrozenSet[str]) -> Iterator[Tuple[str, str]]:
    elements = iter(braced_words(value))
    for word in elements:
        lower = word.lower()
        if lower in PLAIN or word in classes or ":" in word or word.startswith("{"):
            continue
        if WITH_ARGUMENT.fullmatch(lower):
            argument = next(elements, None)
            if argument is None:
                yield f"{word} has no argument", f"Write {word} and its argument"
            elif ACCESS_LISTS.fullmatch(lower) and ":" not in argument:
                yield (
                    f"{word} needs a table, and {argument!r} has no type",
                    f"Write {word} TYPE:/path/to/table, with a type of postconf -m",
                )
            continue
        hint = did_you_mean(lower, [*NAMES, *classes], cutoff=0.7)
        yield (
            f"{word!r} is not a valid restriction: smtpd(8) answers every client with a temporary error",
            f"{hint}A class of your own must be named in smtpd_restriction_classes",
        )


def _missing_auth(configuration: Configuration, service: MasterEntry) -> Iterator[Finding]:
    """A list of restrictions that no client passes any more, since its only way in is a login."""
    name = "smtpd_sasl_auth_enable"
    for listed in LISTS:
        if _admits_logins_only(braced_words(configuration.value(listed, service) or "")):
            yield Finding(
                "missing_auth",
                shown(listed, configuration.raw(service).get(listed, "")) + f" in service {service.key}",
                f"only authenticated clients pass, and {name} is not yes for this service: it rejects all clients",
                f"Write {name}: true among the options of {service.key}, as -o {name}=yes in master.cf",
                configuration.where(listed, service) or configuration.place(service),
                configuration.settings_of(service, listed, name),
                standalone=True,
            )


def _admits_logins_only(elements: Sequence[str]) -> bool:
    """Whether permit_sasl_authenticated is all that comes before reject, but for what rejects some clients."""
    admits = False
    for restriction in restrictions(elements):
        if restriction.name in ("reject", "defer") and not restriction.warns_only:
            return admits
        if restriction.name == "permit_sasl_authenticated":
            admits = True
        elif not restriction.name.startswith("reject_"):
            return False
    return False
