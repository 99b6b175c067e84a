#!/usr/bin/python
# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ca_bundle
short_description: Manage the CAs that the Postfix SMTP client trusts
version_added: 0.1.0
author:
  - mailops.postfix contributors (@mailops)
description:
  - Locates the file with the CAs of the system (on Debian, Ubuntu, Red Hat, SUSE, Alpine and FreeBSD), and, if O(extra) lists
    further CAs, writes one file with all of them.
  - Returns the main.cf parameters that make smtp(8) trust these CAs. It does not edit C(main.cf). Pass RV(parameters) to
    M(mailops.postfix.main_cf), or use M(mailops.postfix.configuration).
  - The default is a single file (C(smtp_tls_CAfile)) instead of a directory (C(smtp_tls_CApath)). smtp(8) reads the file before it
    enters its chroot, so that no copy in the chroot is needed. It reads the directory inside the chroot.
extends_documentation_fragment:
  - mailops.postfix.attributes
  - mailops.postfix.instance
  - mailops.postfix.program
requirements:
  - the C(openssl) command, 1.1.1 or later, if CAs are added
options:
  extra:
    description:
      - PEM files on the managed host with further CAs to trust. A file can contain several certificates.
      - The module refuses a file that contains no certificate, or a private key. It warns about a CA certificate that has expired.
      - List root CAs. OpenSSL does not trust an intermediate CA without its root CA.
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
      - The form in which the CAs are stored.
      - V(file) writes one file, which works with and without a chroot.
      - V(directory) writes a directory in which OpenSSL looks up each CA by the hash of its name, and a copy of it in the chroot if a
        client in master.cf runs chrooted. Debian copies the directory into the chroot itself, but only when Postfix is restarted.
    type: str
    choices: [file, directory]
    default: file
  path:
    description:
      - The file or directory to write.
      - The default is C(tls/ca-certificates.pem) or C(tls/ca-certificates) in the configuration directory. With O(form=file) and an
        empty O(extra), the default is the system's file, and the module writes nothing.
      - A relative path is relative to the configuration directory.
      - The module removes other files from the directory only if their names have the form of those that it writes.
    type: path
  update_hook:
    description:
      - Update the file or directory without Ansible when the system's CAs are updated. The module installs the program that
        O(mailops.postfix.certificate#module:deploy_hook) describes, C(/var/lib/mailops-postfix/program). On Debian, SUSE and Alpine a
        hook in C(/etc/ca-certificates/update.d) calls it with C(deploy --ca-bundles). On all systems its timer calls it with
        C(deploy --due) each hour.
      - The timer also corrects other differences, such as those in the copy of a directory in the chroot.
      - The default is V(true) if the module runs as root, writes a file or directory that contains the system's CAs, and the
        configuration directory of the instance is below C(/etc) or C(/usr/local/etc).
      - If V(false), the stored declaration is removed, and the hook and the timer ignore this file or directory.
    type: bool
seealso:
  - module: mailops.postfix.certificate
  - module: mailops.postfix.configuration
"""

EXAMPLES = r"""
- name: Trust the system's CAs
  mailops.postfix.ca_bundle:
  register: ca_bundle

- name: Configure Postfix to use them
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
    - The main.cf parameters that make smtp(8) trust these CAs. V(null) means that the parameter must be removed.
  type: dict
  returned: success
  sample: {smtp_tls_CAfile: /etc/ssl/certs/ca-certificates.crt, smtp_tls_CApath: null}
chrooted:
  description: Whether a client in master.cf runs chrooted. RV(parameters) work in both cases.
  type: bool
  returned: success
  sample: true
services:
  description: The clients in master.cf (smtp(8), lmtp(8)), and whether each runs chrooted.
  type: dict
  returned: success
  sample: {smtp/unix: true, relay/unix: true}
update_hook:
  description:
    - What updates the file or directory on the host. V(null) if O(update_hook) is V(false), by default or as set.
    - C(program) is the path of the program, and C(command) the command by which timers and hooks call it. C(declaration) is the
      file with the declaration. C(timer) is the file of the timer that calls the program each hour, V(null) on a host that has
      neither systemd nor cron.
  type: dict
  returned: success
  sample:
    program: /var/lib/mailops-postfix/program
    command: /usr/bin/python3 /var/lib/mailops-postfix/program deploy
    declaration: /etc/mailops-postfix/ca-bundles/etc-postfix--tls-ca-certificates.pem.json
    timer: /etc/systemd/system/mailops-postfix-due.timer
certificates:
  description: The number of different CA certificates.
  type: int
  returned: success
  sample: 142
requires:
  description:
    - What the running Postfix needs for the change to take effect. V(reload) if a file changed, otherwise V(none).
  type: str
  returned: success
  sample: reload
backup_files:
  description: The backup files.
  type: list
  elements: str
  returned: when O(backup=true) and something changed
  sample: [/etc/postfix/tls/ca-certificates.pem.4711.2026-11-23@12:00:00~]
"""

from functools import partial

from ..module_utils import _ansible
from ..module_utils._plan import ca_bundle_options, ca_bundle_standalone
from ..module_utils._program import install


def main():
    _ansible.run(
        build=ca_bundle_standalone.ca_bundle,
        complete=partial(install.add_program, "ca_bundle"),
        hidden=install.OPTION,
        **ca_bundle_options.CaBundleOptions.specification(),
    )


if __name__ == "__main__":
    main()
