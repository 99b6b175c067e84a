# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stored renewal specifications, as the program on the host reads them. Private to mailops.postfix."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Mapping

from .._errors import HostError
from .._host.instance import Instance
from .._plan.plan import RenewalKind
from .._transaction.journal import FORMAT
from . import renewals


@dataclass(frozen=True)
class RenewalSpec:
    """The declaration of a certificate or a CA bundle, for the program on the host."""

    config_directory: str
    options: Mapping[str, Any]
    """The options of the module, as its planner expects them."""
    kind: RenewalKind
    path: str
    """The file that has it."""
    declared_by: str = ""
    """The role or module that has stored it; empty for one of an earlier version of this collection."""

    @property
    def name(self) -> str:
        """The name of the certificate or the path of the CA bundle, for messages."""
        return str(self.options.get("name") or self.options.get("path") or "CAs")

    def instance(self) -> Instance:
        """The instance as it is now."""
        return Instance(self.config_directory)


def spec_files(kind: RenewalKind) -> list[str]:
    """The paths of all specifications of a kind, sorted."""
    directory = os.path.join(renewals.STORE, kind.value)
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    return [os.path.join(directory, name) for name in names if name.endswith(".json")]


def stored_for(instance: Instance, kind: RenewalKind) -> list[RenewalSpec]:
    """The specifications of a kind for an instance, without damaged ones and those of a newer version of this collection."""
    found = []
    for path in spec_files(kind):
        with suppress(HostError):
            found.append(read_spec(path))
    return [spec for spec in found if spec.config_directory == instance.config_directory]


def read_spec(path: str) -> RenewalSpec:
    """The specification in a file.

    :raises HostError: if the file is damaged, or written by a newer version of the collection.
    """
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            content = json.load(file)
        spec = RenewalSpec(
            content["config_directory"],
            content["options"],
            RenewalKind(os.path.basename(os.path.dirname(path))),
            path,
            content.get("declared_by", ""),
        )
        format_number = int(content.get("format", 1))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise HostError("reading", path, str(error), "Run the play that declares it again") from error
    if format_number > FORMAT:
        raise HostError(
            "reading",
            path,
            f"a newer version of mailops.postfix wrote it (format {format_number}; this program reads up to {FORMAT})",
            "Run a play with that version on this host again, so that it installs its program",
        )
    return spec
