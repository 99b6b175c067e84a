# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model import migrations, parameters

CACHE = "smtp_tls_session_cache_database"


@pytest.mark.parametrize(
    ("explicit", "declared", "expected"),
    [
        ({}, [], {}),
        ({"smtp_tls_security_level": "may", "myhostname": "mx"}, [], {}),
        ({"smtpd_use_tls": "yes", "smtp_use_tls": "yes"}, [], {"smtp_use_tls": None, "smtpd_use_tls": None}),
        ({"smtpd_use_tls": "yes"}, ["smtpd_use_tls"], {}),
        ({CACHE: "btree:${queue_directory}/smtp_scache"}, [], {CACHE: None}),
        ({CACHE: "btree:$queue_directory/smtp_scache"}, [], {CACHE: None}),
        ({CACHE: "btree:${data_directory}/smtp_scache"}, [], {}),
        ({CACHE: "btree:${queue_directory}/smtp_scache"}, [CACHE], {}),
        (
            {"smtpd_tls_session_cache_database": "btree:${data_directory}/smtpd_scache"},
            [],
            {"smtpd_tls_session_cache_database": None},
        ),
    ],
)
def test_migrations(explicit, declared, expected):
    assert migrations.migrations(explicit, declared) == expected


@pytest.mark.parametrize("name", migrations.OBSOLETE)
def test_what_is_obsolete_is_a_parameter(name):
    assert parameters.find_parameter(name) is not None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("hash:/a", "lmdb:/a"),
        ("proxy:hash:/a, texthash:/b", "proxy:lmdb:/a, texthash:/b"),
        (
            "check_client_access hash:${config_directory}/a, reject",
            "check_client_access lmdb:${config_directory}/a, reject",
        ),
        ("unionmap:{hash:/a, btree:/b}", "unionmap:{lmdb:/a, btree:/b}"),
        ("!hash:$config_directory/a", "!lmdb:$config_directory/a"),
        ("inline:{hash=a}", "inline:{hash=a}"),
    ],
)
def test_tables_of_a_lost_type(value, expected):
    assert migrations.retyped_maps(value, {"hash"}, "lmdb") == expected


def test_the_files_of_tables():
    found = migrations.berkeley_tables("unionmap:{hash:/a, hash:${config_directory}/b}", {"hash"})
    assert found == [("hash", "/a"), ("hash", "${config_directory}/b")]
