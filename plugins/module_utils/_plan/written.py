# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of files that a declaration writes, and what these parts are now. Private to mailops.postfix."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Collection, Iterator, Mapping, Sequence

from .._formats import lookup_table, lookup_table_edit, main_cf
from .._formats.lines import to_bytes, to_text
from .._formats.master_cf import MasterEntry, endpoint, find_entry
from .._formats.master_cf_spec import ServiceSpec
from .._host.instance import Instance
from .._model.secrets import secret_words, shown_master_cf
from .declared import FileKind, WrittenFile, WrittenValue, written_value
from .file import FileOptions
from .lookup_table import ParameterTableOptions, PlannedTable

CONTENT = ""
"""The part that is the complete content of a file."""

OPTION = " -o "
"""Between a service and the name of an option; a blank is between a service and the name of a column."""

ARGUMENTS = "arguments"

POLICY_MAPS = "smtp_tls_policy_maps"
"""A policy is never withdrawn, because mail would leave without it. So this parameter is written only where a service of policies is declared."""


@dataclass(frozen=True)
class Literal:
    """What the administrator has declared literally, instead of a role."""

    parameters: Collection[str] = ()
    services: Collection[str] = ()
    """``NAME/TYPE``."""
    tables: Collection[str] = ()
    """Paths."""


@dataclass
class WrittenParts:
    """What a declaration writes."""

    instance: Instance
    literal: Literal = Literal()
    files: dict[str, WrittenFile] = field(default_factory=dict)

    def add_parameters(self, parameters: Mapping[str, str | None]) -> None:
        """Parameters of main.cf, as main.cf has them."""
        self._add(
            self.instance.path("main.cf"),
            FileKind.MAIN_CF,
            {
                name: written_value(
                    None if value is None else main_cf.normalize_whitespace(value),
                    value is not None and bool(secret_words(name, value)),
                    name not in self.literal.parameters,
                )
                for name, value in parameters.items()
            },
        )

    def add_services(self, services: Sequence[ServiceSpec]) -> None:
        """Services of master.cf."""
        literal = {identity(key) for key in self.literal.services}
        parts: dict[str, WrittenValue] = {}
        for spec in services:
            derived = endpoint(spec.name, spec.type) not in literal
            values: dict[str, str | None] = {spec.key: spec.state}
            if spec.state == "present":
                values.update((f"{spec.key} {name}", value) for name, value in spec.columns.items())
                values.update((f"{spec.key}{OPTION}{name}", value) for name, value in spec.options.items())
                if spec.arguments is not None:
                    values[f"{spec.key} {ARGUMENTS}"] = " ".join(spec.arguments)
            parts.update(
                (name, written_value(value, _is_secret(spec, name, value), derived)) for name, value in values.items()
            )
        self._add(self.instance.path("master.cf"), FileKind.MASTER_CF, parts)

    def add_table(self, options: ParameterTableOptions, planned: PlannedTable) -> None:
        """A lookup table: its complete content if it is exclusive; if not, its entries, and None as its content."""
        if options.state == "absent":
            return
        path, text = planned.path, planned.text
        table_type = planned.map.partition(":")[0]
        derived = path not in self.literal.tables
        secret = any(change.secret for change in planned.plan.changes if change.path == path)
        values: dict[str, WrittenValue] = {}
        if options.src is not None or options.exclusive:
            content = to_text(self.instance.read(path) or b"" if text is None else text)
            values[CONTENT] = written_value(content, True, derived)
        else:
            values[CONTENT] = written_value(None, derived=derived)
            entries = lookup_table_edit.declaration(options.entries or {}, table_type)
            values.update(
                (to_text(key), written_value(None if value is None else to_text(value), secret, derived))
                for key, value in entries.items()
            )
        self._add(path, FileKind.TABLE, values, table_type)

    def add_file(self, options: FileOptions) -> None:
        """A file that belongs to the configuration."""
        if options.state == "present":
            self._add(
                self.instance.path(options.path), FileKind.FILE, {CONTENT: written_value(options.content or "", True)}
            )

    def _add(self, path: str, kind: FileKind, parts: dict[str, WrittenValue], table_type: str = "") -> None:
        if parts:
            self.files[path] = WrittenFile(kind, parts, table_type)


class PresentParts:
    """What the parts of files are now."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._texts: dict[str, bytes | None] = {}
        self._entries: dict[str, Mapping[bytes, bytes]] = {}

    def value(self, path: str, file: WrittenFile, part: str) -> str | None:
        """The value of a part; None if there is none. For a service that exists it is ``present``."""
        if file.kind is FileKind.MAIN_CF:
            value = self._instance.explicit.get(part)
            return None if value is None else main_cf.normalize_whitespace(value)
        if file.kind is FileKind.MASTER_CF:
            return part_of_service(self.entry(part), part)
        if path not in self._texts:
            self._texts[path] = self._instance.read(path)
        text = self._texts[path]
        if text is None:
            return None
        if part == CONTENT:
            return to_text(text)
        if path not in self._entries:
            self._entries[path] = _entries_of(text, file.type)
        found = self._entries[path].get(lookup_table.fold(to_bytes(part), file.type))
        return None if found is None else to_text(found)

    def entry(self, part: str) -> MasterEntry | None:
        """The service to which a part of master.cf belongs."""
        name, kind = identity(service_of(part))
        return find_entry(self._instance.master_cf, name, kind, self._instance.path("master.cf"))


def service_of(part: str) -> str:
    """``NAME/TYPE`` of the service to which a part of master.cf belongs."""
    return part.partition(" ")[0]


def identity(key: str) -> tuple[str, str]:
    """The identity of the service ``NAME/TYPE`` for master(8)."""
    name, _slash, kind = key.rpartition("/")
    return endpoint(name, kind)


def part_of_service(entry: MasterEntry | None, part: str) -> str | None:
    """The value of a part of a service."""
    if entry is None:
        return None
    service = service_of(part)
    if part == service:
        return "present"
    if part.startswith(f"{service}{OPTION}"):
        return entry.effective_options.get(part[len(f"{service}{OPTION}") :])
    name = part[len(service) + 1 :]
    return " ".join(word.text for word in entry.arguments) if name == ARGUMENTS else entry.column(name)


def parts_of(files: Mapping[str, WrittenFile]) -> Iterator[tuple[str, WrittenFile, str, WrittenValue]]:
    """All parts of all files: path, file, part and value."""
    for path, file in files.items():
        for part, value in file.parts.items():
            yield path, file, part, value


def _is_secret(spec: ServiceSpec, part: str, value: str | None) -> bool:
    """Whether a part of a service has a password, as an option or among its arguments."""
    if value is None:
        return False
    option = part[len(f"{spec.key}{OPTION}") :] if part.startswith(f"{spec.key}{OPTION}") else ""
    return bool(secret_words(option, value)) if option else shown_master_cf(value) != value


def _entries_of(text: bytes, table_type: str) -> Mapping[bytes, bytes]:
    return {
        lookup_table.fold(entry.key, table_type): entry.value for entry in lookup_table.table_entries(text, table_type)
    }
