# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks an SMTP server what it really offers. Private to mailops.postfix.

probe() is a conversation: greeting, EHLO, MAIL in clear, STARTTLS, EHLO again, the relay question, QUIT; then, if wanted,
one more connection for each version of TLS. It never sends mail: nothing comes after RCPT but RSET. Whatever the server
does is a fact; only a question that cannot be asked is an error.
"""

from __future__ import annotations

import os
import re
import ssl
import tempfile
import warnings
from typing import Any, Mapping, Sequence

from .._errors import DeclarationError, PostfixError
from .._host.instance import Runner, run_program
from .._host.openssl import SYSTEM_BUNDLES
from .._x509 import certificate as certificate_x509
from .._x509 import pem
from .._x509.pem import PemError
from . import connection as connection_smtp
from . import probe_options
from .probe_options import ProbeOptions

QUIT_REPLY_SECONDS = 2.0
"""Seconds that the answer to QUIT may take; nothing depends on it."""

PROTOCOL_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
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

_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_ENHANCED_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")


def probe(question: ProbeOptions, run: Runner = run_program) -> dict[str, Any]:
    """What a server offers, ready for JSON: the return values of smtp_tls_info, which documents them.

    :param run: runs openssl, which reads and verifies the certificates.
    :raises PostfixError: if the question cannot be asked, or openssl is missing; never because of the server.
    """
    probe_options.check_options(question)
    clock = connection_smtp.Clock(question.timeout, question.time_limit)
    context = _context(question)
    talk = _Conversation(question, clock)
    try:
        talk.hold(context)
        if question.protocols and talk.tls and talk.address:
            talk.facts["protocols"] = talk.protocols(talk.address, talk.tls["protocol"])
    except connection_smtp.Broken as broken:
        talk.facts.update(problem=str(broken), failed_at=talk.step)
    finally:
        talk.close()
    return dict(talk.facts, **_judged(question, talk.chain, run))


def _context(question: ProbeOptions, protocol: str | None = None) -> ssl.SSLContext:
    """For a handshake that accepts whatever the server shows; openssl judges it afterwards.

    :param protocol: the only version to offer; None for all.
    :raises ssl.SSLError, ValueError: if this host's OpenSSL cannot offer it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.options |= _LEGACY_SERVER_CONNECT
    ciphers = _ALL_CIPHERS if protocol else _CIPHERS
    newest = protocol or PROTOCOL_VERSIONS[-1]
    if question.key_type and not protocol:
        # Up to TLS 1.2 the cipher says with which kind of key the server has to sign.
        ciphers, newest = f"a{question.key_type.upper()}:@SECLEVEL=0", "TLSv1.2"
    context.set_ciphers(ciphers)
    with warnings.catch_warnings():
        # Python deprecates old versions for those who use them, not for those who look for them.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = _VERSIONS[protocol or PROTOCOL_VERSIONS[0]]
        context.maximum_version = _VERSIONS[newest]
    certificate = question.client_certificate
    if certificate is not None:
        try:
            # OpenSSL would ask a terminal for the pass phrase if it were given none.
            context.load_cert_chain(certificate, question.client_key, password=lambda: b"none")
        except (ssl.SSLError, OSError) as error:
            cause = error.strerror if not isinstance(error, ssl.SSLError) else connection_smtp.reason(error)
            raise DeclarationError(
                "reading option",
                "client_certificate",
                f"certificate {certificate} and key {question.client_key or certificate} cannot be used: {cause}",
                "Both must be PEM, the key not encrypted and the certificate's own",
            ) from error
    return context


# The conversation


class _Conversation:
    """What is found out, as it is found out: a conversation that breaks leaves what was learnt before."""

    def __init__(self, question: ProbeOptions, clock: connection_smtp.Clock) -> None:
        self._question = question
        self._clock = clock
        self._connection: connection_smtp.Connection | None = None
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
        return None if connection_smtp.is_address(name) else certificate_x509.to_ascii(name)

    def hold(self, context: ssl.SSLContext) -> None:
        """The whole conversation.

        :raises connection_smtp.Broken: when it cannot go on; step says where.
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

    def _connect(self) -> connection_smtp.Connection:
        """The first address that answers."""
        question = self._question
        addresses = connection_smtp.resolve(question.host, question.port, self._clock)
        self.step = "connect"
        failures: list[str] = []
        for family, address in addresses:
            try:
                self._connection = connection_smtp.Connection(family, address, self._clock)
            except connection_smtp.Broken as broken:
                failures.append(str(broken))
                continue
            self.address = (family, address)
            self.facts.update(
                reachable=True, address=self._connection.address, client_address=self._connection.own_address
            )
            return self._connection
        raise connection_smtp.Broken("; ".join(dict.fromkeys(failures)))

    def _greeting(self, connection: connection_smtp.Connection, context: ssl.SSLContext | None = None) -> str:
        try:
            reply = connection.reply()
        except connection_smtp.TimeOver:
            if context is not None and not self._question.implicit_tls and not connection.unread:
                self._look_for_tls(connection, context)
            raise
        if reply.code != 220:
            raise connection_smtp.Broken(f"it refuses to talk: {reply}")
        return str(reply)

    def _look_for_tls(self, connection: connection_smtp.Connection, context: ssl.SSLContext) -> None:
        """A server that says nothing may be waiting for a handshake."""
        try:
            connection.start_tls(context, self.server_name)
        except connection_smtp.Broken:
            if not connection.answered_in_tls:
                return
        raise connection_smtp.Broken(
            "it sends no greeting and speaks TLS from the first byte. This is a port for implicit_tls: true"
        ) from None

    def _ehlo(self, connection: connection_smtp.Connection) -> dict[str, str]:
        reply = connection.command(f"EHLO {self._question.ehlo or connection_smtp.own_name(connection.own_address)}")
        if not reply.accepted:
            raise connection_smtp.Broken(f"it refuses EHLO: {reply}")
        return keywords(reply)

    def _before_tls(self, connection: connection_smtp.Connection, context: ssl.SSLContext) -> None:
        self.step = "ehlo"
        ehlo = self._ehlo(connection)
        offered = "STARTTLS" in ehlo
        before = {"ehlo": ehlo, "auth": mechanisms(ehlo), "starttls": offered, "mail": None}
        self.facts["before_tls"] = before
        self.step = "mail"
        reply = connection.command(f"MAIL FROM:<{self._question.sender}>")
        before["mail"] = {"accepted": reply.accepted, "reply": str(reply)}
        if reply.code == 421:
            raise connection_smtp.Broken(f"it ends the conversation: {reply}")
        if reply.accepted:
            connection.command("RSET")
        if not offered:
            return
        self.step = "starttls"
        self._starttls(connection)
        self.step = "handshake"
        self._secure(connection, context)

    def _starttls(self, connection: connection_smtp.Connection) -> None:
        reply = connection.command("STARTTLS")
        if reply.code != 220:
            raise connection_smtp.Broken(f"it offers STARTTLS and then refuses it: {reply}")
        if connection.unread:
            raise connection_smtp.Broken(
                f"it sends clear text after its answer to STARTTLS, where TLS must begin: {connection_smtp.quoted(connection.unread)}"
            )

    def _secure(self, connection: connection_smtp.Connection, context: ssl.SSLContext) -> None:
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

    def _relay(self, connection: connection_smtp.Connection) -> dict[str, Any]:
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

    def _quit(self, connection: connection_smtp.Connection, greeted: bool = True) -> None:
        try:
            if not greeted:
                connection.reply(limit=QUIT_REPLY_SECONDS)
            connection.send("QUIT")
            connection.reply(limit=QUIT_REPLY_SECONDS)
        except connection_smtp.Broken:
            return

    def protocols(self, address: tuple[int, Any], negotiated: str) -> dict[str, Any]:
        """Which versions of TLS the server accepts, one connection for each but the one that is known."""
        self.step = "protocols"
        answers: dict[bool | None, list[str]] = {True: [], False: [], None: []}
        failure = ""
        for protocol in PROTOCOL_VERSIONS:
            answer: bool | None = True
            if protocol != negotiated:
                try:
                    answer = self._accepts(address, protocol)
                except connection_smtp.Broken as broken:
                    answer, failure = None, failure or f"asking for {protocol}: {broken}"
            answers[answer].append(protocol)
        if failure:
            self.facts.update(problem=failure, failed_at=self.step)
        accepted = answers[True]
        return {"lowest": accepted[0], "accepted": accepted, "refused": answers[False], "unknown": answers[None]}

    def _accepts(self, address: tuple[int, Any], protocol: str) -> bool | None:
        """Whether the server accepts this version; null if this host's OpenSSL cannot offer it.

        :raises connection_smtp.Broken: if the conversation does not come as far as that.
        """
        try:
            context = _context(self._question, protocol)
        except (ssl.SSLError, ValueError):
            return None
        connection = connection_smtp.Connection(*address, self._clock)
        try:
            if not self._question.implicit_tls:
                self._greeting(connection)
                self._ehlo(connection)
                self._starttls(connection)
            try:
                connection.start_tls(context, self.server_name)
            except connection_smtp.TimeOver:
                raise
            except connection_smtp.Broken:
                if not connection.offered:
                    return None
                if connection.first_bytes and not connection.answered_in_tls:
                    raise
                return False
            self._quit(connection, greeted=not self._question.implicit_tls)
            return True
        finally:
            connection.close()


def keywords(reply: connection_smtp.Reply) -> dict[str, str]:
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


def relays_for(reply: connection_smtp.Reply, encrypted: bool) -> bool | None:
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


def _judged(question: ProbeOptions, chain: Sequence[bytes], run: Runner) -> dict[str, Any]:
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
        unmatched = certificate_x509.uncovered(judged["chain"][0]["names"], hostnames)
        judged.update(verified=error is None, verify_error=error, name_matches=not unmatched, unmatched_names=unmatched)
    return judged


def _described(der: bytes, run: Runner) -> dict[str, Any]:
    done = run(("openssl", "x509", *certificate_x509.X509_ARGUMENTS), pem.to_pem(der))
    try:
        return certificate_x509.certificate_facts(certificate_x509.read_certificate(der, done.stdout))
    except PemError:
        return certificate_x509.unreadable_certificate_facts(der)


def _verify_error(question: ProbeOptions, chain: Sequence[bytes], run: Runner) -> str | None:
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
            file.write(b"".join(pem.to_pem(der) for der in chain))
            file.flush()
            done = run((*command, "-untrusted", file.name, file.name), None)
    except OSError as error:
        raise PostfixError("verifying", "the server's certificate", error.strerror or str(error)) from error
    return None if done.returncode == 0 else certificate_x509.verify_problem(done.stderr + b"\n" + done.stdout)
