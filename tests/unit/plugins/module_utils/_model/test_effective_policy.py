# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What applies to a next hop. The scenario routes asks the real smtp(8) the same."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._formats.main_cf import braced_words
from ansible_collections.mailops.postfix.plugins.module_utils._model import routing
from ansible_collections.mailops.postfix.plugins.module_utils._model.effective_policy import (
    effective_policy,
    keys,
    policy_keys,
)
from ansible_collections.mailops.postfix.plugins.module_utils._model.routing import Hop, Router, TableLookup, Unknown
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

MASTER_CF = """\
smtp unix - - n - - smtp
strict unix - - n - - smtp
  -o smtp_tls_security_level=secure
  -o smtp_tls_secure_cert_match=hub.test
blind unix - - n - - smtp
  -o smtp_tls_policy_maps=
lmtp unix - - n - - lmtp
local unix - - n - - local
"""
PIN = ":".join(["AB"] * 32)
DEFAULTS = {
    "default_transport": "smtp",
    "parent_domain_matches_subdomains": "relay_domains",
    "smtp_host_lookup": "dns",
    "smtp_tls_policy_maps": "hash:/p, hash:/q",
    "smtp_tls_secure_cert_match": "nexthop, dot-nexthop",
    "smtp_tls_verify_cert_match": "hostname",
    "smtp_tls_enforce_peername": "yes",
    "smtp_tls_security_level": "may",
    "lmtp_tls_policy_maps": "hash:/lmtp",
}


def resolver(policies=None, version=(3, 10, 5), more=None, **parameters):
    tables = TableLookup({"hash:/p": policies or {}, "hash:/q": more or {}, "hash:/lmtp": {"private/l": "encrypt"}})
    return Router(built(DEFAULTS, master_cf=MASTER_CF, version=version, **parameters), tables)


def hop(nexthop, transport="smtp", protocol="smtp"):
    return Hop(transport, nexthop, "relayhost", True, protocol)


@pytest.mark.parametrize(
    ("nexthop", "found"),
    [
        ("a.b.test", ["a.b.test", ".b.test", ".test"]),
        ("hub", ["hub"]),
        ("[a.b.test]", ["[a.b.test]"]),
        ("a.b.test:25", ["a.b.test:25"]),
        ("192.0.2.1", ["192.0.2.1"]),
        ("[192.0.2.1]:587", ["[192.0.2.1]:587"]),
    ],
)
def test_what_is_looked_up(nexthop, found):
    assert list(keys(nexthop)) == found


@pytest.mark.parametrize(
    ("policies", "nexthop", "level", "key"),
    [
        ({}, "[h]:587", "may", ""),
        ({"[h]:587": "encrypt"}, "[H]:587", "encrypt", "[H]:587"),
        ({"[h]": "encrypt", "h": "encrypt", "[h]:submission": "encrypt"}, "[h]:587", "may", ""),
        ({".test": "encrypt", ".b.test": "none"}, "a.b.test", "none", ".b.test"),
        ({".test": "encrypt"}, "[a.test]", "may", ""),
        ({"test": "encrypt"}, "a.test", "may", ""),
    ],
)
def test_the_policy_that_applies(policies, nexthop, level, key):
    counts = effective_policy(resolver(policies), hop(nexthop))
    assert (counts.level, counts.key) == (level, key)


def test_the_first_table_that_has_it_counts():
    both = resolver({"a.test": "may"}, more={"a.test": "encrypt", ".test": "encrypt"})
    assert effective_policy(both, hop("a.test")).table == "hash:/p"
    assert effective_policy(both, hop("b.test")).table == "hash:/q"


@pytest.mark.parametrize(
    ("transport", "nexthop", "protocol", "level", "match"),
    [
        ("strict", "h", "smtp", "secure", ("hub.test",)),
        ("strict", "[p]", "smtp", "encrypt", ()),
        ("blind", "[p]", "smtp", "may", ()),
        ("lmtp", "private/l", "lmtp", "encrypt", ()),
        ("local", "x", "", "", ()),
    ],
)
def test_each_service_has_its_own(transport, nexthop, protocol, level, match):
    counts = effective_policy(resolver({"[p]": "encrypt"}), hop(nexthop, transport, protocol))
    assert (counts.level, counts.match) == (level, match)


@pytest.mark.parametrize(
    ("value", "parameters", "level", "match"),
    [
        (f"fingerprint match={PIN}|{PIN}", {}, "fingerprint", (PIN, PIN)),
        ("fingerprint", {"smtp_tls_fingerprint_cert_match": f"{PIN} AA:BB"}, "fingerprint", (PIN, "AA:BB")),
        ("fingerprint", {}, "invalid", ()),
        ("secure", {}, "secure", ("nexthop", "dot-nexthop")),
        ("verify", {}, "verify", ("hostname",)),
        ("secure match=a.test:.b.test", {}, "secure", ("a.test", ".b.test")),
        ("dane", {"smtp_dns_support_level": "dnssec"}, "dane", ()),
        ("dane", {}, "may", ()),
        ("dane-only", {}, "invalid", ()),
        ("encrypt match=x", {}, "invalid", ()),
        ("encrypt # why", {}, "invalid", ()),
        ("bogus", {}, "invalid", ()),
        ("none match=x", {}, "invalid", ()),
        ("may protocols=", {}, "may", ()),
        ("encrypt { ciphers = high }", {"version": (3, 7, 11)}, "invalid", ()),
        ("encrypt { ciphers = high }", {}, "encrypt", ()),
        ("encrypt enable_rpk=yes", {"version": (3, 7, 11)}, "invalid", ()),
        ("secure policy_type=sts", {"version": (3, 7, 11)}, "invalid", ()),
        ("secure policy_ttl=1", {}, "invalid", ()),
    ],
)
def test_what_a_policy_comes_to(value, parameters, level, match):
    counts = effective_policy(resolver({"a": value}, **parameters), hop("a"))
    assert (counts.level, counts.match) == (level, match)
    assert bool(counts.problem) == (level != value.split()[0])


@pytest.mark.parametrize(
    ("parameters", "level"),
    [
        ({"smtp_use_tls": "yes"}, "may"),
        ({"smtp_enforce_tls": "yes"}, "verify"),
        ({"smtp_enforce_tls": "yes", "smtp_tls_enforce_peername": "no"}, "encrypt"),
        ({}, "none"),
    ],
)
def test_levels_of_old_configurations(parameters, level):
    assert effective_policy(resolver(smtp_tls_security_level="", **parameters), hop("a")).level == level


@pytest.mark.parametrize(
    ("parameters", "cause"),
    [
        ({"smtp_tls_policy_maps": "", "smtp_tls_per_site": "hash:/s"}, "smtp_tls_per_site applies"),
        ({"smtp_tls_policy_maps": "ldap:/l"}, "ldap:/l can't be read here"),
        ({"smtp_tls_security_level": "${x"}, "smtp_tls_security_level can't be told"),
    ],
)
def test_what_can_not_be_told(parameters, cause):
    with pytest.raises(Unknown, match=cause):
        effective_policy(resolver(**parameters), hop("a"))


class Entries(dict):
    """Entries that count how often all of them are read."""

    read = 0

    def items(self):
        Entries.read += 1
        return super().items()

    def __iter__(self):
        Entries.read += 1
        return super().__iter__()


def test_a_table_is_read_as_often_for_many_domains_as_for_one():
    domains = [f"d{number}.test" for number in range(40)]
    counts = []
    for number in (1, len(domains)):
        Entries.read = 0
        transport = Entries({domain: f"smtp:[{domain}]" for domain in domains} | {"u@d0.test": "smtp:[u]"})
        tables = TableLookup({"hash:/p": {}, "hash:/q": {}, "hash:/t": transport})
        router = Router(built(DEFAULTS, master_cf=MASTER_CF, transport_maps="hash:/t"), tables)
        for domain in domains[:number]:
            own = ["[u]"] if domain == "d0.test" else []
            assert policy_keys(router, domain) == [f"[{domain}]", *own]
            assert router.nexthops[domain] == [f"[{domain}]"]
        counts.append(Entries.read)
    assert counts[0] == counts[1] > 0


def test_a_list_of_domains_is_split_once(monkeypatch):
    split = []
    monkeypatch.setattr(routing, "braced_words", lambda value: split.append(value) or braced_words(value))
    domains = [f"d{number}.test" for number in range(40)]
    router = Router(
        built(DEFAULTS, master_cf=MASTER_CF, relay_domains=" ".join(domains), relay_transport="strict:[in]"),
        TableLookup(),
    )
    nexthops = [router.routes(domain)[0].nexthop for domain in ("sub.d39.test", "d40.test", *domains)]
    assert nexthops == ["[in]", "d40.test", *["[in]"] * len(domains)]
    assert sum("d0.test" in value for value in split) == 1
