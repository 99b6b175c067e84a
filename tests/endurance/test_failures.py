# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A failure on the host is reported clearly, and nothing is changed: content, owner, mode, time and inode of each file; no temporary files."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

UNPRIVILEGED = 65534
PAGE = 4096


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


@pytest.fixture
def mount():
    """Mounts file systems during a test."""
    mounted = []

    def mount_one(*arguments):
        done = run("mount", *arguments)
        if done.returncode:
            pytest.fail(
                f"mount {' '.join(arguments)}: {done.stderr.strip()}: these tests need the right to mount (CAP_SYS_ADMIN)"
            )
        if not arguments[1].startswith("remount"):
            mounted.append(arguments[-1])

    yield mount_one
    for path in reversed(mounted):
        run("umount", path)


@pytest.fixture
def refused(modules, state, postfix):
    """Runs a module that must fail with these words in its message, and change nothing."""

    def expect(options, *words, runner=modules, **arguments):
        # Runs that other tests have killed may have left files there.
        before, temporary = state(), os.listdir(modules.scratch)
        message = runner(options, **arguments).refused()
        assert state() == before, message
        assert sorted(os.listdir(modules.scratch)) == sorted(temporary), message
        assert [word for word in words if word not in message] == [], message
        assert "Traceback" not in message
        postfix.reads_everything()
        return message

    return expect


@pytest.fixture
def a(modules, declared):
    """The declaration a has been applied; b changes every file."""
    modules(declared("a")).succeeded()


# Disk full


@pytest.fixture
def small(directory, mount):
    """Puts the configuration directory on a small file system; the file ``filler`` can fill it."""

    def make(options):
        kept = f"{directory}.kept"
        shutil.copytree(directory, kept)
        mount("-t", "tmpfs", "-o", f"mode=755,{options}", "tmpfs", str(directory))
        shutil.copytree(kept, directory, dirs_exist_ok=True)
        shutil.rmtree(kept)

    return make


def leave_pages(path, count):
    """Fill a file system except for some pages."""
    path.unlink(missing_ok=True)
    with open(path, "wb") as file:
        available = os.statvfs(path).f_bavail * os.statvfs(path).f_bsize
        os.posix_fallocate(file.fileno(), 0, max(1, available - count * PAGE))


FULL = "No space left on device"


def test_no_space_for_content(modules, directory, declared, small, refused):
    """Each run has more pages available, until all files fit."""
    before, after = declared("a"), declared("b")
    for declaration in (before, after):
        declaration["ca_bundle"]["system"] = False
    modules(before).succeeded()
    small("size=4m")
    actions = set()
    for free in [*range(6), *range(6, 200, 3)]:
        leave_pages(directory / "filler", free)
        if free > 30 and modules(after).status == 0:
            break
        actions.add(refused(after, FULL).partition(" ")[0])
    else:
        pytest.fail("no run succeeds")
    assert {"writing", "compiling"} <= actions


def test_no_inodes_for_files(modules, a, directory, declared, small, refused):
    """Each run has one more inode available, so that the creation of each file fails once."""
    small("size=4m,nr_inodes=1000")
    actions = []
    for free in range(60):
        shutil.rmtree(directory / "filler", ignore_errors=True)
        (directory / "filler").mkdir()
        for number in range(os.statvfs(directory).f_favail - free):
            (directory / "filler" / str(number)).write_text("")
        if free > 18 and modules(declared("b")).status == 0:
            break
        actions.append(refused(declared("b"), FULL, str(directory)))
    else:
        pytest.fail("no run succeeds")
    for stage in (
        "locking ",
        "/.transaction:",
        "/tls/mx.pem:",
        "compiling hash:",
        "compiling cdb:",
        "/.transaction/1:",
    ):
        assert any(stage in message for message in actions), (stage, actions)


def test_no_space_for_temporary_files(a, directory, declared, refused, scratch, mount):
    """The temporary directory, where Postfix reads a copy of the planned files."""
    temporary = scratch / "full"
    temporary.mkdir()
    mount("-t", "tmpfs", "-o", "size=4m,mode=1777", "tmpfs", str(temporary))
    leave_pages(temporary / "filler", 1)
    refused(declared("b"), FULL, environment={"TMPDIR": str(temporary)})


# Files that can't be written


def test_a_file_system_that_is_read_only(a, directory, declared, small, refused, mount):
    small("size=4m")
    mount("-o", "remount,ro", str(directory))
    refused(declared("b"), f"locking {directory}/main.cf: Read-only file system")


@pytest.mark.parametrize("which", ["tls", "maps"])
def test_a_directory_that_is_read_only(which, modules, directory, declared, refused, mount):
    declared_there = declared("a"), declared("b")
    for declaration in declared_there:
        declaration["lookup_tables"][1]["path"] = "maps/recipients"
    modules(declared_there[0]).succeeded()
    mount("--bind", str(directory / which), str(directory / which))
    mount("-o", "remount,bind,ro", str(directory / which))
    refused(declared_there[1], f"writing {directory}/{which}/", "Read-only file system", "Nothing has been changed")


@pytest.fixture
def immutable(directory):
    """Makes a file or directory immutable, also for root."""
    changed = []

    def make(path):
        done = run("chattr", "+i", str(path))
        if done.returncode:
            pytest.fail(f"{done.stderr.strip()}: set TMPDIR to a file system with immutable files (ext4, xfs, btrfs)")
        changed.append(path)

    yield make
    for path in changed:
        run("chattr", "-i", str(path))


@pytest.mark.parametrize(
    "name", ["main.cf", "master.cf", "transport", "transport.db", "recipients.cdb", "tls_policy", "tls/mx.pem"]
)
def test_an_immutable_file(name, a, directory, declared, immutable, refused):
    immutable(directory / name)
    refused(declared("b"), f"{directory}/{name}", "Operation not permitted", "Nothing has been changed")


def test_an_immutable_directory(a, directory, declared, immutable, refused):
    immutable(directory)
    refused(declared("b"), f"locking {directory}/main.cf: Operation not permitted")


def test_an_immutable_directory_below(a, directory, declared, immutable, refused):
    immutable(directory / "tls")
    refused(declared("b"), f"{directory}/tls/", "Operation not permitted", "Nothing has been changed")


# Missing programs and files


@pytest.fixture
def without(modules):
    """Runs modules in an environment without a program."""
    servers = []

    def run_without(program):
        # A file that is not executable is mounted over it, in a mount namespace of these runs.
        hide = f"for path in $(command -v -a {program}) /usr/sbin/{program} /usr/bin/{program}; do "
        hide += '[ ! -e "$path" ] || mount --bind "$0" "$path" || exit 1; done; exec "$@"'
        servers.append(type(modules)(modules.scratch, ["unshare", "--mount", "sh", "-c", hide, "/etc/fstab"]))
        return servers[-1]

    yield run_without
    for server in servers:
        server.close()


@pytest.mark.parametrize("program", ["postconf", "postmap", "openssl"])
def test_a_program_that_is_not_installed(program, a, declared, without, refused):
    refused(declared("b"), f"running {program}: the program is not installed", runner=without(program))


def test_a_configuration_that_does_not_exist(modules, directory, scratch, declared, state):
    before = state()
    gone = str(scratch / "gone")
    message = modules({**declared("a"), "config_directory": gone}).refused()
    assert f"reading {gone}/main.cf: there is no such file" in message
    assert "Name an existing Postfix configuration in config_directory" in message
    assert not os.path.exists(gone)
    assert state() == before


def test_a_directory_that_is_a_file(modules, directory, declared, refused):
    (directory / "tls").write_text("")
    message = refused(declared("a"), f"{directory}/tls")
    assert "Not a directory" in message or "File exists" in message, message


@pytest.mark.parametrize("name", ["transport", "transport.db", "recipients.cdb", "tls_policy", "tls/mx.pem"])
def test_a_directory_where_a_file_should_be(name, a, directory, declared, refused):
    (directory / name).unlink()
    (directory / name).mkdir()
    message = refused(declared("b"), f"{directory}/{name}")
    assert "Is a directory" in message or "it is not a file" in message, message


def test_a_link_to_itself(a, directory, declared, refused):
    (directory / "transport").unlink()
    (directory / "transport").symlink_to("transport")
    refused(declared("b"), f"reading {directory}/transport: Too many levels of symbolic links")


# Not root


@pytest.fixture
def table_only(directory):
    """Declares one table and one parameter, without keys that only root can read."""
    return {
        "config_directory": str(directory),
        "main_cf": {"smtpd_banner": "changed"},
        "lookup_tables": [
            {"path": "transport", "type": "hash", "entries": {"example.test": "smtp:"}, "parameter": "transport_maps"}
        ],
    }


def test_not_root(a, directory, table_only, refused):
    refused(
        table_only, f"locking {directory}/main.cf: Permission denied. Run as root (become: true)", user=UNPRIVILEGED
    )


def test_files_of_another_owner(a, directory, table_only, refused):
    """A user with write access to the directory could replace root's files: the module refuses to do so."""
    os.chown(directory, UNPRIVILEGED, UNPRIVILEGED)
    refused(table_only, str(directory), "Operation not permitted", "Nothing has been changed", user=UNPRIVILEGED)


@pytest.mark.parametrize("name", ["main.cf", "master.cf", "transport"])
def test_a_file_that_can_not_be_read(name, a, directory, table_only, refused):
    os.chown(directory, UNPRIVILEGED, UNPRIVILEGED)
    os.chmod(directory / name, 0o600)
    options = {**table_only, "master_cf": [{"service": "smtp/inet"}]}
    message = refused(options, f"{directory}/{name}", user=UNPRIVILEGED)
    assert "ermission denied" in message, message


def test_a_configuration_of_another_user(a, directory, modules, table_only):
    """The module works for the owner of the files, who need not be root."""
    for path in [directory, *directory.iterdir()]:
        os.chown(path, UNPRIVILEGED, UNPRIVILEGED)
    assert modules(table_only, user=UNPRIVILEGED).succeeded()["changed"]
    assert (directory / "main.cf").stat().st_uid == UNPRIVILEGED
