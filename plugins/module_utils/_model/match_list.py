# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists of hosts and networks such as mynetworks. Private to mailops.postfix. Pure.

The first element that matches the client's name or address decides; after an exclamation mark, it says no. A table matches if it has
the key, whatever its result. Source: postconf(5), src/util/match_list.c, src/util/match_ops.c, src/global/namadr_list.c.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import List, Optional, Sequence, Union

from .domain_lists import bare, with_files_read
from .routing import TableLookup, is_pattern, parents_of

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


def matching_element(
    elements: Sequence[str], name: str, address: str, tables: TableLookup, parent_domains: bool
) -> Optional[str]:
    """The element that makes a client a member of the list; None if it is not a member.

    :param name: the client's name; ``unknown`` without one.
    :param parent_domains: whether the list is in parent_domain_matches_subdomains.
    :raises Unknown: if an element before that can't be read.
    """
    for element in with_files_read(elements, tables.words):
        pattern = element.lstrip("!")
        if _matches(pattern, name.lower(), address, tables, parent_domains):
            return None if (len(element) - len(pattern)) % 2 else element
    return None


@lru_cache(maxsize=1024)
def network(element: str) -> Optional[Network]:
    """The network of an element of a list; None for names, tables and files."""
    text = re.sub(r"[\[\]]", "", element.lstrip("!"))
    if not re.match(r"[\d:a-fA-F]", text) or not ("." in text or ":" in text):
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def is_table(element: str) -> bool:
    """Whether an element is a table, ``type:name``."""
    return re.match(r"!*[a-z_]\w*:", element) is not None and network(element) is None


def domain_keys(domain: str, parent_domains: bool) -> List[str]:
    """A name, and the parent domains that Postfix looks up for it."""
    return [domain, *parents_of(domain, parent_domains)]


def _matches(pattern: str, name: str, address: str, tables: TableLookup, parent_domains: bool) -> bool:
    if is_table(pattern):
        table = bare(pattern)
        names = domain_keys(name, parent_domains)
        keys = [*(names[:1] if is_pattern(table) else names), address]
        return any(tables.find(table, key) is not None for key in keys)
    block = network(pattern)
    if block is not None:
        return ipaddress.ip_address(address) in block
    literal = pattern.lower()
    if literal == name:
        return True
    if literal.startswith("."):
        return not parent_domains and name.endswith(literal)
    return parent_domains and name.endswith(f".{literal}")
