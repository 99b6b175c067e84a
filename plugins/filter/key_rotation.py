# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter key_rotation."""

from __future__ import annotations

DOCUMENTATION = r"""
name: key_rotation
short_description: The state of the rotation of a smarthost's keys
version_added: 0.1.0
author: mailops.postfix contributors (!UNKNOWN)
description:
  - Compares the pins that the clients of a smarthost have with its keys. The playbook C(mailops.postfix.rotate_keys) uses it.
options:
  _input:
    description: The variables of each host, C(hostvars).
    type: dict
    required: true
  clients:
    description: The road-warriors that pin the keys of the smarthost.
    type: list
    elements: str
    required: true
  certificates:
    description: The results of M(mailops.postfix.certificate) on the smarthost.
    type: list
    elements: dict
    required: true
  readings:
    description: For each of O(clients), in the same order, the result of M(mailops.postfix.instance_info); empty if the client was unreachable.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Display the clients that have other pins
  ansible.builtin.debug:
    msg: "{{ (hostvars | mailops.postfix.key_rotation(clients, result.certificates, readings)).unconfirmed }}"
  vars:
    clients: "{{ groups.roadwarriors }}"
    readings: "{{ clients | map('extract', hostvars) | map(attribute='info', default={}) | list }}"
"""

RETURN = r"""
_value:
  description:
    - C(next_pins), the pins of the next keys; C(unreachable), the clients that could not be read; C(unconfirmed), the clients that do not have these
      pins; C(is_incomplete), whether a client has the pin of a replaced key besides that of the current key, while there is no next key.
  type: dict
  sample: {next_pins: [], unreachable: [laptop-b], unconfirmed: ["laptop-b (unreachable)"], is_incomplete: false}
"""

from typing import Any, Callable

from ..plugin_utils import _fleet


def key_rotation(hosts: Any, clients: Any, certificates: Any, readings: Any) -> dict[str, Any]:
    """The state of the rotation."""
    found = dict(zip(clients, readings))
    return _fleet.rotation(hosts, clients, certificates or [], found)._asdict()


class FilterModule:
    """The Jinja2 filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"key_rotation": key_rotation}
