# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model import answers, listeners
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

PARAMETERS = {
    "smtpd_tls_security_level": "may",
    "smtpd_tls_wrappermode": "no",
    "smtpd_tls_auth_only": "no",
    "smtpd_sasl_auth_enable": "no",
    "postscreen_tls_security_level": "$smtpd_tls_security_level",
    "smtpd_tls_chain_files": "/etc/postfix/tls/mx.pem",
    "smtpd_tls_cert_file": "/etc/ssl/mx.pem",
}


def one(entry="smtp inet n - y - - smtpd", **parameters):
    (found,) = listeners.listeners(built(PARAMETERS, master_cf=f"{entry}\n", **parameters))
    return found


CERTIFICATE = {"fingerprint": {"sha256": "AA:BB"}}


def facts(**others):
    answer = {
        "problem": None,
        "failed_at": None,
        "before_tls": {"auth": [], "starttls": True, "mail": {"accepted": True}},
        "after_tls": {"auth": []},
        "relay": {"relays": False, "reply": "554 5.7.1 Relay access denied"},
        "chain": [CERTIFICATE],
    }
    return {**answer, **others}


def before(**others):
    return {"auth": [], "starttls": True, "mail": {"accepted": False}, **others}


PORT_25 = one()
PORT_587 = one("587 inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_security_level=encrypt")
PORT_465 = one("465 inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_wrappermode=yes")
CLEAR = one(smtpd_tls_security_level="none")
LAX = one("smtp inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes")


@pytest.mark.parametrize(
    ("listener", "facts_of_port", "problem"),
    [
        (PORT_25, facts(), None),
        (PORT_25, facts(problem="refused", failed_at="connect", before_tls=None, after_tls=None), "connect: refused"),
        (PORT_25, facts(before_tls=before(starttls=False), after_tls=None, chain=[]), "offers no STARTTLS"),
        (
            PORT_25,
            facts(problem="no shared cipher", failed_at="handshake", after_tls=None),
            "handshake: no shared cipher",
        ),
        (PORT_25, facts(problem="timeout", failed_at="relay"), None),
        (PORT_25, facts(before_tls=before(auth=["PLAIN"])), "offers AUTH (PLAIN) before TLS"),
        (PORT_25, facts(after_tls={"auth": ["LOGIN"]}), "smtpd_sasl_auth_enable = no rules out"),
        (PORT_25, facts(chain=[{"fingerprint": {"sha256": "CC:DD"}}]), "serves another certificate (CC:DD)"),
        (PORT_25, facts(relay={"relays": True, "reply": "250 2.1.5 Ok"}), "relays mail for strangers: 250 2.1.5 Ok"),
        (
            PORT_25,
            facts(relay={"relays": None, "reply": "451 4.3.5 Server configuration error"}),
            "no mail at all: 451 4.3.5",
        ),
        (
            PORT_25,
            facts(relay={"relays": None, "reply": "451 4.3.0 Temporary lookup failure"}),
            "no mail at all: 451 4.3.0",
        ),
        (PORT_25, facts(relay={"relays": None, "reply": "450 4.7.1 Greylisted"}), None),
        (
            PORT_25,
            facts(relay={"relays": None, "reply": "451 4.7.1 Service unavailable - try again later"}),
            "no mail at all: 451 4.7.1",
        ),
        (PORT_587, facts(before_tls=before(), after_tls={"auth": ["PLAIN"]}), None),
        (
            PORT_587,
            facts(before_tls=before(mail={"accepted": True}), after_tls={"auth": ["PLAIN"]}),
            "takes mail before TLS",
        ),
        (
            PORT_587,
            facts(before_tls=before(auth=["PLAIN"]), after_tls={"auth": ["PLAIN"]}),
            "offers AUTH (PLAIN) before TLS",
        ),
        (PORT_587, facts(before_tls=before(), after_tls={"auth": []}), "offers no AUTH, although"),
        (PORT_465, facts(before_tls=None, after_tls={"auth": ["PLAIN"]}), None),
        (PORT_465, facts(before_tls=None, after_tls={"auth": []}), "offers no AUTH, although"),
        (CLEAR, facts(before_tls=before(starttls=False), after_tls=None, chain=[]), None),
        (CLEAR, facts(), "offers STARTTLS, which"),
        (LAX, facts(before_tls=before(auth=["PLAIN"]), after_tls={"auth": ["PLAIN"]}), None),
    ],
)
def test_problems(listener, facts_of_port, problem):
    found = answers.listener_faults(built(PARAMETERS), listener, facts_of_port, ["AA:BB"], trusted=False)
    assert len(found) == (0 if problem is None else 1), found
    assert problem is None or problem in found[0]


def test_who_is_in_mynetworks_may_relay():
    facts_of_port = facts(relay={"relays": True, "reply": "250 2.1.5 Ok"})
    assert answers.listener_faults(built(PARAMETERS), PORT_25, facts_of_port, [], trusted=True) == []
