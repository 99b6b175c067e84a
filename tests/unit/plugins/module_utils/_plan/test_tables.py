# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever changes a route, or a policy, must not let mail past a policy; with the installed postmap(1) for tables of patterns."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan import configuration as configuration_plan
from ansible_collections.mailops.postfix.plugins.module_utils._plan import (
    lookup_table_standalone,
    master_cf_standalone,
    tls_policy_standalone,
)
from ansible_collections.mailops.postfix.plugins.module_utils._plan import main_cf as main_cf_plan
from ansible_collections.mailops.postfix.plugins.module_utils._plan import tables as tables_plan

SMTP = "smtp unix - - n - - smtp\n"


@pytest.fixture(name="directory")
def fixture_directory(tables):
    """A host with one relayhost, by policy at level encrypt."""
    tables.write("tls_policy", "[a.test]:587 encrypt\n")
    tables.write("transport", "x.test smtp:[a.test]:587\n")
    tables.main_cf(
        relayhost="[a.test]:587",
        smtp_tls_policy_maps="texthash:$config_directory/tls_policy",
        transport_maps="texthash:$config_directory/transport",
    )
    (tables.path / "master.cf").write_text(SMTP)
    return tables


def main_cf(directory, **options):
    return main_cf_plan.main_cf(Instance(str(directory.path)), options)


def table(directory, **options):
    return directory.apply(lookup_table_standalone.standalone_lookup_table, check_mode=True, type="texthash", **options)


def configuration(directory, **options):
    return configuration_plan.configuration(Instance(str(directory.path)), {"validate": True, **options})


REFUSED = r"the next hop \[a.test\]:25 of relayhost .*main.cf:3.*while the policy for \[a.test\]:587 demands encrypt.*\[weaker_next_hop\]"


@pytest.mark.parametrize(
    "options", [{"type": "hash"}, {"path": "./tls_policy"}, {"path": "link/tls_policy", "type": "hash"}]
)
@pytest.mark.parametrize("entries", [{"[a.test]:587": None, "[b.test]": "encrypt"}, {"[b.test]": "none"}])
def test_a_policy_is_found_by_its_file(directory, options, entries):
    """Whatever type it is compiled to and however the file is spelled: texthash reads the text."""
    directory.write("tls_policy", "[a.test]:587 encrypt\n[b.test] encrypt\n")
    directory.main_cf(
        relayhost="[a.test]:587",
        smtp_fallback_relay="[b.test]",
        smtp_tls_policy_maps=f"texthash:{directory.path}/tls_policy",
    )
    (directory.path / "link").symlink_to(directory.path)
    options = {"path": "tls_policy", "type": "texthash", "entries": entries, **options}
    with pytest.raises(DeclarationError, match="weaker_next_hop"):
        directory.apply(lookup_table_standalone.standalone_lookup_table, check_mode=True, **options)


def test_another_relayhost(directory):
    wanted = {"relayhost": "[a.test]:587, [a.test]:25"}
    with pytest.raises(DeclarationError, match=REFUSED):
        main_cf(directory, parameters=wanted)
    with pytest.raises(DeclarationError, match=REFUSED):
        configuration(directory, main_cf=wanted)
    assert (
        "[weaker_next_hop]" in main_cf(directory, parameters=wanted, checks={"weaker_next_hop": "warning"}).warnings[0]
    )
    assert not main_cf(directory, parameters=wanted, checks={"weaker_next_hop": "ignore"}).warnings
    policies = {"policies": [{"host": "a.test", "level": "encrypt"}], "type": "texthash"}
    assert configuration(directory, main_cf=wanted, tls_policy=policies).changes_something()


def test_another_entry_of_the_transport_table(directory):
    with pytest.raises(DeclarationError, match=r"the next hop \[a.test\] of the entry y.test of texthash:"):
        table(directory, path="transport", entries={"y.test": "smtp:[a.test]"})
    with pytest.raises(DeclarationError, match=r"the next hop \[a.test\] of the entry y.test of texthash:"):
        tables = [{"path": "transport", "type": "texthash", "entries": {"y.test": "smtp:[a.test]"}}]
        configuration(directory, lookup_tables=tables)
    assert table(directory, path="transport", entries={"y.test": "smtp:[b.test]"}).changed
    assert table(directory, path="other", entries={"y.test": "smtp:[a.test]"}).changed


def test_a_policy_that_goes(directory):
    with pytest.raises(DeclarationError, match=r"the next hop \[a.test\]:587 of the entry x.test"):
        directory.write("tls_policy", "[a.test]:587 encrypt\n[a.test]:25 secure\n")
        table(directory, path="tls_policy", entries={"[a.test]:587": None})


def test_a_service_with_a_weaker_level(directory):
    (directory.path / "master.cf").write_text(SMTP + "slow unix - - n - - smtp\n")
    directory.write("transport", "x.test slow:[a.test]:587\n")
    instance = Instance(str(directory.path))
    services = [{"service": "slow/unix", "options": {"smtp_tls_policy_maps": ""}}]
    with pytest.raises(
        DeclarationError,
        match=r"demands encrypt, but the transport slow does not use its table, and works at level none",
    ):
        master_cf_standalone.master_cf(instance, {"services": services})
    services[0]["options"]["smtp_tls_security_level"] = "encrypt"
    assert master_cf_standalone.master_cf(instance, {"services": services}).changes_something()
    services[0]["options"] = {"smtp_fallback_relay": "[f.test]"}
    with pytest.raises(DeclarationError, match=r"the next hop \[f.test\] of smtp_fallback_relay of slow"):
        master_cf_standalone.master_cf(instance, {"services": services})


def test_what_was_wrong_before_stays_manageable(directory):
    directory.write("transport", "x.test smtp:[a.test]:25\n")
    done = table(directory, path="transport", entries={"y.test": "smtp:[b.test]"})
    assert "the next hop [a.test]:25 of the entry x.test" in done.plan.warnings[0]
    with pytest.raises(DeclarationError):
        table(directory, path="transport", entries={"y.test": "smtp:[b.test]"}, checks={"weaker_next_hop": "error"})


def test_a_table_that_stays_is_read_once_for_before_and_after(directory, monkeypatch):
    read = []
    read_file = Instance.read
    monkeypatch.setattr(Instance, "read", lambda instance, path: read.append(path) or read_file(instance, path))
    directory.write("transport", "x.test smtp:[a.test]:25\n")
    done = table(directory, path="tls_policy", entries={"[b.test]": "may"})
    assert "the next hop [a.test]:25 of the entry x.test" in done.plan.warnings[0]
    assert read.count(f"{directory.path}/transport") == 1


def test_a_table_of_patterns_that_is_not_there_yet(directory):
    tables = tables_plan.MapLookup(Instance(str(directory.path)), {"/nowhere": b"/^u@/ smtp:[x]\n/^v@/ slow\n"})
    assert tables.find("regexp:/nowhere", "u@a.test") == "smtp:[x]"
    assert tables.find("regexp:/nowhere", "w@a.test") is None
    assert tables.entries("regexp:/nowhere") is None


def test_a_declared_policy_that_another_table_shadows(directory):
    """The table is read by its file, whatever its type; nothing is written."""
    directory.write("old", "plain.test may\n")
    maps = {"smtp_tls_policy_maps": f"texthash:{directory.path}/old, texthash:{directory.path}/tls_policy"}
    directory.main_cf(**maps)
    policies = {"policies": [{"nexthop": "plain.test", "level": "encrypt"}], "type": "texthash"}
    shadowed = r"the TLS policy for plain.test.*old answers first, with 'may'.*\[shadowed_policy\]"
    with pytest.raises(DeclarationError, match=shadowed):
        configuration(directory, main_cf=maps, tls_policy=policies)
    with pytest.raises(DeclarationError, match=shadowed):
        directory.apply(tls_policy_standalone.standalone_tls_policy, check_mode=True, **policies)
    warned = configuration(directory, main_cf=maps, tls_policy=policies, checks={"shadowed_policy": "warning"}).warnings
    assert "[shadowed_policy]" in warned[0]


def test_a_declared_policy_whose_table_no_parameter_names(directory):
    directory.write("old", "other.test may\n")
    policies = {"policies": [{"nexthop": "plain.test", "level": "encrypt"}], "type": "texthash"}
    maps = {"smtp_tls_policy_maps": f"texthash:{directory.path}/old"}
    with pytest.raises(DeclarationError, match=r"does not name this table.*\[shadowed_policy\]"):
        configuration(directory, main_cf=maps, tls_policy=policies)
    directory.main_cf(**maps)
    assert directory.apply(tls_policy_standalone.standalone_tls_policy, check_mode=True, **policies).changed


def test_two_tables_in_the_wrong_order(directory):
    directory.write("old", "[a.test]:587 may\n")
    wanted = {"smtp_tls_policy_maps": [f"texthash:{directory.path}/{name}" for name in ("old", "tls_policy")]}
    with pytest.raises(DeclarationError, match=r"\[shadowed_policy\]"):
        main_cf(directory, parameters=wanted)
    wanted["smtp_tls_policy_maps"].reverse()
    assert main_cf(directory, parameters=wanted).changes_something()


def test_a_password_for_another_port(directory):
    """As in the documentation of providers: the table is made in the same run, and nothing is written."""
    declared = {
        "main_cf": {
            "relayhost": "[a.test]:587",
            "smtp_sasl_auth_enable": True,
            "smtp_sasl_security_options": "noanonymous",
        },
        "lookup_tables": [
            {
                "path": "passwords",
                "type": "texthash",
                "parameter": "smtp_sasl_password_maps",
                "entries": {"[a.test]:465": "u:S3cret"},
            }
        ],
    }
    with pytest.raises(
        DeclarationError, match=r"finds no password. Write the key .\[a.test\]:587.*\[unused_password\]"
    ) as caught:
        configuration(directory, **declared)
    assert "S3cret" not in str(caught.value)
    declared["lookup_tables"][0]["entries"] = {"[a.test]:587": "u:S3cret"}
    assert configuration(directory, **declared).changes_something()


def test_a_password_without_tls(directory):
    """The policy is for another next hop."""
    directory.write("passwords", "[a.test]:587 u:S3cret\n", mode=0o600)
    maps = {
        "smtp_sasl_auth_enable": "yes",
        "smtp_sasl_password_maps": f"texthash:{directory.path}/passwords",
        "smtp_sasl_security_options": "noanonymous",
        "smtp_tls_policy_maps": f"texthash:{directory.path}/tls_policy",
        "transport_maps": f"texthash:{directory.path}/transport",
    }
    directory.main_cf(relayhost="[a.test]:587", **maps)
    with pytest.raises(DeclarationError, match=r"password_without_tls"):
        table(directory, path="tls_policy", entries={"[a.test]:587": None, "other.test": "encrypt"})
    with pytest.raises(DeclarationError, match=r"password_without_tls"):
        main_cf(directory, parameters={"relayhost": "[b.test]", "smtp_sasl_password_maps": "static:u:S3cret"})
    directory.write("passwords", "[b.test]:587 u:S3cret\n", mode=0o600)
    with pytest.raises(DeclarationError, match=r"password_without_tls"):
        table(directory, path="transport", entries={"y.test": "smtp:[b.test]:587"})
    assert table(directory, path="transport", entries={"y.test": "smtp:[c.test]:587"}).changed
