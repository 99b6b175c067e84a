# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routes, with the installed trivial-rewrite(8) as judge of where mail for an address goes."""

from __future__ import annotations

import os

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._model.effective_policy import policy_keys
from ansible_collections.mailops.postfix.plugins.module_utils._model.routing import Unknown, host
from ansible_collections.mailops.postfix.plugins.module_utils._model.ways_out import ways_out
from ansible_collections.mailops.postfix.plugins.module_utils._plan.tables import router_of
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.trivial_rewrite import resolve
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

MASTER_CF = """\
smtp unix - - n - - smtp
relay unix - - n - - smtp
  -o smtp_fallback_relay=
slow unix - - n - - smtp
  -o smtp_fallback_relay=[other.test]
lmtp unix - - n - - lmtp
local unix - n n - - local
virtual unix - n n - - virtual
error unix - - n - - error
discard unix - - n - - discard
"""


@pytest.fixture(name="postfix")
def fixture_postfix(tmp_path_factory):
    def make(parameters, master_cf=MASTER_CF, **tables):
        directory = tmp_path_factory.mktemp("postfix")
        lines = {
            "compatibility_level": "3.6",
            "myhostname": "mail.here.test",
            "mydomain": "here.test",
            "myorigin": "here.test",
            "mydestination": "$myhostname, here.test",
            "queue_directory": f"{directory}/queue",
            **parameters,
        }
        text = "".join(f"{name} = {value}\n" for name, value in lines.items()).replace("@", "\0")
        (directory / "main.cf").write_text(text.replace("%", str(directory)).replace("\0", "@"))
        (directory / "master.cf").write_text(master_cf)
        for name, entries in tables.items():
            (directory / name).write_text("".join(f"{key} {value}\n" for key, value in entries.items()))
        for name in ("main.cf", "master.cf", *tables):
            os.utime(directory / name, (1, 1))  # Postfix waits until a file is two seconds old
        return directory

    return make


def ours(directory, recipient, sender=""):
    (route,) = router_of(Instance(str(directory))).routes(recipient, sender)
    return route.transport, route.nexthop


TRANSPORT = {"transport_maps": "texthash:%/transport"}
SENDERS = {"sender_dependent_relayhost_maps": "texthash:%/senders"}
TRANSPORTS_OF_SENDERS = {"sender_dependent_default_transport_maps": "texthash:%/senders"}
AGREEMENT = {
    "the domain itself": ({}, {}, "u@a.test"),
    "relayhost": ({"relayhost": "[hub.$mydomain]:587"}, {}, "u@a.test"),
    "a list": ({"relayhost": "[a]:588, [b]:587"}, {}, "u@a.test"),
    "relay domain": ({"relay_domains": "a.test"}, {}, "u@a.test"),
    "below a relay domain": ({"relay_domains": "a.test", "relay_transport": "relay:[in]"}, {}, "u@sub.a.test"),
    "not a relay domain": ({"relay_domains": "!sub.a.test a.test"}, {}, "u@sub.a.test"),
    "relay domain in a table": ({"relay_domains": "texthash:%/domains"}, {"domains": {"a.test": "x"}}, "u@sub.a.test"),
    "relay domain behind relayhost": ({"relay_domains": "a.test", "relayhost": "[hub]"}, {}, "u@a.test"),
    "transport of its own": ({"default_transport": "slow:[out]", "relayhost": "[hub]"}, {}, "u@a.test"),
    "local": ({"relayhost": "[hub]"}, {}, "u@here.test"),
    "local in a table": ({"mydestination": "texthash:%/domains"}, {"domains": {"a.test": "x"}}, "u@a.test"),
    "mailbox domain": ({"virtual_mailbox_domains": "b.test a.test"}, {}, "u@a.test"),
    "alias domain": ({"virtual_alias_domains": "a.test", **TRANSPORT}, {"transport": {"*": "smtp:[x]"}}, "u@a.test"),
    "moved": ({"relocated_maps": "texthash:%/moved"}, {"moved": {"@a.test": "b.test"}}, "u@a.test"),
    "entry past relayhost": ({"relayhost": "[hub]", **TRANSPORT}, {"transport": {"a.test": "smtp:"}}, "u@a.test"),
    "entry without colon": ({"relayhost": "[hub]", **TRANSPORT}, {"transport": {"a.test": "slow"}}, "u@a.test"),
    "entry of nothing": ({"relayhost": "[h]", **TRANSPORT}, {"transport": {"a.test": ":", "*": "slow:[b]"}}, "u@a.test"),
    "entry of a next hop": ({"relay_domains": "a.test", **TRANSPORT}, {"transport": {"a.test": ":[in]"}}, "u@a.test"),
    "error without reason": (TRANSPORT, {"transport": {"a.test": "error:"}}, "u@a.test"),
    "address before domain": (TRANSPORT, {"transport": {"u@a.test": "slow:[u]", "a.test": "smtp:[b]"}}, "U@A.test"),
    "address with extension": (
        {"recipient_delimiter": "+-", **TRANSPORT},
        {"transport": {"u@a.test": "slow:[u]", "a.test": "smtp:[b]"}},
        "u-x+y@a.test",
    ),
    "extension that is an entry": (
        {"recipient_delimiter": "+", **TRANSPORT},
        {"transport": {"u+x@a.test": "slow:[x]", "u@a.test": "slow:[u]"}},
        "u+x@a.test",
    ),
    "parent domain": (TRANSPORT, {"transport": {".test": "slow:[t]", ".a.test": "slow:[a]"}}, "u@b.a.test"),
    "no parent without a dot": (TRANSPORT, {"transport": {"a.test": "slow:[a]", "*": "slow:[any]"}}, "u@b.a.test"),
    "parent without a dot": (
        {**TRANSPORT, "parent_domain_matches_subdomains": "transport_maps"},
        {"transport": {"a.test": "slow:[a]", ".a.test": "slow:[x]"}},
        "u@b.a.test",
    ),
    "all others": (TRANSPORT, {"transport": {"*": "smtp:[a]", ".": "slow:[b]"}}, "u@a.test"),
    "all others, local too": (TRANSPORT, {"transport": {"*": "smtp:[a]"}}, "u@here.test"),
    "all others, to themselves": ({"relayhost": "[h]", **TRANSPORT}, {"transport": {"*": "slow:"}}, "u@a.test"),
    "the first key of all tables": (
        {"transport_maps": "texthash:%/one texthash:%/two"},
        {"one": {".test": "slow:[one]"}, "two": {"a.test": "slow:[two]"}},
        "u@a.test",
    ),
    "static before domains": (
        {"transport_maps": "texthash:%/transport static:slow:[static]"},
        {"transport": {"a.test": "smtp:[t]"}},
        "u@a.test",
    ),
    "patterns see addresses": (
        {"transport_maps": "regexp:%/patterns texthash:%/transport"},
        {"patterns": {"/^a\\.test$/": "slow:[domain]", "/^v@a\\.test$/": "slow:[v]"}, "transport": {"a.test": "smtp:[t]"}},
        "u@a.test",
    ),
    "patterns match": (
        {"transport_maps": "texthash:%/transport regexp:%/patterns"},
        {"patterns": {"/@a\\.test$/": "slow:[p]"}, "transport": {"a.test": "smtp:[t]"}},
        "u@a.test",
    ),
    "patterns and all others": (
        {"transport_maps": "regexp:%/patterns"},
        {"patterns": {"/^\\*$/": "slow:[star]"}},
        "u@a.test",
    ),
    "patterns, and a main.cf that Postfix warns of": (
        {"relayhost": "", "transport_maps": "regexp:%/patterns", "relayhost ": "[h]"},
        {"patterns": {"/x/": "slow:[x]"}},
        "u@a.test",
    ),
    "a union": (
        {"transport_maps": "unionmap:{inline:{{a.test=slow:[i]}},texthash:%/transport}"},
        {"transport": {"u@a.test": "smtp:[t]"}},
        "u@a.test",
    ),
    "sender": ({"relayhost": "[h]", **SENDERS}, {"senders": {"s@b.test": "[s]:587"}}, "u@a.test", "S@b.test"),
    "domain of the sender": ({"relayhost": "[h]", **SENDERS}, {"senders": {"@b.test": "[s]"}}, "u@a.test", "s@b.test"),
    "sender of no table": ({"relayhost": "[h]", **SENDERS}, {"senders": {"@b.test": "[s]"}}, "u@a.test", "s@c.test"),
    "not the sender's parents": ({**SENDERS}, {"senders": {".test": "[s]", "b.test": "[t]"}}, "u@a.test", "s@b.test"),
    "DUNNO": ({"relayhost": "[h]", **SENDERS}, {"senders": {"s@b.test": "dunno", "@b.test": "[s]"}}, "u@a.test", "s@b.test"),
    "null sender": ({**SENDERS}, {"senders": {"<>": "[null]"}}, "u@a.test", ""),
    "local sender": ({**SENDERS}, {"senders": {"s": "[local]"}}, "u@a.test", "s@here.test"),
    "name of a foreign sender": ({**SENDERS}, {"senders": {"s": "[local]"}}, "u@a.test", "s@b.test"),
    "sender with extension": (
        {**SENDERS, "recipient_delimiter": "+"},
        {"senders": {"s@b.test": "[s]"}},
        "u@a.test",
        "s+x@b.test",
    ),
    "sender's transport": (TRANSPORTS_OF_SENDERS, {"senders": {"s@b.test": "slow:[s]"}}, "u@a.test", "s@b.test"),
    "sender's transport, relayhost's next hop": (
        {"relayhost": "[h]", **TRANSPORTS_OF_SENDERS},
        {"senders": {"@b.test": "slow:"}},
        "u@a.test",
        "s@b.test",
    ),
    "sender's transport, relay domain": (
        {"relay_domains": "a.test", **TRANSPORTS_OF_SENDERS},
        {"senders": {"@b.test": "slow:[s]"}},
        "u@a.test",
        "s@b.test",
    ),
    "sender's relayhost, relay domain": (
        {"relay_domains": "a.test", **SENDERS},
        {"senders": {"@b.test": "[s]"}},
        "u@a.test",
        "s@b.test",
    ),
    "transport table before senders": (
        {**TRANSPORT, **SENDERS},
        {"transport": {"a.test": "smtp:"}, "senders": {"@b.test": "[s]"}},
        "u@a.test",
        "s@b.test",
    ),
    "senders by pattern": (
        {"sender_dependent_relayhost_maps": "regexp:%/senders"},
        {"senders": {"/^s@/": "[s]", "/^@b/": "[domain]"}},
        "u@a.test",
        "t@b.test",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", AGREEMENT.values(), ids=AGREEMENT)
def test_agreement_with_the_resolver(postfix, case):
    parameters, tables, *question = case
    directory = postfix(parameters, **tables)
    assert ours(directory, *question) == resolve(directory, *question)


VALUES = st.sampled_from(["smtp:", "slow", ":", ":[n]", "smtp:[a]:587", "slow:a.test, [b]", "local:"])
DOMAINS = st.sampled_from(["a.test", "b.a.test", ".a.test", ".test", "*", "u@a.test", "u@b.a.test", "here.test"])
SENDER_KEYS = st.sampled_from(["s@b.test", "@b.test", "s", "<>", "@here.test"])
RELAYS = st.sampled_from(["[r]:587", "dunno", "r.test"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    relayhost=st.sampled_from(["", "[h]:587", "[h]:588, [h]:587"]),
    default=st.sampled_from(["smtp", "slow:[d]"]),
    relayed=st.sampled_from(["", "a.test", "b.a.test"]),
    transport=st.dictionaries(DOMAINS, VALUES, max_size=3),
    relays=st.dictionaries(SENDER_KEYS, RELAYS, max_size=2),
    transports=st.dictionaries(SENDER_KEYS, st.sampled_from(["slow:", "slow:[x]", "DUNNO"]), max_size=2),
    recipient=st.sampled_from(["u@a.test", "v@a.test", "u@b.a.test", "u@here.test", "u+x@a.test"]),
    sender=st.sampled_from(["", "s@b.test", "t@b.test", "s@here.test", "s+x@here.test"]),
)
@example("", "smtp", "", {}, {}, {}, "u@a.test", "")
def test_agreement_on_whatever_there_is(
    postfix, relayhost, default, relayed, transport, relays, transports, recipient, sender
):
    directory = postfix(
        {
            "relayhost": relayhost,
            "default_transport": default,
            "relay_domains": relayed,
            "recipient_delimiter": "+",
            "transport_maps": "texthash:%/transport",
            "sender_dependent_relayhost_maps": "texthash:%/relays",
            "sender_dependent_default_transport_maps": "texthash:%/transports",
        },
        transport=transport,
        relays=relays,
        transports=transports,
    )
    expected = resolve(directory, recipient, sender)
    assert ours(directory, recipient, sender) == expected
    # What is said of a whole domain, and of all senders, has it too.
    resolver = router_of(Instance(str(directory)))
    found = resolver.routes(recipient.rpartition("@")[2])
    if not recipient.startswith("u+"):
        assert expected in [(route.transport, route.nexthop) for route in found]


def hops(directory, recipient, sender=None):
    resolver = router_of(Instance(str(directory)))
    return [hop for route in resolver.routes(recipient, sender) for hop in resolver.hops(route)]


@pytest.mark.parametrize(
    ("version", "parameters", "entries", "expected"),
    [
        ((3, 10), {}, {}, [("smtp", "a.test", "smtp", False)]),
        (
            (3, 10),
            {"relayhost": "[h]:588, [h]:587"},
            {},
            [("smtp", "[h]:588", "smtp", False), ("smtp", "[h]:587", "smtp", False)],
        ),
        ((3, 4), {"relayhost": "[h]:588, [h]:587"}, {}, [("smtp", "[h]:588, [h]:587", "smtp", False)]),
        (
            (3, 5),
            {"relayhost": "[h]:588, [h]:587"},
            {},
            [("smtp", "[h]:588", "smtp", False), ("smtp", "[h]:587", "smtp", False)],
        ),
        (
            (3, 4),
            {"smtp_fallback_relay": "[f], [g]:26"},
            {},
            [("smtp", "a.test", "smtp", False), ("smtp", "[f]", "smtp", True), ("smtp", "[g]:26", "smtp", True)],
        ),
        ((3, 10), {"smtp_fallback_relay": "[f]"}, {"a.test": "relay:"}, [("relay", "a.test", "smtp", False)]),
        ((3, 10), {}, {"a.test": "slow:"}, [("slow", "a.test", "smtp", False), ("slow", "[other.test]", "smtp", True)]),
        (
            (3, 10),
            {"smtp_fallback_relay": "[f]"},
            {"a.test": "lmtp:unix:private/l"},
            [("lmtp", "private/l", "lmtp", False)],
        ),
        ((3, 10), {}, {"a.test": "lmtp:inet:l.test:24"}, [("lmtp", "l.test:24", "lmtp", False)]),
        ((3, 10), {}, {"a.test": "discard:"}, [("discard", "a.test", "", False)]),
        ((3, 10), {}, {"a.test": "uucp:u"}, [("uucp", "u", "", False)]),
    ],
)
def test_next_hops(postfix, monkeypatch, version, parameters, entries, expected):
    monkeypatch.setattr(Instance, "version", version)
    directory = postfix({**TRANSPORT, **parameters}, transport=entries)
    assert [(hop.transport, hop.nexthop, hop.protocol, hop.fallback) for hop in hops(directory, "u@a.test")] == expected


def test_of_two_services_the_last_counts(postfix):
    directory = postfix({}, MASTER_CF + "smtp unix - - n - - smtp\n  -o smtp_fallback_relay=[last]\n")
    assert [hop.nexthop for hop in hops(directory, "a.test")] == ["a.test", "[last]"]


def test_all_mail_for_a_domain_from_all_senders(postfix):
    directory = postfix(
        {"relayhost": "[h]", **TRANSPORT, **SENDERS},
        transport={"postmaster@a.test": "slow:", "joe@a.test": ":[joe]", "b.test": "smtp:[b]"},
        senders={"@x.test": "[x]", "y@y.test": "[x]", "<>": "DUNNO"},
    )
    found = [(hop.nexthop, hop.source) for hop in hops(directory, "A.test.")]
    assert found == [
        ("[h]", "relayhost"),
        ("[x]", f"the entry @x.test of texthash:{directory}/senders"),
        ("[x]", f"the entry y@y.test of texthash:{directory}/senders"),
        ("a.test", f"the entry postmaster@a.test of texthash:{directory}/transport"),
        ("[other.test]", "smtp_fallback_relay of slow"),
        ("[joe]", f"the entry joe@a.test of texthash:{directory}/transport"),
    ]
    assert [hop.nexthop for hop in hops(directory, "b.test")] == ["[b]"]
    assert [hop.nexthop for hop in hops(directory, "c.test", "z@x.test")] == ["[x]"]


@pytest.mark.parametrize(
    ("parameters", "cause"),
    [
        (
            {"sender_dependent_relayhost_maps": "regexp:%/patterns"},
            "depends on the sender, and regexp:.*can't be listed",
        ),
        ({"transport_maps": "hash:%/nowhere"}, "hash:.*/nowhere can't be asked: .*open database"),
        ({"relay_domains": "/etc/domains"}, "relay_domains is unknown: there is no file /etc/domains"),
        ({"default_transport": ":[x]"}, "default_transport names no transport"),
    ],
)
def test_routes_that_can_not_be_told(postfix, parameters, cause):
    directory = postfix(parameters, patterns={"/x/": "[x]"})
    with pytest.raises(Unknown, match=cause):
        hops(directory, "a.test")


@pytest.mark.parametrize(
    ("parameters", "entries", "keys"),
    [
        ({}, {}, ["a.test"]),
        ({"smtp_fallback_relay": "[f]"}, {}, ["a.test"]),
        ({}, {"a.test": "smtp:[a]:587, [b]"}, ["[a]:587", "[b]"]),
        ({"relayhost": "[h]"}, {"a.test": "smtp:"}, ["a.test"]),
        ({"relayhost": "[h]"}, {"*": "smtp:"}, ["a.test"]),
        ({**SENDERS}, {"a.test": "smtp:"}, ["a.test"]),
        ({}, {"joe@a.test": "smtp:[joe]"}, ["a.test", "[joe]"]),
    ],
)
def test_policies_for_a_domain(postfix, parameters, entries, keys):
    directory = postfix({**TRANSPORT, **parameters}, transport=entries, senders={"@x.test": "[x]"})
    assert policy_keys(router_of(Instance(str(directory))), "a.test") == keys


@pytest.mark.parametrize(
    ("parameters", "entries", "message"),
    [
        (
            {"relayhost": "[hub]:587"},
            {},
            r'leaves through \[hub\]:587 \(relayhost\).*nexthop: "\[hub\]:587"\), or set route: direct',
        ),
        ({}, {"*": "smtp:[a]"}, r"leaves through \[a\] \(the entry \* of texthash:"),
        ({}, {".test": "smtp:[a]"}, r"the entry .test of texthash:"),
        ({}, {"a.test": "smtp:[a]", "b.test": "slow:[a]"}, r"through \[a\] \(the entry a.test of"),
        ({"relayhost": "a.test"}, {"a.test": "smtp:"}, r"through a.test \(the entry a.test of"),
        ({**SENDERS}, {}, r"leaves through \[x\] \(the entry @x.test of texthash:"),
        ({}, {"a.test": "discard:"}, r"goes to the transport discard \(the entry a.test of .*does not speak SMTP"),
        ({"mydestination": "a.test"}, {}, r"goes to the transport local \(mydestination\), which does not speak SMTP"),
        ({"relay_domains": "/etc/domains"}, {}, r"can't be told: relay_domains is unknown"),
    ],
)
def test_policies_that_could_not_apply_are_refused(postfix, parameters, entries, message):
    directory = postfix({**TRANSPORT, **parameters}, transport=entries, senders={"@x.test": "[x]"})
    with pytest.raises(DeclarationError, match=message) as caught:
        policy_keys(router_of(Instance(str(directory))), "a.test")
    assert "the domain a.test" in str(caught.value)


@pytest.mark.parametrize(
    ("parameters", "entries", "nexthops", "recipients"),
    [
        ({}, {}, ["a.test"], {"a.test": "postmaster@a.test"}),
        ({}, {}, ["[mx.a.test]:587"], {}),
        ({"relayhost": "[hub.test]:587"}, {}, ["[hub.test]:587"], {"[hub.test]:587": "postmaster@hub.test"}),
        ({"relayhost": "[192.0.2.1]"}, {}, ["[192.0.2.1]"], {"[192.0.2.1]": "postmaster@mail.invalid"}),
        ({"relayhost": "[a.test]:588, [b.test]:587"}, {}, ["[b.test]:587"], {}),
        ({}, {"x.test": "smtp:[hub.test]:26"}, ["[hub.test]:26"], {"[hub.test]:26": "postmaster@x.test"}),
        ({}, {".x.test": "smtp:[hub.test]:26"}, ["[hub.test]:26"], {"[hub.test]:26": "postmaster@any.x.test"}),
        ({}, {"*": "smtp:[hub.test]"}, ["[hub.test]"], {"[hub.test]": "postmaster@hub.test"}),
        ({}, {"user@x.test": "smtp:[hub.test]"}, ["[hub.test]"], {"[hub.test]": "user@x.test"}),
        (
            {"relayhost": "[hub.test]"},
            {"hub.test": "smtp:"},
            ["[hub.test]", "hub.test"],
            {"[hub.test]": "postmaster@mail.invalid", "hub.test": "postmaster@hub.test"},
        ),
    ],
)
def test_messages_that_take_a_next_hop_first(postfix, parameters, entries, nexthops, recipients):
    """Found by asking for the route of each: nothing is taken for granted."""
    directory = postfix({**TRANSPORT, **parameters}, transport=entries)
    domains = [name for name in map(host, nexthops) if name.endswith(".test")]
    ways = ways_out(router_of(Instance(str(directory))), "s@x.test", domains)
    found = {way.hop.nexthop: way.recipient for way in ways if way.position == 0}
    assert {nexthop: found[nexthop] for nexthop in nexthops if nexthop in found} == recipients
    for nexthop, recipient in recipients.items():
        assert resolve(directory, recipient, "s@x.test")[1] == nexthop


def test_messages_of_senders_that_take_a_next_hop(postfix):
    directory = postfix(
        {**SENDERS, "relayhost": "[hub.test]"}, senders={"@x.test": "[x.test]:587", "joe@y.test": "[y.test]"}
    )
    ways = {way.hop.nexthop: way for way in ways_out(router_of(Instance(str(directory))), "s@here.test")}
    assert set(ways) == {"[hub.test]", "[x.test]:587", "[y.test]"}
    for nexthop, way in ways.items():
        assert resolve(directory, way.recipient, way.sender or "s@here.test")[1] == nexthop


@pytest.mark.parametrize(
    ("nexthop", "name"),
    [
        ("[Hub.test]:587", "hub.test"),
        ("hub.test", "hub.test"),
        ("hub.test:25", "hub.test"),
        ("[2001:db8::1]", "2001:db8::1"),
    ],
)
def test_the_host_of_a_next_hop(nexthop, name):
    assert host(nexthop) == name
