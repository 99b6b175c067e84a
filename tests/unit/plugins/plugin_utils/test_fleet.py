# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who belongs to a smarthost, and the rotation of its keys."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.filter import (
    key_pins,
    key_rotation,
    outdated_smarthosts,
    owner_remedies,
    smarthost,
    smarthost_clients,
)
from ansible_collections.mailops.postfix.plugins.plugin_utils import _fleet

HOSTS = {
    "hub": {"smarthost_hostname": "hub.example.org"},
    "hub2": {},
    "laptop-a": {"roadwarrior_smarthost": "hub"},
    "laptop-b": {"roadwarrior_smarthost": "hub.example.org"},
    "laptop-c": {"roadwarrior_smarthost": "hub2"},
    "laptop-d": {},
}


def key(pin, following=None):
    facts = {"certificate": {"public_key_fingerprint": {"sha256": pin}}, "next": None}
    return {**facts, "next": {"public_key_fingerprint": {"sha256": following}}} if following else facts


@pytest.mark.parametrize(
    ("name", "host", "fqdn"),
    [
        ("hub", "hub", "hub.example.org"),
        ("hub.example.org", "hub", "hub.example.org"),
        ("hub2", "hub2", "hub2"),
        ("mail.example.com", "", "mail.example.com"),
    ],
)
def test_smarthost(name, host, fqdn):
    found = smarthost.smarthost(HOSTS, ["hub", "hub2"], name)
    assert (found["host"], found["name"]) == (host, fqdn)
    assert found["certificates"] == ([{"name": fqdn, "provider": "self_signed"}] if host else [])


def test_a_variable_of_a_play_has_precedence():
    """The role publishes it as a fact of its host."""
    published = {"hostname": "mail.example.org", "certificates": [{"name": "mail"}]}
    hosts = {**HOSTS, "hub": {**HOSTS["hub"], "__smarthost_published": published}}
    found = smarthost.smarthost(hosts, ["hub", "hub2"], "mail.example.org")
    assert found == {"host": "hub", "name": "mail.example.org", "certificates": [{"name": "mail"}]}
    assert smarthost.smarthost(hosts, ["hub", "hub2"], "hub.example.org")["host"] == ""


def test_a_published_default_has_precedence_too():
    hosts = {"hub": {"smarthost_hostname": "old", "__smarthost_published": {"hostname": None, "certificates": None}}}
    assert _fleet.smarthost_name(hosts, "hub") == "hub"


@pytest.mark.parametrize("name", ["hub", "hub2", "hub.example.org"])
def test_smarthosts_with_one_name(name):
    hosts = {**HOSTS, "hub2": {"smarthost_hostname": "hub.example.org"}}
    assert _fleet.smarthosts_named(hosts, ["hub", "hub2"], name) == ["hub", "hub2"]


def test_clients():
    fleet = [name for name in HOSTS if name != "hub2"]
    assert smarthost_clients.smarthost_clients(HOSTS, fleet, "hub") == ["laptop-a", "laptop-b", "laptop-d"]
    assert smarthost_clients.smarthost_clients(HOSTS, fleet, "hub2") == ["hub", "laptop-c", "laptop-d"]
    assert smarthost_clients.smarthost_clients(HOSTS, [], "hub") == []


def test_a_client_whose_play_names_another_smarthost():
    hosts = {**HOSTS, "laptop-d": {"__roadwarrior_published": {"smarthost": "hub2"}}}
    assert "laptop-d" not in smarthost_clients.smarthost_clients(hosts, list(hosts), "hub")


@pytest.mark.parametrize(
    ("of_hub", "of_laptops", "expected"),
    [
        ({"hostname": None, "fleet": None}, {}, []),
        (
            {"hostname": None, "fleet": None},
            {"laptop-d": "hub2"},
            [{"host": "hub", "clients": ["laptop-a", "laptop-b"]}],
        ),
        (
            {"hostname": None, "fleet": ""},
            {"laptop-d": "mail.example.com"},
            [{"host": "hub", "clients": ["laptop-a", "laptop-b"]}],
        ),
        ({"hostname": None, "fleet": ["laptop-a"]}, {"laptop-d": "hub2"}, []),
        ({"hostname": None, "fleet": None}, {"laptop-d": "hub"}, []),
        (None, {"laptop-d": "hub2"}, []),
    ],
)
def test_outdated_smarthosts(of_hub, of_laptops, expected):
    published = {name: {"__roadwarrior_published": {"smarthost": value}} for name, value in of_laptops.items()}
    published["hub"] = {"__smarthost_published": {**of_hub, "hostname": "hub.example.org"}} if of_hub else {}
    hosts = {name: {**variables, **published.get(name, {})} for name, variables in HOSTS.items()}
    fleet = [name for name in HOSTS if name.startswith("laptop")]
    assert outdated_smarthosts.outdated_smarthosts(hosts, ["hub", "hub2"], fleet) == expected


@pytest.mark.parametrize(
    ("certificates", "pins"),
    [
        ([], []),
        ([key("A")], ["A"]),
        ([key("A", "B"), key("C")], ["A", "C", "B"]),
        ([{"certificate": {}, "next": None}], []),
        ([{"certificate": {"public_key_fingerprint": {"sha256": None}}}], []),
    ],
)
def test_key_pins(certificates, pins):
    assert key_pins.key_pins(certificates) == pins


def reading(*pins):
    return {"installed": True, "explicit_parameters": {"smtp_tls_fingerprint_cert_match": ", ".join(pins).lower()}}


@pytest.mark.parametrize(
    ("certificates", "readings", "expected"),
    [
        ([key("A")], [reading("A"), reading("A")], {}),
        ([key("A", "B")], [reading("A", "B"), reading("B", "A")], {"next_pins": ["B"]}),
        (
            [key("A", "B")],
            [reading("A"), reading("A", "B")],
            {"next_pins": ["B"], "unconfirmed": ["laptop-a (has other pins)"]},
        ),
        (
            [key("A", "B")],
            [{}, {"installed": False}],
            {
                "next_pins": ["B"],
                "unreachable": ["laptop-a", "laptop-b"],
                "unconfirmed": ["laptop-a (unreachable)", "laptop-b (unreachable)"],
            },
        ),
        ([key("B")], [reading("A", "B"), reading("B")], {"is_incomplete": True}),
        ([key("B", "C")], [reading("A", "B", "C"), reading("B", "C")], {"next_pins": ["C"]}),
        # The smarthost has been restored from a backup, with and without a next key; a laptop comes from another smarthost.
        ([key("A")], [reading("B"), reading("B")], {}),
        ([key("A", "B")], [reading("B"), reading("B")], {"next_pins": ["B"]}),
        ([key("A")], [reading("A"), reading("X")], {}),
        ([key("A"), key("R")], [reading("A", "R", "X"), reading("A", "R")], {"is_incomplete": True}),
        ([key("A"), key("R")], [reading("A", "X"), reading("A", "R")], {}),
    ],
)
def test_rotation(certificates, readings, expected):
    state = {"next_pins": [], "unreachable": [], "unconfirmed": [], "is_incomplete": False, **expected}
    assert key_rotation.key_rotation(HOSTS, ["laptop-a", "laptop-b"], certificates, readings) == state


def test_pins_that_are_declared_by_hand_do_not_make_a_rotation_incomplete():
    hosts = {**HOSTS, "laptop-a": {"roadwarrior_pins": ["OLD"]}}
    state = key_rotation.key_rotation(hosts, ["laptop-a"], [key("A")], [reading("OLD", "A")])
    assert not state["is_incomplete"]


@pytest.mark.parametrize("role", ["mta_relay", "smarthost", "roadwarrior"])
def test_owner_remedies(role):
    others = owner_remedies.owner_remedies(role)
    assert set(others) == {"mta_relay", "smarthost", "roadwarrior"} - {role}
    for other, remedy in others.items():
        assert remedy.endswith(f"To replace the role {other}, set {role}_take_over to true")


@pytest.mark.parametrize("not_declared", [None, ""])
def test_a_smarthost_without_declared_certificates(not_declared):
    """ansible-core 2.18 gives an empty string for null."""
    hosts = {"hub": {"__smarthost_published": {"hostname": "hub.example.org", "certificates": not_declared}}}
    assert _fleet.smarthost_certificates(hosts, "hub") == [{"name": "hub.example.org", "provider": "self_signed"}]
