# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model import configuration as configuration_model
from ansible_collections.mailops.postfix.plugins.module_utils._model.configuration import Configuration

MAIN_CF = b"""\
# comment
mine = yes
smtpd_tls_auth_only = $mine
smtpd_use_tls = yes
master_service_disable = old/inet, fifo
relayhost = ${broken
"""
MASTER_CF = b"""\
smtp inet n - y - - smtpd
submission inet n - y - - smtpd
  -o mine=no
  -o smtpd_tls_security_level=encrypt
old inet n - y - - smtpd
pickup fifo n - y 60 1 pickup
"""


@pytest.fixture
def configuration():
    parameters = {"smtpd_tls_auth_only": "$mine", "smtpd_tls_security_level": "", "relayhost": "${broken"}
    parameters.update(smtpd_use_tls="yes", master_service_disable="old/inet, fifo")
    return Configuration(parameters, MAIN_CF, MASTER_CF, "main.cf", "master.cf", (3, 7, 11), frozenset())


def test_a_service_sees_its_own_options(configuration):
    smtp, submission = configuration.services
    assert configuration.is_on("smtpd_tls_auth_only") and configuration.is_on("smtpd_tls_auth_only", smtp)
    assert not configuration.is_on("smtpd_tls_auth_only", submission)
    assert (configuration.level(smtp, "smtpd"), configuration.level(submission, "smtpd")) == ("may", "encrypt")


def test_what_can_not_be_told(configuration):
    assert configuration.value("relayhost") is None
    assert configuration.value("no_such_parameter") == ""


def test_services_that_are_switched_off_are_not_live(configuration):
    assert [service.key for service in configuration.services] == ["smtp/inet", "submission/inet"]
    assert len(configuration.all_services) == 4


def test_where_a_value_comes_from(configuration):
    submission = configuration.services[1]
    assert configuration.where("smtpd_tls_auth_only", submission) == "main.cf:3"
    assert configuration.where("mine", submission) == "master.cf:2"
    assert configuration.where("smtp_tls_loglevel") == ""
    assert configuration.settings_of(submission, "mine", "relayhost") == {
        ("submission/inet", "mine"),
        ("main", "relayhost"),
    }


def test_settings_are_all_that_the_files_say(configuration):
    names = [(name, service.key if service else None) for name, _value, service in configuration.all_settings()]
    assert names[:2] == [("mine", None), ("smtpd_tls_auth_only", None)]
    assert names[-1] == ("smtpd_tls_security_level", "submission/inet")


def test_long_values_are_cut():
    assert configuration_model.shown("a", "b  c") == "a = b c"
    assert len(configuration_model.shown("a", "b" * 500)) < 130
