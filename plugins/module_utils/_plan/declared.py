# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the owner of an instance has declared, in the state directory of the instance. Private to mailops.postfix.

``declared.json`` names the role that owns the instance, and has what its runs have written, without the values of secrets.
``before/values.json`` has what was there before, and may contain secrets. Both are files of the transaction that installs the configuration, so
they are undone with it.

What is written has parts: a parameter of main.cf, a service of master.cf with its columns and options, an entry of a table, or the complete
content of a file.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Mapping

from .._errors import DeclarationError, HostError
from .._formats.lines import to_bytes
from .._host import state
from .._host.instance import Instance
from .plan import Change, root_owned

_FORMAT = 1


class FileKind(Enum):
    """How the parts of a file are told apart."""

    MAIN_CF = "main.cf"
    MASTER_CF = "master.cf"
    TABLE = "table"
    FILE = "file"


@dataclass(frozen=True)
class WrittenValue:
    """The value that a run has written to a part of a file."""

    value: str | None
    """The value, or for a secret its digest; None if the part has been removed."""
    secret: bool = False
    derived: bool = True
    """Whether a role has derived it from its own variables; if not, the administrator has declared it literally."""

    def is_same(self, value: str | None) -> bool:
        """Whether a value is the written one."""
        return self.value == (value_digest(value) if self.secret and value is not None else value)


@dataclass(frozen=True)
class WrittenFile:
    """What has been written to a file."""

    kind: FileKind
    parts: dict[str, WrittenValue]
    """By the name of the part, such as ``relayhost`` or ``smtp/unix -o soft_bounce``; empty for the complete content."""
    type: str = ""
    """The type of a lookup table."""


Before = Mapping[str, Mapping[str, "str | None"]]
"""By path and part what was there before the first run; None if there was nothing."""


@dataclass(frozen=True)
class Declared:
    """What is stored of an instance."""

    owner: str = ""
    written: Mapping[str, WrittenFile] = field(default_factory=dict)
    """By the path of the file."""
    before: Before = field(default_factory=dict)


def value_digest(value: str) -> str:
    """The SHA-256 of a value, in hexadecimal digits."""
    return hashlib.sha256(to_bytes(value)).hexdigest()


def written_value(value: str | None, secret: bool = False, derived: bool = True) -> WrittenValue:
    """The record of a value."""
    return WrittenValue(value_digest(value) if secret and value is not None else value, secret, derived)


def declared_path(config_directory: str) -> str:
    """The file that names the owner of an instance."""
    return f"{state.directory(config_directory)}/declared.json"


def before_path(config_directory: str) -> str:
    """The file with what was there before."""
    return f"{state.directory(config_directory)}/before/values.json"


def read_declared(instance: Instance) -> Declared:
    """What is stored of an instance.

    :raises HostError: if a file is damaged.
    """
    path = declared_path(instance.config_directory)
    content = _read(instance, path)
    before = _read(instance, before_path(instance.config_directory))
    try:
        written = {name: _written_file(item) for name, item in content.get("written", {}).items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path) from error
    return Declared(str(content.get("owner") or ""), written, before.get("values", {}))


def refuse_other_owner(declared: Declared, instance: Instance, owner: str, take_over: bool, remedy: str) -> None:
    """Refuse a role if another one owns the instance: in turn, they would undo the settings of each other.

    :param remedy: what to do instead; empty for the default.
    :raises DeclarationError: naming the owner.
    """
    if take_over or declared.owner in ("", owner):
        return
    raise DeclarationError(
        f"applying the role {owner} to",
        f"the Postfix instance in {instance.config_directory}",
        f"the role {declared.owner} owns it ({declared_path(instance.config_directory)})",
        remedy or "Set take_over to true to replace that role",
    )


def stored_declaration(instance: Instance, old: Declared, new: Declared) -> list[Change]:
    """The changes that store what is declared. Only another owner is a change of its own."""
    texts = {
        declared_path(instance.config_directory): {
            "format": _FORMAT,
            "owner": new.owner,
            "written": {path: _as_json(file) for path, file in sorted(new.written.items())},
        },
        before_path(instance.config_directory): {"format": _FORMAT, "values": new.before},
    }
    return [
        Change(
            path,
            f"{json.dumps(content, indent=1, sort_keys=True)}\n".encode(),
            instance.read(path),
            attributes=root_owned(0o600),
            secret=True,
            directory_mode=0o700,
            records=old.owner == new.owner,
        )
        for path, content in texts.items()
    ]


def _read(instance: Instance, path: str) -> dict[str, Any]:
    text = instance.read(path)
    try:
        content = {} if text is None else json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise _damaged(path)
    if content.get("format", _FORMAT) > _FORMAT:
        raise HostError(
            "reading",
            path,
            f"a newer version of mailops.postfix wrote it (format {content['format']}; this version reads up to {_FORMAT})",
            "Upgrade the collection mailops.postfix on the controller to that version and run the playbook again",
        )
    return content


def _damaged(path: str) -> HostError:
    return HostError("reading", path, "it is not valid JSON", "Remove it; the next run writes it again")


def _written_file(content: Mapping[str, Any]) -> WrittenFile:
    parts = {
        name: WrittenValue(item.get("digest", item.get("value")), "digest" in item, item["by"] == "role")
        for name, item in content["parts"].items()
    }
    return WrittenFile(FileKind(content["kind"]), parts, content.get("type", ""))


def _as_json(file: WrittenFile) -> dict[str, Any]:
    parts = {
        name: {
            "digest" if item.secret and item.value is not None else "value": item.value,
            "by": "role" if item.derived else "variable",
        }
        for name, item in file.parts.items()
    }
    return {"kind": file.kind.value, "parts": parts, **({"type": file.type} if file.type else {})}
