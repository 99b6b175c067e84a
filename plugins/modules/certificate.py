#!/usr/bin/python
# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate
short_description: Check a TLS certificate and tell Postfix to serve it
version_added: 0.1.0
author:
  - mailops.postfix contributors (@mailops)
description:
  - Finds the files of a certificate where its provider keeps them, or makes a self-signed one, and checks everything
    that would make
    Postfix or its peers stumble, before it is served.
    The files must be PEM, the private key must not be encrypted and must belong to the first certificate,
    the chain must be in order, the certificate must be valid now and cover O(hostnames).
    A private key that others can get at is closed to them, with a warning.
  - Returns the main.cf parameters that make Postfix serve it, and its fingerprints in Postfix's notation. It does not
    edit C(main.cf)
    itself; hand RV(parameters) to M(mailops.postfix.main_cf) or use M(mailops.postfix.configuration).
  - With O(deploy_hook) renewals reach Postfix without Ansible. A program is installed that does what this module does and
    then asks the ports, and a file below C(/etc/mailops-postfix) that tells it what was declared.
  - The private key itself is handled by C(openssl) alone. It is in no result, no diff and no log.
extends_documentation_fragment:
  - mailops.postfix.attributes
  - mailops.postfix.instance
requirements:
  - the C(openssl) command, 1.1.1 or later
options:
  name:
    description:
      - Name of the certificate.
      - For an ACME client the name under which it keeps the certificate, for O(provider=certbot) that is the directory
        below C(/etc/letsencrypt/live). V(_.example.org) is how lego writes C(*.example.org).
      - For O(provider=self_signed) its common name, and its only host name if O(hostnames) lists none.
    type: str
    required: true
  provider:
    description:
      - Where the certificate comes from.
      - V(certbot), V(lego), V(dehydrated) and V(acme_sh) serve what these clients have obtained and keep renewing.
      - V(files) serves O(certificate) and O(private_key).
      - V(self_signed) makes a self-signed one, in O(chain_file), for peers that know its fingerprint. It is kept as
        long as its private key
        can be read, it covers O(hostnames) and enough of its life is left (O(renew_below)). When one of the latter two
        fails, a new certificate is made with the same key, so that public key fingerprints stay.
    type: str
    choices: [certbot, lego, dehydrated, acme_sh, files, self_signed]
    default: certbot
  certificate:
    description:
      - For O(provider=files) the file of the certificate, followed by the intermediate certificates of its chain in
        their order.
    type: path
  private_key:
    description:
      - For O(provider=files) the file of the private key.
      - What others than root may do with it is taken from them, with a warning. The group C(ssl-cert) may go on reading it.
      - One that belongs to another user is refused, unless O(chain_file) is set and Postfix has a copy of its own.
    type: path
  directory:
    description:
      - Where an ACME client keeps its certificates, if not at its usual place.
      - The usual places are C(/etc/letsencrypt) for certbot, C(/root/.lego), C(/var/lib/lego) or C(/etc/lego) for lego,
        C(/var/lib/dehydrated) or C(/etc/dehydrated) for dehydrated, and C(/root/.acme.sh) for acme.sh.
    type: path
  hostnames:
    description:
      - Names that the certificate must cover. A wildcard covers exactly one label.
      - For O(provider=self_signed) the names to put into it.
    type: list
    elements: str
  verify:
    description:
      - How much of the chain is checked.
      - V(chain) asks C(openssl verify) whether the chain leads to one of the system's CAs, or one in O(ca_file), and,
        unless
        O(side=client), whether the certificate is good for a server.
      - V(consistent) checks that the key, the certificate and the order of the chain fit together.
      - V(auto) is V(chain) for the ACME clients and V(consistent) for O(provider=files) and O(provider=self_signed).
    type: str
    choices: [auto, chain, consistent]
    default: auto
  ca_file:
    description:
      - A PEM file of the CAs to verify against instead of the system's.
    type: path
  chain_file:
    description:
      - Put key and chain together into this one file, which only root can read and which is replaced in one rename,
        so that no
        process ever sees a new key with an old certificate.
      - Without it RV(parameters) refer to the provider's own files.
      - For O(provider=self_signed) and O(sni=true) the default is C(tls/<name>.pem) in the configuration directory.
      - Its directory must not be writable to others than root.
      - A relative path is taken from the configuration directory.
    type: path
  side:
    description:
      - Which role of Postfix presents the certificate, and so which RV(parameters) are returned.
      - V(server) is smtpd(8), V(client) is smtp(8).
    type: str
    choices: [server, client, both]
    default: server
  key_type:
    description:
      - For O(provider=self_signed) the type of its key.
      - V(ecdsa) is taken for a new key. If O(key_type) is set, an existing key of the other type is replaced, which
        breaks the pins on it.
      - For O(provider=acme_sh), which keeps the two kinds of one name apart, V(ecdsa) takes C(<name>_ecc) and V(rsa) takes
        C(<name>). Without it, the first that is there is taken, in this order.
    type: str
    choices: [ecdsa, rsa]
  key_bits:
    description:
      - For O(provider=self_signed) the size of its key, V(256), V(384) or V(521) for O(key_type=ecdsa) and at least
        V(2048) for O(key_type=rsa).
      - V(256) or V(2048) is taken for a new key. If O(key_bits) is set, an existing key of another size is replaced,
        which breaks the pins
        on it.
    type: int
  days:
    description:
      - For O(provider=self_signed) how long a new certificate is valid. An existing one is not replaced because of it.
    type: int
    default: 3650
  renew_below:
    description:
      - For O(provider=self_signed) the fraction of its life below which a certificate is renewed.
    type: float
    default: 0.33
  reuse_key:
    description:
      - For O(provider=self_signed) whether a new certificate is made for the old key. If V(false), each renewal breaks the
        pins on the key.
    type: bool
    default: true
  next_key:
    description:
      - For O(provider=self_signed) what to do about the next key, which waits with a certificate of its own in
        C(<chain_file>.next) until it takes the place of the current one. Peers that pin keys can be told of it before.
      - V(keep) leaves it as it is, be there one or not.
      - V(prepare) makes one where there is none. O(key_type) and O(key_bits) then apply to it, and the current key stays
        as it is until the switch.
      - V(switch) puts it in the place of the current one, key and certificate in one rename. The current key is gone then. Where
        no next key has been prepared, nothing changes.
      - V(discard) removes it.
      - The playbook C(mailops.postfix.rotate_keys) does all of this, and sees to it that each road-warrior knows the next key
        before the switch.
      - With other providers only V(keep) is possible, since the keys are theirs.
    type: str
    choices: [keep, prepare, switch, discard]
    default: keep
  warn_below:
    description:
      - The fraction of its life below which there is a warning that nobody seems to renew the certificate. ACME clients
        renew when a third is left.
    type: float
    default: 0.3
  sni:
    description:
      - Serve the certificate to those who ask for one of O(hostnames), or of its own names if O(hostnames) is not set, by
        server name indication (C(tls_server_sni_maps)). Those who ask for no name, or for another, are served the
        certificates without O(sni).
      - Certificates with keys of another type for the same name are served beside it.
    type: bool
    default: false
  sni_table:
    description:
      - The table of server names, one for all certificates of an instance. It is compiled with C(postmap -F), which copies
        the private keys into it, and made anew at each renewal.
      - The default is C(tls/sni) in the configuration directory.
    type: path
  deploy_hook:
    description:
      - Have renewals reach Postfix without Ansible.
      - "The program C(/usr/local/libexec/mailops-postfix/deploy-certificate) is made of the code of this module and needs no Ansible.
        It does the same checks, replaces the chain file and the table of server names, reloads Postfix, asks each port,
        and compares what is served. If anything fails, the old certificate stays in service, or comes back; the
        reason is in the mail log, and the exit status is not 0."
      - C(certbot renew) finds it in C(renewal-hooks/deploy). The others must be told, C(lego renew --renew-hook PROGRAM)
        (from version 5 on C(lego run --deploy-hook PROGRAM)), C(HOOK=PROGRAM) in the configuration of dehydrated, and
        C(acme.sh --install-cert --reloadcmd PROGRAM). For O(provider=files) whoever replaces the files calls
        C(PROGRAM --name NAME).
      - "What it refuses, since Postfix does not run or its configuration is broken, say, is tried again. Each hour a timer of systemd
        (C(mailops-postfix-due.timer)), or cron where there is no systemd, calls C(PROGRAM --due), which brings into service what Postfix
        does not use yet, and says nothing of the rest. So a renewal is in service within the hour even if the client was never
        told of the program."
      - It starts no Postfix that somebody has stopped.
      - By default it is V(true) where Postfix is given a copy of what an ACME client renews (O(chain_file), O(sni)). A
        certificate that is served from the client's own files needs no hook, but only O(chain_file) gives a way back.
      - If V(false), a hook that was there for this certificate does nothing any more.
    type: bool
seealso:
  - module: mailops.postfix.ca_bundle
  - module: mailops.postfix.configuration
  - plugin: mailops.postfix.certificate_fingerprint
    plugin_type: filter
  - plugin: mailops.postfix.public_key_fingerprint
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Serve the Let's Encrypt certificate that certbot keeps up to date
  mailops.postfix.certificate:
    name: mx1.example.org
    hostnames: [mx1.example.org]
  register: certificate

- name: Tell Postfix
  mailops.postfix.main_cf:
    parameters: "{{ certificate.parameters | combine({'smtpd_tls_security_level': 'may'}) }}"
  notify: Reload Postfix

- name: A certificate of the site's own CA, key and chain in one file
  mailops.postfix.certificate:
    name: hub.example.org
    provider: files
    certificate: /etc/pki/tls/certs/hub.pem
    private_key: /etc/pki/tls/private/hub.key
    verify: chain
    ca_file: /etc/pki/tls/certs/site-ca.pem
    chain_file: tls/hub.pem
  notify: Reload Postfix

- name: A certificate of lego for each of two names, and one of certbot for those who ask for no name
  mailops.postfix.configuration:
    certificates:
      - name: mx1.example.org
        chain_file: tls/mx1.pem
      - {name: mail.example.com, provider: lego, sni: true}
      - {name: mail.example.net, provider: lego, sni: true}
    main_cf:
      smtpd_tls_security_level: may
  notify: Reload Postfix

- name: A laptop's own client certificate, known to the smarthost by its public key
  mailops.postfix.certificate:
    name: "{{ inventory_hostname }}"
    provider: self_signed
    side: client
  register: certificate

- name: Make the key that shall replace the current one some day, so that peers can pin both
  mailops.postfix.certificate:
    name: hub.example.org
    provider: self_signed
    next_key: prepare

- name: The line for the smarthost's relay_clientcerts
  ansible.builtin.debug:
    msg: "{{ certificate.certificate.public_key_fingerprint.sha256 }} {{ inventory_hostname }}"
"""

RETURN = r"""
certificate:
  description:
    - What the certificate says.
    - In check mode a self-signed certificate that is still to be made has V(null) for everything that is not known
      beforehand.
  type: dict
  returned: success
  contains:
    subject:
      description: Its subject in the notation of RFC 2253.
      type: str
      returned: success
      sample: CN=mx1.example.org
    issuer:
      description: Its issuer in the notation of RFC 2253.
      type: str
      returned: success
      sample: CN=R11,O=Let's Encrypt,C=US
    names:
      description: The DNS names in its subjectAltName extension, or its common name if there are none.
      type: list
      elements: str
      returned: success
      sample: [mx1.example.org]
    not_before:
      description: Start of its validity, in UTC.
      type: str
      returned: success
      sample: "2026-11-23T01:40:44Z"
    not_after:
      description: End of its validity, in UTC.
      type: str
      returned: success
      sample: "2027-02-21T01:40:43Z"
    serial:
      description: Its serial number in hexadecimal, as C(openssl x509 -serial) prints it.
      type: str
      returned: success
      sample: 03A1B2C3D4E5F60718293A4B5C6D7E8F9012
    key_type:
      description: Type of its key, for example V(rsa), V(ecdsa) or V(ed25519); V(null) if it is another.
      type: str
      returned: success
      sample: ecdsa
    key_bits:
      description: Size of its key.
      type: int
      returned: success
      sample: 256
    remaining:
      description: How much of its life is left, from 1 to 0.
      type: float
      returned: success
      sample: 0.667
    fingerprint:
      description:
        - Fingerprint of the certificate in each digest.
        - V(null) for a digest that the host refuses, as FIPS mode does V(md5).
      type: dict
      returned: success
      sample:
        md5: D4:1D:8C:D9:8F:00:B2:04:E9:80:09:98:EC:F8:42:7E
        sha1: DA:39:A3:EE:5E:6B:4B:0D:32:55:BF:EF:95:60:18:90:AF:D8:07:09
        sha256: E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55
        sha512: CF:83:E1:35:7E:EF:B8:BD:F1:54:28:50:D6:6D:80:07:(and so on)
    public_key_fingerprint:
      description:
        - Fingerprint of its public key in each digest. It stays the same when the certificate is renewed with the
          same key.
      type: dict
      returned: success
      sample:
        md5: D4:1D:8C:D9:8F:00:B2:04:E9:80:09:98:EC:F8:42:7E
        sha1: DA:39:A3:EE:5E:6B:4B:0D:32:55:BF:EF:95:60:18:90:AF:D8:07:09
        sha256: E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55
        sha512: CF:83:E1:35:7E:EF:B8:BD:F1:54:28:50:D6:6D:80:07:(and so on)
next:
  description:
    - The certificate of the next key, with the keys of RV(certificate); V(null) if none has been prepared.
    - Peers that pin keys, and TLSA records, shall have its C(public_key_fingerprint) besides that of the current key.
  type: dict
  returned: success
  sample: null
parameters:
  description:
    - The main.cf parameters that make Postfix serve the certificate, for the sides that O(side) says.
    - V(null) stands for a parameter that must go, since Postfix ignores it along with the others and warns of it.
  type: dict
  returned: success
  sample:
    smtpd_tls_chain_files: >-
      /etc/letsencrypt/live/mx1.example.org/privkey.pem, /etc/letsencrypt/live/mx1.example.org/fullchain.pem
    smtpd_tls_cert_file: null
    smtpd_tls_key_file: null
    smtpd_tls_eccert_file: null
    smtpd_tls_eckey_file: null
    smtpd_tls_dcert_file: null
    smtpd_tls_dkey_file: null
files:
  description:
    - The files of the certificate.
    - C(chain_file) holds key and chain, V(null) if there is none. C(certificate) and C(private_key) are the
      provider's, V(null) for
      O(provider=self_signed).
  type: dict
  returned: success
  sample:
    chain_file: null
    certificate: /etc/letsencrypt/live/mx1.example.org/fullchain.pem
    private_key: /etc/letsencrypt/live/mx1.example.org/privkey.pem
deploy_hook:
  description:
    - The program that deploys renewals, the file that tells it of this certificate, and what calls it each hour; V(null) if there is
      no hook.
    - C(timer) is V(null), with a warning, on a host that has neither systemd nor cron.
  type: dict
  returned: success
  sample:
    program: /usr/local/libexec/mailops-postfix/deploy-certificate
    declaration: /etc/mailops-postfix/certificates/etc-postfix--tls-mx1.example.org.pem.json
    timer: /etc/systemd/system/mailops-postfix-due.timer
requires:
  description:
    - What the running Postfix needs for the change to take effect, V(reload) if the chain file or the table of server
      names changed and V(none) if not.
  type: str
  returned: success
  sample: reload
backup_files:
  description: The copies that were made. A copy of a chain file holds its private key, and only root can read it.
  type: list
  elements: str
  returned: when O(backup=true) and something changed
  sample: [/etc/postfix/tls/mx1.example.org.pem.4711.2026-11-23@12:00:00~]
"""

from ..module_utils import _ansible
from ..module_utils._plan import certificate
from ..module_utils._program import install


def main():
    _ansible.run(build=install.with_renewals(certificate.certificate), hidden=install.OPTION, **certificate.CERTIFICATE)


if __name__ == "__main__":
    main()
