# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module instance_info returns. The scenario routes asks the real smtp(8) the same."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._model.routing import Router, TableLookup
from ansible_collections.mailops.postfix.plugins.module_utils._plan.instance_report import (
    instance_report,
    route_report,
    routes_report,
    weakest,
)
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

PIN = ":".join(["AB"] * 32)


def router(policies=None, **parameters):
    defaults = {"default_transport": "smtp", "smtp_tls_policy_maps": "hash:/p", "smtp_tls_security_level": "may"}
    master_cf = "smtp unix - - n - - smtp\n"
    return Router(built(defaults, master_cf=master_cf, **parameters), TableLookup({"hash:/p": policies or {}}))


def test_the_messages_in_each_queue(directory):
    queue = directory / "queue"
    (queue / "deferred/A").mkdir(parents=True)
    (queue / "deferred/A/A1").write_text("")
    (queue / "active").mkdir()
    (directory / "main.cf").write_text(f"compatibility_level = 3.6\nqueue_directory = {queue}\nvirtual_maps =\n")
    report = instance_report(Instance(str(directory)))
    assert (report["queue"]["deferred"], report["queue"]["active"], report["queue"]["hold"]) == (1, 0, -1)


@pytest.mark.parametrize(
    ("version", "deprecated"),
    [
        ((3, 5, 25), {"virtual_maps": "virtual_alias_maps"}),
        (
            (3, 11, 7),
            {"virtual_maps": "virtual_alias_maps", "smtpd_per_record_deadline": "smtpd_per_request_deadline"},
        ),
    ],
)
def test_deprecated_parameters(directory, monkeypatch, version, deprecated):
    """With what to use instead, where the version has that."""
    (directory / "main.cf").write_text("virtual_maps =\nsmtpd_per_record_deadline = no\nmyhostname = mx.example.org\n")
    monkeypatch.setattr(Instance, "version", version)
    report = instance_report(Instance(str(directory)))["deprecated_parameters"]
    assert report == {name: {"since": "3.11", "instead": new} for name, new in deprecated.items()}


@pytest.mark.parametrize(
    ("levels", "lowest"),
    [
        (["fingerprint", "may"], "may"),
        (["dane", "encrypt"], "dane"),
        (["invalid", "encrypt"], "encrypt"),
        (["invalid"], "invalid"),
        ([""], ""),
        ([], ""),
    ],
)
def test_the_weakest_link(levels, lowest):
    assert weakest(levels) == lowest


def test_the_next_hops_of_a_recipient():
    said = route_report(router({"[h]:588": f"fingerprint match={PIN}"}, relayhost="[h]:588, [h]:587"), "a.test")
    assert said == {
        "recipient": "a.test",
        "sender": None,
        "next_hops": [
            {
                "transport": "smtp",
                "nexthop": "[h]:588",
                "source": "relayhost",
                "fallback": False,
                "level": "fingerprint",
                "match": [PIN],
                "policy": {"table": "hash:/p", "key": "[h]:588", "level": "fingerprint", "match": [PIN]},
                "problem": "",
            },
            {
                "transport": "smtp",
                "nexthop": "[h]:587",
                "source": "relayhost",
                "fallback": False,
                "level": "may",
                "match": [],
                "policy": None,
                "problem": "",
            },
        ],
        "weakest_level": "may",
        "problem": "",
    }
    unknown = route_report(router(transport_maps="ldap:/l"), "a.test", "s@b.test")
    assert (unknown["next_hops"], unknown["weakest_level"]) == ([], "")
    assert unknown["problem"] == "ldap:/l can't be read here"


def test_routes_of_an_instance(tables):
    tables.write("tls_policy", "[a.test]:587 encrypt\n")
    tables.write("transport", "x.test smtp:[a.test]:587\n")
    tables.main_cf(
        relayhost="[a.test]:587",
        smtp_tls_policy_maps="texthash:$config_directory/tls_policy",
        transport_maps="texthash:$config_directory/transport",
    )
    (tables.path / "master.cf").write_text("smtp unix - - n - - smtp\n")
    asked = [{"recipient": "x.test", "sender": None}, {"recipient": "u@z.test", "sender": "<>"}]
    first, second = routes_report(Instance(str(tables.path)), asked)
    assert (first["sender"], second["sender"]) == (None, "<>")
    assert first["next_hops"][0]["source"] == f"the entry x.test of texthash:{tables.path}/transport"
    assert (second["next_hops"][0]["source"], second["weakest_level"]) == ("relayhost", "encrypt")
    assert routes_report(Instance(str(tables.path)), []) == []
