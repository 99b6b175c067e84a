# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What certbot has to be told, and that an unchanged declaration needs nothing."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.filter.certbot_request import certbot_request
from ansible_collections.mailops.postfix.plugins.plugin_utils import _certbot

SETTINGS = {"program": "certbot", "email": None, "server": None, "staging": False}
NAMES = "X509v3 Subject Alternative Name: \n    DNS:mx1.example.org, DNS:mail.example.org\n"
DECLARED = {"name": "mx1", "domains": ["mail.example.org", "mx1.example.org"]}

# As certbot 2.1 writes it
RECORD = """\
# renew_before_expiry = 30 days
version = 2.1.0
archive_dir = /etc/letsencrypt/archive/mx1
cert = /etc/letsencrypt/live/mx1/cert.pem

# Options used in the renewal process
[renewalparams]
account = 5b1ac
authenticator = standalone
server = https://acme-v02.api.letsencrypt.org/directory
key_type = ecdsa
"""


def record(*lines, **replaced):
    """A renewal configuration with other values of options, and more lines."""
    text = RECORD
    for name, value in replaced.items():
        text = "".join(
            f"{name} = {value}\n" if line.startswith(f"{name} = ") else line for line in text.splitlines(keepends=True)
        )
    return text + "".join(f"{line}\n" for line in lines)


def differences(declared=None, text=RECORD, names=NAMES, **settings):
    return certbot_request({**DECLARED, **(declared or {})}, {**SETTINGS, **settings}, text, names)["differences"]


BY_DNS = {"challenge": "dns-ovh", "dns_credentials": {"dns_ovh_endpoint": "x"}, "dns_propagation_seconds": 5}
DNS_LINES = ("dns_ovh_credentials = /etc/letsencrypt/credentials/mx1.ini", "dns_ovh_propagation_seconds = 5")
STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"


@pytest.mark.parametrize(
    ("declared", "text", "settings"),
    [
        ({}, RECORD, {}),
        ({"reuse_key": True}, record("reuse_key = True"), {}),
        ({"reuse_key": True}, record("reuse_key = True", "[[webroot_map]]", "mx1.example.org = /srv"), {}),
        ({"reuse_key": False}, record("reuse_key = False"), {}),
        ({"domains": ["MX1.Example.ORG", "mail.example.org"]}, RECORD, {}),
        ({"domains": ["mx1.example.org", "mail.example.org", "MX1.example.org"]}, RECORD, {}),
        ({"key_type": "ecdsa"}, RECORD, {}),
        (
            {"challenge": "webroot", "webroot": "/srv"},
            record("webroot_path = /srv,", authenticator="webroot"),
            {},
        ),
        (BY_DNS, record(*DNS_LINES, authenticator="dns-ovh"), {}),
        ({}, record(server=STAGING), {"staging": True}),
        ({}, record(server="https://acme.test/dir"), {"server": "https://acme.test/dir", "email": "a@b.c"}),
    ],
)
def test_a_second_run_changes_nothing(declared, text, settings):
    assert differences(declared, text, **settings) == []


@pytest.mark.parametrize(
    ("declared", "text", "settings", "expected"),
    [
        ({"reuse_key": True}, RECORD, {}, ["reuse_key"]),
        ({}, record("reuse_key = True"), {}, ["reuse_key"]),
        ({"domains": ["mx1.example.org"]}, RECORD, {}, ["domains"]),
        ({"domains": None}, RECORD, {}, ["domains"]),
        ({"key_type": "rsa"}, RECORD, {}, ["key_type"]),
        ({"challenge": "webroot", "webroot": "/srv"}, RECORD, {}, ["authenticator", "webroot_path"]),
        (BY_DNS, RECORD, {}, ["authenticator", "dns_ovh_credentials", "dns_ovh_propagation_seconds"]),
        ({}, RECORD, {"staging": True}, ["server"]),
    ],
)
def test_what_has_changed(declared, text, settings, expected):
    assert differences(declared, text, **settings) == expected


def test_a_certificate_that_does_not_exist():
    request = certbot_request({"name": "MX1.example.org"}, SETTINGS)
    assert request["reason"] == "it does not exist"
    assert request["differences"] == ["authenticator", "server", "domains"]
    assert request["plugin"] == request["credentials_file"] == ""
    assert request["arguments"] == [
        *("certbot", "certonly", "--non-interactive", "--agree-tos", "--cert-name", "MX1.example.org"),
        *("--domains", "mx1.example.org", "--register-unsafely-without-email"),
        *("--server", "https://acme-v02.api.letsencrypt.org/directory", "--authenticator", "standalone"),
        "--no-reuse-key",
    ]


def test_a_certificate_by_a_plugin():
    request = certbot_request({**DECLARED, **BY_DNS}, {**SETTINGS, "email": "a@example.org"}, RECORD, NAMES)
    assert (request["plugin"], request["credentials_file"]) == ("dns-ovh", "/etc/letsencrypt/credentials/mx1.ini")
    assert request["reason"].startswith("it differs in authenticator, dns_ovh_credentials")
    text = " ".join(request["arguments"])
    assert "--email a@example.org" in text
    assert "--dns-ovh-credentials /etc/letsencrypt/credentials/mx1.ini --dns-ovh-propagation-seconds 5" in text
    assert text.endswith("--no-reuse-key --force-renewal --renew-with-new-domains")


@pytest.mark.parametrize(("reuse_key", "new"), [(True, True), (False, False)])
def test_another_type_of_key(reuse_key, new):
    declared = {**DECLARED, "key_type": "rsa", "reuse_key": reuse_key}
    assert ("--new-key" in certbot_request(declared, SETTINGS, RECORD, NAMES)["arguments"]) is new


def test_a_plugin_without_credentials():
    request = certbot_request({**DECLARED, "challenge": "dns-route53"}, SETTINGS)
    assert (request["plugin"], request["credentials_file"]) == ("dns-route53", "")


def test_the_options_of_a_record():
    assert _certbot.recorded_options(RECORD)["key_type"] == "ecdsa"
    assert _certbot.recorded_options("")["reuse_key"] == "False"
