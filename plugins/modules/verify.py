#!/usr/bin/python
# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Bring a Postfix configuration into service, verify it, and confirm or undo the change
version_added: 0.1.0
author:
  - mailops.postfix contributors (@mailops)
description:
  - Reloads or restarts Postfix as O(requires) says, and watches master(8) for some seconds, since master(8) may terminate because of a
    configuration that C(postfix reload) has accepted. The wait ends earlier if master(8) has started new processes of all services
    that it wakes up, such as pickup(8) and qmgr(8), because it starts them only after it has read the configuration.
  - Probes each port on which smtpd(8) listens, and compares the result with the configuration. The port must respond. It must offer
    STARTTLS if TLS is configured, with the certificate in the configured file. It must offer AUTH where AUTH is enabled, and neither where
    it is disabled nor before TLS. It must reject mail before TLS where TLS is mandatory. It must not relay mail for clients outside
    C(mynetworks); this is probed from an address of this host, if that is not in C(mynetworks).
  - Probes whether each port that other hosts can send mail to without authentication accepts mail from the null sender for this host's own
    domains, in one session that ends without DATA. The recipient is postmaster at C(myhostname) and at each domain that C(mydestination),
    C(relay_domains), C(virtual_alias_domains) and C(virtual_mailbox_domains) name, at most 20. RV(listeners) and RV(summary) name the others.
    A temporary failure of this host (421, 4.3.x, a milter that does not respond), C(Relay access denied), and a restriction that rejects every
    client are problems. Other refusals, such as an unknown recipient, greylisting, postscreen(8) or a table of clients, are warnings, since
    they may not be the same for other clients.
  - Probes a port with each name in C(tls_server_sni_maps), at most 20, which must lead to the certificate in the file of this name.
  - Sends the header of the PROXY protocol where a port requires it. Of a port that requires a client certificate, only the handshake and
    the server's certificate are verified. A port that refuses this host, but may accept other clients, is a warning.
  - Waits longer than O(timeout) where the configuration says that replies take longer, such as C(sleep) and C(postscreen_greet_wait).
  - If main.cf demands TLS (C(smtpd_tls_security_level=encrypt)), no other port than 25 must accept mail from other hosts without it.
  - Has the real smtp(8) client, with its own chroot and tables, connect to each next hop that mail must not miss. These are the relayhosts, also
    those of senders, the next hops whose policy or level demands TLS, and those for which there is a password. The probe, as of C(sendmail -bv), ends
    after RCPT TO. It has no content, and Postfix mails no report. A next hop that would get a password without TLS is not probed.
  - Compares what smtp(8) reports with the policy of the next hop. RV(next_hops) lists the outcomes. What a server says, in its replies or its
    name, counts only by the codes of its replies. Lines of the log count by the program that has written them, its own form of messages,
    and the queue id of a probe.
  - Checks the services outside Postfix that smtp(8) relies on, such as the resolver for DANE and services of TLS policies
    (O(dependencies)).
  - If something is wrong, undoes O(transaction), activates the previous configuration, and fails with what it has found. What single modules
    have changed belongs to no transaction, and stays.
  - If the same is wrong with the previous configuration, it is not the fault of the change. The module then installs the change again, confirms
    it, and warns.
  - A next hop that is V(held) or V(refused) undoes the change only if the previous configuration reaches it as well protected. A policy that
    this change has made stricter or new stays, and mail for this next hop waits instead of leaving with less protection.
  - What is wrong with a confirmed configuration is stored. A later run of M(mailops.postfix.configuration) that changes nothing returns
    RV(mailops.postfix.configuration#module:verify=changed) then, so that it is probed again.
extends_documentation_fragment:
  - mailops.postfix.attributes
  - mailops.postfix.instance.read_only
attributes:
  check_mode:
    support: full
    details:
      - In check mode, Postfix is not reloaded and next hops are not probed. Ports are probed only if O(requires) is V(none).
  diff_mode:
    support: none
    description: RV(restored) lists the files that have been restored.
  idempotent:
    support: partial
    details:
      - Reports a change whenever it reloads or restarts Postfix because of O(requires).
options:
  transaction:
    description:
      - The open transaction that RV(mailops.postfix.configuration#module:transaction) returns, and the only one that is confirmed or undone. If
        it is no longer open, the module fails and says what became of it, for example that the host has undone it at its deadline.
      - The verification ends at the latest O(mailops.postfix.configuration#module:confirm_within) after it began.
      - Without it, the module verifies the current configuration, and undoes nothing.
    type: str
  state:
    description:
      - V(confirmed) verifies the configuration, and confirms or undoes the change.
      - V(undone) undoes O(transaction), without probing, and brings the previous configuration into service. Without O(transaction), or if it
        is no longer open, there is nothing to do.
    type: str
    choices: [confirmed, undone]
    default: confirmed
  scope:
    description:
      - Which next hops to probe. V(changed) probes those that the transaction can affect, because their route, policy, password or parameters of
        smtp(8) have changed, and those with which something was wrong when the configuration was confirmed. Ports are all probed.
      - Without O(transaction), V(changed) probes only what was wrong.
      - The default is V(changed) with O(transaction), and V(all) without.
    type: str
    choices: [changed, all]
  requires:
    description:
      - What the running Postfix needs first, as other modules return it. Unless this is V(none), a Postfix that is not running is started.
    type: str
    choices: [none, reload, restart]
    default: none
  listeners:
    description:
      - The severity of a port that differs from its configuration, V(error), V(warning) or V(ignore). With V(ignore), ports are not probed.
      - A dictionary has severities by service, such as V(submission/inet), and the severity of all others in V(default).
    type: raw
    default: error
  next_hops:
    description:
      - The severity of a next hop that is held, refuses mail or is unreachable, V(error), V(warning) or V(ignore). With V(ignore), next hops are
        not probed.
      - A dictionary has severities by next hop, exactly as the route has it, the severity of next hops to which smtp(8) can't connect in
        V(unreachable), and the severity of all others in V(default). An unreachable next hop is a warning by default, since the cause may be the
        network, which a laptop often does not have.
      - A leak and a fault of this host are always errors. So is a next hop that is held or refuses mail, if no other way out remains for the
        mail.
    type: raw
    default: warning
  recipients:
    description: Further recipient addresses to which smtp(8) sends a probe.
    type: list
    elements: str
    default: []
  dependencies:
    description:
      - The severity of a failure of a service outside Postfix that the configuration relies on. With V(ignore), these services are not
        checked.
      - The resolver of a service that uses DANE must validate DNSSEC. The query of C(dnssec_probe) is sent to the nameservers that smtp(8)
        uses, which are those in resolv.conf of its chroot. Each nameserver that responds must set the AD flag.
      - A service of TLS policies in C(smtp_tls_policy_maps), such as one for MTA-STS, must respond.
    type: str
    choices: [error, warning, ignore]
    default: error
  bogus_names:
    description:
      - Names whose DNSSEC signatures are wrong, such as C(dnssec-failed.org). A resolver that resolves one of them does not enforce
        validation and can't be used for DANE. A name for which the resolver does not respond is not an error.
    type: list
    elements: str
    default: []
  on_failure:
    description:
      - V(undo) undoes what has been installed and is not verified yet, and fails.
      - V(fail) only fails. A later run with V(undo) can still undo the change.
    type: str
    choices: [undo, fail]
    default: undo
  timeout:
    description: Seconds that each reply of a port may take, besides those that the configuration has it wait.
    type: float
    default: 10.0
  settle:
    description:
      - Seconds after a reload or restart during which master(8) must not terminate, unless it shows earlier that it uses the configuration.
    type: float
    default: 3.0
seealso:
  - module: mailops.postfix.configuration
  - module: mailops.postfix.smtp_tls_info
"""

EXAMPLES = r"""
- name: Configure Postfix so that the change can be undone
  mailops.postfix.configuration:
    certificates:
      - name: mx1.example.org
    main_cf:
      smtpd_tls_security_level: may
    confirm_within: 600
  register: result

- name: Verify and confirm the change
  mailops.postfix.verify:
    transaction: "{{ result.transaction.id }}"
    requires: "{{ result.requires }}"
    scope: "{{ result.verify }}"
  when: result.verify != 'none'

- name: Verify the running configuration
  mailops.postfix.verify:

- name: Verify the running configuration, with a partner that is often down, and one that must work
  mailops.postfix.verify:
    next_hops:
      default: warning
      partner.example.com: ignore
      "[hub.example.org]:587": error

- name: Undo the change without verifying it
  mailops.postfix.verify:
    transaction: "{{ result.transaction.id }}"
    state: undone
"""

RETURN = r"""
confirmed:
  description: Whether the configuration has passed its verification, so that its changes are confirmed.
  type: bool
  returned: always
  sample: true
undone:
  description: Whether a change has been undone.
  type: bool
  returned: always
  sample: false
listeners:
  description:
    - The ports that were probed, the problems and warnings of each, and the C(domains) for which they were to accept mail.
    - C(tls), C(auth), C(relay) and C(certificate), with C(names), C(not_after) and C(days_left), are what the port has shown.
    - C(not_probed) has the domains and server names that were left out, because there are too many, or the port refuses too many, and tables
      whose names can't be listed.
  type: list
  elements: dict
  returned: always
  sample:
    - service: smtp/inet
      host: 192.0.2.25
      port: 25
      problems: []
      warnings: []
      domains: [mx1.example.org, example.org]
      not_probed: []
      tls: STARTTLS
      auth: []
      relay: closed
      certificate: {subject: CN=mx1.example.org, names: [mx1.example.org], not_after: "2027-01-27T00:00:00Z", days_left: 58}
next_hops:
  description:
    - The next hops that were probed.
    - C(outcome) is V(verified), V(trusted), V(encrypted) or V(clear), how the session was protected, if that is what the policy demands, or
      more. Otherwise it is V(leak), mail leaves with less protection; V(misconfigured), this host's own fault; V(held), the next hop does not
      meet its policy, and its mail waits; V(refused), the next hop refuses the connection, EHLO, AUTH or MAIL, or, if it must accept mail for
      any domain, RCPT; V(unreachable), there is no connection.
    - C(policy) is the level that the policy demands, C(level) how the session was protected.
    - C(accepted) is whether the next hop accepts the recipient of the probe, which is not required, and C(reason) what smtp(8) has logged.
    - C(tls) is how smtp(8) has verified its certificate, if C(smtp_tls_loglevel) is at least 1.
    - C(waiting) has the number of C(messages) that wait for a next hop that is V(held), and C(since) when; V(null) if none do.
  type: list
  elements: dict
  returned: always
  sample:
    - nexthop: "[hub.example.org]:587"
      transport: smtp
      recipient: postmaster@hub.example.org
      sender: ""
      policy: fingerprint
      outcome: verified
      level: verified
      relay: hub.example.org[192.0.2.1]:587
      accepted: true
      reason: 250 2.1.5 Ok
      tls: Verified
      protocol: TLSv1.3
      cipher: TLS_AES_256_GCM_SHA384
      waiting: null
summary:
  description:
    - Each port and next hop with what was found, what was not asked, and why, in lines of at most 70 columns. Of more than ten next hops that
      work, it has only the number.
  type: str
  returned: always
  sample: |-
    Ports
      25 (smtp) at 192.0.2.25: STARTTLS, no AUTH, relay closed
        certificate of mx1.example.org, 58 days left
    Next hops
      [hub.example.org]:587: verified (level fingerprint), TLSv1.3
    Evidence: systemd's journal
    Not asked
      Probes end after RCPT TO: a server may still reject mail after DATA.
evidence:
  description:
    - Where the results of next hops come from; empty if none was probed. The results themselves are in Postfix's own reports of the probes.
      Whether a session had TLS, and how the server was verified, is only in the log.
    - V(journal) is systemd's journal, of which only lines count that root or Postfix's user has written. V(file) is C(maillog_file), or a file
      of syslogd. A local user can write to it, but not to the reports. A line that contradicts a report is an error.
    - V(report) are the reports alone, on a host that logs to neither.
  type: str
  returned: always
  sample: journal
problems:
  description: The problems of severity V(error).
  type: list
  elements: str
  returned: always
  sample: ["submission/inet, port 587 at 192.0.2.25: it offers no AUTH, although smtpd_sasl_auth_enable is yes: is the SASL server there?"]
restored:
  description: The files that have been restored.
  type: list
  elements: str
  returned: always
  sample: [/etc/postfix/main.cf]
"""

from ..module_utils import _ansible
from ..module_utils._verify import verify


def main():
    _ansible.run_verify(verify.VERIFY, verify.verify)


if __name__ == "__main__":
    main()
