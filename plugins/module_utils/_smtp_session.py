# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks an SMTP server what it really offers. Private to mailops.postfix. The only place that opens network connections.

ask() is a conversation: greeting, EHLO, MAIL in clear, STARTTLS, EHLO again, the relay question, QUIT; then, if wanted,
one more connection for each version of TLS. It never sends mail: nothing comes after RCPT but RSET. Whatever the server
does is a fact; only a question that cannot be asked is an error. Every wait has an end, and every read has a limit.
"""

from __future__ import annotations

import math
import os
import re
import socket
import ssl
import tempfile
import threading
import time
import warnings
from dataclasses import dataclass, fields
from typing import Any, Mapping, Sequence

from ansible_collections.mailops.postfix.plugins.module_utils import _certificate, _tls_handshake
from ansible_collections.mailops.postfix.plugins.module_utils._certificate import PemError
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, PostfixError
from ansible_collections.mailops.postfix.plugins.module_utils._instance import Runner, run_program
from ansible_collections.mailops.postfix.plugins.module_utils._pem_files import SYSTEM_BUNDLES

LINE_LIMIT = 2048
"""Bytes in a line of a reply; RFC 5321 allows 512."""

REPLY_LIMIT = 100
"""Lines in a reply."""

QUOTE_LIMIT = 120
"""Characters of an unexpected answer that are quoted."""

FAREWELL = 2.0
"""Seconds that the answer to QUIT may take; nothing depends on it."""

PROTOCOLS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
"""The versions that can be asked about, from old to new; distributions build OpenSSL without SSLv3."""

_VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}

# A finger must see what an old server has, whatever the system's policy would let a client accept.
_CIPHERS = "DEFAULT:@SECLEVEL=0"
_ALL_CIPHERS = "ALL:@SECLEVEL=0"
_LEGACY_SERVER_CONNECT = 0x4

# Python's window on handshake messages, there since 3.8; without it the facts that depend on it are null.
_SHOWS_MESSAGES = hasattr(ssl.SSLContext, "_msg_callback")
_MESSAGES_LIMIT = 64
_REPLY_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_ENHANCED_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")


@dataclass(frozen=True)
class Question:
    """Whom to ask, and what; the options of the module smtp_tls_info, which documents them."""

    host: str
    port: int = 25
    implicit_tls: bool = False
    server_name: str | None = None
    hostnames: Sequence[str] | None = None
    ca_file: str | None = None
    ca_path: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    ehlo: str | None = None
    sender: str = ""
    recipient: str = "stranger@example.com"
    relay: bool = True
    protocols: bool = True
    timeout: float = 10.0
    time_limit: float = 60.0


OPTIONS: Mapping[str, Any] = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "default": Question.port},
    "implicit_tls": {"type": "bool", "default": Question.implicit_tls},
    "server_name": {"type": "str"},
    "hostnames": {"type": "list", "elements": "str"},
    "ca_file": {"type": "path"},
    "ca_path": {"type": "path"},
    "client_certificate": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "ehlo": {"type": "str"},
    "relay": {"type": "bool", "default": Question.relay},
    "sender": {"type": "str", "default": Question.sender},
    "recipient": {"type": "str", "default": Question.recipient},
    "protocols": {"type": "bool", "default": Question.protocols},
    "timeout": {"type": "float", "default": Question.timeout},
    "time_limit": {"type": "float", "default": Question.time_limit},
}
"""What the module smtp_tls_info takes, as arguments of AnsibleModule."""


def question(options: Mapping[str, Any]) -> Question:
    """The question that a module's options ask."""
    return Question(**{field.name: options[field.name] for field in fields(Question) if field.name in options})


def ask(question: Question, run: Runner = run_program) -> dict[str, Any]:
    """What a server offers, ready for JSON: the return values of smtp_tls_info, which documents them.

    :param run: runs openssl, which reads and verifies the certificates.
    :raises PostfixError: if the question cannot be asked, or openssl is missing; never because of the server.
    """
    _check(question)
    clock = _Clock(question.timeout, question.time_limit)
    context = _context(question)
    talk = _Conversation(question, clock)
    try:
        talk.hold(context)
        if question.protocols and talk.tls and talk.address:
            talk.facts["protocols"] = talk.protocols(talk.address, talk.tls["protocol"])
    except _Broken as broken:
        talk.facts.update(problem=str(broken), failed_at=talk.step)
    finally:
        talk.close()
    return dict(talk.facts, **_judged(question, talk.chain, run))


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


# The question


def _check(question: Question) -> None:
    """:raises DeclarationError: for what no server could answer."""
    host = question.host
    if not (_is_address(host) or _certificate.is_hostname(_certificate.to_ascii(host))) or "*" in host:
        remedy = (
            "Write an IP address without brackets" if host.startswith("[") else "Write a host name or an IP address"
        )
        raise _refused("host", f"{host!r} is no host", remedy)
    if not 0 < question.port < 65536:
        raise _refused("port", f"{question.port} is no port", "Write a number from 1 to 65535")
    for name in ("timeout", "time_limit"):
        seconds = getattr(question, name)
        if not (seconds > 0 and math.isfinite(seconds)):
            raise _refused(name, f"{seconds} is no time to wait", "Write a number of seconds above 0")
    for hostname in [*(question.hostnames or ()), *([question.server_name] if question.server_name else [])]:
        option = "server_name" if hostname == question.server_name else "hostnames"
        if not _certificate.is_hostname(_certificate.to_ascii(hostname)) or "*" in hostname:
            raise _refused(option, f"{hostname!r} is no host name", "Write a host name")
    if question.ehlo is not None and not re.fullmatch(r"[!-~]{1,255}", question.ehlo):
        raise _refused("ehlo", f"{question.ehlo!r} cannot be sent", "Write a host name or an [address] in brackets")
    for name in ("sender", "recipient"):
        address = getattr(question, name)
        if not re.fullmatch(r"[!-;=?-~]{0,320}", address) or (name == "recipient" and not address):
            raise _refused(name, f"{address!r} is no address", "Write it as user@domain, without <> and spaces")
    for name, present, what in (
        ("ca_file", os.path.isfile, "file"),
        ("ca_path", os.path.isdir, "directory"),
        ("client_certificate", os.path.isfile, "file"),
        ("client_key", os.path.isfile, "file"),
    ):
        path = getattr(question, name)
        if path is not None and not present(path):
            raise _refused(name, f"there is no {what} {path}", f"Name a {what} on the host that asks")
    if question.ca_file is not None:
        try:
            with open(question.ca_file, "rb") as file:
                _certificate.certificates(file.read())
        except PemError as error:
            raise _refused("ca_file", f"{question.ca_file}: {error.cause}", error.remedy) from error
        except OSError as error:
            raise _refused("ca_file", f"{question.ca_file}: {error.strerror}") from error
    if question.client_key is not None and question.client_certificate is None:
        raise _refused("client_key", "it belongs to a certificate", "Set client_certificate as well")


def _refused(option: str, cause: str, remedy: str = "") -> DeclarationError:
    return DeclarationError("reading option", option, cause, remedy)


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
            return True
        except OSError:
            continue
    return False


def _context(question: Question, protocol: str | None = None) -> ssl.SSLContext:
    """For a handshake that accepts whatever the server shows; openssl judges it afterwards.

    :param protocol: the only version to offer; None for all.
    :raises ssl.SSLError, ValueError: if this host's OpenSSL cannot offer it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.options |= _LEGACY_SERVER_CONNECT
    context.set_ciphers(_ALL_CIPHERS if protocol else _CIPHERS)
    with warnings.catch_warnings():
        # Python deprecates old versions for those who use them, not for those who look for them.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = _VERSIONS[protocol or PROTOCOLS[0]]
        context.maximum_version = _VERSIONS[protocol or PROTOCOLS[-1]]
    certificate = question.client_certificate
    if certificate is not None:
        try:
            # OpenSSL would ask a terminal for the pass phrase if it were given none.
            context.load_cert_chain(certificate, question.client_key, password=lambda: b"none")
        except (ssl.SSLError, OSError) as error:
            cause = error.strerror if not isinstance(error, ssl.SSLError) else _reason(error)
            raise DeclarationError(
                "reading option",
                "client_certificate",
                f"certificate {certificate} and key {question.client_key or certificate} cannot be used: {cause}",
                "Both must be PEM, the key not encrypted and the certificate's own",
            ) from error
    return context


# Time


class _Broken(Exception):
    """The conversation is over; the text is the cause, for people."""


class _TimeOver(_Broken):
    """Nothing came in time."""


class _Clock:
    """When to stop waiting: each step has its time, and all of them together."""

    def __init__(self, step: float, whole: float) -> None:
        self._step = step
        self._whole = whole
        self._end = time.monotonic() + whole

    def deadline(self, limit: float | None = None) -> float:
        return min(self._end, time.monotonic() + min(self._step, limit or self._step))

    def left(self, deadline: float, what: str) -> float:
        """Seconds until then.

        :raises _TimeOver: if there are none.
        """
        left = deadline - time.monotonic()
        if left <= 0:
            raise self.over(what)
        return left

    def over(self, what: str) -> _TimeOver:
        if time.monotonic() >= self._end:
            return _TimeOver(f"{what}: the time limit of {self._whole:g} seconds for all is over")
        return _TimeOver(f"{what} within {self._step:g} seconds")


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


def _printable(data: bytes) -> str:
    """Text from the network as it can be shown: ASCII, everything else escaped."""
    return "".join(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in data)


def _quoted(data: bytes) -> str:
    text = _printable(data.rstrip(b"\r\n")[:QUOTE_LIMIT])
    return f"'{text}'" + (" ..." if len(data) > QUOTE_LIMIT else "")


def _reason(error: ssl.SSLError) -> str:
    """What OpenSSL says, without the place in its source."""
    return (error.reason or str(error)).replace("_", " ").lower()


def _resolve(host: str, port: int, clock: _Clock) -> list[tuple[int, Any]]:
    """Its addresses; the resolver is given no more time than any other step."""
    found: list[Any] = []
    failed: list[str] = []

    def look_up() -> None:
        try:
            found.extend(socket.getaddrinfo(_certificate.to_ascii(host), port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            failed.append(getattr(error, "strerror", None) or str(error))

    if _is_address(host):
        look_up()
    else:
        deadline = clock.deadline()
        thread = threading.Thread(target=look_up, daemon=True)
        thread.start()
        thread.join(clock.left(deadline, f"{host} was not looked up"))
        if thread.is_alive():
            raise clock.over(f"no answer about the addresses of {host}")
    if not found:
        raise _Broken(f"{host} has no address: {failed[0] if failed else 'the resolver names none'}")
    return [(family, address) for family, _kind, _protocol, _name, address in found]


class _Connection:
    """One connection to a server, in clear until start_tls()."""

    def __init__(self, family: int, address: Any, clock: _Clock) -> None:
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
            raise _Broken(f"{self.address} port {address[1]}: {error.strerror or error}") from None
        try:
            self._socket.settimeout(clock.left(clock.deadline(), "no connection"))
            self._socket.connect(address)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except (_TimeOver, socket.timeout):
            self.close()
            raise clock.over(f"{self.address} port {address[1]} did not answer") from None
        except OSError as error:
            self.close()
            raise _Broken(f"{self.address} port {address[1]}: {error.strerror or error}") from None
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
            raise _Broken(f"the connection broke: {error.strerror or error}") from None

    def _transmit(self, data: bytes, deadline: float) -> None:
        try:
            self._socket.settimeout(self._clock.left(deadline, "nothing can be sent"))
            self._socket.sendall(data)
        except socket.timeout:
            raise self._clock.over("the server reads nothing") from None
        except OSError as error:
            raise _Broken(f"the connection broke: {error.strerror or error}") from None

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
                raise _Broken(f"TLS broke: {_reason(error)}") from None

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
                raise _Broken(f"it sent a line of more than {LINE_LIMIT} bytes: {_quoted(self._pending)}")
            data = self._read(deadline)
            if not data:
                if self._pending:
                    raise _Broken(f"it closed the connection in the middle of a line: {_quoted(self._pending)}")
                raise _Broken("it closed the connection")
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
                raise _Broken(f"this is no SMTP reply: {_quoted(line)}")
            code = parts.group(1)
            lines.append(_printable(parts.group(3) or b""))
            if parts.group(2) != b"-":
                return Reply(int(code), tuple(lines))
        raise _Broken(f"it sent a reply of more than {REPLY_LIMIT} lines")

    def send(self, command: str) -> None:
        if self._pending:
            raise _Broken(f"it speaks without being asked: {_quoted(self._pending)}")
        data = command.encode("ascii") + b"\r\n"
        deadline = self._clock.deadline()
        if self._tls is not None:
            try:
                self._tls.write(data)
            except ssl.SSLError as error:
                raise _Broken(f"TLS broke: {_reason(error)}") from None
            data = self._outgoing.read()
        try:
            self._transmit(data, deadline)
        except _Broken:
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
            if direction == "read" and kind in _tls_handshake.INTERESTING and len(self.messages) < _MESSAGES_LIMIT:
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
                    raise _Broken(f"it answers in clear text, not with TLS: {_quoted(self.first_bytes)}") from None
                if self._ended or isinstance(error, ssl.SSLZeroReturnError):
                    raise _Broken("it closed the connection during the TLS handshake") from None
                if not self.offered:
                    raise _Broken(f"TLS cannot be offered: {_reason(error)}") from None
                raise _Broken(f"the TLS handshake failed: {_reason(error)}") from None
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
            except _Broken:
                return

    @property
    def answered_in_tls(self) -> bool:
        """Whether the answer to our half of the handshake is a TLS record: a handshake message or an alert."""
        return self.first_bytes[:2] in (b"\x16\x03", b"\x15\x03")

    def handshake(self) -> _tls_handshake.Handshake:
        return _tls_handshake.read(self.messages)

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


# The conversation


class _Conversation:
    """What is found out, as it is found out: a conversation that breaks leaves what was learnt before."""

    def __init__(self, question: Question, clock: _Clock) -> None:
        self._question = question
        self._clock = clock
        self._connection: _Connection | None = None
        self.step = "resolve"
        self.address: tuple[int, Any] | None = None
        self.chain: tuple[bytes, ...] = ()
        self.tls: dict[str, Any] | None = None
        self.facts: dict[str, Any] = {
            "host": question.host,
            "port": question.port,
            "implicit_tls": question.implicit_tls,
            "reachable": False,
            "problem": None,
            "failed_at": None,
            "address": None,
            "client_address": None,
            "banner": None,
            "before_tls": None,
            "tls": None,
            "after_tls": None,
            "relay": None,
            "protocols": None,
        }

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def server_name(self) -> str | None:
        """The name for SNI; an address has none."""
        name = self._question.server_name or self._question.host
        return None if _is_address(name) else _certificate.to_ascii(name)

    def hold(self, context: ssl.SSLContext) -> None:
        """The whole conversation.

        :raises _Broken: when it cannot go on; step says where.
        """
        connection = self._connect()
        try:
            if self._question.implicit_tls:
                self.step = "handshake"
                self._secure(connection, context)
            self.step = "greeting"
            self.facts["banner"] = self._greeting(connection, context)
            if not self._question.implicit_tls:
                self._before_tls(connection, context)
            if connection is self._connection and self.tls is not None:
                self.step = "ehlo_after_tls" if not self._question.implicit_tls else "ehlo"
                ehlo = self._ehlo(connection)
                self.facts["after_tls"] = {"ehlo": ehlo, "auth": mechanisms(ehlo)}
            if self._question.relay:
                self.step = "relay"
                self.facts["relay"] = self._relay(connection)
            self._quit(connection)
        finally:
            self.close()

    def _connect(self) -> _Connection:
        """The first address that answers."""
        question = self._question
        addresses = _resolve(question.host, question.port, self._clock)
        self.step = "connect"
        failures: list[str] = []
        for family, address in addresses:
            try:
                self._connection = _Connection(family, address, self._clock)
            except _Broken as broken:
                failures.append(str(broken))
                continue
            self.address = (family, address)
            self.facts.update(
                reachable=True, address=self._connection.address, client_address=self._connection.own_address
            )
            return self._connection
        raise _Broken("; ".join(dict.fromkeys(failures)))

    def _greeting(self, connection: _Connection, context: ssl.SSLContext | None = None) -> str:
        try:
            reply = connection.reply()
        except _TimeOver:
            if context is not None and not self._question.implicit_tls and not connection.unread:
                self._look_for_tls(connection, context)
            raise
        if reply.code != 220:
            raise _Broken(f"it refuses to talk: {reply}")
        return str(reply)

    def _look_for_tls(self, connection: _Connection, context: ssl.SSLContext) -> None:
        """A server that says nothing may be waiting for a handshake."""
        try:
            connection.start_tls(context, self.server_name)
        except _Broken:
            if not connection.answered_in_tls:
                return
        raise _Broken(
            "it sends no greeting and speaks TLS from the first byte. This is a port for implicit_tls: true"
        ) from None

    def _ehlo(self, connection: _Connection) -> dict[str, str]:
        reply = connection.command(f"EHLO {self._question.ehlo or own_name(connection.own_address)}")
        if not reply.accepted:
            raise _Broken(f"it refuses EHLO: {reply}")
        return keywords(reply)

    def _before_tls(self, connection: _Connection, context: ssl.SSLContext) -> None:
        self.step = "ehlo"
        ehlo = self._ehlo(connection)
        offered = "STARTTLS" in ehlo
        before = {"ehlo": ehlo, "auth": mechanisms(ehlo), "starttls": offered, "mail": None}
        self.facts["before_tls"] = before
        self.step = "mail"
        reply = connection.command(f"MAIL FROM:<{self._question.sender}>")
        before["mail"] = {"accepted": reply.accepted, "reply": str(reply)}
        if reply.code == 421:
            raise _Broken(f"it ends the conversation: {reply}")
        if reply.accepted:
            connection.command("RSET")
        if not offered:
            return
        self.step = "starttls"
        self._starttls(connection)
        self.step = "handshake"
        self._secure(connection, context)

    def _starttls(self, connection: _Connection) -> None:
        reply = connection.command("STARTTLS")
        if reply.code != 220:
            raise _Broken(f"it offers STARTTLS and then refuses it: {reply}")
        if connection.unread:
            raise _Broken(
                f"it sends clear text after its answer to STARTTLS, where TLS must begin: {_quoted(connection.unread)}"
            )

    def _secure(self, connection: _Connection, context: ssl.SSLContext) -> None:
        try:
            tls = connection.start_tls(context, self.server_name)
        finally:
            # A server that breaks the handshake off has often shown its certificate before.
            self.chain = connection.chain()
        heard = connection.handshake()
        name, _protocol, bits = tls.cipher() or (None, None, None)
        self.tls = {
            "protocol": tls.version(),
            "cipher": name,
            "cipher_bits": bits,
            "key_exchange": heard.key_exchange,
            "signature": heard.signature,
            "server_name": self.server_name,
            "client_certificate_requested": heard.client_certificate_requested,
        }
        self.facts["tls"] = self.tls

    def _relay(self, connection: _Connection) -> dict[str, Any]:
        question = self._question
        reply = connection.command(f"MAIL FROM:<{question.sender}>")
        if not reply.accepted:
            # Who must authenticate before MAIL is no stranger.
            relays = False if reply.code == 530 and self.tls is not None else None
            return {"relays": relays, "reply": str(reply)}
        reply = connection.command(f"RCPT TO:<{question.recipient}>")
        result = {"relays": relays_for(reply, encrypted=self.tls is not None), "reply": str(reply)}
        if reply.code != 421:
            connection.command("RSET")
        return result

    def _quit(self, connection: _Connection, greeted: bool = True) -> None:
        try:
            if not greeted:
                connection.reply(limit=FAREWELL)
            connection.send("QUIT")
            connection.reply(limit=FAREWELL)
        except _Broken:
            return

    def protocols(self, address: tuple[int, Any], negotiated: str) -> dict[str, Any]:
        """Which versions of TLS the server accepts, one connection for each but the one that is known."""
        self.step = "protocols"
        answers: dict[bool | None, list[str]] = {True: [], False: [], None: []}
        failure = ""
        for protocol in PROTOCOLS:
            answer: bool | None = True
            if protocol != negotiated:
                try:
                    answer = self._accepts(address, protocol)
                except _Broken as broken:
                    answer, failure = None, failure or f"asking for {protocol}: {broken}"
            answers[answer].append(protocol)
        if failure:
            self.facts.update(problem=failure, failed_at=self.step)
        accepted = answers[True]
        return {"lowest": accepted[0], "accepted": accepted, "refused": answers[False], "unknown": answers[None]}

    def _accepts(self, address: tuple[int, Any], protocol: str) -> bool | None:
        """Whether the server accepts this version; null if this host's OpenSSL cannot offer it.

        :raises _Broken: if the conversation does not come as far as that.
        """
        try:
            context = _context(self._question, protocol)
        except (ssl.SSLError, ValueError):
            return None
        connection = _Connection(*address, self._clock)
        try:
            if not self._question.implicit_tls:
                self._greeting(connection)
                self._ehlo(connection)
                self._starttls(connection)
            try:
                connection.start_tls(context, self.server_name)
            except _TimeOver:
                raise
            except _Broken:
                if not connection.offered:
                    return None
                if connection.first_bytes and not connection.answered_in_tls:
                    raise
                return False
            self._quit(connection, greeted=not self._question.implicit_tls)
            return True
        finally:
            connection.close()


def own_name(address: str) -> str:
    """What to say in EHLO: the host's name if it has a full one, else its address; no resolver is asked."""
    name = socket.gethostname()
    if "." in name and _certificate.is_hostname(name):
        return name
    return f"[IPv6:{address.partition('%')[0]}]" if ":" in address else f"[{address}]"


def keywords(reply: Reply) -> dict[str, str]:
    """The keywords of a reply to EHLO, with their arguments; its first line is a greeting."""
    found: dict[str, str] = {}
    for line in reply.lines[1:]:
        keyword = _KEYWORD.match(line)
        if keyword is not None:
            rest = line[keyword.end() :]
            name = keyword.group().upper()
            # "AUTH=PLAIN" is how AUTH was offered to clients of long ago.
            arguments = rest[1:] if name == "AUTH" and rest.startswith("=") else rest
            found[name] = " ".join(dict.fromkeys([*found.get(name, "").split(), *arguments.split()]))
    return found


def mechanisms(ehlo: Mapping[str, str]) -> list[str]:
    """The AUTH mechanisms among the keywords."""
    return list(dict.fromkeys(ehlo.get("AUTH", "").upper().split()))


def relays_for(reply: Reply, encrypted: bool) -> bool | None:
    """Whether the answer to RCPT says that mail for a stranger would be taken; null if it says something else.

    A refusal of the address itself (5.1.x), a refusal for now and a demand for TLS say nothing about relaying. Postfix's
    defer_unauth_destination is a refusal to relay all the same.
    """
    if reply.accepted:
        return True
    enhanced = _ENHANCED_CODE.match(reply.lines[-1])
    status = enhanced.group() if enhanced else ""
    if reply.code == 454 and status == "4.7.1":
        return False
    if reply.code < 500 or status.startswith("5.1.") or (reply.code == 530 and not encrypted):
        return None
    return False


# The certificates


def _judged(question: Question, chain: Sequence[bytes], run: Runner) -> dict[str, Any]:
    """What the certificates say, and what openssl and Postfix's rules for names say about them."""
    judged: dict[str, Any] = {
        "chain": [_described(der, run) for der in chain],
        "verified": None,
        "verify_error": None,
        "name_matches": None,
        "unmatched_names": [],
    }
    if chain:
        error = _verify_error(question, chain, run)
        hostnames = list(question.hostnames or [question.host])
        unmatched = _certificate.uncovered(judged["chain"][0]["names"], hostnames)
        judged.update(verified=error is None, verify_error=error, name_matches=not unmatched, unmatched_names=unmatched)
    return judged


def _described(der: bytes, run: Runner) -> dict[str, Any]:
    done = run(("openssl", "x509", *_certificate.X509_ARGUMENTS), _certificate.to_pem(der))
    try:
        return _certificate.facts(_certificate.read_certificate(der, done.stdout))
    except PemError:
        return _certificate.facts_unread(der)


def _verify_error(question: Question, chain: Sequence[bytes], run: Runner) -> str | None:
    """Why openssl does not verify the chain as a server's; None if it does."""
    command = ["openssl", "verify", "-purpose", "sslserver"]
    if question.ca_file or question.ca_path:
        # Only these CAs. No option says so in every version: 3.0 and later need -no-CAstore, which 1.1.1 does not know.
        command = ["env", "SSL_CERT_DIR=/nonexistent", "SSL_CERT_FILE=/nonexistent", *command]
        command += ["-CAfile", question.ca_file] if question.ca_file else []
        command += ["-CApath", question.ca_path] if question.ca_path else []
    else:
        bundle = next((path for path in SYSTEM_BUNDLES if os.path.isfile(path)), None)
        command += ["-CAfile", bundle] if bundle else []
    try:
        with tempfile.NamedTemporaryFile(prefix="smtp-tls-info-", suffix=".pem") as file:
            file.write(b"".join(_certificate.to_pem(der) for der in chain))
            file.flush()
            done = run((*command, "-untrusted", file.name, file.name), None)
    except OSError as error:
        raise PostfixError("verifying", "the server's certificate", error.strerror or str(error)) from error
    return None if done.returncode == 0 else _certificate.verify_problem(done.stderr + b"\n" + done.stdout)
