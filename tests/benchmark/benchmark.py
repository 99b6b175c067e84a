#!/usr/bin/env python
"""Measures the run time of the collection relative to Ansible's ping and to other methods: ratios of medians, each with a bound.

Runs each case once per round, in random order, on a separate host of the lab. The connection is Ansible's ssh plugin, with ./ssh as the
program. Cases run with pipelining, and those named "-default" without, which is Ansible's default.
Environment variables:

ROUNDS  number of rounds (7)
CASES   names of cases (default: all); "empty" and "ping" always run, "ping-default" with other cases named "-default"
STRICT  1: a value outside its bound is a failure
PEER    directory of an installed linux-system-roles.postfix, or of the collection that contains it; not downloaded
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Sequence

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests/lab"))
# Its own hosts and network, whatever the other hosts of this machine are, so that all of them can be removed at the end.
os.environ["LAB_PREFIX"] = f"{os.environ.get('LAB_PREFIX', 'mailops')}-benchmark"

from lab.common import LabError, main, podman, say  # noqa: E402
from lab.hosts import Lab  # noqa: E402

HOST = "relay-trixie"
ENTRIES = 1_000_000
# A configuration that no Postfix uses, for cases that edit main.cf, so that they do not affect the cases of roles.
DIRECTORY = "/srv/benchmark/postfix"
# Copies of it with many lines, services, entries and policies: how to make each in its directory.
LARGE = {
    "lines": "seq -f 'unused_%05g = value' 10000 >> main.cf",
    "services": "seq -f 's%03g unix - - n - - smtp' 300 >> master.cf",
    "entries": """
        seq -f %05g 10000 | sed 's/.*/d&.example smtp:[hub&.example]/' > transport
        seq -f '[hub%05g.example] encrypt' 200 > policy
        printf '%s\\n' 'transport_maps = hash:$config_directory/transport' >> main.cf
        printf '%s\\n' 'smtp_tls_policy_maps = hash:$config_directory/policy' >> main.cf
        postmap -c . hash:$PWD/transport hash:$PWD/policy
    """,
    "policies": """
        seq -f '[hub%05g.example] encrypt' 10000 > tls_policy
        printf '%s\\n' 'smtp_tls_policy_maps = hash:$config_directory/tls_policy' >> main.cf
        postmap -c . hash:$PWD/tls_policy
    """,
}
# Makes /etc/postfix that of a host with COUNT next hops, each with a policy. All of them are one server of this host.
NEXT_HOPS = """
    cd /etc/postfix
    postconf -M '2526/inet=2526 inet n - n - - smtpd -o myhostname=peer.example.test -o smtpd_client_connection_count_limit=0'
    postconf -P 2526/inet/smtpd_relay_restrictions=permit_mynetworks,reject 2526/inet/smtpd_tls_security_level=may \\
        2526/inet/smtpd_tls_chain_files=/lab/certificates/FQDN/privkey.pem,/lab/certificates/FQDN/fullchain.pem
    seq 1 COUNT | sed 's/.*/n&.example smtp:[127.1.0.&]:2526/' > transport
    seq 1 COUNT | sed 's/.*/[127.1.0.&]:2526 encrypt/' > tls_policy
    postmap hash:/etc/postfix/transport hash:/etc/postfix/tls_policy
    postconf -e transport_maps=hash:/etc/postfix/transport smtp_tls_policy_maps=hash:/etc/postfix/tls_policy smtp_tls_loglevel=1 \\
        tls_required_enable=no
"""


@dataclasses.dataclass(frozen=True)
class Case:
    """A play to measure."""

    name: str
    play: str
    changes: bool | None = False  # the expected result in the recap; None: either
    state: str = ""  # the initial state of /etc/postfix, see Bench.prepare
    every: int = 1  # 3: measured in every third round only, for slow cases
    table: str = ""  # the table on the host that it manages
    pipelining: bool = True
    large: str = ""  # the name in LARGE of the configuration


CASES = (
    Case("empty", "empty"),
    Case("ping", "ping"),
    Case("main_cf", "main_cf", changes=True),
    Case("postconf", "postconf", changes=True, every=3),
    Case("lineinfile", "lineinfile", changes=True, every=3),
    Case("ping-default", "ping", pipelining=False),
    Case("main_cf-default", "main_cf", changes=True, pipelining=False),
    Case("postconf-default", "postconf", changes=True, every=3, pipelining=False),
    Case("lineinfile-default", "lineinfile", changes=True, every=3, pipelining=False),
    Case("table-same", "table", table="same"),
    Case("table-change", "table", changes=True, every=3, table="changed"),
    Case("table-copy", "copy", changes=True, every=3, table="copied"),
    Case("lines", "lines", changes=True, large="lines"),
    Case("services", "services", changes=True, large="services"),
    Case("entries", "entries", changes=True, large="entries"),
    Case("policies", "policies", changes=True, large="policies"),
    Case("next-hop", "next_hops", state="hops-1"),
    Case("next-hops", "next_hops", state="hops-200"),
    Case("role-first", "relay", changes=True, state="stock"),
    Case("role-again", "relay", state="relay"),
    Case("peer-first", "peer", changes=True, state="stock", every=3),
    Case("peer-again", "peer", state="peer", every=3),
)


@dataclasses.dataclass(frozen=True)
class Bound:
    """A bound of the ratio of two cases, with or without pipelining."""

    says: str
    case: str
    other: str
    limit: float | None  # None: a figure without a bound
    at_least: bool = False
    complete: bool = False  # the time of the complete play counts, instead of the time above the empty play


BOUNDS = (
    Bound("main_cf with 30 parameters / ping", "main_cf", "ping", 1.5),
    Bound("loop of 30 postconf -e / main_cf", "postconf", "main_cf", None),
    Bound("loop of 30 lineinfile / main_cf", "lineinfile", "main_cf", None),
    Bound("by default: main_cf with 30 parameters / ping", "main_cf-default", "ping-default", 1.5),
    Bound("by default: loop of 30 postconf -e / main_cf", "postconf-default", "main_cf-default", 20, at_least=True),
    Bound("by default: loop of 30 lineinfile / main_cf", "lineinfile-default", "main_cf-default", 20, at_least=True),
    Bound("table of 1,000,000, nothing to change / ping", "table-same", "ping", 1.3),
    Bound("table of 1,000,000, a change / copy + postmap", "table-change", "table-copy", 1.3),
    Bound("main.cf of 10,000 lines, a parameter / ping", "lines", "ping", 4),
    Bound("300 services, an option of one / ping", "services", "ping", 4),
    Bound("10,000 entries x 200 policies, a parameter / ping", "entries", "ping", 4),
    Bound("10,000 policies, one of them / ping", "policies", "ping", 4),
    # One after another they would take 200 times as long as one: at most a tenth of that.
    Bound("verification of 200 next hops / of one", "next-hops", "next-hop", 20),
    Bound("role, nothing to change / ping, complete plays", "role-again", "ping", 2, complete=True),
    Bound(
        "peer, first run / role, first run, complete plays", "peer-first", "role-first", 5, at_least=True, complete=True
    ),
    Bound(
        "peer, second run / role, second run, complete plays",
        "peer-again",
        "role-again",
        4,
        at_least=True,
        complete=True,
    ),
)
TRIPS, MEMORY = 4, 100  # of the second run of a role; MiB on controller and host for a table that does not change


@dataclasses.dataclass(frozen=True)
class Run:
    """The cost of one run of a play."""

    seconds: float
    trips: int  # number of commands sent to the host
    memory: float  # MiB, peak of the largest process of the controller


class Bench:
    """The host, and plays that run on it."""

    def __init__(self, lab: Lab, scratch: Path, peer: str) -> None:
        self.container = lab.container(HOST)
        self.fqdn = lab.fqdn(HOST)
        self.scratch = scratch
        self.peer = peer
        self.same: dict[str, str] = {}
        self.runs: dict[str, int] = {}
        self.cases = ["prepare", *(case.name for case in CASES)]
        variables = {
            "ansible_connection": "ssh",
            "ansible_host": self.container,
            "ansible_ssh_executable": str(HERE / "ssh"),
            "ansible_ssh_transfer_method": "piped",
            "ansible_python_interpreter": "/usr/bin/python3",
            "lab_fqdn": lab.fqdn(HOST),
        }
        (scratch / "inventory.json").write_text(json.dumps({"all": {"hosts": {HOST: variables}}}), encoding="utf-8")
        for number in (0, 1):
            with open(scratch / f"table-{number}", "w", encoding="ascii") as file:
                file.writelines(
                    f"user{key:07}@example.test relay:[mx{key % 100}.example.test]\n" for key in range(ENTRIES)
                )
                file.write(f"last@example.test relay:[mx{number}.example.test]\n")

    def shell(self, script: str) -> str:
        """Run a script on the host."""
        return podman("exec", "--interactive", self.container, "sh", "-euc", script, timeout=600)

    def settings(self, directory: str) -> dict[str, str]:
        """The settings in a main.cf."""
        lines = self.shell(f"postconf -c {directory} -n 2> /dev/null").split("\n")
        return dict(re.split(" = ?", line, maxsplit=1) for line in lines)

    def prepare(self, cases: Sequence[Case]) -> None:
        """Create and keep the initial states of /etc/postfix, and run each case once."""
        podman("cp", str(HERE / "measured_python"), f"{self.container}:/usr/local/bin/measured_python")
        self.shell(f"mkdir -p /srv/benchmark/states && cp -a /etc/postfix {DIRECTORY}")
        for name in {case.large for case in cases} - {""}:
            self.shell(f"cp -a /etc/postfix {DIRECTORY}-{name} && cd {DIRECTORY}-{name} && {LARGE[name].strip()}")
        self.keep("stock")
        states = {case.state for case in cases}
        for name in sorted(state for state in states if state.startswith("hops-")):
            self.restore("stock")
            self.shell(NEXT_HOPS.replace("COUNT", name.partition("-")[2]).replace("FQDN", self.fqdn))
            self.keep(name)
        self.restore("stock")
        if states & {"relay", "peer"}:
            self.play(Case("prepare", "relay", changes=None))
            self.keep("relay")
        if "peer" in states:
            stock, relay = (self.settings(f"/srv/benchmark/states/{name}") for name in ("stock", "relay"))
            self.shell("apt-get -q update && apt-get -qy install python3-apt")
            self.same = {name: value for name, value in relay.items() if stock.get(name) != value}
            self.restore("stock")
            self.play(Case("prepare", "peer", changes=None))
            self.keep("peer")
        for case in cases:
            self.restore(case.state)
            self.play(dataclasses.replace(case, changes=None))

    def keep(self, state: str) -> None:
        """Keep a copy of the current /etc/postfix."""
        self.shell(f"cp -a /etc/postfix /srv/benchmark/states/{state}")

    def restore(self, state: str) -> None:
        """Restore a copy of /etc/postfix. Postfix waits until main.cf is two seconds old: a case must not depend on the previous one."""
        self.shell(f"touch -d '5 seconds ago' {DIRECTORY}*/main.cf {DIRECTORY}*/master.cf")
        if state:
            self.shell(
                f"rm -r /etc/postfix && cp -a /srv/benchmark/states/{state} /etc/postfix && postfix reload > /dev/null 2>&1"
            )

    def play(self, case: Case, **more: str) -> Run:
        """Run a case, each time with other values than the previous run."""
        count = self.runs[case.name] = self.runs.get(case.name, 0) + 1
        trips = self.scratch / "trips"
        trips.write_text("", encoding="ascii")
        values: dict[str, Any] = {
            "ansible_pipelining": case.pipelining,
            "directory": f"{DIRECTORY}-{case.large}" if case.large else DIRECTORY,
            "value": 1000 + 10 * self.cases.index(case.name) + count % 2,
            "table": case.table,
            "hops": int(case.state.partition("-")[2] or 0),
            "src": str(self.scratch / f"table-{count % 2 if case.table != 'same' else 0}"),
            "peer": self.peer,
            "same": self.same,
            **more,
        }
        arguments = ["-i", str(self.scratch / "inventory.json"), "-e", json.dumps(values)]
        environment = {
            **os.environ,
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_STDOUT_CALLBACK": "default",
            "BENCHMARK_TRIPS": str(trips),
        }
        with tempfile.TemporaryFile() as output:
            start = time.monotonic()
            process = subprocess.Popen(
                ["ansible-playbook", *arguments, str(HERE / "plays" / f"{case.play}.yml")],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
            _pid, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            text = output.read().decode(errors="replace")
        recap = re.search(r"changed=(\d+)", text)
        changed = bool(recap and int(recap.group(1)))
        if process.returncode or (case.changes is not None and changed != case.changes):
            raise LabError(f"case {case.name}: the result is not the expected one (changed: {changed})\n{text}")
        return Run(seconds, len(trips.read_text(encoding="ascii").split()), usage.ru_maxrss / 1024)

    def memory_of_module(self, case: Case) -> float:
        """The peak memory, in MiB, of the largest process on the host in an additional run of a case."""
        self.restore(case.state)
        self.shell("rm -f /srv/benchmark/memory")
        self.play(case, ansible_python_interpreter="/usr/local/bin/measured_python")
        return max(map(int, self.shell("cat /srv/benchmark/memory").split())) / 1024


def measure(bench: Bench, cases: Sequence[Case], rounds: int) -> dict[str, list[Run]]:
    """Run all rounds."""
    runs: dict[str, list[Run]] = {case.name: [] for case in cases}
    for number in range(rounds):
        turn = [case for case in cases if number % case.every == 0]
        for case in random.sample(turn, len(turn)):
            bench.restore(case.state)
            runs[case.name].append(bench.play(case))
        say(f"  round {number + 1} of {rounds}")
    return runs


def report(runs: dict[str, list[Run]], module_memory: dict[str, float]) -> int:
    """Print the results; return the number of values outside their bounds."""
    seconds = {name: statistics.median(run.seconds for run in of_case) for name, of_case in runs.items()}
    say(
        f"\n{'case':18} {'runs':>4} {'median':>8} {'above empty':>12} {'from':>8} {'to':>8} {'trips':>6} {'controller':>11}"
    )
    for name, of_case in runs.items():
        every = [run.seconds for run in of_case]
        say(
            f"{name:18} {len(every):4} {seconds[name]:6.2f} s {seconds[name] - seconds['empty']:10.2f} s"
            f" {min(every):6.2f} s {max(every):6.2f} s {of_case[-1].trips:6} {max(run.memory for run in of_case):7.0f} MiB"
        )
    say("")
    over = 0

    def line(says: str, value: float, limit: float | None, at_least: bool = False, unit: str = "") -> None:
        nonlocal over
        if limit is None:
            say(f"{says:52} {value:6.4g}{unit:4}           no bound")
            return
        # A negative ratio shows nothing: other programs disturbed the empty play more than the case.
        kept = value >= limit if at_least else 0 <= value <= limit
        over += not kept
        sign = ">=" if at_least else "<="
        say(f"{says:52} {value:6.4g}{unit:4} {sign} {limit:4g}   {'within' if kept else 'OVER'}")

    for bound in BOUNDS:
        if bound.case in runs and bound.other in runs:
            base = 0 if bound.complete else seconds["empty"]  # it sends nothing, so that pipelining has no effect
            ratio = (seconds[bound.case] - base) / (seconds[bound.other] - base)
            line(bound.says, ratio, bound.limit, bound.at_least)
        else:
            say(f"{bound.says:52} not measured{': PEER is not set' if 'peer' in bound.case else ''}")
    if "role-again" in runs:
        line("role, nothing to change: round trips", runs["role-again"][-1].trips, TRIPS)
    if "table-same" in runs:
        controller = {name: max(run.memory for run in runs[name]) for name in ("table-same", "ping")}
        above = controller["table-same"] - controller["ping"]
        line("table, nothing to change: controller, above ping", above, MEMORY, unit=" MiB")
        line("table, nothing to change: host", module_memory["table-same"], MEMORY, unit=" MiB")
    for name, memory in module_memory.items():
        say(f"  on the host, the largest process of {name}: {memory:.0f} MiB")
    return over


def peer_role(directory: str) -> str:
    """The argument of include_role for the directory of a role or collection; a collection is added to Ansible's path."""
    path = Path(directory).resolve()
    if not directory or not (path / "roles" / "postfix").is_dir():
        return directory and str(path)
    paths = (ROOT / ".ansible/collections", path.parents[2])
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = ":".join(map(str, paths))
    return f"{path.parent.name}.{path.name}.postfix"


def command() -> int:
    """Start a fresh host, run the benchmark, and remove the host."""
    peer = peer_role(os.environ.get("PEER", ""))
    wanted = set(re.findall(r"[\w-]+", os.environ.get("CASES", "")))
    unknown = wanted - {case.name for case in CASES}
    if unknown:
        raise LabError(
            f"there is no case {', '.join(sorted(unknown))}; the cases are {', '.join(case.name for case in CASES)}"
        )
    wanted = {"empty", "ping"} | (wanted or {case.name for case in CASES})
    if any(name.endswith("-default") for name in wanted):
        wanted.add("ping-default")
    cases = [case for case in CASES if case.name in wanted and (peer or case.play != "peer")]
    rounds = int(os.environ.get("ROUNDS") or 7)
    lab = Lab("molecule")
    if peer:  # its package task requires python3-apt from Debian
        lab.hosts[HOST] = dataclasses.replace(lab.hosts[HOST], egress=True)
    try:
        lab.up([HOST], fresh=True)
        with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
            bench = Bench(lab, Path(scratch), peer)
            say(
                f"{rounds} rounds of {', '.join(case.name for case in cases)}; each case first runs once without measurement"
            )
            bench.prepare(cases)
            runs = measure(bench, cases, rounds)
            selected = [case for case in cases if case.name in ("ping", "table-same", "table-change")]
            memory = {case.name: bench.memory_of_module(case) for case in selected}
    finally:
        lab.down()
    say(
        f"load of this machine: {' '.join(f'{load:.1f}' for load in os.getloadavg())}; the benchmark itself causes about 1"
    )
    over = report(runs, memory)
    return 1 if over and os.environ.get("STRICT") == "1" else 0


if __name__ == "__main__":
    main(command)
