# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of TLS policies and their table. Private to mailops.postfix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

from .._formats import lookup_table, tls_levels, tls_policy_spec
from .options import Options, option


@dataclass(frozen=True)
class PinOptions(Options):
    """A pin."""

    constraints = {"mutually_exclusive": [["pem", "fingerprint"]], "required_one_of": [["pem", "fingerprint"]]}
    pem: str | None = option()
    fingerprint: str | None = option()
    of: str = option(choices=["public_key", "certificate"], default="public_key")


@dataclass(frozen=True)
class PolicyOptions(Options):
    """A policy for a next hop, a domain or a host."""

    constraints = {
        "mutually_exclusive": [["nexthop", "domain", "host"], ["nexthop", "route"], ["host", "route"]],
        "required_one_of": [["nexthop", "domain", "host"]],
        "required_if": [["state", "present", ["level"]]],
    }
    nexthop: str | None = option()
    domain: str | None = option()
    host: str | None = option()
    level: str | None = option(choices=list(tls_levels.LEVELS))
    match: Sequence[str] | None = option("list", elements="str")
    pins: Sequence[PinOptions] | None = option("list", PinOptions, elements="dict", **PinOptions.suboptions())
    protocols: Sequence[str] | None = option("list", elements="str")
    ciphers: str | None = option(choices=list(tls_policy_spec.GRADES))
    exclude: Sequence[str] | None = option("list", elements="str")
    tafile: Sequence[str] | None = option("list", elements="path")
    servername: str | None = option()
    connection_reuse: bool | None = option("bool")
    enable_rpk: bool | None = option("bool")
    route: str | None = option(choices=["direct"])
    state: str = option(default="present", choices=["present", "absent"])

    @property
    def present(self) -> bool:
        """Whether there is to be one."""
        return self.state == "present"


@dataclass(frozen=True)
class PolicyTableOptions(Options):
    """The options of a policy table."""

    policies: Sequence[PolicyOptions] = option(
        "list",
        PolicyOptions,
        elements="dict",
        required=True,
        **PolicyOptions.suboptions(),
    )
    path: str | None = option("path")
    exclusive: bool = option("bool", default=False)
    type: str = option(default="auto", choices=["auto", *lookup_table.KEYED])
    owner: str | None = option()
    group: str | None = option()
    mode: str | int | None = option("raw")
