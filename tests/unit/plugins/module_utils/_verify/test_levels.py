# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An undo lists the next hops whose TLS level falls by it. Postfix itself reads the configurations."""

from __future__ import annotations

import os

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._transaction.undo import Undone
from ansible_collections.mailops.postfix.plugins.module_utils._verify.levels import with_fallen_levels

MASTER_CF = "smtp unix - - n - - smtp\nrelay unix - - n - - smtp\n"


@pytest.fixture
def undo(directory):
    """Undoes a change of main.cf and of two tables; returns what has fallen."""

    def write(main_cf, policies, routes):
        for name, text in (
            ("main.cf", f"compatibility_level = 3.6\n{main_cf}"),
            ("master.cf", MASTER_CF),
            ("policies", policies),
            ("transport", routes),
        ):
            (directory / name).write_text(text)
            os.utime(directory / name, (1, 1))

    def run(changed, former, boot=False):
        write(*changed)

        def take_back():
            write(*former)
            return Undone()

        return with_fallen_levels(lambda: Instance(str(directory)), take_back, boot).fallen

    return run


@pytest.fixture
def maps(directory):
    return f"smtp_tls_policy_maps = hash:{directory}/policies\ntransport_maps = hash:{directory}/transport\n"


@pytest.mark.parametrize("boot", [False, True])
def test_policies(undo, maps, boot):
    policies = "a.example encrypt\nb.example secure\nc.example may\nd.example encrypt\n[hub]:587 fingerprint match=AA\n"
    former = "a.example may\nb.example encrypt\nc.example encrypt\nd.example encrypt\n"
    routes = "e.example smtp:[hub]:587\n"
    main_cf = f"{maps}smtp_tls_security_level = may\n"
    assert undo((main_cf, policies, routes), (main_cf, former, routes), boot) == [
        "a.example from encrypt to may",
        "b.example from secure to encrypt",
        "[hub]:587 from fingerprint to may",
    ]


def test_the_level_of_all_other_domains(undo, maps):
    changed = (f"{maps}smtp_tls_security_level = encrypt\n", "a.example encrypt\n", "")
    former = (f"{maps}smtp_tls_security_level = may\n", "a.example encrypt\n", "")
    assert undo(changed, former) == ["mail for other domains from encrypt to may"]
    assert undo(former, changed) == []


def test_the_relayhost(undo, maps):
    pins = "smtp_tls_fingerprint_cert_match = AA\n"
    changed = (f"{maps}{pins}smtp_tls_security_level = fingerprint\nrelayhost = [hub]:587\n", "", "")
    assert undo(changed, (f"{maps}smtp_tls_security_level = may\n", "", "")) == [
        "mail for other domains from fingerprint to may (through mail.invalid)"
    ]


def test_a_table_that_has_gone(undo, maps):
    changed = (f"{maps}smtp_tls_security_level = may\n", "a.example encrypt\n", "")
    assert undo(changed, ("smtp_tls_security_level = may\n", "", "")) == ["a.example from encrypt to may"]


def test_a_policy_for_which_mail_waits(undo, maps):
    changed = (f"{maps}smtp_tls_security_level = may\n", "a.example encrypted\n", "")
    assert undo(changed, ("smtp_tls_security_level = may\n", "", "")) == ["a.example from held to may"]


def test_while_the_host_starts_no_other_table_is_asked(undo):
    changed = ("smtp_tls_policy_maps = tcp:127.0.0.1:9\nsmtp_tls_security_level = encrypt\n", "", "")
    assert undo(changed, ("smtp_tls_security_level = may\n", "", ""), boot=True) == []


@pytest.mark.parametrize(
    "broken", ["smtp_tls_policy_maps = hash:/nonexistent\n", "mynetworks = ${\n", "no equals sign\n"]
)
def test_a_broken_configuration_is_undone(undo, broken):
    assert undo((broken, "", ""), ("smtp_tls_security_level = may\n", "", "")) == []
    assert undo(("smtp_tls_security_level = encrypt\n", "", ""), (broken, "", "")) in (
        [],
        ["mail for other domains from encrypt to none"],
    )


def test_the_report():
    report = Undone(fallen=["a.example from encrypt to may", "b.example from secure to may"]).report()
    assert report == (
        ". Mail is protected less than before the undo: a.example from encrypt to may, b.example from secure to may"
    )
