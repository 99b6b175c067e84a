# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verb deploy after the renewal of a certificate, with the real openssl and postconf, and a simulated master(8).

After a failure, the file that Postfix serves must be the previous one, byte for byte.
"""

from __future__ import annotations

import errno
import json
import os
import shutil

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import PostfixError
from ansible_collections.mailops.postfix.plugins.module_utils._host import master, openssl, state
from ansible_collections.mailops.postfix.plugins.module_utils._host.runner import Completed, run_program
from ansible_collections.mailops.postfix.plugins.module_utils._plan import (
    ca_bundle_standalone,
    chain_file,
    lookup_table,
)
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Change, Plan, RenewalKind
from ansible_collections.mailops.postfix.plugins.module_utils._program import (
    deploy,
    host_log,
    renewals,
    specifications,
)
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply, store
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils._program.renewal_host import (
    FIRST,
    NAME,
    SECOND,
    THIRD,
    leaf_of,
    with_renewals,
)
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.authority import MIDDLE, ROOT, issue, write


def test_a_renewal_is_deployed(host, capsys):
    host.renew(SECOND)
    assert host.certbot() == 0
    assert host.chain_file.read_bytes() == SECOND.key_pem + SECOND.pem + MIDDLE.pem
    assert host.commands == ["reload"] and host.left_over() == []
    serial = f"{SECOND.certificate.serial_number:X}"
    assert (
        serial in capsys.readouterr().out
        and serial in host.log[0]
        and host.log[0].startswith(f"info: {NAME}: in service")
    )
    assert host.certbot() == 0
    assert host.commands == ["reload"] and "already in service" in capsys.readouterr().out


def test_no_private_key_is_logged(host, capsys):
    host.renew(SECOND)
    host.certbot()
    host.renew(SECOND, key=MIDDLE.key_pem)
    host.certbot()
    output = "".join(host.log) + "".join(capsys.readouterr())
    for key in (SECOND.key_pem, MIDDLE.key_pem):
        assert not any(line in output for line in key.decode().split("\n")[1:-2])


def appended(name, text):
    def change(host, _monkeypatch):
        path = host.directory / name
        path.write_text(path.read_text() + text)
        os.utime(path, (1, 1))

    return change


def full(host, monkeypatch):
    def write_nothing(path, ders):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    monkeypatch.setattr(chain_file, "append", write_nothing)


def unreadable(host, _monkeypatch):
    os.unlink(host.lineage / "privkey.pem")
    os.mkdir(host.lineage / "privkey.pem")


EXPIRED = issue(NAME, MIDDLE, names=[NAME], start=-20, end=-10)
OTHER_NAME = issue("mx2.example.org", MIDDLE, names=["mx2.example.org"])

FAULTS = {
    "another key": (lambda host, _m: host.renew(key=FIRST.key_pem), "this private key does not belong to the first"),
    "truncated chain": (lambda host, _m: host.renew(chain=(SECOND.pem + MIDDLE.pem)[:-40]), "the file is truncated"),
    "leaf alone": (lambda host, _m: host.renew(chain=SECOND.pem), "unable to get local issuer certificate"),
    "expired": (lambda host, _m: host.renew(EXPIRED), "it expired on"),
    "wrong name": (lambda host, _m: host.renew(OTHER_NAME), f"the certificate does not cover {NAME}"),
    "unreadable": (unreadable, "privkey.pem: it is not a file"),
    "missing": (lambda host, _m: shutil.rmtree(host.lineage), "there is no such file. Obtain it first"),
    "disk full": (full, "No space left on device. Nothing has been changed"),
    "main.cf broken": (appended("main.cf", "relayhost = ${x\n"), "postconf can't read it"),
    "main.cf with a wrong value": (
        appended("main.cf", "smtpd_tls_security_level = bogus\n"),
        "takes none, may, encrypt",
    ),
    "master.cf broken": (appended("master.cf", "smtp inet n\n"), "bad field count"),
}


@pytest.mark.parametrize(("break_it", "reason"), FAULTS.values(), ids=list(FAULTS))
def test_faults_before_the_installation(host, monkeypatch, capsys, break_it, reason):
    before, served = host.chain_file.read_bytes(), dict(host.served)
    host.renew(SECOND)
    break_it(host, monkeypatch)
    assert host.certbot() == 1
    output = capsys.readouterr()
    assert reason in output.err and output.err.startswith(f"mailops-postfix: {NAME}: ") and output.out == ""
    assert len(host.log) == 1 and host.log[0].startswith("error: ") and reason in host.log[0]
    assert host.chain_file.read_bytes() == before and host.served == served
    assert host.commands == [] and host.left_over() == []


def no_reload(host):
    host.failing["reload"] = b"postfix/postfix-script: fatal: bad\n"


def stale(host):
    host.stuck = True


def new_problem(host):
    def when_reloaded():
        host.problem = "" if host.problem else "it refuses to talk: 421"

    host.on_reload = when_reloaded


def killed_by_reload(host):
    def when_reloaded():
        host.on_reload = lambda: None
        host.stop()

    host.on_reload = when_reloaded


@pytest.mark.parametrize(
    ("break_it", "reason", "commands"),
    [
        (no_reload, "fatal: bad", ["reload", "reload"]),
        (stale, "it serves another certificate", ["reload", "reload"]),
        (new_problem, "it refuses to talk: 421", ["reload", "reload"]),
        (killed_by_reload, "the reload terminated master(8)", ["reload", "start"]),
    ],
)
def test_faults_after_the_installation(host, capsys, break_it, reason, commands):
    before = host.chain_file.read_bytes()
    host.renew(SECOND)
    break_it(host)
    assert host.certbot() == 1
    error = capsys.readouterr().err
    assert reason in error and "The previous certificate is in service again" in error and reason in host.log[-1]
    assert host.chain_file.read_bytes() == before and host.commands == commands and host.left_over() == []
    assert host.served[None] == leaf_of(FIRST)


def test_a_fault_from_before_does_not_undo_a_renewal(host):
    def probe(options, probe=host.probe):
        return {**probe(options), "after_tls": {"auth": ["PLAIN"]}}

    host.probe = probe
    host.renew(SECOND)
    assert host.certbot() == 0


def test_a_renewal_without_a_chain_file_cannot_be_undone(host, capsys):
    host.declare(chain_file=None, deploy_hook=True)
    host.renew(SECOND)
    host.stuck = True
    (host.directory / "main.cf").write_text(
        (host.directory / "main.cf").read_text()
        + f"smtpd_tls_chain_files = {host.lineage}/privkey.pem, {host.lineage}/fullchain.pem\n"
    )
    os.utime(host.directory / "main.cf", (1, 1))
    shutil.rmtree(os.path.join(renewals.STORE, "certificates"))
    host.declare(chain_file=None, deploy_hook=True)
    assert host.certbot() == 1
    error = capsys.readouterr().err
    assert "it serves another certificate" in error and "the previous ones no longer exist. Set chain_file" in error


def open_in(host):
    return store.open_transactions(str(host.directory))


def change_of_a_play(host, seconds=600):
    def plan(instance):
        after = instance.main_cf + b"message_size_limit = 20000000\n"
        return Plan([Change(instance.path("main.cf"), after, instance.main_cf)], requires="reload")

    return apply.apply(plan, host.instance, confirmation=apply.Confirmation(seconds)).transaction


def test_a_renewal_waits_for_the_transaction_of_a_play(host, monkeypatch, capsys):
    """What it has written may be undone, and its ports may fail because of it."""
    monkeypatch.setattr(deploy, "WAIT_SECONDS", 0.5)
    transaction = change_of_a_play(host)
    host.renew(SECOND)
    assert host.certbot() == 1
    assert f"the transaction {transaction.id} of" in capsys.readouterr().err
    assert [found.id for found in open_in(host)] == [transaction.id] and host.commands == []
    apply.confirm(transaction)
    assert host.certbot() == 0
    assert host.served[None] == leaf_of(SECOND) and open_in(host) == []


def test_a_renewal_undoes_only_itself(host):
    """After a change of a play that was confirmed."""
    apply.confirm(change_of_a_play(host))
    host.renew(SECOND)
    stale(host)
    assert host.certbot() == 1
    assert "message_size_limit = 20000000" in (host.directory / "main.cf").read_text()
    assert host.leaf(host.chain_file) == leaf_of(FIRST) and open_in(host) == []


def test_a_second_certificate_is_probed(host, capsys):
    """A server with two certificates serves one of them, by the key types that the client supports."""
    second = host.directory / "tls/second.pem"
    write(second, THIRD.key_pem + THIRD.pem + MIDDLE.pem)
    main_cf = host.directory / "main.cf"
    main_cf.write_text(f"{main_cf.read_text()}smtpd_tls_chain_files = {second}, {host.chain_file}\n")
    os.utime(main_cf, (1, 1))
    for_rsa = leaf_of(FIRST)

    def probe(options, probe=host.probe):
        facts = probe(options)
        served = {"rsa": for_rsa, None: leaf_of(THIRD)}[options.key_type]
        return {**facts, "chain": [{"fingerprint": {"sha256": served}, "key_type": options.key_type or "ecdsa"}]}

    host.probe = probe
    host.renew(SECOND)
    assert host.certbot() == 1
    assert f"it serves another certificate ({leaf_of(FIRST)})" in capsys.readouterr().err
    assert host.leaf(host.chain_file) == leaf_of(FIRST)
    for_rsa = leaf_of(SECOND)
    assert host.certbot() == 0 and host.leaf(host.chain_file) == leaf_of(SECOND)


class Killed(BaseException):
    """Simulates SIGKILL: no clean-up runs."""


def kill(host, monkeypatch, where):
    """Kill a renewal with the second certificate before or after its reload, an hour ago."""

    def die(*_arguments):
        raise Killed

    with monkeypatch.context() as context:
        context.setattr(deploy, "_go_back", lambda *_arguments: None)
        if where == "before the reload":
            context.setattr(master.Master, "bring_up", die)
        else:
            context.setattr(apply, "confirm", die)
        host.renew(SECOND)
        with pytest.raises(Killed):
            host.certbot()
    pass_time(monkeypatch, 3600)


def pass_time(monkeypatch, seconds):
    later = state.boot_time() + seconds
    monkeypatch.setattr(state, "boot_time", lambda: later)


@pytest.mark.parametrize("then", [["--due"], ["--name", NAME]])
@pytest.mark.parametrize("where", ["before the reload", "after the reload"])
def test_the_next_call_after_a_killed_one(host, monkeypatch, where, then):
    """Its deadline has passed: it is undone, and the certificate is deployed again."""
    kill(host, monkeypatch, where)
    assert len(open_in(host)) == 1
    assert host.call(*then) == 0
    assert host.served[None] == leaf_of(SECOND) and open_in(host) == [] and host.left_over() == []


@pytest.mark.parametrize("where", ["before the reload", "after the reload"])
def test_a_failure_after_a_killed_call(host, monkeypatch, where):
    """The certificate that was confirmed last is in service."""
    kill(host, monkeypatch, where)
    host.renew(THIRD)
    stale(host)
    assert host.certbot() == 1
    assert host.leaf(host.chain_file) == leaf_of(FIRST) and open_in(host) == []


@pytest.mark.parametrize(
    ("arguments", "environment", "selected"),
    [
        ([], {"RENEWED_LINEAGE": "{lineage}"}, True),
        ([], {"RENEWED_LINEAGE": "{lineage}/"}, True),
        ([], {"RENEWED_LINEAGE": "{lineage}-0001"}, False),
        ([], {"LEGO_CERT_PATH": "{lineage}/fullchain.pem", "LEGO_CERT_DOMAIN": "x"}, True),
        ([], {"LEGO_HOOK_CERT_PATH": "{lineage}/fullchain.pem"}, True),
        ([], {"CERT_FULLCHAIN_PATH": "{lineage}/fullchain.pem", "Le_Domain": "x"}, True),
        ([], {"CERT_FULLCHAIN_PATH": "/elsewhere/fullchain.pem"}, False),
        (["deploy_cert", "x", "/k", "/c", "{lineage}/fullchain.pem", "/ch", "1"], {}, True),
        (["deploy_cert", "x", "/k", "/c", "/f", "/ch", "1"], {}, False),
        (["--path", "/x", "{lineage}"], {}, True),
        (["--path", "/x"], {}, False),
        (["--name", "x", NAME], {}, True),
        (["--name", "x"], {}, False),
        (["--all"], {}, True),
    ],
)
def test_selection(host, monkeypatch, arguments, environment, selected):
    done = []
    monkeypatch.setattr(deploy, "deploy", lambda spec, probe: done.append(spec.name) or "done")
    variables = {name: value.format(lineage=host.lineage) for name, value in environment.items()}
    assert host.call(*[word.format(lineage=host.lineage) for word in arguments], **variables) == 0
    assert done == ([NAME] if selected else [])


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["deploy_challenge", "x", "y", "z"], 0),
        (["startup_hook"], 0),
        (["this_hookscript_is_broken__dehydrated_is_working_fine__please_ignore_unknown_hooks_in_your_script"], 0),
        (["--help"], 0),
        ([], 2),
        (["deploy_cert"], 2),
        (["--name"], 2),
        (["--all", "x"], 2),
        (["certbot"], 2),
    ],
)
def test_arguments(host, capsys, arguments, status):
    assert host.call(*arguments) == status
    assert ("usage: " in capsys.readouterr().err) is (status == 2)
    assert host.commands == []


def test_a_failure_does_not_prevent_other_deployments(host, capsys):
    directory = os.path.join(renewals.STORE, "certificates")
    with open(os.path.join(directory, "a.json"), "w", encoding="utf-8") as file:
        file.write("{")
    with open(os.path.join(directory, "b.json"), "w", encoding="utf-8") as file:
        json.dump({"config_directory": str(host.directory), "options": host.options(name="none")}, file)
    host.renew(SECOND)
    assert host.call("--all") == 1
    output = capsys.readouterr()
    assert "a.json" in output.err and "none: checking" in output.err and f"{NAME}: in service" in output.out


@pytest.mark.parametrize("name", ["fullchain.pem", "privkey.pem"])
def test_a_certificate_whose_files_have_been_removed(host, capsys, name):
    [spec] = specifications.spec_files(RenewalKind.CERTIFICATE)
    os.unlink(host.lineage / name)
    assert host.call("--due") == 1
    error = capsys.readouterr().err
    assert f"{name}: there is no such file" in error
    assert f"If it is no longer in use, remove {spec}; otherwise declare it again" in error
    os.unlink(spec)
    assert host.call("--due") == 0


def test_a_ca_whose_file_has_been_removed(host, monkeypatch, capsys):
    write(host.root / "system.pem", ROOT.pem, 0o644)
    monkeypatch.setattr(openssl, "SYSTEM_BUNDLES", (str(host.root / "system.pem"),))
    write(host.directory / "site.pem", MIDDLE.pem, 0o644)
    wanted = {"extra": ["site.pem"], "system": True, "update_hook": True, "_program": host.options()["_program"]}
    apply.apply(lambda instance: with_renewals(ca_bundle_standalone.ca_bundle)(instance, wanted), host.instance)
    [spec] = specifications.spec_files(RenewalKind.CA_BUNDLE)
    os.unlink(host.directory / "site.pem")
    assert host.call("--due") == 1
    assert f"If it is no longer in use, remove {spec}; otherwise declare it again" in capsys.readouterr().err


def test_other_errors_do_not_suggest_to_remove_a_specification(host, capsys):
    host.renew(EXPIRED)
    assert host.call("--due") == 1
    assert "it expired on" in (error := capsys.readouterr().err) and "no longer in use" not in error


def test_a_removed_instance(host, capsys):
    host.renew(SECOND)
    shutil.rmtree(host.directory)
    assert host.certbot() == host.call("--all") == 0
    assert capsys.readouterr() == ("", "")


def test_a_table_of_server_names_is_rebuilt(host, capsys):
    name = "sni.example.org"
    first, second = (issue(name, MIDDLE, names=[name]) for _time in range(2))
    lineage = host.root / f"le/live/{name}"

    def renew(issued):
        write(lineage / "fullchain.pem", issued.pem + MIDDLE.pem, 0o644)
        write(lineage / "privkey.pem", issued.key_pem)

    def in_table():
        table = f"{lookup_table.choose_type(host.instance(), 'auto')}:{host.directory}/tls/sni"
        done = run_program(["postmap", "-c", str(host.directory), "-F", "-q", name, table])
        return done.stdout

    renew(first)
    host.declare(name=name, hostnames=None, chain_file=None, sni=True)
    assert first.pem in in_table()
    text = (host.directory / "tls/sni").read_bytes()
    renew(second)
    assert host.call(RENEWED_LINEAGE=str(lineage)) == 0
    assert in_table().strip() == (second.key_pem + second.pem + MIDDLE.pem).strip()
    assert (host.directory / "tls/sni").read_bytes() == text
    before = [path.read_bytes() for path in sorted((host.directory / "tls").iterdir())]
    renew(first)
    host.stuck = True
    assert host.call(RENEWED_LINEAGE=str(lineage)) == 1
    assert f"for {name}: it serves another certificate" in capsys.readouterr().err
    assert [path.read_bytes() for path in sorted((host.directory / "tls").iterdir())] == before


def test_logger_is_used_if_postlog_fails(host, monkeypatch):
    commands = []

    def write_log(argv, stdin=None):
        commands.append(argv)
        if argv[0] == "postlog":
            raise PostfixError("running", "postlog", "broken")
        return Completed(tuple(argv), 0, b"", b"")

    monkeypatch.setattr(host_log, "run_program", write_log)
    host.renew(chain=b"")
    assert host.certbot() == 1
    assert [argv[0] for argv in commands] == ["postlog", "logger"] and "mail.err" in commands[1]


def test_ca_bundles_are_rebuilt(host, monkeypatch, capsys):
    system = host.root / "system.pem"
    write(system, ROOT.pem, 0o644)
    monkeypatch.setattr(openssl, "SYSTEM_BUNDLES", (str(system),))
    wanted = {
        "extra": [],
        "system": True,
        "form": "file",
        "path": "cas.pem",
        "update_hook": True,
        "_program": host.options()["_program"],
    }
    apply.apply(lambda instance: with_renewals(ca_bundle_standalone.ca_bundle)(instance, wanted), host.instance)
    assert host.call("--ca-bundles") == 0 and host.commands == []
    write(system, ROOT.pem + MIDDLE.pem, 0o644)
    assert host.call("--ca-bundles") == 0
    assert host.commands == ["reload"] and MIDDLE.pem in (host.directory / "cas.pem").read_bytes()
    assert "2 CAs, changed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("main.cf", "smtpd_tls_security_level = bogus\n"),
        ("main.cf", "inet_protocols = ipv9\n"),
        ("master.cf", "smtp inet n\n"),
    ],
)
def test_a_ca_bundle_does_not_reload_a_broken_configuration(host, monkeypatch, capsys, name, text):
    system = host.root / "system.pem"
    write(system, ROOT.pem, 0o644)
    monkeypatch.setattr(openssl, "SYSTEM_BUNDLES", (str(system),))
    wanted = {
        "extra": [],
        "system": True,
        "form": "file",
        "path": "cas.pem",
        "update_hook": True,
        "_program": host.options()["_program"],
    }
    apply.apply(lambda instance: with_renewals(ca_bundle_standalone.ca_bundle)(instance, wanted), host.instance)
    write(system, ROOT.pem + MIDDLE.pem, 0o644)
    before = (host.directory / name).read_text()
    appended(name, text)(host, None)
    assert host.call("--due") == 1 and host.commands == []
    assert MIDDLE.pem not in (host.directory / "cas.pem").read_bytes()
    (host.directory / name).write_text(before)
    os.utime(host.directory / name, (1, 1))
    assert host.call("--due") == 0 and host.commands == ["reload"]
    assert MIDDLE.pem in (host.directory / "cas.pem").read_bytes()


# The timer


def test_a_stopped_postfix_serves_the_renewal_after_its_start(host, capsys):
    host.renew(SECOND)
    host.stop()
    assert host.certbot() == 0
    assert host.log[-1].startswith(f"info: {NAME}: installed; Postfix does not run, and serves it when it is started")
    assert host.leaf(host.chain_file) == leaf_of(SECOND) and host.commands == [] and open_in(host) == []
    host.log.clear()
    assert host.call("--due") == 0 and host.log == [], "there is nothing left to do"


def test_a_stopped_postfix_gets_no_certificate_that_openssl_refuses(host, capsys):
    host.renew(EXPIRED)
    host.stop()
    assert host.certbot() == 1
    assert "it expired on" in capsys.readouterr().err and host.leaf(host.chain_file) == leaf_of(FIRST)


def test_due_retries_a_failed_deployment(host, capsys):
    host.renew(SECOND)
    no_reload(host)
    assert host.certbot() == 1
    host.commands.clear()
    assert host.call("--due") == 0
    assert host.chain_file.read_bytes() == SECOND.key_pem + SECOND.pem + MIDDLE.pem and host.commands == ["reload"]
    assert host.log[-1].startswith(f"info: {NAME}: in service")


def test_due_reports_nothing_if_nothing_is_due(host, capsys):
    assert host.call("--due") == 0
    host.stop()
    assert host.call("--due") == 0
    assert (host.commands, host.log, capsys.readouterr()) == ([], [], ("", ""))


def test_due_reloads_for_an_unused_file(host):
    """Such as that of a run that was killed before its reload."""
    host.renew(SECOND)
    write(host.chain_file, SECOND.key_pem + SECOND.pem + MIDDLE.pem)
    assert host.call("--due") == 0 and host.commands == ["reload"]


def test_due_does_not_interfere_with_a_run_of_ansible(host, monkeypatch):
    host.renew(SECOND)
    change_of_a_play(host)
    assert host.call("--due") == 0 and host.commands == []
    pass_time(monkeypatch, 3600)
    assert host.call("--due") == 0 and "reload" in host.commands
    assert "message_size_limit" not in (host.directory / "main.cf").read_text(), "its deadline has passed"
    assert host.served[None] == leaf_of(SECOND)
