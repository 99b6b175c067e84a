# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter from_master_cf."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mailops.postfix.plugins.filter.from_master_cf import FilterModule

from_master_cf = FilterModule().filters()["from_master_cf"]

SMTP = {
    "service": "smtp/inet",
    "private": False,
    "unprivileged": None,
    "chroot": True,
    "wakeup": None,
    "process_limit": None,
    "command": "smtpd",
    "options": {},
}


@pytest.mark.parametrize(
    ("text", "services"),
    [
        ("", []),
        ("#submission inet n - y - - smtpd\n#  -o smtpd_tls_security_level=encrypt\n", []),
        ("smtp inet n - y - - smtpd\n", [SMTP]),
        (
            "smtp inet n - y - - smtpd\n  -o smtpd_tls_security_level=encrypt\n# comment\n  -o { smtpd_banner = a b }\n",
            [{**SMTP, "options": {"smtpd_tls_security_level": "encrypt", "smtpd_banner": "a b"}}],
        ),
        (
            "smtp inet n - y - - smtpd\nqmgr unix n - n 300 1 qmgr\n",
            [
                SMTP,
                {
                    **SMTP,
                    "service": "qmgr/unix",
                    "chroot": False,
                    "wakeup": "300",
                    "process_limit": "1",
                    "command": "qmgr",
                },
            ],
        ),
    ],
)
def test_from_master_cf(text, services):
    assert from_master_cf(text) == services


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "mailops.postfix.from_master_cf: the input is of type NoneType. Give the text of a master.cf"),
        (["smtp inet n - y - - smtpd"], "the input is of type list"),
        ("smtp inet n - y - - smtpd\nsubmission inet n -\n", "master.cf:2"),
    ],
)
def test_errors(value, message):
    with pytest.raises(AnsibleFilterError) as caught:
        from_master_cf(value)
    assert message in str(caught.value)
