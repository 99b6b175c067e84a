# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that smtpd(8) asks, as simple as can be: ``milter PORT``, ``greylist PORT`` (a policy service that greylists everyone)."""

import socketserver
import struct
import sys


class Milter(socketserver.StreamRequestHandler):
    """A milter that continues with everything (the protocol of libmilter, version 6)."""

    def handle(self):
        while True:
            header = self.rfile.read(4)
            if len(header) < 4:
                return
            data = self.rfile.read(struct.unpack("!I", header)[0])
            reply = {b"O": b"O" + struct.pack("!III", 6, 0, 0), b"Q": b"", b"D": b"", b"A": b"", b"K": b""}.get(
                data[:1], b"c"
            )
            if reply:
                self.wfile.write(struct.pack("!I", len(reply)) + reply)


class Greylist(socketserver.StreamRequestHandler):
    """A policy service that greylists every client (SMTPD_POLICY_README)."""

    def handle(self):
        for line in self.rfile:
            if line == b"\n":
                self.wfile.write(b"action=450 4.2.0 Greylisted, see example.org\n\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


kind, port = sys.argv[1:]
Server(("127.0.0.1", int(port)), {"milter": Milter, "greylist": Greylist}[kind]).serve_forever()
