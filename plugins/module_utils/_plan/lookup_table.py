# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: lookup tables. Private to mailops.postfix.

The text is edited, and the compiled file beside it rebuilt if it must be (:mod:`table_file`). A text that has the declared checksum is not
even read into memory.
"""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Callable, Mapping, Sequence

from .._errors import DeclarationError, HostError
from .._formats import file_modes, lookup_table_edit
from .._formats.lines import to_bytes
from .._formats.lookup_table import COMPILED, MAP_TYPES, ORDERED, READ_ONCE
from .._host.instance import Instance
from .._model.secrets import may_hold_password
from .options import Options, option
from .plan import Change, Plan, content_stays, declared_attributes
from .table_file import Table, Text, compiled_file, file_status, has_stamp, let_postfix_read
from .table_references import ANY_TYPE, choose_type, password_uses, table_path, table_refusal, uses


@dataclass(frozen=True)
class TableOptions(Options):
    """The options of a table."""

    constraints = {"mutually_exclusive": [["entries", "src"]], "required_by": {"checksum": ["src"]}}
    path: str = option("path", required=True)
    entries: Mapping[str, Any] | None = option("dict")
    src: str | None = option("path")
    remote_src: bool = option("bool", default=False)
    checksum: str | None = option()
    exclusive: bool = option("bool", default=False)
    only_values: Sequence[str] | None = option("list", elements="str")
    unique_values: bool = option("bool", default=False)
    type: str = option(default="auto", choices=["auto", *MAP_TYPES])
    state: str = option(default="present", choices=["present", "absent"])
    owner: str | None = option()
    group: str | None = option()
    mode: str | int | None = option("raw")


@dataclass(frozen=True)
class ParameterTableOptions(TableOptions):
    """The options of a table with the parameter of main.cf that names it, or is to name it."""

    parameter: str | None = option()


SNI = "tls_server_sni_maps"

_BLOCK = 1 << 20

Edit = Callable[[Table, bytes], bytes]
"""A table and its text, to the new text."""


@dataclass(frozen=True)
class PlannedTable:
    """What becomes of a table."""

    map: str
    """Its name in main.cf: ``TYPE:PATH``."""
    path: str
    text: bytes | None
    """The new text; None for one that goes, or stays and need not be read."""
    plan: Plan
    must_travel: bool = False
    """Whether the text is on the controller, and must be sent before there can be a plan."""

    def reported(self) -> Plan:
        """The plan with the result of the module lookup_table."""
        # The action plugin's question before the file travels.
        transfer = {"_transfer": True} if self.must_travel else {}
        return replace(self.plan, result={"map": self.map, **transfer})


def lookup_table(instance: Instance, options: TableOptions, settings: Mapping[str, Any] | None = None) -> PlannedTable:
    """Make, edit or remove a table.

    :param settings: parameters that the same transaction sets.
    """
    path = table_path(instance, options.path)
    table = Table(instance, path, choose_type(instance, options.type), settings or {})
    passwords = password_uses(table)
    own = may_hold_password(getattr(options, "parameter", None) or "")
    table = replace(table, password=own or bool(passwords))
    if options.state == "absent":
        return _absent(table, options.type)
    _refuse(table, options)
    table = replace(table, attributes=declared_attributes(path, options.owner, options.group, options.mode))
    warnings: list[str] = []
    if table.password and options.mode is None:
        table, warnings = _closed(table, any(use.proxied for use in passwords))
    planned = (
        edited_table(table, _editor(options)) if options.src is None else _copied_table(table, options, options.src)
    )
    return replace(planned, plan=replace(planned.plan, warnings=[*planned.plan.warnings, *warnings]))


def _closed(table: Table, proxied: bool) -> tuple[Table, list[str]]:
    """A table of passwords whose mode is not declared, and warnings: only its owner may read a new one, or one that every user may read.

    :param proxied: whether proxymap(8) reads it, which is not root.
    """
    status = file_status(table.path)
    readable = status is not None and not file_modes.is_private(stat.S_IMODE(status.st_mode))
    if proxied:
        remedy = "Declare a mode and a group by which only Postfix can read it, such as 0640 and postfix"
        return table, [
            f"{table.path} has passwords, and every user can read it. {remedy}"
        ] if readable or status is None else []
    if status is not None and not readable:
        return table, []
    found = f"{table.path} has passwords, and every user could read it: its mode is now 0600. Declare mode to choose another one"
    return replace(table, attributes=replace(table.attributes, mode=0o600)), [found] if readable else []


def _refuse(table: Table, options: TableOptions) -> None:
    """Refuse options that contradict each other, or the table's use.

    :raises DeclarationError: saying why.
    """
    cause = remedy = ""
    parameter = getattr(options, "parameter", None)
    if parameter == SNI or any(use.parameter == SNI for use in uses(table, SNI.encode())):
        cause = f"{SNI} names it, and the files that it names must be compiled into it (postmap -F)"
        remedy = "Declare certificates with sni: true instead (module certificate, or certificates of a role)"
    elif options.exclusive and options.entries is None and options.src is None:
        cause = "exclusive without entries would empty it"
        remedy = "Give entries; entries: {} empties the table"
    elif options.src is not None and (options.only_values is not None or options.unique_values):
        cause, remedy = "only_values and unique_values are for entries, not for src", "Leave them out"
    if cause:
        raise table_refusal(table.path, cause, remedy)


def _editor(options: TableOptions) -> Edit:
    """The edit that entries describe."""

    def edit(table: Table, text: bytes) -> bytes:
        declared = lookup_table_edit.declaration(options.entries or {}, table.type, table.utf8)
        if options.only_values is not None or options.unique_values:
            values = None if options.only_values is None else frozenset(map(to_bytes, options.only_values))
            gone = lookup_table_edit.stale_entries(
                text, declared, table.type, table.utf8, values, options.unique_values
            )
            declared = {**declared, **dict.fromkeys(gone)}
        return lookup_table_edit.edit_table(text, declared, table.type, options.exclusive, table.utf8)

    return edit


def _copied_table(table: Table, options: TableOptions, source: str) -> PlannedTable:
    """The plan for a table whose text is a file: on the host, or on the controller, and known by its checksum alone."""
    instance, wanted = table.instance, (options.checksum or "").lower()
    if options.remote_src:
        found = _digest(instance.path(source))
        if found is None:
            raise DeclarationError(
                "reading", source, "there is no such file on the host", "Name an existing file in src"
            )
        if wanted and found != wanted:
            raise DeclarationError("reading", source, f"its SHA-256 is {found}, not {wanted}", "Correct either")
        wanted = found
    elif not wanted:
        raise DeclarationError(
            "reading",
            source,
            "a file of the controller can't be read from here",
            "Use the module lookup_table, or remote_src: true",
        )
    if _digest(table.path) != wanted:
        if not options.remote_src:
            return PlannedTable(table.map, table.path, None, Plan(), must_travel=True)
        content = instance.read(source) or b""
        return edited_table(table, lambda _table, _text: content, source)
    if has_stamp(table):
        return _planned(table, Text(None, None))
    return edited_table(table, lambda _table, text: text, source)


def _digest(path: str) -> str | None:
    """The SHA-256 of a file, which is not held in memory; None if there is none."""
    status = file_status(path)
    if status is None:
        return None
    return _digest_of(path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@lru_cache(maxsize=4)
def _digest_of(path: str, *_identity: int) -> str:
    """The same, once: the plan may be made twice, and between the two nothing may have happened to the file."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(_BLOCK), b""):
                digest.update(block)
    except OSError as error:
        raise HostError("reading", path, error.strerror or str(error)) from error
    return digest.hexdigest()


def _absent(table: Table, declared_type: str) -> PlannedTable:
    path = table.path
    suffixes = [COMPILED[declared_type]] if declared_type in COMPILED else sorted(set(COMPILED.values()))
    changes = [Change(path, None, table.instance.read(path), secret=table.secret)]
    compiled = [path + suffix for suffix in suffixes if file_status(path + suffix) is not None]
    changes += [Change(target, None, b"", secret=True) for target in compiled]
    plan = Plan(changes, requires=_requires(table.type))
    use = next(uses(table), None) if plan.changes_something() else None
    if use:
        raise DeclarationError(
            "removing the table",
            path,
            f"{use.parameter} still names it, as {use.type}:{path}, and Postfix defers all mail while the table is missing",
            f"Take it out of {use.parameter} first, or in the same configuration",
        )
    return PlannedTable(table.map, path, None, plan)


def edited_table(table: Table, edit: Edit, origin: str | None = None) -> PlannedTable:
    """A table whose text is what the edit makes of it.

    :param origin: the file that the text comes from, if it is another.
    """
    before = table.instance.read(table.path)
    after = edit(table, before or b"")
    warnings = _warnings(table, before, after, origin) if before != after or not has_stamp(table) else []
    planned = _planned(table, Text(before, after, bool(warnings)))
    return replace(planned, plan=replace(planned.plan, warnings=warnings))


def _warnings(table: Table, before: bytes | None, after: bytes, origin: str | None) -> list[str]:
    """Messages about lines that Postfix ignores, and that were in the table before.

    :raises GrammarError: if there are others. All lines of a text that comes from another file are declared.
    """
    present = (before or b"") if origin is None else b""
    path = origin or table.path
    messages = lookup_table_edit.check_entries(after, table.type, table.utf8, path, present)
    if table.type in ORDERED:
        messages = {**let_postfix_read(table, after, path, present), **messages}
    if table.secret and messages:
        return [f"{path}: Postfix ignores {len(messages)} of its lines, such as a second one with the same key"]
    return [messages[number] for number in sorted(messages)]


def _planned(table: Table, text: Text) -> PlannedTable:
    after, before = (content_stays, b"") if text.after is None else (text.after, text.before)
    recorded = "" if text.faulty else table.stamp  # the next run reads a faulty text again, and warns again
    changes = [Change(table.path, after, before, attributes=table.attributes, secret=table.secret, stamp=recorded)]
    if table.compiled_path:
        changes.append(compiled_file(table, text))
    changes += _other_types(table, text)
    return PlannedTable(table.map, table.path, text.after, Plan(changes, requires=_requires(table.type)))


def _other_types(table: Table, text: Text) -> list[Change]:
    """The compiled files of the types that the table had before: Postfix reads on what it still refers to, all others go."""
    own = COMPILED.get(table.type)
    suffixes = [
        suffix for suffix in sorted({*COMPILED.values()} - {own}) if file_status(table.path + suffix) is not None
    ]
    if not suffixes:
        return []
    types = [use.type for use in uses(table)]
    changes = []
    for suffix in suffixes:
        used = [name for name in types if name == ANY_TYPE or COMPILED.get(name) == suffix]
        if not used:
            changes.append(Change(table.path + suffix, None, b"", secret=True))
            continue
        known = next((name for name in used if name in table.instance.map_types), "")
        if known and text.after is not None:
            changes.append(replace(compiled_file(replace(table, type=known), text), stamp=""))
    return changes


def _requires(map_type: str) -> str:
    """Daemons notice a new compiled file by themselves; other tables they read once."""
    return "reload" if map_type in READ_ONCE else "none"
