# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two processes of ansible-playbook change the same hosts, one of them with a configuration that accepts no mail.

Each run's exit status is its own, every good change is in service, and no bad one.
"""

from __future__ import annotations

import time
from collections import Counter

from fleet import REFUSES, declared, shown

SECONDS = 6.0
"""The longest time between the two starts; a run takes about as long if it is alone."""

FREE = {"ANSIBLE_STRATEGY": "free"}
"""With the default strategy, linear, each of two runs may have opened its transaction on a host for which the other one waits: neither of them
begins to verify before that task has ended on all of its hosts. Both fail there when their lock_timeout has passed."""


def without_serial(**main_cf):
    """Variables of the role with which it leaves the serial number alone."""
    variables = declared(0, **main_cf)
    del variables["mta_relay_main_cf"]["message_size_limit"]
    return {**variables, "mta_relay_master_cf": [], "mta_relay_lookup_tables": []}


def test_each_change_has_its_own_verification(pairs, chance, full):
    seen = Counter()
    serial = 0
    while seen["pairs"] < (50 if full else 5):
        serial += 1
        good_first = serial % 2 == 0
        bad = without_serial(**REFUSES, maximal_queue_lifetime=f"{serial}h")
        variables = [declared(serial), bad] if good_first else [bad, declared(serial)]
        runs = [pairs.start(variables[0], **FREE)]
        time.sleep(chance.uniform(0, SECONDS))
        runs.append(pairs.start(variables[1], **FREE))
        good, bad_run = runs if good_first else reversed(runs)
        assert good.result() == 0, good.text
        assert bad_run.result() == 2, bad_run.text
        for host in pairs:
            assert f"fatal: [{host.name}]: FAILED!" in bad_run.text, bad_run.text
        assert bad_run.text.count("server configuration") + bad_run.text.count("451 4.3.5") >= len(pairs.hosts), (
            bad_run.text
        )
        for name, now in pairs.in_service().items():
            case = f"{name}: serial {serial}, {good_first=}"
            assert {**now, **shown(serial)} == now, case
            assert "smtpd_client_restrictions" not in now["parameters"], case
            assert "maximal_queue_lifetime" not in now["parameters"], case
            seen["pairs"] += 1
            seen["good first"] += good_first
        for host in pairs:
            assert host.pending() == []
        print(dict(seen))
