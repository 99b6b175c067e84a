#!/usr/bin/python
# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: configuration
short_description: Configure a whole Postfix instance in one round trip
version_added: 0.1.0
author:
  - mailops.postfix contributors (@mailops)
description:
  - Certificates, CA bundle, lookup tables, TLS policy, master.cf and main.cf in one call; all of it is planned and checked before anything
    is written, and what refers to a file is installed after it.
  - Plans exactly as the single modules do. The parameters that certificates, CA bundle and tables need are set in main.cf.
extends_documentation_fragment:
  - mailops.postfix.attributes
  - mailops.postfix.instance
  - mailops.postfix.checks
options:
  main_cf:
    description: Parameters, as O(mailops.postfix.main_cf#module:parameters). They override those that the other options bring along.
    type: dict
    default: {}
  master_cf:
    description: Services, as O(mailops.postfix.master_cf#module:services). Of a service that is given twice, later values override earlier ones.
    type: list
    elements: dict
    default: []
  lookup_tables:
    description:
      - Lookup tables, each with the options of M(mailops.postfix.lookup_table).
      - With C(parameter) as well, the name of a main.cf parameter, that parameter is set to refer to the table; to several in their
        order, if they name the same parameter.
    type: list
    elements: dict
    default: []
  tls_policy:
    description:
      - The TLS policy table, with the options of M(mailops.postfix.tls_policy).
      - C(smtp_tls_policy_maps) is set to refer to it unless O(main_cf) says otherwise.
    type: dict
  mta_sts:
    description:
      - A service that answers with the MTA-STS policy of a domain, for C(smtp_tls_policy_maps), after the table of O(tls_policy) and what else
        C(smtp_tls_policy_maps) has, unless O(main_cf) sets that.
      - V(postfix-tlspol) and V(postfix-mta-sts-resolver) stand for the tables of these daemons where they listen by default, in the form that
        the installed Postfix takes. Any other is given as a table, V(socketmap:inet:127.0.0.1:8461:postfix).
      - It must run. All mail is deferred while it does not answer, so that it is asked before anything is written, and in each run.
      - For a domain that has DANE as well, V(postfix-tlspol) answers with DANE. V(postfix-mta-sts-resolver) does not know of it; beside level
        V(dane) it is refused, unless O(checks) says otherwise for V(mta_sts_before_dane).
    type: str
  certificates:
    description: Certificates, each with the options of M(mailops.postfix.certificate).
    type: list
    elements: dict
    default: []
  ca_bundle:
    description: The CAs that smtp(8) trusts, with the options of M(mailops.postfix.ca_bundle).
    type: dict
  files:
    description:
      - Whole text files that go with the configuration, such as a unit of systemd; they are installed, and undone, together with it.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The file. A relative path is taken from the configuration directory.
        type: path
        required: true
      content:
        description: All that it shall hold; needed unless O(files[].state=absent).
        type: str
      mode:
        description: Its mode, octal and in quotes. What only its owner may read is not shown in a diff.
        type: raw
        default: "0644"
      state:
        description: Whether it shall be there.
        type: str
        choices: [present, absent]
        default: present
  validate:
    description:
      - Whether to refuse parameters that this Postfix does not know and values that it would trip over later; O(checks) says more.
      - What changes main.cf or master.cf is read by C(postconf) and by C(postfix check) in a staged copy with a queue and a log of its own.
      - With V(false) only what Postfix can't read at all is refused.
    type: bool
    default: true
  migrate:
    description:
      - Whether to remove what old guides and old packages have left behind in main.cf, unless O(main_cf) sets it.
      - C(smtp_use_tls), C(smtp_enforce_tls), C(smtp_tls_enforce_peername), C(smtp_tls_per_site), C(smtpd_use_tls) and C(smtpd_enforce_tls),
        which the security levels have replaced; the server's session cache; DH parameter files and C(smtpd_tls_eecdh_grade), since OpenSSL
        chooses better; and a client's session cache in the queue directory, where tlsmgr(8) can't open it.
      - Where this Postfix no longer has tables of type C(hash) or C(btree), those that C(main.cf) and C(master.cf) name get the best type that it
        has, and are compiled from their texts. A setting whose text is missing stays, with a warning.
    type: bool
    default: false
  if_missing:
    description: What to do where Postfix is not installed. V(report) returns RV(installed=false) and changes nothing.
    type: str
    choices: [fail, report]
    default: fail
  provisional:
    description:
      - Keep what is needed to go back, until M(mailops.postfix.proof) has found that the new configuration holds, or has gone back.
      - What an earlier run has installed and nobody has proven counts as a change, with what the running Postfix needs for it in RV(requires).
    type: bool
    default: false
seealso:
  - module: mailops.postfix.proof
  - module: mailops.postfix.main_cf
  - module: mailops.postfix.master_cf
  - module: mailops.postfix.lookup_table
  - module: mailops.postfix.tls_policy
  - module: mailops.postfix.certificate
  - module: mailops.postfix.ca_bundle
"""

EXAMPLES = r"""
- name: A relay with opportunistic TLS
  mailops.postfix.configuration:
    certificates:
      - name: mx1.example.org
    ca_bundle: {}
    lookup_tables:
      - path: /etc/postfix/transport
        parameter: transport_maps
        entries: {example.com: "smtp:[hub.example.org]:587"}
    tls_policy:
      policies:
        - nexthop: "[hub.example.org]:587"
          level: secure
    main_cf:
      smtp_tls_security_level: may
      smtpd_tls_security_level: may
    master_cf:
      - service: tlsproxy/unix
        command: tlsproxy
        process_limit: 0
  notify: Reload Postfix
"""

RETURN = r"""
parameters:
  description: The parameters of main.cf that changed, or in check mode would change; V(null) stands for a parameter that is not set.
  type: dict
  returned: when main.cf was declared
  sample: {smtp_tls_security_level: {before: null, after: may}}
services:
  description: The services that changed, or in check mode would change, each as one line; V(null) stands for no live service.
  type: dict
  returned: when O(master_cf) is not empty
  sample: {tlsproxy/unix: {before: null, after: tlsproxy unix - - y - 0 tlsproxy}}
certificates:
  description: What M(mailops.postfix.certificate) returns, for each of O(certificates).
  type: list
  elements: dict
  returned: success
  sample: [{certificate: {subject: CN=mx1.example.org}, parameters: {smtpd_tls_chain_files: /etc/postfix/tls/mx1.example.org.pem}}]
ca_bundle:
  description: What M(mailops.postfix.ca_bundle) returns; V(null) without O(ca_bundle).
  type: dict
  returned: success
  sample: {parameters: {smtp_tls_CAfile: /etc/ssl/certs/ca-certificates.crt}, chrooted: true, certificates: 142}
lookup_tables:
  description: What M(mailops.postfix.lookup_table) returns, for each of O(lookup_tables).
  type: list
  elements: dict
  returned: success
  sample: [{map: "hash:/etc/postfix/transport"}]
tls_policy:
  description: What M(mailops.postfix.tls_policy) returns; V(null) without O(tls_policy).
  type: dict
  returned: success
  sample: {map: "hash:/etc/postfix/tls_policy", policies: [{nexthop: "[hub.example.org]:587", level: secure}]}
installed:
  description: Whether Postfix is installed; without it nothing else is returned but RV(requires).
  type: bool
  returned: success
  sample: true
running:
  description: Whether master(8) of this instance runs.
  type: bool
  returned: success
  sample: true
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
from ..module_utils._plan import configuration
from ..module_utils._program import install


def main():
    _ansible.run(
        build=install.with_renewals(configuration.configuration), hidden=install.OPTION, **configuration.CONFIGURATION
    )


if __name__ == "__main__":
    main()
