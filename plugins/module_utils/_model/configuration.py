# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration as the daemons read it: main.cf with each service's overrides. Private to mailops.postfix. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Dict, FrozenSet, Iterator, List, Mapping, Optional, Protocol, Tuple

from .._formats import macros
from .._formats import main_cf as main_cf_format
from .._formats import master_cf as master_cf_format
from .._formats.main_cf import words
from .finding import Setting
from .secrets import shown_value

MAIN = "main"


@dataclass(frozen=True)
class Configuration:
    """main.cf and master.cf, with the values from postconf(1)."""

    parameters: Mapping[str, str]
    """Effective values as postconf(1) prints them, defaults included."""
    main_cf: bytes
    master_cf: bytes
    main_path: str
    master_path: str
    version: Tuple[int, ...]
    map_types: FrozenSet[str]
    created_files: FrozenSet[str] = field(default=frozenset())
    """Files that the same transaction creates."""
    main_entries: Optional[Mapping[str, main_cf_format.MainEntry]] = None
    """The settings of main.cf, if its text has been parsed before."""

    @cached_property
    def entries(self) -> Mapping[str, main_cf_format.MainEntry]:
        """The settings of main.cf; of duplicates the last."""
        if self.main_entries is not None:
            return self.main_entries
        return {entry.name: entry for entry in main_cf_format.main_entries(self.main_cf, self.main_path)}

    @cached_property
    def all_services(self) -> List[master_cf_format.MasterEntry]:
        """The entries of master.cf, also those that master_service_disable switches off."""
        return master_cf_format.master_entries(self.master_cf, self.master_path)

    @cached_property
    def services(self) -> List[master_cf_format.MasterEntry]:
        """The live entries of master.cf."""
        disabled = words(self.value("master_service_disable") or "")
        return [service for service in self.all_services if not _is_disabled(service, disabled)]

    @cached_property
    def _raw(self) -> Mapping[str, str]:
        return {**{name: entry.value for name, entry in self.entries.items()}, **self.parameters}

    def raw(self, service: Optional[master_cf_format.MasterEntry]) -> Mapping[str, str]:
        """The unexpanded values of all names in a service."""
        options = service.effective_options if service else None
        return {**self._raw, **options} if options else self._raw

    def value(self, name: str, service: Optional[master_cf_format.MasterEntry] = None) -> Optional[str]:
        """The value in a service; None if it is unknown."""
        options = service.effective_options if service else {}
        return self.expanded(options[name] if name in options else self._raw.get(name, ""), service)

    def expanded(self, value: str, service: Optional[master_cf_format.MasterEntry] = None) -> Optional[str]:
        """A value with its macros replaced; None if it is unknown."""
        return macros.expanded(value, self.raw(service)) if "$" in value else value.strip()

    def is_on(self, name: str, service: Optional[master_cf_format.MasterEntry] = None) -> bool:
        """Whether a boolean is yes."""
        return (self.value(name, service) or "").lower() == "yes"

    def setting(self, name: str, service: Optional[master_cf_format.MasterEntry] = None) -> Setting:
        """The setting that gives a parameter its value."""
        if service is not None and name in service.effective_options:
            return service.key, name
        return MAIN, name

    def settings_of(self, service: Optional[master_cf_format.MasterEntry], *names: str) -> FrozenSet[Setting]:
        """The settings that give these parameters their values in a service."""
        return frozenset(self.setting(name, service) for name in names)

    def where(self, name: str, service: Optional[master_cf_format.MasterEntry] = None) -> str:
        """File and line of a parameter; empty for a default."""
        if service is not None and name in service.effective_options:
            return self.place(service)
        entry = self.entries.get(name)
        return f"{self.main_path}:{entry.number}" if entry else ""

    def place(self, service: master_cf_format.MasterEntry) -> str:
        """File and line of a service."""
        return f"{self.master_path}:{service.line.number}"

    def all_settings(self) -> Iterator[Tuple[str, str, Optional[master_cf_format.MasterEntry]]]:
        """All settings of the files: name, value as written, and the service if it is an option."""
        for name, entry in self.entries.items():
            yield name, entry.value, None
        for service in self.services:
            for name, value in service.effective_options.items():
                yield name, value, service

    def of_command(self, command: str) -> List[master_cf_format.MasterEntry]:
        """The live services that a program runs."""
        return [service for service in self.services if service.column("command") == command]

    def level(self, service: Optional[master_cf_format.MasterEntry], side: str) -> str:
        """The TLS security level of a service, or of the older switches where it is empty."""
        level = self.value(f"{side}_tls_security_level", service)
        if level is None:
            return "?"
        if not level and self.is_on(f"{side}_enforce_tls", service):
            return "verify" if self.is_on(f"{side}_tls_enforce_peername", service) else "encrypt"
        if not level and self.is_on(f"{side}_use_tls", service):
            return "may"
        return level.lower() or "none"


class InstanceFacts(Protocol):
    """What is read of an instance, present or staged."""

    config_directory: str

    @property
    def version(self) -> Tuple[int, ...]:
        """The version of Postfix, such as (3, 7, 11)."""

    @property
    def parameters(self) -> Mapping[str, str]:
        """The effective values of all parameters."""

    @property
    def main_cf(self) -> bytes:
        """The bytes of main.cf."""

    @property
    def main_entries(self) -> Mapping[str, main_cf_format.MainEntry]:
        """The settings of main.cf by name."""

    @property
    def master_cf(self) -> bytes:
        """The bytes of master.cf."""

    def path(self, name: str) -> str:
        """The path of a file in the configuration directory."""


def configuration_of(
    instance: InstanceFacts,
    of: Optional[InstanceFacts] = None,
    parameters: Optional[Mapping[str, str]] = None,
    map_types: FrozenSet[str] = frozenset(),
    created_files: FrozenSet[str] = frozenset(),
) -> Configuration:
    """A configuration under the paths of its instance.

    :param of: the staged instance with the texts, if they are not those of the instance.
    :param parameters: effective values, if they are not those of postconf(1).
    """
    of = of or instance
    if parameters is None:
        parameters = {**of.parameters, "config_directory": instance.config_directory}
    return Configuration(
        parameters,
        of.main_cf,
        of.master_cf,
        instance.path("main.cf"),
        instance.path("master.cf"),
        instance.version,
        map_types,
        created_files,
        of.main_entries,
    )


def shown(name: str, value: str) -> str:
    """A setting for a message, shortened, without secrets."""
    text = shown_value(name, value)
    return f"{name} = {text if len(text) <= 120 else text[:117] + '...'}"


def _is_disabled(service: master_cf_format.MasterEntry, disabled: List[str]) -> bool:
    kind = service.column("type")
    names: Dict[str, None] = dict.fromkeys([kind, service.key, f"{service.column('service')}.{kind}"])
    return any(word in names for word in disabled)
