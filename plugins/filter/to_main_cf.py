# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter to_main_cf."""

from __future__ import annotations

DOCUMENTATION = r"""
name: to_main_cf
short_description: Write the text of a main.cf
version_added: 0.1.0
author: mailops.postfix contributors (@mailops)
description:
  - Turns a dictionary of parameters into the text of a C(main.cf), one setting per line in the given order.
  - Booleans become V(yes) and V(no), lists are joined by C(", "), and a parameter that is V(null) is left out, as in
    M(mailops.postfix.main_cf).
  - To change a C(main.cf) that exists, use M(mailops.postfix.main_cf), which keeps all other settings and comments.
options:
  _input:
    description: Parameters and their values.
    type: dict
    required: true
seealso:
  - plugin: mailops.postfix.from_main_cf
    plugin_type: filter
  - module: mailops.postfix.main_cf
"""

EXAMPLES = r"""
- name: Write a main.cf for a container image
  ansible.builtin.copy:
    content: "{{ {'inet_interfaces': 'loopback-only', 'smtp_tls_security_level': 'may'} | mailops.postfix.to_main_cf }}"
    dest: build/main.cf
    mode: "0644"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: The text, with one setting per line and a line end after the last one.
  type: str
  sample: |
    inet_interfaces = loopback-only
    smtp_tls_security_level = may
"""

from typing import Any, Callable, Mapping

from ansible.errors import AnsibleFilterError

from ..module_utils._errors import PostfixError
from ..module_utils._formats.main_cf import format_parameters


def to_main_cf(parameters: Any) -> str:
    """Write the text of a main.cf."""
    if not isinstance(parameters, Mapping):
        raise AnsibleFilterError(
            f"mailops.postfix.to_main_cf: the input is of type {type(parameters).__name__}. Give a dictionary of parameters"
        )
    try:
        return format_parameters(parameters)
    except PostfixError as error:
        raise AnsibleFilterError(f"mailops.postfix.to_main_cf: {error}") from error


class FilterModule:
    """The Jinja2 filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"to_main_cf": to_main_cf}
