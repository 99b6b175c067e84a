# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parameters: its lookups as tables, and its contents against the Postfix that is installed here."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model import parameters
from ansible_collections.mailops.postfix.plugins.module_utils._model.parameters import CATALOGUE, find_parameter

DOCUMENTED = (3, 11)  # the newest branch that the parameters knows about
REPLACED = {name for name, parameter in CATALOGUE.items() if parameter.deprecated == (3, 11)}
KINDS = re.findall(r"^\* ([a-z_ ]+):", parameters.__doc__ or "", re.MULTILINE)


@pytest.fixture(scope="module")
def defaults() -> dict[str, str]:
    """The built-in defaults of the installed Postfix, with $name expanded."""
    postconf = shutil.which("postconf", path="/usr/sbin:/usr/local/sbin:/usr/bin:/bin")
    if postconf is None:
        pytest.fail("these tests ask the installed Postfix: install the package postfix (make setup does)")
    output = subprocess.run([postconf, "-dx"], check=True, stdout=subprocess.PIPE, timeout=60).stdout.decode()
    lines = [line.partition("=") for line in output.splitlines()]
    return {name.strip(): value.strip() for name, _equals, value in lines}


@pytest.fixture(scope="module")
def version(defaults: dict[str, str]) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", defaults["mail_version"])[:3])


# Lookups


@pytest.mark.parametrize(
    ("name", "kind", "values"),
    [
        (
            "smtp_tls_security_level",
            "enum",
            ("none", "may", "encrypt", "fingerprint", "dane", "dane-only", "verify", "secure"),
        ),
        ("smtpd_tls_security_level", "enum", ("none", "may", "encrypt")),
        ("lmtp_tls_CAfile", "file", ()),
        ("smtpd_tls_auth_only", "boolean", ()),
        ("smtpd_relay_restrictions", "restriction list", ()),
        ("smtp_tls_policy_maps", "table list", ()),
        ("tls_preempt_cipherlist", "boolean", ()),
        ("smtp_tls_mandatory_protocols", "protocols", ()),
        ("smtpd_tls_mandatory_ciphers", "cipher_grade", ("export", "low", "medium", "high", "null")),
        ("smtpd_starttls_timeout", "time", ()),
        ("inet_interfaces", "list", ()),
    ],
)
def test_find(name, kind, values):
    parameter = find_parameter(name)
    assert parameter is not None
    assert (parameter.name, parameter.kind, parameter.values) == (name, kind, values)


def test_find_nothing():
    assert find_parameter("smtp_tls_received_header") is None


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("inet_interfaces", "restart"),
        ("inet_protocols", "restart"),
        ("queue_directory", "restart"),
        ("data_directory", "restart"),
        ("daemon_directory", "restart"),
        ("config_directory", "restart"),
        ("mail_owner", "restart"),
        ("setgid_group", "restart"),
        ("maillog_file", "restart"),
        ("smtp_tls_CApath", "restart"),
        ("smtp_tls_CAfile", "reload"),
        ("compatibility_level", "reload"),
        ("relayhost", "reload"),
        ("smtpd_tls_security_level", "reload"),
        ("not_in_the_catalogue", "reload"),
    ],
)
def test_requires(name, needed):
    assert parameters.requires(name) == needed


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("smtp_tls_received_header", "smtpd_tls_received_header"),
        ("smtpd_tls_policy_maps", "smtp_tls_policy_maps"),
        ("smtpd_tls_fingerprint_cert_match", "smtp_tls_fingerprint_cert_match"),
        ("smtp_relay_restrictions", "smtpd_relay_restrictions"),
        ("lmtp_tls_auth_only", "smtpd_tls_auth_only"),
        ("smtp_tls_loglevel", "smtpd_tls_loglevel"),
        ("smtp_no_such_name", None),
        ("tls_append_default_CA", None),
        ("smtpd_", None),
        ("relayhost", None),
    ],
)
def test_other_side(name, other):
    assert parameters.other_side(name) == other


@pytest.mark.parametrize(
    ("name", "default", "kind"),
    [
        ("enable_long_queue_ids", "no", "boolean"),
        ("hopcount_limit", "50", "integer"),
        ("max_idle", "100s", "time"),
        ("readme_directory", "no", None),
        ("lmtp_tcp_port", "24", None),
        ("smtpd_forbid_bare_newline", "no", None),
        ("syslog_name", "${multi_instance_name?{$multi_instance_name}:{postfix}}", None),
        ("anything", "", None),
    ],
)
def test_the_kind_that_a_default_tells(name, default, kind):
    parameter = parameters.by_default(name, default)
    assert (parameter.kind if parameter else None) == kind


@pytest.mark.parametrize(
    ("name", "release", "known"),
    [
        ("smtp_tls_security_level", (3, 4, 0), True),
        ("smtpd_sasl_mechanism_filter", (3, 5, 25), False),
        ("smtpd_sasl_mechanism_filter", (3, 6, 0), True),
        ("tls_config_file", (3, 5, 19), False),
        ("tls_config_file", (3, 5, 20), True),
        ("tls_config_file", (3, 6, 4), False),
        ("tls_config_file", (3, 7, 11), True),
        ("tls_config_file", (3, 9, 0), True),
        ("smtp_tls_enforce_sts_mx_patterns", (3, 10, 4), False),
        ("smtp_tls_enforce_sts_mx_patterns", (3, 10, 13), True),
        ("smtp_tls_enforce_sts_mx_patterns", (3, 11, 0), True),
        ("tlsproxy_client_policy", (3, 6, 20), True),
        ("tlsproxy_client_policy", (3, 7, 0), False),
        ("tls_legacy_public_key_fingerprints", (3, 10, 13), True),
        ("tls_legacy_public_key_fingerprints", (3, 11, 0), False),
    ],
)
def test_known_in(name, release, known):
    parameter = find_parameter(name)
    assert parameter is not None
    assert parameter.known_in(release) is known


@pytest.mark.parametrize(
    ("name", "since", "instead"),
    [
        ("smtp_use_tls", (3, 9), "smtp_tls_security_level"),
        ("smtpd_enforce_tls", (3, 9), "smtpd_tls_security_level"),
        ("lmtp_tls_per_site", (3, 9), "lmtp_tls_policy_maps"),
        ("tlsproxy_client_use_tls", (3, 9), "tlsproxy_client_security_level"),
        ("smtp_tls_enforce_peername", (3, 11), "smtp_tls_security_level"),
        ("disable_dns_lookups", (3, 9), "smtp_dns_support_level"),
        ("virtual_maps", (3, 11), "virtual_alias_maps"),
        ("lmtp_per_record_deadline", (3, 11), "lmtp_per_request_deadline"),
        ("smtp_tls_security_level", None, ""),
    ],
)
def test_deprecated(name, since, instead):
    parameter = find_parameter(name)
    assert parameter is not None
    assert (parameter.deprecated, parameter.instead) == (since, instead)


@pytest.mark.parametrize(
    ("name", "release", "successor"),
    [
        ("smtp_use_tls", (3, 5, 25), "smtp_tls_security_level"),
        ("postscreen_whitelist_interfaces", (3, 5, 25), ""),
        ("postscreen_whitelist_interfaces", (3, 6, 0), "postscreen_allowlist_interfaces"),
        ("smtpd_per_record_deadline", (3, 6, 20), ""),
        ("smtpd_per_record_deadline", (3, 7, 0), "smtpd_per_request_deadline"),
        ("smtpd_tls_eecdh_grade", (3, 5, 25), "nothing: leave it at its default"),
        ("smtp_tls_security_level", (3, 11, 6), ""),
    ],
)
def test_what_a_version_has_instead(name, release, successor):
    assert CATALOGUE[name].successor(release) == successor


# The parameters as a whole


def test_every_name_stands_once():
    names = [parameter.name for parameter in parameters._parse(parameters._TABLE)]
    assert sorted(names) == sorted(set(names))


def test_every_kind_is_explained():
    assert {parameter.kind for parameter in CATALOGUE.values()} == set(KINDS)


def test_words_are_the_ones_that_callers_expect():
    assert {parameter.change for parameter in CATALOGUE.values()} == {"reload", "restart"}
    assert [p.name for p in CATALOGUE.values() if p.kind in ("enum", "cipher_grade") and not p.values] == []
    assert [p.name for p in CATALOGUE.values() if (p.deprecated or p.removed) and not p.instead] == []


# The parameters against the branches of Postfix


def by_branch():
    for line in (Path(__file__).parents[4] / "corpus" / "parameters").read_text(encoding="ascii").splitlines():
        if not line.startswith("#"):
            name, since, removed = line.split()
            yield name, since, removed


def branch(text):
    return None if text == "-" else tuple(int(number) for number in text.split("."))


def test_the_catalogue_holds_all_that_is_about_tls_sasl_relaying_and_listening():
    rows = list(by_branch())
    assert len(rows) > 350
    assert [name for name, _since, _removed in rows if find_parameter(name) is None] == []


@pytest.mark.parametrize(("name", "since", "removed"), list(by_branch()))
def test_branches_that_have_a_parameter(name, since, removed):
    parameter = find_parameter(name)
    first = min([parameter.since or (0, 0), *(patch[:2] for patch in parameter.backports)])
    assert (first if first > (3, 4) else None, parameter.removed) == (branch(since), branch(removed))


# The parameters against the installed Postfix


def test_postfix_knows_the_names_that_its_version_has(defaults, version):
    """Some old names it reads only where the new one is not set; it does not list them."""
    names = {parameter.name for parameter in CATALOGUE.values() if parameter.known_in(version)}
    assert names - set(defaults) - REPLACED == set()


def test_postfix_lacks_the_names_that_its_version_has_not(defaults, version):
    assert [p.name for p in CATALOGUE.values() if not p.known_in(version) and p.name in defaults] == []


def test_catalogue_knows_all_tls_and_sasl_names(defaults, version):
    if version[:2] > DOCUMENTED:
        pytest.skip(f"the parameters follows Postfix {DOCUMENTED[0]}.{DOCUMENTED[1]}, this one is newer")
    about_tls = re.compile(r"_tls_|^tls|_use_tls|_sasl_|starttls")
    assert [name for name in defaults if about_tls.search(name) and not find_parameter(name)] == []


def test_booleans_are_the_parameters_whose_default_is_yes_or_no(defaults):
    assert [
        (name, default)
        for name, default in defaults.items()
        if name in CATALOGUE and (CATALOGUE[name].kind == "boolean") != (default in ("yes", "no"))
    ] == []


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("integer", r"\d+"),
        ("time", r"\d+[smhdw]"),
        ("version", r"\d+(\.\d+)*"),
        ("digest", r"md5|sha1|sha256|sha512"),
        ("protocols", r"([<>]=|!)?(SSL|TLS)v[0-9.]+([, ]+([<>]=|!)?(SSL|TLS)v[0-9.]+)*"),
        ("table", r"([a-z]+:\S+)?"),
        ("path", r"(/\S+)?"),
        ("directory", r"(/\S+)?"),
    ],
)
def test_defaults_are_values_of_their_kind(defaults, kind, pattern):
    seen = {name: defaults[name] for name in CATALOGUE if CATALOGUE[name].kind == kind and name in defaults}
    assert seen
    assert {name: value for name, value in seen.items() if not re.fullmatch(pattern, value)} == {}


def test_defaults_are_among_the_values(defaults):
    def allowed(name: str, value: str) -> bool:
        parameter = CATALOGUE[name]
        if parameter.kind in ("enum", "cipher_grade"):
            return value in parameter.values or (parameter.optional and value == "")
        return set(re.split(r"[, \t]+", value)) <= {*parameter.values, ""}

    assert [
        (name, value)
        for name, value in defaults.items()
        if name in CATALOGUE and CATALOGUE[name].values and not allowed(name, value)
    ] == []
