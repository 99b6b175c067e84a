# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model.content_filter import (
    content_filters,
    loopback_transports,
)
from ansible_collections.mailops.postfix.plugins.module_utils._model.routing import Router, TableLookup
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

MASTER_CF = """\
smtp inet n - n - - smtpd
10026 inet n - n - - smtpd -o content_filter=
10027 inet n - n - - smtpd -o content_filter=other:192.0.2.1:10024
pickup unix n - n 60 1 pickup
amavis unix - - n - - smtp
other unix - - n - - smtp
lmtp unix - - n - - lmtp
pipe unix - n n - - pipe
"""


def router(content_filter):
    return Router(built({}, master_cf=MASTER_CF, content_filter=content_filter), TableLookup())


@pytest.mark.parametrize(
    ("value", "host", "port"),
    [
        ("amavis:[127.0.0.1]:10024", "127.0.0.1", "10024"),
        ("amavis:127.0.0.1:10024", "127.0.0.1", "10024"),
        ("lmtp:inet:localhost:10024", "localhost", "10024"),
        ("lmtp:unix:/run/filter", "/run/filter", ""),
        ("amavis:[filter.test]", "filter.test", ""),
    ],
)
def test_a_filter(value, host, port):
    first, second = content_filters(router(value))
    assert (first.host, first.port, first.source) == (host, port, "content_filter")
    assert (second.hop.nexthop, second.source) == ("192.0.2.1:10024", "content_filter of 10027/inet")


@pytest.mark.parametrize("value", ["", "pipe:dummy", "amavis:", "nowhere:[127.0.0.1]"])
def test_what_speaks_no_smtp(value):
    assert [item.hop.transport for item in content_filters(router(value))] == ["other"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("amavis:[127.0.0.1]:10024", {"amavis"}),
        ("amavis:[::1]:10024", {"amavis"}),
        ("lmtp:unix:/run/filter", {"lmtp"}),
        ("lmtp:inet:localhost:24", {"lmtp"}),
        ("amavis:[192.0.2.7]:10024", set()),
    ],
)
def test_transports_to_filters_on_this_host(value, expected):
    assert loopback_transports(router(value).configuration) == expected
