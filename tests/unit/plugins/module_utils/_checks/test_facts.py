# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host provides the facts that the checks declare as interfaces."""

from __future__ import annotations

import inspect

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._checks import facts
from ansible_collections.mailops.postfix.plugins.module_utils._host import dns_message, system


def names(interface):
    return sorted(name for name in vars(interface) if not name.startswith("_"))


@pytest.mark.parametrize("name", names(facts.HostFacts))
def test_host_facts(name):
    declared = list(inspect.signature(getattr(facts.HostFacts, name)).parameters)
    assert list(inspect.signature(getattr(system.Host, name)).parameters) == declared


@pytest.mark.parametrize(
    ("interface", "provider"),
    [
        (facts.FileStatus, system.Host().status("/")),
        (facts.ListeningSocket, system.Socket("127.0.0.1", 25, "1")),
        (facts.DnsQuestion, dns_message.QuestionEntry("example.org", "mx")),
        (facts.DnsAnswer, dns_message.Answer("NOERROR", True, False)),
    ],
)
def test_values(interface, provider):
    assert names(interface) and all(hasattr(provider, name) for name in names(interface))
