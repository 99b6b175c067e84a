# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The property tests: the same examples in each run, so that a result depends on the sources alone; ``make fuzz`` searches at random.

FUZZ_SEED  a number: search at random, starting from it
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest
from hypothesis import settings

FUZZ_SEED = os.environ.get("FUZZ_SEED")
settings.register_profile("fixed", derandomize=True, database=None, deadline=None, print_blob=True)
settings.register_profile("random", derandomize=False, database=None, deadline=None, print_blob=True)
settings.load_profile("random" if FUZZ_SEED else "fixed")


@pytest.fixture(scope="session")
def fuzz_seed() -> int:
    """The seed of tests that make their own random texts."""
    return int(FUZZ_SEED or 20260104)


@pytest.fixture
def run_ansible(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A function that runs one of Ansible's programs (``playbook``, ``doc``), with this collection and without the settings of the checkout."""
    settings = tmp_path_factory.mktemp("settings") / "ansible.cfg"
    settings.write_text("", encoding="utf-8")
    collections = Path(__file__).resolve().parents[1] / ".ansible/collections"

    def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ansible", *arguments],
            cwd=cwd,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(settings),
                "ANSIBLE_COLLECTIONS_PATH": str(collections),
                "ANSIBLE_NOCOLOR": "1",
                **environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return run
