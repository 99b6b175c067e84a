# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probe an SMTP server: what it offers before and after TLS, and which certificates it has. Private to mailops.postfix.

probe() has one SMTP session: greeting, EHLO, MAIL without TLS, STARTTLS, EHLO again, MAIL and RCPT for a relay test, QUIT. Where recipients
are wanted, MAIL and a RCPT for each come before the relay test. Then
openssl-s_client(1) makes another connection for what Python does not tell about the handshake, and, if wanted, there is one more connection
for each version of TLS. It never sends mail: RSET follows RCPT. A fault of the server is part of the result.
Only options that can't be used are an error.
"""

from __future__ import annotations

import re
import ssl
import tempfile
import warnings
from contextlib import suppress
from typing import Any, Mapping, Sequence

from .._errors import DeclarationError, PostfixError
from .._host import openssl
from .._host.runner import Runner, run_program
from .._x509 import certificate as certificate_x509
from .._x509 import pem
from .._x509.pem import PemError
from . import connection as connection_smtp
from . import handshake as handshake_tls
from . import probe_options
from .probe_options import ProbeOptions

QUIT_REPLY_SECONDS = 2.0
"""Seconds to wait for the reply to QUIT, which does not matter for the result."""

PROTOCOL_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
"""The versions that can be probed, from old to new. Distributions build OpenSSL without SSLv3."""

_VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}

# A probe must also see old servers that the system's crypto policy refuses.
_CIPHERS = "DEFAULT:@SECLEVEL=0"
_ALL_CIPHERS = "ALL:@SECLEVEL=0"
_LEGACY_SERVER_CONNECT = 0x4

_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_ENHANCED_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")


def probe(options: ProbeOptions, run: Runner = run_program) -> dict[str, Any]:
    """Probe a server; returns the return values of the module smtp_tls_info, which documents them.

    :param run: runs openssl(1), which observes the handshake, and reads and verifies the certificates.
    :raises DeclarationError: if an option is not valid.
    :raises PostfixError: if openssl(1) can't be run; never because of the server.
    """
    probe_options.check_options(options)
    clock = connection_smtp.Clock(options.timeout, options.time_limit)
    context = _context(options)
    session = _Session(options, clock)
    try:
        try:
            session.run(context)
        finally:
            session.observe_handshake(run)
        if options.protocols and session.tls and session.address:
            session.facts["protocols"] = session.protocols(session.address, session.tls["protocol"])
    except connection_smtp.SessionError as error:
        reply = str(error.reply) if isinstance(error, connection_smtp.Refusal) else None
        session.facts.update(problem=str(error), failed_at=session.step, refusal=reply)
    finally:
        session.close()
    return dict(session.facts, **_certificate_facts(options, session, run))


def _context(options: ProbeOptions, protocol: str | None = None) -> ssl.SSLContext:
    """The settings of a handshake that accepts every certificate. openssl(1) verifies it afterwards.

    :param protocol: the only version to offer; None for all.
    :raises ssl.SSLError, ValueError: if OpenSSL of this host can't offer it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.options |= _LEGACY_SERVER_CONNECT
    context.set_ciphers(_ALL_CIPHERS if protocol else _ciphers(options))
    with warnings.catch_warnings():
        # Python warns of old versions, which are only probed here.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = _VERSIONS[protocol or PROTOCOL_VERSIONS[0]]
        context.maximum_version = _VERSIONS[protocol or _newest(options)]
    certificate = options.client_certificate
    if certificate is not None:
        try:
            # Without a pass phrase, OpenSSL would prompt for one on the terminal.
            context.load_cert_chain(certificate, options.client_key, password=lambda: b"none")
        except (ssl.SSLError, OSError) as error:
            cause = error.strerror if not isinstance(error, ssl.SSLError) else connection_smtp.reason(error)
            raise DeclarationError(
                "reading option",
                "client_certificate",
                f"certificate {certificate} and key {options.client_key or certificate} can't be used: {cause}",
                "Both must be PEM files. The key must not be encrypted and must belong to the certificate",
            ) from error
    return context


def _ciphers(options: ProbeOptions) -> str:
    # Up to TLS 1.2 the cipher determines the type of the key with which the server signs.
    return f"a{options.key_type.upper()}:@SECLEVEL=0" if options.key_type else _CIPHERS


def _newest(options: ProbeOptions) -> str:
    return "TLSv1.2" if options.key_type else PROTOCOL_VERSIONS[-1]


# The session


class _Session:
    """An SMTP session, and what it has found. If it fails, the facts from before the failure stay."""

    def __init__(self, options: ProbeOptions, clock: connection_smtp.Clock) -> None:
        self._options = options
        self._clock = clock
        self._connection: connection_smtp.Connection | None = None
        self.step = "resolve"
        self.address: tuple[int, Any] | None = None
        self._answered_in_tls = False
        self._certificate: bytes | None = None
        self.chain: tuple[bytes, ...] = ()
        self.chain_is_complete = True
        """Whether the chain is all that the server sends, and not its own certificate alone, because nothing else is known."""
        self.tls: dict[str, Any] | None = None
        self.facts: dict[str, Any] = {
            "host": options.host,
            "port": options.port,
            "implicit_tls": options.implicit_tls,
            "reachable": False,
            "problem": None,
            "failed_at": None,
            "refusal": None,
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
        """The name for SNI; None for an address."""
        name = self._options.server_name or self._options.host
        return None if connection_smtp.is_address(name) else certificate_x509.to_ascii(name)

    def run(self, context: ssl.SSLContext) -> None:
        """Run the session from the first command to QUIT.

        :raises connection_smtp.SessionError: if it can't continue; ``step`` names the step.
        """
        connection = self._connect()
        try:
            if self._options.implicit_tls:
                self.step = "handshake"
                self._secure(connection, context)
            self.step = "greeting"
            self.facts["banner"] = self._greeting(connection, context)
            if not self._options.implicit_tls:
                self._before_tls(connection, context)
            if connection is self._connection and self.tls is not None:
                self.step = "ehlo_after_tls" if not self._options.implicit_tls else "ehlo"
                ehlo = self._ehlo(connection)
                self.facts["after_tls"] = {"ehlo": ehlo, "auth": mechanisms(ehlo)}
            if self._options.recipients:
                self.step = "recipients"
                self._ask_recipients(connection)
            if self._options.relay:
                self.step = "relay"
                self.facts["relay"] = self._relay(connection)
            self._quit(connection)
        finally:
            self.close()

    def _connect(self) -> connection_smtp.Connection:
        """Connect to the first address that accepts a connection."""
        options = self._options
        addresses = connection_smtp.resolve(options.host, options.port, self._clock)
        self.step = "connect"
        failures: list[str] = []
        for family, address in addresses:
            try:
                self._connection = connection_smtp.Connection(family, address, self._clock, options.proxied)
            except connection_smtp.SessionError as error:
                failures.append(str(error))
                continue
            self.address = (family, address)
            self.facts.update(
                reachable=True, address=self._connection.address, client_address=self._connection.own_address
            )
            return self._connection
        raise connection_smtp.SessionError("; ".join(dict.fromkeys(failures)))

    def _greeting(self, connection: connection_smtp.Connection, context: ssl.SSLContext | None = None) -> str:
        try:
            reply = connection.reply()
        except connection_smtp.SessionTimeout:
            if context is not None and not self._options.implicit_tls and not connection.unread:
                self._detect_implicit_tls(connection, context)
            raise
        if reply.code != 220:
            raise connection_smtp.Refusal("the server refuses the connection", reply)
        return str(reply)

    def _detect_implicit_tls(self, connection: connection_smtp.Connection, context: ssl.SSLContext) -> None:
        """Try a TLS handshake with a server that sends no greeting.

        :raises connection_smtp.SessionError: if the server responds with TLS.
        """
        try:
            connection.start_tls(context, self.server_name)
        except connection_smtp.SessionError:
            if not connection.answered_in_tls:
                return
        raise connection_smtp.SessionError(
            "the server sends no greeting and expects TLS from the first byte. Set implicit_tls: true for this port"
        ) from None

    def _ehlo(self, connection: connection_smtp.Connection) -> dict[str, str]:
        reply = connection.command(
            f"{self._options.verb} {self._options.ehlo or connection_smtp.own_name(connection.own_address)}"
        )
        if not reply.accepted:
            raise connection_smtp.Refusal(f"the server refuses {self._options.verb}", reply)
        return keywords(reply)

    def _before_tls(self, connection: connection_smtp.Connection, context: ssl.SSLContext) -> None:
        self.step = "ehlo"
        ehlo = self._ehlo(connection)
        offered = "STARTTLS" in ehlo
        before = {"ehlo": ehlo, "auth": mechanisms(ehlo), "starttls": offered, "mail": None}
        self.facts["before_tls"] = before
        self.step = "mail"
        reply = connection.command(f"MAIL FROM:<{self._options.sender}>")
        before["mail"] = {"accepted": reply.accepted, "reply": str(reply)}
        if reply.code == 421:
            raise connection_smtp.Refusal("the server ends the session", reply)
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
            raise connection_smtp.Refusal("the server offers STARTTLS, but refuses the command", reply)
        if connection.unread:
            raise connection_smtp.SessionError(
                f"the server sends clear text after its reply to STARTTLS, where TLS must begin: {connection_smtp.quoted(connection.unread)}"
            )

    def _secure(self, connection: connection_smtp.Connection, context: ssl.SSLContext) -> None:
        try:
            tls = connection.start_tls(context, self.server_name)
        finally:
            self._answered_in_tls = connection.answered_in_tls
        self.chain, self._certificate = connection.chain(), connection.certificate()
        name, _protocol, bits = tls.cipher() or (None, None, None)
        self.tls = {
            "protocol": tls.version(),
            "cipher": name,
            "cipher_bits": bits,
            "key_exchange": None,
            "signature": None,
            "server_name": self.server_name,
            "client_certificate_requested": None,
        }
        self.facts["tls"] = self.tls

    def observe_handshake(self, run: Runner) -> None:
        """Add to the facts what only s_client(1) tells, also if the handshake has failed: the server has often sent its certificate before."""
        if not self._answered_in_tls or self.address is None or not (self._options.handshake or not self.chain):
            return
        observed = handshake_tls.Handshake()
        with suppress(connection_smtp.SessionTimeout):
            seconds = self._clock.left(self._clock.deadline(), "the handshake was not observed")
            if not self._options.proxied:  # s_client(1) can't send the header
                observed = handshake_tls.observe(run, self._s_client_arguments(self.address), seconds)
        if not self.chain:
            own = self._certificate
            self.chain_is_complete = own is None or observed.chain[:1] == (own,)
            self.chain = observed.chain if own is None or self.chain_is_complete else (own,)
        if self.tls is not None:
            self.tls.update(
                key_exchange=observed.key_exchange,
                signature=observed.signature,
                client_certificate_requested=observed.client_certificate_requested,
            )

    def _s_client_arguments(self, address: tuple[int, Any]) -> list[str]:
        """A handshake as that of :func:`_context`."""
        options = self._options
        host, port = address[1][:2]
        arguments = ["-connect", f"[{host}]:{port}" if ":" in host else f"{host}:{port}", "-legacy_server_connect"]
        arguments += ["-servername", self.server_name] if self.server_name else ["-noservername"]
        arguments += [
            "-min_protocol",
            PROTOCOL_VERSIONS[0],
            "-max_protocol",
            _newest(options),
            "-cipher",
            _ciphers(options),
        ]
        if not options.implicit_tls:
            name = options.ehlo or connection_smtp.own_name(self.facts["client_address"])
            arguments += ["-starttls", "smtp", "-name", name]
        certificate = options.client_certificate
        if certificate is not None:
            arguments += ["-cert", certificate, "-cert_chain", certificate, "-key", options.client_key or certificate]
            arguments += ["-pass", "pass:none"]
        return arguments

    def _ask_recipients(self, connection: connection_smtp.Connection) -> None:
        """Record the reply for each recipient, in one transaction as far as the server allows. No mail is sent.

        :raises connection_smtp.SessionError: if the session ends; the replies before that are recorded.
        """
        replies: list[dict[str, str]] = []
        self.facts["recipients"] = replies
        mail, each_alone, refused = connection.command("MAIL FROM:<>"), False, 0
        for recipient in self._options.recipients:
            reply = connection.command(f"RCPT TO:<{recipient}>") if mail.accepted else mail
            if mail.accepted and not each_alone and is_one_too_many(reply):
                each_alone = True
                mail = self._mail_again(connection)
                reply = connection.command(f"RCPT TO:<{recipient}>") if mail.accepted else mail
            replies.append({"recipient": recipient, "reply": str(reply)})
            refused += not reply.accepted
            if reply.code == 421:
                raise connection_smtp.Refusal("the server ends the session", reply)
            if not mail.accepted or refused >= self._options.most_refused:
                break
            if each_alone:
                mail = self._mail_again(connection)
        connection.command("RSET")

    def _mail_again(self, connection: connection_smtp.Connection) -> connection_smtp.Reply:
        connection.command("RSET")
        return connection.command("MAIL FROM:<>")

    def _relay(self, connection: connection_smtp.Connection) -> dict[str, Any]:
        options = self._options
        reply = connection.command(f"MAIL FROM:<{options.sender}>")
        if not reply.accepted:
            # The server requires authentication before MAIL, so it does not relay for unknown clients.
            relays = False if reply.code == 530 and self.tls is not None else None
            return {"relays": relays, "reply": str(reply)}
        reply = connection.command(f"RCPT TO:<{options.recipient}>")
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
        except connection_smtp.SessionError:
            return

    def protocols(self, address: tuple[int, Any], negotiated: str) -> dict[str, Any]:
        """Which versions of TLS the server accepts. Each takes a connection of its own, except the negotiated one."""
        self.step = "protocols"
        answers: dict[bool | None, list[str]] = {True: [], False: [], None: []}
        failure = ""
        for protocol in PROTOCOL_VERSIONS:
            answer: bool | None = True
            if protocol != negotiated:
                try:
                    answer = self._accepts(address, protocol)
                except connection_smtp.SessionError as error:
                    answer, failure = None, failure or f"probing {protocol}: {error}"
            answers[answer].append(protocol)
        if failure:
            self.facts.update(problem=failure, failed_at=self.step)
        accepted = answers[True]
        return {"lowest": accepted[0], "accepted": accepted, "refused": answers[False], "unknown": answers[None]}

    def _accepts(self, address: tuple[int, Any], protocol: str) -> bool | None:
        """Whether the server accepts a version; None if OpenSSL of this host can't offer it.

        :raises connection_smtp.SessionError: if the session fails before the handshake.
        """
        try:
            context = _context(self._options, protocol)
        except (ssl.SSLError, ValueError):
            return None
        connection = connection_smtp.Connection(*address, self._clock, self._options.proxied)
        try:
            if not self._options.implicit_tls:
                self._greeting(connection)
                self._ehlo(connection)
                self._starttls(connection)
            try:
                connection.start_tls(context, self.server_name)
            except connection_smtp.SessionTimeout:
                raise
            except connection_smtp.SessionError:
                if not connection.offered:
                    return None
                if connection.first_bytes and not connection.answered_in_tls:
                    raise
                return False
            self._quit(connection, greeted=not self._options.implicit_tls)
            return True
        finally:
            connection.close()


def keywords(reply: connection_smtp.Reply) -> dict[str, str]:
    """The keywords of a reply to EHLO with their arguments. The first line of the reply is a greeting."""
    found: dict[str, str] = {}
    for line in reply.lines[1:]:
        keyword = _KEYWORD.match(line)
        if keyword is not None:
            rest = line[keyword.end() :]
            name = keyword.group().upper()
            # "AUTH=PLAIN" is the form for old clients.
            arguments = rest[1:] if name == "AUTH" and rest.startswith("=") else rest
            found[name] = " ".join(dict.fromkeys([*found.get(name, "").split(), *arguments.split()]))
    return found


def mechanisms(ehlo: Mapping[str, str]) -> list[str]:
    """The AUTH mechanisms among the keywords."""
    return list(dict.fromkeys(ehlo.get("AUTH", "").upper().split()))


def is_one_too_many(reply: connection_smtp.Reply) -> bool:
    """Whether a recipient is refused since the transaction has others: too many, or any that are from the null sender."""
    enhanced = _ENHANCED_CODE.match(reply.lines[-1])
    return enhanced is not None and enhanced.group() in ("4.5.3", "5.5.3")


def relays_for(reply: connection_smtp.Reply, encrypted: bool) -> bool | None:
    """Whether a reply to RCPT means that the server relays; None if it says nothing about relaying.

    A rejected address (5.1.x), a temporary failure and a demand for TLS say nothing about relaying. The reply of Postfix's
    defer_unauth_destination is a temporary failure, but a refusal to relay.
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


def _certificate_facts(options: ProbeOptions, session: _Session, run: Runner) -> dict[str, Any]:
    """The content of the certificates, whether openssl(1) verifies them, and whether they have the host names."""
    chain = session.chain
    facts: dict[str, Any] = {
        "chain": [_described_certificate(der, run) for der in chain],
        "verified": None,
        "verify_error": None,
        "name_matches": None,
        "unmatched_names": [],
    }
    if chain:
        error = _verify_error(options, chain, run)
        hostnames = list(options.hostnames or [options.host])
        unmatched = certificate_x509.uncovered(facts["chain"][0]["names"], hostnames)
        verified = None if error and not session.chain_is_complete else not error
        facts.update(verified=verified, verify_error=error, name_matches=not unmatched, unmatched_names=unmatched)
    return facts


def _described_certificate(der: bytes, run: Runner) -> dict[str, Any]:
    """The content of one certificate; the values are None if openssl(1) can't read it."""
    done = run(("openssl", "x509", *certificate_x509.X509_ARGUMENTS), pem.to_pem(der))
    try:
        return certificate_x509.certificate_facts(certificate_x509.read_certificate(der, done.stdout))
    except PemError:
        return unreadable_certificate_facts(der)


def unreadable_certificate_facts(der: bytes) -> dict[str, Any]:
    """The facts of a certificate that openssl cannot read: only its fingerprint is known, the rest is None."""
    unknown: dict[str, Any] = dict.fromkeys(("subject", "issuer", "not_before", "not_after", "serial"))
    unknown.update(names=[], key_type=None, key_bits=None)
    return dict(unknown, fingerprint=pem.fingerprints_by_digest(der), public_key_fingerprint=dict.fromkeys(pem.DIGESTS))


def _verify_error(options: ProbeOptions, chain: Sequence[bytes], run: Runner) -> str | None:
    """Why openssl(1) does not verify the chain as that of a server; None if it does."""
    try:
        with tempfile.NamedTemporaryFile(prefix="smtp-tls-info-", suffix=".pem") as file:
            file.write(b"".join(pem.to_pem(der) for der in chain))
            file.flush()
            return openssl.chain_problem(run, file.name, True, options.ca_file or "", options.ca_path or "") or None
    except OSError as error:
        raise PostfixError("verifying", "the server's certificate", error.strerror or str(error)) from error
