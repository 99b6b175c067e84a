# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import HostError
from ansible_collections.mailops.postfix.plugins.module_utils._model.routing import Router, TableLookup
from ansible_collections.mailops.postfix.plugins.module_utils._verify.filters import probe_filters
from ansible_collections.mailops.postfix.plugins.module_utils._verify.report import VerificationReport
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

MASTER_CF = """\
smtp unix - - n - - smtp
amavis unix - - n - - smtp
quiet unix - - n - - smtp -o smtp_tls_security_level=none
pipe unix - n n - - pipe
lmtp unix - - n - - lmtp
lmtp-amavis unix - - n - - lmtp -o lmtp_tls_security_level=none
"""
CLEAR = {"problem": None, "before_tls": {"starttls": False}}
STARTTLS = {"problem": None, "before_tls": {"starttls": True}}
GONE = {"problem": "no connection: Connection refused", "failed_at": "connect", "before_tls": None}


def router(**parameters):
    return Router(built({}, master_cf=MASTER_CF, **parameters), TableLookup())


def probed(after, facts, before=None):
    requests = []

    def probe(request):
        requests.append((request.host, request.port))
        if isinstance(facts, Exception):
            raise facts
        return facts

    report = VerificationReport()
    probe_filters(after, before, 1.0, probe, report)
    return report, requests


@pytest.mark.parametrize(
    ("transport", "level", "facts", "outcome"),
    [
        ("amavis", "may", CLEAR, "clear"),
        ("amavis", "may", STARTTLS, "encrypted"),
        ("amavis", "encrypt", STARTTLS, "encrypted"),
        ("amavis", "encrypt", CLEAR, "misconfigured"),
        ("amavis", "fingerprint", CLEAR, "misconfigured"),
        ("quiet", "encrypt", CLEAR, "clear"),
        ("amavis", "may", GONE, "misconfigured"),
    ],
)
def test_a_filter(transport, level, facts, outcome):
    parameters = {"content_filter": f"{transport}:[127.0.0.1]:10024", "smtp_tls_security_level": level}
    if level == "fingerprint":
        parameters["smtp_tls_fingerprint_cert_match"] = "AA:BB"
    report, requests = probed(router(**parameters), facts)
    assert requests == [("127.0.0.1", 10024)]
    assert [found["outcome"] for found in report.next_hops] == [outcome]
    assert bool(report.problems) == (outcome == "misconfigured")


@pytest.mark.parametrize(
    ("transport", "nexthop", "level", "facts", "outcome"),
    [
        ("lmtp", "[127.0.0.1]:10024", "", CLEAR, "clear"),
        ("lmtp", "inet:[127.0.0.1]:10024", "may", CLEAR, "clear"),
        ("lmtp", "[127.0.0.1]:10024", "encrypt", STARTTLS, "encrypted"),
        ("lmtp", "[127.0.0.1]:10024", "encrypt", CLEAR, "misconfigured"),
        ("lmtp-amavis", "[127.0.0.1]:10024", "encrypt", CLEAR, "clear"),
        ("lmtp-amavis", "[127.0.0.1]:10024", "encrypt", GONE, "misconfigured"),
    ],
)
def test_a_filter_that_speaks_lmtp(transport, nexthop, level, facts, outcome):
    # The level of smtp(8) is not that of lmtp(8).
    parameters = {"smtp_tls_security_level": "encrypt", "lmtp_tls_security_level": level}
    report, requests = probed(router(content_filter=f"{transport}:{nexthop}", **parameters), facts)
    assert requests == [("127.0.0.1", 10024)]
    assert [found["outcome"] for found in report.next_hops] == [outcome]
    assert all("lmtp_tls_security_level: none" in text or "refused" in text for text in report.problems)
    assert bool(report.problems) == (outcome == "misconfigured")


def test_the_port_of_lmtp_and_sockets():
    assert probed(router(content_filter="lmtp:[127.0.0.1]"), CLEAR)[1] == [("127.0.0.1", 24)]
    assert probed(router(content_filter="lmtp:unix:private/filter"), CLEAR)[1] == []


def test_a_message_says_what_to_write():
    report, _requests = probed(
        router(content_filter="amavis:[127.0.0.1]:10024", smtp_tls_security_level="encrypt"), CLEAR
    )
    assert "Write smtp_tls_security_level: none among the options of amavis/unix" in report.problems[0]


def test_an_error_of_the_probe():
    report, _requests = probed(
        router(content_filter="amavis:[127.0.0.1]:nowhere"), HostError("probing", "x", "no such port")
    )
    assert len(report.problems) == 1


def test_only_what_a_change_can_affect():
    before = router(content_filter="amavis:[127.0.0.1]:10024", smtp_tls_security_level="may")
    assert (
        probed(router(content_filter="amavis:[127.0.0.1]:10024", smtp_tls_security_level="may"), CLEAR, before)[1] == []
    )
    assert (
        len(
            probed(router(content_filter="amavis:[127.0.0.1]:10024", smtp_tls_security_level="encrypt"), CLEAR, before)[
                1
            ]
        )
        == 1
    )
    assert (
        len(probed(router(content_filter="amavis:[127.0.0.1]:10025", smtp_tls_security_level="may"), CLEAR, before)[1])
        == 1
    )
    assert probed(router(content_filter="pipe:x"), CLEAR, before)[1] == []
