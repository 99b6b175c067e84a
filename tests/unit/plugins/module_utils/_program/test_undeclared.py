# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which renewal specifications a run of the module configuration forgets. All runs are those of the modules, as Ansible runs them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host import openssl
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan import sni
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import RenewalKind
from ansible_collections.mailops.postfix.plugins.module_utils._program import renewals, undeclared
from ansible_collections.mailops.postfix.plugins.module_utils._program.specifications import stored_for
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import store, undo
from ansible_collections.mailops.postfix.plugins.modules import ca_bundle, certificate, configuration
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.authority import MIDDLE, ROOT, issue, write

SMARTHOST = {"owner": "smarthost"}


class Host:
    def __init__(self, directory, run_module, sent):
        self.directory = directory
        self.run_module = run_module
        self.sent = sent
        for name in "ab":
            issued = issue(f"{name}.example.org", MIDDLE, names=[f"{name}.example.org"])
            write(directory / f"in/{name}.crt", issued.pem + MIDDLE.pem, 0o644)
            write(directory / f"in/{name}.key", issued.key_pem)
        write(directory / "site.pem", MIDDLE.pem, 0o644)
        write(directory / "system.pem", ROOT.pem, 0o644)

    def certificate(self, name, **given):
        files = {"certificate": f"{self.directory}/in/{name}.crt", "private_key": f"{self.directory}/in/{name}.key"}
        return {
            "name": name,
            "provider": "files",
            **files,
            "chain_file": f"tls/{name}.pem",
            "deploy_hook": True,
            **given,
        }

    def run(self, module=configuration, **options):
        result = self.run_module(module, _program=self.sent, **options)
        assert not result.get("failed"), result["msg"]
        return result

    def declare(self, *certificates, **options):
        """Run the module configuration, and again, when it must change nothing."""
        result = self.run(certificates=list(certificates), **options)
        assert not self.run(certificates=list(certificates), **{**options, "confirm_within": 0})["changed"]
        return result

    def specs(self):
        """The names of the stored certificates, and the paths of the stored CA bundles."""
        found = Path(renewals.STORE).glob("*/*.json")
        return sorted(path.stem.partition("--")[2] for path in found)

    def names(self):
        return sorted(sni.files_by_name((self.directory / "tls/sni").read_bytes(), "hash"))


@pytest.fixture(name="host")
def fixture_host(directory, run_module, sent, monkeypatch):
    monkeypatch.setattr(openssl, "SYSTEM_BUNDLES", (str(directory / "system.pem"),))
    return Host(directory, run_module, sent)


def test_a_role_forgets_what_it_no_longer_declares(host):
    host.declare(host.certificate("a"), ca_bundle={"extra": ["site.pem"], "update_hook": True}, **SMARTHOST)
    assert host.specs() == ["tls-a.pem", "tls-ca-certificates.pem"]
    predicted = host.run(certificates=[host.certificate("b")], ca_bundle={}, **SMARTHOST, _ansible_check_mode=True)
    assert host.specs() == ["tls-a.pem", "tls-ca-certificates.pem"]
    result = host.declare(host.certificate("b"), ca_bundle={}, **SMARTHOST)
    assert result["diff"] == predicted["diff"]
    assert host.specs() == ["tls-b.pem"]


def test_an_undo_restores_the_specification(host):
    host.declare(host.certificate("a"), **SMARTHOST)
    before = {path: path.read_bytes() for path in Path(renewals.STORE).glob("*/*.json")}
    result = host.run(certificates=[host.certificate("b")], confirm_within=600, **SMARTHOST)
    assert host.specs() == ["tls-b.pem"]
    transaction = store.find(str(host.directory), result["transaction"]["id"])
    undo.with_locks(transaction, lambda current: undo.undo(current, lambda: Instance(str(host.directory))))
    assert {path: path.read_bytes() for path in Path(renewals.STORE).glob("*/*.json")} == before


def test_what_single_modules_have_stored_belongs_to_them(host):
    parameters = host.run(certificate, **host.certificate("a"))["parameters"]
    parameters.update(host.run(ca_bundle, extra=["site.pem"], update_hook=True)["parameters"])
    host.run(main_cf=parameters)
    host.declare(host.certificate("b"), ca_bundle={})
    host.run(main_cf=parameters)
    host.declare(host.certificate("b"), ca_bundle={}, **SMARTHOST)
    assert host.specs() == ["tls-a.pem", "tls-b.pem", "tls-ca-certificates.pem"]


@pytest.mark.parametrize("order", ["module first", "role first"])
def test_a_renewal_that_a_module_and_a_role_declare(host, order):
    """None of them changes what the other has stored, and the role does not forget it."""

    def by_module():
        return host.run(certificate, **host.certificate("a"))["changed"]

    def by_role():
        return host.run(certificates=[host.certificate("a")], **SMARTHOST)["changed"]

    calls = [by_module, by_role] if order == "module first" else [by_role, by_module]
    assert [call() for call in [*calls, *calls]] == [True, True, False, False]
    host.run(certificates=[host.certificate("b")], **SMARTHOST)
    assert host.specs() == ["tls-a.pem", "tls-b.pem"]


def test_a_role_that_takes_over(host):
    host.declare(host.certificate("a"), **SMARTHOST)
    host.declare(host.certificate("b"), owner="mta_relay", take_over=True)
    assert host.specs() == ["tls-b.pem"]


@pytest.mark.parametrize(("by", "left"), [(SMARTHOST, []), ({}, ["tls-a.pem"])])
def test_a_call_that_says_nothing_about_certificates(host, by, left):
    """Postfix still serves the certificate, unless a role no longer declares it."""
    host.declare(host.certificate("a"), **by)
    host.declare(main_cf={"smtpd_tls_loglevel": 1}, **by)
    assert host.specs() == left
    assert ("tls/a.pem" in (host.directory / "main.cf").read_text()) == bool(left)


def test_a_certificate_that_is_served_although_its_role_no_longer_declares_it(host):
    """An administrator has set the parameter, too."""
    host.declare(host.certificate("a"), **SMARTHOST)
    host.declare(main_cf={"smtpd_tls_chain_files": f"{host.directory}/tls/a.pem"}, **SMARTHOST)
    assert host.specs() == ["tls-a.pem"]


def test_several_calls_of_the_module(host):
    calls = [
        {"certificates": [host.certificate("a")]},
        {"certificates": [host.certificate("b", side="client")]},
        {"ca_bundle": {"extra": ["site.pem"], "update_hook": True}},
        # Another program uses it.
        {
            "certificates": [host.certificate("b", chain_file="tls/imap.pem")],
            "main_cf": {"smtpd_tls_chain_files": f"{host.directory}/tls/a.pem"},
        },
    ]
    assert [host.run(**call)["changed"] for call in calls] == [True] * 4
    assert [host.run(**call)["changed"] for call in calls] == [False] * 4
    assert host.specs() == ["tls-a.pem", "tls-b.pem", "tls-ca-certificates.pem", "tls-imap.pem"]


@pytest.mark.parametrize("by", [SMARTHOST, {}])
def test_calls_that_join_a_transaction(host, by):
    """The second call puts the certificate of the first one out of use, and does not know whether that one has declared it."""
    result = host.run(certificates=[host.certificate("a")], confirm_within=600, **by)
    host.run(certificates=[host.certificate("b")], confirm_within=600, transaction=result["transaction"]["id"], **by)
    assert host.specs() == ["tls-a.pem", "tls-b.pem"]


def test_the_module_without_a_role_forgets_what_it_puts_out_of_use(host):
    host.declare(host.certificate("a"))
    host.declare(host.certificate("b"))
    assert host.specs() == ["tls-b.pem"]


def test_the_module_without_a_role_forgets_what_has_no_source(host):
    host.declare(host.certificate("a"))
    host.run(
        main_cf={"smtpd_tls_chain_files": f"{host.directory}/other.pem"},
        checks={"missing_file": "ignore"},
        certificates=[host.certificate("a")],
    )
    assert host.specs() == ["tls-a.pem"]
    host.run()
    assert host.specs() == ["tls-a.pem"], "it has been out of use before"
    os.unlink(host.directory / "in/a.key")
    host.run()
    assert host.specs() == []


@pytest.mark.parametrize(
    "other",
    [
        {"main_cf": {"smtp_tls_chain_files": "${config_directory}/tls/a.pem"}},
        {"main_cf": {"here": "$config_directory/tls", "smtp_tls_chain_files": "$here/../tls/a.pem"}},
        {"master_cf": [{"service": "smtp/inet", "options": {"smtpd_tls_chain_files": "{dir}/tls/a.pem"}}]},
    ],
)
def test_a_certificate_that_postfix_still_uses(host, other):
    """It must be renewed as long as it is served."""
    other = json.loads(json.dumps(other).replace("{dir}", str(host.directory)))
    host.declare(host.certificate("a"), **SMARTHOST)
    host.declare(host.certificate("b"), **SMARTHOST, **other)
    assert host.specs() == ["tls-a.pem", "tls-b.pem"]


def test_the_names_of_former_certificates(host):
    host.declare(host.certificate("a", sni=True), host.certificate("b", sni=True), **SMARTHOST)
    assert host.names() == ["a.example.org", "b.example.org"]
    result = host.declare(host.certificate("b", sni=True), **SMARTHOST)
    assert (host.names(), host.specs(), result["requires"]) == (["b.example.org"], ["tls-b.pem"], "reload")
    result = host.declare(**SMARTHOST)
    assert (host.names(), host.specs(), result["requires"]) == ([], [], "reload")


def test_names_that_others_have_added_stay(host):
    host.declare(host.certificate("a", sni=True), **SMARTHOST)
    host.run(certificate, **host.certificate("b", sni=True))
    host.declare(**SMARTHOST)
    assert (host.names(), host.specs()) == (["b.example.org"], ["tls-b.pem"])


def test_the_names_of_several_calls(host):
    """Each of them declares a part of the certificates."""
    for changed in (True, False):
        for name in "ab":
            assert host.run(certificates=[host.certificate(name, sni=True)])["changed"] is changed
    assert (host.names(), host.specs()) == (["a.example.org", "b.example.org"], ["tls-a.pem", "tls-b.pem"])


def test_other_instances(host, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    for name in ("main.cf", "master.cf"):
        (other / name).write_bytes((host.directory / name).read_bytes())
        os.utime(other / name, (1, 1))
    host.run(certificates=[host.certificate("a")], config_directory=str(other), **SMARTHOST)
    host.declare(host.certificate("b"), **SMARTHOST)
    assert host.specs() == ["tls-a.pem", "tls-b.pem"]


def test_specifications_of_earlier_versions_and_damaged_ones_stay(host):
    host.declare(host.certificate("a"), **SMARTHOST)
    [path] = Path(renewals.STORE).glob("*/*.json")
    content = json.loads(path.read_text())
    del content["declared_by"]
    path.write_text(json.dumps(content))
    (path.parent / "damaged.json").write_text("{")
    host.declare(host.certificate("b"), **SMARTHOST)
    assert host.specs() == ["", "tls-a.pem", "tls-b.pem"]


def test_the_module_ca_bundle_has_one_default_path(host):
    host.run(ca_bundle, extra=["site.pem"], update_hook=True, path="tls/other.pem")
    for form, key in [("file", "tls-ca-certificates.pem"), ("directory", "tls-ca-certificates")]:
        host.run(ca_bundle, extra=["site.pem"], update_hook=True, form=form)
        assert host.specs() == [key, "tls-other.pem"]
    host.run(ca_bundle, extra=["site.pem"], update_hook=True, path="tls/third.pem")
    host.run(ca_bundle)
    assert host.specs() == ["tls-other.pem", "tls-third.pem"]


def test_lost_sources(host):
    host.declare(host.certificate("a"), ca_bundle={"extra": ["site.pem"], "update_hook": True}, **SMARTHOST)
    instance = Instance(str(host.directory))
    specs = [spec for kind in RenewalKind for spec in stored_for(instance, kind)]
    assert [undeclared.lost_sources(instance, spec) for spec in specs] == [[], []]
    for name in ("in/a.key", "site.pem"):
        os.unlink(host.directory / name)
    lost = [[f"{host.directory}/in/a.key"], [f"{host.directory}/site.pem"]]
    assert [undeclared.lost_sources(instance, spec) for spec in specs] == lost
