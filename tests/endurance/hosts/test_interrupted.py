# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run is interrupted with Ctrl-C, and the same command is given again: it succeeds, without waiting for the deadline.

The deadline is the role's default, 600 seconds, and a run fails that has waited for another one for 120 seconds.
"""

from __future__ import annotations

import os
import time

from fleet import declared, shown


def _begins_to_write(host):
    return host.transactions()


def _has_installed(host):
    return host.records() and not (host.root / "etc/postfix/.transaction").exists()


def _verifies(host):
    return any(record["activated"] for record in host.records())


MOMENTS = {
    "writing": (_begins_to_write, 0),
    "installed": (_has_installed, 0),
    "verifying": (_verifies, 0),
    "later": (_begins_to_write, 1),
    "any time": (_begins_to_write, 4),
}
"""What one of the hosts does, and the longest time in seconds until the run is interrupted after that."""


def pytest_generate_tests(metafunc):
    """Two of the moments; with FULL=1 all of them."""
    if "moment" in metafunc.fixturenames:
        metafunc.parametrize("moment", MOMENTS if os.environ.get("FULL") else ["installed", "verifying"])


def test_the_same_command_succeeds(pairs, chance, moment):
    condition, longest = MOMENTS[moment]
    serial = 100 + list(MOMENTS).index(moment)
    run = pairs.start(declared(serial))
    assert run.until(lambda: any(condition(host) for host in pairs)), run.text
    time.sleep(chance.uniform(0, longest))
    run.interrupt()
    left = [host.name for host in pairs if host.records()]
    again = pairs.start(declared(serial)).succeeded()
    assert "undone first" in again.text or not left, again.text
    for name, now in pairs.in_service().items():
        assert {**now, **shown(serial)} == now, name
    for host in pairs:
        assert host.pending() == []
    print(f"{moment}: left open on {', '.join(left) or 'no host'}")
