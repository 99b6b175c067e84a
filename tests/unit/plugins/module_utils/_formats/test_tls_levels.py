# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._formats.tls_levels import (
    AUTHENTICATED,
    LEVELS,
    MANDATORY,
    STRENGTH,
)


def test_each_level_has_a_strength():
    assert sorted(LEVELS) == sorted(STRENGTH)


@pytest.mark.parametrize("level", ["none", "may", "dane"])
def test_levels_that_fall_back_to_cleartext_are_not_mandatory(level):
    assert STRENGTH[level] < MANDATORY


@pytest.mark.parametrize("level", ["dane-only", "fingerprint", "verify", "secure"])
def test_levels_that_authenticate_the_server(level):
    assert STRENGTH["encrypt"] < AUTHENTICATED <= STRENGTH[level]
