# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter to_tlsa."""

from __future__ import annotations

DOCUMENTATION = r"""
name: to_tlsa
short_description: TLSA records to publish for a certificate
version_added: 0.1.0
author: mailops.postfix contributors (!UNKNOWN)
description:
  - Turns the result of M(mailops.postfix.certificate) into the TLSA records by which clients authenticate the server (DANE, RFC 7672).
  - The records are C(3 1 1), the SHA-256 of the public key, as C(postfix tls output-server-tlsa) prints them. A certificate that is renewed
    with the same key keeps its record.
  - If a next key is prepared, there is a record for it too. Publish both records, wait for the TTL of the old record set, so that no
    resolver has it cached, switch the key, and only then remove the old record.
options:
  _input:
    description:
      - The result of M(mailops.postfix.certificate), or a list of such results, as RV(mailops.postfix.configuration#module:certificates).
    type: raw
    required: true
  hostnames:
    description:
      - The names in the MX records. Clients look up TLSA records by these names.
      - By default, all names of the certificate that are not wildcards.
    type: list
    elements: str
  port:
    description: The port of the SMTP server.
    type: int
    default: 25
seealso:
  - module: mailops.postfix.certificate
  - plugin: mailops.postfix.public_key_fingerprint
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Read the certificate that Postfix serves
  mailops.postfix.certificate:
    name: mx1.example.org
    hostnames: [mx1.example.org]
  register: served

- name: Show the lines for the zone
  ansible.builtin.debug:
    msg: "{{ item.name }} IN TLSA {{ item.record }}"
  loop: "{{ served | mailops.postfix.to_tlsa(hostnames=['mx1.example.org']) }}"
"""

RETURN = r"""
_value:
  description:
    - The records, each with the C(name) of its owner, the C(record) itself, and the C(key) that it is for, V(current) or V(next).
  type: list
  elements: dict
  sample:
    - name: _25._tcp.mx1.example.org.
      record: 3 1 1 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
      key: current
"""

from typing import Any, Callable, Mapping

from ansible.errors import AnsibleFilterError

from ..module_utils._x509 import tlsa


def to_tlsa(results: Any, hostnames: Any = None, port: Any = tlsa.PORT) -> list[dict[str, str]]:
    """The TLSA records for one result of the module certificate, or for several."""
    name = "mailops.postfix.to_tlsa"
    if isinstance(hostnames, str) or (hostnames is not None and not all(isinstance(item, str) for item in hostnames)):
        raise AnsibleFilterError(f"{name}: hostnames is not a list of names. Write, for example, [mx1.example.org]")
    if not isinstance(port, int) or not 0 < port < 65536:
        raise AnsibleFilterError(f"{name}: port: {port!r} is not a valid port. Write a number from 1 to 65535")
    if isinstance(results, Mapping):
        results = [results]
    if not isinstance(results, (list, tuple)) or not all(isinstance(item, Mapping) for item in results):
        raise AnsibleFilterError(
            f"{name}: the input is not a result. Give the result of the module mailops.postfix.certificate, or a list of results"
        )
    records: list[dict[str, str]] = []
    for result in results:
        try:
            found = tlsa.records(result, hostnames, port)
        except ValueError as error:
            raise AnsibleFilterError(f"{name}: {error}") from error
        records += [record for record in found if record not in records]
    return records


class FilterModule:
    """The Jinja2 filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"to_tlsa": to_tlsa}
