# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import HostError
from ansible_collections.mailops.postfix.plugins.module_utils._host import cleanup
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Change, Plan
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply, confirmed, store
from ansible_collections.mailops.postfix.plugins.module_utils._verify import next_hops, verify
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils._verify.host import CORRECT, MISCONFIGURED

HUB = "[hub.example.test]:587"
NOT_OFFERED = "status=undeliverable (TLS is required, but was not offered by host hub[192.0.2.1])"
NOT_VERIFIED = "status=undeliverable (Server certificate not verified)"
UNREACHABLE = "status=undeliverable (connect to hub[192.0.2.1]:587: Connection refused)"
DENIED = "status=undeliverable (host hub[192.0.2.1] said: 554 5.7.1 Access denied (in reply to RCPT TO command))"
UNKNOWN_USER = "status=undeliverable (host hub[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT TO command))"


def write(host, name, text):
    (host.directory / name).write_text(text)
    os.utime(host.directory / name, (1, 1))


def change(host, **texts):
    """An open transaction that writes files."""

    def plan(instance):
        changes = [Change(instance.path(name), text.encode(), instance.read(name)) for name, text in texts.items()]
        return Plan(changes, requires="reload")

    texts = {name.replace("_cf", ".cf"): text for name, text in texts.items()}
    apply.apply(plan, host.instance, confirmation=apply.Confirmation(600))


@pytest.fixture
def hub(host):
    """A relayhost with a policy, and two more policies; no transaction is open."""
    main_cf = host.old + f"relayhost = {HUB}\nsmtp_tls_policy_maps = texthash:{host.directory}/tls_policy\n"
    main_cf += f"transport_maps = texthash:{host.directory}/transport\n"
    write(host, "transport", "weak.test smtp:[weak.example.test]\npartner.test smtp:[partner.example.test]\n")
    write(
        host,
        "tls_policy",
        f"{HUB} secure\nweak.example.test may\n[weak.example.test] MAY\nelsewhere.test encrypt\n[partner.example.test] encrypt\n",
    )
    write(host, "main.cf", main_cf)
    host.hub_cf = main_cf
    apply.confirm(*store.open_transactions(str(host.directory)))
    return host


def outcomes(result):
    return {found["nexthop"]: found["outcome"] for found in result["next_hops"]}


def test_next_hops_that_mail_takes_are_probed(hub):
    result = hub.verify()
    assert hub.commands == ["reload", "probe postmaster@hub.example.test", "probe postmaster@partner.test"]
    assert outcomes(result) == {HUB: "verified", "[partner.example.test]": "verified"}
    found = result["next_hops"][0]
    assert (found["level"], found["accepted"], found["policy"], found["relay"]) == (
        "verified",
        True,
        "secure",
        "hub[192.0.2.1]:25",
    )
    assert f"  {HUB}: verified (level secure), TLSv1.3\n" in result["summary"]
    assert result["evidence"] == "file"


def test_many_next_hops_are_probed_at_once(hub):
    domains = [f"d{number}.test" for number in range(120)]
    write(hub, "transport", "".join(f"{domain} smtp:[h.{domain}]\n" for domain in domains))
    write(hub, "tls_policy", "".join(f"[h.{domain}] encrypt\n" for domain in domains))
    assert len(hub.verify()["next_hops"]) == 121
    assert len(hub.messages) == 121 and os.listdir(hub.directory / "queue/trace") == []


# Severities, without a transaction


@pytest.mark.parametrize(
    ("delivery", "options", "outcome", "problems", "warnings"),
    [
        (NOT_VERIFIED, {}, "held", 0, 1),
        (NOT_VERIFIED, {"next_hops": "error"}, "held", 1, 0),
        (NOT_VERIFIED, {"next_hops": {"default": "warning", "[Partner.example.test]": "error"}}, "held", 1, 0),
        (NOT_VERIFIED, {"next_hops": {"unreachable": "error"}}, "held", 0, 1),
        (UNREACHABLE, {}, "unreachable", 0, 1),
        (UNREACHABLE, {"next_hops": "error"}, "unreachable", 0, 1),
        (UNREACHABLE, {"next_hops": {"unreachable": "error"}}, "unreachable", 1, 0),
        (UNREACHABLE, {"next_hops": {"default": "error", "unreachable": "ignore"}}, "unreachable", 0, 0),
        (UNREACHABLE, {"next_hops": {"unreachable": "ignore", "[partner.example.test]": "error"}}, "unreachable", 1, 0),
        (DENIED, {"next_hops": "error"}, "verified", 0, 1),
        ("status=undeliverable (client TLS configuration problem)", {}, "misconfigured", 1, 0),
        ("another line", {}, "unreachable", 0, 1),
    ],
)
def test_severities(hub, delivery, options, outcome, problems, warnings):
    hub.deliveries["postmaster@partner.test"] = delivery
    try:
        result = hub.verify(**{"next_hops": "warning", **options})
    except verify.VerificationFailed as error:
        result = error.result
    assert outcomes(result)["[partner.example.test]"] == outcome
    assert (len(result["problems"]), len(result["warnings"])) == (problems, warnings), result
    assert all("[partner.example.test]" in text for text in result["problems"] + result["warnings"])


@pytest.mark.parametrize(
    "options",
    ["ignore", {"default": "ignore"}, {"default": "warning", HUB: "ignore", "[partner.example.test]": "ignore"}],
)
def test_what_is_ignored_is_not_probed(hub, options):
    assert hub.verify(next_hops=options)["next_hops"] == [] and hub.commands == ["reload"]


def test_a_leak(hub):
    """smtp(8) has sent mail without TLS, whatever the policy demands."""
    hub.tls = ""
    with pytest.raises(
        verify.VerificationFailed,
        match=r"the next hop \[hub.example.test\]:587: mail leaves less protected than the policy \[hub.*demands \(secure\)",
    ) as caught:
        hub.verify(next_hops="warning")
    assert outcomes(caught.value.result) == {HUB: "leak", "[partner.example.test]": "leak"}


def test_a_lost_line_is_not_a_leak(hub):
    """The journal may drop lines under load."""
    seen = ["", "Verified"]

    def tls(host):
        host.tls = seen.pop(0)
        return "status=deliverable (250 2.1.5 Ok)"

    hub.deliveries["postmaster@hub.example.test"] = tls
    assert outcomes(hub.verify())[HUB] == "verified"
    assert len(hub.messages) == 4, "what looks like a leak is probed again"


# No other way out


def failure(host, **options):
    with pytest.raises(verify.VerificationFailed) as caught:
        host.verify(**{"next_hops": "warning", **options})
    return caught.value


@pytest.mark.parametrize(("delivery", "outcome"), [(NOT_VERIFIED, "held"), (DENIED, "refused")])
def test_no_other_way_out_remains(hub, delivery, outcome):
    hub.deliveries["postmaster@hub.example.test"] = delivery
    failed = failure(hub)
    assert outcomes(failed.result)[HUB] == outcome and "No other way out remains" in str(failed)


def test_a_relayhost_that_does_not_know_the_recipient(hub):
    hub.deliveries["postmaster@hub.example.test"] = UNKNOWN_USER
    result = hub.verify()
    assert outcomes(result)[HUB] == "verified"
    assert (
        "does not accept mail for postmaster@hub.example.test: host hub[192.0.2.1] said: 550 5.1.1"
        in result["warnings"][0]
    )


def test_another_way_out_remains(hub):
    """Its result is not known, since smtp(8) tries it only when the first fails."""
    write(hub, "main.cf", hub.hub_cf + "smtp_fallback_relay = [other.example.test]\n")
    hub.deliveries["postmaster@hub.example.test"] = DENIED
    assert len(hub.verify(next_hops="warning")["warnings"]) == 1


def test_an_unreachable_relayhost_is_no_error(hub):
    hub.deliveries["postmaster@hub.example.test"] = UNREACHABLE
    assert len(hub.verify(next_hops="warning")["warnings"]) == 1


# What happens to mail


def test_a_message_says_which_mail_waits(hub):
    hub.deliveries["postmaster@partner.test"] = NOT_OFFERED
    messages = [
        {
            "queue_name": "deferred",
            "arrival_time": 1000000000 + number,
            "sender": "me@host.test",
            "recipients": [{"address": address}],
        }
        for number, address in enumerate(["a@partner.test", "b@partner.test", "c@other.test"])
    ]
    hub.queue = "".join(f"{json.dumps(message)}\n" for message in messages).encode()
    [warning] = hub.verify(next_hops="warning")["warnings"]
    assert "does not meet level encrypt (the policy [partner.example.test] in texthash:" in warning
    assert "2 messages for a@partner.test, b@partner.test wait since 2001-09-09 01:46 UTC" in warning
    assert "returned to its sender at 2001-09-14 01:46 UTC (maximal_queue_lifetime = 5d)" in warning


def test_a_message_says_that_no_mail_waits(hub):
    hub.deliveries["postmaster@partner.test"] = NOT_OFFERED
    [warning] = hub.verify(next_hops="warning")["warnings"]
    assert "No mail waits for it now; what waits is returned after 5d (maximal_queue_lifetime)" in warning


# What is undone


def stricter(hub):
    change(hub, tls_policy=f"{HUB} secure\n[partner.example.test] secure\n")


def test_a_stricter_policy_that_is_not_met_stays(hub):
    stricter(hub)
    hub.deliveries["postmaster@partner.test"] = NOT_OFFERED
    result = hub.verify(next_hops="warning")
    assert (result["confirmed"], result["undone"], outcomes(result)) == (
        True,
        False,
        {"[partner.example.test]": "held"},
    )
    assert "secure" in (hub.directory / "tls_policy").read_text().split("partner")[1]


def test_it_stays_even_if_it_is_an_error(hub):
    stricter(hub)
    hub.deliveries["postmaster@partner.test"] = NOT_OFFERED
    failed = failure(hub, next_hops="error")
    assert (failed.result["confirmed"], failed.result["undone"]) == (True, False) and hub.open() == []
    assert "secure" in (hub.directory / "tls_policy").read_text().split("partner")[1]
    again = failure(hub, transaction=None, scope="changed", requires="none", next_hops="error")
    assert again.result["problems"] == failed.result["problems"], "an unchanged run reports the same"
    assert [recipient for _sender, recipient, _reported in hub.messages[-1:]] == ["postmaster@partner.test"]
    assert len(hub.messages) == 2, "and probes only this next hop"


def other_options(hub):
    change(hub, main_cf=hub.hub_cf + "smtp_tls_mandatory_ciphers = null\n")


def test_a_change_that_breaks_a_next_hop_is_undone(hub):
    """The severity of the next hop is a warning: another way out remains. The old configuration reaches it."""
    other_options(hub)
    working = [NOT_VERIFIED, "status=deliverable (250 2.1.5 Ok)"]
    hub.deliveries["postmaster@partner.test"] = lambda host: working.pop(0)
    failed = failure(hub)
    assert failed.result["undone"] and not failed.result["confirmed"] and hub.main_cf() == hub.hub_cf
    assert "Server certificate not verified" in str(failed) and "has been restored and is active" in str(failed)


def test_a_wrong_password_is_undone(hub):
    """The old one works. Neither is in a message."""
    more = f"smtp_sasl_auth_enable = yes\nsmtp_sasl_security_options =\nsmtp_sasl_password_maps = texthash:{hub.directory}/passwords\n"
    write(hub, "passwords", f"{HUB} user:R1ght\n")
    write(hub, "main.cf", hub.hub_cf + more)
    change(hub, passwords=f"{HUB} user:Wr0ng\n")
    answers = [
        "status=undeliverable (SASL authentication failed; server hub[192.0.2.1] said: 535 5.7.8 Error: authentication failed)",
        "status=deliverable (250 2.1.5 Ok)",
    ]
    hub.deliveries["postmaster@hub.example.test"] = lambda host: answers.pop(0)
    failed = failure(hub)
    assert outcomes(failed.result) == {HUB: "refused"} and failed.result["undone"]
    assert (hub.directory / "passwords").read_text() == f"{HUB} user:R1ght\n"
    assert "R1ght" not in str(failed.result) + str(failed) and "Wr0ng" not in str(failed.result) + str(failed)


@pytest.mark.parametrize("then", [NOT_VERIFIED, NOT_OFFERED, UNREACHABLE])
def test_a_next_hop_that_was_broken_before(hub, then):
    other_options(hub)
    seen = [NOT_VERIFIED, then]
    hub.deliveries["postmaster@partner.test"] = lambda host: seen.pop(0)
    result = hub.verify(next_hops="warning")
    assert (result["confirmed"], result["undone"], result["problems"]) == (True, False, [])
    assert "It was so before the change" in result["warnings"][0]
    assert "null" in hub.main_cf() and hub.open() == []


def test_a_leak_is_undone(hub):
    """Without the change, the same next hop has TLS."""
    stricter(hub)
    seen = ["", "", "Trusted"]

    def tls(host):
        host.tls = seen.pop(0)
        return "status=deliverable (250 2.1.5 Ok)"

    hub.deliveries["postmaster@partner.test"] = tls
    failed = failure(hub)
    assert outcomes(failed.result) == {"[partner.example.test]": "leak"} and failed.result["undone"]
    assert "from secure to encrypt" in str(failed)


def test_the_undo_of_a_stricter_policy_is_reported(hub):
    stricter(hub)
    hub.results = [MISCONFIGURED, CORRECT]
    failed = failure(hub)
    assert failed.result["undone"]
    assert "Mail is protected less than before the undo: [partner.example.test] from secure to encrypt" in str(failed)


# What a change can affect


def test_an_unrelated_change_probes_nothing(hub):
    change(hub, main_cf=hub.hub_cf + "message_size_limit = 20000000\n")
    assert hub.verify()["next_hops"] == [] and hub.messages == []


def test_a_change_of_one_policy_probes_one_next_hop(hub):
    stricter(hub)
    assert list(outcomes(hub.verify())) == ["[partner.example.test]"]


def test_probes_on_a_host_with_ten_thousand_policies(hub):
    """A change of one of them costs one probe, an unrelated change none."""
    policies = {f"[h{number}.d{number}.test]": "encrypt" for number in range(10_000)}
    write(hub, "transport", "".join(f"d{number}.test smtp:[h{number}.d{number}.test]\n" for number in range(10_000)))

    def text(**changed):
        return "".join(f"{key} {level}\n" for key, level in {**policies, **changed}.items())

    write(hub, "tls_policy", text())
    change(hub, tls_policy=text(**{"[h4711.d4711.test]": "secure"}))
    assert list(outcomes(hub.verify())) == ["[h4711.d4711.test]"] and len(hub.messages) == 1
    change(hub, main_cf=hub.hub_cf + "message_size_limit = 20000000\n")
    assert hub.verify()["next_hops"] == [] and len(hub.messages) == 1


def test_scope_all_probes_all(hub):
    change(hub, main_cf=hub.hub_cf + "message_size_limit = 20000000\n")
    assert len(hub.verify(scope="all")["next_hops"]) == 2


# Probes that fail before smtp(8)


def test_a_change_before_smtp_is_tried_with_some_mail(hub):
    change(hub, main_cf=hub.hub_cf + "non_smtpd_milters = inet:127.0.0.1:9\n")
    assert list(outcomes(hub.verify())) == [HUB]


def test_it_is_tried_with_local_mail_where_there_is_no_relayhost(host):
    apply.confirm(*store.open_transactions(str(host.directory)))
    change(host, main_cf=host.old + "canonical_maps = tcp:127.0.0.1:9\n")
    assert list(outcomes(host.verify())) == ["postmaster@host.example.test"]


def test_a_milter_that_rejects_probes(hub):
    hub.rejected = "4.7.1 Service unavailable"
    failed = failure(hub)
    assert set(outcomes(failed.result).values()) == {"misconfigured"}
    line = "postfix/cleanup[6]: 4C0FFEE1: milter-reject: CONNECT from localhost: 4.7.1 Service unavailable"
    assert f"smtp(8) has not been given the probe: 4.7.1 Service unavailable / {line}" in str(failed)


def test_what_rejects_all_probes_is_not_asked_for_each(hub):
    """A table that does not respond costs ten seconds for each message."""
    hub.rejected = "4.7.1 Service unavailable"
    result = failure(hub, recipients=[f"{number}@example.net" for number in range(9)]).result
    assert len(hub.messages) == 3 and list(outcomes(result).values()) == ["misconfigured"] * 11


def test_a_probe_that_can_not_be_sent(hub, monkeypatch):
    def fail(*_arguments):
        raise HostError("queuing a probe at", "public/cleanup", "Connection refused")

    monkeypatch.setattr(cleanup, "queue_probe", fail)
    failed = failure(hub)
    assert re.search(r"sending a probe to the next hop \[hub\.example\.test\]:587: .*Connection refused", str(failed))


def test_a_probe_without_a_result(hub):
    hub.delivery = "another line"
    result = hub.verify()
    message = f"smtp(8) has not reported a result within {next_hops.NEXT_HOP_SECONDS} seconds"
    assert f"the next hop {HUB}: {message}" in result["warnings"]


def test_further_recipients_are_probed(hub):
    result = hub.verify(recipients=["someone@example.net"])
    assert outcomes(result)["someone@example.net"] == "verified"


# Senders, and passwords


def test_next_hops_of_senders_are_probed_with_the_sender(hub):
    write(hub, "senders", "@a.test [sa.example.test]:587\n")
    write(hub, "main.cf", hub.hub_cf + f"sender_dependent_relayhost_maps = texthash:{hub.directory}/senders\n")
    hub.deliveries["postmaster@sa.example.test"] = NOT_VERIFIED
    failed = failure(hub)
    assert ("postmaster@a.test", "postmaster@sa.example.test", False) in hub.messages
    assert outcomes(failed.result)["[sa.example.test]:587"] == "held"
    assert "No other way out remains" in str(failed), "for mail of this sender"


# Evidence


def test_a_host_without_a_log(hub):
    """Postfix's own report has the verdict, but not how the session was protected."""
    hub.has_log = False
    hub.deliveries["postmaster@partner.test"] = NOT_OFFERED
    (hub.directory / "maillog").unlink()
    result = hub.verify(next_hops="warning")
    assert (result["evidence"], outcomes(result)) == ("report", {HUB: "verified", "[partner.example.test]": "held"})
    note = next(text for text in result["warnings"] if "log has nothing of the probes" in text)
    assert "Set maillog_file to a file below /var/log" in note


def test_a_probe_without_a_report_on_a_host_without_a_log(hub):
    hub.has_log = False
    write(hub, "senders", "@a.test [sa.example.test]:587\n")
    write(hub, "main.cf", hub.hub_cf + f"sender_dependent_relayhost_maps = texthash:{hub.directory}/senders\n")
    result = hub.verify(next_hops="warning")
    assert outcomes(result)["[sa.example.test]:587"] == "unreachable"
    assert any("not known for [sa.example.test]:587" in text for text in result["warnings"])


def test_a_log_file_that_contradicts_the_report(hub):
    """A local user can write to the log file, but not to the report."""
    hub.logged["postmaster@partner.test"] = "status=deliverable (250 2.1.5 Ok)"
    hub.deliveries["postmaster@partner.test"] = NOT_OFFERED
    failed = failure(hub)
    assert outcomes(failed.result)["[partner.example.test]"] == "held"
    assert "a line in the log file says otherwise than Postfix's own report of the probe (TLS is required" in str(
        failed
    )


def test_no_probe_discloses_a_password(hub):
    more = f"smtp_sasl_auth_enable = yes\nsmtp_sasl_security_options =\nsmtp_sasl_password_maps = texthash:{hub.directory}/passwords\n"
    write(hub, "passwords", "[weak.example.test] user:S3cret\n")
    write(hub, "main.cf", hub.hub_cf + more)
    result = hub.verify()
    assert "[weak.example.test]" not in outcomes(result) and "probe postmaster@weak.test" not in hub.commands
    assert "the next hop [weak.example.test] is not probed" in result["warnings"][0] and "S3cret" not in str(result)
    write(hub, "tls_policy", "[weak.example.test] encrypt\n")
    assert outcomes(hub.verify())["[weak.example.test]"] == "verified"


def test_findings_are_stored_with_the_confirmed_state(hub):
    stricter(hub)
    hub.deliveries["postmaster@partner.test"] = NOT_OFFERED
    hub.verify(next_hops="warning")
    [found] = confirmed.open_findings(str(hub.directory))
    assert (found["subject"], found["kind"], found["severity"]) == (
        "the next hop [partner.example.test]",
        "held",
        "warning",
    )
