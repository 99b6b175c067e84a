# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""File modes in declarations."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._formats import file_modes


@pytest.mark.parametrize(
    ("declared", "mode"),
    [("0640", 0o640), ("640", 0o640), ("0o640", 0o640), (0o640, 0o640), ("4755", 0o4755)]
    + [(value, None) for value in ("", "8", "u=rw", "0888", True, -1, 0o10000, None, 6.4)],
)
def test_octal(declared, mode):
    assert file_modes.octal(declared) == mode


@pytest.mark.parametrize(("mode", "private"), [(0o600, True), (0o711, True), (0o640, True), (0o604, False)])
def test_is_private(mode, private):
    assert file_modes.is_private(mode) == private
