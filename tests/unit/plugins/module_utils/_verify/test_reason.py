# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._verify.reason import ReportedReason, parse_reason


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "host a[192.0.2.1] said: 550-5.1.1 no 550 5.1.1 user (in reply to RCPT TO command)",
            ReportedReason("host - said", "550", "5.1.1", "RCPT TO"),
        ),
        (
            "delivery temporarily suspended: host a[192.0.2.1] refused to talk to me: 421 busy",
            ReportedReason("host - refused to talk to me", "421"),
        ),
        (
            "host a[2001:db8::1]:2525 said: 454 4.7.0 no TLS (in reply to STARTTLS command)",
            ReportedReason("host - said", "454", "4.7.0", "STARTTLS"),
        ),
        (
            "SASL authentication failed; server a[192.0.2.1] said: 535 5.7.8 Error: authentication failed: x",
            ReportedReason("SASL authentication failed; server - said", "535", "5.7.8"),
        ),
        (
            "host a[private/lmtp] said: 451 4.3.0 x (in reply to end of DATA command)",
            ReportedReason("host - said", "451", "4.3.0", "end of DATA"),
        ),
        (
            "host a[192.0.2.1] said: no code (in reply to MAIL FROM command)",
            ReportedReason("host - said", command="MAIL FROM"),
        ),
        (
            "TLS is required, but was not offered by host TLSA.test[192.0.2.1]",
            ReportedReason("TLS is required, but was not offered by host -"),
        ),
        (
            "connect to wrappermode.test[192.0.2.1]:25: Connection refused",
            ReportedReason("connect to -: Connection refused"),
        ),
        ("unable to look up host TLSA.test: x", ReportedReason("unable to look up host - x")),
        ("mail for TLSA.test loops back to myself", ReportedReason("mail for - loops back to myself")),
        (
            "Name service error for name=TLSA.test type=MX: x",
            ReportedReason("Name service error for name=- type=MX: x"),
        ),
        ("Server certificate not verified", ReportedReason("Server certificate not verified")),
        ("", ReportedReason("")),
    ],
)
def test_parts(text, expected):
    assert parse_reason(text) == expected


def test_a_reply_that_quotes_the_end_of_another():
    text = "host a[192.0.2.1] said: 550 5.1.1 x (in reply to MAIL FROM command) y (in reply to RCPT TO command)"
    assert parse_reason(text).command == "RCPT TO"
    text = "host a[192.0.2.1] refused to talk to me: 554 x (in reply to RCPT TO command)"
    assert parse_reason(text).command == ""
