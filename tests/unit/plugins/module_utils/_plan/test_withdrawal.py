# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a role has written and no longer declares goes back to the value from before, and what others have changed stays."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mailops.postfix.plugins.module_utils._formats.master_cf import find_entry
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan import declared, tls_required
from ansible_collections.mailops.postfix.plugins.module_utils._plan.withdrawal import Withdrawal
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply as apply_transaction
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import store
from ansible_collections.mailops.postfix.plugins.modules import configuration, verify

TABLE = {"path": "passwords", "parameter": "smtp_sasl_password_maps", "exclusive": True, "mode": "0600", "type": "cdb"}


@pytest.fixture
def apply(run_module, monkeypatch):
    """Runs the role that owns the instance, and again; returns the first result, with its warnings about what is no longer declared."""
    warnings = []
    # Ansible itself keeps the warnings of all modules of a process.
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, text: warnings.append(text))

    def run(**declaration):
        declaration = {"owner": "smarthost", **declaration}
        warnings.clear()
        result = run_module(configuration, **declaration)
        assert not result.get("failed"), result["msg"]
        found = [text for text in warnings if re.search("stays|is removed|systemctl", text)]
        assert not run_module(configuration, **declaration)["changed"]
        return {**result, "warnings": found}

    return run


@pytest.fixture
def texts(directory):
    return lambda: [(directory / name).read_text() for name in ("main.cf", "master.cf")]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    os.utime(path, (2, 2))


def test_without_an_owner_nothing_is_taken_back(directory):
    withdrawal = Withdrawal(Instance(str(directory)), declared.Declared())
    assert withdrawal.parameters([]) == {} and withdrawal.services([]) == []
    assert withdrawal.entries([]) == [] and withdrawal.tables([], {}) == [] and withdrawal.files([]) == []
    assert withdrawal.warnings == [] and withdrawal.afterwards == []


# Parameters


def test_a_parameter_goes_back_to_its_former_value(apply, texts):
    before = texts()
    apply(main_cf={"mydestination": "", "relayhost": "[hub.example]", "biff": None, "smtpd_banner": "$myhostname"})
    result = apply(main_cf={"smtpd_banner": "$myhostname"})
    assert set(result["parameters"]) == {"mydestination", "relayhost", "biff"}
    apply()
    after = texts()
    assert sorted(after[0].splitlines()) == sorted(before[0].splitlines())


def test_a_parameter_that_others_have_changed_stays(apply, directory):
    apply(main_cf={"relayhost": "[hub.example]"})
    edit(directory / "main.cf", "[hub.example]", "[other.example]")
    result = apply()
    assert result["warnings"] == ["relayhost is no longer declared, and stays, because others have changed it"]
    assert "relayhost = [other.example]" in (directory / "main.cf").read_text()


def test_a_parameter_that_others_have_restored_is_not_named(apply, directory):
    apply(main_cf={"biff": True})
    edit(directory / "main.cf", "biff = yes", "biff = no")
    assert not apply()["warnings"]


def test_a_parameter_that_was_there_before_with_the_same_value_stays(apply, directory):
    apply(main_cf={"biff": False})
    assert not apply()["warnings"]
    assert "biff = no" in (directory / "main.cf").read_text()


def test_a_former_value_is_that_from_before_the_first_run(apply, directory):
    for value in ("[a.example]", "[b.example]", "[c.example]"):
        apply(main_cf={"relayhost": value})
    apply()
    assert "relayhost" not in (directory / "main.cf").read_text()
    # Declared again after others have set it, it has another former value.
    with open(directory / "main.cf", "a", encoding="utf-8") as file:
        file.write("relayhost = [own.example]\n")
    apply(main_cf={"relayhost": "[a.example]"})
    apply()
    assert "relayhost = [own.example]" in (directory / "main.cf").read_text()


def test_what_is_declared_literally_is_reported_and_stays(apply, directory):
    apply(
        overrides={
            "main_cf": {"relayhost": "[hub.example]"},
            "master_cf": [{"service": "9025/inet", "command": "smtpd"}],
        }
    )
    warnings = apply()["warnings"]
    assert warnings == [
        "relayhost is no longer declared in smarthost_main_cf, and stays. To remove it, set it to null there",
        f"{directory}/master.cf (9025/inet) is no longer declared in smarthost_master_cf, and stays. "
        "To remove it, declare it there with state: absent",
    ]
    assert "relayhost = [hub.example]" in (directory / "main.cf").read_text()
    result = apply(
        overrides={"main_cf": {"relayhost": None}, "master_cf": [{"service": "9025/inet", "state": "absent"}]}
    )
    assert not result["warnings"] and "9025" not in (directory / "master.cf").read_text()
    assert not apply()["warnings"]


def test_an_override_of_what_a_role_derives(apply, directory):
    apply(main_cf={"relayhost": "[hub.example]"}, overrides={"main_cf": {"relayhost": "[mine.example]"}})
    assert "relayhost = [mine.example]" in (directory / "main.cf").read_text()
    apply(main_cf={"relayhost": "[hub.example]"})
    assert "relayhost = [hub.example]" in (directory / "main.cf").read_text()
    apply()
    assert "relayhost" not in (directory / "main.cf").read_text()


def test_a_former_value_that_names_a_missing_file_is_not_restored(apply, directory, tmp_path):
    gone = tmp_path / "gone.pem"
    gone.write_text("")
    with open(directory / "main.cf", "a", encoding="utf-8") as file:
        file.write(f"smtp_tls_CAfile = {gone}\n")
    apply(main_cf={"smtp_tls_CAfile": None})
    gone.unlink()
    result = apply()
    assert result["warnings"] == [
        f"smtp_tls_CAfile is removed. Its former value, {gone}, names {gone}, which does not exist"
    ]
    assert "smtp_tls_CAfile" not in (directory / "main.cf").read_text()


def test_policies_stay(apply, directory):
    policies = {"policies": [{"nexthop": "example.com", "level": "encrypt"}], "type": "cdb"}
    apply(tls_policy=policies)
    assert not apply()["warnings"]
    assert "smtp_tls_policy_maps = cdb:" in (directory / "main.cf").read_text()
    assert "encrypt" in (directory / "tls_policy").read_text()


@pytest.mark.parametrize(
    "policies", [None, {"policies": [{"nexthop": "example.com", "level": "encrypt"}], "type": "cdb"}]
)
def test_a_service_of_policies_goes(apply, directory, policies):
    declared_policies = {"tls_policy": policies} if policies else {}
    service = "tcp:127.0.0.1:9"
    apply(mta_sts=service, validate=False, **declared_policies)
    assert service in (directory / "main.cf").read_text()
    apply(validate=False)
    text = (directory / "main.cf").read_text()
    assert service not in text
    assert ("smtp_tls_policy_maps = cdb:" in text) == bool(policies)


def test_what_a_migration_removes_is_not_restored(apply, directory):
    with open(directory / "main.cf", "a", encoding="utf-8") as file:
        file.write("smtp_use_tls = yes\n")
    apply(migrate=True)
    apply(migrate=False)
    assert "smtp_use_tls" not in (directory / "main.cf").read_text()


# Services


def entry(directory, name="smtp", kind="unix"):
    return find_entry((directory / "master.cf").read_bytes(), name, kind)


def test_options_and_columns_of_a_service_go_back(apply, directory, texts):
    before = texts()
    service = {"service": "smtp/unix", "chroot": False, "options": {"soft_bounce": True, "smtp_tls_loglevel": 2}}
    apply(master_cf=[service])
    apply(master_cf=[{"service": "smtp/unix", "options": {"smtp_tls_loglevel": 2}}])
    assert str(entry(directory)) == "smtp unix - - y - - smtp -o smtp_tls_loglevel=2"
    apply()
    assert texts()[1].split() == before[1].split()


def test_an_option_that_others_have_changed_stays(apply, directory):
    apply(master_cf=[{"service": "smtp/unix", "options": {"smtp_tls_loglevel": 2, "soft_bounce": True}}])
    edit(directory / "master.cf", "smtp_tls_loglevel=2", "smtp_tls_loglevel=3")
    assert apply()["warnings"] == [
        f"{directory}/master.cf (smtp/unix -o smtp_tls_loglevel) is no longer declared, and stays, because others have changed it"
    ]
    assert str(entry(directory)) == "smtp unix - - y - - smtp -o smtp_tls_loglevel=3"


def test_a_new_service_goes(apply, directory, texts):
    before = texts()
    apply(master_cf=[{"service": "smarthost/unix", "command": "smtp", "options": {"soft_bounce": True}}])
    apply()
    assert texts() == before


def test_a_service_that_was_commented_out_becomes_a_comment(apply, directory):
    apply(master_cf=[{"service": "submission/inet", "command": "smtpd", "options": {"syslog_name": "postfix/s"}}])
    assert entry(directory, "587", "inet")
    apply()
    assert entry(directory, "587", "inet") is None
    assert "#submission inet" in (directory / "master.cf").read_text()


def test_a_service_to_which_others_have_added_an_option_stays(apply, directory):
    apply(master_cf=[{"service": "smarthost/unix", "command": "smtp"}])
    with open(directory / "master.cf", "a", encoding="utf-8") as file:
        file.write("  -o smtp_bind_address=192.0.2.1\n")
    assert len(apply()["warnings"]) == 1
    assert entry(directory, "smarthost")


def test_a_service_that_a_role_has_removed_comes_back(apply, directory, texts):
    before = texts()[1]
    apply(master_cf=[{"service": "local/unix", "state": "absent"}])
    assert entry(directory, "local") is None
    apply()
    assert str(entry(directory, "local")) == str(find_entry(before.encode(), "local", "unix"))


def test_one_service_under_two_names(apply, directory):
    apply(master_cf=[{"service": "submission/inet", "command": "smtpd", "options": {"syslog_name": "a"}}])
    apply(master_cf=[{"service": "587/inet", "command": "smtpd", "options": {"syslog_name": "a"}}])
    assert entry(directory, "587", "inet")


# Tables and files


def test_an_exclusive_table_goes_with_its_parameter(apply, directory, texts):
    before = texts()
    apply(lookup_tables=[{**TABLE, "entries": {"[provider.example]:587": "joe:S3cret"}}])
    assert (directory / "passwords.cdb").exists()
    apply()
    assert texts() == before
    assert not list(directory.glob("passwords*"))


def test_a_table_that_was_there_before_comes_back_byte_for_byte(apply, directory):
    former = "# by hand\na.example   joe:old\n"
    (directory / "passwords").write_text(former)
    (directory / "passwords").chmod(0o600)
    apply(lookup_tables=[{**TABLE, "entries": {"b.example": "joe:new"}}])
    apply()
    assert (directory / "passwords").read_text() == former


def test_a_table_that_others_have_edited_stays(apply, directory):
    apply(lookup_tables=[{**TABLE, "entries": {"b.example": "joe:new"}}])
    with open(directory / "passwords", "a", encoding="utf-8") as file:
        file.write("c.example joe:mine\n")
    [warning] = apply()["warnings"]
    assert warning == f"{directory}/passwords is no longer declared, and stays, because others have changed it"
    assert "c.example" in (directory / "passwords").read_text()


def test_a_table_that_another_parameter_names_stays(apply, directory):
    apply(lookup_tables=[{**TABLE, "entries": {"b.example": "joe:new"}}])
    with open(directory / "main.cf", "a", encoding="utf-8") as file:
        file.write(f"lmtp_sasl_password_maps = cdb:{directory}/passwords\n")
    [warning] = apply()["warnings"]
    assert warning == f"{directory}/passwords is no longer declared, and stays, because main.cf or master.cf names it"
    assert (directory / "passwords.cdb").exists()


def test_entries_that_are_no_longer_declared_go(apply, directory):
    """A client that is no longer among smarthost_clients."""
    (directory / "clients").write_text("AA laptop\nCC by-hand\nDD former\n")
    table = {"path": "clients", "parameter": "relay_clientcerts", "type": "cdb"}
    apply(lookup_tables=[{**table, "entries": {"AA": "laptop", "BB": "phone", "DD": "new"}}])
    result = apply(lookup_tables=[{**table, "entries": {"aa": "laptop"}}])
    assert (directory / "clients").read_text().split() == ["AA", "laptop", "CC", "by-hand", "DD", "former"]
    assert result["changed"]
    apply()
    assert (directory / "clients").read_text().split() == ["AA", "laptop", "CC", "by-hand", "DD", "former"]


@pytest.mark.parametrize("entries", [{"AA": "laptop"}, {}])
@pytest.mark.parametrize("others", ["", "BB by-hand\n"])
def test_a_new_table_goes_unless_others_have_added_entries(apply, directory, entries, others):
    apply(lookup_tables=[{"path": "clients", "parameter": "relay_clientcerts", "type": "cdb", "entries": entries}])
    with open(directory / "clients", "a", encoding="utf-8") as file:
        file.write(others)
    apply()
    assert (directory / "clients").exists() == (directory / "clients.cdb").exists() == bool(others)
    assert not others or (directory / "clients").read_text() == others
    assert "relay_clientcerts" not in (directory / "main.cf").read_text()


def test_an_entry_that_others_have_changed_stays(apply, directory):
    table = {"path": "clients", "parameter": "relay_clientcerts", "type": "cdb"}
    apply(lookup_tables=[{**table, "entries": {"AA": "laptop", "BB": "phone"}}])
    edit(directory / "clients", "phone", "tablet")
    [warning] = apply(lookup_tables=[{**table, "entries": {"AA": "laptop"}}])["warnings"]
    assert warning == f"{directory}/clients (BB) is no longer declared, and stays, because others have changed it"


def test_a_file_goes_and_its_unit_is_stopped(apply, directory, tmp_path, no_hooks):
    (no_hooks / "systemd_runs").mkdir()
    units = [tmp_path / name for name in ("flush.service", "flush.conf")]
    units[1].write_text("former\n")
    apply(files=[{"path": str(unit), "content": "x\n"} for unit in units])
    result = apply()
    assert not units[0].exists() and units[1].read_text() == "former\n"
    assert ["systemctl stop flush.service" in warning for warning in result["warnings"]] == [True]


# Together


def test_taking_over_withdraws_what_the_other_role_has_written(apply, run_module, directory, texts):
    before = texts()
    apply(
        main_cf={"relay_clientcerts": "static:x", "mydestination": ""},
        master_cf=[{"service": "9025/inet", "command": "smtpd"}],
        lookup_tables=[{**TABLE, "entries": {"a.example": "joe:S3cret"}}],
    )
    table = {"path": "transport", "parameter": "transport_maps", "entries": {"example.com": "smtp:[hub.example.org]"}}
    again = {"owner": "mta_relay", "take_over": True, "lookup_tables": [{**table, "type": "cdb"}]}
    result = run_module(configuration, **again)
    assert not result.get("failed"), result
    assert "transport_maps = " in (directory / "main.cf").read_text()
    assert "mydestination = $myhostname, localhost" in (directory / "main.cf").read_text()
    assert texts()[1] == before[1]
    assert not run_module(configuration, **again)["changed"]
    assert not (directory / "passwords").exists()


def test_an_undo_brings_back_what_was_withdrawn(apply, run_module, directory, texts, sent):
    declaration = {
        "main_cf": {"relayhost": "[hub.example]"},
        "lookup_tables": [{**TABLE, "entries": {"a.example": "joe:S3cret"}}],
    }
    apply(**declaration)
    stores = [Path(function(str(directory))) for function in (declared.declared_path, declared.before_path)]
    before = [*texts(), (directory / "passwords").read_text(), *(path.read_text() for path in stores)]
    opened = run_module(configuration, owner="smarthost", confirm_within=600, _program=sent)
    assert not (directory / "passwords").exists()
    run_module(verify, transaction=opened["transaction"]["id"], state="undone")
    assert [*texts(), (directory / "passwords").read_text(), *(path.read_text() for path in stores)] == before
    assert (directory / "passwords.cdb").exists()
    apply(**declaration)


def test_the_store_forgets_what_is_withdrawn(apply, directory):
    apply(main_cf={"relayhost": "[hub.example]"}, lookup_tables=[{**TABLE, "entries": {"a.example": "joe:S3cret"}}])
    apply()
    for function in (declared.declared_path, declared.before_path):
        stored = json.loads(Path(function(str(directory))).read_text())
        assert not stored.get("written") and not stored.get("values")


def test_what_follows_from_a_level_goes_with_it(apply, directory, monkeypatch):
    """A parameter that is derived from the level of the configuration is declared as long as the level is."""
    monkeypatch.setattr(tls_required, "must_be_disabled", lambda proposal: b"encrypt" in proposal.main_cf)
    for _run in range(3):
        apply(main_cf={"smtp_tls_security_level": "encrypt"}, fail_closed=True, validate=False)
        assert "tls_required_enable = no" in (directory / "main.cf").read_text()
    apply(main_cf={"smtp_tls_security_level": "may"}, fail_closed=True, validate=False)
    assert "tls_required_enable" not in (directory / "main.cf").read_text()


def test_several_calls_of_one_transaction(run_module, directory, sent):
    """A call that joins a transaction takes back nothing; the next run takes back what none of them has declared."""
    common = {"owner": "smarthost", "confirm_within": 600, "_program": sent}
    opened = run_module(configuration, main_cf={"relayhost": "[a.example]"}, **common)["transaction"]["id"]
    run_module(configuration, main_cf={"biff": True}, transaction=opened, **common)
    text = (directory / "main.cf").read_text()
    assert "relayhost = [a.example]" in text and "biff = yes" in text
    apply_transaction.confirm(store.find(str(directory), opened))
    run_module(configuration, owner="smarthost")
    text = (directory / "main.cf").read_text()
    assert "relayhost" not in text and "biff = no" in text
