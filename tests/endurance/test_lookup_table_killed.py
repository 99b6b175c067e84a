# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SIGKILL at random moments of an update of a large table, with a reader beside it that must never notice."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._formats import compiled_table, lookup_table

ENTRIES = 100_000
POSTMAP = ["/usr/sbin/postmap"]

APPLY = """
import sys
from ansible_collections.mailops.postfix.plugins.module_utils._plan import lookup_table
from ansible_collections.mailops.postfix.plugins.module_utils._transaction.apply import apply
from ansible_collections.mailops.postfix.plugins.module_utils._host import state
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
directory, source, map_type = sys.argv[1:]
state.ROOT = f"{directory}.state"
options = lookup_table.TableOptions(path="t", type=map_type, src=source, remote_src=True)
done = apply(lambda i: lookup_table.lookup_table(i, options).plan, lambda: Instance(directory))
print(done.changed)
"""


class Reader(threading.Thread):
    """Asks for keys all the time, in one open table per question, and notes every answer that is wrong.

    Some keys are the same before and after; two, at either end of the table, change together.
    """

    def __init__(self, directory: Path, map_type: str) -> None:
        super().__init__()
        self.command = [*POSTMAP, "-c", str(directory), "-q", "-", f"{map_type}:{directory}/t"]
        self.stopped = threading.Event()
        self.answers = 0
        self.seen: set[str] = set()
        self.wrong: list[str] = []

    def run(self) -> None:
        untouched = [f"user{number:06d}@example.org" for number in range(1000, ENTRIES, 9973)]
        asked = ["first@example.org", *untouched, "last@example.org"]
        while not self.stopped.is_set():
            done = subprocess.run(self.command, input="\n".join(asked), capture_output=True, check=False, text=True)
            found = dict(line.split("\t", 1) for line in done.stdout.splitlines())
            first, last = found.pop("first@example.org", "none"), found.pop("last@example.org", "none")
            self.answers += 1
            self.seen.add(first)
            if done.stderr or first != last or first == "none" or list(found) != untouched:
                self.wrong.append(f"{first} {last} {len(found)} {done.stderr}")


def text(generation: str) -> bytes:
    lines = [f"user{number:06d}@example.org smtp:[hub]\n" for number in range(ENTRIES)]
    return f"first@example.org {generation}\n{''.join(lines)}last@example.org {generation}\n".encode()


@pytest.fixture(name="instance")
def fixture_instance(tmp_path):
    instance = tmp_path / "instance"
    instance.mkdir()
    (instance / "main.cf").write_text("compatibility_level = 3.6\ndefault_database_type = hash\n")
    (instance / "master.cf").write_text("")
    os.utime(instance / "main.cf", (1, 1))
    for generation in ("odd", "even"):
        (tmp_path / generation).write_bytes(text(generation))
    return instance


def start(instance: Path, generation: str, map_type: str) -> subprocess.Popen[str]:
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
    command = [sys.executable, "-c", APPLY, str(instance), str(instance.parent / generation), map_type]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)


def names(instance: Path) -> list[str]:
    return sorted(path.name for path in instance.iterdir() if path.name not in ("main.cf", "master.cf", "main.cf.tmp"))


@pytest.mark.parametrize("map_type", ["btree"])
def test_a_reader_never_notices_that_updates_are_killed(instance, map_type, full, seed):
    kills = 50 if full else 5
    assert start(instance, "odd", map_type).communicate()[0] == "True\n"
    reader = Reader(instance, map_type)
    reader.start()
    chance = random.Random(seed)
    killed = left = 0
    try:
        began = time.monotonic()
        assert start(instance, "even", map_type).communicate()[0] == "True\n"
        duration = time.monotonic() - began
        for generation in itertools.cycle(["odd", "even"]):
            # The moments are spread over the whole update, each a little further on than the one before.
            process = start(instance, generation, map_type)
            try:
                process.wait(timeout=duration * (killed + chance.random()) / kills)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                killed += 1
            if process.communicate()[0] == "True\n" and process.returncode == 0:
                duration *= 0.98  # an update has ended before its moment: the machine is quicker now
            left += names(instance) != ["t", f"t{lookup_table.COMPILED[map_type]}"]
            if killed == kills:
                break
    finally:
        reader.stopped.set()
        reader.join()
    assert not reader.wrong, reader.wrong[:5]
    assert reader.answers > kills and reader.seen == {"odd", "even"}
    assert left or not full, "no kill has ever interrupted anything"
    for generation in ("even", "odd"):
        start(instance, generation, map_type).communicate()
        assert names(instance) == ["t", f"t{lookup_table.COMPILED[map_type]}"]
    assert (instance / "t").read_bytes() == text("odd")
    found = subprocess.run(
        [*POSTMAP, "-c", str(instance), "-s", f"{map_type}:{instance}/t"], capture_output=True, check=True
    )
    assert compiled_table.listed_contents(found.stdout) == lookup_table.contents(text("odd"))
    assert start(instance, "odd", map_type).communicate()[0] == "False\n"
