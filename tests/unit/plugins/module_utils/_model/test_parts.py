# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of a configuration: what changes them, and what does not."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model import parts
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

SERVICE = "smtp inet n - y - - smtpd -o smtpd_tls_security_level=may\n  -o mynetworks=cidr:/etc/postfix/nets\n"


def differing(before, after):
    return {name for name in {**before, **after} if before.get(name) != after.get(name)}


@pytest.mark.parametrize(
    ("main_cf", "master_cf", "names"),
    [
        ("mynetworks = 0.0.0.0/0\n", SERVICE, {"parameter mynetworks"}),
        ("", SERVICE, {"parameter mynetworks"}),
        ("mynetworks = 127.0.0.0/8\nmy_own = 1\n", SERVICE, {"parameter my_own"}),
        ("# comment\n\nmynetworks =\n  127.0.0.0/8\n", SERVICE, set()),
        ("mynetworks = 127.0.0.0/8\n", "# comment\n" + SERVICE.replace("\n  ", " "), set()),
        (
            "mynetworks = 127.0.0.0/8\n",
            SERVICE.replace("=may", "=none"),
            {"option smtpd_tls_security_level of service smtp/inet"},
        ),
        ("mynetworks = 127.0.0.0/8\n", SERVICE.replace("n - y", "n - n"), {"service smtp/inet"}),
        ("mynetworks = 127.0.0.0/8\n", SERVICE + "2525 inet n - y - - smtpd\n", {"service 2525/inet"}),
        ("mynetworks = 127.0.0.0/8\n", SERVICE.replace("smtpd ", "smtpd -v "), {"service smtp/inet"}),
        (
            "mynetworks = 127.0.0.0/8\nmaster_service_disable = smtp/inet\n",
            SERVICE,
            {"parameter master_service_disable"},
        ),
    ],
)
def test_parts(main_cf, master_cf, names):
    before = parts.text_parts(built({}, main_cf="mynetworks = 127.0.0.0/8\n", master_cf=SERVICE))
    assert differing(before, parts.text_parts(built({}, main_cf=main_cf, master_cf=master_cf))) == names


@pytest.mark.parametrize(
    ("main_cf", "paths"),
    [
        ("transport_maps = hash:/etc/postfix/transport\n", {"/etc/postfix/transport", "/etc/postfix/transport.db"}),
        ("transport_maps = proxy:cdb:$config_directory/t\n", {"/etc/postfix/t", "/etc/postfix/t.cdb"}),
        ("transport_maps = lmdb:${config_directory}/t\n", {"/etc/postfix/t", "/etc/postfix/t.lmdb"}),
        ("virtual_alias_maps = ldap:/etc/postfix/ldap.cf, static:x\n", {"/etc/postfix/ldap.cf"}),
        ("virtual_alias_maps = unionmap:{inline:{a=b},hash:/etc/u}\n", {"/etc/u", "/etc/u.db"}),
        ("mynetworks = 127.0.0.0/8, /etc/postfix/nets, !10.0.0.0/8\n", {"/etc/postfix/nets"}),
        ("smtpd_recipient_restrictions = check_client_access cidr:/etc/c, reject\n", {"/etc/c"}),
        ("smtpd_tls_chain_files = /etc/a.pem, /etc/b.pem\n", {"/etc/a.pem", "/etc/b.pem"}),
        ("my_own = check_sender_access regexp:/etc/r\n", {"/etc/r"}),
        ("relayhost = [hub.example.org]:587\n", set()),
        # Files that Postfix itself writes
        ("smtpd_tls_session_cache_database = btree:/var/lib/postfix/smtpd_scache\n", set()),
        ("address_verify_map = btree:/var/lib/postfix/verify\n", set()),
        ("postscreen_cache_map = btree:/var/lib/postfix/ps\n", set()),
        ("tls_random_exchange_name = /var/lib/postfix/prng_exch\n", set()),
        ("maillog_file = /var/log/maillog\n", set()),
    ],
)
def test_files_that_main_cf_names(main_cf, paths):
    configuration = built({"config_directory": "/etc/postfix"}, main_cf=main_cf, master_cf="")
    assert set(parts.named_files(configuration)) == paths


def test_files_that_master_cf_names():
    configuration = built(
        {}, master_cf=SERVICE + "filter unix - n n - - pipe user=f argv=/usr/local/bin/filter -f ${sender}\n"
    )
    assert set(parts.named_files(configuration)) == {"/etc/postfix/nets", "/usr/local/bin/filter"}


def test_aliases_are_named_by_default():
    configuration = built({"alias_maps": "hash:/etc/aliases, nis:mail.aliases"}, master_cf="")
    assert set(parts.named_files(configuration)) == {"/etc/aliases", "/etc/aliases.db"}


def test_the_settings_of_parts():
    main_cf = "mynetworks = cidr:/etc/postfix/nets\ntransport_maps = hash:/etc/t\nrelayhost =\n"
    configuration = built({}, main_cf=main_cf, master_cf=SERVICE)

    def settings(*names):
        return parts.settings_of_parts(configuration, names)

    assert settings("parameter relayhost") == {("main", "relayhost")}
    assert settings("parameter gone") == {("main", "gone")}
    assert settings("/etc/t.db") == settings("/etc/t") == {("main", "transport_maps")}
    assert settings("/etc/postfix/nets") == {("main", "mynetworks"), ("smtp/inet", "mynetworks")}
    assert settings("option mynetworks of service smtp/inet") == {("smtp/inet", "mynetworks")}
    assert {("smtp/inet", "command"), ("smtp/inet", "mynetworks")} < settings("service smtp/inet")
    assert settings("service gone/inet") == set()
