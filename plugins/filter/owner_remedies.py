# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter owner_remedies."""

from __future__ import annotations

DOCUMENTATION = r"""
name: owner_remedies
short_description: What to do instead of applying a second role to an instance
version_added: 0.1.0
author: mailops.postfix contributors (!UNKNOWN)
description:
  - For each of the other roles that own an instance, the text with which the error of M(mailops.postfix.configuration) ends, as
    O(mailops.postfix.configuration#module:owner_remedies) takes it.
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
    owner_remedies: "{{ 'mta_relay' | mailops.postfix.owner_remedies }}"
"""

RETURN = r"""
_value:
  description: For each other role, the text.
  type: dict
  sample: {smarthost: Remove the role mta_relay from this host}
"""

from typing import Any, Callable

from ..plugin_utils import _owners


def owner_remedies(role: str) -> dict[str, str]:
    """What to do instead, for each other role."""
    return _owners.owner_remedies(str(role))


class FilterModule:
    """The Jinja2 filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"owner_remedies": owner_remedies}
