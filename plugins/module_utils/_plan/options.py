# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of modules as values. Private to mailops.postfix.

A class of options is what a planner takes, and from its fields comes the argument spec by which Ansible validates a declaration.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Mapping, TypeVar

_Options = TypeVar("_Options", bound="Options")


def option(kind: str = "str", holds: type[Options] | None = None, **specification: Any) -> Any:
    """A field of a class of options. Required ones come first.

    :param kind: its type in the argument spec.
    :param holds: the class of the value, or of each value of a list.
    :param specification: the rest of its argument spec.
    """
    metadata = {"specification": {"type": kind, **specification}, "holds": holds}
    default = specification.get("default")
    given: dict[str, Any] = {"default": default}
    if specification.get("required"):
        given = {}
    elif isinstance(default, (dict, list)):
        given = {"default_factory": default.copy}
    # The classes of options call this function where others call field().
    return field(metadata=metadata, **given)  # pylint: disable=invalid-field-call


@dataclass(frozen=True)
class Options:
    """The options of a module, or of a part of them."""

    constraints: ClassVar[Mapping[str, Any]] = {}
    """What else Ansible validates, such as ``required_if``."""

    @classmethod
    def specification(cls) -> dict[str, Any]:
        """The arguments of AnsibleModule."""
        return {"argument_spec": cls.suboptions()["options"], **cls.constraints}

    @classmethod
    def suboptions(cls) -> dict[str, Any]:
        """The same for an option that holds these options."""
        return {"options": {item.name: item.metadata["specification"] for item in fields(cls)}, **cls.constraints}

    @classmethod
    def from_declaration(cls: type[_Options], declared: Mapping[str, Any]) -> _Options:
        """The options in a validated declaration, which may have others too. None means the default."""
        given = {item.name: (declared.get(item.name), item.metadata["holds"]) for item in fields(cls)}
        return cls(**{name: _typed(value, holds) for name, (value, holds) in given.items() if value is not None})


def _typed(value: Any, holds: type[Options] | None) -> Any:
    if holds is None:
        return value
    if isinstance(value, list):
        return [holds.from_declaration(item) for item in value]
    return holds.from_declaration(value)
