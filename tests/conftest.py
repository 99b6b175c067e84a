# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The property tests: the same examples in each run, so that a result depends on the sources alone; ``make fuzz`` searches at random.

FUZZ_SEED  a number: search at random, starting from it
"""

from __future__ import annotations

import os

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
