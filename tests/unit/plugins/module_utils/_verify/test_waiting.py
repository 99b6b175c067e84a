# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Completed
from ansible_collections.mailops.postfix.plugins.module_utils._model.routing import Hop, Router, TableLookup
from ansible_collections.mailops.postfix.plugins.module_utils._verify.waiting import Waiting, waiting
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built


class Instance:
    """An instance with a queue; postqueue(1) is simulated."""

    config_directory = "/etc/postfix"

    def __init__(self, *messages):
        self.output = "".join(
            message if isinstance(message, str) else json.dumps(message) + "\n" for message in messages
        )

    def run(self, *argv, check=True):
        assert argv == ("postqueue", "-c", "/etc/postfix", "-j") and not check
        return Completed(argv, 0, self.output.encode(), b"")


def message(arrival, *addresses, sender="me@here.test"):
    return {"arrival_time": arrival, "sender": sender, "recipients": [{"address": address} for address in addresses]}


ROUTER = Router(
    built(
        {
            "default_transport": "smtp",
            "transport_maps": "hash:/t",
            "relayhost": "[hub.test]",
            "smtp_fallback_relay": "[f.test]",
        },
        master_cf="smtp unix - - n - - smtp\n",
    ),
    TableLookup({"hash:/t": {"a.test": "smtp:[a.test]:25"}}),
)


def hop(nexthop):
    return Hop("smtp", nexthop, "", False)


def test_messages_by_next_hop():
    instance = Instance(message(20, "x@a.test"), message(10, "y@A.test", "z@b.test"), "not JSON\n", "[]\n")
    found = waiting(instance, ROUTER, [hop("[A.test]:25"), hop("[f.test]")])
    assert found["smtp", "[a.test]:25"] == Waiting(2, 10.0, ("y@A.test", "x@a.test"))
    assert found["smtp", "[f.test]"].count == 3, "a fallback relay may get any mail"
    assert waiting(instance, ROUTER, []) == {}
    assert waiting(Instance(message(5, "b@b.test", sender="MAILER-DAEMON")), ROUTER, [hop("[hub.test]")])


@pytest.mark.parametrize(
    ("lifetime", "moment"),
    [
        ("5d", "1970-01-06 00:00"),
        ("5", "1970-01-06 00:00"),
        ("12h", "1970-01-01 12:00"),
        ("1w", "1970-01-08 00:00"),
        ("90m", "1970-01-01 01:30"),
    ],
)
def test_when_it_is_returned(lifetime, moment):
    assert Waiting(1, 0, ("a@b.test",)).described(lifetime) == (
        "1 message for a@b.test waits since 1970-01-01 00:00 UTC; the oldest is returned to its sender at "
        f"{moment} UTC (maximal_queue_lifetime = {lifetime})"
    )


def test_many_recipients():
    text = Waiting(9, 0, tuple(f"{letter}@b.test" for letter in "abcde")).described("5d")
    assert text.startswith("9 messages for a@b.test, b@b.test, c@b.test and 2 more wait since")
