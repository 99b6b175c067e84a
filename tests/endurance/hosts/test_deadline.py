# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host keeps the deadline, whatever happens to its clock, its disk and its instances. No test waits for a deadline of its own.

Time passes by changing the deadline in the record of a transaction: a time of CLOCK_BOOTTIME, which no change of the clock affects, and in
which the time counts in which the host was suspended.
"""

from __future__ import annotations

import os
from functools import partial

import pytest
from fleet import STATE, differences, part, shown, size, until

DAY = 86400
PASSED = 0.0

CLOCK = """
# added by a test
import time
def _moved(read, unit):
    return lambda *clock: read(*clock) + (%d * unit if clock in ((), (0,)) else 0)
for _name, _unit in (("time", 1), ("time_ns", 10**9), ("clock_gettime", 1), ("clock_gettime_ns", 10**9)):
    setattr(time, _name, _moved(getattr(time, _name), _unit))
"""
"""Moves the clock that Python programs read, not the one of the machine, which is also that of its other hosts."""


def _set_clock(host, seconds):
    for path in (host.root / "etc").glob("python3*/sitecustomize.py"):
        own = path.read_text(encoding="utf-8").partition("\n# added by a test")[0]
        path.write_text(own + (CLOCK % seconds if seconds else ""), encoding="utf-8")
    shift = int(host.run("python3", "-c", "import time; print(round(time.time()))")) - int(host.run("date", "+%s"))
    assert abs(shift - seconds) < 60


@pytest.fixture
def clock(pairs):
    """Sets the clock of all hosts, by seconds."""
    yield lambda seconds: pairs.each(lambda host: _set_clock(host, seconds))
    pairs.each(lambda host: _set_clock(host, 0))


def pytest_generate_tests(metafunc):
    """With FULL=1 all cases."""
    full = bool(os.environ.get("FULL"))
    if "opened" in metafunc.fixturenames:
        metafunc.parametrize("opened", [0, DAY, -DAY] if full else [0])
    if "first_undone" in metafunc.fixturenames:
        metafunc.parametrize("first_undone", ["/etc/postfix", SECOND] if full else [SECOND])
    if "small" in metafunc.fixturenames:
        paths = {"configuration": "/etc/postfix", "state": f"/{STATE}"}
        names = list(paths) if full else ["configuration"]
        metafunc.parametrize("small", [paths[name] for name in names], ids=names, indirect=True)


def test_a_clock_that_is_set(pairs, clock, opened):
    """The clock is set while the transaction is open. It may have been wrong before."""
    before = pairs.in_service()
    clock(opened)
    pairs.open(part(50))
    for seconds in (DAY, 0, -DAY):
        clock(seconds)
        pairs.each(lambda host: host.look())
        assert [len(host.records()) for host in pairs] == [1, 1, 1], "undone too early"
    for host in pairs:
        host.edit_records(until=PASSED)
    pairs.each(lambda host: host.undone_by_itself())
    assert differences(pairs.in_service(), before) == {}


def test_a_verification_after_a_suspend(pairs):
    """The host wakes after the deadline, and the verification may be the first to see it."""
    before = pairs.in_service()
    pairs.open(part(51))
    ids = {host.name: host.records()[0]["id"] for host in pairs}
    for host in pairs:
        host.edit_records(until=PASSED)
    run = pairs.start({"ids": ids}, "verify.yml")
    assert run.result() == 2, run.text
    for host in pairs:
        assert f"fatal: [{host.name}]: FAILED!" in run.text, run.text
    assert run.text.count("deadline has passed") + run.text.count("is no longer open") >= len(ids), run.text
    assert differences(pairs.in_service(), before) == {}
    assert [host.pending() for host in pairs] == [[], [], []]


# Instances

ADDRESS = "203.0.113.77"
SECOND = "/etc/postfix-out"
SHARED = "/etc/shared/clients"


@pytest.fixture
def second(kills):
    """A second instance on all hosts, on a port of its own."""
    directory = f"-c {SECOND}"
    commands = [
        "postmulti -e init",
        "postmulti -I postfix-out -G mta -e create",
        f"postconf {directory} -e master_service_disable= inet_interfaces=127.0.0.1 inet_protocols=ipv4",
        f"postconf {directory} -MX smtp/inet",
        f"postconf {directory} -M 2627/inet='2627 inet n - n - - smtpd'",
        f"postconf {directory} -e maillog_file=$(postconf -h maillog_file)",
        "postmulti -i postfix-out -e enable",
    ]
    kills.each(lambda host: host.run("sh", "-ec", "\n".join(commands)))
    for host in kills:
        if host.suite == "trixie":  # on bookworm a generator of units does this
            host.run("systemctl", "enable", "postfix@out.service")
    kills.each(lambda host: host.run("sh", "-c", "postmulti -i postfix-out -p start > /dev/null 2>&1"))
    for host in kills:
        host.instance = "etc-postfix\\x2dout"
    yield
    for host in kills:
        host.instance = "etc-postfix"
    removed = (
        "postmulti -i postfix-out -p stop; postmulti -i postfix-out -e disable; postmulti -i postfix-out -e destroy"
    )
    kills.each(lambda host: host.run("sh", "-c", removed, check=False))


def _second(host):
    """What the second instance does, and has."""
    steps = {
        "session": {"do": "session", "host": "127.0.0.1", "port": 2627},
        "parameters": {"do": "run", "argv": ["postconf", "-c", SECOND, "-n"]},
        "status": {"do": "run", "argv": ["postfix", "-c", SECOND, "status"]},
    }
    seen = host.probe(**steps)
    return {
        "size": size(seen["session"]),
        "parameters": seen["parameters"]["stdout"],
        "runs": seen["status"]["rc"] == 0,
    }


def test_a_second_instance_at_boot(kills, second):
    """With the change it can't be started, because an address is missing that the host had before."""
    first, before = kills.in_service(), kills.each(_second)
    assert all(seen["runs"] for seen in before.values()), before
    kills.each(lambda host: host.run("ip", "address", "replace", f"{ADDRESS}/32", "dev", "lo"))
    kills.open({"config_directory": SECOND, "main_cf": {"inet_interfaces": ADDRESS, "message_size_limit": 20_000_000}})
    assert [len(host.records()) for host in kills] == [1, 1, 1]
    kills.restart(at_once=True)
    kills.each(lambda host: host.undone_by_itself())
    until(lambda: all(seen["runs"] for seen in kills.each(_second).values()), lambda: str(kills.each(_second)))
    assert differences(kills.each(_second), before) == {}
    assert differences(kills.in_service(), first) == {}


def test_two_instances_share_a_table(kills, second, first_undone):
    """Each has changed it. They are undone in either order: the entries of the other one stay, and it is reloaded."""
    table = f"mkdir -p {os.path.dirname(SHARED)} && echo 'base 0' > {SHARED} && postmap {SHARED}"
    named = f"postconf -c $i -e relay_clientcerts=hash:{SHARED} && postfix -c $i reload"
    kills.each(lambda host: host.run("sh", "-ec", f"{table}; for i in /etc/postfix {SECOND}; do {named}; done"))
    for directory, entry in (("/etc/postfix", {"one": "1"}), (SECOND, {"two": "2"})):
        shared = {"path": SHARED, "type": "hash", "entries": entry}
        kills.open({"config_directory": directory, "lookup_tables": [shared]})
    open_ones = {host.name: {found["instance"]: found["id"] for found in host.pending()} for host in kills}
    order = ["/etc/postfix", SECOND]
    left = [["base\t0", "two\t2"], ["base\t0"]]
    if first_undone == SECOND:
        order, left = order[::-1], [["base\t0", "one\t1"], ["base\t0"]]
    for directory, entries in zip(order, left):
        for host in kills:
            since = host.probe(now={"do": "log"})["now"]["cursor"]
            host.run("mailops-postfix", "undo", open_ones[host.name][directory])
            assert sorted(host.run("postmap", "-s", f"hash:{SHARED}").splitlines()) == entries, host.name
            name = "postfix" if directory == SECOND else "postfix-out"
            until(partial(_has_reloaded, host, name, since), partial(_shown_reloads, host, since))


def _reloads(host, since):
    return host.probe(log={"do": "log", "pattern": r"/master\[\d+\]: reload ", "since": since})["log"]["lines"]


def _has_reloaded(host, name, since):
    return name in {line.partition("/")[0] for line in _reloads(host, since)}


def _shown_reloads(host, since):
    return f"{host.name}: {_reloads(host, since)}"


# Disks


@pytest.fixture
def small(request, pairs):
    """A directory on a small file system."""
    path = request.param
    copy = f"rm -rf /root/copy && cp -a {path} /root/copy"
    mounted = f"mount -t tmpfs -o size=1m,mode=$(stat -c %a {path}) tmpfs {path} && cp -a /root/copy/. {path}/"
    pairs.each(lambda host: host.run("sh", "-c", f"{copy} && {mounted}"))
    yield path
    pairs.each(lambda host: host.run("umount", "--lazy", path))


def test_a_full_disk(pairs, small):
    before = pairs.in_service()
    pairs.open(part(52))
    full = f"! dd if=/dev/zero of={small}/filler bs=1k 2>/dev/null; ! dd if=/dev/zero of={small}/rest bs=1 2>/dev/null"
    for host in pairs:
        host.edit_records(until=PASSED)
    pairs.each(lambda host: host.run("sh", "-c", full))
    pairs.each(lambda host: host.look())
    for host in pairs:
        new = {name: shown(52)[name] for name in ("main.cf", "table")}
        seen = {
            "main.cf": host.run("postconf", "-h", "message_size_limit").strip(),
            "table": host.run("postmap", "-q", "serial.example.test", "hash:/etc/postfix/transport").strip(),
        }
        old = {name: before[host.name][name] for name in new}
        assert seen == (new if host.records() else old), f"{host.name}: neither old nor new"
    if small == "/etc/postfix":
        assert [len(host.records()) for host in pairs] == [1, 1, 1], "the disk is not full"
    pairs.each(lambda host: host.run("rm", f"{small}/filler", f"{small}/rest"))
    pairs.each(lambda host: host.undone_by_itself())
    assert differences(pairs.in_service(), before) == {}
