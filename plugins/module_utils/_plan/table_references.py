# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How main.cf and master.cf refer to lookup tables: by TYPE:PATH. Private to mailops.postfix."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import AbstractSet, Iterator

from .._errors import DeclarationError, HostError
from .._formats import lookup_table, macros
from .._formats.lines import to_text
from .._formats.main_cf import words
from .._formats.master_cf import master_entries
from .._host.instance import Instance
from .._model import migrations
from .._model.secrets import may_hold_password
from .table_file import Table

_NO_TABLES = ("main.cf", "master.cf", "dynamicmaps.cf", "postfix-files")
_PACKAGED = ("cdb", "lmdb", "pcre")


def table_refusal(path: str, cause: str, remedy: str) -> DeclarationError:
    """The error for a table that cannot be declared so."""
    return DeclarationError("declaring the table", path, cause, remedy)


def table_path(instance: Instance, declared: str) -> str:
    """The absolute path of a table's text.

    :raises DeclarationError: for what is not the name of a text.
    """
    kind, colon, rest = declared.partition(":")
    if colon and kind in lookup_table.MAP_TYPES:
        raise table_refusal(declared, "path is the file alone, without the type", f"Write path: {rest}")
    path = os.path.normpath(instance.path(declared))
    suffix = os.path.splitext(path)[1]
    if os.path.realpath(path) in [os.path.realpath(instance.path(name)) for name in _NO_TABLES]:
        raise table_refusal(path, "it is a file of Postfix itself, no table", "Give the table another name")
    if suffix in lookup_table.COMPILED.values():
        remedy = f"Name the text, {path[: -len(suffix)]}: the compiled file is beside it"
        raise table_refusal(path, f"{suffix} is the name of a compiled file", remedy)
    if "".join(words(declared)) != declared:
        raise table_refusal(
            path, "there is a blank or a comma in its name, at which parameters are split", "Choose another"
        )
    return path


def choose_type(instance: Instance, declared: str) -> str:
    """The type of the table.

    :raises HostError: if this Postfix does not have it.
    """
    available = instance.map_types
    chosen = lookup_table.preferred_type(
        declared, macros.expanded_parameter("default_database_type", instance.parameters), available
    )
    if chosen:
        return chosen
    has = ", ".join(name for name in lookup_table.MAP_TYPES if name in available)
    remedy = "Choose one of these"
    if declared in _PACKAGED:
        remedy += f", or install the package that brings it (Debian: postfix-{declared})"
    raise HostError(
        "choosing",
        f"the table type {declared}",
        f"this Postfix does not have {'any type that postmap compiles' if declared == 'auto' else 'it'}; it has {has}",
        remedy,
    )


def lost_types(instance: Instance) -> AbstractSet[str]:
    """The types of Berkeley DB that main.cf or master.cf names and this Postfix lacks, unless it redirects them itself."""
    if not migrations.may_be_lost(instance.main_cf, instance.master_cf):
        return frozenset()
    if "enable" in macros.expanded_parameter("non_bdb_migration_level", instance.parameters):
        return frozenset()
    return frozenset(migrations.BERKELEY) - instance.map_types


@dataclass(frozen=True)
class Use:
    """One of Postfix's references to a table."""

    parameter: str
    type: str
    proxied: bool = False
    """Whether proxymap(8) reads the table, as the user postfix."""


ANY_TYPE = "any type"
"""The type of a reference whose type can't be told."""


def uses(table: Table, mentioned: bytes = b"") -> Iterator[Use]:
    """Where main.cf and master.cf name a table, by whatever spelling of its file; what can't be told counts.

    :param mentioned: without this in a file there is nothing to look for.
    """
    instance = table.instance
    if mentioned not in instance.main_cf + instance.master_cf:
        return
    settings = [(name, value) for name, value in instance.explicit.items() if name not in table.settings]
    settings += [(name, str(value)) for name, value in table.settings.items()]
    live = [line for line in instance.master_cf.split(b"\n") if not line.lstrip().startswith(b"#")]
    settings.append((instance.path("master.cf"), to_text(b"\n".join(live))))
    for name, value in settings:
        yield from _uses_in(table, name, value)


def password_uses(table: Table) -> list[Use]:
    """Where parameters of passwords, options of services included, name a table, as it is and as it is planned."""
    instance = table.instance
    settings = [(name, str(value)) for name, value in table.settings.items()]
    if may_hold_password(to_text(instance.main_cf)):  # otherwise it need not be parsed
        settings += instance.explicit.items()
    if may_hold_password(to_text(instance.master_cf)):
        for entry in master_entries(instance.master_cf, instance.path("master.cf")):
            settings += entry.effective_options.items()
    return [use for name, value in settings if may_hold_password(name) for use in _uses_in(table, name, value)]


def _uses_in(table: Table, name: str, value: str) -> Iterator[Use]:
    """Where the value of a parameter names a table."""
    instance = table.instance
    real = os.path.realpath(table.path)
    for word in re.split(r"[ \t\r\n,;'\[\]()=]+", value):
        parts = word.split(":")
        for kind, file in zip(parts, parts[1:]):
            file = file.rstrip("}")
            expanded = macros.expanded(file, instance.parameters)
            same = (
                os.path.basename(file) == os.path.basename(table.path)
                if expanded is None
                else os.path.realpath(instance.path(expanded)) == real
            )
            if not same:
                continue
            map_type = macros.expanded(kind.lstrip("{"), instance.parameters)
            found = ANY_TYPE if map_type is None else map_type
            if found in (*lookup_table.MAP_TYPES, ANY_TYPE):
                yield Use(name, found, "proxy" in parts)
