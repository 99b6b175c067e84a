# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a lookup table: its text, and the compiled file beside it. Private to mailops.postfix.

The compiled file is rebuilt when, and only when, it does not hold what the text says. A text and a compiled file that have a stamp are
known to agree, and neither is listed.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Mapping

from .._errors import GrammarError, HostError
from .._formats import compiled_table, file_modes, lookup_table, macros
from .._formats.lines import to_text
from .._host import postmap, stamp
from .._host.instance import Instance
from .._model.secrets import may_hold_password
from .plan import Attributes, Change

_OTHERS = 0o077


@dataclass(frozen=True)
class Table:
    """A table that is planned, without its content."""

    instance: Instance
    path: str
    """The path of its text."""
    type: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Parameters that the same transaction sets: what they refer to counts, not what they replace."""
    attributes: Attributes = Attributes()
    """The declared ones."""
    password: bool = False
    """Whether a parameter of passwords refers to it."""

    @property
    def map(self) -> str:
        """Its name in main.cf."""
        return f"{self.type}:{self.path}"

    @property
    def compiled_path(self) -> str:
        """The path of its compiled file; empty for a type that has none."""
        return self.path + lookup_table.COMPILED[self.type] if self.type in lookup_table.COMPILED else ""

    @property
    def stamp(self) -> str:
        """The name of the stamp that its files share."""
        return lookup_table.stamp_name(self.path, self.type, self.utf8)

    @cached_property
    def utf8(self) -> bool:
        """Whether Postfix wants UTF-8."""
        return macros.expanded_parameter("smtputf8_enable", self.instance.parameters) != "no"

    @cached_property
    def secret(self) -> bool:
        """Whether it has passwords, or not every user may read it, now or afterwards."""
        if self.password or may_hold_password(os.path.basename(self.path)):
            return True
        status = file_status(self.path)
        modes = (self.attributes.mode, status and stat.S_IMODE(status.st_mode))
        return any(mode is not None and file_modes.is_private(mode) for mode in modes)


@dataclass(frozen=True)
class Text:
    """The text of a table, before and after; None and None for one that stays and need not be read."""

    before: bytes | None
    after: bytes | None
    faulty: bool = False
    """Whether it has lines that Postfix ignores with a warning, and that were there before."""


def file_status(path: str) -> os.stat_result | None:
    """The status of a file; None if there is none."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError("reading", path, error.strerror or str(error)) from error


def has_stamp(table: Table) -> bool:
    """Whether the text, and its compiled file, still are what they were when they were last installed or compared."""
    return stamp.holds(table.stamp, [table.path, *filter(None, [table.compiled_path])])


def compiled_file(table: Table, text: Text) -> Change:
    """The compiled file beside a text."""
    text_status, status = file_status(table.path), file_status(table.compiled_path)
    secret = table.secret  # before the transaction changes the mode of the text

    def build(temporary: str) -> None:
        postmap.compile_text(table.instance, table.map, text.after or b"", temporary, secret=secret, faulty=text.faulty)

    return Change(
        table.compiled_path,
        build,
        None if status is None else b"",
        _stale(table, text),
        _attributes_of_compiled(table.attributes, text_status, status),
        secret=True,
        not_before=text_status.st_mtime if text_status is not None and text.before == text.after else 0.0,
        stamp="" if text.faulty else table.stamp,
    )


def _attributes_of_compiled(
    declared: Attributes, text: os.stat_result | None, compiled: os.stat_result | None
) -> Attributes:
    """What is declared; else those of the text for a new file, and for an old one never more readable than the text."""
    if text is None:
        return declared
    mode = stat.S_IMODE(text.st_mode)
    if compiled is not None:
        return replace(
            declared,
            mode=stat.S_IMODE(compiled.st_mode) & (mode | ~_OTHERS) if declared.mode is None else declared.mode,
        )
    return Attributes(
        str(text.st_uid) if declared.owner is None else declared.owner,
        str(text.st_gid) if declared.group is None else declared.group,
        mode if declared.mode is None else declared.mode,
    )


def _stale(table: Table, text: Text) -> str:
    """Why the compiled file must be rebuilt; empty if it need not."""
    status = file_status(table.compiled_path)
    if status is None:
        return "missing"
    if text.before != text.after:
        return "older than its text"
    if text.after is None or has_stamp(table):
        return ""
    text_status = file_status(table.path)
    # In whole seconds, as Postfix itself compares them.
    if text_status is not None and int(status.st_mtime) < int(text_status.st_mtime):
        return "older than its text"
    if status.st_size == 0:  # postmap -s would remove it
        return "empty"
    if table.type == "cdb":  # postmap -s can't list it
        same = _compiled_again(table, text) == table.instance.read(table.compiled_path)
        return "" if same else "other content"
    held = _held(table)
    if held is None:
        return "unreadable"
    return "" if held == lookup_table.contents(text.after, table.type, table.utf8) else "other content"


def _compiled_again(table: Table, text: Text) -> bytes:
    """The compiled file of a text; for cdb, equal texts give equal files."""
    with tempfile.TemporaryDirectory(prefix="postfix-table-") as directory:
        compiled = os.path.join(directory, "compiled")
        postmap.compile_text(table.instance, table.map, text.after or b"", compiled, secret=True, faulty=text.faulty)
        return table.instance.read(compiled) or b""


def _held(table: Table) -> dict[bytes, bytes] | None:
    """What a compiled file holds; None if Postfix can't read it."""
    instance = table.instance
    listed = instance.run("postmap", "-c", instance.config_directory, "-s", table.map, check=False)
    return compiled_table.listed_contents(listed.stdout, table.utf8) if listed.returncode == 0 else None


def let_postfix_read(table: Table, text: bytes, origin: str, before: bytes = b"") -> dict[int, str]:
    """Have Postfix read a table that is not compiled: what it does not understand it skips with a warning.

    :param origin: the file that the text comes from.
    :param before: the previous text.
    :return: messages by line number about the rules that were in the table before.
    :raises GrammarError: if it warns about another one.
    """
    complaints = _complaints(table, text)
    known = {(rule, cause) for _number, rule, cause in (_complaints(table, before) if complaints else [])}
    messages = {}
    for number, rule, cause in complaints:
        error = GrammarError(
            "reading",
            f"{origin}:{number}" if number else origin,
            "Postfix warns about this line" if table.secret else f"Postfix warns: {cause}",
            f"Correct or remove the rule {to_text(rule)}" if rule and not table.secret else "Correct or remove it",
        )
        if (rule, cause) not in known:
            raise error
        messages[number] = str(error)
    return messages


def _complaints(table: Table, text: bytes) -> list[tuple[int, bytes, str]]:
    """What Postfix warns about: line number (0 if unknown), rule, and cause."""
    done = table.instance.run(
        *("postmap", "-c", table.instance.config_directory, "-q", "probe", f"{table.type}:/dev/stdin"),
        stdin=text,
        check=False,
    )
    complaints = postmap.complaints(done.stderr, "/dev/stdin")
    rules = (
        {entry.line.number: entry.key for entry in lookup_table.table_entries(text, table.type)} if complaints else {}
    )
    result = []
    for complaint in complaints:
        found = re.search(r", line (\d+)", complaint)
        number = int(found.group(1)) if found else 0
        cause = re.sub(r".*?/dev/stdin(?:, line \d+)?: ", "", complaint)
        result.append((number, rules.get(number, b""), cause))
    return result
