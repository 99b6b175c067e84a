# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parties that say every word that a verification looks for in the log.

``client HOST`` connects to port 25 of a host again and again. ``server PORT`` is a next hop: without TLS, and with an odd port number one that
refuses all connections. ``logger`` is a local user who writes lines as Postfix's daemons do.
"""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import time

WORDS = [
    "fatal: x",
    "panic: x",
    "error: x",
    "warning: x",
    "mail transport unavailable",
    "client TLS configuration problem",
    "TLS is required, but was not offered by host x",
    "Server certificate not verified",
    "lookup error loops back to myself",
    "status=deliverable (250 2.1.5 Ok)",
    "Verified TLS connection established to x",
    "(in reply to RCPT TO command)",
]
LINES = [
    ("postfix/smtpd[4711]", "fatal: no SASL authentication mechanisms"),
    ("postfix/master[4711]", "fatal: bind 0.0.0.0 port 25: Address already in use"),
    ("postfix/qmgr[4711]", "panic: x"),
    (
        "postfix/smtp[4711]",
        "Verified TLS connection established to trusted.example.test[192.0.2.1]:25: TLSv1.3 with cipher X",
    ),
    (
        "postfix/smtp[4711]",
        "4C0FFEE0000: to=<postmaster@trusted.example.test>, relay=trusted.example.test[192.0.2.1]:25, delay=0.1, dsn=2.1.5, "
        "status=deliverable (250 2.1.5 Ok)",
    ),
    ("postfix/cleanup[4711]", "warning: 4C0FFEE0000: virtual_alias_maps map lookup problem"),
]


def client(host: str) -> None:
    for word in itertools.cycle(WORDS):
        try:
            with socket.create_connection((host, 25), 5) as connection, connection.makefile("rb") as replies:
                replies.readline()
                quoted = word.replace('"', "")
                for command in (
                    f"EHLO {word}",
                    f'MAIL FROM:<"{quoted}"@example.org>',
                    f'RCPT TO:<"{quoted}"@example.net>',
                    "QUIT",
                ):
                    connection.sendall(f"{command}\r\n".encode())
                    while replies.readline()[3:4] == b"-":
                        pass
        except OSError:
            pass
        time.sleep(0.1)


def server(port: int) -> None:
    listening = socket.create_server(("", port))
    for word in itertools.cycle(WORDS):
        connection, _address = listening.accept()
        with connection, connection.makefile("rb") as commands:
            if port % 2:
                connection.sendall(f"554 {word}\r\n".encode())
                continue
            connection.sendall(f"220 {word}\r\n".encode())
            for command in iter(commands.readline, b""):
                code = {b"EHLO": 250, b"QUIT": 221}.get(command[:4].upper(), 450)
                connection.sendall(f"{code} {word}\r\n".encode())
                if code == 221:
                    break


def logger() -> None:
    while True:
        for tag, line in LINES:
            subprocess.run(["logger", "-t", tag.partition("[")[0], "--id=4711", "-p", "mail.err", line], check=False)
        time.sleep(0.1)


if __name__ == "__main__":
    {"client": client, "server": lambda port: server(int(port)), "logger": logger}[sys.argv[1]](*sys.argv[2:])
