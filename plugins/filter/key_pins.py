# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter key_pins."""

from __future__ import annotations

DOCUMENTATION = r"""
name: key_pins
short_description: The fingerprints of the keys of certificates
version_added: 0.1.0
author: mailops.postfix contributors (!UNKNOWN)
description:
  - Returns the SHA-256 fingerprints of the public keys, those of prepared next keys included, as
    C(smtp_tls_fingerprint_cert_match) and C(relay_clientcerts) have them.
options:
  _input:
    description: The results of M(mailops.postfix.certificate), as RV(mailops.postfix.configuration#module:certificates) returns them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Display the pins
  ansible.builtin.debug:
    msg: "{{ result.certificates | mailops.postfix.key_pins }}"
"""

RETURN = r"""
_value:
  description: The fingerprints. In check mode, a key that would be generated has none.
  type: list
  elements: str
  sample: ["0B:A2:28:A7:5D:F7:8D:C0:E8:11:F9:22:77:3D:8A:3E:7A:55:C4:0A:6B:39:7B:9C:0C:92:C5:1D:A8:E2:76:4A"]
"""

from typing import Any, Callable

from ..plugin_utils import _fleet


def key_pins(certificates: Any) -> list[str]:
    """The fingerprints of the public keys."""
    return _fleet.key_pins(certificates or [])


class FilterModule:
    """The Jinja2 filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"key_pins": key_pins}
