# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all modules say alike about check mode and the like. Private to mailops.postfix."""

from __future__ import annotations


class ModuleDocFragment:
    """Used by every module, together with the fragment instance or its section read_only."""

    DOCUMENTATION = r"""
attributes:
  action_group:
    description: Use C(group/mailops.postfix.postfix) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - mailops.postfix.postfix
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
  idempotent:
    description: When run twice in a row with the same arguments, the second invocation indicates no change.
    support: full
  platform:
    description: Target operating systems and families that can be operated against.
    support: full
    platforms: posix
"""
