# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificates the ports serve. The tests of deploy have more: a port that has a fault, and the time until it serves a renewal."""

from __future__ import annotations

from ansible_collections.mailops.postfix.plugins.module_utils._program import ports
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils._program.renewal_host import (
    SECOND,
    THIRD,
    leaf_of,
)
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.authority import MIDDLE, write


def wrong(host):
    host.probes.clear()
    return ports.wrongly_served_files(host.instance(), host.probe)


def test_the_files_that_a_port_does_not_serve(host):
    assert wrong(host) == set()
    host.served[None] = leaf_of(SECOND)
    assert wrong(host) == {str(host.chain_file)}


def test_a_port_that_can_not_be_probed(host):
    """It is not the fault of a certificate."""
    host.problem = "connection refused"
    assert wrong(host) == set()


def test_files_without_certificates(host):
    host.chain_file.write_text("damaged")
    assert wrong(host) == set()


def test_each_port_is_probed_once(host):
    """Not once for each of the certificates for server names."""
    path = host.directory / "master.cf"
    path.write_text(
        f"{path.read_text()}127.0.0.1:2587 inet n - n - - smtpd\n127.0.0.1:2588 inet n - n - - smtpd -o smtpd_tls_security_level=none\n"
    )
    assert wrong(host) == set() and host.probes == [None] * 3


def test_one_of_two_certificates(host):
    """A port serves them by the type of key that the client supports."""
    second = host.directory / "tls/second.pem"
    write(second, THIRD.key_pem + THIRD.pem + MIDDLE.pem)
    path = host.directory / "main.cf"
    path.write_text(f"{path.read_text()}smtpd_tls_chain_files = {second}, {host.chain_file}\n")
    assert wrong(host) == set()
    host.served[None] = leaf_of(SECOND)
    assert wrong(host) == {str(second), str(host.chain_file)}
