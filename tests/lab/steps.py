# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes steps on a host of the lab and prints what it saw as JSON: for scenarios that ask many small questions at once.

    python3 - '{"NAME": {"do": "mails", ...}, ...}' < steps.py

Each step calls the function of that name in STEPS with its other entries as arguments; its result stands under NAME in the
answer. Nothing is judged here: that is for who asks. Needs Python 3.9 alone.
"""

from __future__ import annotations

import grp
import hashlib
import json
import os
import pwd
import re
import smtplib
import ssl
import subprocess
import sys
import time
from typing import Any, Callable

_QUEUED = re.compile(r": (?P<queue_id>\w+): message-id=<(?P<message_id>[^>]+)>$")
_TLS = re.compile(
    r"^(?P<process>\S+): (?:\w+: )?(?P<verdict>Anonymous|Untrusted|Trusted|Verified) TLS connection established to "
    r"(?P<peer>\S+): (?P<protocol>\S+) with cipher (?P<cipher>\S+)"
)
_DELIVERY = re.compile(
    r"^(?P<process>\S+): (?P<queue_id>\w+): to=.*?, relay=(?P<relay>[^,]+), .* status=(?P<status>\w+) \((?P<reason>.*)\)$"
)


def _journal(since: float = 0) -> list[str]:
    """Postfix's log, each line from the program's name on."""
    command = ["journalctl", "--quiet", "--no-pager", "--output=short", "SYSLOG_FACILITY=2", f"--since=@{since:.0f}"]
    done = subprocess.run(command, capture_output=True, check=True)
    return [" ".join(line.split()[4:]) for line in done.stdout.decode(errors="replace").splitlines()]


def mails(recipients: dict[str, str], sender: str = "root", seconds: float = 30) -> dict[str, Any]:
    """Hand a message for each recipient to this host's Postfix, all at once, and wait for the end of the first attempt.

    Each gets status, relay and reason of its delivery as Postfix logged them, the line's process, and verdict, protocol and
    cipher of the TLS session before it: empty if there was none. What stays in the queue is deleted, and the next hops that
    Postfix has given up for a while are forgiven, so that the next mail to them is tried at once.
    """
    since, stamp = time.time() - 1, time.time_ns()
    for name, recipient in recipients.items():
        message = f"From: {sender}\nTo: {recipient}\nSubject: Probe\nMessage-ID: <{name}-{stamp}@probe>\n\nHello.\n"
        subprocess.run(["/usr/sbin/sendmail", "-i", "-f", sender, recipient], input=message.encode(), check=True)
    deadline = time.monotonic() + seconds
    while True:
        seen = {name: _delivery(lines, f"{name}-{stamp}@probe") for lines in [_journal(since)] for name in recipients}
        if all(mail["status"] for mail in seen.values()) or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    stuck = "".join(f"{mail['queue_id']}\n" for mail in seen.values() if mail["queue_id"] and mail["status"] != "sent")
    if stuck:
        subprocess.run(["postsuper", "-d", "-"], input=stuck.encode(), capture_output=True, check=True)
        subprocess.run(["postqueue", "-f"], check=True)
    return seen


def _delivery(lines: list[str], message_id: str) -> dict[str, str]:
    """What became of a message; the TLS session is the last one of the process that delivered it, since its last delivery."""
    seen = dict.fromkeys(("queue_id", "process", "status", "relay", "reason", "verdict", "protocol", "cipher"), "")
    sessions: dict[str, dict[str, str]] = {}
    for line in lines:
        if (queued := _QUEUED.search(line)) and queued["message_id"] == message_id:
            seen["queue_id"] = queued["queue_id"]
        elif session := _TLS.match(line):
            sessions[session["process"]] = session.groupdict()
        elif delivery := _DELIVERY.match(line):
            before = sessions.pop(delivery["process"], {})
            if delivery["queue_id"] == seen["queue_id"]:
                seen.update({name: before.get(name, "") for name in ("verdict", "protocol", "cipher")})
                seen.update(delivery.groupdict())
    return seen


def log(pattern: str, since: float = 0) -> dict[str, Any]:
    """The lines of the mail log in which the pattern is found, since a time."""
    return {"now": time.time(), "lines": [line for line in _journal(since) if re.search(pattern, line)]}


def files(paths: list[str]) -> dict[str, Any]:
    """What tells whether a file is the same as before, and who can read it; null if there is none."""
    seen: dict[str, Any] = {}
    for path in paths:
        if not os.path.exists(path):
            seen[path] = None
            continue
        status = os.stat(path)
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        owner, group = pwd.getpwuid(status.st_uid).pw_name, grp.getgrgid(status.st_gid).gr_name
        seen[path] = {
            "same": f"{status.st_ino} {status.st_mtime_ns} {digest}",
            "access": f"{owner}:{group} {status.st_mode & 0o7777:04o}",
        }
    return seen


def served(host: str, ca_file: str, port: int = 25) -> dict[str, str]:
    """The certificate that a server shows after STARTTLS to a client that checks chain and name, or that client's complaint."""
    context = ssl.create_default_context(cafile=ca_file)
    with smtplib.SMTP(host, port, timeout=20) as client:
        try:
            client.starttls(context=context)
        except ssl.SSLError as error:
            return {"error": str(error), "sha256": ""}
        assert isinstance(client.sock, ssl.SSLSocket)
        digest = hashlib.sha256(client.sock.getpeercert(True) or b"").hexdigest().upper()
    return {"error": "", "sha256": ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))}


def run(argv: list[str]) -> dict[str, Any]:
    """A program and what it says."""
    done = subprocess.run(argv, capture_output=True, timeout=60, check=False)
    words = {"stdout": done.stdout, "stderr": done.stderr}
    return {"rc": done.returncode, **{name: text.decode(errors="replace").rstrip("\n") for name, text in words.items()}}


STEPS: dict[str, Callable[..., dict[str, Any]]] = {
    "mails": mails,
    "log": log,
    "files": files,
    "served": served,
    "run": run,
}


def main(argument: str) -> None:
    """Take all steps in their order."""
    steps: dict[str, dict[str, Any]] = json.loads(argument)
    print(json.dumps({name: STEPS[step.pop("do")](**step) for name, step in steps.items()}, indent=1))


if __name__ == "__main__":
    main(sys.argv[1])
