# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.mailops.postfix.plugins.module_utils._formats import master_cf_services


def test_services_as_dictionaries():
    assert master_cf_services.parse_services("smtp inet n - y - - smtpd\n  -v -o a=b\n") == [
        {
            "service": "smtp/inet",
            "private": False,
            "unprivileged": None,
            "chroot": True,
            "wakeup": None,
            "process_limit": None,
            "command": "smtpd -v",
            "options": {"a": "b"},
        }
    ]
