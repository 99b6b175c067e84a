# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which values are secret, and what is shown in their place. That no output has them: molecule/policy and the tests of the modules."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model import secrets

PASSWORDS = "smtp_sasl_password_maps"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        (PASSWORDS, "static:apikey:SG.a$1b$", "static:********"),
        (PASSWORDS, "static:{user pass}", "static:********"),
        (PASSWORDS, "static:user pass", "static:********, ********"),
        (PASSWORDS, "inline:{a=b c, d=e}", "inline:********"),
        (PASSWORDS, "unionmap:{static:a:b, hash:/etc/x}", "unionmap:********"),
        (PASSWORDS, "proxy:static:a:b", "proxy:static:********"),
        (PASSWORDS, "user:password", "********"),
        (PASSWORDS, "hash:/etc/postfix/sasl_passwd, static:a:b", "hash:/etc/postfix/sasl_passwd, static:********"),
        ("lmtp_sasl_password_maps", "static:a:b", "static:********"),
        ("relay_secret", "hunter2", "********"),
        ("relayhost", "[user:pa:ss@hub.test]:587", "[********@hub.test]:587"),
        ("relayhost", "user@mail.test:p@ss@hub.test:587", "********@hub.test:587"),
        ("transport_maps", "hash:/a, static:smtp:[a:b@hub.test]", "hash:/a, static:********@hub.test]"),
        ("virtual_alias_maps", "ldap://admin:pass@ldap.test", "ldap://********@ldap.test"),
        # not secrets
        (PASSWORDS, "hash:/etc/postfix/sasl_passwd", "hash:/etc/postfix/sasl_passwd"),
        (
            PASSWORDS,
            "proxy:mysql:$config_directory/passwords.cf,\n ldap:x.cf",
            "proxy:mysql:$config_directory/passwords.cf, ldap:x.cf",
        ),
        (PASSWORDS, "", ""),
        ("smtp_sasl_password_result_delimiter", ":", ":"),
        ("smtp_tls_security_level", "may", "may"),
        ("relayhost", "[fe80::1]:25, [hub.test]:587", "[fe80::1]:25, [hub.test]:587"),
        ("recipient_bcc_maps", "static:archive@example.test", "static:archive@example.test"),
    ],
)
def test_what_is_shown_of_a_value(name, value, shown):
    result = secrets.shown_value(name, value)
    assert result == shown or result.replace(", ", " ") == shown.replace(", ", " ")
    assert bool(secrets.secret_words(name, value)) == (secrets.HIDDEN in shown)


def test_another_secret_is_told_apart():
    assert secrets.shown_value(PASSWORDS, "static:a", "static:b") == "static:******** (other value)"
    assert secrets.shown_value(PASSWORDS, "static:a", "static:a") == "static:********"
    assert secrets.shown_value("relayhost", "a:b@h", "a:c@h") == "******** (other value)@h"
    assert secrets.shown_value("own", "a", "b", ["own"]) == "******** (other value)"


def test_a_message_about_a_value_can_be_made_without_its_secrets():
    assert secrets.masked("relayhost", "user:pass@hub:x") == "********@hub:x"


def test_credentials_of_next_hops_in_messages_and_results():
    value = {"routes": ["through [user:pa:s@s@hub.test]:587 to user@test", ["[fe80::1]:25"], None, 1]}
    shown = {"routes": ["through [********@hub.test]:587 to user@test", ["[fe80::1]:25"], None, 1]}
    assert secrets.without_credentials(value) == shown


def test_what_a_secret_refers_to_is_secret():
    found = secrets.Secrets(
        {PASSWORDS: "static:$credentials", "credentials": "${user}:hunter22", "user": "alice99", "other": "x"},
        {PASSWORDS: "hash:$config_directory/p", "config_directory": "/etc/postfix"},
    )
    assert found.names == {"credentials", "user"}
    assert "/etc/postfix" not in found.words and {"alice99", "${user}:hunter22"} <= set(found.words)


def test_what_another_program_prints_is_cut():
    found = secrets.Secrets({PASSWORDS: "static:apikey:SG.a$1b$"})
    text = 'postconf: warning: empty macro name: "static:apikey:SG.a$1b$"\npostconf: fatal: macro processing error'
    assert found.cut(text) == (
        'postconf: warning: empty macro name: "static:********\npostconf: fatal: macro processing error'
    )
    assert found.cut("expanded: SG.a1b, and more") == "expanded: SG.a1b, and more"
    assert found.cut("quoted: ikey:SG.?????") == "quoted: ********"


def test_a_short_secret_does_not_cut_words():
    found = secrets.Secrets({PASSWORDS: "static:a"})
    assert found.cut("postconf: fatal: a message") == "postconf: fatal: a message"


def test_main_cf():
    before = b"smtp_sasl_password_maps = static:old:value\n"
    text = b"# smtp_sasl_password_maps = static:u:p\nown = v\na = b\nsmtp_sasl_password_maps =\n  static:u:p\n# c\n  hash:/x\nb = c\n"
    assert secrets.shown_main_cf(text, {"own"}, before) == (
        b"# smtp_sasl_password_maps = static:********\nown = ********\na = b\n"
        b"smtp_sasl_password_maps = static:******** (other value), hash:/x\n# c\nb = c\n"
    )
    assert secrets.shown_main_cf(b"a = b\n\n# c = d\n") == b"a = b\n\n# c = d\n"
    assert secrets.shown_main_cf(b"hunter2\n") == b"********\n"  # which Postfix can't read


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("smtp -o smtp_sasl_password_maps=static:u:p -o a=b", "smtp -o smtp_sasl_password_maps=static:******** -o a=b"),
        ("smtp -osmtp_sasl_password_maps=static:u:p", "smtp -osmtp_sasl_password_maps=static:********"),
        ("smtp -vo smtp_sasl_password_maps=static:{u p}\n", "smtp -vo smtp_sasl_password_maps=static:********\n"),
        (
            "smtp -o { smtp_sasl_password_maps = static:u p } -v",
            "smtp -o { smtp_sasl_password_maps = static:********, ******** } -v",
        ),
        ("smtp -o { relayhost = a:b@h }", "smtp -o { relayhost = ********@h }"),
        ("pipe argv=/bin/x --password=foo -x", "pipe argv=/bin/x --password=******** -x"),
        (
            "smtp -o smtp_sasl_password_maps=hash:/x -o syslog_name=a/b",
            "smtp -o smtp_sasl_password_maps=hash:/x -o syslog_name=a/b",
        ),
    ],
)
def test_master_cf(text, shown):
    assert secrets.shown_master_cf(text) == shown


def test_another_secret_in_master_cf():
    old, new = (f"smtp -o smtp_sasl_password_maps=static:{word}" for word in ("u:p", "u:q"))
    assert "(other value)" in secrets.shown_master_cf(new, before=old)
    assert "(other value)" not in secrets.shown_master_cf(old, before=old)


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"server_host = ldap.test\nbind_pw = hunter2\n", True),
        (b"user = postfix\npassword = hunter2\n", True),
        (b"-----BEGIN PRIVATE KEY-----\n", True),
        (b"[Unit]\nDescription = sends the password on\n", False),
    ],
)
def test_files_with_passwords(content, secret):
    assert secrets.holds_password(content) is secret


def test_the_options_of_a_module():
    known = {
        "path",
        "entries",
        "mode",
        "lookup_tables",
        "files",
        "content",
        "main_cf",
        "master_cf",
        "service",
        "options",
        "command",
        "overrides",
    }
    options = {
        "lookup_tables": [{"path": "p", "mode": "0600", "entries": {"k": "user:hunter2", "gone": None}}, "hunter2"],
        "files": [{"path": "x", "content": "hunter2", "contents": "hunter2"}],
        "main_cf": {PASSWORDS: "static:$own", "own": "hunter2", "a": True, "b": ["x", "y"], "relayhost": None},
        "master_cf": [
            {"service": "smtp/unix", "command": "smtp -o my_password=hunter2", "options": {PASSWORDS: "static:hunter2"}}
        ],
        "overrides": {"main_cf": "hunter2", "lookup_tables": [{"entries": "k hunter2"}]},
        "entriess": {"k": "hunter2"},
    }
    shown = secrets.shown_options(options, known)
    assert "hunter2" not in str(shown)
    assert shown["lookup_tables"][0] == {"path": "p", "mode": "0600", "entries": {"k": "********", "gone": None}}
    assert shown["main_cf"] == {
        PASSWORDS: "static:********",
        "own": "********",
        "a": True,
        "b": "x, y",
        "relayhost": None,
    }
    assert shown["files"] == [{"path": "x", "content": "********", "contents": "********"}]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("default_transport", "error:postmaster@example.org is closed", []),
        ("local_transport", "maildrop:alice@example.org", []),
        ("content_filter", "filter:alice@example.org", []),
        ("default_transport", "smtp:[alice:S3cret@hub.example.org]:587", ["alice:S3cret"]),
        ("default_transport", "smtp:alice:S3cret@hub.example.org", ["alice:S3cret"]),
        ("relayhost", "alice:S3cret@hub.example.org", ["alice:S3cret"]),
    ],
)
def test_a_transport_with_an_address_is_no_user_with_a_password(name, value, expected):
    assert secrets.secret_words(name, value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "inline:{alice@example.net=[hub.example.test]}",
        "inline:{ alice@example.net = [hub.example.test]:587, @a.test = b }",
        "hash:/etc/postfix/a@b",
        "proxy:ldap:/etc/postfix/a@b, regexp:{{/x@y/ [hub.example.test]}}",
        "pcre:{{/^(.*)@example.net$/ [hub.example.test]}}",
    ],
)
def test_a_table_with_an_address_is_no_user_with_a_password(value):
    assert secrets.secret_words("sender_dependent_relayhost_maps", value) == []
    assert secrets.masked("sender_dependent_relayhost_maps", value) == value
    inline = "inline:{alice@example.net=[bob:S3cret@hub.example.test]}"
    assert secrets.secret_words("sender_dependent_relayhost_maps", inline) != []
