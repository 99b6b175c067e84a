# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures: fleets of hosts. Tests with different fleets run at the same time."""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator

import pytest
from fleet import SUITES, Fleet
from lab.common import PROJECT
from lab.hosts import Lab

LAB = "endurance"
FLEETS = ("kills", "pairs", "edits", "keys")


def pytest_configure(config: pytest.Config) -> None:
    """A marker for each fleet."""
    for name in FLEETS:
        config.addinivalue_line("markers", f"{name}: tests that need this fleet")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its fleet, so that -m selects them: one process runs all tests of a fleet (tests/ci/endurance)."""
    for item in items:
        used = {*getattr(item, "fixturenames", ()), *(mark.name for mark in item.iter_markers())}
        names = [name for name in FLEETS if name in used]
        if len(names) != 1:
            raise pytest.UsageError(f"{item.nodeid} needs one of the fleets {', '.join(FLEETS)}")
        item.add_marker(names[0])


def _started(name: str, is_relay: bool = True) -> Iterator[Fleet]:
    names = [f"{name}-{suite}" for suite in SUITES]
    # The hosts of the three fleets are started at the same time, and the lab's own lock admits one of them after the other.
    subprocess.run([PROJECT / "tests/lab/hosts", "--lab", LAB, "up", "--fresh", *names], check=True)
    directory = Path(tempfile.mkdtemp(prefix=f"endurance-{name}-"))
    fleet = Fleet(Lab(LAB), name, directory)
    if is_relay:
        fleet.prepare()
    yield fleet
    shutil.rmtree(directory)
    subprocess.run([PROJECT / "tests/lab/hosts", "--lab", LAB, "down", *names], check=True)


@pytest.fixture(scope="session")
def kills() -> Iterator[Fleet]:
    """The fleet whose controllers are killed."""
    yield from _started("kills")


@pytest.fixture(scope="session")
def pairs() -> Iterator[Fleet]:
    """The fleet with two controllers."""
    yield from _started("pairs")


@pytest.fixture(scope="session")
def edits() -> Iterator[Fleet]:
    """The fleet that others edit."""
    yield from _started("edits")


@pytest.fixture(scope="session")
def keys() -> Iterator[Fleet]:
    """The fleet whose keys are rotated."""
    yield from _started("keys", is_relay=False)


@pytest.fixture
def chance(seed: int, request: pytest.FixtureRequest) -> random.Random:
    """Random numbers of a test."""
    return random.Random(f"{seed} {request.node.name}")
