# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the module ca_bundle. Private to mailops.postfix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

from .options import Options, option

DEFAULT_PATHS = {"file": "tls/ca-certificates.pem", "directory": "tls/ca-certificates"}
"""The default paths of both forms, relative to the configuration directory."""


@dataclass(frozen=True)
class CaBundleOptions(Options):
    """The options of the module ca_bundle."""

    extra: Sequence[str] = option("list", elements="path", default=[])
    system: bool = option("bool", default=True)
    form: str = option(choices=["file", "directory"], default="file")
    path: str | None = option("path")
    update_hook: bool | None = option("bool")

    @property
    def destination(self) -> str:
        """The path of the bundle, relative to the configuration directory, unless smtp(8) uses the system's file."""
        return self.path or DEFAULT_PATHS[self.form]
