# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs on a host of the lab: holds SMTP sessions, sends mail and follows it, and prints what it saw as JSON.

    python3 - '{"NAME": {"do": "session", "host": "hub.example.test"}, ...}' < sessions.py

Each step is a call of a function in STEPS with the other entries as arguments; the answer has its result under NAME.
Steps are taken in order. Nothing is judged here: that is for who asks. Needs Python 3.9 alone.
"""

from __future__ import annotations

import json
import re
import smtplib
import ssl
import subprocess
import sys
import time
from typing import Any, Callable

SECONDS = 20.0  # that a server may take to answer, and a message to come through


def _reply(answer: tuple[int, bytes]) -> str:
    code, text = answer
    return f"{code} {text.decode(errors='replace')}"


def session(
    host: str,
    port: int = 25,
    protocol: str = "",
    user: str = "",
    certificate: str = "",
    recipient: str = "",
    message_id: str = "",
) -> dict[str, Any]:
    """One session as a client would hold it, with TLS from the start on 465 and STARTTLS elsewhere; the server's words.

    before, after: what EHLO offers before and after STARTTLS. mail_before, rcpt_before: the replies to an envelope before it.
    protocol: the only TLS version to speak, such as TLSv1_1, with all the ciphers that OpenSSL still has.
    user: authenticate; the password is the user's name. certificate: a PEM file with the client's key and certificate.
    message_id: send a whole message, not just its envelope.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if protocol:
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, protocol)
    if certificate:
        context.load_cert_chain(certificate)
    names = ("error", "before", "mail_before", "rcpt_before", "tls", "after", "auth", "mail", "rcpt", "data")
    seen: dict[str, Any] = dict.fromkeys(names, "")
    sender = "alice@probe.example.test"
    try:
        if port == 465:
            client: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=context)
        else:
            client = smtplib.SMTP(host, port, timeout=SECONDS)
            seen["before"] = _reply(client.ehlo())
            if recipient:
                seen["mail_before"] = _reply(client.mail(sender))
                seen["rcpt_before"] = _reply(client.rcpt(recipient))
                client.rset()
            client.starttls(context=context)
        assert isinstance(client.sock, ssl.SSLSocket)
        seen["tls"] = client.sock.version()
        seen["after"] = _reply(client.ehlo())
        if user:
            client.user, client.password = user, user
            try:
                seen["auth"] = _reply(client.auth("PLAIN", client.auth_plain))
            except smtplib.SMTPResponseException as error:
                seen["auth"] = f"{error.smtp_code} {error.smtp_error!r}"
        if recipient:
            seen["mail"] = _reply(client.mail(sender))
            seen["rcpt"] = _reply(client.rcpt(recipient))
            if message_id and seen["rcpt"].startswith("250"):
                seen["data"] = _reply(client.data(_message(sender, recipient, message_id)))
        client.close()
    except (OSError, smtplib.SMTPException) as error:
        seen["error"] = f"{type(error).__name__}: {error}"
    return seen


def _message(sender: str, recipient: str, message_id: str) -> str:
    return f"From: {sender}\nTo: {recipient}\nSubject: Probe\nMessage-ID: <{message_id}>\n\nHello.\n"


def send(sender: str, recipient: str, message_id: str) -> dict[str, Any]:
    """Hand a message to this host's Postfix as a user does, and follow it."""
    message = _message(sender, recipient, message_id)
    subprocess.run(["sendmail", "-i", "-f", sender, recipient], input=message.encode(), check=True)
    return follow(message_id)


def follow(message_id: str, flush: bool = False) -> dict[str, Any]:
    """What this host's log says of a message, once it is through or put back.

    status, relay, reason: of its last delivery. lines: all with its queue id, each after what its process said of TLS just before.
    flush: try the queue again first, and wait until the message has left.
    """
    if flush:
        subprocess.run(["postqueue", "-f"], check=True)
    deadline = time.monotonic() + SECONDS
    while True:
        seen = _trace(message_id)
        if seen["status"] == "sent" or (seen["status"] and not flush) or time.monotonic() > deadline:
            return seen
        time.sleep(0.2)


def _trace(message_id: str) -> dict[str, Any]:
    journal = ["journalctl", "--quiet", "--no-pager", "--output=short", "SYSLOG_FACILITY=2"]
    text = subprocess.run(journal, capture_output=True, check=True).stdout.decode(errors="replace")
    # "Nov 23 02:10:08 hub.example.test postfix/smtp[12]: ..."
    log = [line.split(" ", 4)[4].split(": ", 1) for line in text.splitlines() if "]: " in line]
    seen: dict[str, Any] = {"queue_id": "", "status": "", "relay": "", "reason": "", "lines": []}
    tls: dict[str, list[str]] = {}
    for _process, words in log:
        if words.endswith(f": message-id=<{message_id}>"):
            seen["queue_id"] = words.split(":")[0]
    for process, words in log:
        if " TLS connection established " in words or "fingerprint=" in words:
            tls.setdefault(process, []).append(f"{process}: {words}")
        elif seen["queue_id"] and words.startswith(f"{seen['queue_id']}: "):
            seen["lines"] += [*tls.pop(process, []), f"{process}: {words}"]
            if match := re.search(r" relay=(.*?), .* status=(\w+) \((.*)\)$", words):
                seen["relay"], seen["status"], seen["reason"] = match.groups()
        elif words.startswith("disconnect from "):
            tls.pop(process, None)
    return seen


def arrived(user: str, message_id: str) -> dict[str, Any]:
    """A message in a mailbox: its Received headers, newest first; none if it does not come in time."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            with open(f"/var/mail/{user}", encoding="utf-8", errors="replace") as file:
                mails = file.read().split("\n\nFrom ")
        except FileNotFoundError:
            mails = []
        for mail in mails:
            head = re.sub(r"\n[ \t]+", " ", mail.split("\n\n")[0])
            if f"<{message_id}>" in head:
                return {"received": [line[10:] for line in head.splitlines() if line.startswith("Received: ")]}
        if time.monotonic() > deadline:
            return {"received": []}
        time.sleep(0.2)


def program(argv: list[str]) -> dict[str, Any]:
    """A program and what it says."""
    done = subprocess.run(argv, capture_output=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
    out, err = (text.decode(errors="replace").rstrip("\n") for text in (done.stdout, done.stderr))
    return {"rc": done.returncode, "stdout": out, "stderr": err}


STEPS: dict[str, Callable[..., dict[str, Any]]] = {
    "session": session,
    "send": send,
    "follow": follow,
    "arrived": arrived,
    "program": program,
}


def main(argument: str) -> None:
    """Take all steps."""
    steps: dict[str, dict[str, Any]] = json.loads(argument)
    print(json.dumps({name: STEPS[step.pop("do")](**step) for name, step in steps.items()}, indent=2))


if __name__ == "__main__":
    main(sys.argv[1])
