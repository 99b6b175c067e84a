# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, GrammarError
from ansible_collections.mailops.postfix.plugins.module_utils._formats import fingerprints as fingerprints_format
from ansible_collections.mailops.postfix.plugins.module_utils._formats import tls_levels, tls_policy
from ansible_collections.mailops.postfix.plugins.module_utils._formats.tls_policy import Policy, parse
from ansible_collections.mailops.postfix.plugins.module_utils._formats.tls_policy_spec import (
    GRADES,
    check_policy,
    from_declaration,
    policy_warnings,
    render,
)
from hypothesis import given, settings
from hypothesis import strategies as st

NEW = (3, 10)
HUB = "[hub.example.org]:587"
SHA256 = ":".join(["AB"] * 32)
OTHER = ":".join(["CD"] * 32)
MD5 = ":".join(["AB"] * 16)


@pytest.mark.parametrize(
    ("declared", "version", "text"),
    [
        ({"level": "encrypt"}, NEW, "encrypt"),
        ({"level": "fingerprint", "match": [SHA256, OTHER]}, NEW, f"fingerprint match={SHA256} match={OTHER}"),
        ({"level": "fingerprint", "match": "ab" * 32}, (3, 5), f"fingerprint match={SHA256}"),
        ({"level": "secure", "match": ["nexthop", ".example.org"]}, NEW, "secure match=nexthop:.example.org"),
        ({"level": "encrypt", "protocols": ">=TLSv1.2"}, (3, 6), "encrypt protocols=>=TLSv1.2"),
        ({"level": "encrypt", "protocols": ">=TLSv1.2"}, (3, 5, 25), "encrypt protocols=!SSLv2:!SSLv3:!TLSv1:!TLSv1.1"),
        (
            {"level": "may", "protocols": ["!SSLv2", "!SSLv3"], "ciphers": "HIGH"},
            (3, 5),
            "may protocols=!SSLv2:!SSLv3 ciphers=high",
        ),
        ({"level": "encrypt", "exclude": ["aNULL", "MD5 RC4"]}, NEW, "encrypt exclude=aNULL:MD5:RC4"),
        ({"level": "verify", "tafile": ["/a.pem", "/b.pem"]}, NEW, "verify tafile=/a.pem tafile=/b.pem"),
        ({"level": "verify", "tafile": ["/my CA.pem"]}, NEW, "verify { tafile = /my CA.pem }"),
        ({"level": "dane", "servername": "mx.example.org"}, NEW, "dane servername=mx.example.org"),
        (
            {"level": "encrypt", "connection_reuse": False, "enable_rpk": True},
            NEW,
            "encrypt connection_reuse=no enable_rpk=yes",
        ),
        ({"level": "none"}, NEW, "none"),
    ],
)
def test_declaration_round_trip(declared, version, text):
    policy = from_declaration({"nexthop": HUB, **declared})
    check_policy(policy, version)
    assert render(policy, version) == text
    assert render(parse(HUB, text), version) == text
    assert from_declaration(tls_policy.to_declaration(parse(HUB, text))) == parse(HUB, text)


REFUSED = [
    ({"level": "bogus"}, NEW, "'bogus' is not a valid level. The levels are none, may"),
    ({"level": "halfdane"}, NEW, "'halfdane' is not a valid level"),
    ({}, NEW, "it has no level"),
    ({"level": "encrypt", "match": ["nexthop"]}, NEW, "does not support match at level encrypt"),
    ({"level": "may", "match": ["nexthop"]}, NEW, "does not support match at level may"),
    ({"level": "dane", "match": ["nexthop"]}, NEW, "does not support match at level dane"),
    ({"level": "encrypt", "tafile": ["/a"]}, NEW, "does not support tafile at level encrypt"),
    (
        {"level": "fingerprint", "match": [SHA256], "tafile": ["/a"]},
        NEW,
        "does not support tafile at level fingerprint",
    ),
    ({"level": "none", "ciphers": "high"}, NEW, "ciphers has no effect at level none"),
    ({"level": "none", "connection_reuse": False}, NEW, "connection_reuse has no effect at level none"),
    ({"level": "fingerprint"}, NEW, "without a fingerprint defers all mail"),
    (
        {"level": "fingerprint", "match": [MD5]},
        NEW,
        "has 16 bytes, but smtp_tls_fingerprint_digest is sha256, .* 32.*Set smtp_tls_fingerprint_digest to md5",
    ),
    ({"level": "fingerprint", "match": [SHA256 + ":AA"]}, NEW, "33 bytes.*Give the sha256 fingerprint"),
    ({"level": "fingerprint", "match": [SHA256 + ":"]}, NEW, "is not a valid fingerprint"),
    ({"level": "fingerprint", "match": ["nexthop"]}, NEW, "is not a valid fingerprint"),
    ({"level": "fingerprint", "match": [f"{SHA256}|{SHA256}"]}, NEW, "is not a valid fingerprint"),
    ({"level": "secure", "match": [SHA256]}, NEW, "only at level fingerprint"),
    ({"level": "secure", "match": ["a|b"]}, NEW, "'a|b' is not a valid name"),
    ({"level": "secure", "match": ["nexthop:hostname"]}, NEW, "'nexthop:hostname' is not a valid name"),
    ({"level": "secure", "match": [""]}, NEW, "match is empty"),
    ({"level": "encrypt", "protocols": "TLSv9"}, NEW, "protocols: 'TLSv9' is not a valid protocol"),
    ({"level": "encrypt", "protocols": ">=TLSv1.3 !TLSv1.3"}, NEW, "protocols: they exclude every protocol"),
    ({"level": "encrypt", "ciphers": "strong"}, NEW, "'strong' is not a valid cipher grade. The grades are"),
    ({"level": "encrypt", "ciphers": ""}, NEW, "ciphers is empty"),
    ({"level": "encrypt", "exclude": "a;b"}, NEW, "'a;b' is not a valid cipher name"),
    ({"level": "encrypt", "servername": "192.0.2.1"}, NEW, "is not a valid host name"),
    ({"level": "encrypt", "servername": "mx example"}, NEW, "is not a valid host name"),
    ({"level": "encrypt", "servername": "-mx.example"}, NEW, "is not a valid host name"),
    (
        {"level": "encrypt", "enable_rpk": True},
        (3, 8, 4),
        "enable_rpk requires Postfix 3.9; this is 3.8.4",
    ),
    ({"level": "verify", "tafile": ["/my CA.pem"]}, (3, 9), "requires Postfix 3.10; this is 3.9"),
    ({"level": "verify", "tafile": ["/a}.pem"]}, NEW, "a policy cannot contain the path"),
    ({"level": "encrypt", "connection_reuse": "maybe"}, NEW, "connection_reuse is 'maybe'"),
    ({"level": "encrypt", "cipher": "high"}, NEW, "'cipher' is not a valid attribute.*match, protocols"),
    ({"level": "encrypt", "servername": 5}, NEW, "Put the value in quotes"),
]


@pytest.mark.parametrize(("declared", "version", "message"), REFUSED)
def test_policies_that_postfix_would_reject_or_ignore(declared, version, message):
    with pytest.raises(DeclarationError, match=message) as caught:
        check_policy(from_declaration({"nexthop": HUB, **declared}), version)
    assert str(caught.value).startswith(f"declaring the TLS policy {HUB}: ")


@pytest.mark.parametrize(
    ("nexthop", "message"),
    [
        ("", "neither nexthop nor domain"),
        ("[a]:587, [b]:587", "each next hop of a list"),
        ("[a]:587 ", None),
        ("a b", "blanks"),
        ("smtp:[a]:587", r"the transport name is not part of the next hop. Write \[a\]:587"),
        ("[a", "it is not a valid next hop"),
        ("[a]b", "it is not a valid next hop"),
        ("[a]:", "it is not a valid next hop"),
        ("a:", "no port after the colon"),
        ("#a", "start with #"),
        (".example.org", None),
        ("example.org:587", None),
        ("[2001:db8::1]:587", None),
        ("/var/run/lmtp", None),
        ("example.org.", None),
        ("hub:submission", None),
        ("relay:587", None),
        ("relay", None),
        ("*.example.org", "Write .example.org for the domains below"),
        ("alice@example.org", "it is an address"),
        ("http://hub", "it is an address"),
        ("smtp:hub.example.org", "the transport name is not part of the next hop. Write hub.example.org"),
        ("hub:submission.example.org", "'submission.example.org' is not a valid port"),
        ("[hub]:99999", "'99999' is not a valid port"),
        ("..example.org", "it is not a valid domain"),
        (".", "it is not a valid domain"),
    ],
)
def test_next_hops(nexthop, message):
    policy = Policy(nexthop.strip(), "encrypt")
    if message is None:
        check_policy(policy)
    else:
        with pytest.raises(DeclarationError, match=message):
            check_policy(policy)


@pytest.mark.parametrize(
    ("digest", "length"),
    [("md5", 16), ("sha1", 20), ("sha224", 28), ("sha256", 32), ("sha384", 48), ("sha512", 64), ("", 32), ("sm3", 32)],
)
def test_length_of_fingerprints(digest, length):
    check_policy(Policy(HUB, "fingerprint", (":".join(["0F"] * length),)), NEW, digest)
    if digest in fingerprints_format.DIGEST_BYTES:
        with pytest.raises(DeclarationError, match=f"digest is {digest}"):
            check_policy(Policy(HUB, "fingerprint", (":".join(["0F"] * (length + 1)),)), NEW, digest)


def test_fingerprints_may_be_in_main_cf():
    check_policy(Policy(HUB, "fingerprint"), NEW, "sha256", default_match=SHA256)


@pytest.mark.parametrize(
    ("protocols", "warned"), [("TLSv1.2", True), (">=TLSv1.2", False), ("", False), ("TLSv1.2, !TLSv1.3", False)]
)
def test_policy_warnings_about_allow_lists(protocols, warned):
    found = policy_warnings(Policy(HUB, "encrypt", protocols=protocols))
    assert bool(found) == warned
    assert not warned or "TLSv1.3 is disabled" in found[0]


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("ENCRYPT", Policy("x", "encrypt")),
        (f"fingerprint\tmatch={SHA256}|{OTHER.lower()}", Policy("x", "fingerprint", (SHA256, OTHER))),
        (f"fingerprint match={SHA256}, MATCH={OTHER}", Policy("x", "fingerprint", (SHA256, OTHER))),
        ("secure match=a.example:nexthop match=hostname", Policy("x", "secure", ("a.example", "nexthop", "hostname"))),
        ("encrypt {protocols = >=TLSv1.2} ciphers=high", Policy("x", "encrypt", protocols=">=TLSv1.2", ciphers="high")),
        ("may protocols=!SSLv2:!SSLv3", Policy("x", "may", protocols="!SSLv2, !SSLv3")),
        ("secure policy_type=sts {policy_string = version: STSv1}",
         Policy("x", "secure", plugin=(("policy_type", "sts"), ("policy_string", "version: STSv1")))),
    ],
)  # fmt: skip
def test_parse(text, policy):
    assert parse("x", text) == policy


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no level"),
        ("bogus", "'bogus' is not a valid level"),
        ("halfdane", "'halfdane' is not a valid level"),
        ("encrypt # comment", "'#' is not a valid attribute"),
        ("encrypt match=nexthop", "does not support match at level encrypt"),
        ("dane tafile=/a", "does not support tafile at level dane"),
        ("fingerprint match=AA,BB", "'BB' is not a valid attribute"),
        ("encrypt protocols=!SSLv2,!SSLv3", "'!SSLv3' is not a valid attribute"),
        ("encrypt ciphers = high", "'ciphers' is not a valid attribute"),
        ("encrypt ciphers=", "ciphers has no value"),
        ("encrypt ciphers=high ciphers=high", "ciphers occurs twice"),
        ("encrypt connection_reuse=true", "Write yes or no"),
        ("encrypt color=blue", "'color' is not a valid attribute"),
        ("encrypt {ciphers=high", "a brace is not closed"),
        ("encrypt {ciphers=high}x", "directly after a closing brace"),
    ],
)
def test_entries_that_postfix_treats_as_invalid(text, message):
    with pytest.raises(GrammarError, match=f"reading /etc/postfix/tls_policy:7: .*{message}"):
        parse("x", text, "/etc/postfix/tls_policy:7")


names = st.from_regex(r"\A\.?[a-z0-9]{1,5}(\.[a-z]{2,4}){0,2}\Z").filter(
    lambda name: tls_policy.is_postfix_hostname(name.lstrip("."))
)
common = {
    "nexthop": st.sampled_from([HUB, "example.org", ".example.org"]),
    "protocols": st.sampled_from(["", ">=TLSv1.2", "!SSLv2, !SSLv3", "TLSv1.2, TLSv1.3"]),
    "ciphers": st.sampled_from(["", *GRADES]),
    "exclude": st.lists(st.sampled_from(["aNULL", "MD5", "RC4+RSA"]), max_size=2).map(tuple),
    "servername": st.one_of(st.just(""), names.filter(lambda name: not name.startswith("."))),
    "connection_reuse": st.sampled_from([None, True, False]),
    "enable_rpk": st.sampled_from([None, True, False]),
}
fingerprints = st.lists(
    st.binary(min_size=32, max_size=32).map(lambda digest: digest.hex(":").upper()), min_size=1, max_size=3
).map(tuple)
files = st.lists(st.sampled_from(["/a.pem", "/b c.pem", "/d,e.pem"]), max_size=2).map(tuple)
policies = st.one_of(
    st.builds(Policy, level=st.sampled_from(["may", "encrypt", "dane", "dane-only"]), **common),
    st.builds(Policy, level=st.just("fingerprint"), match=fingerprints, **common),
    st.builds(
        Policy,
        level=st.sampled_from(["verify", "secure"]),
        match=st.lists(names, max_size=3).map(tuple),
        tafile=files,
        **common,
    ),
    st.builds(Policy, level=st.just("none"), nexthop=common["nexthop"]),
)


@given(policy=policies)
@settings(max_examples=500)
def test_policy_round_trip(policy):
    check_policy(policy, NEW)
    assert parse(policy.nexthop, render(policy, NEW)) == policy
    assert from_declaration(tls_policy.to_declaration(policy)) == policy


@given(
    text=st.one_of(
        st.text(max_size=30),
        st.lists(st.sampled_from(["encrypt", "secure", "match=a", "{", "}", "ciphers=", " ", ",", "=", "no"])).map(
            "".join
        ),
    )
)
@settings(max_examples=500)
def test_arbitrary_text_is_parsed_or_refused(text):
    try:
        policy = parse("x", text)
    except GrammarError:
        return
    assert policy.level in tls_levels.LEVELS
