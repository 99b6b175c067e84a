# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS messages as the C library exchanges them for Postfix, and resolv.conf. Private to mailops.postfix. Pure.

Postfix requests DNSSEC with DO in an EDNS record and AD in the header, and trusts the AD bit of the answer (RFC 3225, 6840;
src/dns/dns_lookup.c). Neither Postfix nor this file validates signatures.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import List, Optional

RECORD_TYPES = {
    "a": 1,
    "ns": 2,
    "cname": 5,
    "soa": 6,
    "mx": 15,
    "txt": 16,
    "aaaa": 28,
    "ds": 43,
    "dnskey": 48,
    "tlsa": 52,
}
"""The record types that a probe may ask for, by name."""

NAMESERVERS = 3
"""How many nameservers of resolv.conf the C library uses (MAXNS)."""

_QR, _TC, _RD, _AD = 0x8000, 0x0200, 0x0100, 0x0020
_IN, _OPT, _DO = 1, 41, 0x8000
_PAYLOAD = 1232
_RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
_PROBE = re.compile(r"(?P<type>[A-Za-z]+):(?P<name>[^\s:]+)")


@dataclass(frozen=True)
class QuestionEntry:
    """A DNS question (RFC 1035)."""

    name: str
    type: str

    def __str__(self) -> str:
        return f"{self.type}:{self.name}"


@dataclass(frozen=True)
class Answer:
    """The header of an answer."""

    rcode: str
    validated: bool
    """The AD bit: the nameserver has validated all signatures."""
    truncated: bool


def probe_question(text: str) -> Optional[QuestionEntry]:
    """Parse a question of Postfix's ``dnssec_probe``, such as ``ns:.``; None if it is not valid."""
    found = _PROBE.fullmatch(text.strip())
    if not found or found["type"].lower() not in RECORD_TYPES or encoded(found["name"]) is None:
        return None
    return QuestionEntry(found["name"], found["type"].lower())


def encoded(name: str) -> Optional[bytes]:
    """A domain name in wire format; None if it is not valid."""
    labels = name.rstrip(".").split(".") if name.rstrip(".") else []
    wire = b""
    for label in labels:
        try:
            raw = label.encode("ascii")
        except UnicodeError:
            return None
        if not 0 < len(raw) < 64:
            return None
        wire += bytes([len(raw)]) + raw
    return wire + b"\0" if len(wire) < 255 else None


def query(question: QuestionEntry, identifier: int) -> bytes:
    """The message with a question, with RD, AD and DO."""
    name = encoded(question.name)
    if name is None:
        raise ValueError(f"{question.name!r} is not a valid domain name")
    header = struct.pack("!6H", identifier, _RD | _AD, 1, 0, 0, 1)
    additional = b"\0" + struct.pack("!HHBBHH", _OPT, _PAYLOAD, 0, 0, _DO, 0)
    return header + name + struct.pack("!HH", RECORD_TYPES[question.type], _IN) + additional


def answer(message: bytes, asked: bytes) -> Optional[Answer]:
    """The answer to a query in a message; None if the message does not answer it."""
    if len(message) < 12 or message[:2] != asked[:2]:
        return None
    flags, questions = struct.unpack("!HH", message[2:6])
    if not flags & _QR:
        return None
    # The answer repeats the question, except after FORMERR.
    question = asked[12:-11]
    if questions and message[12 : 12 + len(question)].lower() != question.lower():
        return None
    code = flags & 0x000F
    return Answer(_RCODES.get(code, f"RCODE {code}"), bool(flags & _AD), bool(flags & _TC))


def nameservers(resolv_conf: Optional[str]) -> List[str]:
    """The nameservers that the C library uses: the first three of resolv.conf, or this host (resolv.conf(5)).

    :param resolv_conf: the text of the file; None if there is none.
    """
    found = []
    for line in (resolv_conf or "").split("\n"):
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            found.append(words[1])
    return list(dict.fromkeys(found[:NAMESERVERS])) or ["127.0.0.1"]
