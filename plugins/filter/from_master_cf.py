# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter from_master_cf."""

from __future__ import annotations

DOCUMENTATION = r"""
name: from_master_cf
short_description: Read the text of a master.cf
version_added: 0.1.0
author: mailops.postfix contributors (@mailops)
description:
  - Turns the text of a C(master.cf) into a list of services, reading it as Postfix does.
  - Each service has the keys of O(mailops.postfix.master_cf#module:services).
  - Comments are left out, including commented-out services.
options:
  _input:
    description: The text of a C(master.cf).
    type: str
    required: true
seealso:
  - module: mailops.postfix.master_cf
  - module: mailops.postfix.instance_info
"""

EXAMPLES = r"""
- name: List the services that accept connections from the network
  ansible.builtin.debug:
    msg: "{{ text | mailops.postfix.from_master_cf | map(attribute='service') | select('search', '/inet$') }}"
  vars:
    text: "{{ lookup('ansible.builtin.file', 'backup/master.cf') }}"
"""

RETURN = r"""
_value:
  description:
    - The services in the order of the file.
    - A column that is C(-) in the file, so that Postfix uses its default, is V(null).
  type: list
  elements: dict
  sample:
    - service: submission/inet
      private: false
      unprivileged: null
      chroot: true
      wakeup: null
      process_limit: null
      command: smtpd
      options:
        smtpd_tls_security_level: encrypt
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils._errors import PostfixError
from ..module_utils._formats.master_cf_services import parse_services


def from_master_cf(text: Any) -> list[dict[str, Any]]:
    """Read the text of a master.cf."""
    if not isinstance(text, str):
        raise AnsibleFilterError(
            f"mailops.postfix.from_master_cf: the input is of type {type(text).__name__}. Give the text of a master.cf"
        )
    try:
        return parse_services(text)
    except PostfixError as error:
        raise AnsibleFilterError(f"mailops.postfix.from_master_cf: {error}") from error


class FilterModule:
    """The Jinja2 filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"from_master_cf": from_master_cf}
