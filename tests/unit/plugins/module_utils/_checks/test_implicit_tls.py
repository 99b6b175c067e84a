# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._checks.implicit_tls import implicit_tls_findings
from ansible_collections.mailops.postfix.plugins.module_utils._model.routing import Router, TableLookup
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

MASTER_CF = """\
smtp unix - - n - - smtp
wrapped unix - - n - - smtp
  -o smtp_tls_wrappermode=yes
lmtp unix - - n - - lmtp
local unix - n n - - local
"""
DEFAULTS = {
    "default_transport": "smtp",
    "parent_domain_matches_subdomains": "relay_domains",
    "transport_maps": "hash:/transport",
    "sender_dependent_relayhost_maps": "hash:/senders",
}
WRAPPED = {"smtp_tls_wrappermode": "yes"}


def found(parameters, transport=None, senders=None):
    texts = {"hash:/transport": transport or {}, "hash:/senders": senders or {}}
    return list(implicit_tls_findings(Router(built(DEFAULTS, master_cf=MASTER_CF, **parameters), TableLookup(texts))))


@pytest.mark.parametrize(
    ("parameters", "transport", "senders"),
    [
        ({}, {}, {}),
        ({"relayhost": "[hub]:587"}, {}, {}),
        ({"relayhost": "[hub]"}, {}, {}),
        ({"relayhost": "[hub]:2525", **WRAPPED}, {}, {}),
        ({"relayhost": "[hub]:465", **WRAPPED}, {}, {}),
        ({"relayhost": "[hub]:587"}, {"x.test": "wrapped:[hub]:465"}, {}),
        ({"relayhost": "[2001:db8::465]"}, {}, {}),
        ({}, {"x.test": "lmtp:[hub]:465"}, {}),
        ({"default_transport": "wrapped:[hub]:submissions"}, {}, {}),
    ],
)
def test_what_is_fine(parameters, transport, senders):
    assert found(parameters, transport, senders) == []


@pytest.mark.parametrize(
    ("parameters", "transport", "senders", "says"),
    [
        ({"relayhost": "[hub]:465"}, {}, {}, "port 465 starts with TLS"),
        ({"relayhost": "[one]:587 [hub]:smtps"}, {}, {}, "port smtps starts with TLS"),
        ({"relayhost": "[hub]:587", **WRAPPED}, {}, {}, "port 587 starts without TLS"),
        ({"relayhost": "[hub]:465", "smtp_fallback_relay": "[f]:25", **WRAPPED}, {}, {}, "port 25 starts without TLS"),
        ({}, {"x.test": "smtp:[hub]:465"}, {}, "Use a transport with the options smtp_tls_wrappermode=yes"),
        ({}, {"x.test": "wrapped:[hub]:25"}, {}, "port 25 starts without TLS"),
        ({"relayhost": "[hub]:587"}, {}, {"@a.test": "[other]:465"}, "the entry @a.test of hash:/senders"),
    ],
)
def test_a_port_of_the_other_kind(parameters, transport, senders, says):
    [finding] = found(parameters, transport, senders)
    assert finding.check == "wrapper_mode" and says in str(finding)
