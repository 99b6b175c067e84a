# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._model.effective_policy import effective_policy
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Change, Plan
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply, store
from ansible_collections.mailops.postfix.plugins.module_utils._verify.previous import previous_router

MASTER_CF = "smtp unix - - n - - smtp\n"


@pytest.fixture
def change(tmp_path):
    """A function that makes a change, and gives the routes before it: next hop and level of mail for a domain."""
    (tmp_path / "master.cf").write_text(MASTER_CF)
    (tmp_path / "main.cf").write_text(
        f"relayhost = [old.test]\nsmtp_tls_security_level = may\nsmtp_tls_policy_maps = texthash:{tmp_path}/policy\n"
    )
    (tmp_path / "policy").write_text("[old.test] encrypt\n")
    for name in ("main.cf", "master.cf", "policy"):
        os.utime(tmp_path / name, (1, 1))

    def instance():
        return Instance(str(tmp_path))

    def make(**texts):
        def plan(found):
            changes = [Change(found.path(name), text.encode(), found.read(name)) for name, text in texts.items()]
            return Plan(changes, requires="reload")

        transaction = apply.apply(plan, instance, confirmation=apply.Confirmation(600)).transaction
        return previous_router(instance(), transaction)

    return make


def first(router):
    [hop, *_others] = router.hops(router.routes("a.test")[0])
    return hop.nexthop, effective_policy(router, hop).level


def test_tables_before_the_change(change):
    assert first(change(policy="[old.test] none\n")) == ("[old.test]", "encrypt")


def test_main_cf_before_the_change(change):
    assert first(change(**{"main.cf": "relayhost = [new.test]\n"})) == ("[old.test]", "encrypt")


def test_a_file_that_the_change_creates(change, tmp_path):
    router = change(
        senders="@a.test [s.test]\n", **{"main.cf": f"sender_dependent_relayhost_maps = texthash:{tmp_path}/senders\n"}
    )
    assert router.tables.entries(f"texthash:{tmp_path}/senders") == {}


def test_a_configuration_that_postfix_could_not_read(change, tmp_path):
    change(**{"main.cf": "relayhost = [new.test]\n"})
    [transaction] = store.open_transactions(str(tmp_path))
    with open(transaction.copy(transaction.files[0].before), "w", encoding="utf-8") as file:
        file.write("no assignment\n")
    assert previous_router(Instance(str(tmp_path)), transaction) is None
