# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model.smtp_session import Session, access_keys, forged

CLIENT = Session(
    "192.0.2.7", "mail.example.net", "other.example.com", "helo.example.org", "a@b.test", "c@d.test", "AA:BB"
)


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        (
            "client",
            ["mail.example.net", "example.net", "net", "192.0.2.7", "192.0.2", "192.0", "192"],
        ),
        ("reverse_client_hostname", ["other.example.com", "example.com", "com"]),
        ("helo", ["helo.example.org", "example.org", "org"]),
        ("sender", ["a@b.test", "b.test", "test", "a@"]),
        ("recipient", ["c@d.test", "d.test", "test", "c@"]),
        ("ccert", ["AA:BB"]),
        # These do not permit, or need a login.
        ("sender_mx", []),
        ("client_a", []),
        ("sasl", []),
    ],
)
def test_the_keys_of_access_tables(kind, keys):
    assert access_keys(kind, CLIENT, parent_domains=True, complete=False) == keys


def test_tables_of_patterns_see_complete_keys():
    assert access_keys("client", CLIENT, True, complete=True) == ["mail.example.net", "192.0.2.7"]
    assert access_keys("sender", CLIENT, True, complete=True) == ["a@b.test"]


def test_parent_domains_with_a_dot():
    assert access_keys("helo", CLIENT, False, complete=False) == ["helo.example.org", ".example.org", ".org"]


def test_addresses_and_the_null_sender():
    assert access_keys("helo", Session("x", helo="192.0.2.7"), True, False) == ["192.0.2.7"]
    assert access_keys("sender", Session("x", sender=""), True, False) == ["<>"]
    networks = access_keys("client", Session("2001:db8::7"), True, False)
    assert networks == ["unknown", "2001:db8::7", "2001:db8:", "2001:db8", "2001"]


@pytest.mark.parametrize(
    ("key", "sender"),
    [
        ("a@b.test", "a@b.test"),
        ("b.test", "someone@b.test"),
        (".b.test", "someone@host.b.test"),
        ("a@", "a@stranger.invalid"),
        ("<>", ""),
    ],
)
def test_a_forged_sender_is_found_by_its_key(key, sender):
    session = forged("sender", key, CLIENT)
    assert session.sender == sender
    parent_domains = not key.startswith(".")
    assert key in access_keys("sender", session, parent_domains, complete=False)


def test_forged_names():
    assert forged("helo", ".b.test", CLIENT).helo == "host.b.test"
    assert forged("reverse_client_hostname", "b.test", CLIENT).reverse_name == "b.test"
