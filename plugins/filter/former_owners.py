# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter former_owners."""

from __future__ import annotations

DOCUMENTATION = r"""
name: former_owners
short_description: What the module configuration needs to replace another role
version_added: 0.1.0
author: mailops.postfix contributors (!UNKNOWN)
description:
  - For each of the other roles that configure a whole instance, what O(mailops.postfix.configuration#module:former_owners) takes, the remedy in
    the error, and what has to be withdrawn.
  - The roles of this collection use it.
options:
  _input:
    description: The role that is to own the instance.
    type: str
    choices: [mta_relay, smarthost, roadwarrior]
    required: true
"""

EXAMPLES = r"""
- name: Configure a relay, unless another role owns the instance
  mailops.postfix.configuration:
    owner: mta_relay
    former_owners: "{{ 'mta_relay' | mailops.postfix.former_owners }}"
"""

RETURN = r"""
_value:
  description: For each other role, C(remedy), and what to withdraw, C(parameters), C(services) and C(files).
  type: dict
  sample: {smarthost: {remedy: Remove the role mta_relay from this host, parameters: [relay_clientcerts]}}
"""

from typing import Any, Callable

from ..plugin_utils import _owners


def former_owners(role: str) -> dict[str, Any]:
    """What has to be withdrawn of each other role."""
    return _owners.former_owners(str(role))


class FilterModule:
    """The Jinja2 filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"former_owners": former_owners}
