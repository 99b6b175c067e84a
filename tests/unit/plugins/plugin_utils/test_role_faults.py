# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Preconditions of the roles."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.plugin_utils import _role_faults

ROLES = Path(__file__).resolve().parents[4] / "roles"
HOSTS = {
    "inventory_hostname": "hub",
    "groups": {"all": ["hub", "hub2", "laptop"], "smarthosts": ["hub", "hub2"]},
    "hostvars": {"hub": {"smarthost_hostname": "hub.test"}, "hub2": {"smarthost_hostname": "hub2.test"}, "laptop": {}},
}
SAME = {**HOSTS["hostvars"], "hub2": {"smarthost_hostname": "hub.test"}}


def _fleet_with(name, group="roadwarriors", **variables):
    """An inventory with a smarthost, and a host of this name in a group."""
    groups = {"all": ["hub", "laptop", name], "smarthosts": ["hub"], group: ["hub", "laptop", name]}
    return {"groups": groups, "hostvars": {"hub": {}, "laptop": {}, name: variables}}


@pytest.mark.parametrize(
    ("role", "values", "variables", "words"),
    [
        ("mta_relay", {"dane": True, "tls_security_level": "may"}, {}, None),
        ("mta_relay", {"dane": True, "tls_security_level": "dane"}, {}, None),
        (
            "mta_relay",
            {"dane": True, "tls_security_level": "encrypt"},
            {},
            "mta_relay_dane requires the level dane (or may, the default), but mta_relay_tls_security_level is encrypt",
        ),
        ("smarthost", {"dane": True, "tls_security_level": "verify"}, {}, "smarthost_dane requires the level dane"),
        ("smarthost", {}, {}, None),
        ("smarthost", {"fleet": ["laptop"]}, {}, None),
        ("smarthost", {"fleet": ["laptop", "l"]}, {}, "smarthost_fleet: l is not a host of the inventory"),
        (
            "smarthost",
            {"hostname": "hub.test"},
            {"hostvars": SAME},
            "smarthost_hostname: hub2 has the name hub.test, too",
        ),
        ("smarthost", {"hostname": "other.test"}, {"hostvars": SAME}, None),
        ("smarthost", {}, {"inventory_hostname": "10.89.0.12"}, "Set smarthost_hostname"),
        ("smarthost", {}, {"inventory_hostname": "fd00::1"}, "Set smarthost_hostname"),
        ("smarthost", {}, {"inventory_hostname": "Höst"}, "Höst is not a valid host name. Set smarthost_hostname"),
        ("smarthost", {"hostname": "x.test"}, {"inventory_hostname": "10.89.0.12"}, None),
        (
            "smarthost",
            {},
            _fleet_with("Lap_Töp"),
            "Lap_Töp: its default is the name in the inventory, but Lap_Töp is not",
        ),
        (
            "smarthost",
            {"fleet": ["Lap_Töp"]},
            _fleet_with("Lap_Töp", group="all"),
            "of Lap_Töp: its default is the name in the",
        ),
        ("smarthost", {}, _fleet_with("10.89.0.12"), "roadwarrior_certificates of 10.89.0.12: its default"),
        ("smarthost", {}, _fleet_with("Lap_Töp", roadwarrior_certificates=[]), None),
        ("smarthost", {}, _fleet_with("Lap_Töp", roadwarrior_certificates=[{"name": "lap-toep"}]), None),
        (
            "smarthost",
            {},
            _fleet_with("lap", roadwarrior_certificates=[{"name": "Lap_Töp"}]),
            "of lap: 'Lap_Töp' is not a valid certificate name",
        ),
        # A host of another smarthost, a host that is not a road-warrior, and a name that is not beautiful, but valid.
        ("smarthost", {}, _fleet_with("Lap_Töp", roadwarrior_smarthost="hub2"), None),
        ("smarthost", {}, _fleet_with("Lap_Töp", group="all"), None),
        ("smarthost", {}, _fleet_with("Lap_Top.example"), None),
        ("roadwarrior", {"certificates": [{"name": "Lap_Töp"}]}, {}, "'Lap_Töp' is not a valid certificate name"),
        ("roadwarrior", {"certificates": [{"name": "lap"}]}, {}, None),
        ("roadwarrior", {}, {"inventory_hostname": "Lap_Töp"}, "Set roadwarrior_certificates"),
        ("roadwarrior", {"certificates": []}, {"inventory_hostname": "Lap_Töp"}, None),
        ("roadwarrior", {"sasl_user": "joe"}, {}, "roadwarrior_sasl_user requires roadwarrior_sasl_password"),
        ("roadwarrior", {"sasl_password": "x"}, {}, "roadwarrior_sasl_password requires roadwarrior_sasl_user"),
        ("roadwarrior", {"sasl_user": "joe", "sasl_password": "x"}, {}, None),
        ("roadwarrior", {"smarthost": "hub.test"}, {}, None),
        ("roadwarrior", {"smarthost": "hub.test"}, {"hostvars": SAME}, "hub and hub2 have the name hub.test"),
        ("roadwarrior", {"smarthost": "hub2"}, {"hostvars": SAME}, "hub and hub2 have the name hub2"),
        ("letsencrypt", {}, {}, None),
        ("letsencrypt", {"certificates": [{"name": "a"}, {"name": "b"}]}, {}, None),
        ("letsencrypt", {"certificates": [{"name": "a"}, {"name": "a"}]}, {}, "a is the name of several certificates"),
        ("letsencrypt", {"certificates": [{"name": "a", "challenge": "webroot", "webroot": "/srv"}]}, {}, None),
        (
            "letsencrypt",
            {"certificates": [{"name": "a", "challenge": "webroot"}]},
            {},
            "a: challenge is webroot, but webroot",
        ),
    ],
)
def test_preconditions(role, values, variables, words):
    faults = _role_faults.role_faults(role, values, {**HOSTS, **variables})
    assert len(faults) == (0 if words is None else 1), faults
    assert all(words in fault for fault in faults)


@pytest.mark.parametrize(
    ("owners", "values", "refused"),
    [
        ({}, {}, False),
        ({"/etc/postfix": "smarthost"}, {}, True),
        ({"/etc/postfix": "mta_relay"}, {}, False),
        ({"/etc/postfix": None}, {}, False),
        ({"/etc/postfix-out": "smarthost"}, {}, False),
        ({"/etc/postfix": "smarthost"}, {"take_over": True}, False),
    ],
)
@pytest.mark.parametrize("check_mode", [True, False])
def test_a_second_role_in_one_run(owners, values, refused, check_mode):
    """In check mode the record on the host does not exist yet; a play with ``check_mode`` does not set ``ansible_check_mode``."""
    variables = {"__mailops_postfix_owners": owners, "ansible_check_mode": check_mode}
    faults = _role_faults.role_faults("mta_relay", values, variables)
    assert bool(faults) is refused
    assert all("the role smarthost has been applied" in fault and "prefix smarthost_" in fault for fault in faults)
