#!/usr/bin/python
# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ca_bundle
short_description: Have Postfix's smtp(8) client trust the system's CAs and your own
version_added: 0.1.0
author:
  - mailops.postfix contributors (@mailops)
description:
  - Finds the file with all CAs of the system (Debian, Ubuntu, Red Hat, SUSE, Alpine and FreeBSD each have their own
    place for it) and, if CAs
    are added in O(extra), writes one file with all of them, each once.
  - Returns the main.cf parameters that make smtp(8) trust them. It does not edit C(main.cf) itself; hand
    RV(parameters) to
    M(mailops.postfix.main_cf) or use M(mailops.postfix.configuration).
  - A single file (C(smtp_tls_CAfile)) is used and not a directory (C(smtp_tls_CApath)), unless O(form) says so, since the
    file is read before smtp(8) enters its chroot and so needs no copy in there, while the directory is read inside.
extends_documentation_fragment:
  - mailops.postfix.attributes
  - mailops.postfix.instance
requirements:
  - the C(openssl) command, 1.1.1 or later, if CAs are added
options:
  extra:
    description:
      - PEM files on the managed host with further CAs to trust. A file can hold several certificates.
      - A file that holds no certificate, or a private key, is refused. A CA that has expired is named in a warning.
      - Give the root CA. An intermediate CA alone makes nothing trusted.
    type: list
    elements: path
    default: []
  system:
    description:
      - Whether to trust the system's CAs. If V(false), only those in O(extra) are trusted.
    type: bool
    default: true
  form:
    description:
      - V(file) makes one file, which works in a chroot and outside.
      - V(directory) makes a directory in which each CA is found by the hash of its name, and the same once more in the
        chroot, if any client of master.cf has one. Debian copies the directory there itself, but only at a restart.
    type: str
    choices: [file, directory]
    default: file
  path:
    description:
      - The file or directory to write.
      - The default is C(tls/ca-certificates.pem) or C(tls/ca-certificates) in the configuration directory, or, with O(form=file),
        if nothing is added, the system's own file, and then nothing is written.
      - A relative path is taken from the configuration directory.
      - In a directory only files with names as this module makes them are removed.
    type: path
  update_hook:
    description:
      - Have what is made of the system's CAs follow them when they are updated later, without Ansible. The program that
        M(mailops.postfix.certificate) describes at its option O(mailops.postfix.certificate#module:deploy_hook) is called from
        C(/etc/ca-certificates/update.d), which Debian, SUSE and Alpine have, and on all systems each hour by its timer.
      - The timer mends what has come to differ as well, such as the copy of a directory in the chroot.
      - By default it is V(true) if the module runs as root, anything is written that holds the system's CAs,
        and the instance is one of the system's, with its configuration below C(/etc) or C(/usr/local/etc).
    type: bool
seealso:
  - module: mailops.postfix.certificate
  - module: mailops.postfix.configuration
"""

EXAMPLES = r"""
- name: Trust what the system trusts
  mailops.postfix.ca_bundle:
  register: ca_bundle

- name: Tell Postfix
  mailops.postfix.main_cf:
    parameters: "{{ ca_bundle.parameters }}"
  notify: Reload Postfix

- name: Trust the site's own CA as well
  mailops.postfix.ca_bundle:
    extra: [/usr/local/share/ca-certificates/site-ca.crt]
  notify: Reload Postfix
"""

RETURN = r"""
parameters:
  description:
    - The main.cf parameters that make smtp(8) trust these CAs. V(null) stands for a parameter that must go.
  type: dict
  returned: success
  sample: {smtp_tls_CAfile: /etc/ssl/certs/ca-certificates.crt, smtp_tls_CApath: null}
chrooted:
  description: Whether any client of master.cf runs in a chroot. RV(parameters) work in either case.
  type: bool
  returned: success
  sample: true
services:
  description: The clients of master.cf, and whether each runs in a chroot.
  type: dict
  returned: success
  sample: {smtp/unix: true, relay/unix: true}
update_hook:
  description:
    - The program that follows the system's CAs, the file that tells it what was declared, and what calls it each hour; V(null) if
      there is no hook.
    - C(timer) is V(null), with a warning, on a host that has neither systemd nor cron.
  type: dict
  returned: success
  sample:
    program: /usr/local/libexec/mailops-postfix/deploy-certificate
    declaration: /etc/mailops-postfix/ca-bundles/etc-postfix--tls-ca-certificates.pem.json
    timer: /etc/systemd/system/mailops-postfix-due.timer
certificates:
  description: How many different CA certificates are trusted.
  type: int
  returned: success
  sample: 142
requires:
  description:
    - What the running Postfix needs for the change to take effect, V(reload) if the file changed and V(none) if not.
  type: str
  returned: success
  sample: reload
backup_files:
  description: The copies that were made.
  type: list
  elements: str
  returned: when O(backup=true) and something changed
  sample: [/etc/postfix/tls/ca-certificates.pem.4711.2026-11-23@12:00:00~]
"""

from ..module_utils import _ansible
from ..module_utils._plan import ca_bundle
from ..module_utils._program import install


def main():
    _ansible.run(build=install.with_renewals(ca_bundle.ca_bundle), hidden=install.OPTION, **ca_bundle.CA_BUNDLE)


if __name__ == "__main__":
    main()
