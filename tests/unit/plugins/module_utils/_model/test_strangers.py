# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model import strangers


def test_most_addresses_have_unrelated_owners():
    owners = {strangers.owner(address) for address in strangers.ADDRESSES}
    assert len(owners) > 12
    assert len({address.partition(".")[0] for address in owners if "." in address}) > 8


@pytest.mark.parametrize(
    ("network", "too_large"),
    [
        ("0.0.0.0/0", True),
        ("34.0.0.0/8", True),
        ("34.0.0.0/9", False),
        ("10.0.0.0/8", False),
        ("127.0.0.0/8", False),
        ("2000::/3", True),
        ("2002::/16", True),
        ("2001:db8::/32", False),
        ("fc00::/7", False),
        ("fe80::/10", False),
        ("fe00::/7", True),
    ],
)
def test_networks_of_many_owners(network, too_large):
    block = ipaddress.ip_network(network)
    assert strangers.is_too_large(block) is too_large
    members = strangers.members(block)
    assert len(members) == 3 and all(ipaddress.ip_address(member) in block for member in members)


def test_networks_in_lists_and_keys():
    found = strangers.large_networks(["34", "10", "192.0", "44.0.0.0/8", "!45.0.0.0/8", "com", "300", "hash:/t"])
    assert list(map(str, found)) == ["34.0.0.0/8", "44.0.0.0/8", "45.0.0.0/8"]


@pytest.mark.parametrize(
    ("pattern", "example"),
    [
        (r"/^mx\.partner\.test$/", "mx.partner.test"),
        (r"/@example\.org$/i", "@example.org"),
        (r"/^.*@example\.org$/", "@example.org"),
        (r"/^mx.partner.test$/", "mx.partner.test"),
        (r"/(^|\.)example\.org$/", ""),
        (r"/./", "."),
        (r"!/x/", ""),
        (r"/^[a-z]+@x$/", ""),
    ],
)
def test_examples_of_expressions(pattern, example):
    assert strangers.example_of(pattern) == example
