# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of a configuration that change on their own: parameters, services, their options, and files. Private to mailops.postfix. Pure.

A part has a name that messages can use, and a text that does not change with comments and white space.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Collection, Dict, FrozenSet, Iterator, Optional, Tuple

from .._formats import lookup_table
from .._formats.main_cf import normalize_whitespace
from .._formats.master_cf import COLUMNS, MasterEntry
from .configuration import MAIN, Configuration
from .finding import Setting

# Files that Postfix itself writes.
_WRITTEN_BY_POSTFIX = re.compile(
    r"(smtpd?|lmtp)_tls_session_cache_database|address_verify_map|postscreen_cache_map|tls_random_\w+|maillog_file\w*"
)
_FILE = re.compile(r"(?:\b([a-z][a-z0-9_-]*):)?(?<![\w.$/)}-])(/[^\s,;:'\"<>(){}\[\]=|]+)")
_DEFAULT_TABLE = re.compile(rf"\b({'|'.join(lookup_table.MAP_TYPES)}):")


@dataclass(frozen=True)
class NamedFile:
    """A file that main.cf or master.cf names."""

    path: str
    map_type: str = ""
    """The type of a table that postmap(1) has compiled, if this is the compiled file."""


def text_parts(configuration: Configuration) -> Dict[str, str]:
    """The parts of main.cf and master.cf: the text of each by its name."""
    found = {_parameter(name): normalize_whitespace(entry.value) for name, entry in configuration.entries.items()}
    for service in configuration.all_services:
        found[_service(service)] = " ".join([*map(service.column, COLUMNS), _arguments(service)])
        for name, value in service.effective_options.items():
            found[_option(service, name)] = normalize_whitespace(value)
    return found


def named_files(configuration: Configuration) -> Dict[str, NamedFile]:
    """The files that main.cf and master.cf name by their whole path, and the compiled files of tables, by path."""
    found: Dict[str, NamedFile] = {}
    for _setting, map_type, path in _named(configuration):
        found.setdefault(path, NamedFile(path))
        if map_type in lookup_table.COMPILED:
            compiled = path + lookup_table.COMPILED[map_type]
            found[compiled] = NamedFile(compiled, map_type)
    return found


def settings_of_parts(configuration: Configuration, names: Collection[str]) -> FrozenSet[Setting]:
    """The settings that these parts are, or that name these files."""
    found = {(MAIN, name) for name in configuration.entries if _parameter(name) in names}
    removed = [name.partition(" ")[2] for name in names if name.startswith("parameter ")]
    found.update((MAIN, name) for name in removed)
    for service in configuration.all_services:
        options = [name for name in service.effective_options if _option(service, name) in names]
        found.update((service.key, name) for name in options)
        if _service(service) in names:
            found.update((service.key, name) for name in ("service", *COLUMNS, *service.effective_options))
    for setting, map_type, path in _named(configuration):
        if path in names or path + lookup_table.COMPILED.get(map_type, "") in names:
            found.add(setting)
    return frozenset(found)


def _parameter(name: str) -> str:
    return f"parameter {name}"


def _service(service: MasterEntry) -> str:
    return f"service {service.key}"


def _option(service: MasterEntry, name: str) -> str:
    return f"option {name} of service {service.key}"


def _arguments(service: MasterEntry) -> str:
    return " ".join(word.text for word in service.arguments)


def _named(configuration: Configuration) -> Iterator[Tuple[Setting, str, str]]:
    """The setting, the type of the table, and the path."""
    for name, value, service in _values(configuration):
        if value and "/" in value and not _WRITTEN_BY_POSTFIX.fullmatch(name):
            for map_type, path in _FILE.findall(value):
                yield configuration.setting(name, service), map_type, path


def _values(configuration: Configuration) -> Iterator[Tuple[str, Optional[str], Optional[MasterEntry]]]:
    for name, written, service in configuration.all_settings():
        yield name, configuration.expanded(written, service), service
    for name, value in configuration.parameters.items():
        # Such as alias_maps.
        if name not in configuration.entries and _DEFAULT_TABLE.search(value):
            yield name, configuration.expanded(value), None
    for service in configuration.services:
        yield "command", configuration.expanded(_arguments(service), service), service
