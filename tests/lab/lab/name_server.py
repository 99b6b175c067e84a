# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The zone files of the lab's name server and the configuration of Unbound, as text."""

from __future__ import annotations

import ipaddress
from typing import Iterable, Mapping

UNBOUND = """\
server:
    interface: 0.0.0.0
    access-control: 0.0.0.0/0 allow
    do-ip6: no
    module-config: "validator iterator"
    # Only the lab's zones exist.
    local-zone: "." static
remote-control:
    control-enable: yes
    control-interface: /run/unbound.ctl
"""


def network_zone(subnet: str) -> str:
    """The zone for the reverse of the addresses in the network (a /24)."""
    return ipaddress.ip_network(subnet).network_address.reverse_pointer.split(".", 1)[1]


def _head(server: str, serial: int) -> str:
    """The head of a zone. TTL 0: resolvers do not cache answers, so that a changed record takes effect immediately.

    Each record has its TTL, since Unbound reads a "$TTL" of 0 as 3600.
    """
    return f"@ 0 SOA {server}. hostmaster.{server}. {serial} 3600 600 86400 0\n@ 0 NS {server}.\n"


def forward(domain: str, server: str, serial: int, addresses: Mapping[str, str], exchangers: Mapping[str, str]) -> str:
    """The domain's zone. addresses: full name -> address; exchangers: mail domain -> full name of its host."""
    lines = [f"{name}. 0 A {address}" for name, address in addresses.items()]
    lines += [f"{name}. 0 MX 10 {host}." for name, host in exchangers.items()]
    return f"$ORIGIN {domain}.\n{_head(server, serial)}" + "".join(f"{line}\n" for line in lines)


def backward(subnet: str, server: str, serial: int, addresses: Mapping[str, str]) -> str:
    """The reverse zone."""
    lines = [f"{ipaddress.ip_address(address).reverse_pointer}. 0 PTR {name}." for name, address in addresses.items()]
    return f"$ORIGIN {network_zone(subnet)}.\n{_head(server, serial)}" + "".join(f"{line}\n" for line in lines)


def unbound(zones: Iterable[str]) -> str:
    """unbound.conf: a resolver that reads the zones from files, so that it waits for no other server."""
    zones = list(zones)
    local = "server:\n"
    for zone in zones:
        local += f'    local-zone: "{zone}." transparent\n'
        if zone.endswith(".in-addr.arpa"):
            # By default Unbound answers for private addresses itself.
            parent = {"10": "10.in-addr.arpa", "192": "168.192.in-addr.arpa"}.get(zone.split(".")[-3])
            local += f'    local-zone: "{parent}." nodefault\n' if parent else ""
    files = [
        f'auth-zone:\n    name: "{zone}."\n    zonefile: /lab/dns/{zone}.zone\n    for-downstream: no\n'
        for zone in zones
    ]
    return UNBOUND + local + "".join(files)
