# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter smarthost_clients."""

from __future__ import annotations

DOCUMENTATION = r"""
name: smarthost_clients
short_description: The clients of a smarthost in the inventory
version_added: 0.1.0
author: mailops.postfix contributors (!UNKNOWN)
description:
  - Returns the hosts of a fleet that do not name another smarthost in C(roadwarrior_smarthost).
options:
  _input:
    description: The variables of each host, C(hostvars).
    type: dict
    required: true
  fleet:
    description: The hosts to consider.
    type: list
    elements: str
    required: true
  smarthost:
    description: The name of the smarthost in the inventory.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Display the clients
  ansible.builtin.debug:
    msg: "{{ hostvars | mailops.postfix.smarthost_clients(groups.roadwarriors, inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description: The hosts, in the order of O(fleet).
  type: list
  elements: str
  sample: [laptop-a, laptop-b]
"""

from typing import Any, Callable

from ..plugin_utils import _fleet


def smarthost_clients(hosts: Any, fleet: Any, smarthost: str) -> list[str]:
    """The clients of a smarthost."""
    return _fleet.clients_of(hosts, fleet, str(smarthost))


class FilterModule:
    """The Jinja2 filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"smarthost_clients": smarthost_clients}
