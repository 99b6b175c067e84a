# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._checks import routing as routing_checks
from ansible_collections.mailops.postfix.plugins.module_utils._checks.routing import CHECK, routing_findings, tables
from ansible_collections.mailops.postfix.plugins.module_utils._model import routing
from ansible_collections.mailops.postfix.plugins.module_utils._model.finding import CHECKS
from ansible_collections.mailops.postfix.plugins.module_utils._model.routing import Router, TableLookup
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built
from hypothesis import example, given, settings
from hypothesis import strategies as st

MASTER_CF = """\
smtp unix - - n - - smtp
relay unix - - n - - smtp
  -o smtp_fallback_relay=
strict unix - - n - - smtp
  -o smtp_tls_security_level=encrypt
  -o smtp_fallback_relay=[f.test]
"""
DEFAULTS = {
    "default_transport": "smtp",
    "relay_transport": "relay",
    "parent_domain_matches_subdomains": "relay_domains",
    "smtp_tls_policy_maps": "hash:/policy",
    "smtp_tls_security_level": "may",
    "smtp_host_lookup": "dns",
    "transport_maps": "hash:/transport",
    "sender_dependent_relayhost_maps": "hash:/senders",
}
PIN = "fingerprint match=" + ":".join(["AB"] * 32)
BOTH = {"relayhost": "[s]:588, [s]:587"}


def found(parameters, policies, transport=None, senders=None):
    texts = {"hash:/policy": policies, "hash:/transport": transport or {}, "hash:/senders": senders or {}}
    return list(routing_findings(Router(built(DEFAULTS, master_cf=MASTER_CF, **parameters), TableLookup(texts))))


@pytest.mark.parametrize(
    ("parameters", "policies", "transport", "senders"),
    [
        # Nothing is declared, or nothing above may
        ({**BOTH, "smtp_fallback_relay": "[f]"}, {}, {}, {}),
        (BOTH, {"[s]:588": "may"}, {}, {}),
        (BOTH, {"[s]:588": "dane"}, {}, {}),
        # All of it is
        (BOTH, {"[s]:588": PIN, "[s]:587": "secure"}, {}, {}),
        ({"relayhost": "[S]:588, [s]:587"}, {"[s]:588": PIN, "[s]:587": PIN}, {}, {}),
        ({"relayhost": "[a]"}, {"[a]": "encrypt", "b.test": "secure"}, {"x.test": "smtp:b.test"}, {}),
        ({**BOTH, "smtp_tls_security_level": "secure"}, {"[s]:588": PIN}, {}, {}),
        ({"relayhost": "[a]"}, {"[a]": "encrypt", "[b]": "secure"}, {"x.test": "smtp:[b]"}, {}),
        ({"relayhost": "[a]", "smtp_fallback_relay": "[f]"}, {"[a]": "encrypt", "[f]": "encrypt"}, {}, {}),
        # A policy of its own, if a weaker one
        ({"relayhost": "[s]:587"}, {"[s]:587": PIN, "[s]:25": "may"}, {"x.test": "smtp:[s]:25"}, {}),
        # Another peer, by another route
        ({"relayhost": "[a]"}, {"[b]": "secure"}, {"x.test": "smtp:[b]"}, {}),
        ({}, {"x.test": "secure"}, {"y.test": "smtp:[h]"}, {}),
        ({"relayhost": "[h]"}, {"x.test": "encrypt"}, {"x.test": "smtp:"}, {}),
        ({"relayhost": "[h]"}, {"x.test": "encrypt", "[h]": "secure"}, {}, {}),
        ({"smtp_fallback_relay": "[f]"}, {"[b]": "secure"}, {"x.test": "relay:[b]"}, {}),
        # Not ours to judge
        ({"transport_maps": "ldap:/l", "relayhost": "[h]"}, {"x.test": "encrypt"}, {}, {}),
        (BOTH, {"[s]:588": "nonsense"}, {}, {}),
    ],
)
def test_what_is_fine(parameters, policies, transport, senders):
    assert found(parameters, policies, transport, senders) == []


@pytest.mark.parametrize(
    ("parameters", "policies", "transport", "senders", "says"),
    [
        (
            BOTH,
            {"[s]:588": PIN},
            {},
            {},
            r"the next hop \[s\]:587 of relayhost.*is at level may, while the policy for \[s\]:588 demands fingerprint"
            r'.*Declare that policy for nexthop: "\[s\]:587" too',
        ),
        ({"relayhost": "[s]:587"}, {"[s]": PIN}, {}, {}, r"\[s\]:587.*while the policy for \[s\] demands fingerprint"),
        ({"relayhost": "[s]:587"}, {"s": "secure"}, {}, {}, r"\[s\]:587.*while the policy for s demands secure"),
        ({"relayhost": "[s]:587"}, {"[s]:submission": PIN}, {}, {}, r"while the policy for \[s\]:submission demands"),
        (
            {"relayhost": "s"},
            {"[s]:587": "encrypt"},
            {},
            {},
            r"the next hop s of relayhost.*policy for \[s\]:587 demands",
        ),
        (
            {"relayhost": "[a]:587, [b]:587"},
            {"[a]:587": PIN},
            {},
            {},
            r"the next hop \[b\]:587 of relayhost: mail for \[a\]:587, whose policy demands fingerprint, takes it at level may",
        ),
        (
            {"relayhost": "[a]:587, [b]:587"},
            {"[b]:587": PIN, "[a]:587": "encrypt"},
            {},
            {},
            r"the next hop \[a\]:587 of relayhost: mail for \[b\]:587, whose policy demands fingerprint, takes it at level encrypt",
        ),
        (
            {"relayhost": "[a]", "smtp_fallback_relay": "[f]:26"},
            {"[a]": "encrypt"},
            {},
            {},
            r"the next hop \[f\]:26 of smtp_fallback_relay: mail for \[a\].*at level may when no other answers"
            r".*or take it out of smtp_fallback_relay",
        ),
        (
            {"smtp_fallback_relay": "[f]"},
            {"x.test": "encrypt"},
            {},
            {},
            r"the next hop \[f\] of smtp_fallback_relay: mail for x.test",
        ),
        ({}, {"[b]": PIN}, {"x.test": "strict:[b]"}, {}, r"the next hop \[f.test\] of smtp_fallback_relay of strict"),
        (
            {},
            {"[a]": "encrypt"},
            {"x.test": "smtp:[a], [b]"},
            {},
            r"the next hop \[b\] of the entry x.test of hash:/transport",
        ),
        ({}, {"[a]": "encrypt"}, {"u@x.test": "smtp:[a], [b]"}, {}, r"the next hop \[b\] of the entry u@x.test"),
        ({}, {"[s]": "encrypt"}, {".x.test": "relay:[s]:26"}, {}, r"the next hop \[s\]:26 of the entry .x.test"),
        (
            {"relayhost": "[s]:587"},
            {"[s]:587": PIN},
            {},
            {"@b.test": "[s]:25"},
            r"the next hop \[s\]:25 of the entry @b.test of hash:/senders.*policy for \[s\]:587 demands",
        ),
        ({"default_transport": "smtp:[s]:25"}, {"[s]": PIN}, {}, {}, r"the next hop \[s\]:25 of default_transport"),
        (
            {"relay_domains": "in.test", "relay_transport": "relay:[s]:25"},
            {"[s]": PIN},
            {},
            {},
            r"the next hop \[s\]:25 of relay_transport",
        ),
        (
            {"relayhost": "[h]:587"},
            {"x.test": "encrypt"},
            {},
            {},
            r"the TLS policy for x.test: mail for x.test leaves through \[h\]:587 \(relayhost\) at level may, so that Postfix never "
            r'looks up this policy, which demands encrypt. Declare it with domain: x.test and route: direct, or .*"\[h\]:587"',
        ),
        (
            {"relayhost": "[h]"},
            {"x.test": "secure", "[h]": "encrypt"},
            {},
            {},
            r"the TLS policy for x.test.*at level encrypt",
        ),
        (
            {},
            {"x.test": "secure"},
            {"*": "smtp:[h]"},
            {},
            r"the TLS policy for x.test.*the entry \* of hash:/transport",
        ),
        ({}, {"x.test": "secure"}, {}, {"@b.test": "[h]"}, r"the TLS policy for x.test.*\[h\] \(the entry @b.test"),
    ],
)
def test_what_gets_past_a_policy(parameters, policies, transport, senders, says):
    said = found(parameters, policies, transport, senders)
    assert len(said) == 1, said
    assert re.search(says, str(said[0])), str(said[0])
    assert str(said[0]).endswith(f"[{CHECK}]") and CHECK in CHECKS


def test_the_tables_that_decide():
    master_cf = MASTER_CF + "other unix - - n - - smtp -o smtp_tls_policy_maps=proxy:hash:/other\n"
    resolver = Router(built(DEFAULTS, master_cf=master_cf), TableLookup())
    assert tables(resolver) == {"hash:/policy", "hash:/transport", "hash:/senders", "hash:/other"}


def test_policies_are_compared_with_those_of_their_host_only(monkeypatch):
    hosts = []
    monkeypatch.setattr(routing, "host", lambda nexthop, host=routing.host: hosts.append(nexthop) or host(nexthop))
    policies = {f"[h{number}]": "encrypt" for number in range(30)}
    transport = {f"d{number}.test": f"smtp:[h{number}]:26" for number in range(30)}
    assert len(found({}, policies, transport)) == 30
    assert len(hosts) < 10 * 30


def test_routes_that_no_policy_is_about_are_not_followed(monkeypatch):
    """10,000 entries, of which one may weaken a policy, must not take the time of 10,000 routes."""
    followed = []
    monkeypatch.setattr(
        Router, "routes", lambda self, domain, follow=Router.routes: followed.append(domain) or follow(self, domain)
    )
    transport = {f"d{number}.test": f"smtp:[h{number}]" for number in range(30)}
    assert len(found({}, {"[h7]:587": "encrypt"}, transport)) == 1
    assert sorted(followed) == ["d7.test", routing.UNKNOWN_DOMAIN]


KEYS = ["x.test", "u@x.test", ".x.test", "any.x.test", "b.test", "b.test.", "*"]
VALUES = [
    *("smtp:[a]", "smtp:[c]", "smtp:[c], sub.b.test", "relay:[c]", "strict:[c]", "smtp:", ":[c]"),
    *("lmtp:inet:[a]:24", "lmtp:unix:/socket", "error:[a]"),
]
POLICIES = ["[a]", "[a]:588", "b.test", "b.test:26", ".b.test", "[f.test]", "x.test"]
ONE = ("", "hash:/transport", "hash:/policy")


@settings(max_examples=1000)
@given(
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), min_size=2),
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES)),
    st.dictionaries(st.sampled_from(POLICIES), st.sampled_from(["may", "encrypt", "secure"]), min_size=1, max_size=3),
    st.sampled_from(["", "[f.test]", "[a]:587"]),
    st.sampled_from(["hash:/transport, hash:/more", "hash:/transport", "regexp:/r, hash:/transport"]),
    st.sampled_from(["hash:/policy", "hash:/policy, regexp:/r"]),
)
# Entries for [c], whose mail takes those of an earlier entry for the same value as [a]
@example({"x.test": "smtp:[a]", "b.test": "smtp:[a]", "b.test.": "smtp:[c]"}, {}, {"[a]:588": "secure"}, *ONE)
@example({"b.test": "smtp:[a]", "any.x.test": "smtp:[a]", ".x.test": "smtp:[c]"}, {}, {"[a]:588": "secure"}, *ONE)
@example({"x.test": "smtp:[a]", "b.test": "smtp:[c]", "u@b.test": "smtp:[a]"}, {}, {"[a]:588": "secure"}, *ONE)
@example(
    {"x.test": "smtp:[a]", "b.test": "smtp:[a]"},
    {"b.test": "smtp:[c]"},
    {"[a]:588": "secure"},
    "",
    "hash:/transport, hash:/more",
    "hash:/policy",
)
@example({"b.test": "smtp:"}, {}, {"b.test:26": "secure"}, *ONE)
@example({"b.test": "lmtp:inet:[a]:24"}, {}, {"[a]:588": "secure"}, *ONE)
def test_the_routes_that_are_not_followed_have_no_findings(transport, more, policies, fallback, maps, policy_maps):
    answers = {"regexp:/r": {"postmaster@x.test": "smtp:[a]:26", "[c]": "secure"}}

    class Tables(TableLookup):
        def find(self, name, key):
            return answers[name].get(key) if name in answers else super().find(name, key)

    parameters = {"smtp_fallback_relay": fallback, "transport_maps": maps, "smtp_tls_policy_maps": policy_maps}
    master_cf = f"{MASTER_CF}lmtp unix - - n - - lmtp\n  -o lmtp_tls_policy_maps=hash:/policy\n"
    configuration = built(DEFAULTS, master_cf=master_cf, **parameters)
    tables = Tables({"hash:/policy": policies, "hash:/transport": transport, "hash:/more": more, "hash:/senders": {}})
    few = list(routing_findings(Router(configuration, tables)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routing_checks, "_concerned", lambda *_arguments: None)
        assert few == list(routing_findings(Router(configuration, tables)))
