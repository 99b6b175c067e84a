# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import did_you_mean
from ansible_collections.mailops.postfix.plugins.module_utils._model.parameters import CATALOGUE


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("smtp_tls_securty_level", "smtp_tls_security_level"),
        ("smtp_tls_cafile", "smtp_tls_CAfile"),
        ("SMTPD_TLS_LOGLEVEL", "smtpd_tls_loglevel"),
        ("relay_host", "relayhost"),
        ("my_networks", "mynetworks"),
        ("smtpd_relay_restriction", "smtpd_relay_restrictions"),
        ("quantum_mail", ""),
        ("", ""),
    ],
)
def test_did_you_mean(name, suggestion):
    hint = f"Did you mean {suggestion}? " if suggestion else ""
    assert did_you_mean(name, CATALOGUE, cutoff=0.8) == hint


def test_did_you_mean_suggests_only_given_names():
    assert did_you_mean("relay_host", ["relay_hosts"]) == "Did you mean relay_hosts? "
    assert did_you_mean("relay_host", iter(())) == ""
