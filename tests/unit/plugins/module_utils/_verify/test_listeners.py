# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import re
import subprocess

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import HostError, PostfixError
from ansible_collections.mailops.postfix.plugins.module_utils._smtp import connection
from ansible_collections.mailops.postfix.plugins.module_utils._smtp import probe as probe_smtp
from ansible_collections.mailops.postfix.plugins.module_utils._verify import listeners
from ansible_collections.mailops.postfix.plugins.module_utils._verify.report import VerificationReport
from ansible_collections.mailops.postfix.plugins.module_utils._verify.severities import Severities
from ansible_collections.mailops.postfix.plugins.module_utils._verify.summary import summary_of
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils._verify.host import CORRECT
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.authority import issue, write
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.running_postfix import (
    running_postfix,
    unused_port,
)


def test_each_of_several_certificates_is_probed(host):
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

    def probe(options):
        chain = [{"fingerprint": {"sha256": served[options.key_type]}, "key_type": options.key_type or "ecdsa"}]
        before = {**CORRECT["before_tls"], "starttls": True}
        return {**CORRECT, "before_tls": before, "chain": chain}

    host.probe = probe
    with pytest.raises(PostfixError, match=f"it serves another certificate .11:22. than .*{fingerprints[1]}"):
        host.verify()
    served["rsa"] = fingerprints[1]
    assert host.verify()["problems"] == []


@pytest.mark.parametrize(("name", "number"), [("10025", 10025), ("smtp", 25), ("submission", 587)])
def test_port(name, number):
    assert listeners.port_number(name) == number


def test_a_port_that_services_does_not_have():
    message = "resolving the port 'submisson': /etc/services has no such service. Write the port number in master.cf"
    with pytest.raises(HostError, match=re.escape(message)):
        listeners.port_number("submisson")


def test_leaf_fingerprint_of_no_certificate(host):
    assert listeners.leaf_fingerprint(host.instance(), str(host.directory / "main.cf")) == ""
    assert listeners.leaf_fingerprint(host.instance(), str(host.directory / "missing.pem")) == ""


# A Postfix that runs

SMTPD = "@PORT@ inet n - n - - smtpd"


def probed(main_cf="", service=SMTPD, severities="error", files=None):
    """The report on the ports of a Postfix with this configuration, without the address of the port in its messages."""
    report = VerificationReport()
    with running_postfix(main_cf, service, files) as postfix:
        chosen = Severities("listeners", severities, "error")
        listeners.probe_listeners(postfix.instance(), chosen, 10.0, probe_smtp.probe, report)
    return report


@pytest.mark.parametrize(
    ("main_cf", "options", "messages"),
    [
        # V8
        ("", "smtpd_recipient_restrictions=reject", ["smtpd_recipient_restrictions = reject rejects every", "Remove reject"]),
        (
            "canonical_maps = regexp:/missing/canonical\n",
            "",
            ["451 4.3.0", "canonical_maps has regexp:/missing/canonical", "correct the table"],
        ),
        (
            "smtpd_milters = inet:127.0.0.1:9\nmilter_default_action = tempfail\n",
            "",
            ["454 4.3.0", "smtpd_milters = inet:127.0.0.1:9", "milter_default_action = accept"],
        ),
        (
            "smtpd_milters = inet:127.0.0.1:9\nmilter_default_action = tempfail\n",
            "smtpd_tls_security_level=none",
            ["451 4.7.1 Service unavailable", "smtpd_milters = inet:127.0.0.1:9"],
        ),
        (
            "policy = check_policy_service inet:127.0.0.1:9\n",
            "smtpd_recipient_restrictions=$policy",
            ["451 4.3.5", "check_policy_service inet:127.0.0.1:9", "Start that service"],
        ),
        ("", "smtpd_proxy_filter=127.0.0.1:9", ["451 4.3.0", "smtpd_proxy_filter = 127.0.0.1:9", "Start that filter"]),
        ("", "queue_minfree=900000000000000", ["452 4.3.1", "queue_minfree = 900000000000000", "Free space"]),
        ("mydestination = localhost\n", "", ["Relay access denied", "mydestination = localhost", "Add it to"]),
        ("mydestination = hash:/missing/own\n", "", ["451 4.3.0", "mydestination has hash:/missing/own"]),
        ("smtpd_tls_chain_files = /missing.pem\n", "", ["handshake: the TLS handshake failed"]),
        ("", "smtpd_relay_restrictions=reject", ["smtpd_relay_restrictions = reject"]),
        ("", "smtpd_helo_restrictions=defer", ["450 4.3.2", "smtpd_helo_restrictions = defer"]),
        (
            "",
            "smtpd_client_restrictions=reject -o smtpd_delay_reject=no",
            ["greeting: the server refuses the connection: 554", "smtpd_client_restrictions = reject"],
        ),
        (
            "",
            "smtpd_client_restrictions=permit_sasl_authenticated,reject",
            ["554 5.7.1", "smtpd_client_restrictions = permit_sasl_authenticated,reject"],
        ),
        ("", "smtpd_tls_security_level=encrypt -o smtpd_recipient_restrictions=reject", ["554 5.7.1"]),
        ("", "smtpd_tls_wrappermode=yes -o smtpd_recipient_restrictions=reject", ["554 5.7.1"]),
        # MPF-203
        (
            "smtpd_tls_security_level = encrypt\n",
            "smtpd_tls_security_level=may",
            ["it takes mail in clear text", "main.cf has smtpd_tls_security_level = encrypt", "MPF-203"],
        ),
        (
            "smtpd_tls_security_level = encrypt\n",
            "smtpd_tls_security_level=none",
            ["it takes mail in clear text", "smtpd_tls_security_level = none", "MPF-203"],
        ),
    ],
)  # fmt: skip
def test_a_port_that_refuses_what_it_must_take(main_cf, options, messages):
    service = f"{SMTPD} -o {options}" if options else SMTPD
    report = probed(main_cf, service)
    assert len(report.problems) == 1 and report.warnings == [], (report.problems, report.warnings)
    assert [text for text in messages if text not in report.problems[0]] == [], report.problems
    # The next run has the same faults, and no temporary text in their names.
    again = probed(main_cf, service)
    port = r"\b\d{4,5}\b"
    assert [re.sub(port, "", found.kind) for found in report.faults] == [
        re.sub(port, "", found.kind) for found in again.faults
    ]


@pytest.mark.parametrize(
    ("main_cf", "service", "warning"),
    [
        ("", SMTPD, ""),
        ("", f"{SMTPD} -o smtpd_tls_security_level=none", ""),
        ("smtpd_tls_security_level = encrypt\n", f"127.0.0.1:{'@PORT@'} inet n - n - - smtpd -o smtpd_tls_security_level=none", ""),
        ("", f"{SMTPD} -o smtpd_recipient_restrictions=permit_mynetworks,reject", "cannot be probed from this host: 554"),
        (
            "",
            f"{SMTPD} -o smtpd_client_restrictions=permit_mynetworks,reject -o smtpd_delay_reject=no",
            "it refuses this host, so that it cannot be probed",
        ),
        ("", f"{SMTPD} -o smtpd_upstream_proxy_protocol=haproxy", ""),
        ("", f"{SMTPD} -o smtpd_upstream_proxy_protocol=haproxy -o smtpd_tls_wrappermode=yes", ""),
        ("", f"{SMTPD} -o smtpd_tls_security_level=encrypt -o smtpd_tls_req_ccert=yes", ""),
        ("", f"{SMTPD} -o smtpd_tls_wrappermode=yes -o smtpd_tls_req_ccert=yes", ""),
        (
            "",
            f"{SMTPD} -o smtpd_tls_security_level=encrypt -o smtpd_tls_req_ccert=yes -o smtpd_tls_mandatory_protocols=TLSv1.2",
            "",
        ),
        (
            "virtual_mailbox_domains = box.example\nvirtual_mailbox_maps = inline:{{a@box.example = x}}\n",
            SMTPD,
            "it refuses mail for postmaster@box.example: 550 5.1.1",
        ),
        ("mydestination = localhost\nrelay_domains = relay.example\n", SMTPD, ""),
        ("", f"{SMTPD} -o smtpd_soft_error_limit=1 -o smtpd_hard_error_limit=2", ""),
        ("smtpd_client_event_limit_exceptions =\n", f"{SMTPD} -o smtpd_client_connection_rate_limit=1", ""),
        ("smtpd_recipient_limit = 1\nrelay_domains = a.example b.example\n", SMTPD, ""),
        ("relay_domains = a.example b.example\n", f"{SMTPD} -o smtpd_recipient_restrictions=reject_multi_recipient_bounce", ""),
        (
            "postscreen_greet_wait = 1s\npostscreen_greet_action = enforce\npostscreen_cache_map =\n",
            "@PORT@ inet n - n - 1 postscreen",
            "",
        ),
        (
            "postscreen_greet_wait = 1s\npostscreen_greet_action = enforce\npostscreen_cache_map =\npostscreen_bare_newline_enable = yes\n"
            "postscreen_upstream_proxy_protocol = haproxy\n",
            "@PORT@ inet n - n - 1 postscreen",
            "cannot be probed from this host: 450 4.3.2",
        ),
        ("submissions_off = inet\nmaster_service_disable = @PORT@/inet\n", SMTPD, ""),
    ],
)  # fmt: skip
def test_a_port_that_works(main_cf, service, warning):
    report = probed(main_cf, service)
    assert report.problems == []
    if warning:
        assert len(report.warnings) == 1 and warning in report.warnings[0], report.warnings
    else:
        assert report.warnings == []


def test_a_wait_that_the_configuration_names_is_awaited():
    report = VerificationReport()
    with running_postfix("", f"{SMTPD} -o {{ smtpd_client_restrictions = sleep 3, permit }}") as postfix:
        chosen = Severities("listeners", "error", "error")
        listeners.probe_listeners(postfix.instance(), chosen, 1.0, probe_smtp.probe, report)
    assert (report.problems, report.warnings) == ([], [])
    assert report.listeners[0]["domains"] == ["mx.example.org"]


def test_twenty_domains_are_asked_in_one_session():
    names = [f"d{number}.example" for number in range(25)]
    report = probed(f"relay_domains = {' '.join(names)}\n")
    assert (report.problems, report.warnings) == ([], [])
    assert report.listeners[0]["domains"] == ["mx.example.org", *names[:19]]
    assert report.listeners[0]["not_probed"] == names[19:]
    assert "not probed for d19.example" in summary_of(report.listeners, [])


@pytest.mark.parametrize(
    ("main_cf", "options"),
    [
        ("smtpd_recipient_limit = 1\n", ""),
        ("", " -o smtpd_recipient_restrictions=reject_multi_recipient_bounce"),
    ],
)
def test_a_port_that_takes_one_recipient_at_a_time(main_cf, options):
    report = probed(f"relay_domains = a.example b.example\n{main_cf}", SMTPD + options)
    assert (report.problems, report.warnings) == ([], [])
    assert (report.listeners[0]["domains"], report.listeners[0]["not_probed"]) == (
        ["mx.example.org", "a.example", "b.example"],
        [],
    )


def test_a_port_with_many_refused_domains_is_not_probed_until_it_ends_the_session():
    names = [f"d{number}.example" for number in range(15)]
    main_cf = f"virtual_mailbox_domains = {' '.join(names)}\nvirtual_mailbox_maps = inline:{{{{a@d.example = x}}}}\n"
    report = probed(main_cf)
    assert report.problems == [] and len(report.warnings) == 8
    assert report.listeners[0]["not_probed"] == names[8:]


@pytest.mark.parametrize(
    ("severities", "problems", "warnings"),
    [("error", 1, 0), ("warning", 0, 1), ("ignore", 0, 0), ({"default": "error", "smtp-in/inet": "warning"}, 1, 0)],
)
def test_severity_of_each_listener(severities, problems, warnings):
    report = probed("", f"{SMTPD} -o smtpd_recipient_restrictions=reject", severities)
    assert (len(report.problems), len(report.warnings)) == (problems, warnings)


def test_a_severity_by_service():
    port = unused_port()
    service = f"{port} inet n - n - - smtpd -o smtpd_recipient_restrictions=reject"
    report = probed("", service, {"default": "error", f"{port}/inet": "warning"})
    assert report.problems == [] and len(report.warnings) == 1


# Server names


def sni_files(*names):
    """The table and the certificates of these names."""
    issued = {name: issue(name) for name in names}
    files = {f"{name}.pem": (item.key_pem + item.pem).decode() for name, item in issued.items()}
    return {**files, "sni": "".join(f"{name} @HOME@/{name}.pem\n" for name in names)}


@pytest.mark.parametrize(
    ("options", "change", "problem"),
    [
        (["-F"], None, ""),
        ([], None, "with the server name a.example, the TLS handshake fails"),
        (["-F"], "a.example.pem", "with the server name a.example, it serves another certificate"),
    ],
)
def test_each_server_name_is_probed(options, change, problem):
    report = VerificationReport()
    main_cf = "tls_server_sni_maps = hash:@HOME@/sni\n"
    with running_postfix(main_cf, SMTPD, sni_files("a.example", "b.example")) as postfix:
        subprocess.run(["postmap", "-c", postfix.home / "conf", *options, f"hash:{postfix.home}/sni"], check=True)
        if change:
            other = issue("a.example")
            (postfix.home / change).write_bytes(other.key_pem + other.pem)
        chosen = Severities("listeners", "error", "error")
        listeners.probe_listeners(postfix.instance(), chosen, 10.0, probe_smtp.probe, report)
    assert (problem in " ".join(report.problems)) and bool(report.problems) is bool(problem), report.problems


# Relaying

OWN = connection.own_address() or "127.0.0.1"
OPEN = "smtpd_relay_restrictions = check_recipient_access static:OK, reject_unauth_destination\n"


@pytest.mark.parametrize(
    ("main_cf", "nets", "problem", "warning"),
    [
        ("mynetworks = cidr:@HOME@/nets\n", f"{OWN}/32 OK\n", "", ""),
        ("mynetworks = cidr:@HOME@/nets\n" + OPEN, "198.51.100.0/24 OK\n", "it relays mail for strangers", ""),
        ("mynetworks = 198.51.100.0/24\n" + OPEN, "", "it relays mail for strangers", ""),
        (
            "mynetworks = laptop.example.org\n" + OPEN,
            "",
            "",
            "cannot be determined",
        ),
    ],
)  # fmt: skip
def test_relaying_is_judged_by_what_tables_answer(main_cf, nets, problem, warning):
    report = probed(main_cf, files={"nets": nets})
    assert [problem in text for text in report.problems] == [True] * bool(problem), report.problems
    assert [warning in text for text in report.warnings] == [True] * bool(warning), report.warnings
