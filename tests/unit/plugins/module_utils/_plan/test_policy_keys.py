# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of policies for domains and hosts; the rest of it: test_tls_policy."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan import configuration
from ansible_collections.mailops.postfix.plugins.module_utils._plan.policy_keys import PolicyKeys, Surroundings


def keys(directory, texts=None):
    instance = Instance(str(directory.path))
    return PolicyKeys(Surroundings(instance, instance, texts or {}), f"hash:{directory.path}/tls_policy")


def test_the_keys_of_a_host_are_its_next_hops(tables):
    tables.main_cf(relayhost="[hub.test]:587")
    assert keys(tables).keys_of_host("hub.test", present=True) == ["[hub.test]:587"]
    assert keys(tables).keys_of_host("hub.test", present=False) == ["[hub.test]:587", "hub.test", "[hub.test]"]
    with pytest.raises(DeclarationError, match="has a next hop on this host"):
        keys(tables).keys_of_host("other.test", present=True)


def test_texts_that_are_planned_count(tables):
    tables.main_cf(transport_maps="texthash:$config_directory/transport")
    texts = {f"{tables.path}/transport": b"x.test smtp:[mx.test]:26\n"}
    assert keys(tables, texts).keys("x.test", direct=False, present=True) == ["[mx.test]:26"]


def test_a_direct_route_of_a_configuration_is_in_its_own_directory(tables):
    """Also where the configuration is read from its staged copy."""
    tables.write("transport", "* smtp:[other.test]\n")
    tables.main_cf(relayhost="[hub.test]", transport_maps="hash:$config_directory/transport")
    (tables.path / "master.cf").write_text("smtp unix - - n - - smtp\n")
    policy = {"domain": "x.test", "level": "encrypt", "route": "direct"}
    options = {"main_cf": {"biff": "no"}, "tls_policy": {"policies": [policy]}}
    plan = configuration.configuration(Instance(str(tables.path)), options)
    assert {change.path for change in plan.changes} == {
        f"{tables.path}/{name}" for name in ("tls_policy", "tls_policy.db", "transport", "transport.db", "main.cf")
    }
