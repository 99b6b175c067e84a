# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans for all files of an instance, checked by the installed Postfix."""

from __future__ import annotations

import os

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import PostfixError
from ansible_collections.mailops.postfix.plugins.module_utils._host import openssl
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan import configuration as configuration_plan
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply as apply_transaction
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.authority import ROOT

PIN = ":".join(["AB"] * 32)


def apply(directory, build, check_mode=False):
    return apply_transaction.apply(build, lambda: Instance(str(directory)), check_mode=check_mode)


def content(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


def configuration(directory, **options):
    options = {"validate": True, **options}
    return apply(directory, lambda instance: configuration_plan.configuration(instance, options))


CERTIFICATE = {
    "name": "hub.example.org",
    "provider": "self_signed",
    "certificate": None,
    "private_key": None,
    "hostnames": None,
    "verify": "auto",
    "ca_file": None,
    "chain_file": None,
    "side": "server",
    "key_type": None,
    "key_bits": None,
    "days": 30,
}


def test_a_whole_configuration(directory):
    declared = {
        "certificates": [CERTIFICATE, dict(CERTIFICATE, name="hub-rsa", key_type="rsa", hostnames=["hub.example.org"])],
        "ca_bundle": {"extra": [], "system": True, "path": None},
        "lookup_tables": [
            {"path": "clients", "parameter": "relay_clientcerts", "entries": {PIN: "laptop"}, "type": "hash"}
        ],
        "tls_policy": {
            "policies": [{"nexthop": "[hub.example.org]:587", "level": "secure"}],
            "exclusive": True,
            "type": "hash",
        },
        "main_cf": {"smtpd_tls_security_level": "may", "smtp_tls_CAfile": None},
        "master_cf": [{"service": "tlsproxy/unix", "command": "tlsproxy"}],
    }
    outcome = configuration(directory, **declared)
    instance = Instance(str(directory))
    assert (
        instance.explicit["smtpd_tls_chain_files"]
        == f"{directory}/tls/hub.example.org.pem, {directory}/tls/hub-rsa.pem"
    )
    assert instance.explicit["relay_clientcerts"] == f"hash:{directory}/clients"
    assert instance.explicit["smtp_tls_policy_maps"] == f"hash:{directory}/tls_policy"
    assert "smtp_tls_CAfile" not in instance.explicit, "main_cf overrides the other options"
    assert instance.unused == frozenset()
    fingerprints = [
        item["certificate"]["public_key_fingerprint"]["sha256"] for item in outcome.plan.result["certificates"]
    ]
    assert all(fingerprints) and len(set(fingerprints)) == 2

    again = configuration(directory, **declared)
    assert (again.changed, again.diff) == (False, [])


def test_files_come_before_the_parameters_that_refer_to_them(directory):
    outcome = configuration(
        directory,
        certificates=[CERTIFICATE],
        lookup_tables=[
            {"path": "clients", "parameter": "relay_clientcerts", "entries": {PIN: "laptop"}, "type": "hash"}
        ],
        master_cf=[{"service": "tlsproxy/unix", "command": "tlsproxy"}],
    )
    names = [os.path.basename(change.path) for change in outcome.plan.changes]
    assert names == ["hub.example.org.pem", "clients", "clients.db", "master.cf", "main.cf"]


def test_nothing_is_written_if_one_part_is_wrong(directory):
    before = content(directory)
    with pytest.raises(PostfixError, match="smtp_tls_securty_level"):
        configuration(directory, certificates=[CERTIFICATE], main_cf={"smtp_tls_securty_level": "may"})
    assert content(directory) == before and not (directory / "tls").exists()


def test_without_validation_an_unreadable_configuration_is_refused(directory):
    assert configuration(directory, main_cf={"smtpd_tls_auth_only": "True"}, validate=False).changed
    (directory / "master.cf").write_text("smtp inet n\n")
    with pytest.raises(PostfixError, match="8 columns"):
        configuration(directory, master_cf=[{"service": "x/unix", "command": "x"}], validate=False)


def test_a_user_defined_parameter_may_be_declared_with_a_reference_to_it(directory):
    outcome = configuration(
        directory,
        main_cf={"mua_restrictions": "permit_mynetworks, reject"},
        master_cf=[
            {
                "service": "submission/inet",
                "command": "smtpd",
                "options": {"smtpd_relay_restrictions": "$mua_restrictions"},
            }
        ],
    )
    assert outcome.plan.warnings == []
    assert outcome.plan.requires == "reload"


def test_a_parameter_refers_to_several_tables(directory):
    def table(path, parameter="relay_clientcerts"):
        return {"path": path, "parameter": parameter, "entries": {PIN: path}, "type": "hash"}

    declared = {"lookup_tables": [table("by_hand"), table("other", "transport_maps"), table("fleet")]}
    configuration(directory, **declared)
    explicit = Instance(str(directory)).explicit
    assert explicit["relay_clientcerts"] == f"hash:{directory}/by_hand, hash:{directory}/fleet"
    assert explicit["transport_maps"] == f"hash:{directory}/other"
    configuration(directory, **declared, main_cf={"relay_clientcerts": f"hash:{directory}/fleet"})
    assert Instance(str(directory)).explicit["relay_clientcerts"] == f"hash:{directory}/fleet"


def test_a_line_of_a_table_that_was_wrong_before(directory):
    (directory / "transport").write_text("a.test smtp:[a]\nalone\na.test smtp:[b]\n")
    table = {"path": "transport", "parameter": "transport_maps", "entries": {"c.test": "smtp:[c]"}, "type": "hash"}
    outcome = configuration(directory, lookup_tables=[table])
    assert [
        warning.split(": ")[0] for warning in outcome.plan.warnings if "ignores" in warning or "only" in warning
    ] == [
        f"reading {directory}/transport:2",
        f"reading {directory}/transport:3",
    ]
    with pytest.raises(PostfixError, match="no value"):
        configuration(
            directory,
            lookup_tables=[{**table, "entries": None, "src": str(directory / "transport"), "remote_src": True}],
        )
    configuration(directory, lookup_tables=[{**table, "exclusive": True}])
    assert (directory / "transport").read_text() == "c.test smtp:[c]\n"


def test_a_table_is_removed_when_its_parameter_names_another(directory):
    old = {"path": "old", "parameter": "transport_maps", "entries": {"a.test": "smtp:[a]"}, "type": "hash"}
    configuration(directory, lookup_tables=[old])
    gone = {"path": "old", "type": "hash", "state": "absent"}
    with pytest.raises(PostfixError, match="transport_maps still names it"):
        configuration(directory, lookup_tables=[gone])
    configuration(directory, lookup_tables=[{**old, "path": "new"}, gone])
    assert Instance(str(directory)).explicit["transport_maps"] == f"hash:{directory}/new"
    assert not (directory / "old").exists() and not (directory / "old.db").exists()
    configuration(directory, lookup_tables=[{**gone, "path": "new", "parameter": "transport_maps"}])
    assert Instance(str(directory)).explicit["transport_maps"] == ""
    assert not (directory / "new").exists()


def test_files_are_removed_after_the_change_of_what_names_them(directory):
    old = {"path": "old", "parameter": "transport_maps", "entries": {"a.test": "smtp:[a]"}, "type": "hash"}
    configuration(directory, lookup_tables=[old])
    outcome = configuration(
        directory, lookup_tables=[{"path": "old", "type": "hash", "state": "absent"}, {**old, "path": "new"}]
    )
    names = [os.path.basename(change.path) for change in outcome.plan.changes]
    assert names[-3:] == ["main.cf", "old", "old.db"]


def test_files_are_part_of_the_transaction(directory):
    unit = {"path": "x.service", "content": "[Unit]\n", "mode": "0644", "state": "present"}
    with pytest.raises(PostfixError):
        configuration(directory, files=[unit], main_cf={"smtp_tls_securty_level": "may"})
    assert not (directory / "x.service").exists()
    assert configuration(directory, files=[unit]).changed
    assert (directory / "x.service").read_text() == "[Unit]\n"
    assert configuration(directory, files=[{**unit, "state": "absent"}]).changed


def test_cas_are_copied_into_a_chroot_of_the_same_run(directory, tmp_path_factory, monkeypatch):
    queue = tmp_path_factory.mktemp("queue")
    system = tmp_path_factory.mktemp("cas") / "system.pem"
    system.write_bytes(ROOT.pem)
    monkeypatch.setattr(openssl, "SYSTEM_BUNDLES", (str(system),))
    with open(directory / "main.cf", "a", encoding="ascii") as file:
        file.write(f"queue_directory = {queue}\n")
    configuration(directory, master_cf=[{"service": "smtp/unix", "chroot": False}])

    def run(chroot):
        declared = {
            "ca_bundle": {"extra": [], "system": True, "form": "directory", "path": None, "update_hook": False},
            "master_cf": [{"service": "smtp/unix", "chroot": chroot}],
            "validate": True,
        }
        outcome = apply(directory, lambda instance: configuration_plan.configuration(instance, declared))
        return outcome.plan.result["ca_bundle"]["chrooted"], len(list(queue.rglob("*.0")))

    assert run(False) == (False, 0)
    assert run(True) == (True, 1)


@pytest.mark.parametrize("level", ["may", "fingerprint"])
def test_a_message_names_the_directory_of_the_configuration_and_not_the_staged_copy(directory, level):
    policies = [{"nexthop": "example.test", "level": level, "match": [PIN] if level == "fingerprint" else []}]
    with pytest.raises(PostfixError) as caught:
        configuration(
            directory,
            main_cf={"smtpd_banner": "${broken"},
            tls_policy={"policies": policies, "exclusive": True, "type": "hash"},
        )
    assert "${broken" in str(caught.value)
    assert str(directory) in str(caught.value)
    assert "postfix-staged-" not in str(caught.value)


CURES = {
    "alone": {},
    "a table": {"lookup_tables": [{"path": "t", "entries": {"a": "b"}}]},
    "policies": {"tls_policy": {"policies": [{"nexthop": "[a.test]:25", "level": "encrypt"}]}},
    "a role": {"migrate": True, "fail_closed": True, "owner": "mta_relay"},
}


@pytest.mark.parametrize("cure", CURES.values(), ids=CURES)
def test_addresses_that_the_host_lacks_can_be_corrected(directory, cure):
    """postconf(1) prints neither parameters nor types of tables while inet_interfaces has one, such as ::1 without IPv6."""
    (directory / "main.cf").write_text(
        "compatibility_level = 3.6\nmyhostname = mx.test\ninet_interfaces = 203.0.113.5\n"
    )
    os.utime(directory / "main.cf", (1, 1))
    planned = configuration_plan.configuration(
        Instance(str(directory)), {"validate": True, "main_cf": {"inet_interfaces": "all"}, **cure}
    )
    assert planned.changes_something() and planned.requires == "restart"
    with pytest.raises(PostfixError, match="no local interface found for 203.0.113.5"):
        configuration_plan.configuration(
            Instance(str(directory)), {"validate": True, "main_cf": {"message_size_limit": "20000000"}, **cure}
        )
