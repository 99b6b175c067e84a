# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import os

import pytest
from lab import common, hosts, limits
from lab.common import LabError

MIB = 2**20
INOTIFY = {
    "/proc/sys/fs/inotify/max_user_instances": "128\n",
    "/proc/sys/fs/inotify/max_user_watches": "8192\n",
}
MACHINE = {
    "/proc/meminfo": "MemTotal:       24683000 kB\nMemFree: 1 kB\nMemAvailable:   23000000 kB\n",
    "/proc/loadavg": "0.10 0.20 0.30 2/400 12345\n",
    "/proc/sys/kernel/pid_max": "32768\n",
    "/proc/sys/kernel/threads-max": "192731\n",
    "/proc/sys/fs/file-nr": "4506\t0\t2466183\n",
    "/proc/sys/fs/file-max": "2466183\n",
}
RESOURCES = (
    "Limit                     Soft Limit           Hard Limit           Units     \n"
    "Max processes             {nproc}                {nproc}                processes \n"
    "Max open files            1024                 {nofile}                files     \n"
)
REQUIRED = {"nofile": 20000, "nproc": 32768}
# How systemd and a daemon report it; the first does not name inotify.
SYSTEMD = "Failed to allocate manager object: Too many open files"
DAEMON = "dbus-daemon[33]: Cannot initialize inotify: Too many open files"
WATCH = "systemd[1]: Failed to create inotify object: Too many open files"


def reader(*files, **more):
    """Reads the given files; all others do not exist."""
    texts = {path: text for mapping in (*files, more) for path, text in mapping.items()}
    return lambda path: texts.get(path, "")


def short(found):
    return [limit.name for limit in found if limit.short]


@pytest.mark.parametrize(
    ("failure", "instances", "log", "names"),
    [
        (0, 20, "", []),
        (0, 20, "Connection refused", []),
        # None is left: whatever the log says
        (errno.EMFILE, 127, "", ["fs.inotify.max_user_instances"]),
        # Some are free again, since the host has ended
        (0, 126, SYSTEMD, ["fs.inotify.max_user_instances"]),
        (0, 20, DAEMON, ["fs.inotify.max_user_instances"]),
        (0, 20, WATCH, ["fs.inotify.max_user_instances"]),
        # Other files than those of inotify
        (0, 20, SYSTEMD, []),
        (0, 126, "Connection refused", []),
        (errno.ENOSPC, 20, "", ["fs.inotify.max_user_watches"]),
        (0, 20, "Failed to add inotify watch: No space left on device", ["fs.inotify.max_user_watches"]),
        (0, 20, "write /var/mail/bob: No space left on device", []),
        # Not permitted, or not known to the kernel
        (errno.EPERM, 20, "", []),
    ],
)
def test_inotify(failure, instances, log, names):
    found = limits.inotify(reader(INOTIFY), failure, instances, 100, log)
    assert short(found) == names


def test_the_message_has_the_value_the_use_and_the_command():
    (found,) = limits.inotify(reader(INOTIFY), errno.EMFILE, 120, 0, "")
    assert str(found) == (
        "Too low on this machine: fs.inotify.max_user_instances (128 of 128 in use). "
        "Raise it (sysctl fs.inotify.max_user_instances=1024), or stop some hosts."
    )
    (found,) = limits.inotify(reader(INOTIFY), 0, 125, 0, DAEMON)
    assert "(125 of 128 in use)" in str(found)


def test_an_attempt_to_use_inotify():
    """On a machine where the tests run, inotify is usually available; with other errors the test can't say anything."""
    assert limits.attempt_inotify() in (0, errno.EMFILE, errno.ENOSPC)


def test_open_files_of_this_process_are_not_those_of_inotify(monkeypatch):
    def full(*_arguments):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "open", full)
    assert limits.attempt_inotify() == 0


def test_the_use_of_inotify(tmp_path):
    for process, descriptor, target, info in (
        ("1", "3", "anon_inode:inotify", "pos:\t0\ninotify wd:2 ino:1\ninotify wd:1 ino:2\n"),
        ("1", "4", "anon_inode:[eventpoll]", "tfd: 3\n"),
        ("22", "9", "anon_inode:inotify", "pos:\t0\ninotify wd:1 ino:3\n"),
        ("self", "9", "anon_inode:inotify", "inotify wd:1 ino:3\n"),
    ):
        for name in ("fd", "fdinfo"):
            (tmp_path / process / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / process / "fd" / descriptor).symlink_to(target)
        (tmp_path / process / "fdinfo" / descriptor).write_text(info, encoding="utf-8")
    (tmp_path / "33").mkdir()  # a process that ends meanwhile
    assert limits.inotify_use(tmp_path, os.getuid()) == (2, 3)
    assert limits.inotify_use(tmp_path, os.getuid() + 1) == (0, 0)


@pytest.mark.parametrize(
    ("path", "text", "names"),
    [
        ("", "", []),
        ("/proc/meminfo", "MemTotal: 2000000 kB\nMemAvailable: 30000 kB\n", ["memory"]),
        ("/proc/meminfo", "MemTotal: 2000000 kB\nMemFree: 30000 kB\nMemAvailable: 300000 kB\n", []),
        ("/proc/loadavg", "0.10 0.20 0.30 2/32760 12345\n", ["kernel.pid_max"]),
        ("/proc/sys/kernel/threads-max", "420\n", ["kernel.threads-max"]),
        ("/proc/sys/fs/file-nr", "2466000\t0\t2466183\n", ["fs.file-max"]),
        # The kernel returns this for "no limit".
        ("/proc/sys/fs/file-max", "9223372036854775807\n", []),
    ],
)
def test_limits_of_the_machine(path, text, names):
    assert short(limits.machine(reader(MACHINE, {path: text}))) == names


def test_a_kernel_without_these_files_has_no_limits():
    assert list(limits.machine(reader())) == []
    assert list(limits.control_groups(reader())) == []


def test_pid_max_is_not_raised_above_the_limit_of_the_kernel():
    assert "kernel.pid_max=65536)" in limits.sysctl("kernel.pid_max", 32768)
    assert "kernel.pid_max=4194304)" in limits.sysctl("kernel.pid_max", 4194304)
    assert "fs.file-max=4000000)" in limits.sysctl("fs.file-max", 2000000)


HYBRID = (
    "24 23 0:21 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n"
    "25 23 0:22 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
    "26 23 0:23 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
    "27 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
)
HYBRID_GROUPS = "8:pids:/\n4:memory:/api/one\n9:name=systemd:/\n0::/\n"
UNIFIED = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
UNIFIED_GROUPS = "0::/user.slice/session-1.scope\n"
# Docker without a namespace for control groups: the mount shows the container's own group only.
DOCKER = "31 23 0:27 /docker/abc /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory\n"


def test_the_directories_of_control_groups():
    memory = "/sys/fs/cgroup/memory"
    assert limits.directories(HYBRID_GROUPS, HYBRID, "memory") == [
        (f"{memory}/api/one", True),
        (f"{memory}/api", True),
        (memory, True),
        ("/sys/fs/cgroup/unified", False),
    ]
    assert limits.directories(UNIFIED_GROUPS, UNIFIED, "pids") == [
        ("/sys/fs/cgroup/user.slice/session-1.scope", False),
        ("/sys/fs/cgroup/user.slice", False),
        ("/sys/fs/cgroup", False),
    ]
    assert limits.directories("4:memory:/docker/abc\n", DOCKER, "memory") == [(memory, True)]
    assert limits.directories(UNIFIED_GROUPS, DOCKER, "memory") == []


def group(directory, **files):
    return {f"{directory}/{name.replace('__', '.')}": text for name, text in files.items()}


FIRST = {"/proc/self/cgroup": HYBRID_GROUPS, "/proc/self/mountinfo": HYBRID}
SECOND = {"/proc/self/cgroup": UNIFIED_GROUPS, "/proc/self/mountinfo": UNIFIED}


@pytest.mark.parametrize(
    ("limit", "usage", "cache", "names"),
    [
        (2**63 - 4096, 1000 * MIB, 0, []),
        (1000 * MIB, 990 * MIB, 0, ["/sys/fs/cgroup/memory/api/memory.limit_in_bytes"]),
        # Half of it is the cache of files
        (1000 * MIB, 990 * MIB, 500 * MIB, []),
        (1000 * MIB, 500 * MIB, 0, []),
    ],
)
def test_memory_of_a_control_group_of_version_1(limit, usage, cache, names):
    files = group(
        "/sys/fs/cgroup/memory/api",
        memory__limit_in_bytes=f"{limit}\n",
        memory__usage_in_bytes=f"{usage}\n",
        memory__stat=f"cache 1\ninactive_file 0\ntotal_inactive_file {cache}\ntotal_active_file 0\n",
    )
    found = list(limits.control_groups(reader(FIRST, files)))
    assert short(found) == names
    assert not names or "(990 of 1000 MiB in use). Raise it (echo -1 > /sys" in str(found[0])


@pytest.mark.parametrize(
    ("most", "high", "usage", "cache", "names"),
    [
        ("max", "max", 1000 * MIB, 0, []),
        (1000 * MIB, "max", 990 * MIB, 0, ["memory.max"]),
        ("max", 1000 * MIB, 1010 * MIB, 0, ["memory.high"]),
        (1000 * MIB, 900 * MIB, 990 * MIB, 900 * MIB, []),
    ],
)
def test_memory_of_a_control_group_of_version_2(most, high, usage, cache, names):
    directory = "/sys/fs/cgroup/user.slice"
    stat = f"anon 1\ninactive_file {cache}\nactive_file 0\n"
    files = group(directory, memory__max=most, memory__high=high, memory__current=usage, memory__stat=stat)
    found = short(limits.control_groups(reader(SECOND, {path: f"{text}\n" for path, text in files.items()})))
    assert found == [f"{directory}/{name}" for name in names]


@pytest.mark.parametrize(("most", "now", "names"), [("max", "90", []), ("100", "90", ["pids.max"]), ("999", "90", [])])
def test_processes_of_a_control_group(most, now, names):
    directory = "/sys/fs/cgroup/user.slice/session-1.scope"
    files = group(directory, pids__max=f"{most}\n", pids__current=f"{now}\n")
    found = list(limits.control_groups(reader(SECOND, files)))
    assert short(found) == [f"{directory}/{name}" for name in names]
    assert not names or f"(90 of 100 in use). Raise it (echo max > {directory}/pids.max" in str(found[0])


@pytest.mark.parametrize(
    ("nofile", "nproc", "tasks", "log", "names"),
    [
        (20000, 96365, None, "error setting rlimit type 7: operation not permitted", []),
        (1024, 96365, None, "error setting rlimit type 7: operation not permitted", ["RLIMIT_NOFILE (hard)"]),
        (1024, 96365, None, "setrlimit `RLIMIT_NOFILE`: Operation not permitted", ["RLIMIT_NOFILE (hard)"]),
        (20000, 5000, None, "error setting rlimit type 6: operation not permitted", ["RLIMIT_NPROC (hard)"]),
        (1024, 96365, None, "error setting rlimit type 6: operation not permitted", []),
        # A host can be started with more than this process has, with the necessary rights
        (1024, 96365, None, "Connection refused", []),
        (20000, 5000, 4990, "", ["RLIMIT_NPROC"]),
        (20000, 5000, 100, "", []),
        (20000, "unlimited", 5000, "", []),
        # root
        (20000, 5000, None, "", []),
    ],
)
def test_resource_limits(nofile, nproc, tasks, log, names):
    text = RESOURCES.format(nofile=nofile, nproc=nproc)
    assert short(limits.resources(reader({"/proc/self/limits": text}), tasks, REQUIRED, log)) == names


def test_the_message_of_a_resource_limit():
    text = RESOURCES.format(nofile=1024, nproc=96365)
    (found,) = limits.resources(reader({"/proc/self/limits": text}), None, REQUIRED, "rlimit type 7")
    assert str(found) == (
        "Too low on this machine: RLIMIT_NOFILE (hard) (1024). A host is started with 20000. "
        "As root, raise it for this shell (prlimit --pid=$$ --nofile=20000:20000)."
    )


def test_tasks_of_a_user(tmp_path):
    for process, user, threads in (("1", 0, 1), ("2", 1000, 3), ("3", 1000, 4), ("self", 1000, 4)):
        (tmp_path / process).mkdir()
        text = f"Name:\tx\nUid:\t{user}\t0\t0\t0\nThreads:\t{threads}\n"
        (tmp_path / process / "status").write_text(text, encoding="utf-8")
    assert limits.tasks_of(tmp_path, 1000) == 7


def test_hosts_are_started_with_the_limits_of_containers_conf():
    assert limits.required_resources() == REQUIRED


def test_a_limit_of_several_processes_is_named_once(monkeypatch):
    found = list(limits.inotify(reader(INOTIFY), errno.EMFILE, 1, 1, ""))
    monkeypatch.setattr(limits, "examine", lambda _log: [*found, *found, *limits.machine(reader(MACHINE))])
    assert limits.hint("").count("Too low") == 1


def test_the_error_of_a_host_names_the_limit(monkeypatch):
    monkeypatch.setattr(limits, "hint", lambda log: "\nToo low" if "no reply" in log else "")
    with pytest.raises(LabError, match="^host a: no reply\nToo low$"), hosts.limits_named():
        raise LabError("host a: no reply\n")
    with pytest.raises(LabError, match="^host a: degraded$"), hosts.limits_named():
        raise LabError("host a: degraded")


def test_a_program_that_cannot_be_started_is_an_error_of_the_lab(monkeypatch):
    def full(*_arguments, **_options):
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(common.subprocess, "run", full)
    with pytest.raises(LabError, match="the program podman can't be started: Resource temporarily unavailable"):
        common.podman("ps")
