# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decisions of the module verify. A scenario of molecule tests it with real ports and next hops."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, HostError
from ansible_collections.mailops.postfix.plugins.module_utils._host import dns_message, master, state
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Change, Plan
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply, confirmed, store
from ansible_collections.mailops.postfix.plugins.module_utils._verify import examination, restoration, verify
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils._verify.host import CORRECT, MISCONFIGURED


def test_a_correct_change_is_confirmed(host):
    result = host.verify()
    assert (host.commands, host.probed) == (["reload"], [("127.0.0.1", 2525)])
    assert (result["changed"], result["problems"], result["restored"]) == (True, [], [])
    assert result["listeners"] == [
        {
            "service": "127.0.0.1:2525/inet",
            "host": "127.0.0.1",
            "port": 2525,
            "problems": [],
            "warnings": [],
            "domains": [],
            "not_probed": [],
            "tls": "no TLS",
            "auth": [],
            "relay": "",
            "certificate": None,
        }
    ]
    assert host.main_cf() == host.old + "# new\n" and host.open() == []


def open_transaction(host):
    [transaction] = host.open()
    return transaction


def test_a_transaction_is_confirmed(host):
    result = host.verify(transaction=open_transaction(host))
    assert (result["confirmed"], result["undone"]) == (True, False)
    assert host.open() == []


def test_a_transaction_that_is_no_longer_open(host):
    with pytest.raises(HostError, match="the transaction 0badc0de is no longer open"):
        host.verify(transaction="0badc0de")
    assert (host.commands, host.probed, len(host.open())) == ([], [], 1)


def test_a_transaction_is_undone_without_probing_first(host):
    result = host.verify(transaction=open_transaction(host), state="undone")
    assert (result["changed"], result["undone"], result["confirmed"]) == (True, True, False)
    assert (host.main_cf(), host.open(), host.commands) == (host.old, [], ["reload"])
    assert result["restored"] == [str(host.directory / "main.cf")]


def test_check_mode_undoes_nothing(host):
    result = host.verify(transaction=open_transaction(host), state="undone", check_mode=True)
    assert result["changed"] and len(host.open()) == 1 and host.commands == []


@pytest.mark.parametrize("transaction", [None, "0badc0de"])
def test_there_is_nothing_to_undo(host, transaction):
    result = host.verify(transaction=transaction, state="undone")
    assert (result["changed"], result["undone"]) == (False, False)
    assert len(host.open()) == 1 and host.commands == []


@pytest.fixture
def dane(host):
    """A change that uses DANE."""

    def plan(instance):
        main_cf = host.old + "# new\nsmtp_tls_security_level = dane\nsmtp_dns_support_level = dnssec\n"
        master_cf = instance.master_cf + b"smtp unix - - n - - smtp\n"
        changes = [
            Change(instance.path("main.cf"), main_cf.encode(), instance.main_cf),
            Change(instance.path("master.cf"), master_cf, instance.master_cf),
        ]
        return Plan(changes, requires="reload")

    apply.confirm(store.open_transactions(str(host.directory))[0])
    apply.apply(plan, host.instance, confirmation=apply.Confirmation(600))
    host.old += "# new\n"
    return host


NOT_SIGNED = dns_message.Answer("NOERROR", validated=False, truncated=False)


def test_a_validating_resolver(dane, nameservers):
    nameservers["broken.test"] = dns_message.Answer("SERVFAIL", validated=False, truncated=False)
    assert dane.verify(dependencies="error", bogus_names=["broken.test"])["problems"] == []
    assert dane.open() == [] and "dane" in dane.main_cf()


@pytest.mark.parametrize(
    ("name", "message"), [(".", "does not validate DNSSEC"), ("broken.test", "it resolves broken.test")]
)
def test_a_resolver_without_validation(dane, nameservers, name, message):
    nameservers[name] = NOT_SIGNED
    with pytest.raises(
        verify.VerificationFailed,
        match=rf"{message}.*\[unvalidated_dns\]\. The previous configuration has been restored",
    ):
        dane.verify(dependencies="error", bogus_names=["broken.test"] if name == "broken.test" else [])
    assert dane.main_cf() == dane.old


def test_a_resolver_without_validation_as_a_warning(dane, nameservers):
    nameservers["."] = NOT_SIGNED
    assert dane.verify(dependencies="ignore")["warnings"] == []
    [warning] = dane.verify(dependencies="warning", requires="none")["warnings"]
    assert "[unvalidated_dns]" in warning


def test_a_wrong_change_is_undone(host):
    host.results = [MISCONFIGURED, CORRECT]
    with pytest.raises(verify.VerificationFailed) as caught:
        host.verify()
    message = str(caught.value)
    assert message.startswith(
        f"verifying the Postfix instance in {host.directory}: 127.0.0.1:2525/inet at 127.0.0.1: it can take no mail at all: 451 4.3.5"
    )
    assert message.endswith("The previous configuration has been restored and is active")
    assert "long ago" not in message
    assert host.main_cf() == host.old and host.open() == []
    assert host.commands == ["reload", "reload"]
    assert caught.value.result["restored"] == [str(host.directory / "main.cf")]


def test_a_message_quotes_the_log(host):
    def log_and_fail():
        with open(host.log, "a", encoding="utf-8") as file:
            file.write("Nov 23 12:00:01 host postfix/smtpd[7]: warning: unknown smtpd restriction: x\n")
            file.write("Nov 23 12:00:01 host named[7]: error: of another program\n")
        return MISCONFIGURED

    host.results = [log_and_fail, CORRECT]
    with pytest.raises(
        verify.VerificationFailed,
        match=r"Postfix's log: postfix/smtpd\[7\]: warning: unknown smtpd restriction: x\. The",
    ):
        host.verify()


def test_a_daemon_that_terminates(host):
    def die():
        with open(host.log, "a", encoding="utf-8") as file:
            file.write("Nov 23 12:00:01 host postfix/cleanup[7]: fatal: bad boolean configuration: x = True\n")
        return CORRECT

    host.results = [die, CORRECT]
    with pytest.raises(
        verify.VerificationFailed, match=r"postfix/cleanup\[7\]: fatal: bad boolean configuration: x = True"
    ):
        host.verify()
    assert host.main_cf() == host.old


def test_a_failed_command_of_a_user_is_ignored(host):
    def log_command():
        with open(host.log, "a", encoding="utf-8") as file:
            file.write("Nov 23 12:00:01 host postfix/sendmail[7]: fatal: usage: sendmail [options]\n")
        return CORRECT

    host.results = [log_command, CORRECT]
    assert host.verify()["problems"] == []


def test_restart_after_undo_where_a_reload_is_not_enough(host):
    host.results = [MISCONFIGURED, MISCONFIGURED, CORRECT]
    with pytest.raises(verify.VerificationFailed, match="has been restored and is active"):
        host.verify()
    assert host.commands == ["reload", "reload", "stop", "start"]


def test_restart_after_undo_for_a_service_without_a_port(host, monkeypatch):
    """A reload does not start a throttled qmgr(8), a restart does."""
    monkeypatch.setattr(
        master.Master, "not_woken", lambda self, seconds: [] if host.commands[-1] == "start" else ["qmgr"]
    )
    host.results = [MISCONFIGURED, CORRECT]
    with pytest.raises(verify.VerificationFailed, match="has been restored and is active"):
        host.verify()
    assert host.commands == ["reload", "reload", "stop", "start"]


def test_a_service_that_does_not_start_after_undo(host, monkeypatch):
    monkeypatch.setattr(master.Master, "not_woken", lambda self, seconds: ["qmgr"])
    host.results = [MISCONFIGURED, CORRECT]
    with pytest.raises(
        verify.VerificationFailed,
        match="has been restored, but its verification fails, too: master\\(8\\) has not started qmgr",
    ):
        host.verify()


def test_what_was_wrong_before_is_not_the_fault_of_the_change(host):
    """The change is undone, the same is wrong, and the change is installed again and confirmed."""
    host.results = [MISCONFIGURED]
    result = host.verify()
    assert (result["confirmed"], result["undone"], result["problems"]) == (True, False, [])
    assert "451 4.3.5" in result["warnings"][0] and result["warnings"][0].endswith("It was so before the change")
    assert host.main_cf() == host.old + "# new\n" and host.open() == []
    assert host.commands == ["reload", "reload", "stop", "start", "reload"], "there and back again"


def test_something_else_was_wrong_before(host):
    host.results = [MISCONFIGURED, {**CORRECT, "problem": "no TLS", "failed_at": "connect"}]
    with pytest.raises(
        verify.VerificationFailed, match=r"451 4\.3\.5.*has been restored, but its verification fails, too: "
    ):
        host.verify()
    assert host.main_cf() == host.old and host.open() == []


def test_there_is_no_time_to_compare(host, monkeypatch):
    monkeypatch.setattr(restoration, "COMPARISON_SECONDS", 700)
    host.results = [MISCONFIGURED]
    with pytest.raises(verify.VerificationFailed, match=r"has been restored, but its verification fails, too"):
        host.verify()
    assert host.main_cf() == host.old


def test_findings_of_a_confirmed_change_are_looked_at_again(host):
    """An unchanged run looks at what was wrong, and at nothing else."""
    host.results = [MISCONFIGURED]
    warned = host.verify(listeners="warning")["warnings"]
    assert confirmed.open_findings(str(host.directory))[0]["subject"] == "127.0.0.1:2525/inet at 127.0.0.1"
    host.probed.clear()
    again = host.verify(transaction=None, scope="changed", requires="none", listeners="warning")
    assert again["warnings"] == warned and host.probed == [("127.0.0.1", 2525)]
    host.results = [CORRECT]
    assert host.verify(transaction=None, scope="changed", requires="none")["warnings"] == []
    host.probed.clear()
    host.verify(transaction=None, scope="changed", requires="none")
    assert host.probed == [] and confirmed.open_findings(str(host.directory)) == []


def test_a_severity_for_one_listener(host):
    host.results = [MISCONFIGURED]
    listeners = {"default": "error", "127.0.0.1:2525/inet": "warning"}
    assert len(host.verify(listeners=listeners)["warnings"]) == 1
    with pytest.raises(DeclarationError, match="listeners: default: 'wrong' is not a valid severity"):
        host.verify(transaction=None, listeners={"default": "wrong"})


def test_master_terminates_after_the_reload(host):
    def die():
        host.die()
        return CORRECT

    host.results = [die, CORRECT]
    with pytest.raises(
        verify.VerificationFailed, match=r"master\(8\) terminated after the reload.*has been restored and is active"
    ):
        host.verify()
    assert host.commands == ["reload", "start"]
    assert host.main_cf() == host.old and host.master


def test_no_wait_after_master_has_taken_over(host, monkeypatch):
    calls = []
    monkeypatch.setattr(master.Master, "has_taken_over", lambda self: not calls.append(1))
    host.verify(settle=600)
    assert len(calls) == 2, "before the ports are probed, and after"


def test_master_terminates_after_it_has_taken_over(host, monkeypatch):
    monkeypatch.setattr(master.Master, "has_taken_over", lambda self: True)

    def die():
        host.die()
        return CORRECT

    host.results = [die, CORRECT]
    with pytest.raises(
        verify.VerificationFailed, match=r"master\(8\) terminated after the reload.*has been restored and is active"
    ):
        host.verify(settle=600)


def test_a_reload_fails(host):
    host.failing = {"reload": b"postfix: fatal: bad numerical configuration\n"}
    with pytest.raises(
        verify.VerificationFailed,
        match=r"reload: postfix: fatal: bad numerical configuration.* but is not active: running",
    ):
        host.verify()
    assert host.main_cf() == host.old


def test_postfix_is_started_for_a_reload(host):
    host.die()
    assert host.verify()["problems"] == []
    assert host.commands == ["start"]


def test_postfix_is_not_started_without_requires(host):
    host.die()
    with pytest.raises(verify.VerificationFailed, match="Postfix is not running"):
        host.verify(requires="none", on_failure="fail")
    assert host.commands == []


def test_on_failure_fail(host):
    host.results = [MISCONFIGURED]
    with pytest.raises(
        verify.VerificationFailed, match=r"The change has not been undone \(on_failure: fail\)"
    ) as caught:
        host.verify(on_failure="fail")
    assert host.main_cf() == host.old + "# new\n" and host.open() == []
    assert caught.value.result["confirmed"] and not caught.value.result["undone"]


def test_what_belongs_to_no_transaction_stays(host):
    """Single modules have changed the instance."""
    apply.confirm(store.open_transactions(str(host.directory))[0])
    host.results = [MISCONFIGURED]
    with pytest.raises(
        verify.VerificationFailed,
        match="Nothing has been undone: what this verifies does not belong to an open transaction, and stays",
    ) as caught:
        host.verify(requires="none")
    assert host.commands == [] and not caught.value.result["undone"]


def test_a_transaction_of_others_is_neither_confirmed_nor_undone(host):
    [others] = host.open()
    assert not host.verify(transaction=None)["confirmed"]
    host.results = [MISCONFIGURED]
    with pytest.raises(verify.VerificationFailed, match="Nothing has been undone"):
        host.verify(transaction=None)
    assert host.open() == [others] and host.main_cf() == host.old + "# new\n"


def test_a_verification_after_the_deadline(host, monkeypatch):
    """The host has not looked yet."""
    passed = state.boot_time() + 601
    monkeypatch.setattr(state, "boot_time", lambda: passed)
    with pytest.raises(HostError, match="its deadline has passed. The previous configuration has been restored"):
        host.verify()
    assert (host.main_cf(), host.open()) == (host.old, [])


def test_a_verification_after_the_undo_says_what_happened(host):
    [transaction] = host.open()
    host.verify(state="undone")
    with pytest.raises(HostError, match=rf"{transaction} is no longer open: it was undone at 20.*Z\. Run"):
        host.verify(transaction=transaction)
    assert host.main_cf() == host.old


def test_a_verification_ends_within_confirm_within(host):
    transaction = store.open_transactions(str(host.directory))[0]
    transaction.seconds = 1
    store.save(transaction, store.RECORD)

    def hang():
        time.sleep(60)

    host.results = [hang, CORRECT]
    with pytest.raises(
        verify.VerificationFailed, match=r"within 1 seconds \(confirm_within\).*has been restored and is active"
    ):
        host.verify()
    assert host.open() == []


def test_a_postfix_that_was_stopped_since_is_not_started_by_an_undo(host):
    host.die()
    host.verify(state="undone")
    assert (host.main_cf(), host.commands) == (host.old, [])


def test_a_postfix_that_the_change_has_terminated_runs_after_the_undo(host):
    def die():
        host.die()
        return CORRECT

    host.results = [die, CORRECT]
    with pytest.raises(verify.VerificationFailed, match="has been restored and is active"):
        host.verify()
    assert host.commands == ["reload", "start"] and host.instance().running()


def test_a_foreign_edit_stays(host):
    (host.directory / "main.cf").write_text(host.main_cf() + "message_size_limit = 20000000\n")
    host.results = [MISCONFIGURED, CORRECT]
    with pytest.raises(verify.VerificationFailed, match="has been restored and is active$"):
        host.verify()
    assert host.main_cf().endswith("message_size_limit = 20000000\n")


def test_a_change_of_a_newer_version(host):
    """It could be neither confirmed nor undone afterwards, so Postfix is not reloaded either."""
    transaction = store.open_transactions(str(host.directory))[0]
    path = Path(transaction.copy(store.RECORD))
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(HostError, match=r"reading .*/record: a newer version of mailops\.postfix wrote it"):
        host.verify(transaction=transaction.id)
    assert (host.commands, host.probed) == ([], [])


def test_listeners_as_a_warning(host):
    host.results = [MISCONFIGURED]
    result = host.verify(listeners="warning")
    assert (result["problems"], len(result["warnings"])) == ([], 1)
    assert host.main_cf() == host.old + "# new\n" and host.open() == []


def test_listeners_are_ignored(host):
    host.verify(listeners="ignore")
    assert host.probed == []


def test_an_error_of_the_probe(host):
    def fail():
        raise HostError("running", "openssl", "the program is not installed")

    host.results = [fail, CORRECT]
    with pytest.raises(
        verify.VerificationFailed, match="openssl: the program is not installed.* has been restored and is active"
    ):
        host.verify()
    assert host.main_cf() == host.old


def test_check_mode_changes_nothing(host):
    assert host.verify(check_mode=True)["changed"]
    assert (host.commands, host.probed) == ([], [])
    assert not host.verify(check_mode=True, requires="none")["changed"]
    assert (host.commands, host.probed) == ([], [("127.0.0.1", 2525)])
    assert len(host.open()) == 1


def test_a_dependency_is_a_fault_of_its_own(dane, nameservers):
    """It is compared by what it is about, not by its message."""
    nameservers["."] = NOT_SIGNED
    report = examination.VerificationReport()
    wanted = examination.Wanted("none", dependencies="warning")
    examination.Examination(dane.instance, wanted, dane.probe).without_next_hops(report)
    assert [fault.kind for fault in report.faults] == ["unvalidated_dns"]
