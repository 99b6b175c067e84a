# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables that a role does not have, with the names of the real roles."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.lookup import role_values
from ansible_collections.mailops.postfix.plugins.plugin_utils import _role_names

ROLES = ("letsencrypt", "mta_relay", "postfix_instance", "roadwarrior", "smarthost")


def faults(role, *names, ignored=()):
    expected = {*role_values.options_of(role), *ignored}
    return list(
        _role_names.unknown_variable_faults(
            role, expected, names, lambda: {name: role_values.options_of(name) for name in ROLES}
        )
    )


@pytest.mark.parametrize(
    ("name", "right"),
    [
        # letters that are swapped, missing, or too many
        ("mta_relay_tls_polcies", "mta_relay_tls_policies"),
        ("roadwarrior_pisn", "roadwarrior_pins"),
        ("letsencrypt_certifcates", "letsencrypt_certificates"),
        # singular and plural
        ("mta_relay_certificate", "mta_relay_certificates"),
        ("smarthost_tls_policy", "smarthost_tls_policies"),
        ("roadwarrior_ports", "roadwarrior_port"),
        # misspelt prefixes
        ("roadwarior_domains", "roadwarrior_domains"),
        ("smart_host_fleet", "smarthost_fleet"),
        ("mta_relays_main_cf", "mta_relay_main_cf"),
        # upper case
        ("MTA_RELAY_EXTRA_CAS", "mta_relay_extra_cas"),
        ("smarthost_Hostname", "smarthost_hostname"),
        # hyphens
        ("postfix-instance-main-cf", "postfix_instance_main_cf"),
        ("roadwarrior-smarthost", "roadwarrior_smarthost"),
        # words that are joined, separated or missing
        ("mta_relay_maincf", "mta_relay_main_cf"),
        ("smarthost_log_level", "smarthost_loglevel"),
        ("postfix_instance_config_dir", "postfix_instance_config_directory"),
        # more words, or fewer
        ("roadwarrior_smarthost_pins", "roadwarrior_pins"),
        ("mta_relay_security_level", "mta_relay_tls_security_level"),
        ("smarthost_relay_clients", "smarthost_clients"),
        # keys of dictionaries
        ("mta_relay_private_key", "the key private_key of mta_relay_certificates"),
        ("smarthost_next_hops", "the key next_hops of smarthost_verify"),
        # variables of another role
        ("mta_relay_sasl_type", "smarthost_sasl_type"),
        ("roadwarrior_extra_cas", "mta_relay_extra_cas and smarthost_extra_cas"),
        ("postfix_instance_fleet", "smarthost_fleet"),
        # parameters of Postfix
        ("mta_relay_relayhost", "the parameter relayhost in mta_relay_main_cf"),
        ("smarthost_smtpd_tls_security_level", "the parameter smtpd_tls_security_level in smarthost_main_cf"),
        ("postfix_instance_mynetworks", "the parameter mynetworks in postfix_instance_main_cf"),
        # the name of a dictionary and its key in one
        ("smarthost_verify_next_hops", "smarthost_verify"),
        ("mta_relay_tls_policies_exclusive", "mta_relay_tls_policies"),
        ("postfix_instance_ca_bundle_extra", "postfix_instance_ca_bundle"),
    ],
)
def test_a_name_is_refused_with_the_right_name(name, right):
    plain = name.lower().replace("-", "_")
    role = next(role for role in ROLES if _role_names.distance(plain[: len(role)], role) <= _role_names.MISSPELT)
    [message] = faults(role, name)
    assert message.startswith(f"{name}: the role {role} does not have this variable. ")
    assert f" {right}?" in message or f"It is like {right}, which" in message
    assert message.endswith(f"add it to {role}_ignored_variables")
    assert faults(role, name, ignored=[name]) == []


# The variables of the roles systemli.letsencrypt and thefinn93.letsencrypt
OTHER_ROLES = """
    setup account account_email cert http_auth webroot_path webserver_groupname dns_challenge ddns_server ddns_zone ddns_key ddns_privkey group
    reuse_key subset_names opts_extra directory test

    src_directory venv cert_domains authenticator command rsa_key_size renewal_frequency renewal_command_args install_directory
"""


def test_variables_of_other_roles_with_the_same_prefix():
    assert faults("letsencrypt", *(f"letsencrypt_{name}" for name in OTHER_ROLES.split())) == []


@pytest.mark.parametrize(
    "name",
    ["lets_encrypt_email", "letsencrypt_emails_of_others", "letsencrypt_dns_credentials", "letsencrypt_server_name"],
)
def test_a_prefix_that_other_roles_use(name):
    assert faults("letsencrypt", name) == []


@pytest.mark.parametrize("role", ROLES)
def test_names_that_are_not_meant_for_a_role(role):
    others = [name for other in ROLES if other != role for name in role_values.options_of(other)]
    internal = [f"__{name}" for name in role_values.options_of(role)]
    assert faults(role, *others, *internal, "relay_main_cf", "smart_hosts", "road", "ansible_host", "mta_relays") == []


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [("", "", 0), ("a", "", 1), ("ab", "ba", 1), ("dane", "dan", 1), ("kitten", "sitting", 3), ("abc", "cab", 2)],
)
def test_distance(one, other, edits):
    assert {_role_names.distance(*pair) for pair in ((one, other), (other, one))} == {edits}
