# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether other hosts can reach a host that is to take their mail. Private to mailops.postfix. Pure; a HostFacts has the facts."""

from __future__ import annotations

from typing import Iterator

from .._formats.master_cf import MasterEntry
from .._model.configuration import MAIN, Configuration, shown
from .._model.finding import Finding
from .._model.reachability import is_loopback_address
from .facts import HostFacts
from .master_cf import addresses_to_bind, host_and_port

OWNERS = ("mta_relay", "smarthost")
"""The roles whose hosts take mail of other hosts."""

_PROXIES = ("smtpd_upstream_proxy_protocol", "postscreen_upstream_proxy_protocol")


def reachability_findings(configuration: Configuration, host: HostFacts, owner: str) -> Iterator[Finding]:
    """A host of a role in :data:`OWNERS` that only programs on it can reach.

    :param owner: the role; empty without one.
    """
    if owner not in OWNERS or not configuration.all_services:
        return
    services = [service for command in ("smtpd", "postscreen") for service in configuration.of_command(command)]
    listening = [service for service in services if service.column("type") == "inet"]
    if any(_is_reached(configuration, host, service) for service in listening):
        return
    value = configuration.raw(None).get("inet_interfaces", "")
    cause = "all its ports are on loopback addresses" if listening else "master.cf has no active inet service of smtpd"
    yield Finding(
        "no_listener",
        shown("inet_interfaces", value),
        f"no other host can reach this {owner}: {cause}",
        f"Write {owner}_inet_interfaces: all, or the addresses to listen on. If that is what you want, write {owner}_checks: {{no_listener: ignore}}",
        configuration.where("inet_interfaces"),
        frozenset([(MAIN, "inet_interfaces")]),
    )


def _is_reached(configuration: Configuration, host: HostFacts, service: MasterEntry) -> bool:
    """Whether a service listens on an address of the network, or a proxy on this host does for it."""
    if any(configuration.value(name, service) for name in _PROXIES):
        return True
    addresses = addresses_to_bind(configuration, host, host_and_port(service)[0])
    # What can't be resolved now is another finding.
    return not addresses or not all(map(is_loopback_address, addresses))
