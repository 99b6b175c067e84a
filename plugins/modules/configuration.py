#!/usr/bin/python
# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: configuration
short_description: Configure a Postfix instance in one transaction
version_added: 0.1.0
author:
  - mailops.postfix contributors (@mailops)
description:
  - Manages certificates, CA bundle, lookup tables, TLS policy, master.cf and main.cf of an instance in one task. The module plans and
    checks all changes before it writes the first file. Files are installed before the parameters that refer to them.
  - Each part works as the module of its own does. The parameters that certificates, CA bundle and tables need are set in main.cf.
extends_documentation_fragment:
  - mailops.postfix.attributes
  - mailops.postfix.instance
  - mailops.postfix.program
  - mailops.postfix.checks
options:
  main_cf:
    description: Parameters, as O(mailops.postfix.main_cf#module:parameters). They override the parameters that the other options set.
    type: dict
    default: {}
  master_cf:
    description: Services, as O(mailops.postfix.master_cf#module:services). If a service is listed twice, later values override earlier ones.
    type: list
    elements: dict
    default: []
  lookup_tables:
    description:
      - Lookup tables, each with the options of M(mailops.postfix.lookup_table).
      - A table can also have C(parameter), the name of a main.cf parameter, which the module sets to refer to the table. If several
        tables have the same C(parameter), it refers to all of them in their order.
    type: list
    elements: dict
    default: []
  tls_policy:
    description:
      - The TLS policy table, with the options of M(mailops.postfix.tls_policy).
      - The module sets C(smtp_tls_policy_maps) to refer to the table, unless O(main_cf) sets this parameter.
    type: dict
  mta_sts:
    description:
      - A service that returns the MTA-STS policy of a domain. The module appends it to C(smtp_tls_policy_maps), after the table of
        O(tls_policy) and the current tables, unless O(main_cf) sets this parameter.
      - V(postfix-tlspol) and V(postfix-mta-sts-resolver) mean the tables of these daemons at their default addresses, in the form that
        the installed Postfix accepts. Specify other services as a table, for example V(socketmap:inet:127.0.0.1:8461:postfix).
      - The service must run. Postfix defers all mail while the service does not answer. The module therefore queries the service
        before it writes any file, and in each run.
      - For a domain with DANE, V(postfix-tlspol) returns a DANE policy. V(postfix-mta-sts-resolver) does not support DANE; the module
        refuses it in combination with level V(dane), unless O(checks) sets another severity for V(mta_sts_before_dane).
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
      - Text files that belong to the configuration, such as a unit of systemd. They are installed, and undone, together with it.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The path of the file. A relative path is relative to the configuration directory.
        type: path
        required: true
      content:
        description: The content of the file. Required unless O(files[].state=absent).
        type: str
      mode:
        description: The mode of the file, octal and in quotes. The content of a file that only its owner may read is not shown in a diff.
        type: raw
        default: "0644"
      state:
        description: Whether the file must exist.
        type: str
        choices: [present, absent]
        default: present
  validate:
    description:
      - Whether to refuse parameters that the installed Postfix does not know, and values that it rejects at run time. O(checks) lists the
        checks.
      - If main.cf or master.cf changes, C(postconf) and C(postfix check) read a staged copy with a queue and a log of its own.
      - If V(false), the module only refuses a configuration that Postfix cannot read.
    type: bool
    default: true
  migrate:
    description:
      - Whether to remove obsolete parameters of old guides and old packages from main.cf, unless O(main_cf) sets them.
      - These are C(smtp_use_tls), C(smtp_enforce_tls), C(smtp_tls_enforce_peername), C(smtp_tls_per_site), C(smtpd_use_tls) and
        C(smtpd_enforce_tls), which the security levels have replaced; the server's session cache; DH parameter files and
        C(smtpd_tls_eecdh_grade), since the defaults of OpenSSL are better; and a client's session cache in the queue directory, where
        tlsmgr(8) cannot open it.
      - If the installed Postfix does not support tables of type C(hash) or C(btree), the module changes the tables in C(main.cf) and
        C(master.cf) to the best supported type, and compiles them from their texts. If the text of a table does not exist, the module
        does not change the parameter, and warns.
    type: bool
    default: false
  fail_closed:
    description:
      - Whether to set C(tls_required_enable) to V(no), if the installed Postfix has it and a level above V(may) is declared, by a parameter, an
        option of a service or a TLS policy, unless O(main_cf) sets it. Postfix 3.10 and later otherwise let the sender of a message bypass
        each of these with the header C(TLS-Required).
    type: bool
    default: false
  if_missing:
    description: What to do if Postfix is not installed. V(report) returns RV(installed=false) and changes nothing.
    type: str
    choices: [fail, report]
    default: fail
  confirm_within:
    description:
      - V(0) confirms what is installed at once.
      - Above V(0), the module opens a transaction, unless it changes nothing. If M(mailops.postfix.verify) does not confirm it within so many
        seconds, the host undoes it by itself, without Ansible. A suspended or restarted host does so as soon as it runs again, with systemd
        before Postfix starts. The time does not depend on the clock of the host.
      - An undo takes back what the transaction has set, by parameter, service and option, and key of a table. What others have changed since
        stays.
    type: int
    default: 0
  transaction:
    description:
      - The open transaction that the changes join, as RV(transaction) of an earlier call returns it. The deadline stays that of the first call.
    type: str
  pending:
    description:
      - What to do if a transaction of another run is open. V(wait) waits for its end, and fails after O(lock_timeout) with its owner and its
        deadline. V(undo) undoes it first.
      - A transaction that an earlier process of ansible-playbook on this controller has left, because it was interrupted, is undone in any case.
        This can't be decided if the controller is a container, as in an execution environment.
    type: str
    choices: [wait, undo]
    default: wait
  _controller:
    description:
      - The action plugin of this module sets this option. Playbooks do not.
    type: dict
  owner:
    description:
      - The role that owns the instance, a name such as V(smarthost). It is stored in
        C(/var/lib/mailops-postfix/DIRECTORY/declared.json), where C(DIRECTORY) is the configuration directory as C(systemd-escape --path) writes
        it.
      - If another role owns the instance, the module fails before it writes a file, unless O(take_over=true).
      - What the module writes for an owner is stored there, too. What an earlier run has written, and this one no longer declares, goes back to the
        value from before the first run, parameter by parameter, option by option and key by key, if it still has the written value. So one call must
        declare all that the owner wants. TLS policies stay, because mail would leave without them.
      - Without it, the module neither reads nor changes what is stored.
    type: str
  take_over:
    description:
      - Whether O(owner) replaces another owner. What the former owner has written, and this one does not declare, goes back to the value from
        before.
    type: bool
    default: false
  owner_remedies:
    description: For each other role the text with which the error ends if it owns the instance.
    type: dict
    default: {}
  overrides:
    description:
      - What an administrator declares literally besides what O(owner) derives, C(main_cf), C(master_cf) and C(lookup_tables), each as the option of
        that name. It overrides the other options.
      - What is no longer declared here stays, and the module warns about it.
    type: dict
seealso:
  - module: mailops.postfix.verify
  - module: mailops.postfix.main_cf
  - module: mailops.postfix.master_cf
  - module: mailops.postfix.lookup_table
  - module: mailops.postfix.tls_policy
  - module: mailops.postfix.certificate
  - module: mailops.postfix.ca_bundle
"""

EXAMPLES = r"""
- name: Configure a relay with opportunistic TLS
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
  description: The parameters of main.cf that changed, or in check mode would change. V(null) means that the parameter is not set.
  type: dict
  returned: when main.cf was declared
  sample: {smtp_tls_security_level: {before: null, after: may}}
services:
  description: The services that changed, or in check mode would change, each as one line. V(null) means that there is no active service.
  type: dict
  returned: when O(master_cf) is not empty
  sample: {tlsproxy/unix: {before: null, after: tlsproxy unix - - y - 0 tlsproxy}}
certificates:
  description: The results of M(mailops.postfix.certificate), one for each of O(certificates).
  type: list
  elements: dict
  returned: success
  sample: [{certificate: {subject: CN=mx1.example.org}, parameters: {smtpd_tls_chain_files: /etc/postfix/tls/mx1.example.org.pem}}]
ca_bundle:
  description: The result of M(mailops.postfix.ca_bundle). V(null) without O(ca_bundle).
  type: dict
  returned: success
  sample: {parameters: {smtp_tls_CAfile: /etc/ssl/certs/ca-certificates.crt}, chrooted: true, certificates: 142}
lookup_tables:
  description: The results of M(mailops.postfix.lookup_table), one for each of O(lookup_tables).
  type: list
  elements: dict
  returned: success
  sample: [{map: "hash:/etc/postfix/transport"}]
tls_policy:
  description: The result of M(mailops.postfix.tls_policy). V(null) without O(tls_policy).
  type: dict
  returned: success
  sample: {map: "hash:/etc/postfix/tls_policy", policies: [{nexthop: "[hub.example.org]:587", level: secure}]}
installed:
  description: Whether Postfix is installed. If it is not, only RV(running) and RV(requires) are returned besides.
  type: bool
  returned: success
  sample: true
running:
  description: Whether master(8) of this instance is running.
  type: bool
  returned: success
  sample: true
requires:
  description: What the running Postfix needs for the change to take effect.
  type: str
  returned: success
  sample: reload
transaction:
  description:
    - The transaction that M(mailops.postfix.verify) has to confirm, with its deadline in UTC. Both are V(null) if this run has opened and joined
      none, because it changes nothing, or with O(confirm_within=0), and in check mode.
  type: dict
  returned: success
  sample: {id: 5f0c21abd1e2f304, deadline: "2026-11-23T12:10:00Z"}
verify:
  description:
    - What M(mailops.postfix.verify) has to verify. V(changed) if this run has changed something that must be confirmed, or if it has
      changed nothing and something was wrong when the configuration was confirmed. V(all) if it has changed nothing, and others have changed
      a parameter, a service, or a file that main.cf or master.cf names since the configuration was confirmed. A warning names what they have
      changed, and the checks apply to it. V(none) otherwise.
  type: str
  returned: success
  sample: changed
verified:
  description:
    - When the present state was verified, in ISO 8601 format, if it is the state that was confirmed. V(null) if something has changed, or
      O(confirm_within) is 0.
  type: str
  returned: success
  sample: "2026-11-30T05:10:00Z"
backup_files:
  description: The backup files.
  type: list
  elements: str
  returned: when O(backup=true) and something changed
  sample: [/etc/postfix/main.cf.4711.2026-11-23@12:00:00~]
"""

from ..module_utils import _ansible
from ..module_utils._plan import configuration
from ..module_utils._program import install, undeclared


def build(instance, options):
    return configuration.configuration(instance, undeclared.with_former(instance, options))


def complete(instance, plan, options):
    undeclared.forget(instance, plan, options)
    install.add_program("configuration", instance, plan, options)


def main():
    _ansible.run(
        build=build,
        complete=complete,
        hidden={**install.OPTION, **_ansible.CONTROLLER},
        **configuration.CONFIGURATION,
    )


if __name__ == "__main__":
    main()
