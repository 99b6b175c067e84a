#!/usr/bin/python
# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: smtp_tls_info
short_description: Ask an SMTP server what it really offers
version_added: 0.1.0
author:
  - mailops.postfix contributors (@mailops)
description:
  - Speaks SMTP to a server, with STARTTLS or implicit TLS, and returns what it saw. The server may be any, not only
    Postfix, and the host that asks needs no Postfix.
  - Never sends mail. The conversation ends before C(DATA).
  - A server that is dead, slow or lies is no failure of this module. RV(problem) says what it did and RV(failed_at)
    where the conversation ended; what was learnt before is returned all the same. Only options that make no sense fail.
  - It asks from the host on which it runs. With C(delegate_to) another host asks.
extends_documentation_fragment:
  - mailops.postfix.attributes
attributes:
  diff_mode:
    description: Returns details on what has changed, or would change in C(check_mode), when in diff mode.
    support: N/A
    details:
      - This action changes nothing.
requirements:
  - Python >= 3.8 on the host that asks
  - the C(openssl) command, 1.1.1 or later
options:
  host:
    description:
      - The name or address of the server. No MX record is looked up.
      - If a name has several addresses, the first one that answers is asked.
    type: str
    required: true
  port:
    description:
      - The port of the server.
    type: int
    default: 25
  implicit_tls:
    description:
      - Begin with TLS instead of STARTTLS, as on port 465.
    type: bool
    default: false
  server_name:
    description:
      - The name to ask for in the TLS handshake (SNI).
      - The default is O(host) if that is a name. For an address none is sent.
    type: str
  key_type:
    description:
      - Ask for the certificate with a key of this type, of a server that may have several. The handshake then offers TLS 1.2 at most,
        where the cipher decides which one is shown; a server that has none, or speaks only TLS 1.3, refuses it.
      - The default is to leave the choice to the server.
    type: str
    choices: [rsa, ecdsa]
  hostnames:
    description:
      - Names that the certificate must cover. The default is O(host) alone.
    type: list
    elements: str
  ca_file:
    description:
      - A PEM file of the CAs to verify against, instead of the system's.
    type: path
  ca_path:
    description:
      - A directory of CAs, with links as C(openssl rehash) makes them, to verify against instead of the system's.
    type: path
  client_certificate:
    description:
      - A PEM file with a certificate, and its chain, to show to a server that asks for one.
    type: path
  client_key:
    description:
      - The PEM file of its private key, which must not be encrypted. The default is the same file.
    type: path
  ehlo:
    description:
      - The name to give in EHLO. The default is the name of the host that asks if it has a dot, else its address.
    type: str
  relay:
    description:
      - Ask whether the server takes mail for O(recipient).
    type: bool
    default: true
  sender:
    description:
      - The sender of the mail that is never sent. An empty one is the null sender, which servers must accept.
    type: str
    default: ""
  recipient:
    description:
      - Whom that mail is for. The default is nobody, at a domain that is reserved for examples.
    type: str
    default: stranger@example.com
  protocols:
    description:
      - Find out which versions of TLS the server accepts, also those that the system's policy would keep a client from
        using. This takes one more connection for each.
    type: bool
    default: true
  timeout:
    description:
      - Seconds to wait for each step, that is for the resolver, a connection, an answer and a handshake.
    type: float
    default: 10
  time_limit:
    description:
      - Seconds for all steps together.
    type: float
    default: 60
  config_directory:
    description:
      - All modules of this collection take this option. Here it means nothing, since no Postfix of the host is read.
    type: path
notes:
  - A server relays for its own networks. To learn what it does for strangers, ask from somewhere else; a host that asks
    itself is no stranger.
seealso:
  - module: mailops.postfix.certificate
  - module: mailops.postfix.instance_info
"""

EXAMPLES = r"""
- name: Look at port 25 from outside
  mailops.postfix.smtp_tls_info:
    host: mx1.example.org
  delegate_to: localhost
  register: mx

- name: No AUTH, no open relay, a certificate that peers can verify
  ansible.builtin.assert:
    that:
      - mx.problem is none
      - mx.before_tls.auth + mx.after_tls.auth == []
      - mx.relay.relays is false
      - mx.verified and mx.name_matches

- name: Look at submissions, quickly
  mailops.postfix.smtp_tls_info:
    host: hub.example.org
    port: 465
    implicit_tls: true
    protocols: false
  register: hub

- name: The pin of the server that answers there
  ansible.builtin.debug:
    msg: "{{ hub.chain[0].public_key_fingerprint.sha256 }}"
"""

RETURN = r"""
host:
  description: O(host), as it was asked.
  type: str
  returned: success
  sample: mx1.example.org
port:
  description: O(port), as it was asked.
  type: int
  returned: success
  sample: 25
implicit_tls:
  description: O(implicit_tls), as it was asked.
  type: bool
  returned: success
  sample: false
reachable:
  description: Whether a connection came about.
  type: bool
  returned: success
  sample: true
problem:
  description: Why the conversation ended early, V(null) if it did not.
  type: str
  returned: success
  sample: "it offers STARTTLS and then refuses it: 454 4.7.0 TLS not available due to local problem"
failed_at:
  description:
    - Where it ended early, V(null) if it did not.
    - One of V(resolve), V(connect), V(greeting), V(ehlo), V(mail), V(starttls), V(handshake), V(ehlo_after_tls),
      V(relay) and V(protocols).
  type: str
  returned: success
  sample: starttls
address:
  description: The address that was asked.
  type: str
  returned: success
  sample: 192.0.2.25
client_address:
  description: The address from which it was asked.
  type: str
  returned: success
  sample: 192.0.2.7
banner:
  description: The greeting.
  type: str
  returned: success
  sample: 220 mx1.example.org ESMTP Postfix
before_tls:
  description: What was seen in clear text, V(null) with O(implicit_tls=true).
  type: dict
  returned: success
  contains:
    ehlo:
      description: The keywords of the answer to EHLO with their arguments.
      type: dict
      returned: success
      sample: {PIPELINING: "", SIZE: "10240000", STARTTLS: ""}
    auth:
      description: The AUTH mechanisms.
      type: list
      elements: str
      returned: success
      sample: []
    starttls:
      description: Whether STARTTLS is offered.
      type: bool
      returned: success
      sample: true
    mail:
      description: Whether a sender is accepted without TLS, and the answer.
      type: dict
      returned: success
      sample: {accepted: false, reply: 530 5.7.0 Must issue a STARTTLS command first}
tls:
  description: The TLS session with a client that offers all versions, V(null) if there is none.
  type: dict
  returned: success
  contains:
    protocol:
      description: Its version.
      type: str
      returned: success
      sample: TLSv1.3
    cipher:
      description: Its cipher, by OpenSSL's name.
      type: str
      returned: success
      sample: TLS_AES_256_GCM_SHA384
    cipher_bits:
      description: The bits of its cipher.
      type: int
      returned: success
      sample: 256
    key_exchange:
      description: The group of the key exchange, V(RSA) for an exchange without one, V(null) if it cannot be known.
      type: str
      returned: success
      sample: X25519
    signature:
      description: The algorithm of the server's signature, by IANA's name, V(null) if it cannot be known.
      type: str
      returned: success
      sample: ecdsa_secp256r1_sha256
    server_name:
      description: The name that was asked for, V(null) if none was.
      type: str
      returned: success
      sample: mx1.example.org
    client_certificate_requested:
      description: Whether the server asked for a client certificate, V(null) if it cannot be known.
      type: bool
      returned: success
      sample: false
after_tls:
  description: What was seen within TLS, V(null) if there is none.
  type: dict
  returned: success
  contains:
    ehlo:
      description: The keywords of the answer to EHLO with their arguments.
      type: dict
      returned: success
      sample: {PIPELINING: "", SIZE: "10240000", AUTH: PLAIN LOGIN}
    auth:
      description: The AUTH mechanisms.
      type: list
      elements: str
      returned: success
      sample: [PLAIN, LOGIN]
relay:
  description: Whether the server takes mail for O(recipient), V(null) if it was not asked.
  type: dict
  returned: success
  contains:
    relays:
      description: V(null) if the answer says something else, for example that it is busy or dislikes the address.
      type: bool
      returned: success
      sample: false
    reply:
      description: The answer.
      type: str
      returned: success
      sample: "554 5.7.1 <stranger@example.com>: Relay access denied"
protocols:
  description: The versions of TLS, V(null) if the server was not asked.
  type: dict
  returned: success
  contains:
    lowest:
      description: The oldest one among those that are accepted.
      type: str
      returned: success
      sample: TLSv1.2
    accepted:
      description: Those that the server accepts.
      type: list
      elements: str
      returned: success
      sample: [TLSv1.2, TLSv1.3]
    refused:
      description: Those that it refuses.
      type: list
      elements: str
      returned: success
      sample: [TLSv1, TLSv1.1]
    unknown:
      description: Those that the host that asks cannot offer, or for which no connection came about.
      type: list
      elements: str
      returned: success
      sample: []
chain:
  description:
    - The certificates that the server shows, its own first, each as RV(mailops.postfix.certificate#module:certificate).
    - V(null) stands for what openssl cannot read in a damaged one.
  type: list
  elements: dict
  returned: success
  sample:
    - subject: CN=mx1.example.org
      issuer: CN=R11,O=Let's Encrypt,C=US
      names: [mx1.example.org]
      not_before: "2026-11-23T01:40:44Z"
      not_after: "2027-02-21T01:40:43Z"
      serial: 03A1B2C3D4E5F60718293A4B5C6D7E8F9012
      key_type: ecdsa
      key_bits: 256
      fingerprint:
        md5: D4:1D:8C:D9:8F:00:B2:04:E9:80:09:98:EC:F8:42:7E
        sha1: DA:39:A3:EE:5E:6B:4B:0D:32:55:BF:EF:95:60:18:90:AF:D8:07:09
        sha256: E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55
        sha512: CF:83:E1:35:7E:EF:B8:BD:F1:54:28:50:D6:6D:80:07:(and so on)
      public_key_fingerprint:
        md5: D4:1D:8C:D9:8F:00:B2:04:E9:80:09:98:EC:F8:42:7E
        sha1: DA:39:A3:EE:5E:6B:4B:0D:32:55:BF:EF:95:60:18:90:AF:D8:07:09
        sha256: E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55
        sha512: CF:83:E1:35:7E:EF:B8:BD:F1:54:28:50:D6:6D:80:07:(and so on)
verified:
  description: Whether the chain leads to a trusted CA and is good for a server now, V(null) without a certificate.
  type: bool
  returned: success
  sample: true
verify_error:
  description: Why not, in OpenSSL's words.
  type: str
  returned: success
  sample: unable to get local issuer certificate (at depth 0)
name_matches:
  description:
    - Whether the server's certificate covers all O(hostnames), V(null) without a certificate.
    - As RFC 6125 has it, a wildcard stands for the left-most label alone. Postfix lets it stand for several as long as
      its C(tls_wildcard_matches_multiple_labels) is not switched off.
  type: bool
  returned: success
  sample: true
unmatched_names:
  description: The ones among O(hostnames) that it does not cover.
  type: list
  elements: str
  returned: success
  sample: []
"""

from ..module_utils import _ansible
from ..module_utils._smtp import probe, probe_options


def main():
    _ansible.run_read_only(probe_options.OPTIONS, lambda options: probe.probe(probe_options.probe_options(options)))


if __name__ == "__main__":
    main()
