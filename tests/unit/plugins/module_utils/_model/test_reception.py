# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model import listeners, reception
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

DEFAULTS = {
    "myhostname": "mx.example.org",
    "mydestination": "$myhostname, localhost, localhost.example.org, example.org",
    "relay_domains": "",
    "virtual_alias_domains": "$virtual_alias_maps",
    "virtual_alias_maps": "",
    "virtual_mailbox_domains": "",
    "mynetworks": "127.0.0.0/8 192.0.2.0/24",
    "smtpd_tls_security_level": "may",
    "inet_interfaces": "all",
    "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
}
SMTPD = "smtp inet n - n - - smtpd"
DENIED = "<postmaster@example.org>: Recipient address rejected: Access denied"


def of(entry=SMTPD, **parameters):
    """A configuration, and its first listener."""
    configuration = built(DEFAULTS, master_cf=f"{entry}\nsmtpd pass - - n - - smtpd\n", **parameters)
    return configuration, listeners.listeners(configuration)[0]


@pytest.mark.parametrize(
    ("parameters", "domains"),
    [
        ({}, ["mx.example.org", "example.org"]),
        (
            {"relay_domains": "Relay.example, .sub.example, !not.example hash:/r [192.0.2.1] /etc/list"},
            ["mx.example.org", "example.org", "relay.example"],
        ),
        (
            {"virtual_mailbox_domains": "box.example, mysql:/m.cf", "virtual_alias_domains": "alias.example"},
            ["mx.example.org", "example.org", "alias.example", "box.example"],
        ),
        ({"mydestination": "", "virtual_mailbox_domains": "inline:{{a.example = 1}}"}, ["mx.example.org"]),
        ({"myhostname": "mx", "mydestination": "$myhostname"}, []),
        ({"mydestination": "a.localhost, localhost.localdomain, b..example, -.example"}, ["mx.example.org"]),
    ],
)
def test_own_domains(parameters, domains):
    assert reception.own_domains(built(DEFAULTS, **parameters)) == domains


@pytest.mark.parametrize(
    ("entry", "parameters", "asked"),
    [
        (SMTPD, {}, True),
        ("smtp inet n - n - 1 postscreen", {}, True),
        ("192.0.2.5:2525 inet n - n - - smtpd", {}, True),
        ("127.0.0.1:10025 inet n - n - - smtpd", {}, False),
        ("[::1]:10025 inet n - n - - smtpd", {}, False),
        ("localhost:10025 inet n - n - - smtpd", {}, False),
        (SMTPD, {"inet_interfaces": "loopback-only"}, False),
        (SMTPD, {"inet_interfaces": "127.0.0.1, [::1]"}, False),
        (SMTPD, {"inet_interfaces": "127.0.0.1, 192.0.2.1"}, True),
        # Submission
        (
            "587 inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_client_restrictions=permit_sasl_authenticated,reject",
            {},
            False,
        ),
        (
            "587 inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_relay_restrictions=$mua",
            {"mua": "permit_mynetworks, permit_sasl_authenticated, reject"},
            False,
        ),
        # Its users are locked out: nothing offers AUTH
        ("587 inet n - n - - smtpd -o smtpd_client_restrictions=permit_sasl_authenticated,reject", {}, True),
        ("587 inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes", {}, True),
        # A port for a VPN
        ("2525 inet n - n - - smtpd -o smtpd_client_restrictions=permit_mynetworks,reject", {}, True),
        # Enrolled clients
        ("587 inet n - n - - smtpd -o smtpd_tls_security_level=encrypt -o smtpd_tls_req_ccert=yes", {}, False),
        (
            "587 inet n - n - - smtpd -o smtpd_tls_ask_ccert=yes -o smtpd_client_restrictions=permit_tls_clientcerts,reject",
            {},
            False,
        ),
    ],
)
def test_ports_that_take_mail_from_outside(entry, parameters, asked):
    assert reception.takes_mail_from_outside(*of(entry, **parameters)) is asked


@pytest.mark.parametrize(
    ("reply", "entry", "parameters", "verdict"),
    [
        ("250 2.1.5 Ok", SMTPD, {}, ""),
        ("530 5.7.0 Authentication required", SMTPD, {}, ""),
        ("421 4.3.0 Error", SMTPD, {}, "fault"),
        ("421 4.7.0 mx.example.org Error: too many connections from 192.0.2.1", SMTPD, {}, "warning"),
        ("421 4.7.0 mx.example.org Error: too many errors", SMTPD, {}, "warning"),
        ("450 4.7.1 Error: too much mail from 192.0.2.1", SMTPD, {}, "warning"),
        ("452 4.3.1 Insufficient system storage", SMTPD, {}, "fault"),
        ("451 4.3.0 <postmaster@example.org>: Temporary lookup failure", SMTPD, {}, "fault"),
        ("451 4.3.0 Error: queue file write error", SMTPD, {}, "fault"),
        ("451 4.3.5 <postmaster@example.org>: Recipient address rejected: Server configuration problem", SMTPD, {}, "fault"),
        ("451 4.7.1 Service unavailable - try again later", SMTPD, {}, "fault"),
        ("451 4.7.1 Greylisting in action, please come back later", SMTPD, {}, "warning"),
        ("450 4.2.0 <postmaster@example.org>: Recipient address rejected: Greylisted", SMTPD, {}, "warning"),
        ("450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]", SMTPD, {}, "warning"),
        ("550 5.1.1 <postmaster@example.org>: Recipient address rejected: User unknown in local recipient table", SMTPD, {}, "warning"),
        ("454 4.7.1 <postmaster@example.org>: Relay access denied", SMTPD, {}, "fault"),
        ("554 5.7.1 <postmaster@example.org>: Relay access denied", SMTPD, {}, "fault"),
        # postscreen(8) and smtpd(8) behind it
        ("450 4.3.2 Service currently unavailable", "smtp inet n - n - 1 postscreen", {}, "warning"),
        ("521 5.3.2 Service currently unavailable", "smtp inet n - n - 1 postscreen", {}, "warning"),
        ("421 4.3.2 All server ports are busy", "smtp inet n - n - 1 postscreen", {}, "warning"),
        ("451 4.3.0 <postmaster@example.org>: Temporary lookup failure", "smtp inet n - n - 1 postscreen", {}, "fault"),
        ("450 4.3.2 <postmaster@example.org>: Recipient address rejected: Try again later", SMTPD, {}, "fault"),
        # A 5xx
        (f"554 5.7.1 {DENIED}", SMTPD, {"smtpd_recipient_restrictions": "reject"}, "fault"),
        (f"554 5.7.1 {DENIED}", "smtp inet n - n - 1 postscreen", {"smtpd_recipient_restrictions": "reject"}, "fault"),
        (f"454 4.7.1 {DENIED}", SMTPD, {"smtpd_recipient_restrictions": "reject"}, "fault"),
        (f"554 5.7.1 {DENIED}", SMTPD, {"smtpd_recipient_restrictions": "permit_mynetworks, reject"}, "warning"),
        (f"554 5.7.1 {DENIED}", SMTPD, {"smtpd_recipient_restrictions": "check_client_access hash:/vpn, reject"}, "warning"),
        (f"554 5.7.1 {DENIED}", SMTPD, {"smtpd_recipient_restrictions": "check_client_access static:reject"}, "fault"),
        (f"554 5.7.1 {DENIED}", SMTPD, {"smtpd_recipient_restrictions": "check_recipient_access hash:/r"}, "warning"),
        (f"554 5.7.1 {DENIED}", SMTPD, {"smtpd_relay_restrictions": "reject"}, "fault"),
        ("554 5.7.1 <a[192.0.2.1]>: Client host rejected: Access denied", SMTPD, {"smtpd_client_restrictions": "reject"}, "fault"),
        ("554 5.7.1 <a[192.0.2.1]>: Client host rejected: Access denied", SMTPD, {"smtpd_recipient_restrictions": "reject"}, "warning"),
        ("554 5.7.1 <a>: Helo command rejected: Access denied", SMTPD, {"smtpd_helo_restrictions": "reject"}, "fault"),
        ("504 5.5.2 <a>: Helo command rejected: need fully-qualified hostname", SMTPD, {"smtpd_helo_restrictions": "reject"}, "warning"),
        ("554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using list.example", SMTPD, {}, "warning"),
        ("550-5.7.1 No mail / 550 5.7.1 from you", SMTPD, {}, "warning"),
    ],
)  # fmt: skip
def test_replies(reply, entry, parameters, verdict):
    configuration, listener = of(entry, **parameters)
    facts = {"recipients": [{"recipient": "postmaster@example.org", "reply": reply}]}
    found = reception.refusals(configuration, listener, facts)
    assert [item.verdict for item in found] == ([verdict] if verdict else [])
    if found:
        assert reply in found[0].message and "192.0.2.1" not in found[0].kind
        assert "cannot be probed from this host" in found[0].message or verdict == "fault" or "5.1.1" in reply


@pytest.mark.parametrize(
    ("parameters", "other", "verdict"),
    [
        ({"mydestination": "localhost"}, None, "fault"),
        ({"mydestination": "$myhostname"}, None, "fault"),
        # A host for other domains, or for none
        ({"mydestination": "localhost", "virtual_mailbox_domains": "box.example"}, "250 2.1.5 Ok", ""),
        ({"mydestination": "localhost", "virtual_mailbox_domains": "box.example"}, "550 5.1.1 unknown", "fault"),
        ({"mydestination": "localhost", "virtual_mailbox_domains": "mysql:/etc/postfix/domains.cf"}, None, ""),
        ({"mydestination": "localhost", "relay_domains": "/etc/postfix/domains"}, None, ""),
        ({"mydestination": ""}, None, "warning"),
    ],
)
def test_the_name_of_the_host_is_refused(parameters, other, verdict):
    replies = [("mx.example.org", "454 4.7.1 <postmaster@mx.example.org>: Relay access denied"), ("box.example", other)]
    facts = {"recipients": [{"recipient": f"postmaster@{name}", "reply": reply} for name, reply in replies if reply]}
    found = reception.refusals(*of(**parameters), facts)
    assert [item.verdict for item in found if item.domain == "mx.example.org"] == ([verdict] if verdict else [])


@pytest.mark.parametrize(
    ("refusal", "entry", "parameters", "refused"),
    [
        (None, SMTPD, {}, False),
        ("554 5.7.1 <a[192.0.2.1]>: Client host rejected: Access denied", SMTPD, {}, True),
        ("554 5.7.1 <a[192.0.2.1]>: Client host rejected: Access denied", SMTPD, {"smtpd_client_restrictions": "reject"}, False),
        ("521 5.7.1 Service unavailable; client [192.0.2.1] blocked", "smtp inet n - n - 1 postscreen", {}, True),
        ("421 4.3.2 All server ports are busy", SMTPD, {}, False),
        ("421 4.7.1 Error: No client certificate presented", SMTPD, {}, False),
        (
            "421 4.7.1 Error: No client certificate presented",
            "587 inet n - n - - smtpd -o smtpd_tls_security_level=encrypt -o smtpd_tls_req_ccert=yes",
            {},
            True,
        ),
    ],
)  # fmt: skip
def test_sessions_that_end_early(refusal, entry, parameters, refused):
    facts = {"refusal": refusal, "failed_at": "greeting", "problem": refusal, "chain": [{}]}
    configuration, listener = of(entry, **parameters)
    assert reception.refuses_this_host(configuration, listener, facts) is refused
    warned = [item.verdict for item in reception.refusals(configuration, listener, facts)]
    assert warned == (["warning"] if refused and not listener.requires_certificate else [])


def test_no_reply_is_a_warning():
    facts = {"recipients": [], "failed_at": "recipients", "problem": "the server did not respond within 10 seconds"}
    assert [item.verdict for item in reception.refusals(*of(), facts)] == ["warning"]


@pytest.mark.parametrize(
    ("entry", "parameters", "faults"),
    [
        (SMTPD, {}, []),
        (SMTPD, {"smtpd_client_restrictions": "permit_inet_interfaces, reject"}, ["other hosts smtpd_client_restrictions"]),
        (
            SMTPD,
            {"smtpd_recipient_restrictions": "permit_mynetworks, reject", "mynetworks": "127.0.0.0/8"},
            ["other hosts smtpd_recipient_restrictions"],
        ),
        (SMTPD, {"smtpd_recipient_restrictions": "permit_mynetworks, reject"}, []),
        # The port of a content filter
        ("10025 inet n - n - - smtpd", {"smtpd_client_restrictions": "permit_mynetworks, reject", "mynetworks": "127.0.0.0/8"}, []),
    ],
)  # fmt: skip
def test_other_hosts_are_rejected(entry, parameters, faults):
    facts = {"recipients": [{"recipient": "postmaster@example.org", "reply": "250 2.1.5 Ok"}]}
    found = reception.refusals(*of(entry, **parameters), facts)
    assert [item.kind for item in found if item.verdict == "fault"] == faults


def test_a_port_without_a_usable_certificate_does_not_refuse_this_host():
    refusal = "454 4.7.0 TLS not available due to local problem"
    facts = {"refusal": refusal, "failed_at": "starttls", "problem": refusal, "chain": []}
    assert not reception.refuses_this_host(*of(), facts)
    refusal = "454 4.7.0 mx.example.org Error: too many new TLS sessions from 192.0.2.1"
    assert reception.refuses_this_host(*of(), {**facts, "refusal": refusal})
