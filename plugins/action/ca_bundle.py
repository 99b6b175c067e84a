# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action plugin of the module ca_bundle, which sends the program to the host."""

from __future__ import annotations

from ..plugin_utils._program_action import ProgramAction


class ActionModule(ProgramAction):
    """Runs the module ca_bundle."""
