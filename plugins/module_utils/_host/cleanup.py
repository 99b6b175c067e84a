# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Give cleanup(8) a message that is only a probe. Private to mailops.postfix.

``sendmail -bv`` mails a report to the sender, unless that is the sender of double bounces. Some next hops depend on the sender. verify(8) has
such probes too: smtp(8) ends the session after RCPT, and no report is sent (src/global/post_mail.c, src/verify/verify.c).
"""

from __future__ import annotations

import os
import socket
import time
from email.utils import formatdate
from typing import BinaryIO, Dict

from .._errors import HostError
from .._formats import macros
from .._formats.lines import to_text
from .instance import Instance

_TIMEOUT = 10.0
_PROBE_ONLY = 256  # DEL_REQ_FLAG_MTA_VRFY in src/global/deliver_request.h
_NO_FLAGS = b"flags\x000\x00\x00"  # no milters, no filters, no aliases


def queue_probe(instance: Instance, sender: str, recipient: str) -> str:
    """Queue a probe; returns its queue id.

    :raises HostError: if cleanup(8) does not accept it.
    """
    name = macros.expanded_parameter("cleanup_service_name", instance.parameters) or "cleanup"
    path = os.path.join(instance.parameters.get("queue_directory", ""), "public", name)
    try:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.settimeout(_TIMEOUT)
            opened.connect(path)
            with opened.makefile("rb") as stream:
                queue_id = _attributes(stream).get("queue_id", "")
                opened.sendall(_NO_FLAGS + probe_records(sender, recipient, time.time()))
                result = _attributes(stream)
    except OSError as error:
        raise HostError("queuing a probe at", path, error.strerror or str(error)) from error
    if not queue_id or result.get("status") != "0":
        raise HostError("queuing a probe at", path, f"cleanup(8) rejects it: {result.get('reason') or 'no reason'}")
    return queue_id


def probe_records(sender: str, recipient: str, now: float) -> bytes:
    """The records of a probe (src/global/rec_type.h)."""
    return b"".join(
        _record(kind, text)
        for kind, text in (
            ("T", str(int(now))),
            ("A", "log_message_origin=local"),
            ("A", f"trace_flags={_PROBE_ONLY}"),
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
