# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess

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
    assert not host.boot or (not host.peer and (LAB / "boot" / f"{host.boot}.sh").exists())
    assert not host.ssh or host.egress, "only the network for egress can be reached from outside the lab"


@pytest.mark.parametrize("lab", DATA["labs"])
def test_a_lab_has_one_name_server(lab):
    assert [host.name for name, host in HOSTS if name == lab and host.peer == "ns"] == ["ns"]


def test_hosts_of_a_scenario():
    lab = Lab("molecule")
    assert lab.of_scenarios("submission") == ["submission", "submission-cyrus"]
    assert lab.of_scenarios("", "routes") == [
        "ns",
        "plain",
        "selfsigned",
        "impostor",
        "trusted",
        "router",
        "routes-hub",
    ]
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


def test_the_connection_to_a_host(monkeypatch, tmp_path):
    monkeypatch.setattr(hosts, "podman", lambda *_argv, **_options: "10.88.0.7")
    lab = Lab("molecule")
    lab.directory = tmp_path
    assert lab.connection(lab.hosts["plain"])["ansible_host"] == lab.container("plain")
    assert "ansible_user" not in lab.connection(lab.hosts["plain"])
    ssh = lab.connection(lab.hosts["virgin"])
    assert (ssh["ansible_host"], ssh["ansible_user"]) == ("10.88.0.7", "admin")
    assert "ansible_ssh_executable" not in ssh
    key = lab.ssh_key()
    assert ssh["ansible_ssh_private_key_file"] == str(key)
    assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_bytes()
    assert lab.ssh_key().read_bytes() == before


def test_the_files_of_a_host(tmp_path):
    lab = Lab("molecule")
    lab.directory = tmp_path
    for name in ("virgin-exim", "provider", "plain"):
        lab.write_host(lab.hosts[name])
    script = {
        name: (tmp_path / "hosts" / name / "up").read_text(encoding="utf-8")
        for name in lab.hosts
        if (tmp_path / "hosts" / name).exists()
    }
    assert "useradd --create-home --shell /bin/bash admin" in script["virgin-exim"]
    assert "exim4 -Mf" in script["virgin-exim"]
    assert "replace-key" in script["provider"]
    public = (tmp_path / "ssh" / "key.pub").read_text(encoding="utf-8")
    assert (tmp_path / "hosts/virgin-exim/authorized_keys").read_text(encoding="utf-8") == public
    issuer = {path.name: path.read_bytes() for path in (tmp_path / "hosts/provider/authority").iterdir()}
    assert issuer == {name: (tmp_path / "ca" / name).read_bytes() for name in ("intermediate.pem", "intermediate.key")}
    assert "useradd" not in script["plain"]
    assert {path.name for path in (tmp_path / "hosts/plain").iterdir()} == {"ca.pem", "up"}


def test_forward_zone():
    text = name_server.forward("x.test", "ns.x.test", 7, {"a.x.test": "10.1.2.3"}, {"x.test": "a.x.test"})
    assert text == (
        "$ORIGIN x.test.\n@ 0 SOA ns.x.test. hostmaster.ns.x.test. 7 3600 600 86400 0\n@ 0 NS ns.x.test.\n"
        "a.x.test. 0 A 10.1.2.3\nx.test. 0 MX 10 a.x.test.\n"
    )


def test_backward_zone():
    text = name_server.backward("10.1.2.0/24", "ns.x.test", 7, {"a.x.test": "10.1.2.3"})
    assert text.splitlines()[0] == "$ORIGIN 2.1.10.in-addr.arpa."
    assert text.splitlines()[-1] == "3.2.1.10.in-addr.arpa. 0 PTR a.x.test."


@pytest.mark.parametrize(
    ("subnet", "zone", "parent"),
    [
        ("10.89.0.0/24", "0.89.10.in-addr.arpa", "10.in-addr.arpa"),
        ("192.168.7.0/24", "7.168.192.in-addr.arpa", "168.192.in-addr.arpa"),
    ],
)
def test_unbound_has_the_zone_of_private_addresses(subnet, zone, parent):
    assert name_server.network_zone(subnet) == zone
    text = name_server.unbound(["x.test", zone])
    assert f'local-zone: "{parent}." nodefault' in text
    assert f'name: "{zone}."\n    zonefile: /lab/dns/{zone}.zone\n' in text


def test_the_reference_of_an_image_depends_on_its_recipe(monkeypatch):
    before = images.reference("trixie")
    recipes = images.recipes()
    recipes["trixie"]["packages"] = [*recipes["trixie"]["packages"], "vim"]
    monkeypatch.setattr(images, "recipes", lambda: recipes)
    assert images.reference("trixie") != before


@pytest.mark.parametrize(("image", "part"), [("dane", "disabled"), ("virgin", "downloaded")])
def test_disabled_units_and_downloaded_packages_are_part_of_the_recipe(monkeypatch, image, part):
    before = images.reference(image)
    recipes = images.recipes()
    recipes[image][part] = []
    monkeypatch.setattr(images, "recipes", lambda: recipes)
    assert images.reference(image) != before


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("trixie", "build"),
        ("trixie", "lab-host.service"),
        ("el10", "build"),
        ("el10", "postfix-source"),
        ("el10", "postfix.service"),
        ("el10", "redhat"),
        ("nosystemd", "build-sysvinit"),
    ],
)
def test_the_text_of_a_script_is_part_of_the_recipe(monkeypatch, tmp_path, name, file):
    before = images.reference(name)
    shutil.copytree(LAB / "files", tmp_path / "files")
    monkeypatch.setattr(images, "LAB", tmp_path)
    assert images.reference(name) == before
    with open(tmp_path / "files" / file, "a", encoding="utf-8") as script:
        script.write("# changed\n")
    assert images.reference(name) != before


def test_the_source_is_part_of_the_recipe(monkeypatch):
    before = images.reference("upstream")
    recipes = images.recipes()
    recipes["upstream"]["source"]["suites"] = ["sid"]
    monkeypatch.setattr(images, "recipes", lambda: recipes)
    assert images.reference("upstream") != before


def test_only_images_with_a_source_have_a_compiler_during_the_build():
    recipes = images.recipes()
    with_compiler = {name for name, recipe in recipes.items() if "gcc" in recipe["packages"]}
    assert with_compiler == {name for name, recipe in recipes.items() if recipe["source"]} == {"el10", "upstream"}
    assert "gcc" in recipes["el10"]["source"]["requirements"]


def test_each_image_has_one_known_init():
    for recipe in images.recipes().values():
        assert [init for init in hosts.INITS if init in recipe["packages"]] == [recipe["init"]]


def test_the_steps_of_a_build():
    recipes = images.recipes()
    files = LAB / "files"
    assert images.steps(recipes["trixie"]) == [f'{files}/build "$1"']
    assert images.source_lines(recipes["trixie"]) == []
    assert images.steps(recipes["nosystemd"]) == [f'{files}/build-sysvinit "$1"']
    source, last = images.steps(recipes["el10"])
    assert source.startswith(f'{files}/postfix-source "$1" redhat gcc make ')
    assert last == f'{files}/build "$1"'
    assert images.source_lines(recipes["el10"]) == [f"deb-src {images.MIRROR} trixie main"]
    source, _last = images.steps(recipes["upstream"])
    fallback = rf"FALLBACK='{images.MIRROR}/pool/main/p/postfix/postfix_\S+ [0-9a-f]{{64}}' {files}/postfix-source"
    assert re.match(fallback, source)
    assert images.source_lines(recipes["upstream"])[0] == f"deb-src [check-valid-until=no] {images.MIRROR} sid main"


@pytest.mark.parametrize("fallback", ["", "http://mirror.test/pool/postfix_1.orig.tar.gz 00"])
def test_a_source_package_that_the_mirror_does_not_have(monkeypatch, tmp_path, fallback):
    """The error names the sources that were tried."""
    (tmp_path / "root" / "usr" / "src").mkdir(parents=True)
    (tmp_path / "root" / "etc" / "apt").mkdir(parents=True)
    (tmp_path / "root" / "etc" / "apt" / "sources.list").write_text("deb-src http://mirror.test sid main\n")
    # apt-get has no lists, and apt-helper no network.
    (tmp_path / "apt.conf").write_text(
        f'Dir "{tmp_path}"; APT::Sandbox::User "root"; Acquire::http::Proxy "http://127.0.0.1:9"; Acquire::Retries "0";'
    )
    environment = {
        "PATH": os.environ["PATH"],
        "MMDEBSTRAP_APT_CONFIG": str(tmp_path / "apt.conf"),
        "FALLBACK": fallback,
    }
    argv = [LAB / "files" / "postfix-source", tmp_path / "root", "upstream", "gcc"]
    done = subprocess.run(argv, env=environment, capture_output=True, check=False, text=True)
    assert done.returncode == 1
    end = ["deb-src http://mirror.test sid main", *fallback.split()[:1]]
    words = "postfix-source: the source package postfix can't be downloaded from:"
    assert done.stderr.splitlines()[-len(end) - 1 :] == [words, *end]


def test_the_error_of_a_build_has_the_words_of_its_script(monkeypatch, tmp_path):
    monkeypatch.setattr(images, "CACHE", tmp_path)
    done = subprocess.CompletedProcess(
        [], 1, b"", b"postfix-source: the source package postfix can't be downloaded from:\n"
    )
    monkeypatch.setattr(images, "run", lambda *_argv, **_options: done)
    with pytest.raises(
        LabError, match=r"image el10 can't be built .*\n.* the source package postfix can't be downloaded"
    ):
        images.build("el10")


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


def test_images_without_postfix():
    assert {name for name in images.recipes() if not images.has_postfix(name)} == {
        "bare",
        "ns",
        "virgin",
        "virgin-exim",
    }
