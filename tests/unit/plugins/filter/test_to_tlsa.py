# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mailops.postfix.plugins.filter import to_tlsa as plugin

FACTS = {"names": ["mx.example.org"], "public_key_fingerprint": {"sha256": ":".join(["AA"] * 32)}}
RESULT = {"changed": False, "certificate": FACTS, "parameters": {}}
RECORD = {"name": "_25._tcp.mx.example.org.", "record": f"3 1 1 {'aa' * 32}", "key": "current"}


def test_one_result_or_several():
    to_tlsa = plugin.FilterModule().filters()["to_tlsa"]
    assert to_tlsa(RESULT) == [RECORD]
    assert to_tlsa([RESULT, RESULT]) == [RECORD]
    assert to_tlsa([]) == []
    other = {**RESULT, "certificate": {**FACTS, "names": ["b.example.org"]}}
    assert [record["name"] for record in to_tlsa([RESULT, other], port=465)] == [
        "_465._tcp.mx.example.org.",
        "_465._tcp.b.example.org.",
    ]
    assert [record["name"] for record in to_tlsa(RESULT, ["c.example.org"])] == ["_25._tcp.c.example.org."]


@pytest.mark.parametrize(
    ("results", "options", "message"),
    [
        ("text", {}, "the input is not a result. Give the result of the module mailops.postfix.certificate"),
        (["text"], {}, "the input is not a result"),
        ({"certificate": None}, {}, "it has no certificate"),
        (RESULT, {"hostnames": "mx.example.org"}, "hostnames is not a list of names"),
        (RESULT, {"hostnames": [1]}, "hostnames is not a list of names"),
        (RESULT, {"port": "smtp"}, "port: 'smtp' is not a valid port"),
    ],
)
def test_invalid_input(results, options, message):
    with pytest.raises(AnsibleFilterError, match=f"^mailops.postfix.to_tlsa: .*{message}"):
        plugin.to_tlsa(results, **options)
