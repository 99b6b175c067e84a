# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mailops.postfix.plugins.filter.from_tls_policy import FilterModule as From
from ansible_collections.mailops.postfix.plugins.filter.to_tls_policy import FilterModule as To

to_tls_policy = To().filters()["to_tls_policy"]
from_tls_policy = From().filters()["from_tls_policy"]

PIN = ":".join(["AB"] * 32)
POLICIES = [
    {"nexthop": "[hub.example.org]:587", "level": "fingerprint", "match": [PIN]},
    {"nexthop": "example.com", "level": "secure", "match": ["nexthop", "dot-nexthop"], "enable_rpk": False},
]
TABLE = {
    "[hub.example.org]:587": f"fingerprint match={PIN}",
    "example.com": "secure match=nexthop:dot-nexthop enable_rpk=no",
}


def test_round_trip():
    assert to_tls_policy(POLICIES) == TABLE
    assert from_tls_policy(TABLE) == POLICIES
    assert from_tls_policy("# c\n" + "".join(f"{key}  {value}\n" for key, value in TABLE.items())) == POLICIES


def test_version_and_digest():
    policy = [{"nexthop": "a", "level": "encrypt", "protocols": ">=TLSv1.2"}]
    assert to_tls_policy(policy) == {"a": "encrypt protocols=>=TLSv1.2"}
    assert to_tls_policy(policy, version="3.5.25") == {"a": "encrypt protocols=!SSLv2:!SSLv3:!TLSv1:!TLSv1.1"}
    assert to_tls_policy(policy, version=3.6) == {"a": "encrypt protocols=>=TLSv1.2"}
    assert to_tls_policy([{"nexthop": "a", "level": "fingerprint"}]) == {"a": "fingerprint"}
    assert to_tls_policy([{"nexthop": "a", "level": "fingerprint", "match": [PIN]}])
    with pytest.raises(AnsibleFilterError, match="digest is sha512"):
        to_tls_policy([{"nexthop": "a", "level": "fingerprint", "match": [PIN]}], digest="sha512")


@pytest.mark.parametrize(
    ("policies", "options", "message"),
    [
        ("text", {}, "the input is not a list of dictionaries"),
        ([{"nexthop": "a", "level": "bogus"}], {}, "'bogus' is not a valid level"),
        ([{"level": "may"}], {}, "neither nexthop nor domain"),
        ([{"domain": "a.example", "level": "may"}], {}, "known only on the host"),
        ([{"nexthop": "a", "level": "may"}, {"nexthop": "A", "level": "may"}], {}, "A is declared twice"),
        (
            [{"nexthop": "a", "level": "may", "enable_rpk": True}],
            {"version": "3.8"},
            "enable_rpk requires Postfix 3.9; this is 3.8",
        ),
        ([{"nexthop": "a", "level": "may"}], {"version": "new"}, "'new' is not a valid version of Postfix"),
    ],
)
def test_policies_that_are_refused(policies, options, message):
    with pytest.raises(AnsibleFilterError, match=f"mailops.postfix.to_tls_policy.*{message}"):
        to_tls_policy(policies, **options)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (5, "the input is of type int. Give a dictionary or the text"),
        ({"a": "bogus"}, "reading the policy of a: 'bogus' is not a valid level"),
        ("a may\n\nb encrypt # c\n", "reading line 3: '#' is not a valid attribute"),
        ("a\n", "reading table:1: .*no value"),
    ],
)
def test_tables_that_are_refused(table, message):
    with pytest.raises(AnsibleFilterError, match=f"mailops.postfix.from_tls_policy.*{message}"):
        from_tls_policy(table)
