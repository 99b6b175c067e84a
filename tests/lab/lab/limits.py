# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names the limits of the machine that are short when a host does not start: their value, their use, and how to raise them.

Some limits are short only while a host starts, and free again when it has failed: for these, the host's log counts too.
"""

from __future__ import annotations

import ctypes
import dataclasses
import errno
import os
import re
from pathlib import Path
from typing import Callable, Iterable, Iterator

import tomllib

from lab.common import LAB

Read = Callable[[str], str]

# What one more host requires, podman included.
HOST_MEMORY = 64 * 2**20
HOST_TASKS = 48
HOST_FILES = 512
HOST_INSTANCES = 4
# Values that are sufficient for all hosts of the lab.
PLENTY = {
    "fs.inotify.max_user_instances": 1024,
    "fs.inotify.max_user_watches": 1048576,
    "fs.file-max": 1048576,
    "kernel.pid_max": 65536,
    "kernel.threads-max": 262144,
}
PID_MAX_LIMIT = 4194304  # of the kernel
UNLIMITED = 2**60  # version 1 of control groups has a number near 2**63 for "max"


@dataclasses.dataclass(frozen=True)
class Limit:
    """A limit of the machine, its use, and how to raise it."""

    name: str
    value: int
    used: int | None
    short: bool
    remedy: str
    unit: str = ""

    def __str__(self) -> str:
        scale = 2**20 if self.unit == "MiB" else 1
        value = f"{self.value // scale} {self.unit}".rstrip()
        use = value if self.used is None else f"{max(0, self.used) // scale} of {value} in use"
        return f"Too low on this machine: {self.name} ({use}). {self.remedy}"


def limit(name: str, value: int, used: int, needed: int, remedy: str, unit: str = "") -> Limit:
    """A limit that is short if less than what a host requires is left."""
    return Limit(name, value, used, value - used < needed, remedy, unit)


def sysctl(name: str, value: int) -> str:
    """How to raise a limit with sysctl(8)."""
    more = max(PLENTY[name], 2 * value)
    if name == "kernel.pid_max":
        more = min(more, PID_MAX_LIMIT)
    return f"Raise it (sysctl {name}={more}), or stop some hosts."


def number(text: str) -> int:
    """The first number in a file of /proc or of a control group; unlimited if there is none."""
    words = text.split()
    return int(words[0]) if words and words[0].isdigit() else UNLIMITED


def fields(text: str) -> dict[str, int]:
    """The numbers in lines such as "MemAvailable:  123 kB" and "inactive_file 123", by name."""
    found = re.findall(r"^([\w()]+):?\s+(\d+)", text, re.MULTILINE)
    return {name: int(value) for name, value in found}


# inotify


def inotify(read: Read, failure: int, instances: int, watches: int, log: str) -> Iterator[Limit]:
    """The limits of inotify(7). failure: the error of an attempt to use it; instances, watches: those of this user."""
    full = re.search(r"Too many open files", log)
    about = re.search(r"inotify", log)
    name = "fs.inotify.max_user_instances"
    value = number(read("/proc/sys/fs/inotify/max_user_instances"))
    if failure == errno.EMFILE:
        yield Limit(name, value, value, True, sysctl(name, value))
    elif full and (about or value - instances < HOST_INSTANCES):
        yield Limit(name, value, instances, True, sysctl(name, value))
    name = "fs.inotify.max_user_watches"
    value = number(read("/proc/sys/fs/inotify/max_user_watches"))
    if failure == errno.ENOSPC:
        yield Limit(name, value, value, True, sysctl(name, value))
    elif re.search(r"(?i)(?:inotify|watch).*No space left on device", log):
        yield Limit(name, value, watches, True, sysctl(name, value))


def attempt_inotify() -> int:
    """The error of an attempt to use inotify: EMFILE without an instance left, ENOSPC without a watch; 0: none.

    The use can't be read with certainty: /proc shows neither the processes of others nor instances that are shared.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        spare = os.open("/", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0  # this process itself can't open files, which says nothing of inotify
    os.close(spare)
    descriptor = libc.inotify_init1(os.O_CLOEXEC)
    if descriptor < 0:
        return ctypes.get_errno()
    try:
        modified = 0x2
        return ctypes.get_errno() if libc.inotify_add_watch(descriptor, b"/proc/self", modified) < 0 else 0
    finally:
        os.close(descriptor)


def inotify_use(proc: Path, user: int) -> tuple[int, int]:
    """The instances and watches of inotify of all processes of a user."""
    instances = watches = 0
    for process in proc.glob("[0-9]*"):
        try:
            if process.stat().st_uid != user:
                continue
            for descriptor in (process / "fd").iterdir():
                if os.readlink(descriptor) == "anon_inode:inotify":
                    instances += 1
                    watches += (process / "fdinfo" / descriptor.name).read_text(encoding="utf-8").count("inotify wd:")
        except OSError:  # the process has ended
            continue
    return instances, watches


# Memory, tasks and open files of the machine


def machine(read: Read) -> Iterator[Limit]:
    """The limits that all users share."""
    memory = fields(read("/proc/meminfo"))
    if "MemAvailable" in memory:
        total, available = memory["MemTotal"] * 1024, memory["MemAvailable"] * 1024
        yield limit("memory", total, total - available, HOST_MEMORY, "Stop some hosts or other programs.", "MiB")
    tasks = re.search(r"\d+/(\d+)", read("/proc/loadavg"))
    if tasks:
        for name in ("pid_max", "threads-max"):
            value, key = number(read(f"/proc/sys/kernel/{name}")), f"kernel.{name}"
            yield limit(key, value, int(tasks.group(1)), HOST_TASKS, sysctl(key, value))
    opened = number(read("/proc/sys/fs/file-nr"))
    if opened != UNLIMITED:
        value = number(read("/proc/sys/fs/file-max"))
        yield limit("fs.file-max", value, opened, HOST_FILES, sysctl("fs.file-max", value))


# Control groups


def directories(groups: str, mounts: str, controller: str) -> list[tuple[str, bool]]:
    """The directories of this process's control groups with a controller, its own first, up to the root.

    groups: /proc/self/cgroup; mounts: /proc/self/mountinfo. The second item: whether it is of version 1.
    """
    paths = {}
    for line in groups.splitlines():
        _number, controllers, path = line.split(":", 2)
        paths.update(dict.fromkeys(controllers.split(","), path))
    found = []
    for line in mounts.splitlines():
        head, _dash, tail = line.partition(" - ")
        root, point = head.split()[3:5]
        kind, _device, options = (tail.split() + ["", "", ""])[:3]
        first = kind == "cgroup"
        if not first and kind != "cgroup2":
            continue
        if first and controller not in options.split(","):
            continue
        if (controller if first else "") not in paths:
            continue
        path = paths[controller if first else ""]
        # In a container without a namespace for control groups, the mount shows only the part below its root.
        inside = path.removeprefix(root) if root != "/" else path
        parts = [part for part in inside.split("/") if part and part != ".."]
        found += [("/".join([point.rstrip("/"), *parts[:end]]), first) for end in range(len(parts), -1, -1)]
    return found


def control_groups(read: Read) -> Iterator[Limit]:
    """The limits of the control groups that this process is in."""
    groups, mounts = read("/proc/self/cgroup"), read("/proc/self/mountinfo")
    for directory, first in directories(groups, mounts, "memory"):
        names = ("memory.limit_in_bytes",) if first else ("memory.max", "memory.high")
        usage = read(f"{directory}/{'memory.usage_in_bytes' if first else 'memory.current'}")
        cache = fields(read(f"{directory}/memory.stat"))
        # The kernel frees the cache of files when it needs memory.
        prefix = "total_" if first else ""
        freeable = cache.get(f"{prefix}inactive_file", 0) + cache.get(f"{prefix}active_file", 0)
        for name in names:
            yield from group_limit(read, f"{directory}/{name}", usage, freeable, HOST_MEMORY, "MiB")
    for directory, _first in directories(groups, mounts, "pids"):
        usage = read(f"{directory}/pids.current")
        yield from group_limit(read, f"{directory}/pids.max", usage, 0, HOST_TASKS, "")


def group_limit(read: Read, path: str, usage: str, freeable: int, needed: int, unit: str) -> Iterator[Limit]:
    """The limit in a file of a control group; none if there is no such file or no limit."""
    value = number(read(path))
    if value < UNLIMITED and usage:
        unlimited = "-1" if path.endswith("_in_bytes") else "max"
        remedy = (
            f"Raise it (echo {unlimited} > {path}, or the option of what started this container), or stop some hosts."
        )
        yield limit(path, value, number(usage) - freeable, needed, remedy, unit)


# Resource limits


def resources(read: Read, tasks: int | None, required: dict[str, int], log: str) -> Iterator[Limit]:
    """The limits of this process, see getrlimit(2).

    tasks: those of this user, None for root, to whom RLIMIT_NPROC does not apply. required: what each host is started with,
    from containers.conf.
    """
    for name, label, code in (("nofile", "Max open files", 7), ("nproc", "Max processes", 6)):
        match = re.search(rf"^{label} +(\S+) +(\S+)", read("/proc/self/limits"), re.MULTILINE)
        if not match:
            continue
        soft, hard = number(match.group(1)), number(match.group(2))
        least, constant = required[name], f"RLIMIT_{name.upper()}"
        remedy = f"As root, raise it for this shell (prlimit --pid=$$ --{name}={least}:{least})."
        # Only a process with CAP_SYS_RESOURCE can start a host with a limit above its own.
        if hard < least and re.search(rf"rlimit type {code}\b|{constant}", log):
            yield Limit(f"{constant} (hard)", hard, None, True, f"A host is started with {least}. {remedy}")
        elif name == "nproc" and tasks is not None and soft < UNLIMITED:
            yield limit(constant, soft, tasks, HOST_TASKS, remedy)


def tasks_of(proc: Path, user: int) -> int:
    """The number of processes and threads of a user."""
    count = 0
    for status in proc.glob("[0-9]*/status"):
        try:
            numbers = fields(status.read_text(encoding="utf-8"))
        except OSError:  # the process has ended
            continue
        count += numbers.get("Threads", 0) if numbers.get("Uid") == user else 0
    return count


def required_resources() -> dict[str, int]:
    """The resource limits that podman sets for each host, with the lab's containers.conf."""
    pairs = tomllib.loads((LAB / "containers.conf").read_text(encoding="utf-8"))["containers"]["default_ulimits"]
    return {name: int(values.split(":")[0]) for name, values in (pair.split("=") for pair in pairs)}


def read_file(path: str) -> str:
    """The text of a file; empty if it can't be read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def examine(log: str) -> Iterable[Limit]:
    """The limits of this machine that may be short. log: what is known of the failure."""
    proc, user = Path("/proc"), os.geteuid()
    yield from inotify(read_file, attempt_inotify(), *inotify_use(proc, user), log)
    yield from machine(read_file)
    yield from control_groups(read_file)
    yield from resources(read_file, tasks_of(proc, user) if user else None, required_resources(), log)


def hint(log: str) -> str:
    """A line for each limit that is short, for the end of an error message; empty if none is."""
    return "".join(f"\n{limit}" for limit in dict.fromkeys(examine(log)) if limit.short)
