# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from functools import partial

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._checks import files as files_checks
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

DEFAULTS = {"mail_owner": "postfix", "queue_directory": "/q"}
FILE, EMPTY, DIRECTORY = 0o100644, 0o100645, 0o040755


class Host:
    """A host with a few files; mail_owner may not read what has ``secret`` in its name."""

    files = {
        "/f": FILE, "/empty": EMPTY, "/d": DIRECTORY, "/t": FILE, "/t.db": FILE, "/text": FILE, "/secret": FILE,
        "/secret.db": FILE, "/secret-d": DIRECTORY, "/q/private/auth": FILE,
    }  # fmt: skip

    def status(self, path):
        mode = self.files.get(path)
        return os.stat_result((mode, 0, 0, 0, 0, 0, 0 if mode == EMPTY else 9, 0, 0, 0)) if mode else None

    def readable_by(self, path, user):
        return user != "postfix" or "secret" not in path


configuration = partial(built, DEFAULTS)


def found(name, value, created_files=(), **parameters):
    built = configuration(f"{name} = {value}\n", created_files=created_files, **{name: value, **parameters})
    return [(problem.check, problem.cause) for problem in files_checks.file_findings(built, Host())]


@pytest.mark.parametrize(
    ("name", "value", "check", "words"),
    [
        ("smtp_tls_CAfile", "/nowhere", "missing_file", "/nowhere"),
        ("smtp_tls_CAfile", "/d", "wrong_file", "a directory"),
        ("smtp_tls_CAfile", "/empty", "wrong_file", "is empty"),
        ("smtp_tls_CApath", "/f", "wrong_file", "is not a directory"),
        ("smtp_tls_CApath", "/secret-d", "unreadable_file", "postfix"),
        ("smtp_tls_CApath", "/nowhere", "missing_file", "/nowhere"),
        ("queue_directory", "/nowhere", "missing_file", "/nowhere"),
        ("smtp_tls_trust_anchor_file", "/f /secret", "unreadable_file", "/secret"),
        ("smtpd_tls_chain_files", "/f, relative", "missing_file", "/q/relative"),
        ("transport_maps", "hash:/nowhere", "missing_table", "/nowhere.db"),
        ("transport_maps", "hash:/f", "missing_table", "not compiled"),
        ("transport_maps", "texthash:/nowhere", "missing_table", "/nowhere"),
        ("transport_maps", "lmdb:/t", "unknown_table_type", "postfix-lmdb"),
        ("transport_maps", "hahs:/t", "unknown_table_type", "'hahs'"),
        ("transport_maps", "proxy:hash:/secret", "unreadable_file", "proxymap(8) reads"),
        ("transport_maps", "unionmap:{static:a, hash:/nowhere}", "missing_table", "/nowhere.db"),
        ("transport_maps", "proxy:pipemap:{hash:/t, hash:/nowhere}", "missing_table", "/nowhere.db"),
        ("mynetworks", "127.0.0.0/8 cidr:/nowhere", "missing_table", "/nowhere"),
        ("mynetworks", "127.0.0.0/8 !/nowhere", "missing_file", "/nowhere"),
        ("smtpd_client_restrictions", "check_client_access hash:/nowhere, permit", "missing_table", "/nowhere.db"),
        ("smtp_tls_session_cache_database", "lmdb:/nowhere", "unknown_table_type", "lmdb"),
    ],
)
def test_what_is_not_as_it_must_be(name, value, check, words):
    [(seen, cause)] = found(name, value)
    assert seen == check and words in cause


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("smtp_tls_CAfile", "/f"),
        ("smtp_tls_CAfile", "/secret"),
        ("smtpd_tls_cert_file", "none"),
        ("smtp_tls_CApath", "/d"),
        ("smtp_tls_trust_anchor_file", "/f"),
        ("data_directory", "/nowhere"),
        ("transport_maps", "hash:/t, texthash:/text, static:x, inline:{a=b}"),
        ("transport_maps", "hash:/secret"),
        ("transport_maps", "proxy:hash:/t"),
        ("mynetworks", "127.0.0.0/8 [::1]/128 fe80::/10 /f"),
        ("smtp_tls_session_cache_database", "hash:/nowhere"),
        ("smtpd_client_restrictions", "reject_rbl_client a:b, check_policy_service unix:/nowhere"),
    ],
)
def test_what_is_as_it_must_be(name, value):
    assert found(name, value) == []


def test_files_of_the_same_transaction_are_there():
    assert found("transport_maps", "hash:/new", created_files=["/new", "/new.db"]) == []
    assert found("smtpd_tls_chain_files", "/new.pem", created_files=["/new.pem"]) == []


def test_berkeley_db_that_is_redirected():
    assert found("transport_maps", "btree:/t", non_bdb_migration_level="enable-redirect") == []


@pytest.mark.parametrize(
    ("path", "checks"), [("private/auth", []), ("private/nothing", ["missing_file"]), ("inet:1", [])]
)
def test_sockets_of_dovecot(path, checks):
    parameters = {"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot"}
    assert [check for check, _cause in found("smtpd_sasl_path", path, **parameters)] == checks
