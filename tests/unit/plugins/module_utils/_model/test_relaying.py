# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model.relaying import Relaying, meaning
from ansible_collections.mailops.postfix.plugins.module_utils._model.routing import TableLookup
from ansible_collections.mailops.postfix.plugins.module_utils._model.smtp_session import Session
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

STRANGER = Session("198.51.100.7")
TABLES = {"hash:/t": {"198.51.100.7": "OK", "own.test": "reject"}}


def verdict(session=STRANGER, permissive=False, **parameters):
    configuration = built({"smtpd_relay_restrictions": "reject_unauth_destination"}, **parameters)
    return Relaying(configuration, configuration.services[0], TableLookup(TABLES)).verdict(session, permissive)


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("OK", "permitted"),
        ("ok, trailing text", None),
        ("relay", "permitted"),
        ("1700000000", "permitted"),
        ("550", "permitted"),
        ("550 No", "closed"),
        ("REJECT", "closed"),
        ("DISCARD", "closed"),
        ("defer_if_permit later", "closed"),
        ("DUNNO", ""),
        ("FILTER smtp:x", ""),
        ("permit", None),
        ("reject_unauth_destination", None),
        ("my_class", None),
    ],
)
def test_the_results_of_access_tables(value, result):
    assert meaning(value) == result


def test_a_list_that_permits_does_not_decide_for_another():
    found = verdict(
        smtpd_client_restrictions="permit", smtpd_relay_restrictions="permit_mynetworks, reject_unauth_destination"
    )
    assert not found.relays
    found = verdict(smtpd_relay_restrictions="check_client_access hash:/t, reject_unauth_destination")
    assert found.relays
    [reason] = found.reasons
    assert (reason.parameter, reason.list_name) == ("smtpd_relay_restrictions", "smtpd_relay_restrictions")
    assert reason.text == "check_client_access hash:/t, which answers OK for 198.51.100.7"


def test_what_cannot_be_judged():
    lists = "check_client_access ldap:/x, reject_unauth_destination"
    found = verdict(smtpd_relay_restrictions=lists)
    assert not found.relays and list(found.unknown) == ["check_client_access ldap:/x"]
    assert verdict(permissive=True, smtpd_relay_restrictions=lists).relays


def test_a_table_that_rejects():
    session = Session("192.0.2.7", sender="a@own.test")
    lists = "check_sender_access hash:/t, permit"
    assert not verdict(session, smtpd_sender_restrictions=lists, smtpd_relay_restrictions="permit").relays
    assert verdict(smtpd_sender_restrictions=lists, smtpd_relay_restrictions="permit").relays
