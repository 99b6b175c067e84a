# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import re

import pytest
from lab import hosts, images, name_server
from lab.common import LAB, PROJECT, LabError, load
from lab.hosts import Host, Lab

DATA = load("hosts.yml")
HOSTS = [(lab, Host(name=name, **host)) for lab, hosts in DATA["labs"].items() for name, host in hosts.items()]


@pytest.mark.parametrize(("lab", "host"), HOSTS, ids=lambda value: getattr(value, "name", value))
def test_host_definition(lab, host):
    """Detects typing errors that otherwise appear only when the host does not start."""
    assert host.image in images.recipes()
    assert 2 <= host.address <= 254
    assert [h.name for other, h in HOSTS if other == lab and h.address == host.address] == [host.name]
    assert not host.peer or (LAB / "peers" / f"{host.peer}.sh").exists()
    assert bool(host.peer) != bool(host.groups or (host.scenario and not host.peer)), "either managed or a peer"
    assert all(name.endswith(f".{DATA['domain']}") for name in host.certificate)


@pytest.mark.parametrize("lab", DATA["labs"])
def test_a_lab_has_one_name_server(lab):
    assert [host.name for name, host in HOSTS if name == lab and host.peer == "ns"] == ["ns"]


def test_hosts_of_a_scenario():
    lab = Lab("molecule")
    assert lab.of_scenarios("submission") == ["submission", "submission-cyrus"]
    assert lab.of_scenarios("", "routes") == ["ns", "plain", "selfsigned", "impostor", "trusted", "router"]
    assert {"ns", "plain"} <= set(lab.of_scenarios("", "default"))
    with pytest.raises(LabError, match="there is no scenario rely in molecule/"):
        lab.of_scenarios("", "rely")


@pytest.mark.parametrize(("lab", "host"), HOSTS, ids=lambda value: getattr(value, "name", value))
def test_the_scenario_of_a_host_exists(lab, host):
    assert not host.scenario or host.name in Lab(lab).of_scenarios(host.scenario)


SCENARIOS = sorted(path.parent for path in (PROJECT / "molecule").glob("*/molecule.yml"))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
def test_a_scenario_uses_its_own_hosts_and_those_that_all_share(scenario):
    """The hosts of other scenarios may not be running."""
    lab = Lab("molecule")
    others = set(lab.hosts) - set(lab.of_scenarios("", scenario.name))
    texts = [path.read_text(encoding="utf-8") for path in scenario.rglob("*.yml")]
    used = re.compile(r"""^[ -]*(?:hosts|host|delegate_to): ([\w-]+)$|hostvars(?:\.|\[['"])([\w-]+)""", re.MULTILINE)
    found = {name for text in texts for names in used.findall(text) for name in names}
    assert found & others == set()


def test_forward_zone():
    text = name_server.forward("x.test", "ns.x.test", 7, {"a.x.test": "10.1.2.3"}, {"x.test": "a.x.test"})
    assert text == (
        "$ORIGIN x.test.\n$TTL 0\n@ SOA ns.x.test. hostmaster.ns.x.test. 7 3600 600 86400 0\n@ NS ns.x.test.\n"
        "a.x.test. A 10.1.2.3\nx.test. MX 10 a.x.test.\n"
    )


def test_backward_zone():
    text = name_server.backward("10.1.2.0/24", "ns.x.test", 7, {"a.x.test": "10.1.2.3"})
    assert text.splitlines()[0] == "$ORIGIN 2.1.10.in-addr.arpa."
    assert text.splitlines()[-1] == "3.2.1.10.in-addr.arpa. PTR a.x.test."


@pytest.mark.parametrize(
    ("subnet", "zone", "parent"),
    [
        ("10.89.0.0/24", "0.89.10.in-addr.arpa", "10.in-addr.arpa"),
        ("192.168.7.0/24", "7.168.192.in-addr.arpa", "168.192.in-addr.arpa"),
    ],
)
def test_unbound_asks_knot_for_private_addresses(subnet, zone, parent):
    assert name_server.network_zone(subnet) == zone
    text = name_server.unbound(["x.test", zone])
    assert f'local-zone: "{parent}." nodefault' in text
    assert text.count("stub-addr: 127.0.0.1@5300") == 2
    assert f"domain: {zone}" in name_server.knot(["x.test", zone])


def test_the_reference_of_an_image_depends_on_its_recipe(monkeypatch):
    before = images.reference("trixie")
    recipes = images.recipes()
    recipes["trixie"]["packages"] = [*recipes["trixie"]["packages"], "vim"]
    monkeypatch.setattr(images, "recipes", lambda: recipes)
    assert images.reference("trixie") != before


def test_disabled_units_are_part_of_the_recipe(monkeypatch):
    before = images.reference("dane")
    recipes = images.recipes()
    recipes["dane"]["disabled"] = []
    monkeypatch.setattr(images, "recipes", lambda: recipes)
    assert images.reference("dane") != before


def test_names_point_to_another_host_until_reset(monkeypatch, tmp_path):
    lab = Lab("molecule")
    lab.directory = tmp_path
    monkeypatch.setattr(hosts, "locked", lambda _name: contextlib.nullcontext())
    monkeypatch.setattr(Lab, "addresses", lambda _lab: {name: name for name in lab.hosts})
    monkeypatch.setattr(Lab, "write_zones", lambda _lab: None)

    def podman(*argv, **_options):
        name = argv[-2].removesuffix(".example.test")
        return lab.pointed().get(name, name)

    monkeypatch.setattr(hosts, "podman", podman)
    lab.point(["hub", "hub-bullseye"], "impostor")
    assert lab.pointed() == {"hub": "impostor", "hub-bullseye": "impostor"}
    lab.point(["hub"], "itself")
    assert lab.pointed() == {"hub-bullseye": "impostor"}
    lab.point(["hub-bullseye"], "hub-bullseye")
    assert lab.pointed() == {}
    with pytest.raises(LabError, match="there is no host missing in the lab"):
        lab.point(["missing"], "itself")
