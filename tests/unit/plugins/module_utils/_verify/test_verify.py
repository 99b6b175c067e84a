# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decisions of a proof. That it sees what real ports and next hops do is for the scenario ``proof`` to show."""

from __future__ import annotations

import fcntl
import os

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import HostError, PostfixError
from ansible_collections.mailops.postfix.plugins.module_utils._host import dns_message, master
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._host.runner import Completed, run_program
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Change, Plan
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply
from ansible_collections.mailops.postfix.plugins.module_utils._verify import listeners, next_hops, verify
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.authority import issue, write

OPTIONS = {
    "requires": "reload",
    "listeners": "error",
    "next_hops": "error",
    "unreachable": "warning",
    "recipients": [],
    "on_failure": "undo",
    "timeout": 1.0,
    "settle": 0.0,
}

RIGHT = {
    "problem": None,
    "failed_at": None,
    "before_tls": {"auth": [], "starttls": False, "mail": {"accepted": True}},
    "after_tls": None,
    "relay": None,
    "chain": [],
}


class Host:
    """A configuration that has just been changed, beside programs that only seem to run."""

    def __init__(self, directory):
        self.directory = directory
        self.log = directory / "maillog"
        self.commands = []
        self.asked = []
        self.answers = [RIGHT]
        self.failing = {}
        self.delivery = "status=deliverable (250 2.1.5 Ok)"
        self.master = None

    def instance(self):
        return Instance(str(self.directory), self.run)

    def run(self, argv, stdin=None):
        if argv[0] == "postfix":
            self.commands.append(argv[-1])
            if argv[-1] in self.failing:
                return Completed(tuple(argv), 1, b"", self.failing[argv[-1]])
            if argv[-1] == "start":
                self.start()
            return Completed(tuple(argv), 0, b"", b"")
        if argv[0].endswith("sendmail"):
            recipient = argv[-1]
            with open(self.log, "a", encoding="utf-8") as file:
                file.write(
                    f"Nov 23 12:00:00 host postfix/smtp[1]: A1: to=<{recipient}>, relay=hub[192.0.2.1]:25, {self.delivery}\n"
                )
            self.commands.append(f"probe {recipient}")
            return Completed(tuple(argv), 0, b"", b"")
        assert argv[0] in ("postconf", "openssl"), argv
        return run_program(argv, stdin)

    def start(self):
        """What master(8) does: it locks its pid file."""
        (self.directory / "queue/pid").mkdir(parents=True, exist_ok=True)
        self.master = open(self.directory / "queue/pid/master.pid", "wb")  # noqa: SIM115
        fcntl.flock(self.master, fcntl.LOCK_EX)

    def die(self):
        if self.master:
            self.master.close()
        self.master = None

    def ask(self, question):
        self.asked.append((question.host, question.port))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            return answer()
        return answer

    def verify(self, check_mode=False, **options):
        return verify.verify(self.instance, {**OPTIONS, **options}, check_mode, self.ask)

    def main_cf(self):
        return (self.directory / "main.cf").read_text()

    def unverified(self):
        return sorted(path.name for path in self.directory.glob(".unverified-*"))


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(verify, "FIRST_LOOK_SECONDS", 0)
    monkeypatch.setattr(next_hops, "NEXT_HOP_SECONDS", 0.2)
    monkeypatch.setattr(next_hops, "_PAUSE", 0.01)
    monkeypatch.setattr(master.Master, "_has_unit", lambda self: False)
    old = f"queue_directory = {tmp_path}/queue\nmaillog_file = {tmp_path}/maillog\nmyhostname = host.example.test\nmydestination =\n"
    (tmp_path / "main.cf").write_text(old)
    (tmp_path / "master.cf").write_text("127.0.0.1:2525 inet n - n - - smtpd\nsmtp unix - - n - - smtp\n")
    (tmp_path / "maillog").write_text("Nov 23 11:00:00 host postfix/smtpd[1]: fatal: long ago\n")
    for name in ("main.cf", "master.cf"):
        os.utime(tmp_path / name, (1, 1))
    found = Host(tmp_path)
    found.old = old
    found.start()
    apply.apply(
        lambda instance: Plan(
            [Change(instance.path("main.cf"), (old + "# new\n").encode(), instance.main_cf)], requires="reload"
        ),
        found.instance,
        provisional=True,
    )
    yield found
    found.die()


WRONG = {**RIGHT, "relay": {"relays": None, "reply": "451 4.3.5 Server configuration error"}}


def test_it_holds(host):
    result = host.verify()
    assert (host.commands, host.asked) == (["reload"], [("127.0.0.1", 2525)])
    assert (result["changed"], result["problems"], result["restored"]) == (True, [], [])
    assert result["listeners"] == [
        {"service": "127.0.0.1:2525/inet", "host": "127.0.0.1", "port": 2525, "problems": []}
    ]
    assert host.main_cf() == host.old + "# new\n" and host.unverified() == []


@pytest.fixture
def dane(host):
    """The same, and it relies on DANE now."""

    def plan(instance):
        main_cf = host.old + "smtp_tls_security_level = dane\nsmtp_dns_support_level = dnssec\n"
        master_cf = instance.master_cf + b"smtp unix - - n - - smtp\n"
        changes = [
            Change(instance.path("main.cf"), main_cf.encode(), instance.main_cf),
            Change(instance.path("master.cf"), master_cf, instance.master_cf),
        ]
        return Plan(changes, requires="reload")

    apply.apply(plan, host.instance, provisional=True)
    return host


NOT_SIGNED = dns_message.Answer("NOERROR", validated=False, truncated=False)


def test_a_resolver_that_validates(dane, nameservers):
    nameservers["broken.test"] = dns_message.Answer("SERVFAIL", validated=False, truncated=False)
    assert dane.verify(dependencies="error", bogus_names=["broken.test"])["problems"] == []
    assert dane.unverified() == [] and "dane" in dane.main_cf()


@pytest.mark.parametrize(
    ("name", "says"), [(".", "does not validate DNSSEC"), ("broken.test", "it resolves broken.test")]
)
def test_a_resolver_that_does_not_validate(dane, nameservers, name, says):
    nameservers[name] = NOT_SIGNED
    with pytest.raises(
        verify.VerificationFailed, match=rf"{says}.*\[unvalidated_dns\]\. The previous configuration has been restored"
    ):
        dane.verify(dependencies="error", bogus_names=["broken.test"] if name == "broken.test" else [])
    assert dane.main_cf() == dane.old


def test_a_resolver_that_does_not_validate_may_be_no_more_than_a_warning(dane, nameservers):
    nameservers["."] = NOT_SIGNED
    assert dane.verify(dependencies="ignore")["warnings"] == []
    [warning] = dane.verify(dependencies="warning", requires="none")["warnings"]
    assert "[unvalidated_dns]" in warning


def test_it_does_not_hold(host):
    host.answers = [WRONG, RIGHT]
    with pytest.raises(verify.VerificationFailed) as caught:
        host.verify()
    message = str(caught.value)
    assert message.startswith(
        f"verifying the Postfix instance in {host.directory}: 127.0.0.1:2525/inet at 127.0.0.1: it can take no mail at all: 451 4.3.5"
    )
    assert message.endswith("The previous configuration has been restored and is active")
    assert "long ago" not in message
    assert host.main_cf() == host.old and host.unverified() == []
    assert host.commands == ["reload", "reload"]
    assert caught.value.result["restored"] == [str(host.directory / "main.cf")]


def test_each_of_several_certificates_is_asked_for(host):
    fingerprints = []
    for number in (0, 1):
        issued = issue("host.example.test")
        write(host.directory / f"{number}.pem", issued.key_pem + issued.pem)
        fingerprints.append(listeners.leaf_fingerprint(host.instance(), str(host.directory / f"{number}.pem")))
    chain_files = f"{host.directory}/0.pem, {host.directory}/1.pem"
    (host.directory / "main.cf").write_text(
        f"{host.old}smtpd_tls_security_level = may\nsmtpd_tls_chain_files = {chain_files}\n"
    )
    os.utime(host.directory / "main.cf", (1, 1))
    served = {None: fingerprints[0], "rsa": "11:22"}

    def ask(question):
        chain = [{"fingerprint": {"sha256": served[question.key_type]}, "key_type": question.key_type or "ecdsa"}]
        before = {**RIGHT["before_tls"], "starttls": True}
        return {**RIGHT, "before_tls": before, "chain": chain}

    host.ask = ask
    with pytest.raises(PostfixError, match=f"it serves another certificate .11:22. than .*{fingerprints[1]}"):
        host.verify()
    served["rsa"] = fingerprints[1]
    assert host.verify()["problems"] == []


def test_what_postfix_logs_is_told(host):
    def break_down():
        with open(host.log, "a", encoding="utf-8") as file:
            file.write("Nov 23 12:00:01 host postfix/smtpd[7]: warning: unknown smtpd restriction: x\n")
            file.write("Nov 23 12:00:01 host named[7]: error: of no concern\n")
        return WRONG

    host.answers = [break_down, RIGHT]
    with pytest.raises(
        verify.VerificationFailed,
        match=r"Postfix's log: postfix/smtpd\[7\]: warning: unknown smtpd restriction: x\. The",
    ):
        host.verify()


def test_a_daemon_that_dies_unseen(host):
    def die():
        with open(host.log, "a", encoding="utf-8") as file:
            file.write("Nov 23 12:00:01 host postfix/cleanup[7]: fatal: bad boolean configuration: x = True\n")
        return RIGHT

    host.answers = [die, RIGHT]
    with pytest.raises(
        verify.VerificationFailed, match=r"postfix/cleanup\[7\]: fatal: bad boolean configuration: x = True"
    ):
        host.verify()
    assert host.main_cf() == host.old


def test_a_users_mistake_meanwhile_is_not_the_configurations(host):
    def mistake():
        with open(host.log, "a", encoding="utf-8") as file:
            file.write("Nov 23 12:00:01 host postfix/sendmail[7]: fatal: usage: sendmail [options]\n")
        return RIGHT

    host.answers = [mistake, RIGHT]
    assert host.verify()["problems"] == []


def test_a_reload_is_not_enough_to_free_what_is_throttled(host):
    host.answers = [WRONG, WRONG, RIGHT]
    with pytest.raises(verify.VerificationFailed, match="has been restored and is active"):
        host.verify()
    assert host.commands == ["reload", "reload", "stop", "start"]


def test_nor_is_it_for_what_serves_no_port(host, monkeypatch):
    """A reload leaves qmgr(8) throttled; after a restart it is there."""
    monkeypatch.setattr(
        master.Master, "not_woken", lambda self, seconds: [] if host.commands[-1] == "start" else ["qmgr"]
    )
    host.answers = [WRONG, RIGHT]
    with pytest.raises(verify.VerificationFailed, match="has been restored and is active"):
        host.verify()
    assert host.commands == ["reload", "reload", "stop", "start"]


def test_what_does_not_come_back_is_told(host, monkeypatch):
    monkeypatch.setattr(master.Master, "not_woken", lambda self, seconds: ["qmgr"])
    host.answers = [WRONG, RIGHT]
    with pytest.raises(
        verify.VerificationFailed,
        match="has been restored, but its verification fails, too: master\\(8\\) has not started qmgr",
    ):
        host.verify()


def test_the_old_configuration_does_not_hold_either(host):
    host.answers = [WRONG]
    with pytest.raises(
        verify.VerificationFailed, match=r"has been restored, but its verification fails, too: .*451 4\.3\.5"
    ):
        host.verify()
    assert host.main_cf() == host.old


def test_master_dies_of_a_reload_that_succeeded(host):
    def die():
        host.die()
        return RIGHT

    host.answers = [die, RIGHT]
    with pytest.raises(
        verify.VerificationFailed, match=r"master\(8\) terminated after the reload.*has been restored and is active"
    ):
        host.verify()
    assert host.commands == ["reload", "start"]
    assert host.main_cf() == host.old and host.master


def test_master_that_has_taken_over_is_not_waited_for(host, monkeypatch):
    looks = []
    monkeypatch.setattr(master.Master, "has_taken_over", lambda self: not looks.append(1))
    host.verify(settle=600)
    assert len(looks) == 2, "before the ports are asked, and afterwards"


def test_one_that_dies_after_it_has_taken_over(host, monkeypatch):
    monkeypatch.setattr(master.Master, "has_taken_over", lambda self: True)

    def die():
        host.die()
        return RIGHT

    host.answers = [die, RIGHT]
    with pytest.raises(
        verify.VerificationFailed, match=r"master\(8\) terminated after the reload.*has been restored and is active"
    ):
        host.verify(settle=600)


def test_postfix_refuses_to_reload(host):
    host.failing = {"reload": b"postfix: fatal: bad numerical configuration\n"}
    with pytest.raises(
        verify.VerificationFailed,
        match=r"reload: postfix: fatal: bad numerical configuration.* but is not active: running",
    ):
        host.verify()
    assert host.main_cf() == host.old


def test_postfix_that_does_not_run_is_started(host):
    host.die()
    assert host.verify()["problems"] == []
    assert host.commands == ["start"]


def test_nothing_is_started_that_nobody_asked_for(host):
    host.die()
    with pytest.raises(verify.VerificationFailed, match="Postfix is not running"):
        host.verify(requires="none", on_failure="fail")
    assert host.commands == []


def test_only_fail(host):
    host.answers = [WRONG]
    with pytest.raises(verify.VerificationFailed, match=r"The change has not been undone \(on_failure: fail\)"):
        host.verify(on_failure="fail")
    assert host.main_cf() == host.old + "# new\n" and host.unverified() == [".unverified-1"]


def test_nothing_to_undo(host):
    apply.confirm(str(host.directory))
    host.answers = [WRONG]
    with pytest.raises(verify.VerificationFailed, match="There is no unverified change to undo"):
        host.verify(requires="none")
    assert host.commands == []


def test_a_change_of_a_newer_version(host):
    """It could be neither confirmed nor undone afterwards, so Postfix is not reloaded either."""
    path = host.directory / ".unverified-1/journal"
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(
        HostError, match=r"verifying .*/\.unverified-1/journal: a newer version of mailops\.postfix wrote it"
    ):
        host.verify()
    assert (host.commands, host.asked) == ([], [])


def test_a_warning_instead(host):
    host.answers = [WRONG]
    result = host.verify(listeners="warning")
    assert (result["problems"], len(result["warnings"])) == ([], 1)
    assert host.main_cf() == host.old + "# new\n" and host.unverified() == []


def test_not_asked(host):
    host.verify(listeners="ignore")
    assert host.asked == []


def test_an_error_while_asking_is_a_failure(host):
    def fail():
        raise HostError("running", "openssl", "the program is not installed")

    host.answers = [fail, RIGHT]
    with pytest.raises(
        verify.VerificationFailed, match="openssl: the program is not installed.* has been restored and is active"
    ):
        host.verify()
    assert host.main_cf() == host.old


def test_check_mode_touches_nothing(host):
    assert host.verify(check_mode=True)["changed"]
    assert (host.commands, host.asked) == ([], [])
    assert not host.verify(check_mode=True, requires="none")["changed"]
    assert (host.commands, host.asked) == ([], [("127.0.0.1", 2525)])
    assert host.unverified() == [".unverified-1"]


@pytest.fixture
def hub(host):
    """A relayhost with a policy."""
    with open(host.directory / "main.cf", "a", encoding="utf-8") as file:
        file.write(f"relayhost = [hub.example.test]:587\nsmtp_tls_policy_maps = texthash:{host.directory}/tls_policy\n")
    (host.directory / "tls_policy").write_text(
        "[hub.example.test]:587 secure\nweak.example.test may\nelsewhere.test encrypt\n"
    )
    os.utime(host.directory / "main.cf", (1, 1))
    apply.confirm(str(host.directory))
    return host


def test_the_next_hops_that_mail_takes_are_asked(hub):
    result = hub.verify()
    assert hub.commands == ["reload", "probe postmaster@hub.example.test"]
    (found,) = result["next_hops"]
    assert (found["nexthop"], found["outcome"], found["accepted"]) == ("[hub.example.test]:587", "verified", True)


@pytest.mark.parametrize(
    ("delivery", "options", "problems", "warnings"),
    [
        ("status=undeliverable (Server certificate not verified)", {}, 1, 0),
        ("status=undeliverable (Server certificate not verified)", {"next_hops": "warning"}, 0, 1),
        ("status=undeliverable (connect to hub[192.0.2.1]:587: Connection refused)", {}, 0, 1),
        ("status=undeliverable (connect to hub[192.0.2.1]:587: Connection refused)", {"unreachable": "error"}, 1, 0),
        ("status=undeliverable (connect to hub[192.0.2.1]:587: Connection refused)", {"unreachable": "ignore"}, 0, 0),
        ("status=undeliverable (host hub said: 554 5.7.1 no (in reply to RCPT TO command))", {}, 0, 1),
        ("nothing that is known", {}, 0, 1),
    ],
)
def test_a_next_hop(hub, delivery, options, problems, warnings):
    hub.delivery = delivery
    try:
        result = hub.verify(on_failure="fail", **options)
    except verify.VerificationFailed as error:
        result = error.result
    assert (len(result["problems"]), len(result["warnings"])) == (problems, warnings), result
    assert all("[hub.example.test]:587" in text for text in result["problems"] + result["warnings"])


def test_a_probe_for_whom_the_user_names(hub):
    hub.verify(recipients=["someone@example.net"])
    assert "probe someone@example.net" in hub.commands
