# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model.reachability import listens_on_loopback
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built


@pytest.mark.parametrize(
    ("service", "interfaces", "loopback"),
    [
        ("smtp", "all", False),
        ("smtp", "loopback-only", True),
        ("smtp", "localhost", True),
        ("smtp", "127.0.0.1, [::1]", True),
        ("smtp", "127.0.0.1, 192.0.2.1", False),
        ("smtp", "", False),
        ("127.0.0.1:10025", "all", True),
        ("[::1]:10025", "all", True),
        ("[ipv6:::1]:10025", "all", True),
        ("localhost:10025", "all", True),
        ("192.0.2.1:25", "loopback-only", False),
        ("10.8.0.1:25", "all", False),
    ],
)
def test_loopback(service, interfaces, loopback):
    configuration = built({}, master_cf=f"{service} inet n - y - - smtpd\n", inet_interfaces=interfaces)
    assert listens_on_loopback(configuration, configuration.services[0]) is loopback
