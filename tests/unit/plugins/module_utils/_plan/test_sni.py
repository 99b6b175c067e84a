# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of server names, compiled and read by the real postmap."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, HostError
from ansible_collections.mailops.postfix.plugins.module_utils._formats import lookup_table
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._host.runner import run_program
from ansible_collections.mailops.postfix.plugins.module_utils._plan import certificate, sni, table_references
from ansible_collections.mailops.postfix.plugins.module_utils._plan.certificate_options import (
    CertificateOptions,
)
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Plan, strongest
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply as apply_transaction
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.authority import MIDDLE, issue, write
from cryptography.hazmat.primitives.asymmetric import rsa

ONE = issue("one", MIDDLE, names=["one.example.org", "www.example.org"])
TWO = issue("two", MIDDLE, names=["two.example.org", "*.two.example.org"])
ONE_RSA = issue("one", MIDDLE, names=["one.example.org"], key=rsa.generate_private_key(65537, 2048))
RENEWED = issue("one", MIDDLE, names=["one.example.org", "www.example.org"])


class Host:
    def __init__(self, directory):
        self.directory = directory
        self.seen = []

    def provide(self, name, issued):
        write(self.directory / f"in/{name}.crt", issued.pem + MIDDLE.pem, 0o644)
        write(self.directory / f"in/{name}.key", issued.key_pem)

    def declared(self, name, **given):
        specified = {key: option.get("default") for key, option in CertificateOptions.suboptions()["options"].items()}
        files = {"certificate": f"in/{name}.crt", "private_key": f"in/{name}.key"}
        return {**specified, "name": name, "provider": "files", "sni": True, **files, **given}

    def run(self, argv, stdin=None):
        done = run_program(argv, stdin)
        self.seen.append(repr((argv, stdin, done)))
        return done

    def apply(self, *declared, check_mode=False):
        def build(instance):
            wanted = [CertificateOptions.from_declaration(options) for options in declared]
            plans = [item.reported(instance) for item in certificate.deployments(instance, wanted)]
            return Plan(
                [change for plan in plans for change in plan.changes],
                {"parameters": [plan.result["parameters"] for plan in plans]},
                strongest(*(plan.requires for plan in plans)),
                warnings=[warning for plan in plans for warning in plan.warnings],
            )

        return apply_transaction.apply(build, lambda: Instance(str(self.directory), self.run), check_mode=check_mode)

    @property
    def map(self):
        return f"{table_references.choose_type(Instance(str(self.directory)), 'auto')}:{self.directory}/tls/sni"

    @property
    def compiled(self):
        return self.directory / f"tls/sni{lookup_table.COMPILED[self.map.partition(':')[0]]}"

    def names(self):
        return sni.files_by_name(Instance(str(self.directory)).read("tls/sni") or b"", "hash")

    def served(self, name):
        done = run_program(["postmap", "-c", str(self.directory), "-F", "-q", name, self.map])
        return done.stdout


@pytest.fixture(name="host")
def fixture_host(directory):
    found = Host(directory)
    found.provide("one", ONE)
    found.provide("two", TWO)
    found.provide("rsa", ONE_RSA)
    return found


def content(*issued):
    return b"".join(item.key_pem + item.pem + MIDDLE.pem for item in issued)


def test_two_names(host):
    declared = [host.declared("one"), host.declared("two")]
    predicted = host.apply(*declared, check_mode=True)
    assert not (host.directory / "tls").exists()
    outcome = host.apply(*declared)
    assert outcome.diff == predicted.diff and outcome.requires == "reload"
    assert outcome.plan.result["parameters"] == [{"tls_server_sni_maps": host.map}] * 2
    one, two = (str(host.directory / f"tls/{name}.pem") for name in ("one", "two"))
    assert host.names() == {
        "one.example.org": [one],
        "www.example.org": [one],
        "two.example.org": [two],
        ".two.example.org": [two],
    }
    assert host.served("one.example.org").strip() == content(ONE).strip()
    assert host.served(".two.example.org").strip() == content(TWO).strip()
    modes = {
        name: stat.S_IMODE(os.stat(host.directory / "tls" / name).st_mode)
        for name in ("sni", host.compiled.name, "one.pem")
    }
    assert modes == {"sni": 0o644, host.compiled.name: 0o600, "one.pem": 0o600}
    again = host.apply(*declared)
    assert (again.changed, again.requires) == (False, "none")


def test_a_line_that_was_wrong_before(host):
    host.apply(host.declared("one"))
    with (host.directory / "tls/sni").open("a") as file:
        file.write("alone.example.org\n")
    outcome = host.apply(host.declared("one"), host.declared("two"))
    assert len(outcome.plan.warnings) == 1 and "tls/sni:4: " in outcome.plan.warnings[0]
    assert host.served("two.example.org").strip() == content(TWO).strip()
    again = host.apply(host.declared("one"), host.declared("two"))
    assert not again.changed and again.plan.warnings == outcome.plan.warnings


def test_a_renewal(host):
    declared = [host.declared("one"), host.declared("two")]
    host.apply(*declared)
    text = (host.directory / "tls/sni").read_bytes()
    host.provide("one", RENEWED)
    outcome = host.apply(*declared)
    assert [os.path.basename(entry["after_header"]) for entry in outcome.diff] == ["one.pem", host.compiled.name]
    assert host.served("www.example.org").strip() == content(RENEWED).strip()
    assert host.served("two.example.org").strip() == content(TWO).strip()
    assert (host.directory / "tls/sni").read_bytes() == text
    assert not host.apply(*declared).changed


def test_a_self_signed_certificate_is_renewed_with_its_key(host):
    soon = issue("own.example.org", names=["own.example.org"], start=-80, end=20)
    path = host.directory / "tls/own.pem"
    write(path, soon.key_pem + soon.pem)
    given = {"provider": "self_signed", "certificate": None, "private_key": None, "hostnames": ["own.example.org"]}
    host.apply(host.declared("own", renew_below=0.1, **given))
    assert host.served("own.example.org").strip() == (soon.key_pem + soon.pem).strip()
    host.apply(host.declared("own", **given))
    assert host.served("own.example.org").strip() == path.read_bytes().strip() != (soon.key_pem + soon.pem).strip()
    assert not host.apply(host.declared("own", **given)).changed


@pytest.mark.parametrize("together", [True, False])
def test_two_key_types_for_one_name(host, together):
    declared = [host.declared("one", hostnames=["one.example.org"]), host.declared("rsa")]
    if together:
        host.apply(*declared)
    else:
        host.apply(declared[0])
        host.apply(declared[1])
    assert host.served("one.example.org").replace(b"\n\n", b"\n") == content(ONE, ONE_RSA)
    assert not any(host.apply(*part).changed for part in ([declared[0]], [declared[1]], declared))


def test_a_certificate_replaces_one_of_the_same_key_type(host):
    host.apply(
        host.declared(
            "one",
            hostnames=["x.example.org"],
            verify="consistent",
            provider="self_signed",
            certificate=None,
            private_key=None,
        )
    )
    host.apply(host.declared("one", chain_file="tls/new.pem"), host.declared("two"))
    host.provide("other", RENEWED)
    host.apply(host.declared("other"))
    assert host.names()["one.example.org"] == [str(host.directory / "tls/other.pem")]


def test_names_that_are_no_longer_declared(host):
    host.apply(host.declared("one"), host.declared("two"))
    host.apply(host.declared("one", hostnames=["www.example.org"]))
    assert set(host.names()) == {"www.example.org", "two.example.org", ".two.example.org"}
    assert host.served("one.example.org") == b""


def damaged(host):
    (host.compiled).unlink()
    return "missing"


def other_key(host):
    """A table in which the certificate comes with another key."""
    mixed = write(host.directory / "mixed.pem", TWO.key_pem + ONE.pem + MIDDLE.pem)
    source = host.directory / "other/sni"
    write(source, f"one.example.org {mixed}\nwww.example.org {mixed}\n".encode())
    run_program(["postmap", "-c", str(host.directory), "-F", f"{host.map.partition(':')[0]}:{source}"])
    os.rename(source.with_name(host.compiled.name), host.compiled)
    return "another private key for one.example.org"


def without_f(host):
    run_program(["postmap", "-c", str(host.directory), host.map])
    return "other certificates for one.example.org"


def old(host):
    host.provide("one", RENEWED)
    path = host.directory / "tls/one.pem"
    path.write_bytes(content(RENEWED))
    return "other certificates for one.example.org"


@pytest.mark.parametrize("break_it", [damaged, other_key, without_f, old])
def test_a_stale_compiled_table_is_rebuilt(host, break_it):
    host.apply(host.declared("one"))
    reason = break_it(host)
    outcome = host.apply(host.declared("one"))
    assert [(os.path.basename(entry["after_header"]), entry["before"]) for entry in outcome.diff][-1:] == [
        (host.compiled.name, f"({reason})\n")
    ]
    assert not host.apply(host.declared("one")).changed


def test_a_missing_chain_file(host):
    host.apply(host.declared("one"), host.declared("two"))
    (host.directory / "tls/two.pem").unlink()
    before = (host.compiled).read_bytes()
    host.provide("one", RENEWED)
    with pytest.raises(HostError, match="No such file or directory"):
        host.apply(host.declared("one"))
    assert (host.compiled).read_bytes() == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([{"sni_table": "a"}, {"sni_table": "b"}], "Postfix looks up server names in one table"),
        ([{"sni": False, "sni_table": "a"}], "sni_table requires sni: true"),
        ([{"side": "client"}], "sni: only a server selects certificates by server name"),
        ([{"hostnames": ["one.example.org"], "chain_file": "a b"}], "Postfix cannot have white space"),
    ],
)
def test_declarations_that_are_refused(host, given, message):
    names = ["one", "two"]
    with pytest.raises(DeclarationError, match=message):
        host.apply(*(host.declared(name, **more) for name, more in zip(names, given)))


def test_the_client_side_has_no_server_names(host):
    outcome = host.apply(host.declared("one", side="both"))
    parameters = outcome.plan.result["parameters"][0]
    assert {name for name, value in parameters.items() if value} == {"smtp_tls_chain_files", "tls_server_sni_maps"}


def test_private_keys_are_never_read(host):
    for issued in (ONE, RENEWED):
        host.provide("one", issued)
        host.apply(host.declared("one"))
        host.apply(host.declared("one"))
    seen = "".join(host.seen)
    assert "-F" in seen and "PUBLIC KEY" in seen
    for issued in (ONE, RENEWED):
        assert not any(line in seen for line in issued.key_pem.decode().split("\n")[1:-2])
