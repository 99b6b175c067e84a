# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option by which an action plugin sends the program on the host. Private to mailops.postfix."""

from __future__ import annotations


class ModuleDocFragment:
    """Used by the modules that install the program on the host."""

    DOCUMENTATION = r"""
options:
  _program:
    description:
      - The action plugin of this module sets this option. Playbooks do not.
    type: dict
"""
