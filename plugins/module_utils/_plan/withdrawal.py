# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes back what a role has written and no longer declares. Private to mailops.postfix.

Each part goes back to the value from before the first run, and only if it still has the value that was written: what others have changed stays.
The result is what to declare besides, so that it is planned, checked and undone like any other change. What the administrator has declared
literally is only reported.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Collection, Iterator, Mapping, Sequence

from .._formats import lookup_table, main_cf, master_cf, master_cf_edit, reversal
from .._formats.lines import to_bytes
from .._formats.master_cf_spec import ServiceSpec
from .._host import system
from .._host.instance import Instance
from . import lookup_table as lookup_table_plan
from .declared import Declared, FileKind, WrittenFile, WrittenValue
from .file import FileOptions
from .lookup_table import ParameterTableOptions, PlannedTable
from .table_file import Table
from .table_references import table_path, uses
from .written import (
    ARGUMENTS,
    CONTENT,
    OPTION,
    POLICY_MAPS,
    PresentParts,
    WrittenParts,
    identity,
    parts_of,
    service_of,
)

_PATH = re.compile(r"(?:^|[\s,:{])(/[^\s,{}$:]+)")


_VARIABLES = {FileKind.MAIN_CF: "main_cf", FileKind.MASTER_CF: "master_cf", FileKind.TABLE: "lookup_tables"}
"""The variables of roles in which administrators declare something literally."""


@dataclass
class Withdrawal:
    """What is taken back in an instance, step by step: each method is given what is declared of one kind."""

    instance: Instance
    declared: Declared
    """What is stored."""
    joins: bool = False
    """Whether the declaration joins an open transaction: an earlier call may have declared what this one does not, so nothing is taken back."""
    warnings: list[str] = field(default_factory=list)
    afterwards: list[tuple[str, ...]] = field(default_factory=list)
    """Commands to run after the installation."""

    @cached_property
    def _present(self) -> PresentParts:
        return PresentParts(self.instance)

    @cached_property
    def _written(self) -> Mapping[str, WrittenFile]:
        """What may be taken back."""
        return {} if self.joins else self.declared.written

    def parameters(self, names: Collection[str]) -> dict[str, str | None]:
        """The parameters that go back to their former values; None removes one.

        :param names: those that are declared.
        """
        path, file = self._only(FileKind.MAIN_CF)
        result: dict[str, str | None] = {}
        for name, written in file.parts.items():
            if name not in names and self._goes(path, file, name, written):
                former = self._before(path, name)
                result[name] = self._policy_maps(former) if name == POLICY_MAPS else self._usable(name, former)
        return result

    def services(self, specs: Sequence[ServiceSpec]) -> list[ServiceSpec]:
        """What to declare before the declared services."""
        result: list[ServiceSpec] = []
        path, file = self._only(FileKind.MASTER_CF)
        written = WrittenParts(self.instance)
        written.add_services(specs)
        wanted = {
            (identity(service_of(name)), name.partition(" ")[2])
            for _path, _file, name, _value in parts_of(written.files)
        }
        gone: dict[str, list[str]] = {}
        for name in file.parts:
            if (identity(service_of(name)), name.partition(" ")[2]) not in wanted:
                gone.setdefault(service_of(name), []).append(name)
        for key, names in gone.items():
            result += self._service(path, file, key, names)
        return result

    def entries(self, declared: Sequence[ParameterTableOptions]) -> list[ParameterTableOptions]:
        """The declared tables, with the entries that go back to their former values."""
        result = []
        for options in declared:
            path = table_path(self.instance, options.path)
            file = self._written.get(path)
            if file is not None and not options.exclusive and options.src is None and options.state == "present":
                entries = dict(self._entries(path, file, {str(key) for key in options.entries or {}}))
                options = replace(options, entries={**entries, **(options.entries or {})}) if entries else options
            result.append(options)
        return result

    def tables(self, declared: Sequence[ParameterTableOptions], parameters: Mapping[str, Any]) -> list[PlannedTable]:
        """What becomes of the tables that are no longer declared.

        :param parameters: those that the same transaction sets.
        """
        paths = {table_path(self.instance, options.path) for options in declared}
        return [
            planned
            for path, file in self._written.items()
            if file.kind is FileKind.TABLE and path not in paths
            for planned in self._table(path, file, parameters)
        ]

    def files(self, declared: Sequence[FileOptions]) -> list[FileOptions]:
        """The files that are no longer declared."""
        paths = {self.instance.path(options.path) for options in declared}
        result = []
        for path, file in self._written.items():
            if file.kind is not FileKind.FILE or path in paths:
                continue
            if not self._goes(path, file, CONTENT, file.parts[CONTENT]):
                continue
            former = self._before(path, CONTENT)
            state = "absent" if former is None else "present"
            result.append(FileOptions(path=path, content=former, state=state))
            if former is None and path.endswith(".service") and system.systemd_runs():
                self.afterwards.append(("systemctl", "stop", os.path.basename(path)))
        return result

    def recorded(self, owner: str, written: WrittenParts) -> Declared:
        """What to store: what is declared now, what the administrator has declared literally and no longer does, and what was there before."""
        files = {path: replace(file, parts=dict(file.parts)) for path, file in written.files.items()}
        for path, file, part, value in parts_of(self.declared.written):
            if path in files and part in files[path].parts:
                continue
            is_literal = not value.derived and value.value is not None
            if self.joins or (is_literal and value.is_same(self._present.value(path, file, part))):
                files.setdefault(path, replace(file, parts={})).parts[part] = value
                if not self.joins:
                    self._report(owner, path, file, part)
        before = {
            path: {part: self._before_now(path, file, part) for part in file.parts} for path, file in files.items()
        }
        return Declared(owner, files, before)

    def _report(self, owner: str, path: str, file: WrittenFile, part: str) -> None:
        """Report what the administrator has declared literally and no longer does."""
        if file.kind is FileKind.MASTER_CF and part != service_of(part):
            return
        is_null = file.kind is FileKind.MAIN_CF or (file.kind is FileKind.TABLE and part != CONTENT)
        remedy = "set it to null there" if is_null else "declare it there with state: absent"
        self.warnings.append(
            f"{_title(path, part)} is no longer declared in {owner}_{_VARIABLES[file.kind]}, and stays. To remove it, {remedy}"
        )

    # What is taken back

    def _only(self, kind: FileKind) -> tuple[str, WrittenFile]:
        """The file of a kind of which there is one."""
        path = self.instance.path(kind.value)
        return path, self._written.get(path, WrittenFile(kind, {}))

    def _before(self, path: str, part: str) -> str | None:
        return self.declared.before.get(path, {}).get(part)

    def _before_now(self, path: str, file: WrittenFile, part: str) -> str | None:
        """What was there before the first run that has written a part."""
        stored = self.declared.before.get(path, {})
        if part in stored and part in self.declared.written.get(path, WrittenFile(file.kind, {})).parts:
            return stored[part]
        value = self._present.value(path, file, part)
        if file.kind is FileKind.TABLE and part == CONTENT and file.parts[part].value is None:
            return value and "present"  # only its entries are written
        if file.kind is FileKind.MASTER_CF and part == service_of(part):
            entry = self._present.entry(part)
            if entry is not None:
                return str(entry)
            return "disabled" if master_cf_edit.is_commented_out(self.instance.master_cf, *identity(part)) else None
        return value

    def _goes(self, path: str, file: WrittenFile, part: str, written: WrittenValue) -> bool:
        """Whether a part that is not declared is taken back."""
        if not written.derived:
            return False
        now = self._present.value(path, file, part)
        if written.is_same(now):
            return now != self._before(path, part)
        if now != self._before(path, part):
            self._stays(path, part)
        return False

    def _stays(self, path: str, part: str) -> None:
        self.warnings.append(f"{_title(path, part)} is no longer declared, and stays, because others have changed it")

    def _usable(self, name: str, value: str | None) -> str | None:
        """A former value, unless a file that it names has gone: Postfix would work without TLS, or defer mail."""
        gone = [path for path in _PATH.findall(value or "") if not os.path.exists(path)]
        if not gone:
            return value
        self.warnings.append(
            f"{name} is removed. Its former value, {value}, names {', '.join(gone)}, which does not exist"
        )
        return None

    def _policy_maps(self, former: str | None) -> str | None:
        """The tables of policies without the service that is no longer declared."""
        tables = main_cf.words(self.instance.explicit.get(POLICY_MAPS, ""))
        own = main_cf.words(former or "")
        kept = [name for name in tables if name in own or not re.match(r"(socketmap|tcp):", name)]
        return ", ".join(kept) or former

    def _service(self, path: str, file: WrittenFile, key: str, names: Sequence[str]) -> Iterator[ServiceSpec]:
        """What takes back the parts of a service."""
        name, _slash, kind = key.rpartition("/")
        former = self._before(path, key)
        entry = self._present.entry(key)
        if not all(file.parts[part].derived for part in names):
            return
        if key in names and entry is not None and former in (None, "disabled"):
            others = set(entry.effective_options) - {
                part[len(f"{key}{OPTION}") :] for part in file.parts if part.startswith(f"{key}{OPTION}")
            }
            if others or not all(file.parts[part].is_same(self._present.value(path, file, part)) for part in names):
                self._stays(path, key)
                return
            yield ServiceSpec(name, kind, {}, None, {}, state=former or "absent")
        elif key in names and entry is None and former not in (None, "disabled"):
            yield reversal.service_as_it_is(master_cf.master_entries(to_bytes(f"{former}\n"))[0])
        elif entry is not None:
            yield from self._columns_and_options(path, file, key, names)

    def _columns_and_options(
        self, path: str, file: WrittenFile, key: str, names: Sequence[str]
    ) -> Iterator[ServiceSpec]:
        columns: dict[str, str] = {}
        options: dict[str, str | None] = {}
        arguments = None
        for part in names:
            if part == key or not self._goes(path, file, part, file.parts[part]):
                continue
            former = self._before(path, part)
            if part.startswith(f"{key}{OPTION}"):
                options[part[len(f"{key}{OPTION}") :]] = former
            elif part == f"{key} {ARGUMENTS}":
                arguments = tuple((former or "").split())
            elif former is not None:
                columns[part[len(key) + 1 :]] = former
        if columns or options or arguments is not None:
            name, _slash, kind = key.rpartition("/")
            yield ServiceSpec(name, kind, columns, arguments, options)

    def _entries(self, path: str, file: WrittenFile, declared: Collection[str]) -> Iterator[tuple[str, str | None]]:
        """The entries of a table that go back to their former values; None removes one."""
        keys = {lookup_table.fold(to_bytes(key), file.type) for key in declared}
        for key, written in file.parts.items():
            is_declared = key == CONTENT or lookup_table.fold(to_bytes(key), file.type) in keys
            if not is_declared and self._goes(path, file, key, written):
                yield key, self._before(path, key)

    def _rest(self, path: str, file: WrittenFile, gone: Collection[str]) -> set[bytes]:
        """The keys of a table without those that are withdrawn."""
        text = self.instance.read(path) or b""
        keys = {lookup_table.fold(entry.key, file.type) for entry in lookup_table.table_entries(text, file.type)}
        return keys - {lookup_table.fold(to_bytes(key), file.type) for key in gone}

    def _table(self, path: str, file: WrittenFile, parameters: Mapping[str, Any]) -> Iterator[PlannedTable]:
        """What takes back a table that is not declared."""
        content = file.parts.get(CONTENT)
        table = Table(self.instance, path, file.type, parameters)
        if content is None or content.value is None:
            entries = dict(self._entries(path, file, ()))
            if (
                self._before(path, CONTENT) is None
                and not self._rest(path, file, entries)
                and not next(uses(table), None)
            ):
                yield lookup_table_plan.lookup_table(
                    self.instance, ParameterTableOptions(path=path, state="absent", type=file.type), parameters
                )
            elif entries:
                options = ParameterTableOptions(path=path, entries=entries, type=file.type)
                yield lookup_table_plan.lookup_table(self.instance, options, parameters)
        elif self._goes(path, file, CONTENT, content):
            former = self._before(path, CONTENT)
            if former is not None:
                yield lookup_table_plan.edited_table(table, lambda _table, _text: to_bytes(former))
            elif next(uses(table), None):
                self.warnings.append(f"{path} is no longer declared, and stays, because main.cf or master.cf names it")
            else:
                options = ParameterTableOptions(path=path, state="absent", type=file.type)
                yield lookup_table_plan.lookup_table(self.instance, options, parameters)


def _title(path: str, part: str) -> str:
    name = os.path.basename(path)
    return part if name == "main.cf" else f"{path} ({part})" if part else path
