# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One connection to an SMTP server: replies, commands, TLS. Private to mailops.postfix. The only place that opens network connections.

Every wait has an end, and every read has a limit; whatever the server does instead of an answer is said in words.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from typing import Any

from .._x509 import certificate
from . import tls_handshake

LINE_LIMIT = 2048
"""Bytes in a line of a reply; RFC 5321 allows 512."""

REPLY_LIMIT = 100
"""Lines in a reply."""

QUOTE_LIMIT = 120
"""Characters of an unexpected answer that are quoted."""

# Python's window on handshake messages, there since 3.8; without it the facts that depend on it are null.
_SHOWS_MESSAGES = hasattr(ssl.SSLContext, "_msg_callback")
_MESSAGES_LIMIT = 64
_REPLY_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)


# Time


class Broken(Exception):
    """The conversation is over; the text is the cause, for people."""


class TimeOver(Broken):
    """Nothing came in time."""


class Clock:
    """When to stop waiting: each step has its time, and all of them together."""

    def __init__(self, step: float, whole: float) -> None:
        self._step = step
        self._whole = whole
        self._end = time.monotonic() + whole

    def deadline(self, limit: float | None = None) -> float:
        return min(self._end, time.monotonic() + min(self._step, limit or self._step))

    def left(self, deadline: float, what: str) -> float:
        """Seconds until then.

        :raises TimeOver: if there are none.
        """
        left = deadline - time.monotonic()
        if left <= 0:
            raise self.over(what)
        return left

    def over(self, what: str) -> TimeOver:
        if time.monotonic() >= self._end:
            return TimeOver(f"{what}: the time limit of {self._whole:g} seconds for all is over")
        return TimeOver(f"{what} within {self._step:g} seconds")


# A connection


@dataclass(frozen=True)
class Reply:
    """A server's answer."""

    code: int
    lines: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        return 200 <= self.code < 300

    def __str__(self) -> str:
        return " / ".join(f"{self.code} {line}".rstrip() for line in self.lines)


def own_address(six: bool = False) -> str:
    """An address of this host that the world sees; empty if it has none but the loopback's. Nothing is sent."""
    family, stranger = (socket.AF_INET6, "2001:db8::1") if six else (socket.AF_INET, "192.0.2.1")
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as datagrams:
            datagrams.connect((stranger, 9))
            return str(datagrams.getsockname()[0])
    except OSError:
        pass  # no route to the world
    try:
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None, family)]
    except OSError:
        return ""
    return next((address for address in found if not address.startswith(("127.", "::1", "fe80:"))), "")


def own_name(address: str) -> str:
    """What to say in EHLO: the host's name if it has a full one, else its address; no resolver is asked."""
    name = socket.gethostname()
    if "." in name and certificate.is_certificate_name(name):
        return name
    return f"[IPv6:{address.partition('%')[0]}]" if ":" in address else f"[{address}]"


def printable(data: bytes) -> str:
    """Text from the network as it can be shown: ASCII, everything else escaped."""
    return "".join(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in data)


def quoted(data: bytes) -> str:
    text = printable(data.rstrip(b"\r\n")[:QUOTE_LIMIT])
    return f"'{text}'" + (" ..." if len(data) > QUOTE_LIMIT else "")


def reason(error: ssl.SSLError) -> str:
    """What OpenSSL says, without the place in its source."""
    return (error.reason or str(error)).replace("_", " ").lower()


def is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
            return True
        except OSError:
            continue
    return False


def resolve(host: str, port: int, clock: Clock) -> list[tuple[int, Any]]:
    """Its addresses; the resolver is given no more time than any other step."""
    found: list[Any] = []
    failed: list[str] = []

    def look_up() -> None:
        try:
            found.extend(socket.getaddrinfo(certificate.to_ascii(host), port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            failed.append(getattr(error, "strerror", None) or str(error))

    if is_address(host):
        look_up()
    else:
        deadline = clock.deadline()
        thread = threading.Thread(target=look_up, daemon=True)
        thread.start()
        thread.join(clock.left(deadline, f"{host} was not looked up"))
        if thread.is_alive():
            raise clock.over(f"no answer about the addresses of {host}")
    if not found:
        raise Broken(f"{host} has no address: {failed[0] if failed else 'the resolver names none'}")
    return [(family, address) for family, _kind, _protocol, _name, address in found]


class Connection:
    """One connection to a server, in clear until start_tls()."""

    def __init__(self, family: int, address: Any, clock: Clock) -> None:
        self._clock = clock
        self.address = str(address[0])
        self._pending = b""
        self._ended = False
        self._tls: ssl.SSLObject | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.first_bytes = b""
        """The beginning of what came as an answer to our half of the handshake."""
        self.messages: list[tuple[int, bytes]] = []
        self.offered = False
        """Whether OpenSSL had anything to offer in the handshake."""
        try:
            self._socket = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            raise Broken(f"{self.address} port {address[1]}: {error.strerror or error}") from None
        try:
            self._socket.settimeout(clock.left(clock.deadline(), "no connection"))
            self._socket.connect(address)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except (TimeOver, socket.timeout):
            self.close()
            raise clock.over(f"{self.address} port {address[1]} did not answer") from None
        except OSError as error:
            self.close()
            raise Broken(f"{self.address} port {address[1]}: {error.strerror or error}") from None
        self.own_address = str(self._socket.getsockname()[0])

    def close(self) -> None:
        self._socket.close()

    @property
    def unread(self) -> bytes:
        """What was said without being asked."""
        return self._pending

    def _receive(self, deadline: float) -> bytes:
        """Bytes from the network; none when the server has closed the connection."""
        try:
            self._socket.settimeout(self._clock.left(deadline, "no answer"))
            return self._socket.recv(16384)
        except socket.timeout:
            raise self._clock.over("no answer") from None
        except OSError as error:
            raise Broken(f"the connection broke: {error.strerror or error}") from None

    def _transmit(self, data: bytes, deadline: float) -> None:
        try:
            self._socket.settimeout(self._clock.left(deadline, "nothing can be sent"))
            self._socket.sendall(data)
        except socket.timeout:
            raise self._clock.over("the server reads nothing") from None
        except OSError as error:
            raise Broken(f"the connection broke: {error.strerror or error}") from None

    def _read(self, deadline: float) -> bytes:
        if self._tls is None:
            return self._receive(deadline)
        while True:
            try:
                return self._tls.read(16384)
            except ssl.SSLWantReadError:
                self._exchange(deadline)
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLError as error:
                # OpenSSL's versions have different words for the end of a connection.
                if self._ended:
                    return b""
                raise Broken(f"TLS broke: {reason(error)}") from None

    def _exchange(self, deadline: float) -> bytes:
        """Sends what OpenSSL has to send, and hands it what comes."""
        waiting = self._outgoing.read()
        if waiting:
            self._transmit(waiting, deadline)
        data = self._receive(deadline)
        if data:
            self._incoming.write(data)
        else:
            self._ended = True
            self._incoming.write_eof()
        return data

    def _line(self, deadline: float) -> bytes:
        """One line without its end."""
        while b"\n" not in self._pending[:LINE_LIMIT]:
            if len(self._pending) >= LINE_LIMIT:
                raise Broken(f"it sent a line of more than {LINE_LIMIT} bytes: {quoted(self._pending)}")
            data = self._read(deadline)
            if not data:
                if self._pending:
                    raise Broken(f"it closed the connection in the middle of a line: {quoted(self._pending)}")
                raise Broken("it closed the connection")
            self._pending += data
        line, _end, self._pending = self._pending.partition(b"\n")
        return line[:-1] if line.endswith(b"\r") else line

    def reply(self, limit: float | None = None) -> Reply:
        """The answer to what was sent, or the greeting."""
        deadline = self._clock.deadline(limit)
        code = b""
        lines: list[str] = []
        while len(lines) < REPLY_LIMIT:
            line = self._line(deadline)
            parts = _REPLY_LINE.fullmatch(line)
            if parts is None or (code and parts.group(1) != code):
                raise Broken(f"this is no SMTP reply: {quoted(line)}")
            code = parts.group(1)
            lines.append(printable(parts.group(3) or b""))
            if parts.group(2) != b"-":
                return Reply(int(code), tuple(lines))
        raise Broken(f"it sent a reply of more than {REPLY_LIMIT} lines")

    def send(self, command: str) -> None:
        if self._pending:
            raise Broken(f"it speaks without being asked: {quoted(self._pending)}")
        data = command.encode("ascii") + b"\r\n"
        deadline = self._clock.deadline()
        if self._tls is not None:
            try:
                self._tls.write(data)
            except ssl.SSLError as error:
                raise Broken(f"TLS broke: {reason(error)}") from None
            data = self._outgoing.read()
        try:
            self._transmit(data, deadline)
        except Broken:
            # Whoever has gone may have said why in an alert, which is raised here.
            self._read(deadline)
            raise

    def command(self, command: str) -> Reply:
        self.send(command)
        return self.reply()

    def start_tls(self, context: ssl.SSLContext, server_name: str | None, limit: float | None = None) -> ssl.SSLObject:
        """The handshake; everything after it is encrypted."""
        deadline = self._clock.deadline(limit)

        def hear(_object: Any, direction: str, _version: Any, _content: Any, kind: Any, data: bytes) -> None:
            if direction == "read" and kind in tls_handshake.INTERESTING and len(self.messages) < _MESSAGES_LIMIT:
                self.messages.append((int(kind), data))

        if _SHOWS_MESSAGES:
            context._msg_callback = hear  # type: ignore[attr-defined]
        tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.offered = True
                self.first_bytes += self._exchange(deadline)[: QUOTE_LIMIT - len(self.first_bytes)]
            except ssl.SSLError as error:
                self._say_goodbye(deadline)
                if self.first_bytes and not self.answered_in_tls:
                    raise Broken(f"it answers in clear text, not with TLS: {quoted(self.first_bytes)}") from None
                if self._ended or isinstance(error, ssl.SSLZeroReturnError):
                    raise Broken("it closed the connection during the TLS handshake") from None
                if not self.offered:
                    raise Broken(f"TLS cannot be offered: {reason(error)}") from None
                raise Broken(f"the TLS handshake failed: {reason(error)}") from None
        waiting = self._outgoing.read()
        if waiting:
            self._transmit(waiting, deadline)
        self._tls = tls
        return tls

    def _say_goodbye(self, deadline: float) -> None:
        """The alert that says why a handshake is given up, for the server's log."""
        waiting = self._outgoing.read()
        if waiting and self.offered:
            try:
                self._transmit(waiting, deadline)
            except Broken:
                return

    @property
    def answered_in_tls(self) -> bool:
        """Whether the answer to our half of the handshake is a TLS record: a handshake message or an alert."""
        return self.first_bytes[:2] in (b"\x16\x03", b"\x15\x03")

    def handshake(self) -> tls_handshake.Handshake:
        return tls_handshake.read(self.messages)

    def chain(self) -> tuple[bytes, ...]:
        """The certificates that the server showed, in DER."""
        chain = self.handshake().chain
        if chain or self._tls is None:
            return chain
        # The messages were not to be heard, or the certificates in them are compressed.
        unverified = getattr(self._tls, "get_unverified_chain", None)
        if unverified is not None:
            return tuple(unverified() or ())
        leaf = self._tls.getpeercert(binary_form=True)
        return (leaf,) if leaf else ()
