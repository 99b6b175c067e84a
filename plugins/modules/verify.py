#!/usr/bin/python
# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Bring a Postfix configuration into service, prove it on the wire, or go back
version_added: 0.1.0
author:
  - mailops.postfix contributors (@mailops)
description:
  - Reloads or restarts Postfix as O(requires) says, and sees that master(8) still runs some seconds later, since it may die of a
    configuration that C(postfix reload) has accepted. It is not waited for any longer once it has shown that it has got through, by new
    processes of all services that it wakes, such as pickup(8) and qmgr(8), which it starts only then.
  - Asks each port on which smtpd(8) listens whether it is what its configuration says. It must answer; offer TLS if it shall, with the
    certificate that stands in the file; offer AUTH neither before TLS nor where it is switched off, and offer it where it is switched
    on; take no mail before TLS where TLS is mandatory; and relay no mail for strangers (asked from this host's own address, if that is
    not in C(mynetworks)).
  - Has the real smtp(8) client, chroot and tables and all, speak with each next hop that has a TLS policy above V(may), and with the
    relayhost. The probe (C(sendmail -bv)) has no content and its report is discarded.
  - Asks what lies outside Postfix and smtp(8) relies on, the resolver for DANE and services of TLS policies (O(dependencies)).
  - If something does not hold, what M(mailops.postfix.configuration) has installed with O(mailops.postfix.configuration#module:provisional)
    is undone, the configuration from before is in service again, and the task fails with what was seen.
extends_documentation_fragment:
  - mailops.postfix.attributes
  - mailops.postfix.instance.read_only
attributes:
  check_mode:
    support: full
    details:
      - Nothing is reloaded in check mode, and smtp(8) is not asked. Without O(requires) the ports are.
  diff_mode:
    support: none
    description: What is restored is listed in RV(restored).
  idempotent:
    support: partial
    details:
      - Reports a change whenever O(requires) has it reload or restart Postfix.
options:
  requires:
    description: What the running Postfix needs first, as modules return it. A Postfix that does not run is started, unless this is V(none).
    type: str
    choices: [none, reload, restart]
    default: none
  listeners:
    description: What a port is that is not as it is declared; with V(ignore) the ports are not asked.
    type: str
    choices: [error, warning, ignore]
    default: error
  next_hops:
    description:
      - What a next hop is that answers, and then offers no TLS or is not who it must be; with V(ignore) smtp(8) is not asked.
    type: str
    choices: [error, warning, ignore]
    default: error
  recipients:
    description: Further addresses for which smtp(8) shall send a probe.
    type: list
    elements: str
    default: []
  unreachable:
    description:
      - What a next hop is that can't be reached at all. It may be the network, and a laptop often has none.
    type: str
    choices: [error, warning, ignore]
    default: warning
  dependencies:
    description:
      - What it is when something outside Postfix, by which the configuration stands, fails. It is asked unless this is V(ignore).
      - The resolver of a service that relies on DANE must validate DNSSEC. The nameservers that smtp(8) asks, those in the resolv.conf of
        its chroot, are asked what C(dnssec_probe) says, and each that answers must mark its answer as validated.
      - A service of TLS policies in C(smtp_tls_policy_maps), such as one of MTA-STS policies, must answer.
    type: str
    choices: [error, warning, ignore]
    default: error
  bogus_names:
    description:
      - Names whose DNSSEC signatures are wrong, such as C(dnssec-failed.org). A resolver that resolves one does not insist on validation, and
        does not do for DANE. Nobody can be reached by them, so that one that can't be asked about proves nothing, and is no problem.
    type: list
    elements: str
    default: []
  on_failure:
    description:
      - V(undo) undoes what has been installed and not yet been proven, and fails.
      - V(fail) only fails, and leaves the way back open for a later V(undo).
    type: str
    choices: [undo, fail]
    default: undo
  timeout:
    description: Seconds that each answer of a port may take.
    type: float
    default: 10.0
  settle:
    description: Seconds after a reload or restart in which master(8) must not die, unless it shows before that it has got through.
    type: float
    default: 3.0
seealso:
  - module: mailops.postfix.configuration
  - module: mailops.postfix.smtp_tls_info
"""

EXAMPLES = r"""
- name: Configure Postfix, and be able to go back
  mailops.postfix.configuration:
    certificates:
      - name: mx1.example.org
    main_cf:
      smtpd_tls_security_level: may
    provisional: true
  register: result
  notify: Prove it

- name: Look whether everything still is as it was declared
  mailops.postfix.verify:

# As a handler
- name: Prove it
  mailops.postfix.verify:
    requires: "{{ result.requires }}"
"""

RETURN = r"""
listeners:
  description: The ports that were asked, and what was wrong with each.
  type: list
  elements: dict
  returned: always
  sample: [{service: smtp/inet, host: 192.0.2.25, port: 25, problems: []}]
next_hops:
  description:
    - The next hops that were asked. C(outcome) is V(verified), V(unreachable) or V(failed); C(accepted) says whether the next hop would have
      taken the probe's recipient, which is its own business.
    - C(tls) is what smtp(8) made of its certificate, where C(smtp_tls_loglevel) is at least 1.
  type: list
  elements: dict
  returned: always
  sample:
    - nexthop: "[hub.example.org]:587"
      recipient: postmaster@hub.example.org
      outcome: verified
      relay: hub.example.org[192.0.2.1]:587
      accepted: true
      reason: 250 2.1.5 Ok
      tls: Verified
      protocol: TLSv1.3
      cipher: TLS_AES_256_GCM_SHA384
problems:
  description: What does not hold.
  type: list
  elements: str
  returned: always
  sample: ["submission/inet, port 587 at 192.0.2.25: it offers no AUTH, although smtpd_sasl_auth_enable is yes: is the SASL server there?"]
restored:
  description: The files that were put back.
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
