# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model import listeners, reply_causes
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built


@pytest.mark.parametrize(
    ("reply", "parameters", "cause", "remedy"),
    [
        (
            "554 5.7.1 <a>: Recipient address rejected: Access denied",
            {"smtpd_recipient_restrictions": "reject"},
            "smtpd_recipient_restrictions = reject rejects every client",
            "Remove reject",
        ),
        (
            "454 4.7.1 <a>: Relay access denied",
            {"mydestination": "localhost"},
            "mydestination = localhost does not name it",
            "Add it to mydestination",
        ),
        ("452 4.3.1 Insufficient system storage", {"queue_minfree": "5"}, "queue_minfree = 5", "Free space"),
        (
            "451 4.7.1 Service unavailable - try again later",
            {"smtpd_milters": "inet:127.0.0.1:9", "milter_default_action": "tempfail"},
            "smtpd_milters = inet:127.0.0.1:9 does not answer, and milter_default_action = tempfail",
            "milter_default_action = accept",
        ),
        ("454 4.3.0 Try again later", {"smtpd_milters": "inet:127.0.0.1:9"}, "smtpd_milters = inet:127.0.0.1:9", "Start it"),
        (
            "451 4.3.0 Error: queue file write error",
            {"smtpd_proxy_filter": "127.0.0.1:9"},
            "smtpd_proxy_filter = 127.0.0.1:9 does not answer",
            "Start that filter",
        ),
        (
            "451 4.3.5 <a>: Recipient address rejected: Server configuration problem",
            {"smtpd_client_restrictions": "check_policy_service inet:127.0.0.1:9"},
            "smtpd_client_restrictions has check_policy_service inet:127.0.0.1:9",
            "Start that service",
        ),
        ("421 4.3.0 Error", {}, "", ""),
        ("451 4.7.1 Service unavailable - try again later", {}, "", ""),
    ],
)  # fmt: skip
def test_causes(reply, parameters, cause, remedy):
    configuration = built({"mynetworks": ""}, **parameters)
    [listener] = listeners.listeners(configuration)
    text = reply_causes.cause_of(configuration, listener, reply, [])
    assert cause in text and remedy in text
    assert bool(text) is bool(cause)


def test_tables_that_cannot_be_asked_are_named():
    configuration = built({"mynetworks": ""})
    [listener] = listeners.listeners(configuration)
    reply = "451 4.3.0 <a>: Temporary lookup failure"
    text = reply_causes.cause_of(configuration, listener, reply, ["canonical_maps has tcp:x, which can't be asked"])
    assert text.startswith("canonical_maps has tcp:x") and "correct the table" in text
