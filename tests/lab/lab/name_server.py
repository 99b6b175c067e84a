# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The zone files of the lab's name server and the configurations of Knot and Unbound, as text."""

from __future__ import annotations

import ipaddress
from typing import Iterable, Mapping

KNOT = """\
server:
    listen: 127.0.0.1@5300
log:
  - target: syslog
    any: info
database:
    storage: /var/lib/knot
template:
  - id: default
    storage: /lab/dns
    file: "%s.zone"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
zone:
"""

UNBOUND = """\
server:
    interface: 0.0.0.0
    access-control: 0.0.0.0/0 allow
    do-ip6: no
    do-not-query-localhost: no
    module-config: "validator iterator"
    # Only the lab's zones exist.
    local-zone: "." static
"""


def network_zone(subnet: str) -> str:
    """The zone for the reverse of the addresses in the network (a /24)."""
    return ipaddress.ip_network(subnet).network_address.reverse_pointer.split(".", 1)[1]


def _head(server: str, serial: int) -> str:
    """The head of a zone. TTL 0: resolvers do not cache answers, so that a changed record takes effect immediately."""
    return f"$TTL 0\n@ SOA {server}. hostmaster.{server}. {serial} 3600 600 86400 0\n@ NS {server}.\n"


def forward(domain: str, server: str, serial: int, addresses: Mapping[str, str], exchangers: Mapping[str, str]) -> str:
    """The domain's zone. addresses: full name -> address; exchangers: mail domain -> full name of its host."""
    lines = [f"{name}. A {address}" for name, address in addresses.items()]
    lines += [f"{name}. MX 10 {host}." for name, host in exchangers.items()]
    return f"$ORIGIN {domain}.\n{_head(server, serial)}" + "".join(f"{line}\n" for line in lines)


def backward(subnet: str, server: str, serial: int, addresses: Mapping[str, str]) -> str:
    """The reverse zone."""
    lines = [f"{ipaddress.ip_address(address).reverse_pointer}. PTR {name}." for name, address in addresses.items()]
    return f"$ORIGIN {network_zone(subnet)}.\n{_head(server, serial)}" + "".join(f"{line}\n" for line in lines)


def knot(zones: Iterable[str]) -> str:
    """knot.conf."""
    return KNOT + "".join(f"  - domain: {zone}\n" for zone in zones)


def unbound(zones: Iterable[str]) -> str:
    """unbound.conf."""
    zones = list(zones)
    text = UNBOUND
    for zone in zones:
        text += f'    local-zone: "{zone}." transparent\n'
        if zone.endswith(".in-addr.arpa"):
            # By default Unbound answers for private addresses itself.
            parent = {"10": "10.in-addr.arpa", "192": "168.192.in-addr.arpa"}.get(zone.split(".")[-3])
            text += f'    local-zone: "{parent}." nodefault\n' if parent else ""
    for zone in zones:
        text += f'stub-zone:\n    name: "{zone}."\n    stub-addr: 127.0.0.1@5300\n'
    return text
