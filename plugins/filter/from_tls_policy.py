# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter from_tls_policy."""

from __future__ import annotations

DOCUMENTATION = r"""
name: from_tls_policy
short_description: Turn the text or the entries of a policy table into TLS policies
version_added: 0.1.0
author: mailops.postfix contributors (!UNKNOWN)
description:
  - Reads the entries of a table for C(smtp_tls_policy_maps), to inspect them or to migrate them to
    M(mailops.postfix.tls_policy).
  - An entry that Postfix would treat as invalid is refused.
options:
  _input:
    description:
      - The values of the table by key, as P(mailops.postfix.to_tls_policy#filter) returns them, or the text of the
        table.
    type: raw
    required: true
seealso:
  - plugin: mailops.postfix.to_tls_policy
    plugin_type: filter
  - module: mailops.postfix.tls_policy
"""

EXAMPLES = r"""
- name: Show the policies of an old table
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', 'tls_policy') | mailops.postfix.from_tls_policy }}"
"""

RETURN = r"""
_value:
  description: The policies, as in O(mailops.postfix.tls_policy#module:policies).
  type: list
  elements: dict
  sample: [{nexthop: example.com, level: secure, match: [nexthop, dot-nexthop]}]
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils._errors import PostfixError
from ..module_utils._formats import lookup_table, lookup_table_edit, tls_policy
from ..module_utils._formats.lines import to_bytes, to_text


def from_tls_policy(table: Any) -> list[dict[str, Any]]:
    """The policies of a table."""
    try:
        if isinstance(table, str):
            text = to_bytes(table)
            lookup_table_edit.check_entries(text)
            return [
                tls_policy.to_declaration(
                    tls_policy.parse(to_text(entry.key), to_text(entry.value), f"line {entry.line.number}")
                )
                for entry in lookup_table.table_entries(text)
            ]
        if not isinstance(table, dict):
            raise AnsibleFilterError(
                f"mailops.postfix.from_tls_policy: the input is of type {type(table).__name__}. "
                "Give a dictionary or the text of a table"
            )
        return [
            tls_policy.to_declaration(tls_policy.parse(str(nexthop), str(value))) for nexthop, value in table.items()
        ]
    except PostfixError as error:
        raise AnsibleFilterError(f"mailops.postfix.from_tls_policy: {error}") from error


class FilterModule:
    """The Jinja2 filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"from_tls_policy": from_tls_policy}
