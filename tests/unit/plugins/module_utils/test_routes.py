# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._routes import (
    Table,
    Unknown,
    map_names,
    near_misses,
    next_hops,
    policy_keys,
    sample_domains,
    tables,
)

DOMAIN = "example.com"
DEFAULTS = {
    "compatibility_level": "3.6",
    "default_transport": "smtp",
    "relay_transport": "relay",
    "mydomain": "example.net",
    "myhostname": "mail.$mydomain",
    "mydestination": "$myhostname, localhost",
    "relay_domains": "${{$compatibility_level} <level {2} ? {$mydestination} : {}}",
    "parent_domain_matches_subdomains": "debug_peer_list,fast_flush_domains,mynetworks,relay_domains",
}


def table(entries):
    return [Table("hash:/etc/postfix/transport", entries)]


@pytest.mark.parametrize(
    ("parameters", "entries", "hops"),
    [
        ({}, {}, [("smtp", DOMAIN, False)]),
        ({"relayhost": "[hub.$mydomain]:587"}, {}, [("smtp", "[hub.example.net]:587", True)]),
        ({"relayhost": "[a]:588, [b]:587"}, {}, [("smtp", "[a]:588", True), ("smtp", "[b]:587", True)]),
        ({"relay_domains": DOMAIN}, {}, [("relay", DOMAIN, False)]),
        ({"default_transport": "smtp:[out]"}, {}, [("smtp", "[out]", True)]),
        ({"default_transport": "smtp:[out]", "relayhost": "[hub]"}, {}, [("smtp", "[out]", True)]),
        ({"relayhost": "[hub]"}, {DOMAIN: "smtp:"}, [("smtp", DOMAIN, False)]),
        ({"relayhost": "[hub]"}, {DOMAIN: f"smtp:{DOMAIN}"}, [("smtp", DOMAIN, False)]),
        ({"relayhost": "[hub]"}, {DOMAIN: "smtp:[mx.example.com]:25"}, [("smtp", "[mx.example.com]:25", False)]),
        ({"relayhost": "[hub]"}, {DOMAIN: ":[mx]"}, [("smtp", "[mx]", False)]),
        ({"relayhost": "[hub]"}, {DOMAIN: ":"}, [("smtp", "[hub]", True)]),
        ({"relayhost": "[hub]"}, {DOMAIN: "smtp:[hub]"}, [("smtp", "[hub]", True)]),
        ({}, {DOMAIN: "smtp:[a]:587", "other.example": "smtp:[a]:587"}, [("smtp", "[a]:587", True)]),
        ({}, {DOMAIN: "smtp:[a], [b]"}, [("smtp", "[a]", False), ("smtp", "[b]", False)]),
        ({}, {".com": "smtp:[a]"}, [("smtp", "[a]", True)]),
        ({}, {"com": "smtp:[a]"}, [("smtp", DOMAIN, False)]),
        ({"parent_domain_matches_subdomains": "transport_maps"}, {"com": "smtp:[a]"}, [("smtp", "[a]", True)]),
        ({}, {"*": "smtp:[a]"}, [("smtp", "[a]", True)]),
        ({}, {"*": "smtp:"}, [("smtp", DOMAIN, False)]),
        ({}, {f"joe@{DOMAIN}": "smtp:[a]"}, [("smtp", DOMAIN, False), ("smtp", "[a]", False)]),
        (
            {"relayhost": "[hub]"},
            {f"joe@{DOMAIN}": "smtp:[a]", DOMAIN: "smtp:[b]"},
            [("smtp", "[a]", False), ("smtp", "[b]", False)],
        ),
        ({"smtp_fallback_relay": "[f]"}, {}, [("smtp", DOMAIN, False), ("smtp", "[f]", True)]),
        (
            {"sender_dependent_relayhost_maps": "hash:/x", "relayhost": "[hub]"},
            {DOMAIN: "smtp:"},
            [("smtp", DOMAIN, False)],
        ),
    ],
)
def test_next_hops(parameters, entries, hops):
    found = next_hops(DOMAIN, {**DEFAULTS, **parameters}, table(entries))
    assert [(hop.transport, hop.nexthop, hop.shared) for hop in found] == hops


@pytest.mark.parametrize(
    ("parameters", "entries", "cause"),
    [
        ({"mydestination": DOMAIN}, {}, "is its destination"),
        ({"virtual_mailbox_domains": f"a.example {DOMAIN}"}, {}, "is its destination"),
        ({"sender_dependent_relayhost_maps": "hash:/x"}, {}, "depends on the sender"),
        ({"sender_dependent_default_transport_maps": "hash:/x"}, {}, "depends on the sender"),
        ({"default_transport": "error:no"}, {}, "does not speak SMTP"),
        ({}, {DOMAIN: "discard:"}, "does not speak SMTP"),
        ({}, {DOMAIN: "nonsense"}, "no colon"),
        ({"relayhost": "$relayhost"}, {}, "refers to itself"),
        ({}, None, "whose entries can't be read"),
    ],
)
def test_routes_that_can_not_be_told(parameters, entries, cause):
    with pytest.raises(Unknown, match=cause):
        next_hops(DOMAIN, {**DEFAULTS, **parameters}, table(entries))


def test_an_earlier_table_that_can_not_be_read_may_have_another_answer():
    readable = Table("hash:/a", {DOMAIN: "smtp:[a]"})
    hidden = Table("ldap:/b")
    assert next_hops(DOMAIN, DEFAULTS, [readable, hidden])[0].nexthop == "[a]"
    with pytest.raises(Unknown, match="ldap:/b"):
        next_hops(DOMAIN, DEFAULTS, [hidden, readable])


def test_policy_keys():
    assert policy_keys("Example.COM", DEFAULTS, []) == [DOMAIN]
    assert policy_keys(DOMAIN, DEFAULTS, table({DOMAIN: "smtp:[a]:587, [b]"})) == ["[a]:587", "[b]"]


@pytest.mark.parametrize(
    ("parameters", "entries", "message"),
    [
        (
            {"relayhost": "[hub]:587"},
            {},
            r'leaves through \[hub\]:587 \(relayhost\).*nexthop: "\[hub\]:587"\), or set route: direct',
        ),
        ({}, {"*": "smtp:[a]"}, r"the entry \* of hash:/etc/postfix/transport"),
        ({"sender_dependent_relayhost_maps": "hash:/x"}, {}, "can't be told: it depends on the sender"),
    ],
)
def test_policies_that_could_not_apply_are_refused(parameters, entries, message):
    with pytest.raises(DeclarationError, match=message) as caught:
        policy_keys(DOMAIN, {**DEFAULTS, **parameters}, table(entries))
    assert "the domain example.com" in str(caught.value)


@pytest.mark.parametrize(
    ("relayhost", "keys", "count"),
    [
        ("[hub]:587", ["[hub]:587"], 0),
        ("[HUB]:587", ["[hub]:587"], 0),
        ("[hub]:587", ["[hub]"], 1),
        ("[hub]:587", ["hub"], 1),
        ("[hub]:587", ["[hub]:submission"], 1),
        ("[hub]:588, [hub]:587", ["[hub]:588"], 1),
        ("[hub]:587", ["example.com"], 0),
        ("", ["hub"], 0),
    ],
)
def test_policies_beside_the_relayhost(relayhost, keys, count):
    assert len(near_misses(keys, {"relayhost": relayhost})) == count


def test_lists_of_tables():
    parameters = {"config_directory": "/etc/postfix"}
    value = "hash:$config_directory/transport, proxy:lmdb:/x regexp:/y"
    assert map_names(value, parameters) == ["hash:/etc/postfix/transport", "lmdb:/x", "regexp:/y"]
    found = tables(value, parameters, lambda map_type, path: {"a": f"{map_type} {path}"} if path != "/x" else None)
    assert [entry.entries for entry in found] == [{"a": "hash /etc/postfix/transport"}, None, None]


@pytest.mark.parametrize(
    ("parameters", "entries", "nexthops", "domains"),
    [
        ({}, {}, ["example.com"], {"example.com": "example.com"}),
        ({}, {}, ["[mx.example.com]:587"], {}),
        (
            {"relayhost": "[hub.example.org]:587"},
            {},
            ["[hub.example.org]:587"],
            {"[hub.example.org]:587": "hub.example.org"},
        ),
        ({"relayhost": "[192.0.2.1]"}, {}, ["[192.0.2.1]"], {"[192.0.2.1]": "mail.invalid"}),
        ({"relayhost": "[a.example.org]:588, [b.example.org]:587"}, {}, ["[b.example.org]:587"], {}),
        ({}, {"x.test": "smtp:[hub.test]:26"}, ["[hub.test]:26"], {"[hub.test]:26": "x.test"}),
        ({}, {".x.test": "smtp:[hub.test]:26"}, ["[hub.test]:26"], {"[hub.test]:26": "mail.x.test"}),
        ({}, {"*": "smtp:[hub.test]"}, ["[hub.test]"], {"[hub.test]": "hub.test"}),
        ({}, {"user@x.test": "smtp:[hub.test]"}, ["[hub.test]"], {}),
        (
            {"relayhost": "[hub.example.org]"},
            {"hub.example.org": "smtp:"},
            ["[hub.example.org]", "hub.example.org"],
            {"[hub.example.org]": "mail.invalid", "hub.example.org": "hub.example.org"},
        ),
    ],
)
def test_sample_domains(parameters, entries, nexthops, domains):
    """Found by asking for the route of each: nothing is taken for granted."""
    assert sample_domains(nexthops, {**DEFAULTS, **parameters}, table(entries)) == domains
