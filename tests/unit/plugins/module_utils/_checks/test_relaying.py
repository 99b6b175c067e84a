# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may relay, with the tables of a directory, which the installed postmap(1) is asked about."""

from __future__ import annotations

import os
import re
from functools import partial

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._checks import relaying
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._model.routing import TableLookup
from ansible_collections.mailops.postfix.plugins.module_utils._plan.access import AccessTables
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

DEFAULTS = {
    "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination",
    "mynetworks": "127.0.0.0/8",
    "inet_interfaces": "all",
    "mydestination": "mx.example.org, example.org",
    "myhostname": "mx.example.org",
    "virtual_alias_domains": "$virtual_alias_maps",
    "parent_domain_matches_subdomains": "mynetworks, relay_domains, smtpd_access_maps",
}

RELAY_WITH = "smtpd_relay_restrictions = permit_mynetworks, {}, reject_unauth_destination\n"


configuration = partial(built, DEFAULTS)


@pytest.fixture(name="directory")
def fixture_directory(tmp_path):
    """A directory with tables, and the instance whose postmap(1) reads them."""
    (tmp_path / "main.cf").write_text("compatibility_level = 3.6\nmyhostname = mx.example.org\n")
    (tmp_path / "master.cf").write_text("")
    os.utime(tmp_path / "main.cf", (1, 1))  # Postfix waits for files that have just changed
    return tmp_path


def found(directory, main_cf, tables=None, master_cf="smtp inet n - y - - smtpd\n"):
    """The findings, as (severity, message)."""
    for name, text in (tables or {}).items():
        (directory / name).write_text(text)
    text = main_cf.replace("@", str(directory))
    lines = dict(line.split(" = ", 1) for line in text.splitlines())
    configured = configuration(main_cf=text, master_cf=master_cf, **lines)
    lookup = AccessTables(Instance(str(directory)))
    return [(problem.severity, str(problem)) for problem in relaying.relaying_findings(configured, lookup)]


def errors(*arguments, **options):
    return [message for severity, message in found(*arguments, **options) if severity == "error"]


def warnings(*arguments, **options):
    return [message for severity, message in found(*arguments, **options) if severity == "warning"]


# By words alone


def causes(**arguments):
    return [str(problem) for problem in relaying.relaying_findings(configuration(**arguments), TableLookup())]


CLOSED = [
    ("permit_mynetworks, reject_unauth_destination", ""),
    ("permit", "reject_unauth_destination"),
    ("", "permit_mynetworks reject_unauth_destination permit"),
    ("reject", ""),
    ("defer", "permit"),
    ("my_class, permit", "reject_unauth_destination"),
    ("permit_sasl_authenticated, my_class", ""),
]
OPEN = [
    ("", ""),
    ("permit_mynetworks", "permit_sasl_authenticated"),
    ("permit, reject_unauth_destination", ""),
    ("permit_naked_ip_address, reject_unauth_destination", ""),
    ("permit_mynetworks", "permit, reject_unauth_destination"),
    ("warn_if_reject reject_unauth_destination", ""),
    ("your_class, reject_unauth_destination", ""),
    ("outer_class, reject_unauth_destination", ""),
]
CLASSES = (
    "smtpd_restriction_classes = my_class, your_class, outer_class\nmy_class = reject_unauth_destination\n"
    "your_class = permit\nouter_class = your_class\n"
)


@pytest.mark.parametrize(
    ("relay", "recipient", "is_open"),
    [(relay, recipient, False) for relay, recipient in CLOSED]
    + [(relay, recipient, True) for relay, recipient in OPEN],
)
def test_who_may_relay(relay, recipient, is_open):
    main_cf = f"{CLASSES}smtpd_relay_restrictions = {relay}\nsmtpd_recipient_restrictions = {recipient}\n"
    messages = causes(
        main_cf=main_cf,
        smtpd_relay_restrictions=relay,
        smtpd_recipient_restrictions=recipient,
        smtpd_restriction_classes="my_class, your_class, outer_class",
    )
    assert [message for message in messages if "[open_relay]" in message] == messages
    assert bool(messages) is is_open, messages


@pytest.mark.parametrize(
    ("service", "is_open"),
    [("submission", True), ("127.0.0.1:10025", False), ("[::1]:10025", False), ("192.0.2.1:25", True)],
)
def test_services_with_their_own_restrictions(service, is_open):
    master_cf = f"{service} inet n - y - - smtpd\n  -o smtpd_relay_restrictions=permit,reject\n"
    assert bool(causes(master_cf=master_cf)) is is_open


# mynetworks


@pytest.mark.parametrize(
    ("networks", "table", "is_open"),
    [
        ("127.0.0.0/8, 10.0.0.0/8", "", False),
        ("127.0.0.0/8 [::1]/128 [fe80::]/10 [fc00::]/7 192.168.0.0/16 172.16.0.0/12 100.64.0.0/10", "", False),
        ("192.0.2.0/24 [2001:db8::]/32", "", False),
        ("0.0.0.0/0", "", True),
        ("0.0.0.0/1 128.0.0.0/1", "", True),
        ("34.0.0.0/8", "", True),
        ("!34.0.0.0/9 34.0.0.0/8 ", "", False),
        ("[2000::]/3", "", True),
        ("[2000::]/12", "", True),
        ("[2002::]/16", "", True),
        ("127.0.0.0/8 [::]/0", "", True),
        ("::/0", "", True),
        ("!0.0.0.0/0 127.0.0.0/8", "", False),
        ("static:all", "", True),
        ("!static:all", "", False),
        ("com", "", True),
        ("example.org, .example.net", "", False),
        ("cidr:@/t", "192.0.2.0/24 own\n10.0.0.0/8 own\n", False),
        ("cidr:@/t", "0.0.0.0/0 ok\n", True),
        # The result does not matter, only that there is one.
        ("cidr:@/t", "192.0.2.0/24 OK\n0.0.0.0/0 REJECT\n", True),
        ("cidr:@/t", "44.0.0.0/8 OK\n", True),
        ("regexp:@/t", r"/^192\.0\.2\./ OK" + "\n", False),
        ("regexp:@/t", "/./ OK\n", True),
        ("pcre:@/t", r"/^(?!10\.)/ OK" + "\n", True),
        ("texthash:@/t", "192.0.2.7 OK\n", False),
        ("proxy:cidr:@/t", "::/0 ok\n", True),
        ("inline:{192.0.2.7=x}", "", False),
        ("@/t", "10.0.0.0/8\n192.0.2.0/24\n", False),
        ("@/t", "10.0.0.0/8\n0.0.0.0/0\n", True),
        ("@/t", "127.0.0.0/8\n34.0.0.0/8\n", True),
        ("!@/t 127.0.0.0/8", "0.0.0.0/0\n", False),
    ],
)
def test_trusted_networks(directory, networks, table, is_open):
    result = errors(directory, f"mynetworks = {networks}\n", {"t": table})
    assert bool(result) is is_open, result
    assert all("mynetworks with " in message for message in result)


# Certificates of CAs


def cas(count):
    return "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n" * count


BY_CA = "smtpd_tls_ask_ccert = yes\n" + RELAY_WITH.format("permit_tls_all_clientcerts")
CA_FILE = BY_CA + "smtpd_tls_CAfile = @/cas.pem\n"


@pytest.mark.parametrize(
    ("main_cf", "count", "message"),
    [
        (CA_FILE, 140, "of any public CA .*smtpd_tls_CAfile = .*/cas.pem.*Name a file with your own CA"),
        (BY_CA + "smtpd_tls_CApath = /etc/ssl/certs\n", 0, "smtpd_tls_CApath = /etc/ssl/certs"),
        (BY_CA + "smtpd_tls_CApath = /etc/ssl/certs/\n", 0, "smtpd_tls_CApath = /etc/ssl/certs/"),
        (CA_FILE + "tls_append_default_CA = yes\n", 1, "tls_append_default_CA = yes"),
        (CA_FILE + "smtpd_tls_CApath = /etc/ssl/certs\n", 1, "smtpd_tls_CApath"),
        # An own CA, or several; none; no question for a certificate; no relaying by certificate
        (CA_FILE, 1, None),
        (CA_FILE, 3, None),
        (BY_CA + "smtpd_tls_CApath = /etc/postfix/cas\n", 0, None),
        (BY_CA, 0, None),
        (BY_CA + "tls_append_default_CA = yes\n", 0, None),
        (CA_FILE.replace("ask_ccert = yes", "ask_ccert = no"), 140, None),
        (
            CA_FILE.replace("permit_tls_all_clientcerts", "reject_unauth_destination, permit_tls_all_clientcerts"),
            140,
            None,
        ),
        (CA_FILE.replace("permit_tls_all_clientcerts", "permit_tls_clientcerts"), 140, None),
    ],
)
def test_clients_that_a_ca_knows(directory, main_cf, count, message):
    result = found(directory, main_cf, {"cas.pem": cas(count)})
    if message is None:
        assert result == []
    else:
        assert [severity for severity, _text in result] == ["error"] and re.search(message, result[0][1]), result


def test_clients_of_a_ca_that_can_not_be_read(directory):
    ((severity, text),) = found(directory, CA_FILE)
    assert severity == "warning" and "permit_tls_all_clientcerts (there is no file" in text


def test_all_clients_of_a_ca_on_a_port_of_its_own(directory):
    master_cf = "smtp inet n - y - - smtpd\n587 inet n - y - - smtpd\n  -o smtpd_tls_req_ccert=yes\n"
    master_cf += "  -o smtpd_relay_restrictions=permit_tls_all_clientcerts,reject\n"
    (message,) = errors(directory, "smtpd_tls_CAfile = @/cas.pem\n", {"cas.pem": cas(140)}, master_cf)
    assert "of service 587/inet" in message
    assert errors(directory, "smtpd_tls_CAfile = @/cas.pem\n", {"cas.pem": cas(1)}, master_cf) == []


# Access tables


HARMFUL = [
    ("check_client_access texthash:@/t", "com OK\n", "every client whose name ends in .com .*answers OK for com"),
    ("check_client_access texthash:@/t", ".xyz OK\n", None),  # not looked up: parent domains have no dot
    ("check_client_access texthash:@/t", "xyz OK\n", "whose name ends in .xyz"),
    ("check_client_access texthash:@/t", "34 RELAY\n", "every client in 34.0.0.0/8"),
    ("check_client_access cidr:@/t", "0.0.0.0/0 permit\n", "an unknown client"),
    ("check_client_access cidr:@/t", "57.0.0.0/8 OK\n", "every client in 57.0.0.0/8"),
    ("check_client_access regexp:@/t", r"/\.com$/ OK" + "\n", "ends in .com"),
    ("check_client_access pcre:@/t", "/./ 1700000000\n", "an unknown client"),
    ("check_client_access static:OK", "", "an unknown client"),
    ("check_client_access static:{permit_auth_destination, ok_class}", "", "an unknown client"),
    ("check_reverse_client_hostname_access texthash:@/t", "partner.test OK\n", "name in its reverse zone"),
    ("check_helo_access texthash:@/t", "mail.partner.test OK\n", "writes mail.partner.test as name in HELO"),
    ("check_helo_access regexp:@/t", r"/^mx\.partner\.test$/ OK" + "\n", "name in HELO"),
    ("check_helo_access pcre:@/t", r"/(^|\.)example\.org$/ OK" + "\n", "writes example.org as name in HELO"),
    ("check_sender_access texthash:@/t", "partner.test OK\n", "writes partner.test as sender"),
    ("check_sender_access texthash:@/t", "boss@partner.test OK\n", "writes boss@partner.test as sender"),
    ("check_sender_access texthash:@/t", "newsletter@ OK\n", "writes newsletter@ as sender"),
    ("check_sender_access texthash:@/t", "<> OK\n", "writes <> as sender"),
    ("check_sender_access regexp:@/t", r"/@example\.org$/ OK" + "\n", "example.org as sender"),
    ("check_sender_access texthash:@/t", "partner.test reject_non_fqdn_sender, permit\n", "partner.test as sender"),
    ("check_sender_access texthash:@/t", "partner.test ok_class\n", "partner.test as sender"),
    ("check_recipient_access texthash:@/t", "com OK\n", "domains in .com"),
    ("check_recipient_access regexp:@/t", "/./ OK\n", "an unknown client"),
    ("texthash:@/t", "net OK\n", "domains in .net"),
    ("permit_tls_clientcerts", "", "even one of its own making"),
    ("check_ccert_access regexp:@/t", "/./ OK\n", "even one of its own making"),
]
CERTIFIED = (
    "smtpd_restriction_classes = ok_class, strict_class\nok_class = permit\nstrict_class = reject_unauth_destination\n"
    "smtpd_tls_ask_ccert = yes\nrelay_clientcerts = static:all\n"
)


@pytest.mark.parametrize(("restriction", "table", "message"), HARMFUL)
def test_what_anybody_has_or_can_write_is_no_permission(directory, restriction, table, message):
    result = errors(directory, RELAY_WITH.format(restriction) + CERTIFIED, {"t": table})
    if message is None:
        assert result == []
        return

    assert any(re.search(message, text) for text in result), result
    assert all("[open_relay]" in text for text in result)


@pytest.mark.parametrize(
    ("restriction", "table"),
    [
        (
            "check_client_access texthash:@/t",
            "203.0.113.7 OK\n198.51.100 OK\nmail.partner.test OK\n10 OK\n192.168 OK\n",
        ),
        ("check_client_access texthash:@/pop", "203.0.113.9 1700000000\n"),
        ("check_client_access cidr:@/t", "10.0.0.0/8 OK\n192.0.2.0/24 OK\n0.0.0.0/0 DUNNO\n"),
        ("check_client_access static:DUNNO", ""),
        ("check_client_access static:{550 no}", ""),
        ("check_client_access regexp:@/t", r"/\.partner\.test$/ OK" + "\n/./ DUNNO\n"),
        ("check_sender_access texthash:@/t", "spam.test REJECT\nown.test DUNNO\nx.test strict_class\ny.test HOLD\n"),
        ("check_sender_access texthash:@/t", "list.test FILTER smtp:[127.0.0.1]:10025\nw.test WARN look\n"),
        ("check_helo_access regexp:@/t", r"/^\[?\d/ REJECT" + "\n/example.org/ 550 You are not me\n"),
        ("check_recipient_access texthash:@/t", "example.org OK\npostmaster@example.org OK\nabuse@ DUNNO\n"),
        # smtpd(8) does not let these permit.
        ("check_sender_mx_access static:OK", ""),
        ("permit_dnswl_client list.example.net", ""),
        ("permit_auth_destination", ""),
        ("check_sasl_access static:OK", ""),
        ("reject_sender_login_mismatch, check_sender_access inline:{example.org=OK}", ""),
    ],
)
def test_what_looks_like_it_and_is_not(directory, restriction, table):
    main_cf = (
        RELAY_WITH.format(restriction)
        + "smtpd_restriction_classes = strict_class\nstrict_class = reject_unauth_destination\n"
        + "smtpd_sasl_auth_enable = yes\nsmtpd_sender_login_maps = static:owner\n"
    )
    assert errors(directory, main_cf, {"t": table, "pop": table}) == []


@pytest.mark.parametrize(
    "main_cf",
    [
        # protected by smtpd_relay_restrictions
        "smtpd_recipient_restrictions = check_sender_access static:OK, reject_unauth_destination\n",
        "smtpd_client_restrictions = check_client_access static:OK\n",
        "smtpd_recipient_restrictions = check_policy_service unix:private/policy, permit\n",
        "smtpd_relay_restrictions = reject_unauth_destination, check_recipient_access static:OK\n",
        # protected by another list, for all recipients
        "smtpd_relay_restrictions = check_client_access static:OK, reject_unauth_destination\n"
        "smtpd_client_restrictions = permit_mynetworks, reject\n",
        "smtpd_relay_restrictions = check_sender_access static:OK, reject_unauth_destination\n"
        "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination\n",
    ],
)
def test_another_list_protects(directory, main_cf):
    assert found(directory, main_cf) == []


def test_a_list_after_the_recipients_does_not_protect(directory):
    main_cf = "smtpd_relay_restrictions = check_client_access static:OK, reject_unauth_destination\n"
    assert errors(directory, main_cf + "smtpd_data_restrictions = reject_unauth_destination\n")
    assert not errors(directory, main_cf + "smtpd_data_restrictions = reject\n")


def test_an_entry_before_decides(directory):
    """A table that rejects the host's own names before one that permits them."""
    lists = "check_helo_access inline:{mx.example.org=REJECT, example.org=REJECT}, check_helo_access inline:{mx.example.org=OK}"
    assert errors(directory, RELAY_WITH.format(lists)) == []


# What can't be judged


@pytest.mark.parametrize(
    ("main_cf", "message"),
    [
        ("mynetworks = tcp:127.0.0.1:9\n", "permit_mynetworks.*tcp:127.0.0.1:9 is a program"),
        ("mynetworks = cidr:@/nowhere\n", "permit_mynetworks.*nowhere"),
        ("mynetworks = @/nowhere\n", "there is no file"),
        (RELAY_WITH.format("check_client_access socketmap:unix:/nowhere:x"), "socketmap:unix:/nowhere:x"),
        (RELAY_WITH.format("check_client_access hash:@/nowhere"), "hash:.*nowhere"),
        (RELAY_WITH.format("check_sender_access ldap:@/nowhere"), "ldap:.*nowhere"),
        (RELAY_WITH.format("check_policy_service unix:private/policy"), "a policy service may permit"),
    ],
)
def test_what_cannot_be_judged_is_a_warning(directory, main_cf, message):

    assert errors(directory, main_cf) == []
    [text] = warnings(directory, main_cf)
    assert re.search(message, text) and "can't be judged here" in text


def test_what_does_not_decide_is_not_worth_a_warning(directory):
    recipients = "smtpd_recipient_restrictions = check_client_access tcp:127.0.0.1:9, permit\n"
    assert found(directory, recipients) == []
    assert found(directory, recipients + "smtpd_relay_restrictions = permit_mynetworks, reject\n") == []


# Other ways in


@pytest.mark.parametrize(
    ("name", "networks", "severity"),
    [
        ("smtpd_authorized_xclient_hosts", "0.0.0.0/0", "error"),
        ("smtpd_authorized_xclient_hosts", "cidr:@/t", "error"),
        ("smtpd_authorized_xclient_hosts", "127.0.0.1, 10.0.0.7", None),
        ("smtpd_authorized_xclient_hosts", "$mynetworks", None),
        ("smtpd_authorized_xforward_hosts", "static:all", "warning"),
        ("smtpd_authorized_xforward_hosts", "127.0.0.0/8", None),
    ],
)
def test_clients_that_may_say_they_are_others(directory, name, networks, severity):
    result = found(directory, f"{name} = {networks}\n", {"t": "0.0.0.0/0 x\n"})
    assert [one for one, _message in result] == ([severity] if severity else [])
    assert all(name in message for _severity, message in result)


def test_backup_mx(directory):
    main_cf = RELAY_WITH.format("permit_mx_backup")
    [message] = warnings(directory, main_cf)
    assert "permit_mx_backup_networks" in message and errors(directory, main_cf) == []
    assert found(directory, main_cf + "permit_mx_backup_networks = 192.0.2.0/24\n") == []


@pytest.mark.parametrize(("service", "count"), [("smtp", 1), ("127.0.0.1:10025", 0)])
def test_proxy_protocol(directory, service, count):
    master_cf = f"{service} inet n - y - - smtpd\n -o smtpd_upstream_proxy_protocol=haproxy\n"
    assert len(warnings(directory, "", master_cf=master_cf)) == count
    assert errors(directory, "", master_cf=master_cf) == []


@pytest.mark.parametrize(
    ("parameter", "value", "severity"),
    [
        ("relay_domains", "static:all", "error"),
        ("relay_domains", "com", "error"),
        ("relay_domains", "regexp:@/t", "error"),
        ("relay_domains", "texthash:@/tld", "error"),
        ("relay_domains", "!elsewhere.com, example.com, example.net", None),
        ("relay_domains", "texthash:@/own", None),
        ("relay_domains", "@/list", None),
        ("relay_domains", "tcp:127.0.0.1:9", "warning"),
        ("mydestination", "static:all", "error"),
        ("mydestination", "pcre:@/t", "error"),
        ("mydestination", "com", None),
        ("virtual_mailbox_domains", "regexp:@/t", "error"),
        ("virtual_alias_domains", "static:all", "error"),
        ("virtual_alias_maps", "regexp:@/t", None),
        ("virtual_alias_maps", "regexp:@/users", None),
    ],
)
def test_own_domains(directory, parameter, value, severity):
    tables = {"t": "/./ x\n", "tld": "net x\n", "own": "example.net x\n", "list": "example.net\nexample.com\n"}
    result = found(directory, f"{parameter} = {value}\n", {**tables, "users": "/^postmaster@/ root\n"})
    assert [one for one, _message in result] == ([severity] if severity else []), result


def test_two_lookups_for_many_keys(directory, monkeypatch):
    """A table of patterns is asked once for all sessions."""
    asked = []
    original = Instance.run

    def run(self, *argv, **options):
        asked.append(argv)
        return original(self, *argv, **options)

    monkeypatch.setattr(Instance, "run", run)
    assert errors(directory, "mynetworks = cidr:@/t\n", {"t": "192.0.2.0/24 x\n"}) == []
    assert 0 < len([argv for argv in asked if "cidr:" in argv[-1]]) <= 2, asked
