# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module configuration as Ansible runs it: options of other modules. The tests of the plans check the rest."""

from __future__ import annotations

import datetime

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mailops.postfix.plugins.module_utils._program import install
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply, store
from ansible_collections.mailops.postfix.plugins.modules import configuration
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.authority import LEAF, write


def test_the_options_of_other_modules_have_their_defaults(run_module, directory):
    declared = {
        "certificates": [{"name": "hub.example.org", "provider": "self_signed"}],
        "ca_bundle": {},
        "lookup_tables": [
            {"path": "transport", "entries": {"example.com": "smtp:[hub.example.org]"}, "parameter": "transport_maps"}
        ],
        "tls_policy": {"policies": [{"nexthop": "[hub.example.org]", "level": "encrypt"}]},
        "master_cf": [{"service": "tlsproxy/unix", "command": "tlsproxy"}],
        "main_cf": {"smtpd_tls_security_level": "may"},
    }
    result = run_module(configuration, **declared)
    assert result["changed"], result
    assert result["lookup_tables"][0]["map"].endswith(f":{directory}/transport")
    assert result["tls_policy"]["policies"] == [{"nexthop": "[hub.example.org]", "level": "encrypt"}]
    assert not run_module(configuration, **declared)["changed"]


def test_an_error_names_the_item_of_a_wrong_option(run_module):
    result = run_module(configuration, certificates=[{"name": "a", "provider": "self_signed"}, {"provider": "files"}])
    assert result["failed"] and "certificates[1]" in result["msg"] and "name" in result["msg"]


def test_an_unknown_option_is_refused(run_module):
    result = run_module(configuration, master_cf=[{"service": "smtp/inet", "chrot": True}])
    assert (
        result["failed"]
        and "reading option master_cf[0]: there is no option chrot. Supported parameters include: chroot,"
        in result["msg"]
    )


def test_an_empty_declaration_changes_nothing(run_module):
    result = run_module(configuration)
    assert (result["changed"], result["requires"]) == (False, "none")


def test_the_transaction_stays_open(run_module, directory, sent):
    declared = {"main_cf": {"smtpd_tls_loglevel": 1}}
    predicted = run_module(configuration, confirm_within=600, _program=sent, _ansible_check_mode=True, **declared)
    assert (predicted["transaction"], predicted["verify"]) == ({"id": None, "deadline": None}, "none")
    result = run_module(configuration, confirm_within=600, _program=sent, **declared)
    [transaction] = store.open_transactions(str(directory))
    assert result["transaction"] == {"id": transaction.id, "deadline": transaction.deadline}
    assert result["verify"] == "changed"
    deadline = datetime.datetime.strptime(transaction.deadline, "%Y-%m-%dT%H:%M:%S%z")
    left = deadline - datetime.datetime.now(datetime.timezone.utc)
    assert 590 < left.total_seconds() <= 600


def test_a_new_version_of_the_program_is_not_a_transaction(run_module, directory, sent):
    """After an upgrade of the collection, a run may have nothing else to install, and nothing to verify."""
    for name in ("key.pem", "certificate.pem"):
        write(directory / name, LEAF.key_pem + LEAF.pem)
    files = {"certificate": str(directory / "certificate.pem"), "private_key": str(directory / "key.pem")}
    certificate = {"name": "a", "provider": "files", **files, "deploy_hook": True}
    declared = {"certificates": [certificate], "confirm_within": 600, "_program": sent}
    apply.confirm(store.find(str(directory), run_module(configuration, **declared)["transaction"]["id"]))
    with open(install.PROGRAM, "wb") as file:
        file.write(b"an earlier version")
    result = run_module(configuration, **declared)
    assert result["changed"] and (result["transaction"]["id"], result["verify"]) == (None, "none")
    assert store.open_transactions(str(directory)) == []


def test_a_change_that_is_confirmed_at_once(run_module, directory):
    result = run_module(configuration, main_cf={"smtpd_tls_loglevel": 1})
    assert (result["transaction"], result["verify"]) == ({"id": None, "deadline": None}, "none")
    assert result["changed"] and store.open_transactions(str(directory)) == []


def test_a_negative_number_of_seconds(run_module):
    assert "confirm_within: -1 is not a valid number of seconds" in run_module(configuration, confirm_within=-1)["msg"]


def test_a_configuration_that_postfix_can_not_read_is_cured(run_module, directory, sent):
    """In a transaction, too, as the roles open one."""
    with open(directory / "main.cf", "a", encoding="utf-8") as file:
        file.write("inet_protocols = ipv9\n")
    result = run_module(configuration, main_cf={"inet_protocols": "ipv4"}, confirm_within=600, _program=sent)
    assert not result.get("failed"), result
    assert result["transaction"]["id"]


SECRETS = [
    {
        "lookup_tables": [
            {"path": "passwords", "type": "cdb", "mode": "0600", "entries": {"[hub]:587": "joe:open-sesame"}}
        ]
    },
    {
        "lookup_tables": [
            {"path": "p", "type": "cdb", "parameter": "smtp_sasl_password_maps", "entries": {"k": "joe:open-sesame"}}
        ]
    },
    {"main_cf": {"smtp_sasl_password_maps": "static:joe:open-sesame"}},
    {"main_cf": {"smtp_sasl_password_maps": "static:joe:$open_secret", "open_secret": "open-sesame"}},
    {"main_cf": {"relayhost": "[joe:open-sesame@hub.test]:587"}},
    {"master_cf": [{"service": "smtp/unix", "options": {"smtp_sasl_password_maps": "static:joe:open-sesame"}}]},
]


@pytest.mark.parametrize("validate", [True, False])
@pytest.mark.parametrize("declared", SECRETS, ids=lambda declared: next(iter(declared)))
@pytest.mark.parametrize("where", ["declared", "overridden"])
def test_a_secret_is_neither_logged_nor_shown(run_module, monkeypatch, directory, where, declared, validate):
    logged = []
    monkeypatch.setattr(
        AnsibleModule, "log", lambda _module, message, log_args=None: logged.append((message, log_args))
    )
    options = declared if where == "declared" else {"owner": "smarthost", "overrides": declared}
    result = run_module(configuration, **options, validate=validate, _ansible_diff=True)
    assert "open-sesame" not in str(result) + str(logged)
    assert result.get("failed") or result["changed"]
    stored = [path for path in directory.parent.rglob("declared.json") if "open-sesame" in path.read_text()]
    assert stored == []


@pytest.mark.parametrize("mode", ["0600", "0640", "0644"])
def test_a_file_with_a_password_is_not_shown(run_module, mode):
    content = "server_host = ldap.test\nbind_pw = open-sesame\n"
    result = run_module(
        configuration, files=[{"path": "ldap.cf", "mode": mode, "content": content}], _ansible_diff=True
    )
    assert result["changed"] and "open-sesame" not in str(result)


@pytest.mark.parametrize("name", ["smtp_sasl_password_maps", "relayhost"])
@pytest.mark.parametrize(
    "value", ["static:apikey:SG.open$1b$", "inline:{{hub.test = joe:SG.open$}}", "[joe:SG.open$@hub.test]:587"]
)
def test_a_dollar_sign_in_a_password(run_module, name, value):
    if name == "relayhost" and value[0] != "[":
        return
    message = run_module(configuration, main_cf={name: value})["msg"]
    assert f"setting {name} = " in message and "Write $$ for a dollar sign" in message
    assert "SG.open" not in message and "1b" not in message


def test_a_dollar_sign_in_another_value(run_module):
    message = run_module(configuration, main_cf={"smtpd_banner": "5$ a mail"})["msg"]
    assert "setting smtpd_banner = 5$ a mail" in message and "Write $$ for a dollar sign" in message


def test_a_name_in_a_password(run_module):
    message = run_module(configuration, main_cf={"smtp_sasl_password_maps": "static:apikey:SG.a$xyzzy"})["msg"]
    assert "Write $$ for a dollar sign" in message and "xyzzy" not in message
    assert run_module(configuration, main_cf={"smtp_sasl_password_maps": "static:apikey:SG.a$$xyzzy"})["changed"]
