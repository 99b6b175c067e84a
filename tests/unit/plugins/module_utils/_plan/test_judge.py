# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The judgement on whole configurations: broken ones are refused, sound ones pass, and old files stay manageable."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
import yaml
from ansible_collections.mailops.postfix.plugins.module_utils._errors import PostfixError
from ansible_collections.mailops.postfix.plugins.module_utils._host import dns_message
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan import (
    configuration,
    judge,
    master_cf_standalone,
    tables,
)
from ansible_collections.mailops.postfix.plugins.plugin_utils._role_values import role_values
from jinja2.nativetypes import NativeEnvironment

CORPUS = Path(__file__).parents[4] / "corpus"
BROKEN = yaml.safe_load((CORPUS / "broken" / "configurations.yml").read_text())
SOUND = yaml.safe_load((CORPUS / "sound" / "configurations.yml").read_text())

MAIN_CF = """\
compatibility_level = 3.6
myhostname = mx1.example.org
mydestination = $myhostname, localhost
inet_interfaces = all
smtpd_tls_security_level = may
smtpd_tls_chain_files = @FILES@/chain.pem
smtp_tls_security_level = may
"""


@pytest.fixture(scope="session")
def files():
    """The files that the tables of configurations refer to. All users may enter them, unlike the directories of pytest."""
    with tempfile.TemporaryDirectory(prefix="configurations-") as name:
        os.chmod(name, 0o755)
        subprocess.run([str(CORPUS / "broken" / "prepare"), name], check=True, timeout=60)
        yield Path(name)


@pytest.fixture(scope="session")
def port():
    """A port that another program holds."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


@pytest.fixture
def relay(tmp_path, files):
    """A relay that works, with a certificate."""
    (tmp_path / "main.cf").write_text(MAIN_CF.replace("@FILES@", str(files)))
    shutil.copy(CORPUS / "master.cf" / "debian-12", tmp_path / "master.cf")
    settle(tmp_path)
    return tmp_path


@pytest.fixture
def without_postfix_check(monkeypatch):
    """postfix check takes half a second; what it says of sound files the tests above and the scenarios see."""
    monkeypatch.setattr(Instance, "postfix_check", lambda *_arguments, **_options: ("", frozenset()))
    monkeypatch.setattr(Instance, "begin_postfix_check", lambda *_arguments, **_options: None)


def settle(directory):
    for name in ("main.cf", "master.cf"):
        os.utime(directory / name, (1, 1))


def plan(directory, **declaration):
    return configuration.configuration(Instance(str(directory)), {"validate": True, **declaration})


def filled(value, files, port):
    if isinstance(value, dict):
        return {key: filled(item, files, port) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, files, port) for item in value]
    if isinstance(value, str):
        return value.replace("@FILES@", str(files)).replace("@PORT@", str(port)).replace("@TAKEN@", "9100")
    return value


def content(directory):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in directory.iterdir() if path.is_file()}


@pytest.mark.parametrize("case", [case for case in BROKEN if "outcome" not in case], ids=lambda case: case["name"])
def test_broken_configurations_are_refused(relay, files, port, case):
    before = content(relay)
    case = filled(case, files, port)
    with pytest.raises(PostfixError) as error:
        plan(relay, **case["declaration"])
    assert re.search(case["says"], str(error.value), re.DOTALL), str(error.value)
    assert "PRIVATE KEY" not in str(error.value)
    assert content(relay) == before


def test_an_option_that_defeats_what_is_declared(relay):
    text = (relay / "master.cf").read_text()
    defeated = text.replace(" smtpd\n", " smtpd\n  -o smtpd_tls_security_level=none\n", 1)
    (relay / "master.cf").write_text(defeated)
    settle(relay)
    with pytest.raises(PostfixError, match=r"overrides it with smtpd_tls_security_level = none, which is weaker"):
        plan(relay, main_cf={"smtpd_tls_security_level": "encrypt"})


@pytest.mark.parametrize(
    ("line", "name", "says"),
    [
        ("mynetworks = 0.0.0.0/0\n", "parameter mynetworks", r"(?s)mynetworks with 0\.0\.0\.0/0 .*open_relay"),
        ("smtp_tls_chain_files = /gone.pem\n", "parameter smtp_tls_chain_files", "there is no file /gone.pem"),
        ("smtpd_tls_security_level = secure\n", "parameter smtpd_tls_security_level", "smtpd_tls_security_level"),
        ("queue_minfree = x\n", "parameter queue_minfree", "queue_minfree = x"),
    ],
)
def test_what_others_have_made_wrong_is_refused(relay, line, name, says):
    with open(relay / "main.cf", "a", encoding="utf-8") as file:
        file.write(line)
    settle(relay)
    planned = plan(relay, main_cf={"smtpd_tls_loglevel": 1})
    with pytest.raises(PostfixError, match=says):
        planned.judge_others([name])


@pytest.mark.parametrize(
    ("edit", "name", "says"),
    [
        (
            "relayhost = [hub.example]\nsmtp_sasl_auth_enable = yes\nsmtp_sasl_security_options = noanonymous\n"
            "smtp_sasl_password_maps = inline:{{[hub.example]=u:p}}\n",
            "parameter smtp_sasl_password_maps",
            "password_without_tls",
        ),
        (
            "smtp_tls_policy_maps = inline:{{b.example=secure}}\ntransport_maps = inline:{{a.example=smtp:[b.example]}}\n",
            "parameter transport_maps",
            "weaker_next_hop",
        ),
        (
            "smtp_tls_security_level = dane\nsmtp_dns_support_level = enabled\n",
            "parameter smtp_tls_security_level",
            "dane",
        ),
    ],
)
def test_routes_and_dependencies_of_a_change_of_others(relay, edit, name, says):
    with open(relay / "main.cf", "a", encoding="utf-8") as file:
        file.write(edit.replace("{{", "{").replace("}}", "}"))
    settle(relay)
    with pytest.raises(PostfixError, match=says):
        plan(relay).judge_others([name])


def test_what_was_wrong_before_is_not_refused_for_a_change_of_others(relay, without_postfix_check):
    with open(relay / "main.cf", "a", encoding="utf-8") as file:
        file.write("mynetworks = 0.0.0.0/0\nmail_name = x\n")
    settle(relay)
    assert plan(relay).judge_others(["parameter mail_name"]) == []
    with pytest.raises(PostfixError, match="open_relay"):
        plan(relay).judge_others(["parameter mail_name", "parameter mynetworks"])
    assert plan(relay, validate=False).judge_others(["parameter mynetworks"]) == []
    (warning,) = plan(relay, checks={"open_relay": "warning"}).judge_others(["parameter mynetworks"])
    assert "mynetworks with 0.0.0.0/0" in warning


@pytest.mark.parametrize("case", [case for case in BROKEN if "outcome" in case], ids=lambda case: case["name"])
def test_what_only_a_live_postfix_shows_is_not_refused(relay, files, port, case):
    assert case["outcome"] == "undone"
    assert plan(relay, **filled(case["declaration"], files, port)).changes_something()


@pytest.mark.parametrize("case", SOUND, ids=lambda case: case["name"])
def test_sound_configurations_pass_silently(relay, files, port, without_postfix_check, case):
    planned = plan(relay, **filled(case["declaration"], files, port))
    assert (planned.warnings, planned.changes_something()) == ([], True)


def test_a_group_that_openssl_does_not_have(relay, without_postfix_check):
    [warning] = plan(relay, main_cf={"tls_eecdh_auto_curves": ["X25519", "NOT-A-GROUP"]}).warnings
    assert "tls_eecdh_auto_curves = X25519, NOT-A-GROUP (" in warning or "X25519 NOT-A-GROUP (" in warning
    assert "does not have: NOT-A-GROUP. It has " in warning and "prime256v1" in warning and "[unknown_group]" in warning


def test_the_tables_are_as_large_as_they_should_be():
    assert len([case for case in BROKEN if "outcome" not in case]) >= 45
    assert len(SOUND) >= 45
    assert len({case["name"] for case in BROKEN}) == len(BROKEN)


# Old files stay manageable


def corpus(kind):
    return [path for path in sorted((CORPUS / kind).iterdir()) if not path.name.startswith("hard-fatal")]


@pytest.mark.parametrize("path", corpus("main.cf"), ids=lambda path: path.name)
def test_a_harmless_edit_of_any_main_cf_is_no_error(relay, without_postfix_check, path):
    shutil.copy(path, relay / "main.cf")
    settle(relay)
    assert plan(relay, main_cf={"smtp_tls_note_starttls_offer": True}).changes_something()


@pytest.mark.parametrize("path", corpus("master.cf"), ids=lambda path: path.name)
def test_a_harmless_edit_with_any_master_cf_is_no_error(relay, without_postfix_check, path):
    shutil.copy(path, relay / "master.cf")
    settle(relay)
    planned = plan(relay, main_cf={"smtp_tls_note_starttls_offer": True})
    assert planned.changes_something()


MESS = {
    "smtpd_tls_auth_only": "True",
    "smtpd_relay_restrictions": "permit_mynetwroks, reject_unauth_destination",
    "smtpd_recipient_restrictions": "reject_unauth_destination",
    "transport_maps": "hash:/nowhere/transport",
    "smtpd_sasl_auth_enable": "yes",
}


def test_what_was_wrong_before_is_a_warning(relay):
    with open(relay / "main.cf", "a") as file:
        file.writelines(f"{name} = {value}\n" for name, value in MESS.items())
    settle(relay)
    warnings = plan(relay, main_cf={"smtp_tls_note_starttls_offer": True}).warnings
    assert [name for name in MESS if name not in "\n".join(warnings)] == ["smtpd_recipient_restrictions"], warnings
    with pytest.raises(PostfixError, match=r"permit_mynetwroks(?s:.*)Did you mean permit_mynetworks"):
        plan(relay, main_cf={"smtpd_relay_restrictions": MESS["smtpd_relay_restrictions"], "biff": False})
    with pytest.raises(PostfixError, match="missing_table"):
        plan(relay, main_cf={"smtp_tls_note_starttls_offer": True}, checks={"missing_table": "error"})


def test_the_user_chooses_what_a_finding_is(relay):
    declared = {"smtp_tls_security_level": "dane"}
    with pytest.raises(PostfixError, match=r"\[dane_without_dnssec\]"):
        plan(relay, main_cf=declared)
    [warning] = plan(relay, main_cf=declared, checks={"dane_without_dnssec": "warning"}).warnings
    assert "Postfix downgrades it to may" in warning
    assert plan(relay, main_cf=declared, checks={"dane_without_dnssec": "ignore"}).warnings == []


DANE = {"smtp_tls_security_level": "dane", "smtp_dns_support_level": "dnssec"}
UNSIGNED = dns_message.Answer("NOERROR", validated=False, truncated=False)
SERVICE = {"smtp_tls_policy_maps": "socketmap:inet:127.0.0.1:1:nobody"}


@pytest.mark.parametrize(
    ("declared", "check"), [(DANE, "unvalidated_dns"), (SERVICE, "dead_policy_service")], ids=["dane", "service"]
)
def test_what_postfix_relies_on_outside_itself_must_be_there(
    relay, nameservers, without_postfix_check, declared, check
):
    nameservers["."] = UNSIGNED
    with pytest.raises(PostfixError, match=rf"\[{check}\]"):
        plan(relay, main_cf=declared)
    [warning] = plan(relay, main_cf=declared, checks={check: "warning"}).warnings
    assert f"[{check}]" in warning
    # Also where nothing changes any more: it may have gone meanwhile.
    with open(relay / "main.cf", "a") as file:
        file.writelines(f"{name} = {value}\n" for name, value in declared.items())
    settle(relay)
    with pytest.raises(PostfixError, match=rf"\[{check}\]"):
        plan(relay, main_cf=declared)
    assert plan(relay, main_cf=declared, checks={check: "ignore"}).warnings == []
    assert plan(relay, main_cf=declared, validate=False).warnings == []
    # And who declares something else hears of it.
    [warning] = plan(relay, main_cf={"biff": False}).warnings
    assert f"[{check}]" in warning


def test_a_service_of_mta_sts_policies_comes_after_the_tables(relay, without_postfix_check):
    declaration = {"mta_sts": "postfix-mta-sts-resolver", "checks": {"dead_policy_service": "ignore"}}
    resolver = "socketmap:inet:127.0.0.1:8461:postfix"

    def maps(**more):
        change = plan(relay, **declaration, **more).result["parameters"]
        return change["smtp_tls_policy_maps"]["after"]

    policies = {"policies": [{"nexthop": "a.example", "level": "encrypt"}], "type": "hash"}
    assert maps(main_cf={"biff": False}) == resolver
    assert maps(tls_policy=policies) == f"hash:{relay}/tls_policy, {resolver}"
    assert maps(main_cf={"smtp_tls_policy_maps": "static:encrypt"}) == "static:encrypt"
    with open(relay / "main.cf", "a") as file:
        file.write("smtp_tls_policy_maps = static:encrypt\n")
    settle(relay)
    assert maps() == f"static:encrypt, {resolver}"


@pytest.mark.parametrize(
    ("checks", "says"),
    [
        ({"open_rely": "warning"}, "'open_rely' is not a valid check. Did you mean open_relay"),
        ({"open_relay": "warn"}, "'warn' is not a valid severity. Write error, warning, ignore"),
        ({"wrong_listener": "ignore"}, "Postfix stops on what this check finds"),
    ],
)
def test_checks_that_do_not_exist_or_can_not_be_switched_off(relay, checks, says):
    with pytest.raises(PostfixError, match=says):
        plan(relay, main_cf={"biff": False}, checks=checks)


def test_all_findings_are_said_at_once(relay):
    with pytest.raises(PostfixError) as error:
        plan(relay, main_cf={"smtpd_tls_auth_only": "True", "relayhost": "smtp:hub", "smtp_tls_loglevel": "x"})
    assert [check for check in ("wrong_value", "wrong_destination") if f"[{check}]" not in str(error.value)] == []
    assert str(error.value).count("[wrong_value]") == 2


def test_an_encrypted_submission_service_may_come_before_its_certificate(relay):
    """The single modules see one part of a configuration; the other part may be the next task's."""
    with open(relay / "main.cf", "a") as file:
        file.write("smtpd_tls_chain_files =\nsmtpd_tls_security_level = none\n")
    settle(relay)
    service = {"service": "submission/inet", "command": "smtpd"}
    options = {"smtpd_tls_security_level": "encrypt", "smtpd_relay_restrictions": "reject"}
    planned = master_cf_standalone.master_cf(Instance(str(relay)), {"services": [{**service, "options": options}]})
    assert [warning for warning in planned.warnings if "[no_certificate]" in warning]
    with pytest.raises(PostfixError, match=r"\[no_certificate\]"):
        plan(relay, master_cf=[{**service, "options": options}])


# Stock configurations with what the roles declare

ROLES = Path(__file__).parents[5] / "roles"
STOCK = ("debian-11", "debian-12", "debian-13", "debian-14")


def rendered(value, context):
    if isinstance(value, dict):
        return {key: rendered(item, context) for key, item in value.items()}
    if isinstance(value, list):
        return [rendered(item, context) for item in value]
    if not isinstance(value, str) or "{{" not in value:
        return value
    environment = NativeEnvironment()
    environment.filters["combine"] = lambda first, *others: {k: v for item in (first, *others) for k, v in item.items()}
    return rendered(environment.from_string(value).render(**context), context)


def variables(*names):
    result = {}
    for name in names:
        result.update(yaml.safe_load((ROLES / name).read_text()))
    return result


def of_role(role):
    options = variables(f"{role}/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    given = {"roadwarrior_smarthost": "hub.example.org", "mta_relay_certificates": [{"name": "mx1.example.org"}]}
    values = role_values(role, options, {name: value for name, value in given.items() if name.startswith(role)})
    assert values.faults == []
    context = variables(f"{role}/vars/main.yml")
    context.update(
        {
            f"__{role}": values.validated,
            "inventory_hostname": "mx1.example.org",
            "__smarthost_hostname": "mx1.example.org",
        }
    )
    for name, value in list(context.items()):
        if name in (
            f"__{role}_fixed",
            "__smarthost_submission_options",
            "__mta_relay_has_dane",
            "__smarthost_has_dane",
        ):
            known = {
                "__roadwarrior_smarthost": {"name": "hub.example.org", "host": ""},
                "__roadwarrior_all_pins": [":".join(["AB"] * 32)],
            }
            context[name] = known.get(name) or rendered(value, {**context, **known})
    main_cf = {
        **variables("postfix_instance/vars/main.yml")["__postfix_instance_baseline"],
        **context[f"__{role}_fixed"],
    }
    return main_cf, rendered(context.get(f"__{role}_master_cf", []), context)


@pytest.mark.parametrize("role", ["mta_relay", "smarthost", "roadwarrior"])
@pytest.mark.parametrize("stock", STOCK)
def test_what_the_roles_declare_passes_on_stock_files(relay, files, without_postfix_check, stock, role):
    for name in ("main.cf", "master.cf"):
        shutil.copy(CORPUS / name / stock, relay / name)
    settle(relay)
    main_cf, master_cf = of_role(role)
    assert len(main_cf) > 10 and "{{" not in str((main_cf, master_cf))
    main_cf.update(smtpd_tls_chain_files=f"{files}/chain.pem", smtpd_tls_cert_file=None, smtpd_tls_key_file=None)
    planned = plan(relay, main_cf=main_cf, master_cf=master_cf)
    assert [warning for warning in planned.warnings if "missing_" not in warning] == []


# The staged copy


def tree(path):
    """Everything below a directory: names, modes, owners, times and sizes."""
    result = {}
    for directory, names, files in os.walk(path):
        for name in (*names, *files):
            status = os.lstat(os.path.join(directory, name))
            result[os.path.join(directory, name)] = (status.st_mode, status.st_uid, status.st_mtime_ns, status.st_size)
    return result


def test_the_staged_copy_is_whole_and_roots_alone(relay):
    (relay / "sasl").mkdir()
    (relay / "transport").write_text("x y\n")
    with Instance(str(relay)).staged(b"biff = no\n", b"") as staged:
        assert sorted(os.listdir(staged.config_directory)) == ["main.cf", "master.cf", "sasl", "transport"]
        assert Path(staged.config_directory).stat().st_mode & 0o077 == 0
        assert (staged.main_cf, staged.read("transport")) == (b"biff = no\n", b"x y\n")
    assert not os.path.exists(staged.config_directory)


def test_postfix_check_writes_nothing_that_is_not_its_own(relay, tmp_path_factory):
    queue, data = tmp_path_factory.mktemp("queue"), tmp_path_factory.mktemp("data")
    text = (relay / "main.cf").read_text() + f"queue_directory = {queue}\ndata_directory = {data}\n"
    before = [tree(path) for path in (relay, queue, data)]
    instance = Instance(str(relay))
    assert instance.postfix_check(text.encode(), instance.master_cf) == ("", frozenset())
    assert [tree(path) for path in (relay, queue, data)] == before


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("mail_owner = nosuchuser", "parameter mail_owner: unknown user name value: nosuchuser"),
        ("default_process_limit = many", "bad numerical configuration: default_process_limit = many"),
        ("daemon_directory = /nowhere", "chdir(/nowhere)"),
    ],
)
def test_postfix_check_says_why_it_fails(relay, line, words):
    instance = Instance(str(relay))
    failure, _complaints = instance.postfix_check(f"{line}\n".encode(), instance.master_cf)
    assert words in failure


def test_postfix_check_is_asked_once_for_the_same_texts(relay, monkeypatch):
    instance = Instance(str(relay))
    instance.postfix_check(b"biff = no\n", instance.master_cf)
    monkeypatch.setattr(Instance, "_postfix_check", lambda *_arguments: pytest.fail("asked again"))
    Instance(str(relay)).postfix_check(b"biff = no\n", instance.master_cf)
    Instance(str(relay)).begin_postfix_check(b"biff = no\n", instance.master_cf)


def test_what_postfix_check_was_begun_for_is_not_asked_again(relay, monkeypatch):
    text = b"biff = no\nmail_owner = nosuchuser\n"
    instance = Instance(str(relay))
    instance.begin_postfix_check(text, instance.master_cf)
    monkeypatch.setattr(Instance, "_postfix_check", lambda *_arguments: pytest.fail("asked again"))
    failure, _complaints = instance.postfix_check(text, instance.master_cf)
    assert "nosuchuser" in failure


def test_nothing_is_staged_or_judged_when_nothing_changes(relay, monkeypatch):
    for name in ("judge_values", "judge_postfix_check", "refuse_unreadable"):
        monkeypatch.setattr(judge, name, lambda *_arguments: pytest.fail("judged"))
    monkeypatch.setattr(Instance, "staged", lambda *_arguments: pytest.fail("staged"))
    planned = plan(
        relay,
        main_cf={"smtpd_tls_security_level": "may", "inet_interfaces": "all"},
        master_cf=[{"service": "smtp/inet", "command": "smtpd"}],
    )
    assert (planned.changes_something(), planned.requires, planned.warnings) == (False, "none", [])


def test_a_check_that_finds_nothing_is_not_made_of_the_previous_state(relay, monkeypatch, without_postfix_check):
    seen = []

    def values(configuration, *arguments, check=judge.values_checks.value_findings):
        seen.append(b"myhostname = first" in configuration.main_cf)
        yield from check(configuration, *arguments)

    monkeypatch.setattr(judge.values_checks, "value_findings", values)
    plan(relay, main_cf={"myhostname": "first.example.org"})
    assert seen == [True]
    with open(relay / "main.cf", "a") as file:
        file.write("smtpd_tls_loglevel = chatty\n")
    settle(relay)
    seen.clear()
    [warning] = plan(relay, main_cf={"myhostname": "first.example.org"}).warnings
    assert "smtpd_tls_loglevel = chatty" in warning
    assert seen == [True, False]


def test_postfix_check_runs_while_the_other_checks_do(relay, monkeypatch):
    steps = []

    def step(name, result):
        return lambda *_arguments, **_options: steps.append(name) or result

    monkeypatch.setattr(Instance, "begin_postfix_check", step("begin postfix check", None))
    monkeypatch.setattr(Instance, "postfix_check", step("wait for postfix check", ("", frozenset())))
    monkeypatch.setattr(judge, "judge_values", step("values", []))
    monkeypatch.setattr(tables, "judge_routes", step("routes", []))
    plan(relay, main_cf={"smtp_tls_policy_maps": "static:encrypt"})
    assert steps == ["begin postfix check", "values", "routes", "wait for postfix check"]


def test_files_that_are_gone_are_noticed_without_a_change(relay, files):
    gone = files / "gone.pem"
    shutil.copy(files / "chain.pem", gone)
    declared = {"smtpd_tls_chain_files": str(gone)}
    (relay / "main.cf").write_text(MAIN_CF.replace("@FILES@/chain.pem", str(gone)))
    settle(relay)
    assert not plan(relay, main_cf=declared).changes_something()
    gone.unlink()
    with pytest.raises(PostfixError, match=r"no file .*gone.pem"):
        plan(relay, main_cf=declared)
    assert len(plan(relay, main_cf=declared, checks={"missing_file": "warning"}).warnings) == 1
    assert plan(relay, main_cf=declared, checks={"missing_file": "ignore"}).warnings == []


def test_without_validation_only_what_postfix_cannot_read_is_refused(relay):
    broken = {"smtpd_tls_auth_only": "True", "smtpd_relay_restrictions": "permit"}
    assert plan(relay, main_cf=broken, validate=False).changes_something()
    with pytest.raises(PostfixError, match="is not closed"):
        plan(relay, main_cf={"relayhost": "${broken"}, validate=False)


SUBMISSION = "submission inet n - n - - smtpd\n  -o smtpd_client_restrictions=$mua_client_restrictions\n"
LAST_REFERENCES = [
    (
        "mua_client_restrictions = reject",
        SUBMISSION,
        {"master_cf": [{"service": "submission/inet", "state": "absent"}]},
    ),
    (
        "mua_client_restrictions = reject",
        SUBMISSION,
        {"master_cf": [{"service": "submission/inet", "state": "disabled"}]},
    ),
    (
        "mua_client_restrictions = reject",
        SUBMISSION,
        {
            "master_cf": [
                {"service": "submission/inet", "options": {"smtpd_client_restrictions": "permit_mynetworks,reject"}}
            ]
        },
    ),
    (
        "strict = reject_unauth_destination\nsmtpd_restriction_classes = strict",
        "",
        {"main_cf": {"smtpd_restriction_classes": ""}},
    ),
    (
        "my_checks = reject_unauth_pipelining\nsmtpd_recipient_restrictions = $my_checks",
        "",
        {"main_cf": {"smtpd_recipient_restrictions": ""}},
    ),
    (
        "slow_destination_rate_delay = 1s",
        "slow unix - - n - - smtp\n",
        {"master_cf": [{"service": "slow/unix", "state": "absent"}]},
    ),
]


@pytest.mark.parametrize(("main_cf", "master_cf", "change"), LAST_REFERENCES)
def test_a_parameter_whose_last_reference_goes_is_a_warning(relay, without_postfix_check, main_cf, master_cf, change):
    name = main_cf.partition(" ")[0]
    for file, text in (("main.cf", f"{main_cf}\nold_typo = 1\n"), ("master.cf", master_cf)):
        (relay / file).write_text((relay / file).read_text() + text)
    settle(relay)
    plan = configuration.configuration(Instance(str(relay)), {"validate": True, **change})
    [warning] = [text for text in plan.warnings if "[unknown_parameter]" in text]
    assert f"{name} in main.cf" in warning and "nothing refers to it any more" in warning
    with pytest.raises(PostfixError, match=f"{name} in main.cf.*does not know this parameter"):
        declared = {**change, "main_cf": {**change.get("main_cf", {}), name: "reject"}}
        configuration.configuration(Instance(str(relay)), {"validate": True, **declared})


def test_what_was_wrong_stays_a_warning_under_another_name(relay, without_postfix_check):
    entry = "smtps inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes\n  -o smtpd_tls_ciphers=strong\n"
    (relay / "master.cf").write_text((relay / "master.cf").read_text() + entry)
    settle(relay)
    renamed = {"service": "submissions/inet", "options": {"syslog_name": "postfix/submissions"}}
    plan = configuration.configuration(Instance(str(relay)), {"validate": True, "master_cf": [renamed]})
    assert any("smtpd_tls_ciphers = strong in service submissions/inet" in text for text in plan.warnings)
    declared = {**renamed, "options": {"smtpd_tls_ciphers": "strong"}}
    with pytest.raises(PostfixError, match="smtpd_tls_ciphers = strong in service submissions/inet"):
        configuration.configuration(Instance(str(relay)), {"validate": True, "master_cf": [declared]})


@pytest.mark.parametrize("owner", ["", "smarthost"])
def test_a_password_in_clear_names_the_variables_of_a_role(relay, without_postfix_check, owner):
    parameters = {
        "relayhost": "[hub.example.org]:587",
        "smtp_sasl_auth_enable": "yes",
        "smtp_sasl_password_maps": "inline:{{[hub.example.org]:587=user:password}}",
        "smtp_sasl_security_options": "",
        "smtp_tls_security_level": "may",
    }
    with pytest.raises(
        PostfixError, match="gets the password in clear.*main.cf|main.cf.*gets the password in clear"
    ) as error:
        configuration.configuration(Instance(str(relay)), {"validate": True, "main_cf": parameters, "owner": owner})
    assert ("smarthost_tls_policies or smarthost_main_cf" in str(error.value)) is bool(owner)
