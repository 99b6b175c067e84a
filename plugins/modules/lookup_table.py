#!/usr/bin/python
# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lookup_table
short_description: Manage one of Postfix's lookup tables, text and compiled file
version_added: 0.1.0
author:
  - mailops.postfix contributors (@mailops)
description:
  - Sets and removes entries of a table such as C(transport), C(relay_clientcerts) or C(sasl_passwd), or installs a
    whole table from a file. In a text that is edited every byte that does not belong to a declared entry stays,
    comments and order included.
  - The compiled file beside the text is rebuilt when, and only when, it is missing, older than the text, of another
    type or damaged, or holds other content. It is built aside and renamed, so that Postfix never finds a half-built table, and
    it is never more readable than its text.
  - When text and compiled file have been installed or compared, their inode numbers, sizes, times, modes and owners are recorded in
    C(/var/lib/mailops-postfix/tables.json), which only root can read. While they are the same, text and compiled file are known
    to agree and are not read. Otherwise, because an administrator has run C(postmap), restored a backup, or given one of them
    another mode, or without a record, the compiled file is listed and compared with the text, entry by entry (for V(cdb), which C(postmap)
    can't list, the text is compiled again in a temporary directory); for a million entries that takes seconds. If they agree nothing is
    rebuilt, and they are recorded again.
  - What C(postmap) only warns about, ignoring the line and reporting success, is an error here, found before anything
    is written, for example lines without a value and duplicate keys. The message names file and line. Lines that were in the table before
    and are not declared are a warning instead, and stay. In a table from O(src), and with O(exclusive=true), everything is declared.
  - Contents of more than 100,000 bytes are not shown in a diff, only their size, number of lines and checksum.
  - Running daemons notice a new compiled table by themselves. Types that they read once need a reload; RV(requires)
    tells.
  - Where a table decides over routes or TLS policies (C(transport_maps), C(smtp_tls_policy_maps) …), a change that lets
    mail past a policy is refused, as V(weaker_next_hop) in O(checks).
  - Routes need patience. trivial-rewrite(8) looks at its tables, such as C(transport_maps), every ten seconds, and
    its clients remember their last recipient for thirty. A reload makes a route count at once.
extends_documentation_fragment:
  - mailops.postfix.attributes
  - mailops.postfix.instance
  - mailops.postfix.checks
options:
  path:
    description:
      - The text file, without the type. The compiled file is beside it. Where Postfix refers to the table by
        another type than O(type), the compiled file of that type is rebuilt as well.
      - A relative path is taken from the configuration directory.
    type: path
    required: true
  entries:
    description:
      - Keys and their values. V(null) removes the entry; entries that are not listed stay, unless O(exclusive=true).
      - Lists are joined by V(", "). Write keys and values that YAML would take for booleans or fractions in quotes; they are
        refused otherwise, since YAML does not keep them as they were typed.
      - Keys are compared as Postfix compares them, which for all types except V(cidr), V(regexp) and V(pcre) ignores
        case. Of several entries with one key in the text Postfix uses the first; where such a key is declared one
        entry is left.
      - A key with blanks is written in double quotes, which become part of it, see postmap(1).
      - For V(regexp) and V(pcre) the key is the whole expression with its delimiters and flags, for V(cidr) the
        network, in whichever spelling. New rules are added at the end in the order in which they are declared; rules inside C(if) blocks are
        left alone.
      - For more than some thousand entries use O(src). Ansible itself needs 25 seconds and 640 MiB on the controller
        to hand on 100,000 entries; a file with 1,000,000 that is as declared costs less than a C(ping) task.
    type: dict
  src:
    description:
      - A file that is the whole table, on the controller (looked for in C(files) as well), or with O(remote_src=true)
        on the managed host.
      - A file on the controller is compared by checksum before it travels. If the host's table is the same, and
        recorded, not even a module is started there, only a command that asks for checksum, times and modes.
    type: path
  remote_src:
    description:
      - Whether O(src) is on the managed host.
    type: bool
    default: false
  checksum:
    description:
      - The SHA-256 of O(src) in hexadecimal digits. Another file is refused.
      - For a file on the controller the module finds it by itself.
    type: str
  exclusive:
    description:
      - Whether to remove all entries that are not in O(entries). Comments stay.
      - For V(cidr), V(regexp) and V(pcre) the rules are also put in the declared order.
    type: bool
    default: false
  only_values:
    description:
      - The values that entries may have. An entry with another value is removed, unless it is in O(entries).
      - In a table of keys by owner, such as C(relay_clientcerts), these are the owners who have not left.
    type: list
    elements: str
  unique_values:
    description:
      - Whether to remove other entries that have the value of one in O(entries).
      - In a table of keys by owner, a new key of an owner so replaces the old one.
    type: bool
    default: false
  type:
    description:
      - The type of the table.
      - V(auto) takes Postfix's C(default_database_type) if this Postfix has it, else the first it has of V(lmdb),
        V(cdb), V(hash) and V(btree).
      - V(texthash), V(cidr), V(regexp) and V(pcre) are not compiled.
      - When a table changes its type, the compiled file of the old type is removed, unless a value in C(main.cf) or
        C(master.cf) still names the table with that type, so that mail never meets a missing table. It then goes with
        the next run after the last reference. Where programs other than Postfix read a compiled file, give it a path
        of its own.
      - V(hash) and V(btree) have the same suffix C(.db), and one can't be read as the other. Give the table another
        path if it changes between these two while Postfix uses it.
    type: str
    choices: [auto, hash, btree, lmdb, cdb, texthash, cidr, regexp, pcre]
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
      - The mode of both files, octal and in quotes, such as V("0600").
      - An existing file keeps its own by default, a new one gets V("0644"), and a new compiled file that of its text.
      - Where a parameter of passwords refers to the table, such as C(smtp_sasl_password_maps), a new file gets V("0600"), and so does an
        existing one that every user can read, with a warning. If C(proxy:) is before the table, its mode stays, because proxymap(8) is not
        root, and the module only warns.
      - The content of a table of passwords, whatever its mode, and of one that not every user may read is never shown in a diff or in a
        message, nor is its checksum.
    type: raw
  parameter:
    description:
      - The parameter that refers to the table, or that another task will let refer to it. The module does not set it.
      - The module itself finds the parameters that refer to the table now. Set this option for a new table of passwords.
    type: str
    version_added: 0.1.0
  state:
    description:
      - V(absent) removes the text and the compiled file, with O(type=auto) those of all types.
        It is refused while main.cf or master.cf refers to the table.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: mailops.postfix.tls_policy
  - module: mailops.postfix.main_cf
  - module: mailops.postfix.configuration
  - name: postmap(1)
    description: The format of the text.
    link: https://www.postfix.org/postmap.1.html
  - name: DATABASE_README
    description: All types of tables.
    link: https://www.postfix.org/DATABASE_README.html
"""

EXAMPLES = r"""
- name: Send the mail for one domain through the hub
  mailops.postfix.lookup_table:
    path: /etc/postfix/transport
    entries:
      example.com: "smtp:[hub.example.org]:587"
      old.example: null
  register: transport

- name: Use the table
  mailops.postfix.main_cf:
    parameters:
      transport_maps: "{{ transport.map }}"
  notify: Reload Postfix

- name: The passwords of this host's relay, readable by root only
  mailops.postfix.lookup_table:
    path: sasl_passwd
    parameter: smtp_sasl_password_maps
    exclusive: true
    entries:
      "[hub.example.org]:587": "{{ user }}:{{ password }}"

- name: A client's new key in the place of its old one; clients that have left lose theirs
  mailops.postfix.lookup_table:
    path: relay_clientcerts
    entries:
      "{{ fingerprint }}": laptop.example.org
    unique_values: true
    only_values: "{{ groups['laptops'] }}"

- name: A large table from a file
  mailops.postfix.lookup_table:
    path: /etc/postfix/relay_recipients
    src: relay_recipients

- name: Rules in their order
  mailops.postfix.lookup_table:
    path: /etc/postfix/header_checks
    type: pcre
    exclusive: true
    entries:
      /^Subject:.*viagra/i: REJECT
      /^X-Mailer:/: IGNORE
  notify: Reload Postfix
"""

RETURN = r"""
map:
  description: The table as a parameter such as C(transport_maps) names it.
  type: str
  returned: success
  sample: hash:/etc/postfix/transport
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
  sample: [/etc/postfix/transport.4711.2026-11-23@12:00:00~]
"""

from ..module_utils import _ansible
from ..module_utils._plan import lookup_table_standalone


def main():
    _ansible.run(
        build=lookup_table_standalone.standalone_lookup_table,
        **lookup_table_standalone.StandaloneTableOptions.specification(),
    )


if __name__ == "__main__":
    main()
