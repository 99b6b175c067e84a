#!/usr/bin/python
# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: smtp_tls_info
short_description: Probe an SMTP server and its TLS settings
version_added: 0.1.0
author:
  - mailops.postfix contributors (@mailops)
description:
  - Connects to an SMTP server, with STARTTLS or implicit TLS, and returns what the server offers. The server need not be Postfix,
    and the host that runs the module does not need Postfix.
  - Never sends mail. The session ends before C(DATA).
  - A server that does not respond or violates the protocol does not make this module fail. RV(problem) is the cause, RV(failed_at) the step
    at which the session ended, and all results from before are returned. The module fails only if an option is not valid.
  - The connection comes from the host that runs the module. Use C(delegate_to) to connect from another host.
extends_documentation_fragment:
  - mailops.postfix.attributes
  - mailops.postfix.instance.ignored
attributes:
  diff_mode:
    description: Returns details on what has changed, or would change in C(check_mode), when in diff mode.
    support: N/A
    details:
      - This action changes nothing.
requirements:
  - Python >= 3.8 on the host that runs the module
  - The C(openssl) command, 1.1.1 or later
options:
  host:
    description:
      - The name or address of the server. MX records are not used.
      - If a name has several addresses, the first one that accepts a connection is probed.
    type: str
    required: true
  port:
    description:
      - The port of the server.
    type: int
    default: 25
  implicit_tls:
    description:
      - Start with TLS instead of STARTTLS, as on port 465.
    type: bool
    default: false
  server_name:
    description:
      - The server name to send in the TLS handshake (SNI).
      - The default is O(host) if that is a name. If O(host) is an address, no server name is sent.
    type: str
  key_type:
    description:
      - Request the certificate with this type of key from a server that may have several. The handshake then offers at most TLS 1.2, where
        the cipher determines the certificate. A server that has no such certificate, or supports only TLS 1.3, refuses the handshake.
      - By default the server chooses.
    type: str
    choices: [rsa, ecdsa]
  hostnames:
    description:
      - Names that the certificate must have. The default is O(host).
    type: list
    elements: str
  ca_file:
    description:
      - A PEM file of the CAs by which the certificate is verified, instead of the system's CAs.
    type: path
  ca_path:
    description:
      - A directory of CAs by which the certificate is verified, instead of the system's CAs. It must have links as C(openssl rehash)
        creates them.
    type: path
  client_certificate:
    description:
      - A PEM file with a client certificate and its chain, which is sent to a server that requests one.
    type: path
  client_key:
    description:
      - The PEM file of its private key, which must not be encrypted. The default is the file of O(client_certificate).
    type: path
  ehlo:
    description:
      - The name to send in EHLO. The default is the name of the host that runs the module if it has a dot, otherwise its address.
    type: str
  relay:
    description:
      - Probe whether the server accepts mail to O(recipient).
    type: bool
    default: true
  sender:
    description:
      - The sender address of the probe. The empty string is the null sender, which servers must accept.
    type: str
    default: ""
  recipient:
    description:
      - The recipient address of the probe. The default is in a domain that is reserved for examples.
    type: str
    default: stranger@example.com
  protocols:
    description:
      - Probe which versions of TLS the server accepts, including those that the crypto policy of this system forbids to clients. Each
        version takes one more connection.
    type: bool
    default: true
  timeout:
    description:
      - Seconds that each step may take, such as a DNS query, a connection, a reply or a handshake.
    type: float
    default: 10
  time_limit:
    description:
      - Seconds that all steps together may take.
    type: float
    default: 60
notes:
  - A server relays for clients in its own networks. To probe whether it relays for other clients, run this module on a host outside of
    them.
seealso:
  - module: mailops.postfix.certificate
  - module: mailops.postfix.instance_info
"""

EXAMPLES = r"""
- name: Probe port 25 from outside
  mailops.postfix.smtp_tls_info:
    host: mx1.example.org
  delegate_to: localhost
  register: mx

- name: Assert that there is no AUTH, no open relay, and a certificate that clients can verify
  ansible.builtin.assert:
    that:
      - mx.problem is none
      - mx.before_tls.auth + mx.after_tls.auth == []
      - mx.relay.relays is false
      - mx.verified and mx.name_matches

- name: Probe submissions, without the versions of TLS
  mailops.postfix.smtp_tls_info:
    host: hub.example.org
    port: 465
    implicit_tls: true
    protocols: false
  register: hub

- name: Show the public key pin of the server
  ansible.builtin.debug:
    msg: "{{ hub.chain[0].public_key_fingerprint.sha256 }}"
"""

RETURN = r"""
host:
  description: The value of O(host).
  type: str
  returned: success
  sample: mx1.example.org
port:
  description: The value of O(port).
  type: int
  returned: success
  sample: 25
implicit_tls:
  description: The value of O(implicit_tls).
  type: bool
  returned: success
  sample: false
reachable:
  description: Whether a connection was established.
  type: bool
  returned: success
  sample: true
problem:
  description: Why the session ended early, V(null) if it did not.
  type: str
  returned: success
  sample: "the server offers STARTTLS, but refuses the command: 454 4.7.0 TLS not available due to local problem"
failed_at:
  description:
    - The step at which the session ended early, V(null) if it did not.
    - One of V(resolve), V(connect), V(greeting), V(ehlo), V(mail), V(starttls), V(handshake), V(ehlo_after_tls),
      V(relay) and V(protocols).
  type: str
  returned: success
  sample: starttls
refusal:
  description: The reply by which the server ended the session early, V(null) if there is none.
  type: str
  returned: success
  sample: "454 4.7.0 TLS not available due to local problem"
address:
  description: The address that was probed.
  type: str
  returned: success
  sample: 192.0.2.25
client_address:
  description: The address from which it was probed.
  type: str
  returned: success
  sample: 192.0.2.7
banner:
  description: The greeting.
  type: str
  returned: success
  sample: 220 mx1.example.org ESMTP Postfix
before_tls:
  description: What the server offers before TLS, V(null) with O(implicit_tls=true).
  type: dict
  returned: success
  contains:
    ehlo:
      description: The keywords of the reply to EHLO with their arguments.
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
      description: Whether a sender is accepted without TLS, and the reply.
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
      description:
        - The group of the key exchange, V(RSA) for a key exchange without a group.
        - This value, RV(tls.signature) and RV(tls.client_certificate_requested) are those of another connection, by openssl-s_client(1),
          because Python does not have them. They are V(null) if the server does not accept that connection.
      type: str
      returned: success
      sample: X25519
    signature:
      description:
        - The algorithm of the server's signature, by IANA's name, V(null) if it is unknown.
        - Versions before TLS 1.2 do not name it. OpenSSL before 3.5 does not distinguish C(rsa_pss_pss) from V(rsa_pss_rsae).
      type: str
      returned: success
      sample: ecdsa_secp256r1_sha256
    server_name:
      description: The server name that was sent, V(null) if none was sent.
      type: str
      returned: success
      sample: mx1.example.org
    client_certificate_requested:
      description: Whether the server requested a client certificate, V(null) if it is unknown.
      type: bool
      returned: success
      sample: false
after_tls:
  description: What the server offers within TLS, V(null) if there is no TLS session.
  type: dict
  returned: success
  contains:
    ehlo:
      description: The keywords of the reply to EHLO with their arguments.
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
  description: Whether the server accepts mail to O(recipient), V(null) if it was not probed.
  type: dict
  returned: success
  contains:
    relays:
      description: V(null) if the reply has another meaning, for example that the server is busy or that the address is not valid.
      type: bool
      returned: success
      sample: false
    reply:
      description: The reply.
      type: str
      returned: success
      sample: "554 5.7.1 <stranger@example.com>: Relay access denied"
protocols:
  description: The versions of TLS, V(null) if they were not probed.
  type: dict
  returned: success
  contains:
    lowest:
      description: The oldest version that the server accepts.
      type: str
      returned: success
      sample: TLSv1.2
    accepted:
      description: The versions that the server accepts.
      type: list
      elements: str
      returned: success
      sample: [TLSv1.2, TLSv1.3]
    refused:
      description: The versions that the server refuses.
      type: list
      elements: str
      returned: success
      sample: [TLSv1, TLSv1.1]
    unknown:
      description: The versions that this host does not support, or that could not be probed.
      type: list
      elements: str
      returned: success
      sample: []
chain:
  description:
    - The certificates that the server sends, its own first, each as RV(mailops.postfix.certificate#module:certificate).
    - V(null) is a value that openssl(1) can't read.
    - Before version 3.13, Python has only the first certificate. The others are those of the connection of openssl-s_client(1). If the
      server does not accept it, or sends another certificate there, they are unknown, and only the first one is in the list.
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
  description:
    - Whether openssl(1) verifies the chain as that of a server, V(null) without a certificate.
    - V(null), with RV(verify_error), if it does not verify the first certificate alone, and the others are unknown.
  type: bool
  returned: success
  sample: true
verify_error:
  description: Why not, as reported by OpenSSL.
  type: str
  returned: success
  sample: unable to get local issuer certificate (at depth 0)
name_matches:
  description:
    - Whether the server's certificate has all O(hostnames), V(null) without a certificate.
    - As in RFC 6125, a wildcard matches only the left-most label. Postfix lets a wildcard match several labels unless
      C(tls_wildcard_matches_multiple_labels) is V(no).
  type: bool
  returned: success
  sample: true
unmatched_names:
  description: The names in O(hostnames) that the certificate does not have.
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
