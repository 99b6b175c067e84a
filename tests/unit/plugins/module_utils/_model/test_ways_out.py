# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.mailops.postfix.plugins.module_utils._model.routing import Router, TableLookup
from ansible_collections.mailops.postfix.plugins.module_utils._model.ways_out import ways_out
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

MASTER_CF = """\
smtp unix - - n - - smtp
slow unix - - n - - smtp
  -o smtp_fallback_relay=[late.test]
local unix - - n - - local
"""
DEFAULTS = {
    "default_transport": "smtp",
    "local_transport": "local",
    "parent_domain_matches_subdomains": "relay_domains",
    "mydestination": "here.test",
    "transport_maps": "hash:/transport",
    "sender_dependent_relayhost_maps": "hash:/senders",
    "sender_dependent_default_transport_maps": "hash:/transports",
}
PROBER = "double-bounce@here.test"


def found(transport=None, senders=None, transports=None, domains=(), concerns=None, **parameters):
    texts = {"hash:/transport": transport or {}, "hash:/senders": senders or {}, "hash:/transports": transports or {}}
    router = Router(built(DEFAULTS, master_cf=MASTER_CF, **parameters), TableLookup(texts))
    return {f"{way.hop.transport} {way.hop.nexthop}": way for way in ways_out(router, PROBER, domains, concerns)}


def test_the_default_route():
    ways = found(relayhost="[a.test]:587 [b.test]", smtp_fallback_relay="[f.test]")
    assert list(ways) == ["smtp [a.test]:587", "smtp [b.test]", "smtp [f.test]"]
    assert [way.position for way in ways.values()] == [0, 1, 2] and all(way.is_default for way in ways.values())
    assert ways["smtp [f.test]"].hop.fallback


def test_transports_with_options_of_their_own():
    ways = found({"x.test": "slow:[a.test]", "y.test": "smtp:[a.test]", "z.test": "local:"}, relayhost="[r.test]")
    assert list(ways) == ["smtp [r.test]", "slow [a.test]", "smtp [a.test]", "slow [late.test]"]
    assert (ways["slow [a.test]"].recipient, ways["slow [a.test]"].is_default) == ("postmaster@x.test", False)


def test_next_hops_of_senders():
    ways = found(
        senders={"@a.test": "[sa.test]:587", "bob@b.test": "[sb.test]", "@c.test": "DUNNO"},
        transports={"@d.test": "slow:"},
        relayhost="[r.test]",
    )
    assert ways["smtp [r.test]"].sender is None
    assert (ways["smtp [sa.test]:587"].sender, ways["smtp [sa.test]:587"].recipient) == (
        "postmaster@a.test",
        "postmaster@sa.test",
    )
    assert ways["smtp [sb.test]"].sender == "bob@b.test" and ways["smtp [sb.test]"].is_default
    assert ways["slow [r.test]"].sender == "postmaster@d.test"
    assert "slow [late.test]" in ways


def test_a_next_hop_is_first_somewhere():
    """A message that takes it first is preferred to one that takes it after another."""
    ways = found({"x.test": "smtp:[b.test]"}, relayhost="[a.test] [b.test]")
    assert (ways["smtp [b.test]"].position, ways["smtp [b.test]"].recipient) == (0, "postmaster@x.test")
    assert ways["smtp [b.test]"].is_default, "it carries the mail of other domains too"


def test_what_is_of_interest():
    transport = {f"{number}.test": f"smtp:[h{number}.test]" for number in range(50)}
    ways = found(transport, concerns=lambda nexthop: nexthop == "[h7.test]")
    assert list(ways) == ["smtp [h7.test]"]


def test_domains_with_their_own_route():
    ways = found(domains=["partner.test"])
    assert ways["smtp partner.test"].recipient == "postmaster@partner.test"
    assert not ways["smtp partner.test"].is_default
