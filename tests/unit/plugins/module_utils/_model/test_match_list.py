# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model.match_list import (
    domain_keys,
    is_table,
    matching_element,
    network,
)
from ansible_collections.mailops.postfix.plugins.module_utils._model.routing import TableLookup, Unknown

TABLES = {"hash:/t": {"192.0.2.7": "x", "example.net": "x", ".example.com": "x"}}


class Tables(TableLookup):
    def words(self, path):
        if path != "/file":
            raise Unknown(f"there is no file {path}")
        return ["192.0.2.9", "!192.0.2.10", "192.0.2.0/28"]


def matching(value, name="unknown", address="198.51.100.1", parent_domains=True):
    return matching_element(value.split(), name, address, Tables(TABLES), parent_domains)


@pytest.mark.parametrize(
    ("value", "client", "element"),
    [
        ("10.0.0.0/8 198.51.100.0/24", {}, "198.51.100.0/24"),
        ("!198.51.100.1 198.51.100.0/24", {}, None),
        ("198.51.100.0/24 !198.51.100.1", {}, "198.51.100.0/24"),
        ("[2001:db8::]/32", {"address": "2001:db8::1"}, "[2001:db8::]/32"),
        ("2001:db8::/32", {"address": "2001:db8::1"}, "2001:db8::/32"),
        ("192.0.2.7", {"address": "192.0.2.7"}, "192.0.2.7"),
        ("hash:/t", {"address": "192.0.2.7"}, "hash:/t"),
        ("proxy:hash:/t", {"address": "192.0.2.7"}, "proxy:hash:/t"),
        ("hash:/t", {"address": "192.0.2.8"}, None),
        ("!hash:/t 192.0.2.0/24", {"address": "192.0.2.7"}, None),
        ("hash:/t", {"name": "mail.example.net"}, "hash:/t"),
        ("hash:/t", {"name": "mail.example.net", "parent_domains": False}, None),
        ("hash:/t", {"name": "mail.example.com", "parent_domains": False}, "hash:/t"),
        ("example.net", {"name": "mail.Example.net"}, "example.net"),
        ("example.net", {"name": "mail.example.net", "parent_domains": False}, None),
        (".example.net", {"name": "mail.example.net", "parent_domains": False}, ".example.net"),
        (".example.net", {"name": "mail.example.net"}, None),
        ("/file", {"address": "192.0.2.9"}, "192.0.2.9"),
        ("/file", {"address": "192.0.2.10"}, None),
        ("!/file 192.0.2.0/24", {"address": "192.0.2.10"}, "192.0.2.10"),
        ("!/file 192.0.2.0/24", {"address": "192.0.2.11"}, None),
    ],
)
def test_the_first_element_that_matches_decides(value, client, element):
    found = matching(value, **client)
    assert (found and found.lstrip("!")) == element


def test_what_cannot_be_read():
    with pytest.raises(Unknown, match="/nowhere"):
        matching("/nowhere")
    with pytest.raises(Unknown, match="ldap:/x"):
        matching("ldap:/x")


@pytest.mark.parametrize(
    ("element", "table", "block"),
    [
        ("cidr:/t", True, None),
        ("!hash:/t", True, None),
        ("2001:db8::1", False, "2001:db8::1/128"),
        ("fe80::/10", False, "fe80::/10"),
        ("[fe80::]/10", False, "fe80::/10"),
        ("10.1.2.3/8", False, "10.0.0.0/8"),
        ("dead.example.org", False, None),
        ("com", False, None),
    ],
)
def test_kinds_of_elements(element, table, block):
    assert is_table(element) is table
    assert str(network(element) or "") == (block or "")


def test_domain_keys():
    assert domain_keys("a.b.test", True) == ["a.b.test", "b.test", "test"]
    assert domain_keys("a.b.test", False) == ["a.b.test", ".b.test", ".test"]
