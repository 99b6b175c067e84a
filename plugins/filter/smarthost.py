# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter smarthost."""

from __future__ import annotations

DOCUMENTATION = r"""
name: smarthost
short_description: Find a smarthost in the inventory
version_added: 0.1.0
author: mailops.postfix contributors (!UNKNOWN)
description:
  - Returns the host that has a name as C(smarthost_hostname), or in the inventory.
  - What the role P(mailops.postfix.smarthost#role) has published in this run has precedence over the variables in the inventory.
options:
  _input:
    description: The variables of each host, C(hostvars).
    type: dict
    required: true
  candidates:
    description: The hosts to consider.
    type: list
    elements: str
    required: true
  name:
    description: The name of the smarthost.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Display the host
  ansible.builtin.debug:
    msg: "{{ (hostvars | mailops.postfix.smarthost(groups.smarthosts, 'hub.example.org')).host }}"
"""

RETURN = r"""
_value:
  description:
    - C(host), its name in the inventory, empty if it is not in the inventory; C(name), the name under which clients reach it; C(certificates), those
      that it serves.
  type: dict
  sample: {host: hub, name: hub.example.org, certificates: [{name: hub.example.org, provider: self_signed}]}
"""

from typing import Any, Callable

from ..plugin_utils import _fleet


def smarthost(hosts: Any, candidates: Any, name: str) -> dict[str, Any]:
    """The smarthost of this name."""
    return _fleet.smarthost(hosts, candidates, str(name))


class FilterModule:
    """The Jinja2 filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"smarthost": smarthost}
