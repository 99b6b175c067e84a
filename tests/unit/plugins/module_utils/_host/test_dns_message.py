# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host import dns_message
from ansible_collections.mailops.postfix.plugins.module_utils._host.dns_message import Answer, QuestionEntry

# "kdig +dnssec +adflag ns ." with the identifier 0x1234: RD and AD, one OPT record with DO.
ROOT = bytes.fromhex("1234 0120 0001 0000 0000 0001  00 0002 0001  00 0029 04d0 00 00 8000 0000")


def test_a_query_asks_for_validation():
    assert dns_message.query(QuestionEntry(".", "ns"), 0x1234) == ROOT
    asked = dns_message.query(QuestionEntry("_25._tcp.mx1.Example.org.", "tlsa"), 1)
    assert asked[12:].startswith(b"\x03_25\x04_tcp\x03mx1\x07Example\x03org\x00\x00\x34\x00\x01")


def reply(flags, question=ROOT[12:-11], identifier=b"\x12\x34", questions=1):
    return identifier + flags.to_bytes(2, "big") + bytes([0, questions, 0, 0, 0, 0, 0, 0]) + question


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (reply(0x81A0), Answer("NOERROR", True, False)),
        (reply(0x8180), Answer("NOERROR", False, False)),
        (reply(0x83A0), Answer("NOERROR", True, True)),
        (reply(0x8182), Answer("SERVFAIL", False, False)),
        (reply(0x8183), Answer("NXDOMAIN", False, False)),
        (reply(0x818B), Answer("RCODE 11", False, False)),
        (reply(0x8181, b"", questions=0), Answer("FORMERR", False, False)),
        # What answers something else, or nothing
        (reply(0x81A0, identifier=b"\x12\x35"), None),
        (reply(0x81A0, b"\x03www\x00\x00\x02\x00\x01"), None),
        (reply(0x01A0), None),
        (ROOT, None),
        (b"\x12\x34\x81", None),
        (b"", None),
    ],
)
def test_answers(message, expected):
    assert dns_message.answer(message, ROOT) == expected


def test_names_are_compared_without_case():
    asked = dns_message.query(QuestionEntry("Example.ORG", "ns"), 7)
    assert dns_message.answer(reply(0x81A0, asked[12:-11].lower(), b"\x00\x07"), asked) == Answer(
        "NOERROR", True, False
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ns:.", QuestionEntry(".", "ns")),
        (" SOA:example.org ", QuestionEntry("example.org", "soa")),
        ("example.org", None),
        ("nsx:.", None),
        ("ns:", None),
        ("ns:a..b", None),
        (f"ns:{'a' * 64}.org", None),
        (f"ns:{'.'.join(['a' * 60] * 5)}", None),
        ("ns:bücher.example", None),
    ],
)
def test_probes(text, expected):
    assert dns_message.probe_question(text) == expected


def test_a_query_needs_a_name():
    with pytest.raises(ValueError, match="'a..b' is not a valid domain name"):
        dns_message.query(QuestionEntry("a..b", "ns"), 1)


@pytest.mark.parametrize(
    ("resolv_conf", "expected"),
    [
        ("nameserver 192.0.2.1\nsearch example.org\nnameserver\t2001:db8::1 # comment\n", ["192.0.2.1", "2001:db8::1"]),
        ("# nameserver 192.0.2.1\n;nameserver 192.0.2.2\nnameserver 192.0.2.3\n", ["192.0.2.3"]),
        ("nameserver 192.0.2.1\n" * 2 + "nameserver 192.0.2.2\nnameserver 192.0.2.3\n", ["192.0.2.1", "192.0.2.2"]),
        ("options trust-ad\nnameserver\n", ["127.0.0.1"]),
        ("", ["127.0.0.1"]),
        (None, ["127.0.0.1"]),
    ],
)
def test_the_nameservers_of_the_c_library(resolv_conf, expected):
    assert dns_message.nameservers(resolv_conf) == expected
