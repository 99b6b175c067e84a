# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.mailops.postfix.plugins.module_utils._model.restrictions import (
    Restriction,
    restrictions,
    table_words,
)


def test_restrictions():
    value = "PERMIT_MYNETWORKS reject_rbl_client x:y my_class hash:/b warn_if_reject check_sender_access hash:/c reject"
    assert list(restrictions(value.split(), "check_client_access")) == [
        Restriction("permit_mynetworks"),
        Restriction("reject_rbl_client", "x:y"),
        Restriction("my_class"),
        Restriction("check_client_access", "hash:/b"),
        Restriction("check_sender_access", "hash:/c", warns_only=True),
        Restriction("reject"),
    ]


def test_tables_in_restrictions():
    value = "check_client_access hash:/a, reject_rbl_client x:y, hash:/b, check_policy_service inet:1:2, check_helo_access /c"
    assert list(table_words(value)) == ["hash:/a", "hash:/b"]
