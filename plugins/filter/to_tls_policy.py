# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter to_tls_policy."""

from __future__ import annotations

DOCUMENTATION = r"""
name: to_tls_policy
short_description: Turn TLS policies into entries of a policy table
version_added: 0.1.0
author: mailops.postfix contributors (!UNKNOWN)
description:
  - Writes a list of policies as the keys and values of a table for C(smtp_tls_policy_maps), for
    M(mailops.postfix.lookup_table) or a template.
  - Contradictions and unknown attributes are refused. M(mailops.postfix.tls_policy) does the same and also checks what is
    known only on the host, such as the digest of fingerprints.
options:
  _input:
    description:
      - The policies, as in O(mailops.postfix.tls_policy#module:policies), each with its C(nexthop).
    type: list
    elements: dict
    required: true
  version:
    description:
      - The version of Postfix that will read the table, for example V(3.5). Attributes that it does not support are
        refused, and C(protocols) is written in the syntax of this version.
      - By default, all attributes are accepted.
    type: str
  digest:
    description:
      - The digest in C(smtp_tls_fingerprint_digest), to check the length of fingerprints. By default, the length of any
        digest is accepted.
    type: str
    choices: [md5, sha1, sha224, sha256, sha384, sha512]
seealso:
  - plugin: mailops.postfix.from_tls_policy
    plugin_type: filter
  - module: mailops.postfix.tls_policy
"""

EXAMPLES = r"""
- name: Install policies as a plain table
  mailops.postfix.lookup_table:
    path: /etc/postfix/tls_policy
    entries: "{{ policies | mailops.postfix.to_tls_policy(version='3.5') }}"
  vars:
    policies:
      - nexthop: "[hub.example.org]:587"
        level: encrypt
        protocols: ">=TLSv1.2"
"""

RETURN = r"""
_value:
  description: The values of the table by key.
  type: dict
  sample: {"[hub.example.org]:587": "encrypt protocols=!SSLv2:!SSLv3:!TLSv1:!TLSv1.1"}
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils._errors import PostfixError
from ..module_utils._formats import tls_policy, tls_policy_spec


def to_tls_policy(policies: Any, version: Any = None, digest: str = "") -> dict[str, str]:
    """The entries of a policy table."""
    if not isinstance(policies, (list, tuple)) or not all(isinstance(policy, dict) for policy in policies):
        raise AnsibleFilterError(
            "mailops.postfix.to_tls_policy: the input is not a list of dictionaries. Give a list of policies"
        )
    installed = tls_policy.ANY_VERSION
    if version is not None:
        try:
            installed = tuple(int(number) for number in str(version).split("."))
        except ValueError:
            raise AnsibleFilterError(
                f"mailops.postfix.to_tls_policy: {version!r} is not a valid version of Postfix. Write, for example, 3.7.11"
            ) from None
    result: dict[str, str] = {}
    try:
        for declared in policies:
            policy = tls_policy_spec.from_declaration(declared)
            # The fingerprints may be in main.cf, which is not known here.
            tls_policy_spec.check_policy(policy, installed, digest or "", default_match="unknown")
            if policy.nexthop.lower() in (key.lower() for key in result):
                raise AnsibleFilterError(f"mailops.postfix.to_tls_policy: {policy.nexthop} is declared twice")
            result[policy.nexthop] = tls_policy_spec.render(policy, installed)
    except PostfixError as error:
        raise AnsibleFilterError(f"mailops.postfix.to_tls_policy: {error}") from error
    return result


class FilterModule:
    """The Jinja2 filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"to_tls_policy": to_tls_policy}
