# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Postfix instance that a module works on. Private to mailops.postfix."""

from __future__ import annotations


class ModuleDocFragment:
    """The standard section is for modules that edit files, READ_ONLY for those that do not, and IGNORED for modules that work without an instance.

    All sections have the same options.
    """

    DOCUMENTATION = r"""
options:
  config_directory:
    description:
      - The configuration directory of the Postfix instance.
      - The default is the one that C(postconf) itself uses, mostly V(/etc/postfix).
      - The directory of any other instance works as well, also of one that is not running.
    type: path
  backup:
    description:
      - Keep a copy of each file that changes, beside it, with the time in its name.
    type: bool
    default: false
  lock_timeout:
    description:
      - Seconds to wait for another program that edits the same configuration, C(postconf -e) among them. The module says for whom it waited.
    type: int
    default: 120
attributes:
  diff_mode:
    description: Returns details on what has changed, or would change in C(check_mode), when in diff mode.
    support: full
    details:
      - Secrets are not shown. These are the values of password maps, whatever the mode of the table, C(static:) and C(inline:) passwords in
        main.cf and master.cf, user names and passwords in next hops, files with a password, and files that not every user may read.
      - The host's log has the names of what a module changes, not the values, and C(-vvv) shows the arguments of the module without secrets.
requirements:
  - Python >= 3.9 and Postfix >= 3.5 on the managed host
"""

    READ_ONLY = r"""
options:
  config_directory:
    description:
      - The configuration directory of the Postfix instance.
      - The default is the one that C(postconf) itself uses, mostly V(/etc/postfix).
      - The directory of any other instance works as well, also of one that is not running.
    type: path
  backup:
    description:
      - All modules of this collection have this option, so that C(module_defaults) of the action group can set it. It has no effect here,
        since this module does not edit files.
    type: bool
    default: false
  lock_timeout:
    description:
      - Seconds for which M(mailops.postfix.verify) waits for another program that edits the same configuration, before it confirms or undoes
        a change. Other modules that do not edit files ignore this option.
    type: int
    default: 120
attributes:
  diff_mode:
    description: Returns details on what has changed, or would change in C(check_mode), when in diff mode.
    support: N/A
    details:
      - This action changes nothing.
requirements:
  - Python >= 3.9 and Postfix >= 3.5 on the managed host
"""

    IGNORED = r"""
options:
  config_directory:
    description:
      - All modules of this collection have this option, so that C(module_defaults) of the action group can set it. It has no effect here,
        since this module does not read a Postfix configuration.
    type: path
  backup:
    description:
      - As O(config_directory), this option has no effect here.
    type: bool
    default: false
  lock_timeout:
    description:
      - As O(config_directory), this option has no effect here.
    type: int
    default: 120
"""
