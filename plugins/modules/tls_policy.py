#!/usr/bin/python
# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tls_policy
short_description: Declare what TLS to single next hops must be like
version_added: 0.1.0
author:
  - mailops.postfix contributors (@mailops)
description:
  - Manages the table behind C(smtp_tls_policy_maps), text and compiled file, as M(mailops.postfix.lookup_table) does
    for other tables.
  - Nothing in Postfix reads a policy before a mail is sent, and a mistake in it defers all mail to that next hop. So
    policies are checked before they are written, against the installed version of Postfix, against the digest of
    fingerprints that it is set to, and against each other.
  - The key of a policy is the next hop, byte for byte. With a relayhost or a transport entry that is not the
    recipient's domain, and a policy for the domain would never apply. Declare such a policy with O(policies[].domain)
    and it is put on the route that the mail really takes, or refused with the reason.
  - A peer that is declared secure must not get mail over anything weaker. Where another next hop is tried before or
    after one that has a policy (the rest of a list in C(relayhost), C(smtp_fallback_relay)), or the same host is in
    a route in a form for which there is no policy (C([hub]:587) beside a policy for C([hub])), the change is refused,
    with what to declare instead. O(checks) says otherwise, by the name V(weaker_next_hop). The module
    M(mailops.postfix.instance_info) shows the routes and what applies to each next hop.
  - It does not edit C(main.cf); hand RV(map) to C(smtp_tls_policy_maps) with M(mailops.postfix.main_cf), or use
    M(mailops.postfix.configuration).
extends_documentation_fragment:
  - mailops.postfix.attributes
  - mailops.postfix.instance
  - mailops.postfix.checks
options:
  path:
    description:
      - The text of the table. The default is C(tls_policy) in the configuration directory, from which relative paths
        are taken too.
    type: path
  policies:
    description:
      - The policies. Those that are not listed stay, unless O(exclusive=true).
    type: list
    elements: dict
    required: true
    suboptions:
      nexthop:
        description:
          - The next hop exactly as the route has it, for example V([hub.example.org]:587). V([hub.example.org]) and
            V(hub.example.org) are two others.
          - V(.example.org) is for all hosts below C(example.org), where the next hop is a bare domain.
          - Exactly one of O(policies[].nexthop), O(policies[].domain) and O(policies[].host) is needed.
        type: str
      domain:
        description:
          - The domain of recipients. The policy is put on the next hop that their mail takes, as relayhost and
            transport tables have it.
          - It is refused where that next hop carries other mail as well, or can't be told from the configuration.
          - Tables whose entries can't be listed (regular expressions, LDAP …) are asked about the domain's postmaster;
            what they say of other addresses is not known.
        type: str
      host:
        description:
          - A host. The policy is put on every next hop of the configuration that names it, whatever its port and form,
            V([hub.example.org]:587), V([hub.example.org]:588) and V(hub.example.org) alike. Refused where there is none.
          - With O(policies[].state=absent) all policies for it go.
        type: str
      level:
        description:
          - The security level. Needed unless O(policies[].state=absent).
          - V(none) means without TLS, V(may) TLS if offered, V(encrypt) TLS with anybody, V(fingerprint) TLS with the holder
            of a known certificate or key, V(verify) and V(secure) TLS with a certificate that is trusted and has the
            right name, V(dane) and V(dane-only) as DNSSEC says.
          - V(dane) and V(dane-only) need C(smtp_dns_support_level = dnssec), without which Postfix quietly takes
            V(dane) for V(may).
        type: str
        choices: [none, may, encrypt, fingerprint, dane, dane-only, verify, secure]
      match:
        description:
          - At level V(fingerprint) the fingerprints of which one must match, of the certificate or of its public key,
            in the digest of C(smtp_tls_fingerprint_digest). Without it those in C(smtp_tls_fingerprint_cert_match)
            count.
          - At the levels V(verify) and V(secure) the names of which the certificate must have one, V(nexthop),
            V(dot-nexthop) or V(hostname).
          - Refused at other levels, where Postfix takes the whole entry for wrong.
        type: list
        elements: str
      pins:
        description:
          - At level V(fingerprint) what the peer is known by, any number of keys and certificates. They join
            O(policies[].match), in the digest of C(smtp_tls_fingerprint_digest).
        type: list
        elements: dict
        suboptions:
          pem:
            description:
              - A certificate or a public key in PEM form, its text or the path of a file on the managed host. Of a chain
                the first certificate counts. A private key is refused.
            type: str
          fingerprint:
            description:
              - A fingerprint, as in O(policies[].match).
            type: str
          of:
            description:
              - What to pin of O(policies[].pins[].pem). A public key stays the same when its certificate is renewed with the same
                key, V(certificate) must be pinned again with each renewal.
            type: str
            choices: [public_key, certificate]
            default: public_key
      protocols:
        description:
          - The TLS protocols, for example V(">=TLSv1.2"). On Postfix before 3.6 it is written as the exclusions that
            mean the same.
          - A list of bare names allows these alone, which switches off newer protocols; there is a warning for that.
        type: list
        elements: str
      ciphers:
        description:
          - The lowest cipher grade.
        type: str
        choices: [export, low, medium, high, "null"]
      exclude:
        description:
          - Ciphers to exclude.
        type: list
        elements: str
      tafile:
        description:
          - PEM files on the managed host with the trust anchors that count instead of the CAs, at the levels V(verify)
            and V(secure). smtp(8) must be able to read them.
          - Unlike C(smtp_tls_CAfile) they are read inside the chroot. Where smtp(8) is chrooted, as on Debian, a path
            means the file below C(queue_directory), and is refused if there is none.
        type: list
        elements: path
      servername:
        description:
          - The name to ask the server for (SNI).
        type: str
      connection_reuse:
        description:
          - Whether a TLS connection may carry several mails. V(true) needs the service C(tlsproxy/unix) in
            C(master.cf).
        type: bool
      enable_rpk:
        description:
          - Whether to accept raw public keys. Postfix 3.9 and later.
        type: bool
      route:
        description:
          - V(direct) sends the mail for O(policies[].domain) to the domain's own mail exchangers, past relayhost, so
            that the policy applies. It adds an entry to the first table of C(transport_maps) whose text is on the
            host, and is refused if there is none.
          - The entry stays when the policy is removed.
        type: str
        choices: [direct]
      state:
        description:
          - V(absent) removes the policy.
        type: str
        choices: [present, absent]
        default: present
  exclusive:
    description:
      - Whether to remove all policies that are not in O(policies). Comments stay.
    type: bool
    default: false
  type:
    description:
      - The type of the table, as for M(mailops.postfix.lookup_table).
    type: str
    choices: [auto, hash, btree, lmdb, cdb, texthash]
    default: auto
  owner:
    description:
      - The owner of both files. An existing file keeps its own by default, a new one belongs to C(root).
    type: str
  group:
    description:
      - The group of both files, otherwise as O(owner).
    type: str
  mode:
    description:
      - The mode of both files, octal and in quotes. An existing file keeps its own by default, a new one gets
        V("0644").
    type: raw
seealso:
  - module: mailops.postfix.lookup_table
  - module: mailops.postfix.configuration
  - plugin: mailops.postfix.to_tls_policy
    plugin_type: filter
  - name: TLS_README
    description: Levels and attributes of policies.
    link: https://www.postfix.org/TLS_README.html#client_tls_policy
"""

EXAMPLES = r"""
- name: The hub is known by its key, and one partner must offer TLS
  mailops.postfix.tls_policy:
    policies:
      - nexthop: "[hub.example.org]:587"
        level: fingerprint
        match:
          - 95:C1:43:F0:6A:5B:31:1E:6F:0D:8E:5F:83:9C:7D:C2:0F:B4:61:1A:C7:5D:6E:2D:0A:5C:0D:B8:3E:71:4F:90
        protocols: ">=TLSv1.2"
      - domain: partner.example
        level: encrypt
        route: direct
      - host: relay.example.net           # all its next hops in relayhost, transport tables and fallback relays
        level: fingerprint
        pins:
          - pem: /etc/postfix/peers/relay.example.net.pem
          - pem: "{{ lookup('ansible.builtin.file', 'relay.example.net-next.pem') }}"
  register: tls_policy

- name: Use the table
  mailops.postfix.main_cf:
    parameters:
      smtp_tls_fingerprint_digest: sha256
      smtp_tls_policy_maps: "{{ tls_policy.map }}"
  notify: Reload Postfix

- name: These policies and no others
  mailops.postfix.tls_policy:
    exclusive: true
    policies:
      - nexthop: example.com
        level: secure
        match: [nexthop, dot-nexthop]
"""

RETURN = r"""
map:
  description: The table as C(smtp_tls_policy_maps) names it.
  type: str
  returned: success
  sample: hash:/etc/postfix/tls_policy
policies:
  description: All policies that the table then holds, those included that were not declared.
  type: list
  elements: dict
  returned: success
  sample:
    - nexthop: "[hub.example.org]:587"
      level: fingerprint
      match: [95:C1:43:F0:6A:5B:31:1E:6F:0D:8E:5F:83:9C:7D:C2:0F:B4:61:1A:C7:5D:6E:2D:0A:5C:0D:B8:3E:71:4F:90]
      protocols: ">=TLSv1.2"
requires:
  description: What the running Postfix needs for the change to take effect, V(none) or V(reload).
  type: str
  returned: success
  sample: none
backup_files:
  description: The copies that were made.
  type: list
  elements: str
  returned: when O(backup=true) and something changed
  sample: [/etc/postfix/tls_policy.4711.2026-11-23@12:00:00~]
"""

from ..module_utils import _ansible
from ..module_utils._plan import tls_policy_standalone


def main():
    _ansible.run(
        build=tls_policy_standalone.standalone_tls_policy,
        **tls_policy_standalone.StandalonePolicyOptions.specification(),
    )


if __name__ == "__main__":
    main()
