# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._checks.shadowed_policy import (
    ASKED,
    shadowed_policies,
    unused_table,
)
from ansible_collections.mailops.postfix.plugins.module_utils._model.finding import CHECKS
from ansible_collections.mailops.postfix.plugins.module_utils._model.routing import Router, TableLookup
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

MASTER_CF = "smtp unix - - n - - smtp\nslow unix - - n - - smtp\n"
PIN, OTHER = (":".join([byte] * 32) for byte in ("AB", "CD"))


class Tables(TableLookup):
    """Two keyed tables, and a service of policies, which can't be listed."""

    def __init__(self, old, new, service=None):
        super().__init__({"hash:/old": old, "hash:/new": new})
        self.service = service or {}
        self.asked = []

    def find(self, name, key):
        if name != "socketmap:x":
            return super().find(name, key)
        self.asked.append(key)
        return self.service.get(key)


def router(old, new, service=None, maps="hash:/old, hash:/new", master_cf=MASTER_CF):
    return Router(built({}, master_cf=master_cf, smtp_tls_policy_maps=maps), Tables(old, new, service))


def found(*arguments, declared=(), **options):
    return list(shadowed_policies(router(*arguments, **options), declared, "hash:/new"))


def test_a_declared_policy_that_another_table_answers_first():
    findings = found({"plain.test": "may"}, {"plain.test": "encrypt"}, declared=["plain.test"])
    assert len({finding.identity for finding in findings}) == 1, "one for all services"
    assert findings[0].check == "shadowed_policy" and "shadowed_policy" in CHECKS
    assert str(findings[0]) == (
        "the TLS policy for plain.test, 'encrypt', in hash:/new: hash:/old answers first, with 'may', and Postfix uses the first answer. "
        "Remove plain.test from hash:/old, or name hash:/new before it in smtp_tls_policy_maps [shadowed_policy]"
    )


@pytest.mark.parametrize(
    ("old", "new", "declared", "count"),
    [
        ({"a": "encrypt"}, {"a": "encrypt"}, ["a"], 0),
        ({"a": f"fingerprint match={PIN}|{OTHER}"}, {"a": f"fingerprint match={OTHER} match={PIN}"}, ["a"], 0),
        ({"a": f"fingerprint match={PIN}"}, {"a": f"fingerprint match={OTHER}"}, ["a"], 1),
        ({"a": "secure"}, {"a": "may"}, ["a"], 1),
        ({"a": "nonsense"}, {"a": "encrypt"}, ["a"], 1),
        # A bare domain's parents are looked up after it, in all tables.
        ({".test": "none"}, {"a.test": "secure"}, ["a.test"], 0),
        # What is not declared: only where mail is weaker for it
        ({"a": "may"}, {"a": "secure"}, [], 1),
        ({"a": "secure"}, {"a": "may"}, [], 0),
        ({"a": "nonsense"}, {"a": "encrypt"}, [], 0),
        ({"[a]": "may"}, {"a": "secure"}, [], 0),
    ],
)
def test_which_first_answers_matter(old, new, declared, count):
    assert len({finding.identity for finding in found(old, new, declared=declared)}) == count


def test_the_order_of_tables():
    assert found({"a": "may"}, {"a": "secure"}, maps="hash:/new, hash:/old", declared=["a"]) == []
    assert found({"a": "may"}, {"a": "secure"}, maps="hash:/new", declared=["a"]) == []


def test_an_option_of_a_service():
    master_cf = "smtp unix - - n - - smtp -o smtp_tls_policy_maps=hash:/old,hash:/new\n"
    [finding] = found({"a": "may"}, {"a": "secure"}, maps="hash:/new", master_cf=master_cf, declared=["a"])
    assert ("smtp/unix", "smtp_tls_policy_maps") in finding.settings


def test_a_service_of_policies_that_answers_first():
    first = {"maps": "socketmap:x hash:/new", "declared": ["a.test", "b.test"]}
    findings = found({}, {"a.test": "secure", "b.test": "secure"}, {"a.test": "may"}, **first)
    assert len(findings) == 1 and "socketmap:x answers first, with 'may'" in findings[0].cause
    assert found({}, {"a.test": "secure"}, {"a.test": "may"}, maps="hash:/new socketmap:x", declared=["a.test"]) == []


def test_a_service_of_policies_is_not_asked_for_thousands():
    policies = {f"{number}.test": "secure" for number in range(ASKED + 1)}
    asked = router({}, policies, maps="socketmap:x hash:/new")
    assert list(shadowed_policies(asked, list(policies), "hash:/new")) == [] and asked.tables.asked == []


@pytest.mark.parametrize(
    ("maps", "declared", "count"),
    [
        ("hash:/old", ["a"], 1),
        ("", ["a"], 1),
        ("hash:/old", [], 0),
        ("texthash:/new", ["a"], 0),
        ("hash:/new", ["a"], 0),
    ],
)
def test_a_table_that_no_service_uses(maps, declared, count):
    assert len(list(unused_table(router({}, {"a": "secure"}, maps=maps), declared, "hash:/new"))) == count


def test_a_table_that_one_service_uses():
    master_cf = MASTER_CF.rstrip() + " -o smtp_tls_policy_maps=hash:/new\n"
    assert list(unused_table(router({}, {"a": "secure"}, maps="", master_cf=master_cf), ["a"], "hash:/new")) == []
