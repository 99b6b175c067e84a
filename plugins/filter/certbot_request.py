# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter certbot_request."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certbot_request
short_description: What certbot has to be told to obtain a certificate
version_added: 0.1.0
author: mailops.postfix contributors (!UNKNOWN)
description:
  - Compares a declared certificate with certbot's renewal configuration and the current certificate, and returns the arguments of certbot.
  - The role P(mailops.postfix.letsencrypt#role) uses it.
options:
  _input:
    description: The certificate, as an item of O(mailops.postfix.letsencrypt#role:main:letsencrypt_certificates).
    type: dict
    required: true
  settings:
    description: The other variables of the role without their prefix, C(program), C(email), C(server) and C(staging).
    type: dict
    required: true
  record:
    description: The text of certbot's renewal configuration. By default certbot does not have the certificate.
    type: str
  names:
    description: The output of C(openssl x509 -ext subjectAltName) for the current certificate.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Display the command
  ansible.builtin.debug:
    msg: "{{ ({'name': 'mx1.example.org'} | mailops.postfix.certbot_request({'program': 'certbot'})).arguments | join(' ') }}"
"""

RETURN = r"""
_value:
  description:
    - C(arguments), the command; C(differences), what differs from the current certificate, empty if nothing has to be done; C(reason), the
      same as a text; C(plugin), the authenticator if it is a plugin, otherwise empty; C(credentials_file), its file, empty without credentials.
  type: dict
  sample:
    arguments: [certbot, certonly, --cert-name, mx1.example.org]
    differences: [domains]
    reason: it differs in domains
    plugin: ""
    credentials_file: ""
"""

from typing import Any, Callable

from ..plugin_utils import _certbot


def certbot_request(declared: Any, settings: Any, record: Any = None, names: Any = "") -> dict[str, Any]:
    """What certbot has to be told."""
    return _certbot.certbot_request(declared, settings, record, names)


class FilterModule:
    """The Jinja2 filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"certbot_request": certbot_request}
