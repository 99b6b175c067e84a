# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans for main.cf and master.cf, on a small configuration, with the installed Postfix as judge."""

from __future__ import annotations

import re

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import PostfixError
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._host.runner import run_program
from ansible_collections.mailops.postfix.plugins.module_utils._plan import main_cf as main_cf_plan
from ansible_collections.mailops.postfix.plugins.module_utils._plan import master_cf_standalone, postfix_cf
from ansible_collections.mailops.postfix.plugins.module_utils._plan.proposal import Proposal, Services
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply as apply_transaction

PIN = ":".join(["AB"] * 32)


def apply(directory, build, check_mode=False, run=run_program):
    return apply_transaction.apply(build, lambda: Instance(str(directory), run), check_mode=check_mode)


def main_cf(directory, **parameters):
    return apply(directory, lambda instance: main_cf_plan.main_cf(instance, {"parameters": parameters}))


def master_cf(directory, *services):
    return apply(directory, lambda instance: master_cf_standalone.master_cf(instance, {"services": services}))


def test_what_is_not_to_be_validated_must_be_readable_all_the_same(directory):
    instance = Instance(str(directory))

    def planned(value, validate):
        services = Services(instance.master_cf)
        return postfix_cf.plan(Proposal(instance, {"smtp_tls_security_level": value}, services, validate=validate))

    with pytest.raises(PostfixError, match="bogus"):
        planned("bogus", validate=True)
    assert planned("bogus", validate=False).changes_something()
    with pytest.raises(PostfixError, match="is not closed"):
        planned("${bogus", validate=False)


def content(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


REFUSED = [
    ({"smtp_tls_received_header": True}, ["smtp_tls_received_header", "smtpd_tls_received_header"]),
    ({"smtpd_tls_note_starttls_offer": True}, ["server side", "smtp_tls_note_starttls_offer"]),
    ({"smtp_tls_securty_level": "may"}, ["Did you mean smtp_tls_security_level?"]),
    (
        {"smtpd_tls_security_level": "dane"},
        ["smtpd_tls_security_level = dane", "smtp_tls_security_level has it", "none, may, encrypt"],
    ),
    ({"smtp_tls_security_level": "bogus"}, ["smtp_tls_security_level = bogus", "fingerprint"]),
    ({"smtpd_tls_auth_only": "True"}, ["smtpd_tls_auth_only = True", "boolean"]),
    ({"smtpd_tls_loglevel": "chatty"}, ["smtpd_tls_loglevel = chatty"]),
    ({"smtpd_starttls_timeout": "soon"}, ["smtpd_starttls_timeout = soon", "30s"]),
    ({"smtpd_tls_protocols": "TLSv9"}, ["smtpd_tls_protocols = TLSv9", "is not a valid protocol"]),
    ({"smtp_tls_mandatory_ciphers": "strong"}, ["smtp_tls_mandatory_ciphers = strong", "high"]),
    ({"smtp_tls_fingerprint_digest": "sha265"}, ["smtp_tls_fingerprint_digest = sha265", "sha256"]),
    (
        {"smtp_tls_fingerprint_digest": "sha256", "smtp_tls_fingerprint_cert_match": "AA:BB"},
        ["2 bytes", "sha256", "32"],
    ),
    ({"smtp_tls_fingerprint_digest": "sha1", "smtp_tls_fingerprint_cert_match": [PIN]}, ["32 bytes", "sha1", "20"]),
    ({"smtpd_tls_cert_file": "/nowhere/cert.pem"}, ["smtpd_tls_cert_file", "there is no file /nowhere/cert.pem"]),
    ({"smtpd_tls_chain_files": ["/nowhere/a.pem", "/nowhere/b.pem"]}, ["there is no file /nowhere/a.pem"]),
    # postconf prints such names with question marks.
    (
        {"smtp_tls_security_level\u200b": "encrypt"},
        ["does not know this parameter", "Did you mean smtp_tls_security_level?"],
    ),
    ({"mua_restrictions": "permit"}, ["mua_restrictions", "$mua_restrictions"]),
    ({"myhostname": "${broken"}, ["is not closed", "Write $$ for a dollar sign"]),
    ({"mail_name": "costs 5$"}, ["mail_name = costs 5$", "no name follows a $", "Write $$ for a dollar sign"]),
]


@pytest.mark.parametrize(("parameters", "words"), REFUSED, ids=[" ".join(item[0]) for item in REFUSED])
def test_parameters_that_postfix_would_trip_over(directory, parameters, words):
    before = content(directory)
    with pytest.raises(PostfixError) as error:
        main_cf(directory, biff=True, **parameters)
    assert [word for word in words if word not in str(error.value)] == [], str(error.value)
    assert content(directory) == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"smtp_tls_received_header": True}, ["submission/inet", "smtpd_tls_received_header"]),
        ({"smtpd_tls_security_level": "verify"}, ["smtpd_tls_security_level = verify"]),
        ({"smtpd_tls_wrappermode": "on"}, ["boolean"]),
    ],
)
def test_options_that_postfix_would_trip_over(directory, options, words):
    before = content(directory)
    with pytest.raises(PostfixError) as error:
        master_cf(directory, {"service": "submission/inet", "command": "smtpd", "options": options})
    assert [word for word in words if word not in str(error.value)] == [], str(error.value)
    assert content(directory) == before


def test_the_result_names_what_changed(directory):
    outcome = main_cf(directory, smtp_tls_security_level="may", biff=False, readme_directory=None)
    assert outcome.plan.result["parameters"] == {
        "smtp_tls_security_level": {"before": None, "after": "may"},
        "readme_directory": {"before": "no", "after": None},
    }
    assert outcome.plan.requires == "reload"
    assert not main_cf(directory, smtp_tls_security_level="may", biff=False, readme_directory=None).changed


@pytest.mark.parametrize(
    ("parameters", "requires"),
    [
        ({"smtp_tls_loglevel": 1}, "reload"),
        ({"inet_interfaces": "loopback-only"}, "restart"),
        ({"inet_interfaces": "all"}, "none"),
        ({"smtp_tls_loglevel": 0}, "none"),
        ({"inet_interfaces": "loopback-only", "smtp_tls_loglevel": 1}, "restart"),
    ],
)
def test_what_a_change_requires(directory, parameters, requires):
    """A parameter that is made explicit with the value it had is a change of the file, but not of Postfix."""
    assert main_cf(directory, **parameters).plan.requires == requires


@pytest.mark.parametrize(
    ("name", "program", "chroot", "requires"),
    [
        ("smtp_tls_CApath", "smtp", "y", "restart"),
        ("smtp_tls_CApath", "smtp", "n", "reload"),
        ("smtpd_tls_CApath", "smtpd", "y", "restart"),
        ("smtpd_tls_CApath", "smtpd", "n", "reload"),
        ("smtp_tls_CApath", "tlsproxy", "y", "restart"),
        ("tlsproxy_client_CApath", "tlsproxy", "n", "reload"),
    ],
)
def test_only_a_directory_that_is_copied_into_a_chroot_requires_a_restart(directory, name, program, chroot, requires):
    """Debian's scripts copy it when Postfix starts."""
    (directory / "master.cf").write_text(f"other unix - - y - - local\nx unix - - {chroot} - - {program}\n")
    outcome = main_cf(directory, **{name: "/etc/ssl/certs"})
    assert outcome.plan.requires == requires
    assert main_cf(directory, **{name: None}).plan.requires == "reload"


@pytest.mark.parametrize(
    ("parameters", "asked"),
    [
        ({}, ""),
        ({"smtp_tls_security_level": "may"}, ""),
        ({"smtp_tls_security_level": "may", "smtp_tls_protocols": "!SSLv2, !SSLv3"}, ""),
        ({"smtp_tls_security_level": "encrypt"}, "parameters, future parameters, future types, defaults, start"),
        # The version counts here.
        ({"smtp_tls_protocols": ">=TLSv1.2"}, "parameters, future parameters, future types, defaults, start"),
    ],
)
def test_postfix_is_asked_what_matters_and_once(directory, parameters, asked):
    main_cf(directory, smtp_tls_security_level="may", smtp_tls_protocols="!SSLv2, !SSLv3")
    programs = []

    def run(argv, stdin=None):
        programs.append(" ".join(argv).replace(str(directory), "HERE"))
        return run_program(argv, stdin)

    apply(directory, lambda instance: main_cf_plan.main_cf(instance, {"parameters": parameters}), run=run)
    questions = {
        "parameters": r"postconf -c HERE",
        "future parameters": r"postconf -c /\S+",
        "future types": r"postconf -c /\S+ -m",
        "defaults": r"postconf -d",
        "start": r"postmap -c /\S+ -q x static:x",
    }
    found = [name for program in programs for name, line in questions.items() if re.fullmatch(line, program)]
    assert len(found) == len(programs)
    assert sorted(found) == sorted(asked.split(", ") if asked else [])


@pytest.mark.parametrize(
    ("text", "declared"),
    [
        ("inet_interfaces = 192.0.2.77\n", {"inet_interfaces": "loopback-only"}),
        ("inet_interfaces = nosuchhost.invalid\n", {"inet_interfaces": None}),
        ("relayhost = ${foo\n", {"relayhost": "[hub.example.org]"}),
        ("smtpd_banner = $smtpd_banner x\n", {"smtpd_banner": None}),
        ("compatibility_level = x.y\n", {"compatibility_level": "3.6"}),
    ],
)
def test_what_postfix_cannot_read_can_be_repaired(directory, text, declared):
    with open(directory / "main.cf", "a", encoding="ascii") as file:
        file.write(text)
    assert not Instance(str(directory)).is_readable()
    with pytest.raises(PostfixError):
        main_cf(directory, biff=True)
    outcome = main_cf(directory, **declared)
    assert outcome.changed and outcome.plan.requires == "restart"
    assert Instance(str(directory)).is_readable()


@pytest.mark.parametrize(
    ("text", "declared", "requires"),
    [
        ("ifs = loopback-only\ninet_interfaces = $ifs\n", {"ifs": "all"}, "restart"),
        ("where = 127.0.0.1\ninet_interfaces = ${where}\n", {"where": "localhost"}, "restart"),
        ("name = a\nsmtpd_banner = $myhostname $name\n", {"name": "b"}, "reload"),
        ("ifs = loopback-only\nother = ${ifs}\ninet_interfaces = ${other}\n", {"ifs": "all"}, "restart"),
        ("ifs = loopback-only\nother = ${ifs}\ninet_interfaces = ${other}\n", {"ifs": "loopback-only"}, "none"),
    ],
)
def test_what_a_change_requires_through_others(directory, text, declared, requires):
    with open(directory / "main.cf", "a", encoding="ascii") as file:
        file.write(text)
    assert main_cf(directory, **declared).requires == requires


def test_check_mode_predicts_what_the_real_run_does(directory):
    def build(instance):
        return main_cf_plan.main_cf(instance, {"parameters": {"biff": True, "smtp_tls_loglevel": 2}})

    before = content(directory)
    predicted = apply(directory, build, check_mode=True)
    assert content(directory) == before
    real = apply(directory, build)
    assert (predicted.diff, predicted.plan.result, predicted.plan.requires) == (
        real.diff,
        real.plan.result,
        real.plan.requires,
    )


def test_a_reference_to_nothing_is_said(directory):
    outcome = master_cf(
        directory,
        {
            "service": "submission/inet",
            "command": "smtpd",
            "options": {"smtpd_relay_restrictions": "$mua_restrictions"},
        },
    )
    undefined, stops = outcome.plan.warnings
    assert "$mua_restrictions is not defined: Postfix treats it as empty" in undefined
    assert "smtpd(8) does not start" in stops
