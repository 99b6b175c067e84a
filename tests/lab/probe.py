# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inspects a mail host: performs steps on the host itself and prints the results as JSON.

    python3 - '{"NAME": {"do": "files", "paths": ["/etc"]}, ...}' < probe.py

Each step calls one of these functions, with its other entries as arguments, in the given order. The output has the result
of each step under its NAME:

files      {PATH: {"content", "access", "stamp"} or null, ...}
send       {NAME: MAIL, ...}
follow     MAIL
arrived    {"received": [header, ...]}
log        {"lines": [line, ...], "cursor"}
session    {"error", "before", "mail_before", "rcpt_before", "tls", "certificate", "after", "auth", "mail", "rcpt", "data"}
protocols  {"accepted": ["TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3"], "errors": {"TLSv1": error, ...}}
run        {"rc", "stdout", "stderr"}

MAIL is {"queue_id", "process", "relay", "status", "reason", "verdict", "protocol", "cipher", "lines": [line, ...]}.
The caller evaluates the results. Requires Python 3.9 and the standard library only.
"""

from __future__ import annotations

import functools
import grp
import hashlib
import json
import os
import pwd
import re
import shutil
import smtplib
import ssl
import subprocess
import sys
import time
import uuid
from typing import Any, Callable, Iterable, Iterator

TIMEOUT_SECONDS = 30.0  # for the replies of a server, and for the delivery of a message
PROTOCOLS = ("TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3")
SENDER = "alice@probe.example.test"
MAILLOG_FILE = "/var/log/mail.log"  # of a host without a journal

_TLS = re.compile(
    r"(?P<verdict>Anonymous|Untrusted|Trusted|Verified) TLS connection established to "
    r"\S+: (?P<protocol>\S+) with cipher (?P<cipher>\S+)"
)
_DELIVERY = re.compile(r"to=<.*? relay=(?P<relay>.*?), .* status=(?P<status>\w+) \((?P<reason>.*)\)$")


def _execute(*argv: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program and wait for it."""
    return subprocess.run(
        argv, input=stdin, capture_output=True, encoding="utf-8", errors="replace", timeout=60, check=check
    )


def run(argv: list[str]) -> dict[str, Any]:
    """Run a program; return its exit status and output."""
    done = _execute(*argv, check=False)
    return {"rc": done.returncode, "stdout": done.stdout.rstrip("\n"), "stderr": done.stderr.rstrip("\n")}


# Files


def _below(path: str) -> Iterator[str]:
    """The path itself; for a directory, all files below it."""
    if not os.path.isdir(path):
        yield path
    for directory, _names, names in os.walk(path):
        for name in names:
            yield os.path.join(directory, name)


def files(paths: list[str]) -> dict[str, Any]:
    """Digest, access and stamp of each file; null if it does not exist. A directory represents its files.

    content: SHA-256, or the target of a link. access: such as "root:postfix 0640". stamp: inode and modification time.
    """
    seen: dict[str, Any] = {}
    for path in (found for top in paths for found in _below(top)):
        if not os.path.lexists(path):
            seen[path] = None
            continue
        status = os.lstat(path)
        if os.path.islink(path):
            content = f"-> {os.readlink(path)}"
        else:
            with open(path, "rb") as file:
                content = hashlib.sha256(file.read()).hexdigest()
        owner, group = pwd.getpwuid(status.st_uid).pw_name, grp.getgrgid(status.st_gid).gr_name
        access = f"{owner}:{group} {status.st_mode & 0o7777:04o}"
        seen[path] = {"content": content, "access": access, "stamp": f"{status.st_ino} {status.st_mtime_ns}"}
    return seen


# Mail and the log


@functools.cache
def _has_journal() -> bool:
    return shutil.which("journalctl") is not None


def _cursor() -> str:
    """The end of the journal, or of the log file: its size."""
    if not _has_journal():
        return str(os.path.getsize(MAILLOG_FILE)) if os.path.exists(MAILLOG_FILE) else "0"
    shown = _execute("journalctl", "--quiet", "--lines=1", "--output=cat", "--show-cursor").stdout
    return shown.rpartition("-- cursor: ")[2].strip()


@functools.cache
def _beginning() -> str:
    """The end of the log before the first step."""
    return _cursor()


def _journal(since: str) -> list[str]:
    """The lines of Postfix after a cursor, or all, starting with the program's name."""
    if _has_journal():
        place = [f"--after-cursor={since}"] if since else []
        lines = _execute("journalctl", "--quiet", "--no-pager", "--output=short", *place).stdout.splitlines()
    else:
        with open(MAILLOG_FILE, "rb") as file:
            file.seek(int(since or 0))
            lines = file.read().decode(errors="replace").splitlines()
    found = (re.search(r" ((?:postfix[\w.-]*/|mailops-postfix\[).*)", line) for line in lines)
    return [match.group(1) for match in found if match]


def log(pattern: str = "", since: str = "") -> dict[str, Any]:
    """The lines of Postfix that match the pattern, after a cursor of an earlier result, or since the first step began."""
    cursor = _cursor()
    return {"cursor": cursor, "lines": [line for line in _journal(since or _beginning()) if re.search(pattern, line)]}


def _trace(lines: list[str], message_id: str) -> dict[str, Any]:
    """The entries of a message in the log."""
    names = ("queue_id", "process", "relay", "status", "reason", "verdict", "protocol", "cipher")
    seen: dict[str, Any] = {**dict.fromkeys(names, ""), "lines": []}
    for line in lines:
        if line.endswith(f": message-id=<{message_id}>"):
            seen["queue_id"] = line.split(": ")[1]
    if not seen["queue_id"]:
        return seen
    # A TLS line may have no queue id: it belongs to the next message that the same process receives or delivers.
    tls: dict[str, list[str]] = {}
    for line in lines:
        process, _colon, words = line.partition(": ")
        queue_id, _colon, rest = words.partition(": ")
        if " TLS connection established " in words or "fingerprint=" in words:
            tls.setdefault(process, []).append(line)
            continue
        before = tls.pop(process, []) if rest.startswith(("client=", "to=")) else []
        if words.startswith("disconnect from "):
            tls.pop(process, None)
        elif queue_id == seen["queue_id"]:
            seen["lines"] += [*before, line]
            if delivery := _DELIVERY.match(rest):
                seen.update({"process": process, **delivery.groupdict(), "verdict": "", "protocol": "", "cipher": ""})
                for match in filter(None, map(_TLS.search, before)):
                    seen.update(match.groupdict())
    return seen


def _follow(message_ids: Iterable[str], since: str, leaving: bool = False) -> dict[str, dict[str, Any]]:
    """The traces of messages after the first attempt, or with ``leaving`` after delivery, of each.

    leaving: flush the queue every two seconds until all messages are delivered.
    """
    deadline = time.monotonic() + TIMEOUT_SECONDS
    flushed = 0.0
    while True:
        if leaving and time.monotonic() - flushed > 2:
            _execute("postqueue", "-f")
            flushed = time.monotonic()
        lines = _journal(since)
        seen = {message_id: _trace(lines, message_id) for message_id in message_ids}
        ended = all(mail["status"] == "sent" or (mail["status"] and not leaving) for mail in seen.values())
        if ended or time.monotonic() > deadline:
            return seen
        time.sleep(0.2)


def _message(sender: str, recipient: str, message_id: str, header: str = "") -> str:
    more = f"{header}\n" if header else ""
    return f"{more}From: {sender}\nTo: {recipient}\nSubject: Probe\nMessage-ID: <{message_id}>\n\nHello.\n"


def send(
    recipients: dict[str, str], sender: str = "root", run_id: str = "", keep: bool = False, header: str = ""
) -> dict[str, Any]:
    """Submit a message for each recipient, all at once, as a user of this host, and follow them to the end of the first attempt.

    run_id: the message NAME gets the Message-ID NAME.run_id, with which other hosts can follow it too.
    keep: keep undelivered messages in the queue. Otherwise they are deleted and the queue is flushed, so that Postfix delivers
    the next message to the same next hops immediately.
    header: one more header of each message.
    """
    run_id = run_id or f"{uuid.uuid4().hex}@probe"
    for name, recipient in recipients.items():
        text = _message(sender, recipient, f"{name}.{run_id}", header)
        _execute("/usr/sbin/sendmail", "-i", "-f", sender, recipient, stdin=text)
    mails = _follow([f"{name}.{run_id}" for name in recipients], _beginning())
    stuck = "".join(f"{mail['queue_id']}\n" for mail in mails.values() if mail["queue_id"] and mail["status"] != "sent")
    if stuck and not keep:
        _execute("postsuper", "-d", "-", stdin=stuck)
        _execute("postqueue", "-f")
    return {name: mails[f"{name}.{run_id}"] for name in recipients}


def follow(message_id: str, flush: bool = False) -> dict[str, Any]:
    """The entries of a message in this host's log, after its delivery or deferral.

    process, relay, status, reason: of the last delivery; verdict, protocol, cipher: of its TLS session, empty
    if there was none. lines: all with its queue id, each preceded by the TLS lines of its process.
    flush: flush the queue until the message is delivered.
    """
    return _follow([message_id], since="", leaving=flush)[message_id]


def arrived(user: str, message_id: str) -> dict[str, Any]:
    """The Received headers of a message in a mailbox, unfolded, newest first; none if it does not arrive in time."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
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


# SMTP and TLS


def _context(protocol: str, ca_file: str) -> ssl.SSLContext:
    """The TLS requirements of a client."""
    if ca_file:
        context = ssl.create_default_context(cafile=ca_file)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if protocol:
        # The local OpenSSL must accept old protocol versions.
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, protocol)
    return context


def _reply(answer: tuple[int, bytes]) -> str:
    code, text = answer
    return f"{code} {text.decode(errors='replace')}"


def session(
    host: str,
    port: int = 25,
    protocol: str = "",
    ca_file: str = "",
    user: str = "",
    recipient: str = "",
    message_id: str = "",
    sender: str = SENDER,
) -> dict[str, Any]:
    """The replies of a server to a client session, with implicit TLS on port 465 and STARTTLS on all others.

    before, after: the replies to EHLO before and after STARTTLS. mail_before, rcpt_before: the replies to an envelope before it.
    tls: the version; certificate: the SHA-256 fingerprint of the server's. error: the reason if the session ended early.
    protocol: the only TLS version to use, one of PROTOCOLS, with all ciphers that OpenSSL supports.
    ca_file: verify the server's certificate and name with it. user: authenticate; the password is the user's name.
    recipient: send an envelope, from the sender. message_id: send a complete message.
    """
    context = _context(protocol, ca_file)
    replies = ("before", "mail_before", "rcpt_before", "tls", "certificate", "after", "auth", "mail", "rcpt", "data")
    seen: dict[str, Any] = dict.fromkeys(("error", *replies), "")
    try:
        if port == 465:
            client: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=context)
        else:
            client = smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
            seen["before"] = _reply(client.ehlo())
            if recipient:
                seen["mail_before"] = _reply(client.mail(sender))
                seen["rcpt_before"] = _reply(client.rcpt(recipient))
                client.rset()
            client.starttls(context=context)
        assert isinstance(client.sock, ssl.SSLSocket)
        seen["tls"] = client.sock.version()
        digest = hashlib.sha256(client.sock.getpeercert(True) or b"").hexdigest().upper()
        seen["certificate"] = ":".join(re.findall("..", digest))
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
        client.quit()
    except (OSError, smtplib.SMTPException) as error:
        seen["error"] = f"{type(error).__name__}: {error}"
    return seen


def protocols(host: str, port: int = 25) -> dict[str, Any]:
    """The TLS versions with a successful handshake, and the errors of the others."""
    sessions = {protocol: session(host, port, protocol) for protocol in PROTOCOLS}
    return {
        "accepted": [protocol for protocol, seen in sessions.items() if seen["tls"]],
        "errors": {protocol: seen["error"] for protocol, seen in sessions.items() if not seen["tls"]},
    }


STEPS: dict[str, Callable[..., dict[str, Any]]] = {
    step.__name__: step for step in (files, send, follow, arrived, log, session, protocols, run)
}


def main(argument: str) -> None:
    """Perform all steps."""
    steps: dict[str, dict[str, Any]] = json.loads(argument)
    _beginning()
    print(json.dumps({name: STEPS[step.pop("do")](**step) for name, step in steps.items()}, indent=1))


if __name__ == "__main__":
    main(sys.argv[1])
