#!/usr/bin/python
# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: main_cf
short_description: Set and remove parameters in Postfix's main.cf
version_added: 0.1.0
author:
  - mailops.postfix contributors (@mailops)
description:
  - Sets any number of main.cf parameters in one read and one write, and keeps every byte that does not belong to them,
    comments inside continued values included.
  - What Postfix would only trip over later is refused before anything is written, for example unknown names, a parameter on the wrong side
    (C(smtp_tls_received_header)), booleans that are none, levels that do not exist, missing files and tables, or an open relay (see O(checks)).
  - On Postfix before 3.6, which does not know V(>=TLSv1.2), protocol parameters are written as the exclusions that mean the same.
extends_documentation_fragment:
  - mailops.postfix.attributes
  - mailops.postfix.instance
  - mailops.postfix.checks
options:
  parameters:
    description:
      - Parameters and their values. Booleans become V(yes) and V(no), lists are joined by V(", "), and
        V(null) removes the parameter, so that it is back at Postfix's default.
      - A value equal to Postfix's default is written too, since it is a declaration.
      - A value that differs from the file's only in white space that Postfix ignores does not count as a change.
      - V(0), V(""), V(false) and V(null) are four things, namely C(0), an empty value, C(no), and no setting at all.
      - Each line of a string of several lines becomes a line of main.cf; empty lines go, and lines that begin with C(#) are refused.
      - Quote versions, as in V("3.10"), since YAML reads a number there and drops the last digit.
      - Where the file sets a declared parameter several times the last one counts, as in Postfix; it is edited and the others go.
      - A parameter of your own must be referred to as C($name) by something that is there already or is declared along with it.
    type: dict
    required: true
seealso:
  - module: mailops.postfix.master_cf
  - module: mailops.postfix.configuration
  - name: postconf(5)
    description: All parameters of Postfix.
    link: https://www.postfix.org/postconf.5.html
"""

EXAMPLES = r"""
- name: Opportunistic TLS in both directions
  mailops.postfix.main_cf:
    parameters:
      smtp_tls_security_level: may
      smtpd_tls_security_level: may
      smtpd_tls_received_header: true
      smtpd_relay_restrictions: [permit_mynetworks, reject_unauth_destination]
      smtp_use_tls: null
  notify: Reload Postfix

- name: A second instance
  mailops.postfix.main_cf:
    config_directory: /etc/postfix-out
    parameters:
      smtp_tls_security_level: dane
      smtp_dns_support_level: dnssec
"""

RETURN = r"""
parameters:
  description: The parameters that changed, or in check mode would change; V(null) means a parameter that is not set.
  type: dict
  returned: success
  sample: {smtp_tls_security_level: {before: null, after: may}}
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
  sample: [/etc/postfix/main.cf.4711.2026-11-23@12:00:00~]
"""

from ..module_utils import _ansible
from ..module_utils._plan import main_cf


def main():
    _ansible.run(build=main_cf.main_cf, **main_cf.MainCfOptions.specification())


if __name__ == "__main__":
    main()
