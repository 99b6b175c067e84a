# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter from_main_cf."""

from __future__ import annotations

DOCUMENTATION = r"""
name: from_main_cf
short_description: Read the text of a main.cf
version_added: 0.1.0
author: mailops.postfix contributors (@mailops)
description:
  - Turns the text of a C(main.cf) into a dictionary of its explicit settings, reading it as Postfix does.
  - Comments are left out, and the lines of a multi-line value are joined. If a parameter is set several times, the last value is used.
  - Values are returned as they are written; C($name) is not expanded.
options:
  _input:
    description: The text of a C(main.cf).
    type: str
    required: true
seealso:
  - plugin: mailops.postfix.to_main_cf
    plugin_type: filter
  - module: mailops.postfix.instance_info
"""

EXAMPLES = r"""
- name: Show the relayhost in a main.cf on the controller
  ansible.builtin.debug:
    msg: "{{ (lookup('ansible.builtin.file', 'backup/main.cf') | mailops.postfix.from_main_cf).relayhost }}"
"""

RETURN = r"""
_value:
  description: Each parameter with its value.
  type: dict
  sample:
    relayhost: "[hub.example.org]:587"
    smtp_tls_security_level: fingerprint
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils._errors import PostfixError
from ..module_utils._formats.main_cf import parse_parameters


def from_main_cf(text: Any) -> dict[str, str]:
    """Read the text of a main.cf."""
    if not isinstance(text, str):
        raise AnsibleFilterError(
            f"mailops.postfix.from_main_cf: the input is of type {type(text).__name__}. Give the text of a main.cf"
        )
    try:
        return parse_parameters(text)
    except PostfixError as error:
        raise AnsibleFilterError(f"mailops.postfix.from_main_cf: {error}") from error


class FilterModule:
    """The Jinja2 filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"from_main_cf": from_main_cf}
