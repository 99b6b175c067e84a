# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model import passwords
from ansible_collections.mailops.postfix.plugins.module_utils._model.effective_policy import EffectivePolicy
from ansible_collections.mailops.postfix.plugins.module_utils._model.passwords import (
    listed_keys,
    may_be_in_clear,
    password_key,
)
from ansible_collections.mailops.postfix.plugins.module_utils._model.routing import Hop, Router, TableLookup
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

MASTER_CF = (
    "smtp unix - - n - - smtp\nquiet unix - - n - - smtp -o smtp_sasl_auth_enable=no\nlocal unix - - n - - local\n"
)
TABLES = {
    "hash:/p": {"[prov.test]:587": "a", "hub.test": "b", "alice@a.test": "c", "@b.test": "d", "direct.test": "e"},
    "hash:/q": {"[other.test]": "f"},
}
BASE = {"smtp_sasl_auth_enable": "yes", "smtp_sasl_password_maps": "hash:/p, proxy:hash:/q"}
BY_SENDER = {"smtp_sender_dependent_authentication": "yes"}


def router(**parameters):
    return Router(built({}, master_cf=MASTER_CF, **{**BASE, **parameters}), TableLookup(TABLES))


def hop(nexthop, transport="smtp", protocol="smtp"):
    return Hop(transport, nexthop, "relayhost", True, protocol)


@pytest.mark.parametrize(
    ("nexthop", "sender", "parameters", "key"),
    [
        ("[prov.test]:587", None, {}, "[prov.test]:587"),
        ("[PROV.test]:587", None, {}, "[PROV.test]:587"),
        ("[prov.test]:465", None, {}, ""),
        ("[hub.test]:587", None, {}, "hub.test"),
        ("[hub.test]", None, {}, "hub.test"),
        # Its mail exchangers are looked up, and the next hop as it is written.
        ("hub.test:587", None, {}, ""),
        ("direct.test", None, {}, "direct.test"),
        ("[other.test]", None, {}, "[other.test]"),
        ("[other.test]", "alice@a.test", {}, "[other.test]"),
        ("[other.test]", "alice@a.test", BY_SENDER, "alice@a.test"),
        ("[nowhere.test]", "x@b.test", BY_SENDER, "@b.test"),
        ("[nowhere.test]", "", BY_SENDER, ""),
        ("[prov.test]:587", None, {"smtp_sasl_auth_enable": "no"}, ""),
        ("[any.test]", None, {"smtp_sasl_password_maps": "static:user:secret"}, "[any.test]"),
    ],
)
def test_the_key_of_a_password(nexthop, sender, parameters, key):
    assert password_key(router(**parameters), hop(nexthop), sender) == key


def test_transports_that_do_not_authenticate():
    assert password_key(router(), hop("[prov.test]:587", "quiet")) == ""
    assert password_key(router(), hop("prov.test", "local", "")) == ""


@pytest.mark.parametrize(
    ("level", "options", "expected"),
    [
        ("may", "", True),
        ("none", "noanonymous", True),
        ("dane", "noanonymous", True),
        ("may", "noplaintext, noanonymous", False),
        ("encrypt", "", False),
        ("secure", "", False),
        ("invalid", "", False),
        ("", "", False),
    ],
)
def test_a_password_in_clear(level, options, expected):
    configured = router(smtp_sasl_security_options=options)
    assert may_be_in_clear(configured, hop("[prov.test]:587"), EffectivePolicy(level)) is expected


def test_listed_keys():
    assert listed_keys(router(), hop("[x.test]"))["[other.test]"] == "hash:/q"
    assert listed_keys(router(smtp_sasl_password_maps="ldap:/l"), hop("[x.test]")) is None


@pytest.mark.parametrize(
    ("table", "unasked"),
    [
        ("static:user:secret", True),
        ("unionmap:{static:user:secret, hash:/x}", True),
        ("pipemap:{hash:/x, inline:{a=b}}", True),
        ("inline:{a=b}", False),
        ("hash:/etc/postfix/static", False),
    ],
)
def test_a_table_whose_name_is_a_password_is_not_asked(table, unasked):
    """Its name would be an argument of postmap(1)."""
    assert passwords.is_unasked(table) is unasked
