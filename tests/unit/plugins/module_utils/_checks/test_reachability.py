# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._checks.reachability import reachability_findings
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan import configuration as configuration_plan
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built


class Host:
    """A host whose own name is in /etc/hosts as Debian writes it."""

    def addresses(self, name):
        return {
            "mx.test": ("127.0.1.1",),
            "localhost": ("127.0.0.1", "::1"),
            "vpn.test": ("10.8.0.1",),
            "gone.test": (),
        }.get(name, (name,))


SMTP = "smtp inet n - n - - smtpd\n"


@pytest.mark.parametrize(
    ("master_cf", "interfaces", "reached"),
    [
        (SMTP, "all", True),
        (SMTP, "localhost", False),
        (SMTP, "loopback-only", False),
        (SMTP, "127.0.0.1, [::1]", False),
        (SMTP, "mx.test, localhost", False),
        (SMTP, "192.0.2.7", True),
        (SMTP, "127.0.0.1, 10.8.0.1", True),
        (SMTP, "vpn.test", True),
        (SMTP, "gone.test", True),
        ("10.8.0.1:25 inet n - n - - smtpd\n", "loopback-only", True),
        (SMTP + "0.0.0.0:587 inet n - n - - smtpd\n", "loopback-only", True),
        (SMTP + "0.0.0.0:628 inet n - n - - qmqpd\n", "loopback-only", False),
        ("smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n", "all", True),
        ("smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n", "localhost", False),
        ("smtp unix - - n - - smtp\n", "all", False),
        # A proxy on this host takes the connections.
        (SMTP + "  -o smtpd_upstream_proxy_protocol=haproxy\n", "loopback-only", True),
        # A directory that is not an instance yet.
        ("", "loopback-only", True),
    ],
)
@pytest.mark.parametrize("owner", ["mta_relay", "smarthost"])
def test_who_can_reach_a_relay(master_cf, interfaces, reached, owner):
    configuration = built({}, f"inet_interfaces = {interfaces}\n", master_cf, inet_interfaces=interfaces)
    messages = list(map(str, reachability_findings(configuration, Host(), owner)))
    assert bool(messages) is not reached
    assert all(f"Write {owner}_inet_interfaces: all" in message and "main.cf:1" in message for message in messages)
    assert list(reachability_findings(configuration, Host(), "roadwarrior")) == []
    assert list(reachability_findings(configuration, Host(), "")) == []


@pytest.mark.parametrize("inherited", [True, False])
def test_a_relay_on_loopback_is_refused_before_anything_is_written(directory, inherited):
    main_cf = {} if inherited else {"inet_interfaces": "localhost"}
    with (directory / "main.cf").open("a") as file:
        file.write(
            "inet_interfaces = localhost\nmyhostname = mx.example.org\n"
            if inherited
            else "myhostname = mx.example.org\n"
        )

    def plan(**options):
        declared = {"validate": True, "main_cf": main_cf, **options}
        return configuration_plan.configuration(Instance(str(directory)), declared)

    with pytest.raises(
        DeclarationError, match="no other host can reach this mta_relay.*mta_relay_inet_interfaces: all"
    ):
        plan(owner="mta_relay")
    plan(owner="roadwarrior")
    plan()
    assert plan(owner="mta_relay", main_cf={"inet_interfaces": ["all"]})
    ignored = plan(owner="smarthost", checks={"no_listener": "warning"})
    assert any("no_listener" in warning for warning in ignored.warnings)
