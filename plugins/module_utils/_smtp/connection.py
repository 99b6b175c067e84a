# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One connection to an SMTP server: replies, commands, TLS. Private to mailops.postfix. The only file that opens SMTP connections.

Every wait has a time limit, and every read has a size limit. Faults of the server raise SessionError with a text for users.
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

LINE_LIMIT = 2048
"""Bytes in a line of a reply; RFC 5321 allows 512."""

REPLY_LIMIT = 100
"""Lines in a reply."""

QUOTE_LIMIT = 120
"""Characters of unexpected data that a message quotes."""

_REPLY_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)


# Time


class SessionError(Exception):
    """The SMTP session can't continue; the text is the cause, for users."""


class SessionTimeout(SessionError):
    """A time limit is exceeded."""


class Refusal(SessionError):
    """The server refuses to continue with a reply that is valid."""

    def __init__(self, cause: str, reply: Reply) -> None:
        super().__init__(f"{cause}: {reply}")
        self.reply = reply


class Clock:
    """The time limits of a session, in seconds: one for each step, and one for all steps together."""

    def __init__(self, step_limit: float, total_limit: float) -> None:
        self._step_limit = step_limit
        self._total_limit = total_limit
        self._end = time.monotonic() + total_limit

    def deadline(self, limit: float | None = None) -> float:
        """When the step that begins now must end, as time.monotonic() counts.

        :param limit: seconds, where the step has a shorter limit than the others.
        """
        return min(self._end, time.monotonic() + min(self._step_limit, limit or self._step_limit))

    def left(self, deadline: float, failure: str) -> float:
        """Seconds until a deadline.

        :param failure: what has not happened until then, for the message.
        :raises SessionTimeout: if the deadline has passed.
        """
        left = deadline - time.monotonic()
        if left <= 0:
            raise self.timeout(failure)
        return left

    def timeout(self, failure: str) -> SessionTimeout:
        """The error for a step that has exceeded its time limit, or that of all steps."""
        if time.monotonic() >= self._end:
            return SessionTimeout(
                f"{failure}: the time limit of {self._total_limit:g} seconds for all steps is exceeded"
            )
        return SessionTimeout(f"{failure} within {self._step_limit:g} seconds")


# A connection


@dataclass(frozen=True)
class Reply:
    """A server's reply to a command (RFC 5321, section 4.2)."""

    code: int
    lines: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        return 200 <= self.code < 300

    def __str__(self) -> str:
        return " / ".join(f"{self.code} {line}".rstrip() for line in self.lines)


def own_address(ipv6: bool = False) -> str:
    """An address by which other hosts reach this one; empty if it has only loopback addresses. No packet is sent."""
    family, remote = (socket.AF_INET6, "2001:db8::1") if ipv6 else (socket.AF_INET, "192.0.2.1")
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as datagrams:
            datagrams.connect((remote, 9))
            return str(datagrams.getsockname()[0])
    except OSError:
        pass  # no default route
    try:
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None, family)]
    except OSError:
        return ""
    return next((address for address in found if not is_local_address(address) and is_bindable(address)), "")


def is_local_address(address: str) -> bool:
    """Whether other hosts can't connect to an address: a loopback or link-local one."""
    return address.startswith(("127.", "fe80:")) or address == "::1"


def is_bindable(address: str) -> bool:
    """Whether this host has an address. Its own name may have others, such as that of a router in front of it."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as bound:
            bound.bind((address, 0))
    except OSError:
        return False
    return True


def resolved_addresses(name: str) -> list[str]:
    """The addresses of a host name, or an address itself; empty if the name can't be resolved."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def own_name(address: str) -> str:
    """The name for EHLO: the name of this host if it is fully qualified, otherwise an address literal. No DNS query is sent."""
    name = socket.gethostname()
    if "." in name and certificate.is_certificate_name(name):
        return name
    return f"[IPv6:{address.partition('%')[0]}]" if ":" in address else f"[{address}]"


def printable(data: bytes) -> str:
    """Data from the network as printable ASCII; other bytes are escaped."""
    return "".join(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in data)


def quoted(data: bytes) -> str:
    """The beginning of data from the network, for a message."""
    text = printable(data.rstrip(b"\r\n")[:QUOTE_LIMIT])
    return f"'{text}'" + (" ..." if len(data) > QUOTE_LIMIT else "")


def reason(error: ssl.SSLError) -> str:
    """OpenSSL's message, without the position in its source."""
    return (error.reason or str(error)).replace("_", " ").lower()


def is_address(host: str) -> bool:
    """Whether this is an IP address, with or without a zone."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
            return True
        except OSError:
            continue
    return False


def resolve(host: str, port: int, clock: Clock) -> list[tuple[int, Any]]:
    """The socket families and addresses of a host.

    :raises SessionError: if it has none, or the resolver does not answer within the time limit of a step.
    """
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
        thread.join(clock.left(deadline, f"{host} was not resolved"))
        if thread.is_alive():
            raise clock.timeout(f"the resolver returned no address of {host}")
    if not found:
        raise SessionError(f"{host} has no address: {failed[0] if failed else 'the resolver returned none'}")
    return [(family, address) for family, _kind, _protocol, _name, address in found]


class Connection:
    """One connection to a server, without TLS until start_tls()."""

    def __init__(self, family: int, address: Any, clock: Clock, proxied: bool = False) -> None:
        """
        :param proxied: whether to send the header of the PROXY protocol, version 1, with the addresses of this connection.
        """
        self._clock = clock
        self.address = str(address[0])
        self._pending = b""
        self._ended = False
        self._tls: ssl.SSLObject | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.first_bytes = b""
        """The beginning of the server's response in the TLS handshake."""
        self.offered = False
        """Whether OpenSSL has sent its ClientHello."""
        try:
            self._socket = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            raise SessionError(f"{self.address} port {address[1]}: {error.strerror or error}") from None
        try:
            self._socket.settimeout(clock.left(clock.deadline(), "no connection was established"))
            self._socket.connect(address)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except (SessionTimeout, socket.timeout):
            self.close()
            raise clock.timeout(f"{self.address} port {address[1]} did not answer") from None
        except OSError as error:
            self.close()
            raise SessionError(f"{self.address} port {address[1]}: {error.strerror or error}") from None
        self.own_address = str(self._socket.getsockname()[0])
        if proxied:
            kind = "TCP6" if family == socket.AF_INET6 else "TCP4"
            own_port, port = self._socket.getsockname()[1], address[1]
            header = f"PROXY {kind} {self.own_address} {self.address} {own_port} {port}\r\n"
            self._transmit(header.encode("ascii"), clock.deadline())

    def close(self) -> None:
        self._socket.close()

    @property
    def unread(self) -> bytes:
        """What the server has sent without a command."""
        return self._pending

    def _receive(self, deadline: float) -> bytes:
        """Bytes from the network; empty when the server has closed the connection."""
        try:
            self._socket.settimeout(self._clock.left(deadline, "the server did not respond"))
            return self._socket.recv(16384)
        except socket.timeout:
            raise self._clock.timeout("the server did not respond") from None
        except OSError as error:
            raise SessionError(f"the connection broke: {error.strerror or error}") from None

    def _transmit(self, data: bytes, deadline: float) -> None:
        try:
            self._socket.settimeout(self._clock.left(deadline, "the server did not read"))
            self._socket.sendall(data)
        except socket.timeout:
            raise self._clock.timeout("the server did not read") from None
        except OSError as error:
            raise SessionError(f"the connection broke: {error.strerror or error}") from None

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
                # OpenSSL's versions report the end of a connection differently.
                if self._ended:
                    return b""
                raise SessionError(f"TLS error: {reason(error)}") from None

    def _exchange(self, deadline: float) -> bytes:
        """Send what OpenSSL has written, and pass it what is received; returns the latter."""
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
        """One line without its CRLF."""
        while b"\n" not in self._pending[:LINE_LIMIT]:
            if len(self._pending) >= LINE_LIMIT:
                raise SessionError(f"the server sent a line of more than {LINE_LIMIT} bytes: {quoted(self._pending)}")
            data = self._read(deadline)
            if not data:
                if self._pending:
                    raise SessionError(
                        f"the server closed the connection in the middle of a line: {quoted(self._pending)}"
                    )
                raise SessionError("the server closed the connection")
            self._pending += data
        line, _end, self._pending = self._pending.partition(b"\n")
        return line[:-1] if line.endswith(b"\r") else line

    def reply(self, limit: float | None = None) -> Reply:
        """The reply to the last command, or the greeting.

        :param limit: seconds to wait for it, where that is less than for other steps.
        """
        deadline = self._clock.deadline(limit)
        code = b""
        lines: list[str] = []
        while len(lines) < REPLY_LIMIT:
            line = self._line(deadline)
            parts = _REPLY_LINE.fullmatch(line)
            if parts is None or (code and parts.group(1) != code):
                raise SessionError(f"the server sent {quoted(line)}, which is not a valid SMTP reply")
            code = parts.group(1)
            lines.append(printable(parts.group(3) or b""))
            if parts.group(2) != b"-":
                return Reply(int(code), tuple(lines))
        raise SessionError(f"the server sent a reply of more than {REPLY_LIMIT} lines")

    def send(self, command: str) -> None:
        """Send a command.

        :raises SessionError: if the server has sent data without a command.
        """
        if self._pending:
            raise SessionError(f"the server sent data without a command: {quoted(self._pending)}")
        data = command.encode("ascii") + b"\r\n"
        deadline = self._clock.deadline()
        if self._tls is not None:
            try:
                self._tls.write(data)
            except ssl.SSLError as error:
                raise SessionError(f"TLS error: {reason(error)}") from None
            data = self._outgoing.read()
        try:
            self._transmit(data, deadline)
        except SessionError:
            # A server that has closed the connection may have sent a TLS alert with the reason, which is raised here.
            self._read(deadline)
            raise

    def command(self, command: str) -> Reply:
        """Send a command; returns the reply."""
        self.send(command)
        return self.reply()

    def start_tls(self, context: ssl.SSLContext, server_name: str | None, limit: float | None = None) -> ssl.SSLObject:
        """Perform the TLS handshake. All data after it is encrypted."""
        deadline = self._clock.deadline(limit)
        tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.offered = True
                self.first_bytes += self._exchange(deadline)[: QUOTE_LIMIT - len(self.first_bytes)]
            except ssl.SSLError as error:
                self._send_alert(deadline)
                if self.first_bytes and not self.answered_in_tls:
                    raise SessionError(
                        f"the server replied in clear text instead of TLS: {quoted(self.first_bytes)}"
                    ) from None
                if self._ended or isinstance(error, ssl.SSLZeroReturnError):
                    raise SessionError("the server closed the connection during the TLS handshake") from None
                if not self.offered:
                    raise SessionError(f"OpenSSL of this host can't start the TLS handshake: {reason(error)}") from None
                raise SessionError(f"the TLS handshake failed: {reason(error)}") from None
        waiting = self._outgoing.read()
        if waiting:
            self._transmit(waiting, deadline)
        self._tls = tls
        return tls

    def _send_alert(self, deadline: float) -> None:
        """Send OpenSSL's alert with the reason why the handshake failed, for the server's log."""
        waiting = self._outgoing.read()
        if waiting and self.offered:
            try:
                self._transmit(waiting, deadline)
            except SessionError:
                return

    @property
    def answered_in_tls(self) -> bool:
        """Whether the server's response in the handshake is a TLS record: a handshake message or an alert."""
        return self.first_bytes[:2] in (b"\x16\x03", b"\x15\x03")

    def certificate(self) -> bytes | None:
        """The server's own certificate, in DER; None without a TLS session."""
        return None if self._tls is None else self._tls.getpeercert(binary_form=True)

    def chain(self) -> tuple[bytes, ...]:
        """The certificates that the server has sent, in DER; empty before Python 3.13, which gives only the first one."""
        unverified = getattr(self._tls, "get_unverified_chain", None)
        return tuple(unverified() or ()) if unverified is not None else ()
