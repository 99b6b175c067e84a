#!/usr/bin/python
# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: instance_info
short_description: Gather facts about a Postfix instance and its configuration
version_added: 0.1.0
author:
  - mailops.postfix contributors (@mailops)
description:
  - Reads version, directories, parameters, services, lookup table types and the size of the queue. Changes nothing.
  - On a host without Postfix it succeeds and returns RV(installed=false) and nothing else.
extends_documentation_fragment:
  - mailops.postfix.attributes
  - mailops.postfix.instance.read_only
options:
  routes:
    description:
      - Recipients for which RV(routes) reports the next hops, with the TLS policy that applies to each.
    type: list
    elements: dict
    default: []
    suboptions:
      recipient:
        description:
          - An address, or a domain for all its addresses.
        type: str
        required: true
      sender:
        description:
          - An address, or V(<>) for the null sender. It matters with C(sender_dependent_relayhost_maps) and
            C(sender_dependent_default_transport_maps). The default is all senders.
        type: str
"""

EXAMPLES = r"""
- name: Gather facts about Postfix
  mailops.postfix.instance_info:
  register: postfix

- name: Fail if there are deprecated parameters
  ansible.builtin.assert:
    that: postfix.deprecated_parameters | length == 0
    fail_msg: "{{ postfix.deprecated_parameters }}"

- name: Determine the next hops of mail for a partner
  mailops.postfix.instance_info:
    routes:
      - recipient: partner.example
  register: postfix

- name: Fail if that mail could leave without TLS
  ansible.builtin.assert:
    that: postfix.routes[0].weakest_level not in ['none', 'may', 'dane', '']
    fail_msg: "{{ postfix.routes[0] }}"
"""

RETURN = r"""
installed:
  description: Whether Postfix is on this host.
  type: bool
  returned: success
  sample: true
running:
  description: Whether its master(8) process runs.
  type: bool
  returned: when Postfix is installed
  sample: true
version:
  description: The version of Postfix.
  type: str
  returned: when Postfix is installed
  sample: 3.10.5
config_directory:
  description: The configuration directory that was read.
  type: str
  returned: when Postfix is installed
  sample: /etc/postfix
directories:
  description: Postfix's directories, by the name of their parameter.
  type: dict
  returned: when Postfix is installed
  sample: {queue_directory: /var/spool/postfix, data_directory: /var/lib/postfix}
explicit_parameters:
  description: The settings of main.cf.
  type: dict
  returned: when Postfix is installed
  sample: {smtp_tls_security_level: may}
parameters:
  description: All parameters with their effective values as postconf(1) prints them, not expanded.
  type: dict
  returned: when Postfix is installed
  sample: {smtp_tls_security_level: may, smtp_tls_loglevel: "0"}
services:
  description:
    - The services of master.cf in their order, in the form that M(mailops.postfix.master_cf) takes.
    - C(chrooted) says whether master(8) runs it in a chroot, be it by the column or by the compatibility level.
  type: list
  elements: dict
  returned: when Postfix is installed
  sample:
    - service: smtp/inet
      private: false
      unprivileged: null
      chroot: true
      wakeup: null
      process_limit: null
      command: smtpd
      options: {}
      chrooted: true
map_types:
  description: The lookup table types that this Postfix supports.
  type: list
  elements: str
  returned: when Postfix is installed
  sample: [btree, cidr, hash, texthash]
default_database_type:
  description: The type that this Postfix uses where none is named.
  type: str
  returned: when Postfix is installed
  sample: hash
queue:
  description: Number of messages in each queue; V(-1) where the queue may not be read.
  type: dict
  returned: when Postfix is installed
  sample: {maildrop: 0, incoming: 0, active: 1, deferred: 12, hold: 0, corrupt: 0}
deprecated_parameters:
  description: Settings of main.cf that Postfix has deprecated or removed, since when, and what to use, if this version has that.
  type: dict
  returned: when Postfix is installed
  sample: {smtp_use_tls: {since: "3.9", instead: smtp_tls_security_level}}
unused_parameters:
  description: Settings of main.cf and master.cf that this Postfix does not use; most often misspelt names.
  type: list
  elements: str
  returned: when Postfix is installed
  sample: [smtp_tls_received_header]
lost_tables:
  description:
    - The settings that name tables of a type that this Postfix no longer has, C(hash) or C(btree), where it was built without Berkeley DB.
    - O(mailops.postfix.configuration#module:migrate) replaces them.
  type: list
  elements: dict
  returned: when Postfix is installed
  contains:
    service:
      description: The service of C(master.cf) whose option it is; empty for C(main.cf).
      type: str
    parameter:
      description: The parameter.
      type: str
    table:
      description: Type and file, as the setting names them.
      type: str
  sample: [{service: "", parameter: transport_maps, table: "hash:/etc/postfix/transport"}]
routes:
  description:
    - The routes of O(routes), in that order.
    - For all addresses of a domain, or all senders, the texts of the tables tell which there are. A content filter is not followed.
  type: list
  elements: dict
  returned: when Postfix is installed
  contains:
    recipient:
      description: The recipient of the request.
      type: str
    sender:
      description: The sender of the request; null for all senders.
      type: str
    next_hops:
      description:
        - The next hops that the mail may take. For a single recipient and sender Postfix tries them in this order; for several there
          may be several such routes, one after the other, and C(source) tells what selects each.
      type: list
      elements: dict
      contains:
        transport:
          description: The service of C(master.cf).
          type: str
        nexthop:
          description: The next hop, as Postfix looks it up in the policy table.
          type: str
        source:
          description: The parameter or the entry of a table that names it.
          type: str
        fallback:
          description: Whether it is a fallback relay, which is tried when the others fail.
          type: bool
        level:
          description:
            - The TLS security level that counts, be it from a policy, from C(main.cf), or from an option of the service; a dane level without
              DNSSEC is V(may). V(invalid) if Postfix treats the policy as invalid, and defers the mail. Empty where the transport speaks neither
              SMTP nor LMTP.
          type: str
        match:
          description: The fingerprints or names of which the certificate must have one, at the levels that look at them.
          type: list
          elements: str
        policy:
          description: The policy that applies, with C(table), C(key), C(level) and its attributes; null where there is none.
          type: dict
        problem:
          description: Why the level differs from the one in the configuration; empty if it does not.
          type: str
    weakest_level:
      description: The lowest of the levels, V(invalid) ones not counted.
      type: str
    problem:
      description: Why the next hops cannot be determined; empty if they can.
      type: str
  sample:
    - recipient: partner.example
      sender: null
      next_hops:
        - transport: smtp
          nexthop: "[hub.example.org]:587"
          source: relayhost
          fallback: false
          level: encrypt
          match: []
          policy: {table: "hash:/etc/postfix/tls_policy", key: "[hub.example.org]:587", level: encrypt}
          problem: ""
      weakest_level: encrypt
      problem: ""
"""

from ..module_utils import _ansible
from ..module_utils._host import runner
from ..module_utils._host.instance import Instance
from ..module_utils._plan import instance_report, lost_tables


def main():
    def read(options):
        if not runner.is_installed():
            return {"installed": False}
        instance = Instance(options["config_directory"])
        lost = lost_tables.lost_tables(instance)
        routes = instance_report.routes_report(instance, options["routes"])
        return {**instance_report.instance_report(instance), "lost_tables": lost, "routes": routes}

    _ansible.run_read_only(
        {
            "routes": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"recipient": {"type": "str", "required": True}, "sender": {"type": "str"}},
            }
        },
        read,
    )


if __name__ == "__main__":
    main()
