# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from functools import partial

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._checks import dane
from ansible_collections.mailops.postfix.plugins.module_utils._checks.dane import Resolver
from ansible_collections.mailops.postfix.plugins.module_utils._host.dns_message import Answer, QuestionEntry
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

SMTP = "smtp unix - - y - - smtp\n"
configuration = partial(built, {"smtp_host_lookup": "dns", "lmtp_host_lookup": "dns", "ignore_mx_lookup_error": "no"})

DANE = {"smtp_tls_security_level": "dane", "smtp_dns_support_level": "dnssec"}
TLSPOL = {"smtp_tls_policy_maps": "hash:/t, socketmap:inet:127.0.0.1:8642:QUERY", "smtp_dns_support_level": "dnssec"}

VALIDATED = Answer("NOERROR", True, False)
UNSIGNED = Answer("NOERROR", False, False)


def built(parameters, master_cf=SMTP):
    return configuration("".join(f"{name} = {value}\n" for name, value in parameters.items()), master_cf, **parameters)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (DANE, []),
        ({**DANE, "smtp_tls_security_level": "may", "smtp_dns_support_level": ""}, []),
        ({**DANE, "smtp_host_lookup": "native, dns"}, []),
        ({**DANE, "smtp_dns_support_level": ""}, ["smtp_dns_support_level = dnssec"]),
        ({**DANE, "smtp_dns_support_level": "enabled"}, ["smtp_dns_support_level = dnssec"]),
        ({**DANE, "smtp_host_lookup": "native"}, ["smtp_host_lookup = dns"]),
        ({**DANE, "smtp_dns_resolver_options": "res_dnsrch"}, ["Remove smtp_dns_resolver_options"]),
        ({**DANE, "ignore_mx_lookup_error": "yes"}, ["Remove ignore_mx_lookup_error"]),
        ({**TLSPOL, "smtp_dns_support_level": ""}, ["smtp_dns_support_level = dnssec"]),
        (TLSPOL, []),
        ({"smtp_tls_policy_maps": "socketmap:inet:127.0.0.1:8461:postfix", "smtp_dns_support_level": ""}, []),
    ],
)
def test_what_switches_dnssec_lookups_off(parameters, expected):
    found = list(dane.dane_findings(built(parameters)))
    assert [problem.check for problem in found] == ["dane_without_dnssec"] * len(expected)
    assert all(remedy in problem.remedy for problem, remedy in zip(found, expected))


def test_a_service_with_a_level_of_its_own():
    one = built(
        {"smtp_dns_support_level": ""}, SMTP + "relay unix - - y - - smtp\n -o smtp_tls_security_level=dane-only\n"
    )
    [problem] = dane.dane_findings(one)
    assert "in service relay/unix" in problem.what and "master.cf:2" in problem.what
    assert problem.cause.endswith("Postfix treats it as an error for each message")


def resolver(answers, bogus=None, asked=None):
    def look(service):
        if asked is not None:
            asked.append(service)
        return Resolver("/etc/resolv.conf", QuestionEntry(".", "ns"), answers, bogus or {})

    return look


@pytest.mark.parametrize(
    ("answers", "bogus", "cause"),
    [
        ({"127.0.0.1": VALIDATED}, {}, ""),
        ({"127.0.0.1": VALIDATED, "::1": None}, {}, ""),
        ({"127.0.0.1": VALIDATED}, {"broken.test": []}, ""),
        ({"127.0.0.1": UNSIGNED}, {}, "127.0.0.1 in /etc/resolv.conf does not validate DNSSEC: its answer to ns:."),
        ({"127.0.0.1": VALIDATED, "::1": UNSIGNED}, {}, "the nameserver ::1 in /etc/resolv.conf does not validate"),
        (
            {"::1": Answer("SERVFAIL", False, False)},
            {},
            "answers SERVFAIL to ns:. (dnssec_probe), which must be signed",
        ),
        ({"::1": Answer("NXDOMAIN", True, False)}, {}, "answers NXDOMAIN to ns:."),
        ({"127.0.0.1": None, "::1": None}, {}, "no nameserver in /etc/resolv.conf answers (127.0.0.1, ::1)"),
        ({"::1": VALIDATED}, {"broken.test": ["::1"]}, "it resolves broken.test, whose signatures are invalid"),
    ],
)
def test_whether_a_resolver_is_relied_on_in_vain(answers, bogus, cause):
    found = list(dane.unvalidated_findings(built(DANE), resolver(answers, bogus)))
    assert [problem.check for problem in found] == (["unvalidated_dns"] if cause else [])
    assert all(cause in problem.cause and problem.cause.endswith("Postfix downgrades it to may") for problem in found)
    assert all(("main", "smtp_tls_security_level") in problem.settings for problem in found)


def test_answers_from_another_host_can_be_forged_on_the_way():
    [problem] = dane.unvalidated_findings(built(DANE), resolver({"192.0.2.53": VALIDATED, "::1": VALIDATED}))
    assert problem.check == "remote_resolver" and "192.0.2.53 (/etc/resolv.conf) is another host" in problem.cause


@pytest.mark.parametrize(
    ("parameters", "entries", "asked"),
    [
        (DANE, {}, ["smtp/unix"]),
        (TLSPOL, {}, ["smtp/unix"]),
        ({**DANE, "smtp_tls_security_level": "may"}, {}, []),
        # What is not even asked for is another finding.
        ({**DANE, "smtp_dns_support_level": ""}, {}, []),
        (
            {**TLSPOL, "smtp_tls_policy_maps": "hash:/t"},
            {"a.example": "encrypt", "b.example": "DANE-only x=y"},
            ["smtp/unix"],
        ),
        ({**TLSPOL, "smtp_tls_policy_maps": "proxy:hash:/t"}, {"b.example": "dane"}, ["smtp/unix"]),
        ({**TLSPOL, "smtp_tls_policy_maps": "hash:/t"}, {"a.example": "encrypt"}, []),
        ({**TLSPOL, "smtp_tls_policy_maps": "hash:/t"}, None, []),
        ({**TLSPOL, "smtp_tls_policy_maps": "ldap:/t"}, {"b.example": "dane"}, []),
    ],
)
def test_who_relies_on_it(parameters, entries, asked):
    seen = []
    found = dane.unvalidated_findings(
        built(parameters), resolver({"::1": UNSIGNED}, asked=seen), lambda _type, _path: entries
    )
    assert [problem.check for problem in found] == ["unvalidated_dns"] * len(asked)
    assert seen == asked


@pytest.mark.parametrize(
    ("nameserver", "local"),
    [("127.0.0.53", True), ("::1", True), ("192.0.2.1", False), ("fe80::1%eth0", False), ("localhost", False)],
)
def test_a_nameserver_on_this_host(nameserver, local):
    assert dane.is_local(nameserver) is local
