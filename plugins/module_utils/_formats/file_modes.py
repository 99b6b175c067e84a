# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""File modes in YAML. Private to mailops.postfix. Pure."""

from __future__ import annotations

import re
from typing import Any


def octal(declared: Any) -> int | None:
    """The mode as a number, from an octal string or a number; None if the value is not a valid mode."""
    if isinstance(declared, str) and re.fullmatch(r"0?o?[0-7]{3,4}", declared):
        declared = int(declared.replace("o", ""), 8)
    if isinstance(declared, int) and not isinstance(declared, bool) and 0 <= declared <= 0o7777:
        return declared
    return None


def is_private(mode: int) -> bool:
    """Whether not every user may read a file with this mode."""
    return not mode & 0o004
