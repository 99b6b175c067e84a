# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run that is killed at any time leaves a configuration of complete files, old or new, and the next run makes the intended changes."""

from __future__ import annotations

import random
import re
import signal
import time

KILLS = {"anywhere": 12, "installing": 6, "renaming": 7}
"""The number of kills of a batch at any time of a run, after the journal has been opened, and after the first new file has been renamed.
The last phase takes a millisecond: pauses make it longer, so that kills happen between the files."""

PACE = 0.004
OWN = re.compile(r"\.transaction$|\.[^/]+\.new|main\.cf\.tmp$")
"""Files that a killed run may leave until the next run."""


def test_the_configuration_is_whole_and_the_next_run_converges(batch, seed, modules, directory, postfix, declared):
    journal = directory / ".transaction"
    first = directory / "tls/mx.pem"
    for which in "ab":
        modules(declared(which)).succeeded()
    longest = {"anywhere": 60.0, "installing": 60.0, "renaming": 60.0}
    reference = {}
    for which in "ab":
        begin = time.monotonic()
        run = modules.start(declared(which))
        run.until(journal.exists)
        opened = time.monotonic()
        run.result().succeeded()
        longest["anywhere"] = min(longest["anywhere"], time.monotonic() - begin)
        longest["installing"] = min(longest["installing"], time.monotonic() - opened)
        reference[which] = postfix.contents()
    names = set(reference["a"])
    assert names == set(reference["b"])
    assert all(reference["a"][name] != reference["b"][name] for name in names), "every file must differ"

    chance = random.Random(seed + batch)
    phases = [phase for phase, count in KILLS.items() for _number in range(count)]
    chance.shuffle(phases)
    longest["renaming"] = PACE * len(names)
    seen = dict.fromkeys(("killed", "too late", "restored", "mixed"), 0)
    old = "b"
    while phases:
        phase = phases.pop()
        new = "a" if old == "b" else "b"
        run = modules.start(declared(new), pace=PACE if phase == "renaming" else 0)
        if phase == "installing":
            run.until(journal.exists)
        elif phase == "renaming":
            inode = first.stat().st_ino
            run.until(lambda before=inode: first.stat().st_ino != before)
        time.sleep(chance.uniform(0, longest[phase]))
        killed = run.kill()

        postfix.reads_everything()
        found = postfix.contents()
        foreign = [name for name in set(found) - names if not any(map(OWN.match, name.split("/")))]
        assert (foreign, names - set(found)) == ([], set())
        assert [name for name in names if found[name] not in (reference["a"][name], reference["b"][name])] == []

        interrupted = (journal / "journal").exists()
        if chance.random() < 0.5:
            # Any run restores the previous state, also a run without changes.
            other = modules({"config_directory": str(directory), "main_cf": {"smtpd_tls_security_level": "may"}})
            assert not other.succeeded()["changed"]
            present = postfix.contents()
            present.pop("main.cf.tmp", None)  # a run without changes does not take the lock
            assert present in (reference[old], reference[new]), f"{phase}, {seen}"
            again = modules(declared(new)).succeeded()
        else:
            again = modules(declared(new)).succeeded()
            told = "that an interrupted run had begun to change" in str(again.get("warnings"))
            assert told == interrupted, "a run that finds an interrupted one must report it"
        assert postfix.contents() == reference[new], f"{phase}, {seen}"
        after = modules(declared(new)).succeeded()
        assert (after["changed"], after["diff"], after["requires"]) == (False, [], "none")

        if killed.status == -signal.SIGKILL:
            seen["killed"] += 1
        else:
            seen["too late"] += 1
            assert seen["too late"] < 100, "no run is killed in time"
            longest[phase] *= 0.9
            phases.append(phase)
        seen["restored"] += interrupted
        seen["mixed"] += len({found[name] == reference[new][name] for name in names}) == 2
        old = new
        if not phases and (seen["restored"] < 4 or seen["mixed"] < 2):
            # On a busy machine few kills may hit the installation: more of them.
            assert seen["killed"] < 200, f"too few kills hit the installation: {seen}"
            phases.append("renaming")
    print(seen)
