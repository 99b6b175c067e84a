# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotations of a smarthost's key that are killed at each of their tasks, while its road-warriors send mail: no message is deferred.

The scenario ``chain`` kills one rotation. This test runs with FULL=1 only.
"""

from __future__ import annotations

import pytest
from fleet import until

HUB = "keys-trixie"
LAPTOPS = ("keys-bookworm", "keys-nosystemd")
NATIVE = {"roadwarrior_main_cf": {"smtp_host_lookup": "native"}}
"""So that mail does not wait for the lab's name server, which restarts when hosts of other tests start: /etc/hosts has the address of the hub."""

FLOW = """
touch /run/flow; rm -f /run/flow.sent; number=0
while [ -e /run/flow ]; do
    number=$((number + 1))
    printf 'Message-ID: <%s@flow>\\n\\nHello.\\n' $number | sendmail -i -f flow@{fqdn} root@{hub} && echo $number >> /run/flow.sent
    sleep 0.5
done
"""


@pytest.fixture(name="groups")
def fixture_groups(full):
    """The inventory. Without FULL no host is started."""
    if not full:
        pytest.skip("the scenario chain kills one rotation")
    return {
        "smarthosts": {"hosts": [HUB], "vars": {"smarthost_hostname": "{{ lab_fqdn }}"}},
        "roadwarriors": {"hosts": list(LAPTOPS), "vars": {"roadwarrior_smarthost": HUB, **NATIVE}},
    }


@pytest.mark.keys
def test_no_message_is_deferred(groups, request, chance):
    fleet = request.getfixturevalue("keys")
    hosts = {host.name: host for host in fleet}
    hub, laptops = hosts[HUB], [hosts[name] for name in LAPTOPS]

    def pin():
        return hub.run("sh", "-c", f"openssl x509 -in /etc/postfix/tls/{hub.fqdn}.pem -noout -pubkey | sha256sum")

    def pins():
        return [host.run("postconf", "-h", "smtp_tls_fingerprint_cert_match").strip() for host in laptops]

    address = hub.run("hostname", "-I").split()[0]
    for host in laptops:
        host.run("sh", "-c", f"echo {address} {hub.fqdn} >> /etc/hosts")
    fleet.start_in_groups(groups, "site.yml").succeeded()
    complete = fleet.start_in_groups(groups, "rotate_keys.yml").succeeded()
    tasks = complete.text.count("\nTASK [")
    cursors = [host.probe(now={"do": "log", "pattern": "^$"})["now"]["cursor"] for host in laptops]
    flows = [host.start("sh", "-c", FLOW.format(fqdn=host.fqdn, hub=hub.fqdn)) for host in laptops]
    killed, first = 0, pin()
    for number in range(1, tasks + 1):
        run = fleet.start_in_groups(groups, "rotate_keys.yml")
        if not run.until(lambda number=number, run=run: run.text.count("\nTASK [") >= number):
            run.succeeded()  # it had less to do than the first one
            continue
        run.kill(modules=chance.random() < 0.5)
        killed += 1
    fleet.start_in_groups(groups, "rotate_keys.yml").succeeded()
    fleet.start_in_groups(groups, "site.yml").succeeded()
    assert pin() != first
    for host, flow, cursor in zip(laptops, flows, cursors):
        host.run("rm", "/run/flow")
        flow.communicate()
        until(
            lambda host=host: "is empty" in host.run("postqueue", "-p"), lambda host=host: host.run("postqueue", "-p")
        )
        lines = host.probe(sent={"do": "log", "pattern": f"to=<root@{hub.fqdn}>", "since": cursor})["sent"]["lines"]
        sent = host.run("cat", "/run/flow.sent").split()
        assert [line for line in lines if " status=sent " not in line] == []
        assert len(lines) == len(sent) > killed
    assert len(set(pins())) == 1 and "," not in pins()[0] and len(pins()[0].split()) == 1
    mailbox = hub.run("sh", "-c", "cat /var/mail/root", check=False)
    assert mailbox.count("@flow>") >= 2 * killed
    print(
        {
            "tasks": tasks,
            "killed": killed,
            "messages": mailbox.count("\nMessage-ID: <") + mailbox.count("\nMessage-Id: <"),
        }
    )
