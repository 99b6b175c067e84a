#!/usr/bin/env python3
# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a mail host really does: run on the host itself, by ``python3 -`` with this file on standard input; prints JSON.

probe.py files DIRECTORY...           every file with its mode, owner, modification time and content's hash
probe.py talk [--to RECIPIENT]... [--port PORT]... [--ca FILE] [--relay RECIPIENT]
    sends a mail to each recipient and waits for what the log says of it, takes each port through EHLO, STARTTLS, each
    version of TLS and the attempt to relay for a stranger (from the host's own address, which is in no mynetworks here),
    sends alice a mail through the last port that takes one, and shows its headers, what postconf warns of, and everything that Postfix has logged meanwhile

Python 3.8 and the standard library are enough for it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import smtplib
import socket
import ssl
import subprocess
import time
import uuid

PATIENCE = 20  # seconds that a mail may take
PROTOCOLS = ("tls1", "tls1_1", "tls1_2", "tls1_3")
MAILBOX = "/var/mail/alice"
VERDICT = re.compile(
    r"/smtp\[(?P<pid>\d+)\]: (?:\w+: )?(?P<verdict>Anonymous|Untrusted|Trusted|Verified) TLS connection established to "
)
DELIVERY = re.compile(
    r"/(?:smtp|error)\[(?P<pid>\d+)\]: (?P<queue_id>\w+): to=<(?P<to>[^>]*)>.* status=(?P<status>\w+) \((?P<reason>.*)\)$"
)


def run(*argv: str, stdin: str = "") -> str:
    """Standard output and standard error of a program."""
    done = subprocess.run(
        argv, input=stdin.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False
    )
    return done.stdout.decode(errors="replace")


# Files


def files(directories: list[str]) -> dict[str, list[str]]:
    """Everything that an edit could change, by path."""
    result = {}
    for top in directories:
        for directory, _names, names in os.walk(top):
            for path in (os.path.join(directory, name) for name in names):
                now = os.lstat(path)
                if os.path.islink(path):
                    content = os.readlink(path)
                else:
                    with open(path, "rb") as file:
                        content = hashlib.sha256(file.read()).hexdigest()
                result[path] = [oct(now.st_mode), f"{now.st_uid}:{now.st_gid}", str(now.st_mtime_ns), content]
    return result


# The client side: mail that leaves


def cursor() -> str:
    """The end of the journal."""
    return (
        run("journalctl", "--quiet", "--lines=1", "--output=cat", "--show-cursor").rsplit("-- cursor: ", 1)[1].strip()
    )


def log(since: str) -> list[str]:
    """Postfix's lines after that place in the journal, from the program's name on."""
    lines = run("journalctl", "--quiet", "--no-pager", "--output=short", f"--after-cursor={since}").splitlines()
    return [line[line.index("postfix/") :] for line in lines if " postfix/" in line]


def deliveries(lines: list[str], recipients: list[str]) -> dict[str, dict[str, str]]:
    """The last word of the log about the mail to each recipient; the verdict is that of the same smtp(8)'s last connection."""
    verdicts: dict[str, str] = {}
    result = {}
    for line in lines:
        tls, delivery = VERDICT.search(line), DELIVERY.search(line)
        if tls:
            verdicts[tls["pid"]] = tls["verdict"]
        elif delivery:
            verdict = verdicts.pop(delivery["pid"], "none")
            if delivery["to"] in recipients:
                result[delivery["to"]] = {**delivery.groupdict(), "verdict": verdict}
    return result


def send(recipients: list[str], since: str) -> dict[str, dict[str, str]]:
    """A mail to each; what became of it. Mail that stays in the queue is removed from it afterwards."""
    for recipient in recipients:
        run("/usr/sbin/sendmail", "-f", "root", recipient, stdin=f"Subject: probe\nTo: {recipient}\n\nHello\n")
    deadline = time.monotonic() + PATIENCE
    result: dict[str, dict[str, str]] = {}
    while len(result) < len(recipients) and time.monotonic() < deadline:
        time.sleep(0.3)
        result = deliveries(log(since), recipients)
    for delivery in result.values():
        if delivery["status"] == "deferred":
            run("postsuper", "-d", delivery["queue_id"])
    return result


def chrooted() -> bool:
    """Whether the running smtp(8) was told by master(8) to go into its chroot."""
    commands = []
    for pid in run("pgrep", "-x", "smtp").split():
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
            commands.append(file.read().split("\0"))
    return bool(commands) and all("-c" in command for command in commands)


# The server side: what each port offers and takes


def accepts(address: str, port: int, protocol: str) -> bool:
    """Whether a handshake in exactly this version succeeds; our own OpenSSL refuses none for its age."""
    start = [] if port == 465 else ["-starttls", "smtp"]
    argv = [
        "openssl",
        "s_client",
        "-connect",
        f"{address}:{port}",
        *start,
        f"-{protocol}",
        "-cipher",
        "DEFAULT@SECLEVEL=0",
    ]
    return "Cipher is (NONE)" not in run(*argv, stdin="QUIT\r\n")


def connect(address: str, port: int, context: ssl.SSLContext) -> smtplib.SMTP:
    """A connection that has not said anything yet."""
    if port == 465:
        return smtplib.SMTP_SSL(address, port, timeout=PATIENCE, context=context)
    return smtplib.SMTP(address, port, timeout=PATIENCE)


def verified(name: str, address: str, port: int, ca: str) -> str:
    """What a client that checks the certificate against this CA and the name says of it: its error, or nothing."""
    context = ssl.create_default_context(cafile=ca)
    try:
        with socket.create_connection((address, port), PATIENCE) as plain:
            if port != 465:
                reader = plain.makefile("rb")
                for line in ("", "EHLO probe\r\n", "STARTTLS\r\n"):
                    plain.sendall(line.encode())
                    while reader.readline()[3:4] == b"-":
                        pass
            with context.wrap_socket(plain, server_hostname=name):
                return ""
    except OSError as error:
        return str(error)


def port_facts(name: str, address: str, port: int, ca: str, stranger: str) -> dict[str, object]:
    """All about one port."""
    context = ssl._create_unverified_context()
    result: dict[str, object] = {}
    with connect(address, port, context) as smtp:
        smtp.ehlo()
        result["ehlo"] = sorted(smtp.esmtp_features)
        result["mail_in_clear"] = smtp.mail("stranger@example.com")[0]
    with connect(address, port, context) as smtp:
        smtp.ehlo()
        if port != 465 and smtp.has_extn("starttls"):
            smtp.starttls(context=context)
            smtp.ehlo()
        result["ehlo_tls"] = sorted(smtp.esmtp_features)
        smtp.mail("stranger@example.com")
        code, text = smtp.rcpt(stranger)
        result["relay"] = f"{code} {text.decode()}"
    result["protocols"] = [protocol for protocol in PROTOCOLS if accepts(address, port, protocol)]
    if ca:
        result["certificate_error"] = verified(name, address, port, ca)
    return result


def letter(name: str, address: str) -> str:
    """The headers, unfolded, of a mail to alice that came over port 25 with STARTTLS, as delivered."""
    mark = uuid.uuid4().hex
    with connect(address, 25, ssl._create_unverified_context()) as smtp:
        smtp.ehlo()
        if smtp.has_extn("starttls"):
            smtp.starttls(context=ssl._create_unverified_context())
            smtp.ehlo()
        smtp.sendmail("stranger@example.com", f"alice@{name}", f"Subject: {mark}\r\n\r\nHello\r\n")
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if os.path.exists(MAILBOX):
            with open(MAILBOX, encoding="utf-8", errors="replace") as file:
                for message in re.split(r"^(?=From )", file.read(), flags=re.MULTILINE):
                    if mark in message:
                        return re.sub(r"\n\s+", " ", message.split("\n\n", 1)[0])
        time.sleep(0.3)
    return ""


def talk(options: argparse.Namespace) -> dict[str, object]:
    """Everything that was asked for."""
    since = cursor()
    warnings = run("sh", "-c", "postconf 2>&1 > /dev/null")
    name = socket.getfqdn()
    address = socket.gethostbyname(name)
    result: dict[str, object] = {
        "warnings": warnings,
        "deliveries": send(options.to, since),
        "chrooted": chrooted(),
        "ports": {str(port): port_facts(name, address, port, options.ca, options.relay) for port in options.port},
    }
    if 25 in options.port:
        result["letter"] = letter(name, address)
    result["log"] = log(since)
    return result


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="probe.py")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("files")
    command.add_argument("directories", nargs="+")
    command = commands.add_parser("talk")
    command.add_argument("--to", action="append", default=[])
    command.add_argument("--port", action="append", type=int, default=[])
    command.add_argument("--ca", default="")
    command.add_argument("--relay", default="root@plain.example.test")
    options = parser.parse_args()
    print(json.dumps(files(options.directories) if options.command == "files" else talk(options)))


if __name__ == "__main__":
    main()
