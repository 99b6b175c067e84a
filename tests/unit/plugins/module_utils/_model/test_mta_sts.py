# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from functools import partial

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._model import mta_sts
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

SMTP = "smtp unix - - y - - smtp\n"
configuration = partial(built, {})

RESOLVER = "socketmap:inet:127.0.0.1:8461:postfix"
TLSPOL = "socketmap:inet:127.0.0.1:8642:QUERY"


@pytest.mark.parametrize(
    ("service", "version", "expected"),
    [
        ("postfix-mta-sts-resolver", (3, 5, 25), RESOLVER),
        ("postfix-mta-sts-resolver", (3, 11, 7), RESOLVER),
        ("postfix-tlspol", (3, 5, 25), TLSPOL),
        ("postfix-tlspol", (3, 7, 11), TLSPOL),
        ("postfix-tlspol", (3, 10, 13), TLSPOL + "withTLSRPT"),
        ("postfix-tlspol", (3, 11, 7), TLSPOL + "withTLSRPT"),
        ("socketmap:inet:192.0.2.1:8461:postfix", (3, 7, 11), "socketmap:inet:192.0.2.1:8461:postfix"),
        ("proxy:socketmap:unix:/run/sts:postfix", (3, 7, 11), "proxy:socketmap:unix:/run/sts:postfix"),
    ],
)
def test_the_table_of_a_service(service, version, expected):
    assert mta_sts.policy_map(service, version) == expected


@pytest.mark.parametrize(
    "service", ["tlspol", "True", "hash:/etc/postfix/t", "socketmap:inet:127.0.0.1:8461", f"{RESOLVER}, x"]
)
def test_what_is_no_service(service):
    with pytest.raises(
        DeclarationError, match="mta_sts: .*Write postfix-mta-sts-resolver or postfix-tlspol, or a table"
    ):
        mta_sts.policy_map(service, (3, 7, 11))


@pytest.mark.parametrize(
    ("maps", "service", "expected"),
    [
        ("", RESOLVER, RESOLVER),
        ("hash:/t", RESOLVER, f"hash:/t, {RESOLVER}"),
        (f"hash:/t,{RESOLVER}", RESOLVER, f"hash:/t, {RESOLVER}"),
        (f"{RESOLVER} hash:/t", RESOLVER, f"hash:/t, {RESOLVER}"),
        ("inline:{ {a = b} }", RESOLVER, f"inline:{{ {{a = b}} }}, {RESOLVER}"),
        # The form that an older Postfix had
        (f"hash:/t, {TLSPOL}", f"{TLSPOL}withTLSRPT", f"hash:/t, {TLSPOL}withTLSRPT"),
    ],
)
def test_it_comes_last(maps, service, expected):
    assert mta_sts.joined(maps, service) == expected


def test_a_socket_in_the_file_system():
    assert mta_sts.unix_path("socketmap:unix:/run/sts:postfix") == "/run/sts"
    assert mta_sts.unix_path("proxy:socketmap:unix:/run/sts:postfix") == ""
    assert mta_sts.unix_path(RESOLVER) == ""
