# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Serves the MTA-STS policy of any domain over HTTPS: the mail exchanger is the domain without its first label.

mta-sts-policies DIRECTORY    # with fullchain.pem and privkey.pem
"""

from __future__ import annotations

import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Policies(BaseHTTPRequestHandler):
    """mta-sts.a.trusted.example.test serves the policy of a.trusted.example.test, whose mail exchanger is trusted.example.test."""

    def do_GET(self) -> None:
        exchanger = (self.headers["Host"] or "").split(":")[0].split(".", 2)[-1]
        text = f"version: STSv1\r\nmode: enforce\r\nmx: {exchanger}\r\nmax_age: 86400\r\n".encode()
        self.send_response(200 if self.path == "/.well-known/mta-sts.txt" else 404)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def main(directory: Path) -> None:
    server = ThreadingHTTPServer(("0.0.0.0", 443), Policies)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "fullchain.pem", directory / "privkey.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
