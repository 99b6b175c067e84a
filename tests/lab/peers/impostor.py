# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An SMTP server with the wrong key that accepts everything and logs every command verbatim.

It offers the extensions of a real submission server, AUTH before and after STARTTLS included, and accepts every command:
if a client discloses a password or a message, the log shows it.
"""

from __future__ import annotations

import socketserver
import ssl
import sys
import threading
import time

NAME = "hub.example.test"
PORTS = {25: False, 587: False, 465: True}


class Log:
    """A file of lines: time, client, port, event, text."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()

    def __call__(self, session: str, event: str, text: str = "") -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S")
        with self._lock, open(self._path, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{stamp} {session} {event} {text}".rstrip() + "\n")


class Session(socketserver.BaseRequestHandler):
    """One client."""

    server: Server

    def handle(self) -> None:
        self.name = f"{self.client_address[0]}:{self.client_address[1]} port {self.server.server_address[1]}"
        self.request.settimeout(300)
        self.server.log(self.name, "connect")
        try:
            if self.server.implicit_tls:
                self.start_tls()
            self.reader = self.request.makefile("rb")
            self.reply(f"220 {NAME} ESMTP Postfix")
            self.talk()
        except (OSError, ValueError) as error:
            self.server.log(self.name, "lost", str(error))
        self.server.log(self.name, "disconnect")

    def start_tls(self) -> None:
        """Start TLS; a failed handshake is logged as a separate event."""
        try:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        except OSError as error:
            self.server.log(self.name, "tls-failed", str(error))
            raise
        self.server.log(self.name, "tls", f"{self.request.version()} {self.request.cipher()[0]}")

    def reply(self, *lines: str) -> None:
        """Send a reply; all but the last line are continued."""
        text = "".join(f"{line}\r\n" for line in lines)
        self.request.sendall(text.encode())

    def line(self) -> str | None:
        """The next line from the client, verbatim; None at the end."""
        data: bytes = self.reader.readline(65536)
        if not data:
            return None
        text = data.rstrip(b"\r\n").decode(errors="backslashreplace")
        self.server.log(self.name, "<", text)
        return text

    def talk(self) -> None:
        """Accept every command."""
        while True:
            line = self.line()
            if line is None:
                return
            verb = line.split(" ", 1)[0].upper()
            if verb == "EHLO":
                offers = [NAME, "PIPELINING", "SIZE 10240000", "AUTH PLAIN LOGIN", "8BITMIME"]
                if not isinstance(self.request, ssl.SSLSocket):
                    offers.append("STARTTLS")
                self.reply(*(f"250-{offer}" for offer in offers), "250 SMTPUTF8")
            elif verb == "STARTTLS":
                self.reply("220 2.0.0 Ready to start TLS")
                self.start_tls()
                self.reader = self.request.makefile("rb")
            elif verb == "AUTH":
                words = line.split()
                if words[1:2] == ["LOGIN"]:
                    for prompt in ("VXNlcm5hbWU6", "UGFzc3dvcmQ6")[len(words) - 2 :]:
                        self.reply(f"334 {prompt}")
                        self.line()
                elif len(words) == 2:
                    self.reply("334 ")
                    self.line()
                self.reply("235 2.7.0 Authentication successful")
            elif verb == "DATA":
                self.reply("354 End data with <CR><LF>.<CR><LF>")
                while True:
                    line = self.line()
                    if line is None:
                        return
                    if line == ".":
                        break
                self.reply("250 2.0.0 Ok: queued as IMPOSTOR")
            elif verb == "QUIT":
                self.reply("221 2.0.0 Bye")
                return
            else:
                self.reply("250 2.1.0 Ok")


class Server(socketserver.ThreadingTCPServer):
    """One port."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, implicit_tls: bool, tls: ssl.SSLContext, log: Log) -> None:
        super().__init__(("0.0.0.0", port), Session)
        self.implicit_tls = implicit_tls
        self.tls = tls
        self.log = log


def main(certificate: str, key: str, log_file: str) -> None:
    """Serve on every port until killed."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    log = Log(log_file)
    threads = [
        threading.Thread(target=Server(port, implicit, tls, log).serve_forever) for port, implicit in PORTS.items()
    ]
    for thread in threads:
        thread.start()
    log("-", "listening", " ".join(map(str, PORTS)))


if __name__ == "__main__":
    main(*sys.argv[1:])
