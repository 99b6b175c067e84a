# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probes of real servers: correct ones, ones that violate the protocol, and the Postfix of this machine."""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
import pty
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._smtp import connection as connection_smtp
from ansible_collections.mailops.postfix.plugins.module_utils._smtp import probe, probe_options
from ansible_collections.mailops.postfix.plugins.module_utils._smtp.connection import Reply
from ansible_collections.mailops.postfix.plugins.module_utils._smtp.probe_options import ProbeOptions
from ansible_collections.mailops.postfix.plugins.module_utils._x509 import certificate as certificate_x509
from ansible_collections.mailops.postfix.plugins.module_utils._x509 import pem
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

NAME = "mx.example.org"
NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
STEP = 0.4
"""Time limit of a step in tests with servers that do not reply, in seconds."""

PREFERRED = ("X25519", "X25519MLKEM768")
"""The groups of the key exchange that OpenSSL prefers, depending on its version."""

OBSERVED = ("key_exchange", "signature", "client_certificate_requested")
"""The facts that only s_client(1) gives."""

PYTHON_HAS_CHAINS = hasattr(ssl.SSLObject, "get_unverified_chain")

# Certificates


class Issued:
    """A certificate and its key in one file, as servers load them."""

    def __init__(
        self, directory, label, key, subject, issuer=None, names=(), days=(-1, 30), authority=False, purpose=None
    ):
        self.key = key
        self.issuer = issuer
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer.certificate.subject if issuer else name)
            .public_key(key.public_key())
            .serial_number(0x1234ABCD)
            .not_valid_before(NOW + days[0] * DAY)
            .not_valid_after(NOW + days[1] * DAY)
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        if names:
            alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        if purpose:
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        signer = issuer.key if issuer else key
        digest = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        self.certificate = builder.sign(signer, digest)
        self.pem = self.certificate.public_bytes(Encoding.PEM)
        self.key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.path = directory / f"{label}.pem"
        self.path.write_bytes(self.key_pem + b"".join(link.pem for link in self.chain))

    @property
    def chain(self):
        """This certificate and its issuers, without the root."""
        links, link = [], self
        while link is not None and (link is self or link.issuer is not None):
            links.append(link)
            link = link.issuer
        return links


@pytest.fixture(scope="session", name="pki")
def fixture_pki(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pki")
    curve, rsa_key = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)

    def issue(label, *arguments, **options):
        issued[label] = Issued(directory, label, *arguments, **options)
        return issued[label]

    issued = {}
    root = issue("root", ec.generate_private_key(ec.SECP256R1()), "Test root", authority=True)
    middle = issue("middle", ec.generate_private_key(ec.SECP384R1()), "Test middle", root, authority=True)
    issue("ecdsa", curve, NAME, middle, names=[NAME, "*.wild.example.org"])
    issue("rsa", rsa_key, NAME, middle, names=[NAME])
    issue("ed25519", ed25519.Ed25519PrivateKey.generate(), NAME, middle, names=[NAME])
    issue("common_name", curve, NAME, middle)
    issue("expired", curve, NAME, middle, names=[NAME], days=(-30, -1))
    issue("other", curve, "other.example.org", middle, names=["other.example.org"])
    issue("for_clients", curve, NAME, middle, names=[NAME], purpose=x509.ExtendedKeyUsageOID.CLIENT_AUTH)
    issue("self_signed", curve, NAME, names=[NAME])
    issue("client", curve, "laptop.example.org", middle, names=["laptop.example.org"])
    leaf_only = issue("leaf_only", curve, NAME, middle, names=[NAME])
    leaf_only.path.write_bytes(leaf_only.key_pem + leaf_only.pem)
    (directory / "ca.pem").write_bytes(root.pem)
    (directory / "directory").mkdir()
    (directory / "directory" / "root.pem").write_bytes(root.pem)
    subprocess.run(["openssl", "rehash", directory / "directory"], check=True)
    (directory / "client.key").write_bytes(issued["client"].key_pem)
    (directory / "locked.key").write_bytes(
        issued["client"].key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )
    return issued, directory


# Servers


class ServerSession:
    """The server's side of a session."""

    def __init__(self, connection, commands):
        self.socket = connection
        self.commands = commands

    def reply(self, *lines):
        self.socket.sendall(b"".join(line if isinstance(line, bytes) else line.encode() + b"\r\n" for line in lines))

    def read_command(self):
        line = b""
        while not line.endswith(b"\n"):
            byte = self.socket.recv(1)
            if not byte:
                raise ConnectionError
            line += byte
        self.commands.append(line.decode("latin-1").rstrip())
        return self.commands[-1]

    def expect(self, *commands):
        """Expect these commands, and accept all but the last."""
        for number, command in enumerate(commands, start=1):
            assert self.read_command().startswith(command)
            if number < len(commands):
                self.reply("250-here\r\n250 STARTTLS" if command == "EHLO" else "250 ok")

    def start_tls(self, context):
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def wait(self):
        """Wait until the client closes the connection."""
        while self.socket.recv(4096):
            pass


class Server:
    """Calls a function for each connection to a port of the loopback interface."""

    def __init__(self, serve):
        self._serve = serve
        self.commands = []
        self.connections = 0
        self.failures = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection = self._socket.accept()[0]
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve_connection, args=(connection, self.connections), daemon=True).start()

    def _serve_connection(self, connection, number):
        session = ServerSession(connection, self.commands)
        try:
            session.number = number
            self._serve(session)
        except OSError:
            pass  # The client has closed the connection, or the TLS handshake has failed.
        except AssertionError as error:
            self.failures.append(error)
        finally:
            session.socket.close()

    def close(self):
        # Wakes up the thread in accept().
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture(name="serve")
def fixture_serve():
    servers = []

    def serve(function):
        servers.append(Server(function))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()
        assert server.failures == []
        # The module never sends mail.
        assert not [line for line in server.commands if line.upper().startswith(("DATA", "BDAT"))]


def server_context(certificate, lowest="TLSv1_2", highest="TLSv1_3", ciphers=None, curve=None, client_certificate=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.path)
    context.set_ciphers(ciphers or "DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = getattr(ssl.TLSVersion, lowest)
        context.maximum_version = getattr(ssl.TLSVersion, highest)
    if curve:
        context.set_ecdh_curve(curve)
    if client_certificate is not None:
        context.verify_mode = client_certificate
        context.load_verify_locations(cadata=certificate.chain[-1].issuer.pem.decode())
    return context


def correct_server(context=None, implicit=False, before=(), after=(), **replies):
    """A server that follows the protocol.

    :param before: keywords before TLS; after: those within TLS.
    :param replies: its replies by command; COMMAND_clear for those before TLS.
    """

    def serve(session):
        encrypted = implicit
        if implicit:
            session.start_tls(context)
        session.reply(f"220 {NAME} ESMTP")
        while True:
            command = session.read_command().split()[0]
            if command in ("EHLO", "LHLO"):
                offered = list(after if encrypted else before)
                if context is not None and not encrypted:
                    offered.append("STARTTLS")
                keywords = [NAME, *offered]
                session.reply(*(f"250-{keyword}" for keyword in keywords[:-1]), f"250 {keywords[-1]}")
            elif command == "STARTTLS":
                session.reply("220 go ahead")
                session.start_tls(context)
                encrypted = True
            else:
                reply = replies.get(f"{command}_clear" if not encrypted else command, replies.get(command))
                session.reply(
                    reply or {"QUIT": "221 bye", "RCPT": "554 5.7.1 Relay access denied"}.get(command, "250 ok")
                )
                if command == "QUIT":
                    return

    return serve


def probe_server(server, pki, **options):
    directory = pki[1]
    defaults = {"ca_file": str(directory / "ca.pem"), "hostnames": [NAME], "timeout": 5, "protocols": False}
    answer = probe.probe(ProbeOptions("127.0.0.1", server.port, **{**defaults, **options}))
    return json.loads(json.dumps(answer))


# Correct servers


def test_everything_at_once(serve, pki):
    """The complete result, key by key."""
    leaf = pki[0]["ecdsa"]
    server = serve(
        correct_server(
            server_context(leaf),
            before=["PIPELINING", "SIZE 1000", "size-of-more a  b"],
            after=["AUTH PLAIN login", "AUTH=LOGIN XOAUTH2", "DSN"],
            MAIL_clear="530 5.7.0 Must issue a STARTTLS command first",
        )
    )
    answer = probe_server(
        server, pki, protocols=True, server_name=NAME, ehlo="laptop.example.org", sender="me@example.org"
    )
    chain = answer.pop("chain")
    assert answer == {
        "host": "127.0.0.1",
        "port": server.port,
        "implicit_tls": False,
        "reachable": True,
        "problem": None,
        "failed_at": None,
        "refusal": None,
        "address": "127.0.0.1",
        "client_address": "127.0.0.1",
        "banner": f"220 {NAME} ESMTP",
        "before_tls": {
            "ehlo": {"PIPELINING": "", "SIZE": "1000", "SIZE-OF-MORE": "a b", "STARTTLS": ""},
            "auth": [],
            "starttls": True,
            "mail": {"accepted": False, "reply": "530 5.7.0 Must issue a STARTTLS command first"},
        },
        "tls": {
            "protocol": "TLSv1.3",
            "cipher": "TLS_AES_256_GCM_SHA384",
            "cipher_bits": 256,
            "key_exchange": answer["tls"]["key_exchange"],
            "signature": "ecdsa_secp256r1_sha256",
            "server_name": NAME,
            "client_certificate_requested": False,
        },
        "after_tls": {
            "ehlo": {"AUTH": "PLAIN login LOGIN XOAUTH2", "DSN": ""},
            "auth": ["PLAIN", "LOGIN", "XOAUTH2"],
        },
        "relay": {"relays": False, "reply": "554 5.7.1 Relay access denied"},
        "protocols": {
            "lowest": "TLSv1.2",
            "accepted": ["TLSv1.2", "TLSv1.3"],
            "refused": ["TLSv1", "TLSv1.1"],
            "unknown": [],
        },
        "verified": True,
        "verify_error": None,
        "name_matches": True,
        "unmatched_names": [],
    }
    assert answer["tls"]["key_exchange"] in PREFERRED
    assert [link["subject"] for link in chain] == [f"CN={NAME}", "CN=Test middle"]
    assert server.commands[:10] == [
        "EHLO laptop.example.org",
        "MAIL FROM:<me@example.org>",
        "STARTTLS",
        "EHLO laptop.example.org",
        "MAIL FROM:<me@example.org>",
        "RCPT TO:<stranger@example.com>",
        "RSET",
        "QUIT",
        "EHLO laptop.example.org",
        "STARTTLS",
    ]


def test_lmtp(serve, pki):
    server = serve(correct_server(EHLO="500 5.5.1 This is LMTP"))
    answer = probe_server(server, pki, lmtp=True, relay=False, handshake=False)
    assert answer["problem"] is None and server.commands[0].startswith("LHLO ")
    assert not any(command.startswith("EHLO") for command in server.commands)


def test_implicit_tls(serve, pki):
    server = serve(correct_server(server_context(pki[0]["rsa"]), implicit=True, after=["AUTH PLAIN"]))
    answer = probe_server(server, pki, implicit_tls=True, protocols=True)
    assert (answer["problem"], answer["before_tls"], answer["banner"]) == (None, None, f"220 {NAME} ESMTP")
    assert answer["after_tls"] == {"ehlo": {"AUTH": "PLAIN"}, "auth": ["PLAIN"]}
    assert answer["verified"] is True and answer["protocols"]["accepted"] == ["TLSv1.2", "TLSv1.3"]
    # SNI has no addresses.
    assert answer["tls"]["server_name"] is None


def test_without_tls(serve, pki):
    answer = probe_server(serve(correct_server(before=["AUTH PLAIN"], RCPT="250 ok")), pki, protocols=True)
    assert (answer["problem"], answer["tls"], answer["after_tls"], answer["protocols"]) == (None, None, None, None)
    assert answer["before_tls"]["starttls"] is False and answer["before_tls"]["auth"] == ["PLAIN"]
    assert answer["before_tls"]["mail"] == {"accepted": True, "reply": "250 ok"}
    assert answer["relay"] == {"relays": True, "reply": "250 ok"}
    assert (answer["chain"], answer["verified"], answer["name_matches"]) == ([], None, None)


CERTIFICATES = [
    # label, options, key, verified, its error, uncovered names
    ("ecdsa", {}, ("ecdsa", 256), None, []),
    ("rsa", {}, ("rsa", 2048), None, []),
    ("ed25519", {}, ("ed25519", 256), None, []),
    ("common_name", {}, ("ecdsa", 256), None, []),
    ("expired", {}, ("ecdsa", 256), r"certificate has expired \(at depth 0\)", []),
    ("other", {}, ("ecdsa", 256), None, [NAME]),
    ("for_clients", {}, ("ecdsa", 256), r"(unsupported|unsuitable) certificate purpose \(at depth 0\)", []),
    ("self_signed", {}, ("ecdsa", 256), r"self.signed certificate \(at depth 0\)", []),
    ("leaf_only", {}, ("ecdsa", 256), r"unable to get local issuer certificate.*", []),
    # The system's CAs do not include the root.
    ("ecdsa", {"ca_file": None}, ("ecdsa", 256), r"unable to get local issuer certificate.*", []),
    ("ecdsa", {"hostnames": None}, ("ecdsa", 256), None, ["127.0.0.1"]),
    ("ecdsa", {"hostnames": ["MX.example.org.", "a.wild.example.org"]}, ("ecdsa", 256), None, []),
    (
        "ecdsa",
        {"hostnames": ["a.b.wild.example.org", "wild.example.org", NAME]},
        ("ecdsa", 256),
        None,
        ["a.b.wild.example.org", "wild.example.org"],
    ),
]


@pytest.mark.parametrize(("label", "options", "key", "error", "unmatched"), CERTIFICATES)
def test_certificate(serve, pki, label, options, key, error, unmatched):
    answer = probe_server(serve(correct_server(server_context(pki[0][label]))), pki, **options)
    assert answer["problem"] is None
    leaf = answer["chain"][0]
    assert (leaf["key_type"], leaf["key_bits"]) == key
    assert len(answer["chain"]) == (1 if label in ("self_signed", "leaf_only") else 2)
    assert answer["verified"] is (error is None)
    assert re.fullmatch(error, answer["verify_error"]) if error else answer["verify_error"] is None
    assert (answer["name_matches"], answer["unmatched_names"]) == (not unmatched, unmatched)


@pytest.mark.parametrize("key_type", ["rsa", "ecdsa"])
@pytest.mark.parametrize("implicit", [False, True])
def test_a_certificate_by_key_type(serve, pki, key_type, implicit):
    context = server_context(pki[0]["ecdsa"])
    context.load_cert_chain(pki[0]["rsa"].path)
    answer = probe_server(
        serve(correct_server(context, implicit=implicit)), pki, key_type=key_type, implicit_tls=implicit, protocols=True
    )
    assert (answer["problem"], answer["chain"][0]["key_type"], answer["verified"]) == (None, key_type, True)
    # The probes of TLS versions do not use it.
    assert answer["protocols"]["accepted"] == ["TLSv1.2", "TLSv1.3"]


@pytest.mark.parametrize(("present", "wanted"), [("ecdsa", "rsa"), ("rsa", "ecdsa")])
def test_no_certificate_of_the_key_type(serve, pki, present, wanted):
    answer = probe_server(serve(correct_server(server_context(pki[0][present]))), pki, key_type=wanted)
    assert (answer["failed_at"], answer["chain"]) == ("handshake", [])


def test_ca_path(serve, pki):
    server = serve(correct_server(server_context(pki[0]["ecdsa"])))
    assert probe_server(server, pki, ca_file=None, ca_path=str(pki[1] / "directory"))["verified"] is True
    assert probe_server(server, pki, ca_file=None, ca_path=str(pki[1]))["verified"] is False


@pytest.mark.parametrize(
    ("ca_file", "ca_path", "verified"), [(None, None, True), ("other.pem", None, False), (None, "empty", False)]
)
def test_ca_file_replaces_the_system_cas(serve, pki, ca_file, ca_path, verified):
    """On a system that trusts the root."""
    directory = pki[1]
    (directory / "empty").mkdir(exist_ok=True)

    def run(argv, stdin):
        return probe.run_program(("env", f"SSL_CERT_DIR={directory}/directory", *argv), stdin)

    server = serve(correct_server(server_context(pki[0]["ecdsa"])))
    trusted = {"ca_file": ca_file and str(directory / ca_file), "ca_path": ca_path and str(directory / ca_path)}
    answer = probe.probe(ProbeOptions("127.0.0.1", server.port, protocols=False, **trusted), run)
    assert answer["verified"] is verified


@pytest.mark.parametrize("label", ["ecdsa", "rsa"])
def test_openssl_reads_the_same_certificate(serve, pki, label):
    leaf, above = probe_server(serve(correct_server(server_context(pki[0][label]))), pki)["chain"]

    def openssl(*arguments, stdin):
        return subprocess.run(["openssl", *arguments], input=stdin, stdout=subprocess.PIPE, check=True).stdout

    for seen, issued in ((leaf, pki[0][label]), (above, pki[0]["middle"])):
        spki = openssl("x509", "-pubkey", "-noout", stdin=issued.pem)
        der = openssl("pkey", "-pubin", "-outform", "DER", stdin=spki)
        for digest in ("md5", "sha1", "sha256", "sha512"):
            line = openssl("x509", "-noout", "-fingerprint", f"-{digest}", stdin=issued.pem).decode()
            assert seen["fingerprint"][digest] == line.strip().partition("=")[2]
            of_key = openssl("dgst", f"-{digest}", "-c", stdin=der).decode().split()[-1].upper()
            assert seen["public_key_fingerprint"][digest] == of_key
    assert leaf["serial"] == "1234ABCD" and leaf["issuer"] == "CN=Test middle"
    assert leaf["not_before"] == (NOW - DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert leaf["not_after"] == (NOW + 30 * DAY).strftime("%Y-%m-%dT%H:%M:%SZ")


HANDSHAKES = [
    # certificate, server, protocol, key exchange (None: the preferred one), signature, accepted
    (
        "ecdsa",
        {"curve": "secp384r1"},
        ("TLSv1.3", "P-384", "ecdsa_secp256r1_sha256"),
        ["TLSv1.2", "TLSv1.3"],
    ),
    ("rsa", {}, ("TLSv1.3", None, "rsa_pss_rsae_sha256"), ["TLSv1.2", "TLSv1.3"]),
    ("ed25519", {}, ("TLSv1.3", None, "ed25519"), ["TLSv1.2", "TLSv1.3"]),
    ("ecdsa", {"lowest": "TLSv1_3"}, ("TLSv1.3", None, "ecdsa_secp256r1_sha256"), ["TLSv1.3"]),
    (
        "ecdsa",
        {"highest": "TLSv1_2", "curve": "prime256v1"},
        ("TLSv1.2", "P-256", "ecdsa_secp256r1_sha256"),
        ["TLSv1.2"],
    ),
    (
        "rsa",
        {"highest": "TLSv1_2", "curve": "secp521r1"},
        ("TLSv1.2", "P-521", "rsa_pss_rsae_sha256"),
        ["TLSv1.2"],
    ),
    ("rsa", {"highest": "TLSv1_2", "ciphers": "AES256-GCM-SHA384"}, ("TLSv1.2", "RSA", None), ["TLSv1.2"]),
    # Old versions, which the system's crypto policy may refuse.
    (
        "rsa",
        {"lowest": "TLSv1", "highest": "TLSv1_1", "curve": "prime256v1"},
        ("TLSv1.1", "P-256", None),
        ["TLSv1", "TLSv1.1"],
    ),
    (
        "ecdsa",
        {"lowest": "TLSv1"},
        ("TLSv1.3", None, "ecdsa_secp256r1_sha256"),
        ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"],
    ),
]


@pytest.mark.parametrize(("label", "server", "session", "accepted"), HANDSHAKES)
def test_handshake(serve, pki, label, server, session, accepted):
    answer = probe_server(serve(correct_server(server_context(pki[0][label], **server))), pki, protocols=True)
    assert answer["problem"] is None
    seen = answer["tls"]
    signature = seen["signature"] and re.sub("sha(384|512)$", "sha256", seen["signature"])
    exchange = seen["key_exchange"] if session[1] else None
    assert (seen["protocol"], exchange, signature) == session
    assert session[1] or seen["key_exchange"] in PREFERRED
    assert answer["protocols"] == {
        "lowest": accepted[0],
        "accepted": accepted,
        "refused": [protocol for protocol in probe.PROTOCOL_VERSIONS if protocol not in accepted],
        "unknown": [],
    }
    assert [link["subject"] for link in answer["chain"]] == [f"CN={NAME}", "CN=Test middle"]


@pytest.mark.parametrize("highest", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize(
    ("required", "shown", "failed_at"),
    [
        (ssl.CERT_OPTIONAL, False, None),
        (ssl.CERT_OPTIONAL, True, None),
        (ssl.CERT_REQUIRED, True, None),
        # With TLS 1.3, the server refuses after the client has finished the handshake.
        (ssl.CERT_REQUIRED, False, {"TLSv1_2": "handshake", "TLSv1_3": "ehlo_after_tls"}),
    ],
)
def test_client_certificate(serve, pki, highest, required, shown, failed_at):
    server = serve(correct_server(server_context(pki[0]["ecdsa"], highest=highest, client_certificate=required)))
    files = {"client_certificate": str(pki[1] / "client.pem"), "client_key": str(pki[1] / "client.key")}
    answer = probe_server(server, pki, **(files if shown else {}))
    assert answer["failed_at"] == (failed_at and failed_at[highest])
    if failed_at is None or highest == "TLSv1_3":
        assert answer["tls"]["client_certificate_requested"] is True
    # The certificates that the server sent before it aborted are kept.
    assert answer["verified"] is True and len(answer["chain"]) == 2
    assert failed_at is None or "alert" in answer["problem"]


def test_without_the_facts_of_the_handshake(serve, pki):
    """They cost a connection of their own, except where Python does not have the chain either."""
    server = serve(correct_server(server_context(pki[0]["ecdsa"])))
    answer = probe_server(server, pki, handshake=False)
    assert len(answer["chain"]) == 2 and answer["verified"] is True
    if PYTHON_HAS_CHAINS:
        assert [answer["tls"][name] for name in OBSERVED] == [None] * 3
    assert server.connections == (1 if PYTHON_HAS_CHAINS else 2)


@pytest.mark.parametrize("implicit", [False, True])
def test_the_handshake_is_observed_as_that_of_the_session(serve, pki, implicit):
    """The same server name, EHLO, client certificate with its chain, and type of key."""
    context = server_context(pki[0]["rsa"], client_certificate=ssl.CERT_OPTIONAL)
    context.load_cert_chain(pki[0]["ecdsa"].path)
    names, seen = [], []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    correct = correct_server(context, implicit=implicit)

    def serve_and_look(session):
        start_tls = session.start_tls

        def start_and_look(*arguments):
            start_tls(*arguments)
            client = session.socket.getpeercert() or {}
            seen.append((session.socket.version(), session.socket.cipher()[0], client.get("subject")))

        session.start_tls = start_and_look
        correct(session)

    server = serve(serve_and_look)
    files = {"client_certificate": str(pki[1] / "client.pem"), "client_key": str(pki[1] / "client.key")}
    more = {"implicit_tls": implicit, "server_name": "x.example.org", "ehlo": "laptop.example.org", "key_type": "rsa"}
    answer = probe_server(server, pki, **files, **more)
    assert answer["problem"] is None and answer["chain"][0]["key_type"] == "rsa"
    assert answer["tls"]["signature"] == "rsa_pss_rsae_sha256" and answer["tls"]["client_certificate_requested"] is True
    assert names == ["x.example.org"] * 2
    assert len(seen) == 2 and seen[0] == seen[1] and seen[0][0] == "TLSv1.2" and seen[0][2]
    assert {line for line in server.commands if line.startswith("EHLO")} == {"EHLO laptop.example.org"}


def test_versions_that_this_host_does_not_have_are_unknown(serve, pki, monkeypatch):
    """OpenSSL has no cipher for old versions, so they are not probed."""
    monkeypatch.setattr(probe, "_ALL_CIPHERS", "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384")
    answer = probe_server(serve(correct_server(server_context(pki[0]["ecdsa"], lowest="TLSv1"))), pki, protocols=True)
    assert answer["problem"] is None
    assert answer["protocols"]["unknown"] == ["TLSv1", "TLSv1.1"] and answer["protocols"]["refused"] == []


def test_a_certificate_that_openssl_can_not_read(serve, pki):
    def run(argv, stdin):
        return probe.run_program(argv, b"" if argv[:2] == ("openssl", "x509") else stdin)

    server = serve(correct_server(server_context(pki[0]["ecdsa"])))
    options = ProbeOptions("127.0.0.1", server.port, ca_file=str(pki[1] / "ca.pem"), hostnames=[NAME], protocols=False)
    answer = probe.probe(options, run)
    leaf = answer["chain"][0]
    assert leaf == probe.unreadable_certificate_facts(pki[0]["ecdsa"].certificate.public_bytes(Encoding.DER))
    assert (answer["name_matches"], answer["verified"]) == (False, True)


def test_unreadable_certificate_facts(pki):
    der = pki[0]["ecdsa"].certificate.public_bytes(Encoding.DER)
    readable = probe.run_program(["openssl", "x509", *certificate_x509.X509_ARGUMENTS], pem.to_pem(der)).stdout
    facts = probe.unreadable_certificate_facts(der)
    assert facts.keys() == certificate_x509.certificate_facts(certificate_x509.read_certificate(der, readable)).keys()
    assert facts["fingerprint"] == pem.fingerprints_by_digest(der) and facts["names"] == []
    assert {facts[name] for name in ("subject", "issuer", "not_after", "key_type", "key_bits", "serial")} == {None}
    assert set(facts["public_key_fingerprint"].values()) == {None}


# Replies and keywords


@pytest.mark.parametrize(
    ("code", "text", "encrypted", "relays"),
    [
        (250, "2.1.5 Ok", True, True),
        (251, "User not local; will forward", True, True),
        (554, "5.7.1 <stranger@example.com>: Relay access denied", True, False),
        (550, "relay not permitted", True, False),
        (530, "5.7.0 Authentication required", True, False),
        (530, "5.7.0 Must issue a STARTTLS command first", False, None),
        (454, "4.7.1 <stranger@example.com>: Relay access denied", True, False),
        (450, "4.7.1 greylisted", True, None),
        (451, "4.3.0 try again", True, None),
        (421, "4.3.2 too busy", True, None),
        (550, "5.1.2 no such domain", True, None),
        (556, "5.1.10 the domain takes no mail", True, None),
        (550, "5.1.1x", True, False),
        (354, "go on", True, None),
    ],
)
def test_relays_for(code, text, encrypted, relays):
    assert probe.relays_for(Reply(code, (text,)), encrypted) is relays


@pytest.mark.parametrize(("reply", "relays"), [("530 5.7.0 Authentication required", False), ("451 busy", None)])
def test_a_rejected_sender(serve, pki, reply, relays):
    answer = probe_server(serve(correct_server(server_context(pki[0]["ecdsa"]), MAIL=reply, MAIL_clear="250 ok")), pki)
    assert answer["relay"] == {"relays": relays, "reply": reply}


def test_no_relay_test(serve, pki):
    server = serve(correct_server(server_context(pki[0]["ecdsa"])))
    assert probe_server(server, pki, relay=False)["relay"] is None
    assert not [line for line in server.commands if line.startswith("RCPT")]


@pytest.mark.parametrize(
    ("lines", "keywords"),
    [
        (("hello",), {}),
        (("hello", "A", "b 1  2"), {"A": "", "B": "1 2"}),
        (("STARTTLS",), {}),
        (("hello", "AUTH PLAIN", "AUTH=PLAIN LOGIN"), {"AUTH": "PLAIN LOGIN"}),
        (("hello", "", " X", "=Y"), {}),
    ],
)
def test_keywords(lines, keywords):
    assert probe.keywords(Reply(250, lines)) == keywords


@pytest.mark.parametrize(
    ("hostname", "address", "name"),
    [
        ("laptop.example.org", "192.0.2.1", "laptop.example.org"),
        ("laptop", "192.0.2.1", "[192.0.2.1]"),
        ("a b.example.org", "192.0.2.1", "[192.0.2.1]"),
        ("laptop", "fe80::1%eth0", "[IPv6:fe80::1]"),
    ],
)
def test_own_name(monkeypatch, hostname, address, name):
    monkeypatch.setattr(socket, "gethostname", lambda: hostname)
    assert connection_smtp.own_name(address) == name


def test_own_address():
    found = connection_smtp.own_address()
    assert found == "" or ipaddress.ip_address(found).version == 4


# Servers that violate the protocol


def greeting(*replies):
    """A server that sends these replies instead of a greeting, and waits."""

    def serve(session):
        session.reply(*replies)
        session.wait()

    return serve


def instead_of(command, *replies, wait=True, context=None):
    """A server that is correct up to a command. Then it sends these replies, and waits or closes the connection."""

    def serve(session):
        session.reply("220 mx")
        before = {"EHLO": ["EHLO"], "MAIL": ["EHLO", "MAIL"], "STARTTLS": ["EHLO", "MAIL", "RSET", "STARTTLS"]}
        if session.number > 1:  # that of s_client(1)
            before = {"STARTTLS": ["EHLO", "STARTTLS"]}
        session.expect(*before.get(command, before["STARTTLS"]))
        if context is not None:
            session.reply("220 go ahead")
            session.start_tls(context(session))
            if session.number > 1:
                session.wait()
                return
            session.expect(*{"EHLO after TLS": ["EHLO"], "RCPT": ["EHLO", "MAIL", "RCPT"]}[command])
        session.reply(*replies)
        if wait:
            session.wait()

    return serve


def instead_of_handshake(*data, wait=True):
    """A server that sends this data after the client's ClientHello, and waits or closes the connection."""

    def serve(session):
        instead_of("STARTTLS", "220 go ahead", wait=False)(session)
        session.socket.recv(4096)
        session.reply(*data)
        if wait:
            session.wait()

    return serve


def endless_reply(session):
    try:
        while True:
            session.reply(*(["220-more"] * 50))
    except OSError:
        return


def one_byte_at_a_time(session):
    for byte in b"220 " + b"x" * 1000:
        session.reply(bytes([byte]))
        time.sleep(0.02)


def connection_reset(session):
    session.reply("220 mx")
    session.expect("EHLO")
    # With this option, close() resets the connection.
    session.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def check_fault(serve, pki, server, failed_at, problem):
    """Probe a server that violates the protocol before TLS is established.

    :param problem: the text, or a regular expression that matches all of it.
    """
    started = time.monotonic()
    answer = probe_server(serve(server), pki, timeout=STEP)
    assert (answer["reachable"], answer["failed_at"]) == (True, failed_at)
    if isinstance(problem, re.Pattern):
        assert problem.fullmatch(answer["problem"])
    else:
        assert answer["problem"] == problem
    assert answer["chain"] == [] and answer["verified"] is None and answer["relay"] is None
    # A server that sends no greeting is probed with a TLS handshake, too.
    assert time.monotonic() - started < 3 * STEP + 0.5


def invalid(quoted):
    return f"the server sent '{quoted}', which is not a valid SMTP reply"


@pytest.mark.parametrize(
    ("server", "failed_at", "problem"),
    [
        pytest.param(greeting("hello"), "greeting", invalid("hello"), id="no code"),
        pytest.param(greeting("HTTP/1.1 400 Bad Request"), "greeting", invalid("HTTP/1.1 400 Bad Request"), id="HTTP"),
        pytest.param(greeting(b"\x00\xff\x1b[2J\r\n"), "greeting", invalid(r"\x00\xff\x1b[2J"), id="binary"),
        pytest.param(greeting("999 hello"), "greeting", invalid("999 hello"), id="no such code"),
        pytest.param(greeting("220-hello", "554 go away"), "greeting", invalid("554 go away"), id="two codes"),
    ],
)
def test_malformed_replies(serve, pki, server, failed_at, problem):
    check_fault(serve, pki, server, failed_at, problem)


TOO_LONG = f"the server sent a line of more than 2048 bytes: '220 {'x' * 116}' ..."


@pytest.mark.parametrize(
    ("server", "failed_at", "problem"),
    [
        pytest.param(greeting(b"220 " + b"x" * 70000), "greeting", TOO_LONG, id="line without end"),
        pytest.param(greeting(b"220 " + b"x" * 2048 + b"\r\n"), "greeting", TOO_LONG, id="long line"),
        pytest.param(endless_reply, "greeting", "the server sent a reply of more than 100 lines", id="many lines"),
    ],
)
def test_replies_that_are_too_long(serve, pki, server, failed_at, problem):
    check_fault(serve, pki, server, failed_at, problem)


NO_REPLY = "the server did not respond within 0.4 seconds"


@pytest.mark.parametrize(
    ("server", "failed_at"),
    [
        pytest.param(greeting(), "greeting", id="no greeting"),
        pytest.param(one_byte_at_a_time, "greeting", id="one byte at a time"),
        pytest.param(instead_of("STARTTLS", "220 go ahead"), "handshake", id="no handshake"),
    ],
)
def test_no_reply(serve, pki, server, failed_at):
    check_fault(serve, pki, server, failed_at, NO_REPLY)


CLOSED_IN_HANDSHAKE = "the server closed the connection during the TLS handshake"


@pytest.mark.parametrize(
    ("server", "failed_at", "problem"),
    [
        pytest.param(lambda session: None, "greeting", "the server closed the connection", id="no greeting"),
        pytest.param(
            lambda session: session.reply(b"220 he"),
            "greeting",
            "the server closed the connection in the middle of a line: '220 he'",
            id="half a line",
        ),
        pytest.param(connection_reset, "ehlo", "the connection broke: Connection reset by peer", id="reset"),
        pytest.param(instead_of_handshake(wait=False), "handshake", CLOSED_IN_HANDSHAKE, id="no handshake"),
        pytest.param(
            instead_of_handshake(b"\x16\x03\x03\x00\x40\x02", wait=False),
            "handshake",
            CLOSED_IN_HANDSHAKE,
            id="half a handshake message",
        ),
    ],
)
def test_closed_connection(serve, pki, server, failed_at, problem):
    check_fault(serve, pki, server, failed_at, problem)


@pytest.mark.parametrize(
    ("server", "failed_at", "problem"),
    [
        pytest.param(
            greeting("554-no", "554 service"),
            "greeting",
            "the server refuses the connection: 554 no / 554 service",
            id="554 greeting",
        ),
        pytest.param(
            greeting("421 4.3.2 later"),
            "greeting",
            "the server refuses the connection: 421 4.3.2 later",
            id="421 greeting",
        ),
        pytest.param(
            instead_of("EHLO", "502 5.5.1 what?"), "ehlo", "the server refuses EHLO: 502 5.5.1 what?", id="EHLO"
        ),
        pytest.param(
            instead_of("MAIL", "421 4.4.2 bye"), "mail", "the server ends the session: 421 4.4.2 bye", id="421 to MAIL"
        ),
        pytest.param(
            instead_of("STARTTLS", "454 4.7.0 TLS not available due to local problem"),
            "starttls",
            "the server offers STARTTLS, but refuses the command: 454 4.7.0 TLS not available due to local problem",
            id="STARTTLS",
        ),
        pytest.param(
            instead_of_handshake(b"\x15\x03\x03\x00\x02\x02\x28"),
            "handshake",
            re.compile("the TLS handshake failed: .*alert handshake failure"),
            id="TLS alert",
        ),
    ],
)
def test_refusals(serve, pki, server, failed_at, problem):
    check_fault(serve, pki, server, failed_at, problem)


@pytest.mark.parametrize(
    ("server", "failed_at", "problem"),
    [
        pytest.param(
            instead_of("EHLO", "250 here", "250 again"),
            "mail",
            "the server sent data without a command: '250 again'",
            id="second reply",
        ),
        pytest.param(
            instead_of("STARTTLS", "220 go ahead", "250-mx", "250 AUTH PLAIN"),
            "starttls",
            "the server sends clear text after its reply to STARTTLS, where TLS must begin: "
            "'250-mx\\x0d\\x0a250 AUTH PLAIN'",
            id="injected replies",
        ),
        pytest.param(
            instead_of_handshake("250 mx"),
            "handshake",
            "the server replied in clear text instead of TLS: '250 mx'",
            id="no TLS",
        ),
    ],
)
def test_clear_text_that_must_not_be_there(serve, pki, server, failed_at, problem):
    check_fault(serve, pki, server, failed_at, problem)


@pytest.mark.parametrize(
    ("command", "replies", "failed_at", "problem"),
    [
        ("EHLO after TLS", [], "ehlo_after_tls", "the server closed the connection"),
        ("EHLO after TLS", ["hello"], "ehlo_after_tls", invalid("hello")),
        ("EHLO after TLS", ["530 5.7.0 no"], "ehlo_after_tls", "the server refuses EHLO: 530 5.7.0 no"),
        ("RCPT", [], "relay", "the server closed the connection"),
        ("RCPT", ["250 ok", "250 ok"], "relay", "the server sent data without a command: '250 ok'"),
    ],
)
def test_faults_within_tls(serve, pki, command, replies, failed_at, problem):
    server = serve(instead_of(command, *replies, wait=False, context=lambda _session: server_context(pki[0]["ecdsa"])))
    answer = probe_server(server, pki, timeout=2)
    assert (answer["failed_at"], answer["problem"]) == (failed_at, problem)
    assert answer["tls"]["protocol"] == "TLSv1.3" and answer["verified"] is True


def test_implicit_tls_where_starttls_is_expected(serve, pki):
    answer = probe_server(serve(correct_server(server_context(pki[0]["ecdsa"]), implicit=True)), pki, timeout=STEP)
    assert (answer["failed_at"], answer["tls"]) == ("greeting", None)
    assert answer["problem"] == (
        "the server sends no greeting and expects TLS from the first byte. Set implicit_tls: true for this port"
    )


def test_clear_text_where_implicit_tls_is_expected(serve, pki):
    answer = probe_server(serve(greeting(f"220 {NAME} ESMTP")), pki, implicit_tls=True, timeout=STEP)
    assert (answer["failed_at"], answer["banner"]) == ("handshake", None)
    assert answer["problem"] == f"the server replied in clear text instead of TLS: '220 {NAME} ESMTP'"


def test_control_characters_in_a_banner_are_escaped(serve, pki):
    def serve_escapes(session):
        session.reply(b"220 \x1b]0;title\x07 \xc3\xa9\r\n")
        session.wait()

    assert probe_server(serve(serve_escapes), pki, timeout=STEP)["banner"] == r"220 \x1b]0;title\x07 \xc3\xa9"


def test_a_server_that_limits_connections(serve, pki):
    """It refuses all connections but the first. The facts of the first are kept."""
    correct = correct_server(server_context(pki[0]["ecdsa"]))

    def serve_once(session):
        if session.number == 1:
            correct(session)
        else:
            session.reply("421 4.7.0 too many connections")

    answer = probe_server(serve(serve_once), pki, protocols=True)
    assert answer["failed_at"] == "protocols"
    assert answer["problem"] == "probing TLSv1: the server refuses the connection: 421 4.7.0 too many connections"
    assert answer["protocols"] == {
        "lowest": "TLSv1.3",
        "accepted": ["TLSv1.3"],
        "refused": [],
        "unknown": ["TLSv1", "TLSv1.1", "TLSv1.2"],
    }
    # Python has the chain since 3.13. Without it, a certificate that can't be verified alone says nothing.
    assert answer["verified"] is (True if PYTHON_HAS_CHAINS else None) and answer["relay"]["relays"] is False
    assert answer["chain"][0]["subject"] == f"CN={NAME}" and answer["name_matches"] is True
    assert [answer["tls"][name] for name in OBSERVED] == [None] * 3


def test_a_server_with_several_certificates(serve, pki):
    """The chain of the second connection is that of another certificate."""
    contexts = [server_context(pki[0][name]) for name in ("self_signed", "ecdsa")]
    server = serve(lambda session: correct_server(contexts[session.number > 1])(session))
    answer = probe_server(server, pki, ca_file=str(pki[0]["self_signed"].path))
    assert [link["subject"] for link in answer["chain"]] == [f"CN={NAME}"] and answer["verified"] is True
    answer = probe_server(server, pki)
    assert len(answer["chain"]) == 2 and answer["verified"] is True


def test_a_version_is_accepted_if_the_handshake_succeeds(serve, pki):
    """The server closes the connection after the handshake."""
    context = server_context(pki[0]["ecdsa"])
    correct = correct_server(context, implicit=True)
    server = serve(lambda session: correct(session) if session.number == 1 else session.start_tls(context))
    answer = probe_server(server, pki, implicit_tls=True, protocols=True)
    assert (answer["problem"], answer["protocols"]["accepted"]) == (None, ["TLSv1.2", "TLSv1.3"])


def test_time_limit(serve, pki):
    """Each step is within its time limit, all together are not."""

    def slow(session):
        session.reply("220 slow")
        while session.read_command():
            time.sleep(0.2)
            session.reply("250 ok")

    started = time.monotonic()
    answer = probe_server(serve(slow), pki, timeout=5, time_limit=0.5)
    assert answer["problem"] == "the server did not respond: the time limit of 0.5 seconds for all steps is exceeded"
    assert answer["failed_at"] == "mail" and time.monotonic() - started < 1


def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def test_connection_refused():
    port = unused_port()
    answer = probe.probe(ProbeOptions("127.0.0.1", port))
    assert (answer["reachable"], answer["failed_at"], answer["address"]) == (False, "connect", None)
    assert answer["problem"] == f"127.0.0.1 port {port}: Connection refused"


def test_the_first_address_that_accepts_a_connection(serve, pki, monkeypatch):
    server = serve(correct_server())
    dead = unused_port()
    found = [(socket.AF_INET, 0, 0, "", ("127.0.0.1", port)) for port in (dead, server.port)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_options: found)
    answer = probe.probe(ProbeOptions("mx.example.org", server.port, timeout=5))
    assert (answer["reachable"], answer["address"], answer["problem"]) == (True, "127.0.0.1", None)


def unknown(*_arguments, **_options):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def sleepy(*_arguments, **_options):
    time.sleep(2)
    return []


@pytest.mark.parametrize(
    ("resolver", "problem"),
    [
        (unknown, "mx.example.org has no address: Name or service not known"),
        (lambda *_arguments, **_options: [], "mx.example.org has no address: the resolver returned none"),
        (sleepy, "the resolver returned no address of mx.example.org within 0.4 seconds"),
    ],
)
def test_resolver(monkeypatch, resolver, problem):
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    started = time.monotonic()
    answer = probe.probe(ProbeOptions("mx.example.org", timeout=STEP))
    assert (answer["reachable"], answer["failed_at"], answer["problem"]) == (False, "resolve", problem)
    assert time.monotonic() - started < 1.5


# Options that are not valid


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"host": ""},
            "reading option host: '' is not a valid host name or IP address. Write a host name or an IP address",
        ),
        (
            {"host": "a b"},
            "reading option host: 'a b' is not a valid host name or IP address. Write a host name or an IP address",
        ),
        (
            {"host": "*.example.org"},
            "reading option host: '*.example.org' is not a valid host name or IP address. Write a host name or",
        ),
        (
            {"host": "[::1]"},
            "reading option host: '[::1]' is not a valid host name or IP address. Write an IP address without brackets",
        ),
        ({"port": 0}, "reading option port: 0 is not a valid port. Write a number from 1 to 65535"),
        ({"port": 65536}, "reading option port: 65536 is not a valid port"),
        ({"timeout": 0}, "reading option timeout: 0 is not a valid time limit. Write a number of seconds above 0"),
        ({"time_limit": float("inf")}, "reading option time_limit: inf is not a valid time limit"),
        ({"timeout": float("nan")}, "reading option timeout: nan is not a valid time limit"),
        ({"hostnames": ["a b"]}, "reading option hostnames: 'a b' is not a valid host name. Write a host name such as"),
        (
            {"server_name": "a..b"},
            "reading option server_name: 'a..b' is not a valid host name. Write a host name such as",
        ),
        ({"ehlo": "a\r\nDATA"}, r"reading option ehlo: 'a\r\nDATA' is not a valid name for EHLO"),
        ({"sender": "a>b"}, "reading option sender: 'a>b' is not a valid mail address. Write it as user@domain"),
        ({"recipient": "a@b\n"}, r"reading option recipient: 'a@b\n' is not a valid mail address"),
        ({"recipient": ""}, "reading option recipient: '' is not a valid mail address"),
        (
            {"ca_file": "/nowhere"},
            "reading option ca_file: /nowhere is not a file. Write the path of a file on the host that runs the module",
        ),
        ({"ca_path": "/nowhere"}, "reading option ca_path: /nowhere is not a directory"),
        ({"ca_file": "/etc/passwd"}, "reading option ca_file: /etc/passwd: it holds no certificate: there is no PEM"),
        ({"ca_file": "/proc/self/mem"}, "reading option ca_file: /proc/self/mem: Input/output error"),
        (
            {"client_key": "{pki}/client.key"},
            "reading option client_key: client_certificate is not set. Set client_cert",
        ),
        (
            {"client_certificate": "{pki}/client.pem", "client_key": "{pki}/root.pem"},
            "reading option client_certificate: certificate {pki}/client.pem and key {pki}/root.pem can't be used: ",
        ),
        (
            {"client_certificate": "{pki}/client.pem", "client_key": "{pki}/locked.key"},
            "reading option client_certificate: certificate {pki}/client.pem and key {pki}/locked.key can't be used: ",
        ),
    ],
)
def test_invalid_options(pki, options, message):
    where = str(pki[1])
    options = {
        name: value.replace("{pki}", where) if name.startswith("client") else value for name, value in options.items()
    }
    with pytest.raises(DeclarationError) as caught:
        probe.probe(ProbeOptions(**{"host": "127.0.0.1", **options}))
    assert str(caught.value).startswith(message.replace("{pki}", where))


def test_no_prompt_for_a_pass_phrase(pki):
    """Not even where there is a terminal."""
    options = ProbeOptions("127.0.0.1", client_certificate=f"{pki[1]}/client.pem", client_key=f"{pki[1]}/locked.key")
    code = f"""
import fcntl, sys, termios
sys.path[:0] = {sys.path}
from ansible_collections.mailops.postfix.plugins.module_utils._smtp import probe
from ansible_collections.mailops.postfix.plugins.module_utils._smtp.probe_options import ProbeOptions
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
try:
    probe.probe({options})
except probe.DeclarationError:
    sys.exit(3)
"""
    master, terminal = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], stdin=terminal, start_new_session=True, timeout=20, check=False
        )
    finally:
        os.close(master)
        os.close(terminal)
    assert done.returncode == 3


def test_probe_options():
    options = {"host": "mx", "port": 465, "implicit_tls": True, "config_directory": None}
    assert probe_options.probe_options(options) == ProbeOptions("mx", 465, True)


# Postfix itself


@pytest.fixture(scope="module", name="postfix")
def fixture_postfix(pki):
    """A Postfix instance with three services on the loopback interface."""
    ports = {name: unused_port() for name in ("relay", "submission", "submissions")}
    # The daemons do not run as root, and must be able to access their queue.
    home = Path(tempfile.mkdtemp(prefix="postfix-", dir="/var/tmp"))
    home.chmod(0o755)
    queue = home / "queue"
    for name in ("conf", "data", "queue"):
        (home / name).mkdir()
    (queue / "pid").mkdir()
    for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "public",
                 "maildrop", "saved", "trace"):  # fmt: skip
        (queue / name).mkdir()
        shutil.chown(queue / name, "postfix")
    shutil.chown(home / "data", "postfix")
    (home / "conf/main.cf").write_text(f"""\
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {home}/data
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = {NAME}
mynetworks = 192.0.2.0/24
alias_maps =
smtpd_tls_chain_files = {pki[0]["ecdsa"].path}
smtpd_tls_security_level = may
""")
    (home / "conf/master.cf").write_text(f"""\
127.0.0.1:{ports["relay"]} inet n - n - - smtpd
  -o smtpd_tls_protocols=!TLSv1,!TLSv1.1
127.0.0.1:{ports["submission"]} inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt -o smtpd_tls_ask_ccert=yes -o smtpd_tls_mandatory_protocols=!TLSv1
127.0.0.1:{ports["submissions"]} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes -o mynetworks=127.0.0.0/8
cleanup unix n - n - 0 cleanup
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
""")
    for name in ("main.cf", "master.cf"):
        os.utime(home / "conf" / name, (1, 1))
    master = subprocess.run(["postconf", "-h", "daemon_directory"], stdout=subprocess.PIPE, check=True, text=True)
    subprocess.run(
        [f"{master.stdout.strip()}/master", "-w", "-c", home / "conf"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    try:
        yield ports
    finally:
        os.kill(int((queue / "pid/master.pid").read_text()), signal.SIGTERM)
        shutil.rmtree(home)


def posttls_finger(pki, port):
    done = subprocess.run(
        ["posttls-finger", "-c", "-d", "sha256", "-l", "secure", "-F", pki[1] / "ca.pem", f"[127.0.0.1]:{port}", NAME],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return done.stdout


def test_posttls_finger_agrees(postfix, pki):
    output = posttls_finger(pki, postfix["relay"])
    answer = probe_server(Port(postfix["relay"]), pki, protocols=True)
    assert answer["problem"] is None and answer["banner"] == f"220 {NAME} ESMTP Postfix"
    assert answer["before_tls"]["mail"]["accepted"] is True and answer["before_tls"]["auth"] == []
    assert "Verified TLS connection established" in output
    assert (answer["verified"], answer["name_matches"]) == (True, True)
    session = answer["tls"]
    logged = re.search(r": (TLS\S+) with cipher (\S+) \((\d+)/\d+ bits\) key-exchange (\S+)", output)
    # Postfix's names of groups differ between versions.
    *same, group = logged.groups()
    assert same == [session["protocol"], session["cipher"], str(session["cipher_bits"])]
    assert group.lower() == session["key_exchange"].lower()
    assert re.search(r"server-signature ECDSA \([\w-]+\) server-digest SHA256", output)
    assert session["signature"] == "ecdsa_secp256r1_sha256"
    pins = re.search(r"fingerprint=(\S+), pkey.fingerprint=(\S+)", output).groups()
    leaf = answer["chain"][0]
    assert pins == (leaf["fingerprint"]["sha256"], leaf["public_key_fingerprint"]["sha256"])
    assert answer["protocols"]["accepted"] == ["TLSv1.2", "TLSv1.3"]
    assert answer["relay"]["relays"] is False and "Relay access denied" in answer["relay"]["reply"]


def test_postfix_with_mandatory_tls(postfix, pki):
    answer = probe_server(Port(postfix["submission"]), pki, protocols=True)
    assert answer["before_tls"]["mail"] == {
        "accepted": False,
        "reply": "530 5.7.0 Must issue a STARTTLS command first",
    }
    assert answer["tls"]["client_certificate_requested"] is True
    assert answer["protocols"]["refused"] == ["TLSv1"] and answer["protocols"]["lowest"] == "TLSv1.1"


def test_postfix_with_implicit_tls_and_a_client_in_mynetworks(postfix, pki):
    answer = probe_server(Port(postfix["submissions"]), pki, implicit_tls=True)
    assert (answer["problem"], answer["before_tls"]) == (None, None)
    assert answer["relay"] == {"relays": True, "reply": "250 2.1.5 Ok"}
    assert "STARTTLS" not in answer["after_tls"]["ehlo"]


class Port:
    """A server of another process."""

    def __init__(self, port):
        self.port = port
