# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model.routing import Router, TableLookup
from ansible_collections.mailops.postfix.plugins.module_utils._verify.targets import (
    affected,
    default_nexthops,
    expected_of,
    is_stricter,
    targets,
)
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

MASTER_CF = """\
smtp unix - - n - - smtp
strict unix - - n - - smtp
  -o smtp_tls_security_level=encrypt
wrapped unix - - n - - smtp
  -o smtp_tls_wrappermode=yes
local unix - n n - - local
"""
DEFAULTS = {
    "default_transport": "smtp",
    "local_transport": "local",
    "parent_domain_matches_subdomains": "relay_domains",
    "smtp_tls_loglevel": "1",
    "smtp_tls_policy_maps": "hash:/policy",
    "smtp_tls_security_level": "may",
    "smtp_tls_CAfile": "/ca.pem",
    "smtp_sasl_password_maps": "hash:/passwords",
    "transport_maps": "hash:/transport",
    "sender_dependent_relayhost_maps": "hash:/senders",
    "message_size_limit": "1000",
}
PROBER = "double-bounce@here.test"
PINS = [":".join([byte] * 32) for byte in ("AA", "BB")]


def router(policy=None, transport=None, senders=None, passwords=None, master_cf=MASTER_CF, **parameters):
    texts = {
        "hash:/policy": policy or {},
        "hash:/transport": transport or {},
        "hash:/senders": senders or {},
        "hash:/passwords": passwords or {},
    }
    return Router(built(DEFAULTS, master_cf=master_cf, **parameters), TableLookup(texts))


def names(found):
    return [target.hop.nexthop for target in found]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, []),
        ({"relayhost": "[r.test]"}, ["[r.test]"]),
        ({"policy": {"a.test": "encrypt", "b.test": "may", "c.test": "none"}}, ["a.test"]),
        ({"policy": {"a.test": "dane"}}, []),  # without DNSSEC look-ups it is may
        ({"policy": {"[nowhere.test]": "encrypt"}}, []),
        ({"transport": {"x.test": "smtp:[h.test]"}}, []),
        ({"transport": {"x.test": "strict:[h.test]"}}, ["[h.test]"]),
        ({"transport": {"x.test": "smtp:[h.test]"}, "smtp_tls_security_level": "fingerprint"}, ["[h.test]"]),
        ({"transport": {"x.test": "smtp:[h.test]"}, "policy": {"[h.test]": "secure"}}, ["[h.test]"]),
        ({"transport": {"x.test": "smtp:[h.test]"}, "policy": {"[h.test]": "nonsense"}}, ["[h.test]"]),
        ({"senders": {"@x.test": "[s.test]:587"}}, ["[s.test]:587"]),
        ({"relayhost": "[r.test]", "smtp_fallback_relay": "[f.test]"}, ["[r.test]", "[f.test]"]),
        ({"default_transport": "smtp:[d.test]"}, ["[d.test]"]),
        ({"default_transport": "local:"}, []),
        (
            {
                "transport": {"x.test": "smtp:[h.test]"},
                "passwords": {"[h.test]": "u:p"},
                "smtp_sasl_auth_enable": "yes",
            },
            ["[h.test]"],
        ),
        ({"policy": {".test": "encrypt"}, "transport": {"x.test": "smtp:h.test"}}, ["h.test"]),
    ],
)
def test_what_is_probed(arguments, expected):
    assert names(targets(router(**arguments), PROBER)) == expected


def test_what_a_probe_expects():
    found = {
        target.hop.nexthop: target
        for target in targets(
            router(
                relayhost="[r.test]:465",
                transport={"x.test": "wrapped:[h.test]:587"},
                smtp_tls_security_level="encrypt",
            ),
            PROBER,
        )
    }
    relayhost, wrapped = found["[r.test]:465"].expected, found["[h.test]:587"].expected
    assert (relayhost.universal, relayhost.port, relayhost.implicit_tls, relayhost.logs_tls) == (
        True,
        "465",
        False,
        True,
    )
    assert (wrapped.universal, wrapped.port, wrapped.implicit_tls) == (False, "587", True)


@pytest.mark.parametrize(("options", "discloses"), [("noanonymous", True), ("noplaintext", False)])
def test_a_probe_that_would_disclose_a_password(options, discloses):
    [target] = targets(
        router(
            relayhost="[r.test]",
            passwords={"r.test": "u:p"},
            smtp_sasl_auth_enable="yes",
            smtp_sasl_security_options=options,
        ),
        PROBER,
    )
    assert (target.discloses, target.expected.has_password) == (discloses, True)


# What a change can affect

BASE = {
    "policy": {"a.test": "encrypt", "b.test": "encrypt", "[r.test]": "secure"},
    "transport": {"x.test": "strict:[h.test]"},
    "relayhost": "[r.test]",
}
ROUTED = {**BASE, "transport": {**BASE["transport"], "a.test": "smtp:", "b.test": "smtp:"}}


@pytest.mark.parametrize(
    ("change", "files", "expected"),
    [
        ({}, [], []),
        ({"message_size_limit": "2000"}, ["/etc/postfix/main.cf"], []),
        ({"smtp_tls_loglevel": "2"}, [], []),
        ({"policy": {**BASE["policy"], "a.test": "secure"}}, [], ["a.test"]),
        ({"policy": {**BASE["policy"], "c.test": "secure"}}, [], []),  # its mail goes to the relayhost
        ({"policy": {"a.test": "encrypt", "b.test": "encrypt"}}, [], ["[r.test]"]),
        ({"transport": {**ROUTED["transport"], "x.test": "strict:[i.test]"}}, [], ["[i.test]"]),
        ({"transport": {**ROUTED["transport"], "y.test": "strict:[i.test]"}}, [], ["[i.test]"]),
        ({"transport": {**ROUTED["transport"], "y.test": "strict:[h.test]"}}, [], []),
        ({"relayhost": "[s.test]"}, [], ["[s.test]"]),
        ({"smtp_tls_mandatory_ciphers": "null"}, [], ["[r.test]", "a.test", "b.test", "[h.test]"]),
        ({"smtp_tls_CAfile": ""}, [], ["[r.test]", "a.test", "b.test", "[h.test]"]),
        ({}, ["/ca.pem"], ["[r.test]", "a.test", "b.test", "[h.test]"]),
        ({}, ["/var/spool/postfix/ca.pem"], ["[r.test]", "a.test", "b.test", "[h.test]"]),
        ({}, ["/other.pem"], []),
        ({"master_cf": MASTER_CF.replace("=encrypt", "=secure")}, [], ["[h.test]"]),
        ({"master_cf": MASTER_CF + "  -o syslog_name=x\n"}, [], []),
        ({"senders": {"@z.test": "[z.test]"}}, [], ["[z.test]"]),
    ],
)
def test_what_a_change_can_affect(change, files, expected):
    found = affected(router(**ROUTED), router(**{**ROUTED, **change}), PROBER, files)
    assert sorted(names(found)) == sorted(expected)


def test_another_password():
    arguments = {"relayhost": "[r.test]", "smtp_sasl_auth_enable": "yes", "smtp_tls_security_level": "encrypt"}
    before = router(**arguments, passwords={"[r.test]": "u:right", "[other.test]": "u:p"})
    assert names(
        affected(before, router(**arguments, passwords={"[r.test]": "u:wrong", "[other.test]": "u:p"}), PROBER, [])
    ) == ["[r.test]"]
    assert (
        affected(before, router(**arguments, passwords={"[r.test]": "u:right", "[other.test]": "u:q"}), PROBER, [])
        == []
    )
    static = [router(**arguments, smtp_sasl_password_maps=f"static:u:{word}") for word in ("p", "q")]
    assert names(affected(*static, PROBER, [])) == ["[r.test]"]


def test_one_policy_of_ten_thousand():
    """Only what the change is about is computed."""
    policy = {f"d{number}.test": "encrypt" for number in range(10_000)}
    changed = router(policy={**policy, "d7.test": "secure"})
    asked = []
    find = changed.tables.find
    changed.tables.find = lambda name, key: asked.append(key) or find(name, key)
    assert names(affected(router(policy=policy), changed, PROBER, [])) == ["d7.test"]
    assert len(asked) < 100


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"[h.test]": "encrypt"}, {"[h.test]": "secure"}, True),
        ({"[h.test]": "secure"}, {"[h.test]": "encrypt"}, False),
        ({"[h.test]": "secure"}, {"[h.test]": "secure"}, False),
        ({}, {"[h.test]": "encrypt"}, True),
        ({"[h.test]": f"fingerprint match={PINS[0]}"}, {"[h.test]": f"fingerprint match={PINS[1]}"}, True),
        ({"[h.test]": f"fingerprint match={PINS[0]}"}, {"[h.test]": f"fingerprint match={PINS[0]}|{PINS[1]}"}, False),
        ({"[h.test]": f"fingerprint match={PINS[0]}|{PINS[1]}"}, {"[h.test]": f"fingerprint match={PINS[0]}"}, True),
        ({"[h.test]": "secure match=a.test"}, {"[h.test]": "secure match=b.test"}, True),
        ({"[h.test]": "encrypt"}, {"[h.test]": "encrypt protocols=TLSv1.3"}, False),
    ],
)
def test_what_is_stricter_or_new(before, after, expected):
    transport = {"x.test": "smtp:[h.test]"}
    [target] = targets(router(policy=after, transport=transport), PROBER)
    assert is_stricter(router(policy=before, transport=transport), target) is expected


def test_a_new_next_hop_is_new():
    [target] = targets(router(transport={"x.test": "strict:[h.test]"}), PROBER)
    assert is_stricter(router(), target)
    assert not is_stricter(router(transport={"y.test": "strict:[h.test]"}), target)


def test_the_default_route():
    found = default_nexthops(router(relayhost="[R.test] [s.test]", senders={"@x.test": "[t.test]"}), PROBER)
    assert found == ["[r.test]", "[s.test]", "[t.test]"] and default_nexthops(router(), PROBER) == []


def test_the_policy_of_a_recipient():
    assert expected_of(router(policy={"a.test": "secure"}), "x@a.test").policy.level == "secure"
    assert expected_of(router(transport_maps="ldap:/l"), "x@a.test").policy.level == ""
