# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The demonstration: real mail through real hosts that this collection has configured, and what each hop did."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections import deque
from dataclasses import dataclass

from lab import mail_log
from lab.common import CACHE, LAB, PROJECT, Clock, LabError, main, podman, say
from lab.hosts import Lab
from lab.mail_log import Hop

PATIENCE = 60


@dataclass(frozen=True)
class Expected:
    """A mail and what must become of it."""

    title: str
    sender: str  # the host it starts on
    recipient: str
    verdicts: tuple[tuple[str, str, str], ...]  # (from, to, Postfix's verdict) of each hop between hosts
    delivered: bool
    reason: str = ""  # what the log must say of a deferred one
    impostor: bool = False  # in the hub's place meanwhile


MAILS = [
    Expected(
        "road-warrior, smarthost, mail exchanger",
        "laptop",
        "bob@example.test",
        (("laptop", "hub", "Verified"), ("hub", "mx", "Trusted")),
        delivered=True,
    ),
    Expected(
        "a peer without TLS, at level may",
        "hub",
        "bob@plain.example.test",
        (("hub", "plain", "none"),),
        delivered=True,
    ),
    Expected(
        "a peer with an unknown CA, at level may",
        "hub",
        "bob@selfsigned.example.test",
        (("hub", "selfsigned", "Untrusted"),),
        delivered=True,
    ),
    Expected(
        "the same peer, with policy secure",
        "hub",
        "bob@secure.example.test",
        (("hub", "selfsigned", "Untrusted"),),
        delivered=False,
        reason=r"certificate not (trusted|verified)",
    ),
    Expected(
        "an impostor in the hub's place",
        "laptop",
        "bob@example.test",
        (("laptop", "impostor", "Untrusted"),),
        delivered=False,
        reason=r"certificate not (trusted|verified)",
        impostor=True,
    ),
]


def wrongs(mail: Expected, hops: list[Hop], names: dict[str, str], impostor: list[str]) -> list[str]:
    """What is not as it must be. names: full name -> host; impostor: the commands it got."""
    between = [hop for hop in hops if not hop.local]
    seen = tuple((hop.source, names.get(hop.target, hop.target or "nobody"), hop.verdict) for hop in between)
    result = []
    if seen != mail.verdicts:
        result.append(
            f"hops are {_hops(seen)}, must be {_hops(mail.verdicts)}" + (f" ({hops[-1].reason})" if hops else "")
        )
    last = hops[-1] if hops else None
    if mail.delivered and not (last and last.local and last.status == "sent"):
        result.append(f"must be delivered, is {last.status if last else 'nowhere in the logs'}")
    if not mail.delivered and not (last and last.status == "deferred"):
        result.append(f"must be deferred, is {last.status if last else 'nowhere in the logs'}")
    if mail.reason and last and not re.search(mail.reason, last.reason, re.IGNORECASE):
        result.append(f"the reason is not the certificate: {last.reason}")
    if mail.impostor:
        verbs = [command.split(" ", 1)[0].upper() for command in impostor]
        if "STARTTLS" not in verbs:
            result.append("the impostor was not even asked for TLS")
        if given := [c for c, verb in zip(impostor, verbs) if verb in ("AUTH", "MAIL", "RCPT", "DATA")]:
            result.append(f"the impostor was told {given[0]!r}")
    return result


def _hops(hops: tuple[tuple[str, str, str], ...]) -> str:
    return ", ".join(f"{source} -> {target} {verdict}" for source, target, verdict in hops) or "none"


def table(rows: list[tuple[str, ...]]) -> str:
    """Rows as columns; an empty cell says: as above."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def rows_of(
    number: int, mail: Expected, hops: list[Hop], names: dict[str, str], problems: list[str]
) -> list[tuple[str, ...]]:
    """The mail's rows in the table: one for each hop between hosts."""
    last = hops[-1] if hops else None
    if not last:
        status = "lost"
    elif last.local and last.status == "sent":
        status = "delivered"
    else:
        status = f"{last.status}: {_short(last.reason)}"
    between = [hop for hop in hops if not hop.local]
    cells: list[tuple[str, ...]] = [
        (
            f"{hop.source} -> {names.get(hop.target, hop.target or '?')}",
            hop.protocol or "clear",
            hop.cipher or "-",
            hop.verdict,
        )
        for hop in between
    ] or [("-", "-", "-", "-")]
    head, end = (str(number), mail.sender, mail.recipient), (status, "WRONG" if problems else "ok")
    return [
        (head if index == 0 else ("", "", "")) + cell + (end if index == len(cells) - 1 else ("", ""))
        for index, cell in enumerate(cells)
    ]


def _short(reason: str) -> str:
    return reason if len(reason) <= 48 else reason[:45] + "..."


class Demo:
    """The running demonstration."""

    def __init__(self) -> None:
        self.lab = Lab("demo")
        self.names = {self.lab.fqdn(name): name for name in self.lab.hosts}
        self.stamp = f"{int(time.time())}"

    def configure(self) -> None:
        """Run the playbook; its progress in a line for each task, everything in a log."""
        log = CACHE / "demo" / "site.log"
        ansible = PROJECT / ".venv" / "bin" / "ansible-playbook"
        argv = [
            str(ansible if ansible.exists() else "ansible-playbook"),
            f"--inventory={(LAB / 'demo-inventory').relative_to(PROJECT)}",
            "playbooks/site.yml",
        ]
        clock = Clock()
        say("$ ansible-playbook " + " ".join(argv[1:]))
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
        last: deque[str] = deque(maxlen=60)
        with open(log, "w", encoding="utf-8") as file, subprocess.Popen(
            argv,
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                file.write(line)
                last.append(line)
                if match := re.match(r"(?:TASK|RUNNING HANDLER) \[(.*?)\] \*", line):
                    say(f"  {match[1]}")
                elif re.match(r"(changed|fatal): |\S+ +: ok=", line):
                    say(f"    {line.strip()[:160]}")
        if process.returncode:
            raise LabError(f"the playbook failed (log: {log})\n{''.join(last)}")
        say(f"  hosts are configured ({clock})")

    def send(self, number: int, mail: Expected) -> str:
        """Hand a mail to Postfix on its first host as alice would; its message id."""
        address = f"alice@{self.lab.fqdn(mail.sender)}"
        message_id = f"demo-{number}-{self.stamp}@{self.lab.fqdn(mail.sender)}"
        text = (
            f"From: {address}\nTo: {mail.recipient}\nSubject: {mail.title}\nMessage-ID: <{message_id}>\n\n"
            "Only who is meant to read this may get it.\n"
        )
        container = self.lab.container(mail.sender)
        sendmail = ["sendmail", "-i", "-f", address, mail.recipient]
        podman("exec", "--interactive", "--user=alice", container, *sendmail, stdin=text.encode())
        return message_id

    def logs(self) -> dict[str, str]:
        """What Postfix has logged on each host."""
        return {
            name: podman("exec", self.lab.container(name), "journalctl", "--no-pager", "--output=short-iso", "--quiet")
            for name, host in self.lab.hosts.items()
            if host.peer not in ("ns", "impostor")
        }

    def follow(self, mail: Expected, message_id: str) -> list[Hop]:
        """Wait for a mail's end."""
        deadline = time.monotonic() + PATIENCE
        while True:
            hops = mail_log.way(mail.sender, self.logs(), message_id, self.names)
            if mail_log.ended(hops) or time.monotonic() > deadline:
                return [self.impersonated(hop) for hop in hops] if mail.impostor else hops
            time.sleep(0.5)

    def impersonated(self, hop: Hop) -> Hop:
        """The log names the hub, as the client believes: say who it was."""
        if self.names.get(hop.target) != "hub":
            return hop
        return mail_log.replace_target(hop, self.lab.fqdn("impostor"))

    def impostor(self) -> list[str]:
        """What the impostor has heard."""
        log = podman("exec", self.lab.container("impostor"), "cat", "/var/log/impostor.log")
        return mail_log.commands(log)

    def run(self) -> int:
        """All of it; the exit status."""
        clock = Clock()
        say("== 1/3  Hosts (containers; the first time their images are built, some minutes)")
        self.lab.up([], fresh=True)
        say("\n== 2/3  Configuration: playbooks/site.yml on laptop (road-warrior), hub (smarthost), mx (mail relay)")
        self.configure()
        say("\n== 3/3  Mail")
        heads = ("", "from", "to", "hop", "protocol", "cipher", "verdict", "status", "")
        rows: list[tuple[str, ...]] = [heads]
        problems: list[str] = []
        heard: list[str] = []
        for number, mail in enumerate(MAILS, 1):
            say(f"  {number} {mail.sender} to {mail.recipient}: {mail.title}")
            if mail.impostor:
                self.lab.point(["hub"], "impostor")
            try:
                hops = self.follow(mail, self.send(number, mail))
            finally:
                if mail.impostor:
                    heard = self.impostor()
                    self.lab.point(["hub"], "itself")
            wrong = wrongs(mail, hops, self.names, heard)
            problems += [f"mail {number}: {text}" for text in wrong]
            rows += rows_of(number, mail, hops, self.names, wrong)
        say("\n" + table(rows))
        say(f"\nAll that the impostor heard: {', '.join(heard) or 'nothing'}")
        if problems:
            say("\nNOT as it must be:\n  " + "\n  ".join(problems))
        else:
            say(f"\nAll {len(MAILS)} mails went as they must ({clock}).")
        playbook = ".venv/bin/ansible-playbook -i tests/lab/demo-inventory playbooks/site.yml"
        say(
            "\nLook around:    make shell HOST=hub    (and there: mailq, postconf -n, journalctl -u 'postfix*')"
            "\nThe last mail:  make shell HOST=laptop (and there: postqueue -f; the real hub is back, so now it leaves)"
            f"\nRun it again:   {playbook}    (changes nothing)"
            "\nRemove it all:  make demo-down"
        )
        return 1 if problems else 0


if __name__ == "__main__":
    main(lambda: Demo().run())
