# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Give cleanup(8) a message that is only a probe. Private to mailops.postfix.

``sendmail -bv`` has such probes: smtp(8) ends the session after RCPT. But it does not tell the queue id, by which the log and Postfix's own
report name a probe. And it mails the report to the sender, which some next hops depend on, unless that is the sender of double bounces.
verify(8) has probes without a report (src/global/post_mail.c, src/verify/verify.c).
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from email.utils import formatdate
from typing import BinaryIO, Dict

from .._errors import HostError
from .._formats import macros
from .._formats.lines import to_text
from .instance import Instance

# Longer than the ten attempts, a second apart, to connect to a table that does not respond (src/util/dict_tcp.c).
_TIMEOUT = 30.0
# DEL_REQ_FLAG_USR_VRFY and DEL_REQ_FLAG_MTA_VRFY in src/global/deliver_request.h
_REPORTED, _NOT_REPORTED = 512, 256
# Header checks, BCC, maps and milters, as of pickup(8) (CLEANUP_FLAG_MASK_EXTERNAL in src/global/cleanup_user.h).
_AS_PICKUP, _NO_FLAGS = 2 | 16 | 32 | 64, 0


@dataclass(frozen=True)
class Queued:
    """A probe that cleanup(8) was given."""

    queue_id: str
    rejected: str = ""
    """Why it was not queued: the reason of a milter or table; empty if it was."""


def queue_probe(instance: Instance, sender: str, recipient: str, is_reported: bool) -> Queued:
    """Queue a probe.

    :param is_reported: whether it is handled as mail of this host's users, with their milters, tables and aliases, and bounce(8) keeps a
        report. The sender must be the sender of double bounces then. Otherwise it goes to exactly this recipient.
    :raises HostError: if cleanup(8) does not respond.
    """
    flags, trace = (_AS_PICKUP, _REPORTED) if is_reported else (_NO_FLAGS, _NOT_REPORTED)
    name = macros.expanded_parameter("cleanup_service_name", instance.parameters) or "cleanup"
    path = os.path.join(instance.parameters.get("queue_directory", ""), "public", name)
    try:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.settimeout(_TIMEOUT)
            opened.connect(path)
            with opened.makefile("rb") as stream:
                queue_id = _attributes(stream).get("queue_id", "")
                opened.sendall(b"flags\0%d\0\0" % flags + probe_records(sender, recipient, time.time(), trace))
                result = _attributes(stream)
    except OSError as error:
        raise HostError("queuing a probe at", path, error.strerror or str(error)) from error
    if not queue_id or "status" not in result:
        raise HostError("queuing a probe at", path, "cleanup(8) ends the connection without a reply")
    return Queued(queue_id, "" if result["status"] == "0" else result.get("reason") or "no reason")


def probe_records(sender: str, recipient: str, now: float, trace: int) -> bytes:
    """The records of a probe (src/global/rec_type.h).

    :param trace: the flag that makes it a probe.
    """
    return b"".join(
        _record(kind, text)
        for kind, text in (
            ("T", str(int(now))),
            ("A", "log_message_origin=local"),
            ("A", f"trace_flags={trace}"),
            ("S", sender),
            ("R", recipient),
            ("M", ""),
            ("N", f"Received: by localhost; {formatdate(now)}"),
            ("N", "Subject: probe"),
            ("X", ""),
            ("E", ""),
        )
    )


def _record(kind: str, text: str) -> bytes:
    """A record: type, length in groups of seven bits, lowest first, and data (src/global/record.c)."""
    data = text.encode()
    length, rest = b"", len(data)
    while True:
        length += bytes([rest & 127 | (128 if rest > 127 else 0)])
        rest >>= 7
        if not rest:
            return kind.encode() + length + data


def _attributes(stream: BinaryIO) -> Dict[str, str]:
    """Names and values, each ended by a null byte, up to an empty name (src/util/attr_scan0.c)."""
    result: Dict[str, str] = {}
    while True:
        name = _until_null(stream)
        if not name:
            return result
        result[name] = _until_null(stream)


def _until_null(stream: BinaryIO) -> str:
    text = b""
    while True:
        byte = stream.read(1)
        if byte in (b"\0", b""):
            return to_text(text)
        text += byte
