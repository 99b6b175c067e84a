# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from functools import partial

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._checks import mta_sts
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.configurations import built

SMTP = "smtp unix - - y - - smtp\n"
configuration = partial(built, {})

RESOLVER = "socketmap:inet:127.0.0.1:8461:postfix"
TLSPOL = "socketmap:inet:127.0.0.1:8642:QUERY"


def found(maps, level="may", failing=(), master_cf=SMTP):
    parameters = {"smtp_tls_policy_maps": maps, "smtp_tls_security_level": level}
    main_cf = "".join(f"{name} = {value}\n" for name, value in parameters.items())
    one = configuration(main_cf, master_cf, **parameters)
    asked = []

    def failure(table, service):
        asked.append((table, service))
        return "Connection refused" if table in failing else ""

    return [problem.check for problem in mta_sts.mta_sts_findings(one, failure)], asked


@pytest.mark.parametrize(
    ("maps", "options", "expected"),
    [
        (f"hash:/t, {RESOLVER}", {}, []),
        (f"hash:/t, {RESOLVER}", {"failing": [RESOLVER]}, ["dead_policy_service"]),
        (f"hash:/t, proxy:{RESOLVER}", {"failing": [f"proxy:{RESOLVER}"]}, ["dead_policy_service"]),
        (RESOLVER, {"level": "dane"}, ["mta_sts_before_dane"]),
        (f"proxy:{RESOLVER}", {"level": "dane-only"}, ["mta_sts_before_dane"]),
        (TLSPOL, {"level": "dane"}, []),
        (f"{TLSPOL}withTLSRPT", {"level": "dane"}, []),
        ("socketmap:inet:127.0.0.1:9999:x", {"level": "dane"}, []),
        ("hash:/t", {"failing": ["hash:/t"]}, []),
    ],
)
def test_services(maps, options, expected):
    assert found(maps, **options)[0] == expected


def test_each_service_is_asked_once():
    _checks, asked = found(RESOLVER, master_cf=SMTP + "relay unix - - y - - smtp\n")
    assert asked == [(RESOLVER, "smtp/unix")]
