# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real hosts of the lab "endurance", real processes of ansible-playbook, and what Postfix on these hosts does.

A configuration has a serial number, which is in main.cf, in master.cf and in a lookup table, and which both ports show to clients. So it can
be seen which configuration is in service, and whether all of it is.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Sequence

from lab import ca
from lab.common import PROJECT
from lab.hosts import PIDS, Lab

HERE = Path(__file__).resolve().parent
STATE = "var/lib/mailops-postfix"
SUITES = ("bookworm", "trixie", "nosystemd")
PORTS = (25, 2525)
LIMIT = 180
"""Seconds after which something that must happen is taken for missing; no test measures a time."""

REFUSES: Mapping[str, Any] = {"smtpd_client_restrictions": "check_policy_service inet:127.0.0.1:9"}
"""Parameters with which no mail is accepted, because there is no such service."""


class Host:
    """A host of the lab."""

    def __init__(self, lab: Lab, name: str, instance: str = "etc-postfix") -> None:
        self.name = name
        self.fqdn = lab.fqdn(name)
        self.suite = name.rpartition("-")[2]
        self.instance = instance
        self._pid = PIDS / lab.container(name)

    @property
    def root(self) -> Path:
        """The root directory of the host."""
        return Path(f"/proc/{self._pid.read_text(encoding='ascii').strip()}/root")

    @property
    def has_systemd(self) -> bool:
        return self.suite != "nosystemd"

    def start(self, *argv: str, **options: Any) -> subprocess.Popen[str]:
        """Start a program on the host."""
        pid = self._pid.read_text(encoding="ascii").strip()
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        enter = ["env", "-i", "HOME=/root", path, "nsenter", f"--target={pid}", "--all", "--wd=/root", "--", *argv]
        return subprocess.Popen(
            enter,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            **options,
        )

    def run(self, *argv: str, stdin: str = "", check: bool = True) -> str:
        """Run a program on the host; return its output, with errors if it may fail."""
        process = self.start(*argv)
        try:
            output, errors = process.communicate(stdin, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert not check or process.returncode == 0, f"{self.name}: {argv} {process.returncode} {output} {errors}"
        return output if check else output + errors

    def probe(self, **steps: Mapping[str, Any]) -> dict[str, Any]:
        """The results of steps of tests/lab/probe.py."""
        text = (PROJECT / "tests/lab/probe.py").read_text(encoding="utf-8")
        return dict(json.loads(self.run("python3", "-", json.dumps(steps), stdin=text)))

    def renew(self, issued: Path) -> None:
        """Put a certificate where certbot puts it: into the archive of its lineage, to whose newest files the live ones are links.

        :param issued: the directory with the issued files.
        """
        live, archive = (self.root / "etc/letsencrypt" / name / self.fqdn for name in ("live", "archive"))
        for directory in (live, archive):
            directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            directory.mkdir(exist_ok=True)
        number = len(list(archive.glob("cert*"))) + 1
        for name in ("privkey", "cert", "chain", "fullchain"):
            shutil.copy(issued / f"{name}.pem", archive / f"{name}{number}.pem")
            link = live / f"{name}.pem"
            link.unlink(missing_ok=True)
            link.symlink_to(f"../../archive/{self.fqdn}/{name}{number}.pem")

    # Transactions

    def transactions(self) -> list[Path]:
        """The directories of transactions that are open, or about to be opened."""
        return sorted((self.root / STATE / self.instance / "transactions").glob("*"))

    def records(self) -> list[dict[str, Any]]:
        """The records of open transactions, and of those that are about to be opened."""
        found = []
        for directory in self.transactions():
            for name in ("record", "record.new"):
                with suppress(OSError, ValueError):
                    found.append(dict(json.loads((directory / name).read_text(encoding="ascii"))))
                    break
        return found

    def edit_records(self, **values: Any) -> None:
        """Change the records of open transactions."""
        # A process that was killed before it has installed anything leaves no record.
        for path in filter(Path.exists, (directory / "record" for directory in self.transactions())):
            path.write_text(json.dumps({**json.loads(path.read_text(encoding="ascii")), **values}), encoding="ascii")

    def endings(self) -> dict[str, str]:
        """What became of the last transactions."""
        try:
            text = (self.root / STATE / self.instance / "ended.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        return {item["id"]: item["how"] for item in json.loads(text)}

    def pending(self) -> list[dict[str, Any]]:
        """What the program on the host says."""
        return list(json.loads(self.run("mailops-postfix", "pending")))

    def undone_by_itself(self) -> None:
        """Wait until the host has no open transaction."""
        until(lambda: not self.records(), lambda: f"{self.name}: {self.records()}")

    def look(self) -> None:
        """Have the host look for expired transactions now, with its own service or cron's command."""
        if self.has_systemd:
            self.run("systemctl", "start", "mailops-postfix-expired.service", check=False)
            return
        crontab = (self.root / "etc/cron.d/mailops-postfix").read_text(encoding="ascii")
        command = next(line for line in crontab.splitlines() if line.startswith("* * * * * root ")).partition(" root ")[
            2
        ]
        self.run("sh", "-c", command, check=False)

    # Postfix

    def files(self) -> dict[str, tuple[str, str]]:
        """Content and access of all files of Postfix; compiled tables, each of which has a unique id, by their entries."""
        found = {}
        for path, seen in self.probe(files={"do": "files", "paths": ["/etc/postfix"]})["files"].items():
            content = seen["content"]
            if path.endswith(".db"):
                content = self.run("postmap", "-s", f"hash:{path[:-3]}")
            found[path] = (content, seen["access"])
        return found

    def in_service(self) -> dict[str, Any]:
        """What Postfix does, and all that it has: serial numbers, the fate of a message, parameters, services and files.

        Where a serial number is not that of an applied configuration, it is what Postfix has instead.
        """
        message = f"{time.time_ns()}@endurance"
        envelope = {"host": self.fqdn, "recipient": f"root@{self.fqdn}", "message_id": message}
        seen = self.probe(
            first={"do": "session", "port": PORTS[0], **envelope},
            second={"do": "session", "port": PORTS[1], **envelope, "message_id": ""},
            mail={"do": "follow", "message_id": message},
            limit={"do": "run", "argv": ["postconf", "-h", "message_size_limit"]},
            entry={"do": "run", "argv": ["postmap", "-q", "serial.example.test", "hash:/etc/postfix/transport"]},
            parameters={"do": "run", "argv": ["postconf", "-n"]},
            services={"do": "run", "argv": ["postconf", "-M"]},
        )
        return {
            "port 25": size(seen["first"]),
            "port 2525": size(seen["second"]),
            "certificate": seen["first"]["certificate"],
            "main.cf": seen["limit"]["stdout"],
            "table": seen["entry"]["stdout"],
            "mail": seen["mail"]["status"] or f"{seen['first']['rcpt']} {seen['first']['error']}",
            "parameters": seen["parameters"]["stdout"],
            "services": seen["services"]["stdout"],
            "lines": sorted((self.root / "etc/postfix/main.cf").read_text(encoding="utf-8").splitlines()),
            **self.files(),
        }


def size(session: Mapping[str, str]) -> str:
    """The largest message that a port accepts, as it says; what it says instead if it does not."""
    words = session["before"].split()
    return words[words.index("SIZE") + 1] if "SIZE" in words else f"{session['before']} {session['error']}"


def shown(serial: int) -> dict[str, str]:
    """What a host shows on which a configuration is in service, and all of it."""
    size = str(20_000_000 + serial)
    return {
        "port 25": size,
        "port 2525": str(30_000_000 + serial),
        "main.cf": size,
        "table": f"smtp:{serial}",
        "mail": "sent",
    }


def declared(serial: int, confirm_within: int = 600, **main_cf: Any) -> dict[str, Any]:
    """The variables of the role for a configuration."""
    return {
        "mta_relay_certificates": [
            {"name": "{{ lab_fqdn }}", "ca_file": "/lab/ca.pem", "chain_file": "tls/{{ lab_fqdn }}.pem"}
        ],
        "mta_relay_confirm_within": confirm_within,
        "mta_relay_main_cf": {"mydestination": "$myhostname, localhost", **part(serial)["main_cf"], **main_cf},
        "mta_relay_master_cf": part(serial)["master_cf"],
        "mta_relay_lookup_tables": part(serial)["lookup_tables"],
    }


def part(serial: int) -> dict[str, Any]:
    """The options of the module for the serial number of a configuration."""
    return {
        "main_cf": {"message_size_limit": 20_000_000 + serial},
        "master_cf": [
            {
                "service": f"{PORTS[1]}/inet",
                "command": "smtpd",
                "private": False,
                "options": {"message_size_limit": 30_000_000 + serial, "syslog_name": "postfix/second"},
            }
        ],
        "lookup_tables": [
            {
                "path": "transport",
                "type": "hash",
                "parameter": "transport_maps",
                "entries": {"serial.example.test": f"smtp:{serial}"},
            }
        ],
    }


def differences(now: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What differs between two states of the hosts, by host and name."""
    return {
        f"{host} {name}": (now[host].get(name), wanted[host].get(name))
        for host in wanted
        for name in sorted({*now[host], *wanted[host]})
        if now[host].get(name) != wanted[host].get(name)
    }


def until(condition: Callable[[], Any], report: Callable[[], str], pause: float = 0.2) -> None:
    """Wait for a condition that must become true."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, report()
        time.sleep(pause)


class Play:
    """A process of ansible-playbook."""

    def __init__(self, argv: Sequence[str], output: Path, environment: Mapping[str, str]) -> None:
        self.output = output
        plain = {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_FORKS": "10"}
        with open(output, "wb") as file:
            self._process = subprocess.Popen(
                argv,
                cwd=PROJECT,
                env={**os.environ, **plain, **environment},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        """Its output so far."""
        return self.output.read_text(encoding="utf-8", errors="replace")

    def ended(self) -> bool:
        return self._process.poll() is not None

    def until(self, condition: Callable[[], Any]) -> bool:
        """Wait for a condition; False if the process ends first."""
        until(lambda: condition() or self.ended(), lambda: self.text, pause=0.002)
        return bool(condition())

    def result(self) -> int:
        """Wait until it ends; return its exit status."""
        return self._process.wait(timeout=2 * LIMIT)

    def succeeded(self) -> Play:
        """Wait for a run that must succeed."""
        assert self.result() == 0, self.text
        return self

    def interrupt(self) -> None:
        """Do what Ctrl-C in its terminal does, and wait until it has ended, and the modules that go on without it."""
        left = [pid for pid in _descendants(self._process.pid) if not _is_here(pid)]
        os.killpg(self._process.pid, signal.SIGINT)
        self.result()
        _ended(left)

    def kill(self, modules: bool) -> None:
        """Kill it with its children.

        :param modules: with the modules that run on the hosts. Otherwise these go on, to their ends, and find the connection closed.
        """
        left = [pid for pid in _descendants(self._process.pid) if not _is_here(pid)]
        while doomed := [pid for pid in _descendants(self._process.pid) if modules or _is_here(pid)]:
            for pid in doomed:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        self.result()
        _ended(left)


def _descendants(ancestor: int) -> list[int]:
    """A process that runs, and all that it has started, directly or not."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            words = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            children.setdefault(int(words[1]), []).append(int(path.parent.name))
    found = [ancestor]
    for pid in found:
        found += children.get(pid, [])
    return list(filter(_runs, found))


def _ended(pids: Sequence[int]) -> None:
    """Wait until processes have ended."""
    until(lambda: not any(map(_runs, pids)), lambda: f"modules have not ended: {[pid for pid in pids if _runs(pid)]}")


def _runs(pid: int) -> bool:
    with suppress(OSError):
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0] != "Z"
        )
    return False


def _is_here(pid: int) -> bool:
    """Whether a process runs on this machine, and not on a host."""
    with suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/pid") == os.readlink("/proc/self/ns/pid")
    return False


class Fleet:
    """Three hosts with the same configuration: systemd with postfix@-.service, systemd with postfix.service, and sysvinit with cron."""

    def __init__(self, lab: Lab, name: str, scratch: Path) -> None:
        self.name = name
        self.hosts = [Host(lab, f"{name}-{suite}") for suite in SUITES]
        self.scratch = scratch
        self._lab = lab
        self._plays = 0
        members = {
            member: values
            for member, values in lab.inventory()["_meta"]["hostvars"].items()
            if member.startswith(f"{name}-")
        }
        self._inventory = scratch / f"{name}.yml"
        self._inventory.write_text(json.dumps({"all": {"hosts": members}}), encoding="utf-8")

    def start(self, variables: Mapping[str, Any], playbook: str = "relay.yml", **environment: str) -> Play:
        """Start a playbook on all hosts; by default the role.

        :param environment: environment variables of ansible-playbook.
        """
        self._plays += 1
        path = self.scratch / f"{self.name}-{self._plays}.json"
        path.write_text(json.dumps(variables), encoding="utf-8")
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        argv = [program, "--inventory", str(self._inventory), "--extra-vars", f"@{path}", str(HERE / playbook)]
        return Play(argv, path.with_suffix(".log"), environment)

    def start_in_groups(self, groups: Mapping[str, Mapping[str, Any]], playbook: str) -> Play:
        """Start a playbook of the collection.

        :param groups: the groups of the inventory, each with its ``hosts`` and ``vars``.
        """
        self._plays += 1
        path = self.scratch / f"{self.name}-{self._plays}.yml"
        members = json.loads(self._inventory.read_text(encoding="utf-8"))["all"]["hosts"]
        inventory = {
            group: {**values, "hosts": {host: members[host] for host in values["hosts"]}}
            for group, values in groups.items()
        }
        path.write_text(json.dumps({"all": {"children": inventory}}), encoding="utf-8")
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        return Play([program, "--inventory", str(path), f"playbooks/{playbook}"], path.with_suffix(".log"), {})

    def prepare(self) -> None:
        """Give each host its certificate, and apply the role for the first time."""
        for host in self:
            host.renew(self.first_certificate(host))
        self.apply(0)

    def first_certificate(self, host: Host) -> Path:
        """The directory with the certificate that a host has got first."""
        return self._lab.directory / "hosts" / host.name / "certificates" / host.fqdn

    @property
    def authority(self) -> Path:
        """The directory of the lab's CA."""
        return self._lab.directory / "ca"

    def issue(self, host: Host, directory: Path) -> Path:
        """Another certificate for a host, of the lab's CA; returns its directory."""
        ca.issue(self.authority, [host.fqdn], directory)
        return directory

    def apply(self, serial: int, **main_cf: Any) -> None:
        """Apply the role with a configuration that holds."""
        self.start(declared(serial, **main_cf)).succeeded()

    def open(self, options: Mapping[str, Any], **more: Any) -> None:
        """Change the configuration of all hosts without verifying it."""
        self.start({"change": {"confirm_within": 600, **options}, **more}, "change.yml").succeeded()

    def each(self, do: Callable[[Host], Any]) -> dict[str, Any]:
        """The results of a function for each host, called for all at the same time."""
        with ThreadPoolExecutor(max_workers=len(self.hosts)) as pool:
            return dict(zip((host.name for host in self.hosts), pool.map(do, self.hosts)))

    def in_service(self) -> dict[str, dict[str, Any]]:
        """What each host does."""
        return self.each(Host.in_service)

    def restart(self, at_once: bool, hosts: Sequence[Host] = ()) -> None:
        """Reboot hosts, by default all."""
        names = [host.name for host in hosts or self.hosts]
        argv = [
            PROJECT / "tests/lab/hosts",
            "--lab",
            self._lab.name,
            "restart",
            *(["--at-once"] if at_once else []),
            *names,
        ]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=LIMIT)
        assert done.returncode == 0, done.stdout + done.stderr

    def __iter__(self) -> Iterator[Host]:
        return iter(self.hosts)
