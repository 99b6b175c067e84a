# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The demonstration: sends real mail through real hosts that this collection has configured, and shows the result of each hop."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections import deque
from dataclasses import dataclass

from lab import mail_log
from lab.common import LAB, PROJECT, Clock, LabError, main, podman, say
from lab.hosts import Lab
from lab.mail_log import Hop

DELIVERY_SECONDS = 60


@dataclass(frozen=True)
class Expected:
    """A message and its expected delivery."""

    title: str
    sender: str  # the host that sends it
    recipient: str
    verdicts: tuple[tuple[str, str, str], ...]  # (from, to, Postfix's verdict) of each hop between hosts
    delivered: bool
    reason: str = ""  # the expected reason in the log if it is deferred
    impostor: bool = False  # the hub's name points to the impostor during delivery


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
        "an impostor under the hub's name",
        "laptop",
        "bob@example.test",
        (("laptop", "impostor", "Untrusted"),),
        delivered=False,
        reason=r"certificate not (trusted|verified)",
        impostor=True,
    ),
]


def deviations(mail: Expected, hops: list[Hop], names: dict[str, str], impostor: list[str]) -> list[str]:
    """The deviations from the expected delivery. names: full name -> host; impostor: the commands that it received."""
    between = [hop for hop in hops if not hop.local]
    seen = tuple((hop.source, names.get(hop.target, hop.target or "no host"), hop.verdict) for hop in between)
    result = []
    if seen != mail.verdicts:
        result.append(
            f"expected hops: {_hops(mail.verdicts)}; found: {_hops(seen)}" + (f" ({hops[-1].reason})" if hops else "")
        )
    last = hops[-1] if hops else None
    if mail.delivered and not (last and last.local and last.status == "sent"):
        result.append(f"expected: delivered; found: {last.status if last else 'not in the logs'}")
    if not mail.delivered and not (last and last.status == "deferred"):
        result.append(f"expected: deferred; found: {last.status if last else 'not in the logs'}")
    if mail.reason and last and not re.search(mail.reason, last.reason, re.IGNORECASE):
        result.append(f"the reason is not the certificate: {last.reason}")
    if mail.impostor:
        verbs = [command.split(" ", 1)[0].upper() for command in impostor]
        if "STARTTLS" not in verbs:
            result.append("the impostor did not receive STARTTLS")
        if given := [c for c, verb in zip(impostor, verbs) if verb in ("AUTH", "MAIL", "RCPT", "DATA")]:
            result.append(f"the impostor received {given[0]!r}")
    return result


def _hops(hops: tuple[tuple[str, str, str], ...]) -> str:
    return ", ".join(f"{source} -> {target} {verdict}" for source, target, verdict in hops) or "none"


def table(rows: list[tuple[str, ...]]) -> str:
    """Format rows as columns; an empty cell means: as above."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def rows_of(
    number: int, mail: Expected, hops: list[Hop], names: dict[str, str], problems: list[str]
) -> list[tuple[str, ...]]:
    """The rows of a message in the table, one for each hop between hosts."""
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
        """Run the playbook. Prints a line for each task; the log has the complete output."""
        log = self.lab.directory / "site.log"
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
        with (
            open(log, "w", encoding="utf-8") as file,
            subprocess.Popen(
                argv,
                cwd=PROJECT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            ) as process,
        ):
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
        """Submit a message as alice on its first host; return its message id."""
        address = f"alice@{self.lab.fqdn(mail.sender)}"
        message_id = f"demo-{number}-{self.stamp}@{self.lab.fqdn(mail.sender)}"
        text = (
            f"From: {address}\nTo: {mail.recipient}\nSubject: {mail.title}\nMessage-ID: <{message_id}>\n\n"
            "Only the recipient may receive this message.\n"
        )
        container = self.lab.container(mail.sender)
        sendmail = ["sendmail", "-i", "-f", address, mail.recipient]
        podman("exec", "--interactive", "--user=alice", container, *sendmail, stdin=text.encode())
        return message_id

    def logs(self) -> dict[str, str]:
        """The journal of each host."""
        return {
            name: podman("exec", self.lab.container(name), "journalctl", "--no-pager", "--output=short-iso", "--quiet")
            for name, host in self.lab.hosts.items()
            if host.peer not in ("ns", "impostor")
        }

    def follow(self, mail: Expected, message_id: str) -> list[Hop]:
        """Wait until a message is delivered or deferred."""
        deadline = time.monotonic() + DELIVERY_SECONDS
        while True:
            hops = mail_log.way(mail.sender, self.logs(), message_id, self.names)
            if mail_log.ended(hops) or time.monotonic() > deadline:
                return [self.impersonated(hop) for hop in hops] if mail.impostor else hops
            time.sleep(0.5)

    def impersonated(self, hop: Hop) -> Hop:
        """The hop with the impostor as its target: the log has the name of the hub."""
        if self.names.get(hop.target) != "hub":
            return hop
        return mail_log.replace_target(hop, self.lab.fqdn("impostor"))

    def impostor(self) -> list[str]:
        """The commands that the impostor received."""
        log = podman("exec", self.lab.container("impostor"), "cat", "/var/log/impostor.log")
        return mail_log.commands(log)

    def run(self) -> int:
        """Run the demonstration; return the exit status."""
        clock = Clock()
        say("== 1/3  Hosts (containers; the first run builds their images, which takes some minutes)")
        self.lab.up([], fresh=True)
        say("\n== 2/3  Configuration: playbooks/site.yml on laptop (road-warrior), hub (smarthost), mx (mail relay)")
        self.configure()
        say("\n== 3/3  Mail")
        heads = ("", "from", "to", "hop", "protocol", "cipher", "verdict", "status", "")
        rows: list[tuple[str, ...]] = [heads]
        problems: list[str] = []
        received: list[str] = []
        for number, mail in enumerate(MAILS, 1):
            say(f"  {number} {mail.sender} to {mail.recipient}: {mail.title}")
            if mail.impostor:
                self.lab.point(["hub"], "impostor")
            try:
                hops = self.follow(mail, self.send(number, mail))
            finally:
                if mail.impostor:
                    received = self.impostor()
                    self.lab.point(["hub"], "itself")
            wrong = deviations(mail, hops, self.names, received)
            problems += [f"mail {number}: {text}" for text in wrong]
            rows += rows_of(number, mail, hops, self.names, wrong)
        say("\n" + table(rows))
        say(f"\nCommands that the impostor received: {', '.join(received) or 'none'}")
        if problems:
            say("\nDeviations from the expected delivery:\n  " + "\n  ".join(problems))
        else:
            say(f"\nAll {len(MAILS)} messages were delivered or deferred as expected ({clock}).")
        playbook = ".venv/bin/ansible-playbook -i tests/lab/demo-inventory playbooks/site.yml"
        say(
            "\nInspect a host: make shell HOST=hub    (and there: mailq, postconf -n, journalctl -u 'postfix*')"
            "\nLast message:   make shell HOST=laptop (and there: postqueue -f; the name points to the real hub again, so that Postfix delivers it)"
            f"\nRun it again:   {playbook}    (changes nothing)"
            "\nRemove all:     make demo-down"
        )
        return 1 if problems else 0


if __name__ == "__main__":
    main(lambda: Demo().run())
