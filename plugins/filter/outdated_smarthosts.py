# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter outdated_smarthosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: outdated_smarthosts
short_description: Find smarthosts that accept keys of road-warriors that have another smarthost
version_added: 0.1.0
author: mailops.postfix contributors (!UNKNOWN)
description:
  - A play that sets C(roadwarrior_smarthost) usually runs after the play of the smarthosts, which then take each road-warrior for a client.
  - Returns the smarthosts that this run has configured before, and that have clients only according to the inventory.
  - The role P(mailops.postfix.roadwarrior#role) uses it to revoke the keys of these clients.
options:
  _input:
    description: The variables of each host, C(hostvars).
    type: dict
    required: true
  candidates:
    description: The smarthosts.
    type: list
    elements: str
    required: true
  default_fleet:
    description: The fleet of a smarthost that does not declare C(smarthost_fleet).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Display the smarthosts
  ansible.builtin.debug:
    msg: "{{ hostvars | mailops.postfix.outdated_smarthosts(groups.smarthosts, groups.roadwarriors) }}"
"""

RETURN = r"""
_value:
  description: C(host), the name in the inventory, and C(clients), the road-warriors that remain.
  type: list
  elements: dict
  sample: [{host: hub, clients: [laptop-a]}]
"""

from typing import Any, Callable

from ..plugin_utils import _fleet


def outdated_smarthosts(hosts: Any, candidates: Any, default_fleet: Any) -> list[dict[str, Any]]:
    """The smarthosts with former clients."""
    return _fleet.outdated_smarthosts(hosts, candidates, default_fleet)


class FilterModule:
    """The Jinja2 filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"outdated_smarthosts": outdated_smarthosts}
