# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-playbook is killed between the first write and the confirmation, and each second time the hosts are restarted.

After the deadline the old configuration is in service, all of it, or the new one, if it was verified before.
"""

from __future__ import annotations

import re
import time
from collections import Counter

from fleet import REFUSES, declared, shown

CONFIRM_WITHIN = 10
"""Seconds; each second kill awaits them."""

LEFTOVER = re.compile(r"/etc/postfix/(\.transaction/.*|(.*/)?\.[^/]+\.new(\.post(map|alias)/.*)?|main\.cf\.tmp)$")


def _without_leftovers(seen):
    return {name: value for name, value in seen.items() if not LEFTOVER.match(name)}


def test_the_old_configuration_or_a_verified_one_is_in_service(kills, chance, full):
    wanted = 100 if full else 10
    run = kills.start(declared(1))
    assert run.until(lambda: any(host.transactions() for host in kills))
    begin = time.monotonic()
    assert run.until(lambda: all(host.transactions() for host in kills))
    assert run.until(lambda: not all(host.transactions() for host in kills))
    window = time.monotonic() - begin
    run.succeeded()
    before = kills.in_service()
    assert {name: {**seen, **shown(1)} for name, seen in before.items()} == before
    seen = Counter()
    serial = 1
    while seen["killed"] < wanted:
        serial += 1
        ended = kills.each(lambda host: host.endings())
        holds, modules, restart = serial % 3 != 0, chance.random() < 0.5, seen["restarted"] <= seen["killed"] / 2
        run = kills.start(declared(serial, CONFIRM_WITHIN, **({} if holds else REFUSES)))
        assert run.until(lambda: any(host.transactions() for host in kills)), run.text
        time.sleep(chance.uniform(0, window))
        hit = {host.name for host in kills if host.transactions()}
        run.kill(modules)
        if restart:
            kills.restart(at_once=not full or chance.random() < 0.8)
        kills.each(lambda host: host.undone_by_itself())
        after = kills.in_service()
        for host in kills:
            how = [how for key, how in host.endings().items() if key not in ended[host.name]]
            now, old = after[host.name], before[host.name]
            case = f"{host.name}: serial {serial}, {holds=}, {modules=}, {restart=}, {how}"
            assert len(how) <= 1, case
            if how == ["confirmed"]:
                assert holds, case
                assert {**now, **shown(serial)} == now, case
            else:
                # What a run leaves that is killed before it has installed anything is removed by the next one.
                assert _without_leftovers(now) == _without_leftovers(old), case
                assert now == _without_leftovers(now) or not how, case
            seen["killed" if host.name in hit else "too early or too late"] += 1
            if host.name in hit:
                seen[how[0] if how else "nothing installed"] += 1
                seen["restarted"] += restart
        before = after
        if not hit:
            window *= 0.8
        assert seen["too early or too late"] < 3 * wanted, seen
        print(f"{time.monotonic() - begin:.0f} s", dict(seen))
