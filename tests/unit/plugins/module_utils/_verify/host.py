# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host with an unverified change, for tests of its verification."""

from __future__ import annotations

import fcntl
import re

from ansible_collections.mailops.postfix.plugins.module_utils._host import cleanup
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import (
    Completed,
    Instance,
    run_program,
)
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import store
from ansible_collections.mailops.postfix.plugins.module_utils._verify import verify

OPTIONS = {
    "requires": "reload",
    "listeners": "error",
    "next_hops": "error",
    "recipients": [],
    "on_failure": "undo",
    "timeout": 1.0,
    "settle": 0.0,
}

CORRECT = {
    "problem": None,
    "failed_at": None,
    "before_tls": {"auth": [], "starttls": False, "mail": {"accepted": True}},
    "after_tls": None,
    "relay": None,
    "chain": [],
}

MISCONFIGURED = {**CORRECT, "relay": {"relays": None, "reply": "451 4.3.5 Server configuration error"}}
"""smtpd(8) starts, but rejects all mail because of its configuration."""


class Host:
    """An instance with an unverified change, and programs that are simulated."""

    def __init__(self, directory):
        self.directory = directory
        self.log = directory / "maillog"
        self.commands = []
        self.probed = []
        self.results = [CORRECT]
        self.failing = {}
        self.delivery = "status=deliverable (250 2.1.5 Ok)"
        self.deliveries = {}
        self.tls = "Verified"
        self.queue = b""
        self.messages = []
        self.master = None
        self.rejected = ""
        self.logged = {}
        self.has_log = True

    def instance(self):
        return Instance(str(self.directory), self.run)

    def run(self, argv, stdin=None):
        if argv[0] == "postfix":
            self.commands.append(argv[-1])
            if argv[-1] in self.failing:
                return Completed(tuple(argv), 1, b"", self.failing[argv[-1]])
            if argv[-1] == "start":
                self.start()
            return Completed(tuple(argv), 0, b"", b"")
        if argv[0] == "postqueue":
            return Completed(tuple(argv), 0, self.queue, b"")
        assert argv[0] in ("postconf", "postmap", "openssl"), argv
        return run_program(argv, stdin)

    def queue_probe(self, instance, sender, recipient, is_reported):
        """As cleanup(8) and smtp(8) do: a queue id, lines in the log, and a report."""
        self.messages.append((sender, recipient, is_reported))
        self.commands.append(f"probe {recipient}")
        queue_id = f"4C0FFEE{len(self.messages)}"
        if self.rejected:
            self.write_log(f"postfix/cleanup[6]: {queue_id}: milter-reject: CONNECT from localhost: {self.rejected}")
            return cleanup.Queued(queue_id, self.rejected)
        delivery = self.deliveries.get(recipient, self.delivery)
        delivery = delivery(self) if callable(delivery) else delivery
        found = re.match(r"status=(\w+) \((.*)\)$", delivery)
        if not found:
            return cleanup.Queued(queue_id)
        number = len(self.messages)
        relay = f"hub[192.0.2.{number}]:25"
        if self.tls:
            self.write_log(
                f"postfix/smtp[{number}]: {self.tls} TLS connection established to {relay}: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 "
                "(256/256 bits)"
            )
        logged = self.logged.get(recipient, delivery)
        self.write_log(
            f"postfix/smtp[{number}]: {queue_id}: to=<{recipient}>, relay={relay}, delay=0.1, dsn=2.0.0, {logged}"
        )
        if is_reported:
            (self.directory / "queue/trace").mkdir(parents=True, exist_ok=True)
            report = (
                f"\n<{recipient}>: x\nrecipient={recipient}\naction={found[1]}\nmta_mname=hub\nreason={found[2]}\n\n"
            )
            (self.directory / "queue/trace" / queue_id).write_text(report)
        return cleanup.Queued(queue_id)

    def write_log(self, line):
        if self.has_log:
            with open(self.log, "a", encoding="utf-8") as file:
                file.write(f"Nov 23 12:00:00 host {line}\n")

    def start(self):
        """As master(8) does, lock its pid file."""
        (self.directory / "queue/pid").mkdir(parents=True, exist_ok=True)
        self.master = open(self.directory / "queue/pid/master.pid", "wb")  # noqa: SIM115
        fcntl.flock(self.master, fcntl.LOCK_EX)

    def die(self):
        if self.master:
            self.master.close()
        self.master = None

    def probe(self, options):
        self.probed.append((options.host, options.port))
        result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        return result() if callable(result) else result

    def verify(self, check_mode=False, **options):
        transaction = next(iter(self.open()), None)
        return verify.verify(self.instance, {**OPTIONS, "transaction": transaction, **options}, check_mode, self.probe)

    def main_cf(self):
        return (self.directory / "main.cf").read_text()

    def open(self):
        """The identifiers of the open transactions."""
        return [found.id for found in store.open_transactions(str(self.directory))]
