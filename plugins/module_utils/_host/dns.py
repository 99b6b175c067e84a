# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queries nameservers. Private to mailops.postfix. The only file that uses the DNS protocol."""

from __future__ import annotations

import os
import selectors
import socket
import struct
import time
from contextlib import ExitStack
from typing import Dict, Mapping, Optional, Sequence

from . import dns_message

TIMEOUT = 5.0
"""Seconds to wait for a nameserver, as in resolv.conf(5), for each of two attempts."""

_ATTEMPTS = 2
_PORT = 53


def query_nameservers(
    nameservers: Sequence[str], question: dns_message.QuestionEntry, timeout: float = TIMEOUT, port: int = _PORT
) -> Dict[str, Optional[dns_message.Answer]]:
    """Query all nameservers at the same time, and return the answer of each; None if it does not answer."""
    asked = dns_message.query(question, struct.unpack("!H", os.urandom(2))[0])
    answers: Dict[str, Optional[dns_message.Answer]] = dict.fromkeys(nameservers)
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        sockets = {}
        for nameserver in answers:
            try:
                opened = _connected(nameserver, port)
            except OSError:
                continue
            sockets[nameserver] = stack.enter_context(opened)
            selector.register(opened, selectors.EVENT_READ, nameserver)
        for _attempt in range(_ATTEMPTS):
            _collect(sockets, selector, asked, timeout, answers)
    for nameserver, answer in answers.items():
        if answer is not None and answer.truncated:
            answers[nameserver] = _by_tcp(nameserver, port, asked, timeout) or answer
    return answers


def _connected(nameserver: str, port: int) -> socket.socket:
    """A UDP socket that receives messages from this nameserver only."""
    family, kind, protocol, _name, address = socket.getaddrinfo(
        nameserver, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
    )[0]
    opened = socket.socket(family, kind, protocol)
    try:
        opened.connect(address)
    except OSError:
        opened.close()
        raise
    return opened


def _collect(
    sockets: Mapping[str, socket.socket],
    selector: selectors.BaseSelector,
    asked: bytes,
    timeout: float,
    answers: Dict[str, Optional[dns_message.Answer]],
) -> None:
    """Query the nameservers without an answer, and collect the answers until the timeout."""
    refused = set()
    for nameserver, opened in sockets.items():
        if answers[nameserver] is None:
            try:
                opened.send(asked)
            except OSError:
                refused.add(nameserver)
    end = time.monotonic() + timeout
    while any(answers[nameserver] is None and nameserver not in refused for nameserver in sockets):
        ready = selector.select(max(0.0, end - time.monotonic()))
        if not ready:
            return
        for key, _events in ready:
            try:
                message = sockets[key.data].recv(65535)
            except OSError:  # nothing listens there
                refused.add(key.data)
                continue
            answers[key.data] = answers[key.data] or dns_message.answer(message, asked)


def _by_tcp(nameserver: str, port: int, asked: bytes, timeout: float) -> Optional[dns_message.Answer]:
    try:
        with socket.create_connection((nameserver, port), timeout) as opened:
            opened.sendall(struct.pack("!H", len(asked)) + asked)
            with opened.makefile("rb") as stream:
                length = stream.read(2)
                return (
                    dns_message.answer(stream.read(struct.unpack("!H", length)[0]), asked) if len(length) == 2 else None
                )
    except OSError:
        return None
