#!/usr/bin/python
# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: master_cf
short_description: Set, disable and remove services in Postfix's master.cf
version_added: 0.1.0
author:
  - mailops.postfix contributors (@mailops)
description:
  - Edits services word by word. Columns, options, comments and line ends that are not declared stay byte for byte.
  - A service that is not there, and whose O(services[].command) is declared, takes over its commented-out entry in place (the stock
    C(#submission inet ...) block, say); of that block's commented options, only those that are declared become live, and of C(pipe) and
    C(spawn) the arguments too. A comment with words behind any other command is prose. Without such an entry it is appended.
  - A service of which nothing but O(services[].service) is declared becomes live as it was commented out, with all its options. Options and
    columns of a service that is commented out are refused without a command, so that they never open a port.
  - C(465), C(smtps) and C(submissions) are one service to Postfix, and so they are here.
  - Where the file holds a declared service several times the last entry counts, as in Postfix; it is edited and the others go.
  - An entry with a C(-o) that is not C(name=value), as in C(-o name = value) without braces, can be removed or disabled but not edited.
    In other entries it does not matter.
extends_documentation_fragment:
  - mailops.postfix.attributes
  - mailops.postfix.instance
  - mailops.postfix.checks
options:
  services:
    description: The services to declare. Where one is declared several times, later values override earlier ones.
    type: list
    elements: dict
    required: true
    suboptions:
      service:
        description: Name and type as postconf(1) lists them, V(NAME/TYPE).
        type: str
        required: true
      command:
        description:
          - The daemon, with its arguments if it has any. A new service needs it.
          - Without arguments, those of an existing service stay; C(-o) options in it count as O(services[].options).
        type: str
        default: keep
      private:
        description: Whether only Postfix may use it. V(true), V(false), V(null) for C(-); V(keep) keeps what is there, which is V(null) for a new service.
        type: raw
        default: keep
      unprivileged:
        description: Whether it runs without root privilege. Values as for O(services[].private).
        type: raw
        default: keep
      chroot:
        description: Whether it runs in the queue directory as its root. Values as for O(services[].private).
        type: raw
        default: keep
      wakeup:
        description: Seconds between wake-up calls, with V(?) behind them to send them only if the service is in use. V(null) for C(-).
        type: raw
        default: keep
      process_limit:
        description: How many processes may run at a time, V(0) for any number. V(null) for C(-), C($default_process_limit).
        type: raw
        default: keep
      options:
        description:
          - C(-o) overrides of main.cf parameters, values as for the module M(mailops.postfix.main_cf); V(null) removes one.
          - Lists are joined by V(,) unless an item has white space. A value with white space is written as C(-o { name = value }).
        type: dict
        default: {}
      purge_options:
        description: Whether to remove the overrides that are not listed in O(services[].options).
        type: bool
        default: false
      state:
        description: V(disabled) keeps the entry as a comment, V(absent) removes it.
        type: str
        choices: [present, absent, disabled]
        default: present
seealso:
  - module: mailops.postfix.main_cf
  - module: mailops.postfix.configuration
  - name: master(5)
    description: The format of master.cf.
    link: https://www.postfix.org/master.5.html
"""

EXAMPLES = r"""
- name: Submission with mandatory TLS, and AUTH only there
  mailops.postfix.master_cf:
    services:
      - service: submission/inet
        command: smtpd
        options:
          syslog_name: postfix/submission
          smtpd_tls_security_level: encrypt
          smtpd_tls_auth_only: true
          smtpd_sasl_auth_enable: true
          smtpd_relay_restrictions: [permit_sasl_authenticated, reject]
  notify: Reload Postfix

- name: No more QMQP
  mailops.postfix.master_cf:
    services:
      - service: 628/inet
        state: absent
"""

RETURN = r"""
services:
  description: The services that changed, or in check mode would change, each as one line; V(null) means no live service.
  type: dict
  returned: success
  sample:
    submission/inet:
      before: null
      after: submission inet n - y - - smtpd -o smtpd_tls_security_level=encrypt
requires:
  description: What the running Postfix needs for the change to take effect.
  type: str
  returned: success
  sample: reload
backup_files:
  description: The copies that were made.
  type: list
  elements: str
  returned: when O(backup=true) and something changed
  sample: [/etc/postfix/master.cf.4711.2026-11-23@12:00:00~]
"""

from ..module_utils import _ansible
from ..module_utils._plan import master_cf_standalone


def main():
    _ansible.run(build=master_cf_standalone.master_cf, **master_cf_standalone.MasterCfOptions.specification())


if __name__ == "__main__":
    main()
