# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients to which no administrator means to give anything. Private to mailops.postfix. Pure."""

from __future__ import annotations

import ipaddress
import re
from typing import Iterator, List, Sequence

from .match_list import Network, network

ADDRESSES = (
    *("198.51.100.77", "203.0.113.77", "192.0.2.77", "5.45.77.9", "23.129.64.9", "45.83.66.9", "62.210.77.9"),
    *("80.94.95.9", "91.240.118.9", "103.145.77.9", "141.98.77.9", "177.54.77.9", "185.220.77.9", "218.92.77.9"),
    *("2001:db8:77::9", "2001:4860:77::9", "2400:cb00:77::9", "2606:4700:77::9", "2804:77::9", "2a00:1450:77::9"),
)
"""Documentation networks, and networks of unrelated owners on all continents. A list that has those of two owners has most others."""

TOP_LEVEL_DOMAINS = ("com", "net", "org", "info", "de", "uk", "ru", "cn", "br", "io", "eu")

FINGERPRINTS = (
    "5F:0A:77:21:9C:3E:B8:44:10:6D:E2:97:C5:08:FB:31:A6:72:DD:49:8B:13:60:CE:F4:25:9A:07:B1:5C:E8:36",
    "A1:44:0E:92:7B:D3:58:16:CF:E0:39:8D:22:F7:6A:B5:04:91:3C:E6:7F:48:1D:A9:D0:53:BE:62:17:8C:F5:2A",
)
"""Of certificates that clients have made for themselves."""

# Networks that are not routed in the Internet, or in which a host has one provider only.
_OWN = [
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/32", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.168.0.0/16", "::1/128", "fc00::/7", "fe80::/10"),
    )
]
_LARGEST = {4: 8, 6: 16}
"""Networks with no longer prefixes have more addresses than any owner of a mail server."""


def owner(address: str) -> str:
    """What addresses of one owner share: the documentation networks may all be examples of the host's own."""
    return "" if address.startswith(("192.0.2.", "198.51.100.", "203.0.113.", "2001:db8:")) else address


def is_too_large(block: Network) -> bool:
    """Whether a network has addresses of many owners, by its size alone."""
    return block.prefixlen <= _LARGEST[block.version] and not any(
        own.version == block.version and block.subnet_of(own)  # type: ignore[arg-type]
        for own in _OWN
    )


def members(block: Network) -> List[str]:
    """Addresses that are far apart in a network."""
    size = block.num_addresses
    return [str(block[size * part // 11 + 9]) for part in (3, 5, 8)] if size > 100 else [str(block[0])]


def large_networks(elements: Sequence[str]) -> Iterator[Network]:
    """The networks in a list, or among the keys of a table, that have addresses of many owners."""
    for element in elements:
        # A key such as 34 is the network 34.0.0.0/8.
        text = f"{element}.0.0.0/8" if re.fullmatch(r"\d{1,3}", element) and int(element) < 256 else element
        block = network(text)
        if block is not None and is_too_large(block):
            yield block


def example_of(pattern: str) -> str:
    """A text that a simple expression matches; empty for others."""
    found = re.fullmatch(r"(\W)(.*)\1[a-zA-Z]*", pattern, re.DOTALL)
    text = found.group(2) if found else ""
    text = re.sub(r"^\^|\$$", "", text).replace(".*", "").replace(".+", "x")
    plain = re.sub(r"\\(.)", r"\1", text)
    return "" if re.search(r"[\[\](){}|*+?^$]", re.sub(r"\\.", "", text)) else plain
