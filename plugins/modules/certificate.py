#!/usr/bin/python
# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate
short_description: Check a TLS certificate and provide it to Postfix
version_added: 0.1.0
author:
  - mailops.postfix contributors (@mailops)
description:
  - Locates the files of a certificate where its provider keeps them, or creates a self-signed certificate, and checks them
    before Postfix uses them.
    The files must be in PEM form, the private key must not be encrypted and must belong to the first certificate,
    the chain must be in order, and the certificate must be valid now and cover O(hostnames).
    If users other than root have access to the private key, the module denies it and warns.
  - Returns the main.cf parameters that make Postfix use the certificate, and its fingerprints in Postfix's notation. It does not
    edit C(main.cf). Pass RV(parameters) to M(mailops.postfix.main_cf), or use M(mailops.postfix.configuration).
  - With O(deploy_hook) a program on the host deploys renewals to Postfix without Ansible.
  - Only C(openssl) reads the private key. It is in no result, no diff and no log.
extends_documentation_fragment:
  - mailops.postfix.attributes
  - mailops.postfix.instance
  - mailops.postfix.program
requirements:
  - the C(openssl) command, 1.1.1 or later
options:
  name:
    description:
      - The name of the certificate.
      - For an ACME client this is the name under which it keeps the certificate. For O(provider=certbot) it is the name of the
        directory below C(/etc/letsencrypt/live). lego writes V(_.example.org) for C(*.example.org).
      - For O(provider=self_signed) this is the common name, and the only host name if O(hostnames) is not set.
    type: str
    required: true
  provider:
    description:
      - The source of the certificate.
      - V(certbot), V(lego), V(dehydrated) and V(acme_sh) use a certificate that the ACME client has obtained and renews.
      - V(files) uses O(certificate) and O(private_key).
      - V(self_signed) creates a self-signed certificate in O(chain_file), for peers that know its fingerprint. The module keeps it as
        long as the private key can be read, the certificate covers O(hostnames), and enough of its lifetime is left (O(renew_below)).
        If one of the latter two conditions is not met, the module creates a new certificate with the same key, so that the
        fingerprints of the public key do not change.
    type: str
    choices: [certbot, lego, dehydrated, acme_sh, files, self_signed]
    default: certbot
  certificate:
    description:
      - For O(provider=files) the file of the certificate. It contains the certificate, followed by the intermediate certificates of
        its chain in order.
    type: path
  private_key:
    description:
      - For O(provider=files) the file of the private key.
      - The module removes access for users other than root, and warns. The group C(ssl-cert) keeps read access.
      - The module refuses a private key that another user owns, unless O(chain_file) is set, so that Postfix uses a copy.
    type: path
  directory:
    description:
      - The directory in which the ACME client keeps its certificates, if it is not one of the usual ones.
      - The usual directories are C(/etc/letsencrypt) for certbot, C(/root/.lego), C(/var/lib/lego) or C(/etc/lego) for lego,
        C(/var/lib/dehydrated) or C(/etc/dehydrated) for dehydrated, and C(/root/.acme.sh) for acme.sh.
    type: path
  hostnames:
    description:
      - Names that the certificate must cover. A wildcard covers exactly one label.
      - For O(provider=self_signed) the names of the certificate.
    type: list
    elements: str
  verify:
    description:
      - How the chain is verified.
      - V(chain) verifies with C(openssl verify) that the chain leads to one of the system's CAs, or to one in O(ca_file), and,
        unless O(side=client), that the certificate may be used by a server.
      - V(consistent) checks that the key belongs to the certificate, and that the chain is in order.
      - V(auto) means V(chain) for the ACME clients, and V(consistent) for O(provider=files) and O(provider=self_signed).
    type: str
    choices: [auto, chain, consistent]
    default: auto
  ca_file:
    description:
      - A PEM file with the CAs to verify the chain against, instead of the system's CAs.
    type: path
  chain_file:
    description:
      - A file into which the module writes the private key and the chain. Only root can read it. It is replaced in one rename, so
        that no process reads a new key with an old certificate.
      - Without it RV(parameters) refer to the provider's files.
      - For O(provider=self_signed) and O(sni=true) the default is C(tls/<name>.pem) in the configuration directory.
      - Users other than root must not be able to write to its directory.
      - A relative path is relative to the configuration directory.
    type: path
  side:
    description:
      - The side of Postfix that presents the certificate. It determines which RV(parameters) are returned.
      - V(server) is smtpd(8), V(client) is smtp(8).
    type: str
    choices: [server, client, both]
    default: server
  key_type:
    description:
      - For O(provider=self_signed) the type of the key.
      - The default for a new key is V(ecdsa). If O(key_type) is set, an existing key of the other type is replaced, and pins on it
        no longer match.
      - acme.sh keeps the two types in separate directories. For O(provider=acme_sh) V(ecdsa) selects C(<name>_ecc) and V(rsa) selects
        C(<name>). Without O(key_type) the first of these directories that exists is used.
    type: str
    choices: [ecdsa, rsa]
  key_bits:
    description:
      - For O(provider=self_signed) the size of the key in bits, V(256), V(384) or V(521) for O(key_type=ecdsa) and at least
        V(2048) for O(key_type=rsa).
      - The default for a new key is V(256) or V(2048). If O(key_bits) is set, an existing key of another size is replaced, and pins
        on it no longer match.
    type: int
  days:
    description:
      - For O(provider=self_signed) the number of days for which a new certificate is valid. The module does not replace an existing
        certificate if this value changes.
    type: int
    default: 3650
  renew_below:
    description:
      - For O(provider=self_signed) the fraction of its lifetime below which a certificate is renewed.
    type: float
    default: 0.33
  reuse_key:
    description:
      - For O(provider=self_signed) whether a renewed certificate has the same key. If V(false), pins on the key do not match after a
        renewal.
    type: bool
    default: true
  next_key:
    description:
      - For O(provider=self_signed) what to do with the next key. The next key and its certificate are in C(<chain_file>.next) until
        they replace the current ones, so that peers can pin the key before.
      - V(keep) changes nothing.
      - V(prepare) creates a next key if there is none. O(key_type) and O(key_bits) then apply to the next key, and the current key
        does not change until the switch.
      - V(switch) replaces the current key and certificate with the next ones in one rename. This removes the current key. If no next
        key has been prepared, nothing changes.
      - V(discard) removes the next key.
      - The playbook C(mailops.postfix.rotate_keys) performs these steps, and ensures that each road-warrior pins the next key before
        the switch.
      - Other providers manage their keys themselves; only V(keep) is possible.
    type: str
    choices: [keep, prepare, switch, discard]
    default: keep
  warn_below:
    description:
      - The fraction of the certificate's lifetime below which the module warns that the certificate has not been renewed. ACME
        clients renew a certificate when a third of its lifetime is left.
    type: float
    default: 0.3
  sni:
    description:
      - Serve the certificate to clients that send one of O(hostnames) as server name indication (C(tls_server_sni_maps)). If
        O(hostnames) is not set, the names in the certificate are used. Postfix serves the certificates without O(sni) to clients that
        send no server name or another one.
      - Certificates with another key type for the same name are served as well.
    type: bool
    default: false
  sni_table:
    description:
      - The table of server names. All certificates of an instance share one table. C(postmap -F) compiles it and copies the private
        keys into it, so it is rebuilt at each renewal.
      - The default is C(tls/sni) in the configuration directory.
    type: path
  deploy_hook:
    description:
      - Deploy renewals of this certificate to Postfix without Ansible.
      - The module installs the program C(/var/lib/mailops-postfix/program), which only root can read. It contains the code of this
        collection, and needs Python but not Ansible. Timers and hooks that the module installs call it as
        C(PYTHON /var/lib/mailops-postfix/program deploy), where C(PYTHON) is the interpreter that the module runs on. The declaration of
        the certificate is stored below C(/etc/mailops-postfix).
      - A renewal that has lost a name is refused if the name is one of O(hostnames), C(myhostname), or in the table of server names;
        other lost names are logged as a warning.
      - C(deploy) performs the checks of this module, replaces the chain file and the table of server names, reloads Postfix, and probes
        which certificate each port serves. If a step fails, the program restores the previous certificate, writes the reason to the mail
        log, and exits with status 1.
      - The module also installs C(/usr/local/sbin/mailops-postfix), a wrapper for people and for hooks that administrators set up. If
        the wrapper cannot be written, the module warns.
      - For O(provider=certbot) the module installs a hook in C(renewal-hooks/deploy), which C(certbot renew) calls.
      - "Set up the hooks of other clients yourself. lego: C(lego renew --renew-hook \"/usr/local/sbin/mailops-postfix deploy\"), from
        version 5 C(lego run --deploy-hook \"/usr/local/sbin/mailops-postfix deploy\"). dehydrated:
        C(HOOK=/usr/local/sbin/mailops-postfix) in its configuration; the program knows the operations of dehydrated without the verb
        C(deploy). acme.sh: C(acme.sh --install-cert --reloadcmd \"/usr/local/sbin/mailops-postfix deploy\")."
      - For O(provider=files) call C(mailops-postfix deploy --name NAME) after replacing the files. C(NAME) is O(name).
      - A timer calls C(deploy --due) each hour. It deploys the renewals that Postfix does not use yet, and reports nothing about the
        others. A renewal is therefore in service within the hour after Postfix has been started or its configuration has been
        corrected, and also if the client has no hook. The timer is C(mailops-postfix-due.timer) of systemd, or a job of cron on hosts
        without systemd. On a host with neither the module warns.
      - The program does not start Postfix if it has been stopped.
      - The module replaces an existing program if its code differs. It does not replace the program of a newer version of this
        collection with a newer format of stored files, and warns. If the program of an earlier version exists
        (C(/usr/local/libexec/mailops-postfix/deploy-certificate)), the module replaces it with a script of two lines that calls
        the new one, so that existing hooks work.
      - The action plugin of this module sends the program to the host only if the host has another one.
      - The default is V(true) if Postfix uses a copy of files that an ACME client renews (O(chain_file), O(sni)). A certificate that
        Postfix reads from the client's files needs no hook, but only with O(chain_file) the previous certificate can be restored.
      - If V(false), the stored declaration is removed, and the hook and the timer ignore this certificate.
      - A run of M(mailops.postfix.configuration) removes the stored declarations of an earlier run that it does not repeat, unless Postfix still
        uses the file. It does not remove those of this module; if the certificate's files no longer exist, the timer logs the stored
        declaration to remove.
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
- name: Check the Let's Encrypt certificate that certbot renews
  mailops.postfix.certificate:
    name: mx1.example.org
    hostnames: [mx1.example.org]
  register: certificate

- name: Configure Postfix to serve it
  mailops.postfix.main_cf:
    parameters: "{{ certificate.parameters | combine({'smtpd_tls_security_level': 'may'}) }}"
  notify: Reload Postfix

- name: Provide a certificate of the site's own CA, with key and chain in one file
  mailops.postfix.certificate:
    name: hub.example.org
    provider: files
    certificate: /etc/pki/tls/certs/hub.pem
    private_key: /etc/pki/tls/private/hub.key
    verify: chain
    ca_file: /etc/pki/tls/certs/site-ca.pem
    chain_file: tls/hub.pem
  notify: Reload Postfix

- name: Serve a certificate of lego for each of two server names, and one of certbot to clients that send no server name
  mailops.postfix.configuration:
    certificates:
      - name: mx1.example.org
        chain_file: tls/mx1.pem
      - {name: mail.example.com, provider: lego, sni: true}
      - {name: mail.example.net, provider: lego, sni: true}
    main_cf:
      smtpd_tls_security_level: may
  notify: Reload Postfix

- name: Create a client certificate for a laptop, which the smarthost knows by its public key
  mailops.postfix.certificate:
    name: "{{ inventory_hostname }}"
    provider: self_signed
    side: client
  register: certificate

- name: Prepare the key that will replace the current one, so that peers can pin both
  mailops.postfix.certificate:
    name: hub.example.org
    provider: self_signed
    next_key: prepare

- name: Show the line for the smarthost's relay_clientcerts
  ansible.builtin.debug:
    msg: "{{ certificate.certificate.public_key_fingerprint.sha256 }} {{ inventory_hostname }}"
"""

RETURN = r"""
certificate:
  description:
    - The facts of the certificate.
    - In check mode V(null) for facts of a self-signed certificate that are not known before it is created.
  type: dict
  returned: success
  contains:
    subject:
      description: The subject in the notation of RFC 2253.
      type: str
      returned: success
      sample: CN=mx1.example.org
    issuer:
      description: The issuer in the notation of RFC 2253.
      type: str
      returned: success
      sample: CN=R11,O=Let's Encrypt,C=US
    names:
      description: The DNS names in the subjectAltName extension, or the common name if there are none.
      type: list
      elements: str
      returned: success
      sample: [mx1.example.org]
    not_before:
      description: Start of the validity, in UTC.
      type: str
      returned: success
      sample: "2026-11-23T01:40:44Z"
    not_after:
      description: End of the validity, in UTC.
      type: str
      returned: success
      sample: "2027-02-21T01:40:43Z"
    serial:
      description: The serial number in hexadecimal, as C(openssl x509 -serial) prints it.
      type: str
      returned: success
      sample: 03A1B2C3D4E5F60718293A4B5C6D7E8F9012
    key_type:
      description: The type of the key, for example V(rsa), V(ecdsa) or V(ed25519). V(null) if the type is not known.
      type: str
      returned: success
      sample: ecdsa
    key_bits:
      description: The size of the key in bits.
      type: int
      returned: success
      sample: 256
    remaining:
      description: The fraction of the lifetime that is left, from 1 to 0.
      type: float
      returned: success
      sample: 0.667
    fingerprint:
      description:
        - The fingerprint of the certificate for each digest.
        - V(null) for a digest that the host refuses, such as V(md5) in FIPS mode.
      type: dict
      returned: success
      sample:
        md5: D4:1D:8C:D9:8F:00:B2:04:E9:80:09:98:EC:F8:42:7E
        sha1: DA:39:A3:EE:5E:6B:4B:0D:32:55:BF:EF:95:60:18:90:AF:D8:07:09
        sha256: E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55
        sha512: CF:83:E1:35:7E:EF:B8:BD:F1:54:28:50:D6:6D:80:07:(and so on)
    public_key_fingerprint:
      description:
        - The fingerprint of the public key for each digest. It does not change when the certificate is renewed with the
          same key.
      type: dict
      returned: success
      sample:
        md5: D4:1D:8C:D9:8F:00:B2:04:E9:80:09:98:EC:F8:42:7E
        sha1: DA:39:A3:EE:5E:6B:4B:0D:32:55:BF:EF:95:60:18:90:AF:D8:07:09
        sha256: E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55
        sha512: CF:83:E1:35:7E:EF:B8:BD:F1:54:28:50:D6:6D:80:07:(and so on)
new_key:
  description:
    - Whether the chain file has, or in check mode would have, another private key than before this run, or did not exist. Peers that know the
      certificate or its key must learn the new one.
    - V(false) without a chain file, because the module does not know which key the provider's files had.
  type: bool
  returned: success
  sample: false
next:
  description:
    - The facts of the certificate of the next key, as in RV(certificate). V(null) if no next key has been prepared.
    - Add its C(public_key_fingerprint) to pins and TLSA records before the switch, besides that of the current key.
  type: dict
  returned: success
  sample: null
parameters:
  description:
    - The main.cf parameters that make Postfix use the certificate, for the sides in O(side).
    - V(null) means that the parameter must be removed, since Postfix ignores it if C(smtpd_tls_chain_files) or
      C(smtp_tls_chain_files) is set, and warns.
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
    - C(chain_file) has the private key and the chain; V(null) if it is not used. C(certificate) and C(private_key) are the files of
      the provider; V(null) for O(provider=self_signed).
  type: dict
  returned: success
  sample:
    chain_file: null
    certificate: /etc/letsencrypt/live/mx1.example.org/fullchain.pem
    private_key: /etc/letsencrypt/live/mx1.example.org/privkey.pem
deploy_hook:
  description:
    - What deploys renewals on the host. V(null) if O(deploy_hook) is V(false), by default or as set.
    - C(program) is the path of the program, and C(command) the command by which timers and hooks call it. C(declaration) is the
      file with the declaration of this certificate. C(timer) is the file of the timer that calls the program each hour, V(null) on
      a host that has neither systemd nor cron.
  type: dict
  returned: success
  sample:
    program: /var/lib/mailops-postfix/program
    command: /usr/bin/python3 /var/lib/mailops-postfix/program deploy
    declaration: /etc/mailops-postfix/certificates/etc-postfix--tls-mx1.example.org.pem.json
    timer: /etc/systemd/system/mailops-postfix-due.timer
requires:
  description:
    - What the running Postfix needs for the change to take effect. V(reload) if the chain file or the table of server
      names changed, otherwise V(none).
  type: str
  returned: success
  sample: reload
backup_files:
  description: The backup files. A copy of a chain file contains the private key; only root can read it.
  type: list
  elements: str
  returned: when O(backup=true) and something changed
  sample: [/etc/postfix/tls/mx1.example.org.pem.4711.2026-11-23@12:00:00~]
"""

from functools import partial

from ..module_utils import _ansible
from ..module_utils._plan import certificate_options, certificate_standalone
from ..module_utils._program import install


def main():
    _ansible.run(
        build=certificate_standalone.certificate,
        complete=partial(install.add_program, "certificate"),
        hidden=install.OPTION,
        **certificate_options.CertificateOptions.specification(),
    )


if __name__ == "__main__":
    main()
