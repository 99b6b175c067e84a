# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starts and stops the hosts of a lab: containers with an init on a separate network, with a real name server.

The hosts are data (hosts.yml); the parent directory of a lab's generated files is .cache/lab/<lab>/.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import ipaddress
import json
import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Sequence, TypeVar

from lab import ca, images, limits, name_server
from lab.common import (
    CACHE,
    LAB,
    PREFIX,
    PROJECT,
    Clock,
    LabError,
    load,
    locked,
    main,
    podman,
    podman_ok,
    run,
    say,
    settle_podman,
)

T = TypeVar("T")
R = TypeVar("R")
# The unified hierarchy of a machine with both versions of control groups, which the newest systemd requires.
UNIFIED = Path("/sys/fs/cgroup/unified")
PIDS = CACHE / "pids"  # of the first process of each container, for the program ssh
EGRESS_ADDRESS = '{{(index .NetworkSettings.Networks "podman").IPAddress}}'
START_SECONDS = 90  # the time limit for the start of a host


@dataclasses.dataclass(frozen=True)
class Init:
    """The first process of a host.

    options: of podman run. state: prints "running" when all services have been started. report: what to show if they have not.
    """

    argv: Sequence[str]
    options: Sequence[str]
    state: Sequence[str]
    report: Sequence[Sequence[str]]


# By the package that provides it (images.yml)
INITS = {
    "systemd-sysv": Init(
        argv=(
            "/lib/systemd/systemd",
            # These units use two inotify instances per host, of which a machine allows each user only a few.
            "systemd.mask=systemd-ask-password-wall.path",
            "systemd.mask=systemd-ask-password-console.path",
        ),
        options=("--systemd=always",),
        state=("systemctl", "is-system-running", "--wait"),
        report=(
            ("systemctl", "--failed", "--no-pager", "--plain"),
            ("journalctl", "--no-pager", "-n", "30", "-p", "warning"),
        ),
    ),
    "sysvinit-core": Init(
        argv=("/sbin/init",),
        # As systemd's hosts, they have a new /run after each start. cron recognizes a reboot by that.
        options=("--systemd=false", "--tmpfs=/run:mode=755"),
        state=("sh", "-c", "test ! -e /run/lab-started || echo running"),
        report=(("tail", "-n", "30", "/var/log/mail.log"),),
    ),
}


@dataclasses.dataclass(frozen=True)
class Host:
    """A host as hosts.yml defines it."""

    name: str
    image: str
    address: int
    groups: Sequence[str] = ()
    scenario: str = ""
    mail: Sequence[str] = ()
    certificate: Sequence[str] = ()
    authority: bool = False
    peer: str = ""
    boot: str = ""
    ssh: bool = False
    egress: bool = False
    vars: dict[str, Any] = dataclasses.field(default_factory=dict)


def together(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Call a function for all items, four at a time; the first error is raised when all have ended."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        calls = [pool.submit(function, item) for item in items]
    return [call.result() for call in calls]


@contextlib.contextmanager
def limits_named() -> Iterator[None]:
    """If a host does not start, name the limits of the machine that are short in the error."""
    try:
        yield
    except LabError as error:
        raise LabError(f"{str(error).rstrip()}{limits.hint(str(error))}") from error


def remove(*containers: str) -> None:
    """Remove containers with their volumes.

    A container whose removal was interrupted, or that stops by itself meanwhile, is in a state in which podman refuses to
    remove it at first and does so when asked again.
    """
    for container in containers:
        (PIDS / container).unlink(missing_ok=True)
    argv = ("rm", "--force", "--time=0", "--volumes", "--ignore", *containers)
    for _attempt in range(3):
        if podman_ok(*argv):
            return
        time.sleep(1)
    podman(*argv)


class Lab:
    """One lab: a network and its hosts."""

    def __init__(self, name: str) -> None:
        data = load("hosts.yml")
        if name not in data["labs"]:
            raise LabError(f"there is no lab {name} in hosts.yml; it has {', '.join(data['labs'])}")
        self.name = name
        self.domain: str = data["domain"]
        self.network = f"{PREFIX}-{name}"
        self.directory = CACHE / (name if PREFIX == "mailops" else f"{PREFIX}-{name}")
        self.hosts = {host: Host(name=host, **definition) for host, definition in data["labs"][name].items()}
        self.name_server = next(host.name for host in self.hosts.values() if host.peer == "ns")

    def container(self, name: str) -> str:
        """The name of a host's container."""
        if name not in self.hosts:
            raise LabError(f"there is no host {name} in the lab {self.name}; it has {', '.join(self.hosts)}")
        return f"{self.network}-{name}"

    def fqdn(self, name: str) -> str:
        """The full name of a host."""
        return f"{name}.{self.domain}"

    def subnet(self) -> str:
        """The network's addresses; empty if there is no such network."""
        if not podman_ok("network", "exists", self.network):
            return ""
        return str(json.loads(podman("network", "inspect", self.network))[0]["subnets"][0]["subnet"])

    def addresses(self) -> dict[str, str]:
        """Each host's address by name; empty if the lab is down."""
        subnet = self.subnet()
        if not subnet:
            return {}
        network = ipaddress.ip_network(subnet)
        return {host.name: str(network[host.address]) for host in self.hosts.values()}

    # Files

    def write_zones(self) -> None:
        """Write the files of the name server, from the data of the hosts and the changes of `point`."""
        directory = self.directory / "hosts" / self.name_server / "dns"
        directory.mkdir(parents=True, exist_ok=True)
        addresses, subnet = self.addresses(), self.subnet()
        names = {self.fqdn(name): address for name, address in addresses.items()}
        pointed = {self.fqdn(name): addresses[other] for name, other in self.pointed().items()}
        exchangers = {f"{below}{self.fqdn(name)}": self.fqdn(name) for name in self.hosts for below in ("", "*.")}
        exchangers.update({domain: self.fqdn(host.name) for host in self.hosts.values() for domain in host.mail})
        zones = [self.domain, name_server.network_zone(subnet)]
        server, serial = self.fqdn(self.name_server), int(time.time() * 10) % 2**31
        files = {
            "unbound.conf": name_server.unbound(zones),
            f"{zones[0]}.zone": name_server.forward(self.domain, server, serial, {**names, **pointed}, exchangers),
            f"{zones[1]}.zone": name_server.backward(subnet, server, serial, names),
        }
        for name, text in files.items():
            (directory / name).write_text(text, encoding="utf-8")

    def pointed(self) -> dict[str, str]:
        """The names that point to another host, with that host."""
        file = self.directory / "pointed.json"
        return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}

    def write_host(self, host: Host) -> None:
        """Write the files of a host in /lab."""
        directory = self.directory / "hosts" / host.name
        directory.mkdir(parents=True, exist_ok=True)
        authority = self.directory / "ca"
        ca.authority(authority)
        (directory / "ca.pem").write_bytes((authority / "root.pem").read_bytes())
        if host.certificate:
            ca.issue(authority, host.certificate, directory / "certificates" / host.certificate[0])
        if host.authority:
            (directory / "authority").mkdir(exist_ok=True)
            for name in ("intermediate.pem", "intermediate.key"):
                shutil.copy(authority / name, directory / "authority" / name)
        script = [
            f"FQDN={self.fqdn(host.name)}\nDOMAIN={self.domain}",
            (LAB / "files" / "up.sh").read_text(encoding="utf-8"),
        ]
        if host.ssh:
            script.append((LAB / "files" / "ssh.sh").read_text(encoding="utf-8"))
            shutil.copy(f"{self.ssh_key()}.pub", directory / "authorized_keys")
        if host.boot:
            script.append((LAB / "boot" / f"{host.boot}.sh").read_text(encoding="utf-8"))
        if host.peer:
            script.append((LAB / "peers" / f"{host.peer}.sh").read_text(encoding="utf-8"))
            program = LAB / "peers" / f"{host.peer}.py"
            if program.exists():
                shutil.copy(program, directory / program.name)
        (directory / "up").write_text("\n".join(script), encoding="utf-8")

    def ssh_key(self) -> Path:
        """The key for the connections over ssh, generated if there is none."""
        key = self.directory / "ssh" / "key"
        if not key.exists():
            key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab {self.name}", "-f", str(key)])
        return key

    # Containers

    def init(self, host: Host) -> Init:
        """The init of the host's image."""
        return INITS[images.recipes()[host.image]["init"]]

    def create(self, host: Host, fresh: bool) -> bool:
        """Start the host's container unless it is running with the current recipe; return whether it was started."""
        container, image, init = self.container(host.name), images.reference(host.image), self.init(host)
        address = self.addresses()[host.name]
        directory = self.directory / "hosts" / host.name
        networks = [f"--network={self.network}:ip={address}"]
        if host.egress:
            networks.append("--network=podman")
        else:
            networks += [f"--dns={self.addresses()[self.name_server]}", "--dns-search=.", "--dns-option=attempts:5"]
        options = [
            f"--hostname={self.fqdn(host.name)}",
            *networks,
            *init.options,
            "--tz=UTC",
            f"--volume={directory}:/lab:ro",
            f"--pidfile={PIDS / container}",
        ]
        if images.recipes()[host.image]["unified"] and UNIFIED.is_dir():
            options.append(f"--volume={UNIFIED}:/sys/fs/cgroup:rw")
        recipe = json.dumps([image, options, init.argv, (directory / "up").read_text(encoding="utf-8")])
        label = hashlib.sha256(recipe.encode()).hexdigest()[:16]
        state = podman(
            "inspect", "--format", '{{.State.Running}} {{index .Config.Labels "lab.recipe"}}', container, check=False
        )
        if state == f"true {label}" and not fresh:
            return False
        remove(container)
        PIDS.mkdir(parents=True, exist_ok=True)
        labels = [f"--label=lab={self.network}", f"--label=lab.recipe={label}"]
        with limits_named():
            podman("run", "--detach", f"--name={container}", *labels, *options, image, *init.argv)
        return True

    def wait(self, name: str) -> None:
        """Wait until the init has started all services and the service of the host is available."""
        host, container, init = self.hosts[name], self.container(name), self.init(self.hosts[name])
        deadline = time.monotonic() + START_SECONDS
        state = ""
        while time.monotonic() < deadline:
            done = run(["podman", "exec", container, *init.state], check=False)
            state = done.stdout.decode(errors="replace").strip()
            if state in ("running", "degraded"):
                break
            if podman("inspect", "--format", "{{.State.Running}}", container, check=False) == "false":
                state = f"its init has terminated. {podman('logs', container, check=False)}"
                break
            time.sleep(0.3)
        if state != "running":
            report = "\n".join(podman("exec", container, *argv, check=False) for argv in init.report)
            raise LabError(f"host {name} has not started: {state or 'no reply'}\n{report}")
        if host.peer == "ns":
            check = ["sh", "-c", f"dig +short +time=1 +tries=1 @127.0.0.1 {self.fqdn(name)} A | grep -q ."]
        elif host.peer == "impostor":
            check = ["grep", "-q", "listening", "/var/log/impostor.log"]
        elif not images.has_postfix(host.image):
            return
        else:
            check = ["postfix", "status"]
        while not podman_ok("exec", container, *check):
            if time.monotonic() > deadline:
                raise LabError(f"host {name}: '{' '.join(check)}' has not succeeded after {START_SECONDS} s")
            time.sleep(0.3)

    def settle(self, name: str) -> bool:
        """Wait for a host. A host with an optional image that fails to start is removed; return whether it was."""
        try:
            with limits_named():
                self.wait(name)
        except LabError as error:
            if not images.recipes()[self.hosts[name].image]["optional"]:
                raise
            say(f"  host {name}: WARNING: continuing without this host, whose image is optional: {str(error).strip()}")
            remove(self.container(name))
            return True
        return False

    def of_scenarios(self, *scenarios: str) -> list[str]:
        """The hosts that belong to scenarios; with the empty name, those that all share."""
        for name in filter(None, scenarios):
            if not (PROJECT / "molecule" / name / "molecule.yml").exists():
                raise LabError(f"there is no scenario {name} in molecule/")
        return [host.name for host in self.hosts.values() if host.scenario in scenarios]

    def up(self, names: Sequence[str], fresh: bool) -> None:
        """Start hosts (default: all) and the name server."""
        for name in names:
            self.container(name)
        clock = Clock()
        wanted = [h for h in self.hosts.values() if not names or h.name in names or h.name == self.name_server]
        there = images.ensure(host.image for host in wanted)
        wanted = [host for host in wanted if host.image in there]
        with limits_named():
            settle_podman(images.reference(wanted[0].image))
        with locked(self.name):
            if not podman_ok("network", "exists", self.network):
                label = f"--label=lab={self.network}"
                podman("network", "create", "--internal", "--disable-dns", label, self.network)
            if not names:
                (self.directory / "pointed.json").unlink(missing_ok=True)
            for host in wanted:
                self.write_host(host)
            self.write_zones()
            started = together(
                lambda host: self.create(host, fresh and (not names or host.name in names)),
                wanted,
            )
            lost = sum(together(self.settle, [host.name for host in wanted]))
        say(f"lab {self.name}: {len(wanted) - lost} hosts up, {sum(started) - lost} of them started now ({clock})")

    def containers(self) -> list[str]:
        """All containers of this lab, including those that are no longer in hosts.yml."""
        return podman("ps", "--all", "--filter", f"label=lab={self.network}", "--format", "{{.Names}}").split()

    def down(self, names: Sequence[str] | None = None) -> None:
        """Remove hosts (default: all, with the network and all generated files)."""
        clock = Clock()
        with locked(self.name):
            doomed = self.containers() if names is None else [self.container(name) for name in names]
            if doomed:
                remove(*doomed)
            if names is None:
                if podman_ok("network", "exists", self.network):
                    podman("network", "rm", "--force", self.network)
                shutil.rmtree(self.directory, ignore_errors=True)
        say(f"lab {self.name}: {len(doomed)} hosts removed ({clock})")

    def restart(self, names: Sequence[str], at_once: bool = False) -> None:
        """Restart hosts, as a reboot does, or without stopping their services, as a loss of power does; wait until they are ready."""
        seconds = 0 if at_once else 20
        together(lambda name: podman("restart", f"--time={seconds}", self.container(name)), names)
        together(self.wait, names)

    def point(self, names: Sequence[str], other: str) -> None:
        """Point the names of hosts to another host, or each to its own host again ("itself")."""
        targets = {name: name if other == "itself" else other for name in names}
        for name in (*targets, *targets.values()):
            self.container(name)
        with locked(self.name):
            pointed = {name: target for name, target in {**self.pointed(), **targets}.items() if name != target}
            (self.directory / "pointed.json").write_text(json.dumps(pointed), encoding="utf-8")
            self.write_zones()
            server, addresses = self.container(self.name_server), self.addresses()
            podman("exec", server, "unbound-control", "auth_zone_reload", self.domain)
            for name, target in targets.items():
                for _attempt in range(50):
                    answer = podman("exec", server, "dig", "+short", "@127.0.0.1", self.fqdn(name), "A", check=False)
                    if answer == addresses[target]:
                        break
                    time.sleep(0.1)
                else:
                    raise LabError(
                        f"the name server returns {answer or 'no address'} for {name} instead of {addresses[target]}"
                    )
        for name, target in targets.items():
            say(f"lab {self.name}: {self.fqdn(name)} is {addresses[target]} ({target})")

    def connection(self, host: Host) -> dict[str, Any]:
        """The variables with which Ansible connects to a host."""
        if not host.ssh:
            return {
                "ansible_connection": "ssh",
                "ansible_ssh_executable": str(LAB / "ssh"),
                "ansible_ssh_transfer_method": "piped",
                "ansible_pipelining": True,
                "ansible_host": self.container(host.name),
            }
        # A host is often replaced by another with the same address: the connection that Ansible keeps open must end with it.
        options = {
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "ServerAliveInterval": "2",
        }
        return {
            "ansible_connection": "ssh",
            "ansible_user": "admin",
            # The machine has no address in the lab's network, which is internal.
            "ansible_host": podman("inspect", "--format", EGRESS_ADDRESS, self.container(host.name), check=False),
            "ansible_ssh_private_key_file": str(self.directory / "ssh" / "key"),
            "ansible_ssh_common_args": " ".join(f"-o {name}={value}" for name, value in options.items()),
        }

    def inventory(self) -> dict[str, Any]:
        """The hosts for Ansible, as a dynamic inventory."""
        addresses = self.addresses()
        optional = {image for image, recipe in images.recipes().items() if recipe["optional"]}
        groups: dict[str, Any] = {"_meta": {"hostvars": {}}}
        for host in self.hosts.values():
            if host.image in optional and not podman_ok("container", "exists", self.container(host.name)):
                continue
            groups["_meta"]["hostvars"][host.name] = {
                **self.connection(host),
                "ansible_python_interpreter": "/usr/bin/python3",
                "lab_fqdn": self.fqdn(host.name),
                "lab_address": addresses.get(host.name, ""),
                **host.vars,
            }
            scenario = [f"scenario_{host.scenario}"] if host.scenario and not host.peer else []
            for group in [*scenario, *host.groups, "peers" if host.peer else "managed"]:
                groups.setdefault(group, {"hosts": []})["hosts"].append(host.name)
        return groups

    def status(self) -> None:
        """One line per host."""
        addresses = self.addresses()
        running = podman("ps", "--filter", f"label=lab={self.network}", "--format", "{{.Names}}").split()
        for host in self.hosts.values():
            state = "up" if self.container(host.name) in running else "down"
            other = self.pointed().get(host.name)
            more = f"its name points to {other}" if other else ""
            role = ", ".join(host.groups) or host.peer or host.scenario
            say(f"{host.name:16} {state:5} {host.image:9} {addresses.get(host.name, '-'):15} {role:12} {more}".rstrip())


def command() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="hosts", description="Start, stop and inspect the hosts of a lab.")
    default = os.environ.get("LAB", "demo")
    parser.add_argument("--lab", default=default, help=f"a lab of hosts.yml (default: $LAB or demo; now {default})")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start hosts and wait until they are ready (default: all)")
    up.add_argument("--fresh", action="store_true", help="recreate hosts that are running")
    up.add_argument("--scenario", help="start the hosts of a scenario of molecule, and those that all scenarios share")
    up.add_argument("names", metavar="NAME", nargs="*")
    down = commands.add_parser("down", help="remove hosts (default: all, with network and generated files)")
    down.add_argument("--scenario", help="remove the hosts of a scenario of molecule")
    down.add_argument("names", metavar="NAME", nargs="*")
    restart = commands.add_parser("restart", help="restart hosts, and wait until they are ready")
    restart.add_argument("--at-once", action="store_true", help="without stopping their services")
    restart.add_argument("names", metavar="NAME", nargs="+")
    commands.add_parser("status", help="one line per host")
    shell = commands.add_parser("shell", help="a shell on a host, or a command")
    shell.add_argument("name", metavar="NAME")
    shell.add_argument("argv", metavar="COMMAND", nargs=argparse.REMAINDER)
    point = commands.add_parser("point", help="point the names of hosts to another host; OTHER itself: undo")
    point.add_argument("names", metavar="NAME", nargs="+")
    point.add_argument("other", metavar="OTHER")
    commands.add_parser("inventory", help="the hosts as a dynamic inventory for Ansible")
    options = parser.parse_args()
    lab = Lab(options.lab)
    if options.command == "up":
        lab.up(lab.of_scenarios("", options.scenario) if options.scenario else options.names, options.fresh)
    elif options.command == "down":
        lab.down(lab.of_scenarios(options.scenario) if options.scenario else options.names or None)
    elif options.command == "restart":
        lab.restart(options.names, options.at_once)
    elif options.command == "status":
        lab.status()
    elif options.command == "point":
        lab.point(options.names, options.other)
    elif options.command == "inventory":
        print(json.dumps(lab.inventory(), indent=2))
    elif options.command == "shell":
        terminal = ["--interactive", "--tty"] if sys.stdin.isatty() else ["--interactive"]
        argv = options.argv or ["bash", "-l"]
        os.execvp("podman", ["podman", "exec", *terminal, lab.container(options.name), *argv])
    return 0


if __name__ == "__main__":
    main(command)
