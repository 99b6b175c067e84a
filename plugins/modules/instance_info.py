#!/usr/bin/python
# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: instance_info
short_description: Report what one Postfix on disk is and how it is configured
version_added: 0.1.0
author:
  - mailops.postfix contributors (@mailops)
description:
  - Reads version, directories, parameters, services, lookup table types and the size of the queue. Changes nothing.
  - On a host without Postfix it succeeds and returns RV(installed=false) and nothing else.
extends_documentation_fragment:
  - mailops.postfix.attributes
  - mailops.postfix.instance.read_only
options: {}
"""

EXAMPLES = r"""
- name: Look at Postfix
  mailops.postfix.instance_info:
  register: postfix

- name: Refuse to go on with deprecated parameters
  ansible.builtin.assert:
    that: postfix.deprecated_parameters | length == 0
    fail_msg: "{{ postfix.deprecated_parameters }}"
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
  description: Settings of main.cf that Postfix has deprecated or removed, since when, and what to use.
  type: dict
  returned: when Postfix is installed
  sample: {smtp_use_tls: {since: "3.9", instead: smtp_tls_security_level}}
unused_parameters:
  description: Settings of main.cf and master.cf that this Postfix does not use; most often misspelt names.
  type: list
  elements: str
  returned: when Postfix is installed
  sample: [smtp_tls_received_header]
"""

from ansible_collections.mailops.postfix.plugins.module_utils import _instance, _module


def main():
    def read(options):
        if not _instance.is_installed():
            return {"installed": False}
        return _instance.Instance(options["config_directory"]).report()

    _module.run_read_only({}, read)


if __name__ == "__main__":
    main()
