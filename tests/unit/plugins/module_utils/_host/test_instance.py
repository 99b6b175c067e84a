# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading an instance: with the installed Postfix, and with programs that answer as other versions do."""

from __future__ import annotations

import fcntl
import os

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import HostError
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance, parse_postconf
from ansible_collections.mailops.postfix.plugins.module_utils._host.runner import Completed, run_program


class Programs:
    """Runs the answers that it is given, in place of programs, and keeps what was run."""

    def __init__(self, parameters=None, stderr="", returncode=0, defaults="mail_version = 3.5.6\n"):
        text = "".join(f"{name} = {value}\n" for name, value in (parameters or {}).items())
        self.answers = {"-c": (text, stderr, returncode), "-d": (defaults, "", 0), "-m": ("btree\nhash\n", "", 0)}
        self.commands = []

    def __call__(self, argv, stdin=None):
        self.commands.append(" ".join(argv))
        option = "-m" if "-m" in argv else argv[1]
        stdout, stderr, returncode = self.answers[option]
        return Completed(tuple(argv), returncode, stdout.encode(), stderr.encode())


def instance(directory, **answers):
    return Instance(str(directory), Programs(**answers))


def test_a_directory_without_main_cf(tmp_path):
    with pytest.raises(HostError, match=r"main.cf: there is no such file. Name an existing Postfix configuration"):
        Instance(str(tmp_path))


def test_the_directory_of_postconf_without_another(directory):
    found = Instance(None, lambda argv, stdin: Completed(tuple(argv), 0, f"{directory}\n".encode(), b""))
    assert found.config_directory == str(directory)
    assert (found.path("x"), found.path("/x")) == (f"{directory}/x", "/x")


def test_values_of_the_installed_postfix(directory):
    found = Instance(str(directory))
    assert (found.parameters["biff"], found.defaults["biff"]) == ("no", "yes")
    assert found.parameters["mydestination"] == "$myhostname, localhost"
    assert found.explicit["compatibility_level"] == "3.6"
    assert found.version >= (3, 4) and "hash" in found.map_types
    assert not {"process_id", "process_name"} & set(found.parameters)
    assert found.is_readable() and found.unused == frozenset()


def test_unused_settings(directory):
    (directory / "main.cf").write_text("compatibility_level = 3.6\nbif = no\n")
    with open(directory / "master.cf", "a") as file:
        file.write("x unix - - n - - smtp\n  -o smtp_tls_levl=may\n")
    assert Instance(str(directory)).unused == {("main", "bif"), ("master", "smtp_tls_levl")}


def test_files(directory):
    found = instance(directory)
    assert found.read("nothing") is None and found.main_cf == (directory / "main.cf").read_bytes()
    (directory / "master.cf").unlink()
    assert found.master_cf == b""
    with pytest.raises(HostError, match=f"reading {directory}/.: Is a directory"):
        found.read(".")
    (directory / "t").write_text("A b  c\na second\n")
    assert (found.entries("hash", "t"), found.entries("hash", "u")) == ({"a": "b  c"}, None)


def test_a_program_that_fails(directory):
    found = instance(directory, returncode=1, stderr="postconf: fatal: x\n y\n")
    with pytest.raises(HostError, match=r"running postconf -c \S+: postconf: fatal: x / y$"):
        found.run("postconf", "-c", "x")
    assert found.run("postconf", "-c", "x", check=False).returncode == 1
    with pytest.raises(HostError, match="fatal: x"):
        _values = found.parameters
    with pytest.raises(HostError, match=f"checking {directory}: postconf can't read it: postconf: fatal: x"):
        found.must_be_readable()
    assert not found.is_readable()
    # The defaults do not depend on main.cf.
    assert found.version == (3, 5, 6)


@pytest.mark.parametrize(("text", "version"), [("3.10.5", (3, 10, 5)), ("3.11-20250101", (3, 11)), ("3.7", (3, 7))])
def test_versions(directory, text, version):
    assert instance(directory, parameters={"mail_version": text}).version == version


def test_no_version(directory):
    with pytest.raises(HostError, match="reading mail_version: postconf answers 'x'"):
        _version = instance(directory, parameters={"mail_version": "x"}).version


def test_a_program_runs_once(directory):
    programs = Programs()
    found = Instance(str(directory), programs)
    found.begin("parameters", "map_types")
    found.begin("parameters", "map_types")
    assert found.map_types == {"btree", "hash"}
    for _time in range(2):
        assert found.is_readable() and found.complaints == ""
    found.begin("parameters")
    found.begin("defaults")
    found.end()
    commands = [f"postconf -c {directory}", f"postconf -c {directory} -m", "postconf -d"]
    assert sorted(programs.commands) == sorted(commands)


@pytest.mark.parametrize(
    ("column", "version", "level", "chroot"),
    [
        ("y", "3.7.11", "3.6", True),
        ("n", "2.11.0", "0", False),
        # "-" is y by default before Postfix 3.0, and before compatibility level 1
        ("-", "3.7.11", "3.6", False),
        ("-", "3.7.11", "1", False),
        ("-", "3.7.11", "0", True),
        ("-", "2.11.0", "3.6", True),
        ("-", "3.7.11", "$other", True),
    ],
)
def test_chroot(directory, column, version, level, chroot):
    (directory / "master.cf").write_text(f"smtp unix - - n - - smtp\nsmtp unix - - {column} - - smtp\n")
    found = instance(directory, parameters={"mail_version": version, "compatibility_level": level})
    assert found.chrooted() is chroot
    assert found.chrooted("lmtp/unix") is False


@pytest.mark.parametrize("explicit", [True, False])
@pytest.mark.parametrize("broken", ["inet_protocols = ipv9\n", "no equals sign\n"])
def test_postfix_runs_on_with_files_that_it_can_not_read(directory, explicit, broken):
    """The queue directory is that of main.cf, if that can be read, or the default."""
    queue = directory / "queue"
    (queue / "pid").mkdir(parents=True)
    own = f"queue_directory = {queue}\n" if explicit else ""
    (directory / "main.cf").write_text(f"compatibility_level = 3.6\n{own}{broken}")
    os.utime(directory / "main.cf", (1, 1))
    found = Instance(str(directory))
    found.defaults = {"queue_directory": str(queue) if not explicit or "=" not in broken else "/nonexistent"}
    with open(queue / "pid/master.pid", "w") as file:
        assert not found.running()
        fcntl.flock(file, fcntl.LOCK_EX)
        assert found.running()


def test_postfix_runs_while_master_locks_its_file(directory):
    found = instance(directory, parameters={"queue_directory": str(directory)})
    assert not found.running()
    (directory / "pid").mkdir()
    with open(directory / "pid/master.pid", "w") as file:
        assert not found.running()
        fcntl.flock(file, fcntl.LOCK_EX)
        assert found.running()
    assert not found.running()


def test_a_staged_instance_has_other_texts_and_the_same_files(directory):
    (directory / "t").write_text("a b\n")
    found = instance(directory)
    with found.staged(b"biff = yes\n", b"x unix - - n - - smtp\n") as staged:
        assert (staged.main_cf, staged.read("t")) == (b"biff = yes\n", b"a b\n")
        assert os.stat(staged.config_directory).st_mode & 0o077 == 0
        # Postfix waits until a file is two seconds old.
        assert os.stat(staged.path("main.cf")).st_mtime <= os.stat(staged.config_directory).st_mtime - 2
    assert not os.path.exists(staged.config_directory)
    assert found.main_cf != b"biff = yes\n"


def test_errors_of_a_staged_instance_name_the_directory_of_the_instance(directory):
    with (
        pytest.raises(HostError, match=f"reading {directory}/x: no"),
        instance(directory).staged(b"", b"") as staged,
    ):
        raise HostError("reading", staged.path("x"), "no")


def test_a_full_disk_while_staging(directory, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(directory / "missing"))
    with (
        pytest.raises(HostError, match=f"staging the configuration at {directory}/missing.*Free some space"),
        instance(directory).staged(b"", b""),
    ):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="postfix check runs as root only")
def test_postfix_check(directory, monkeypatch):
    commands = []

    def run(argv, stdin=None):
        commands.append(argv[0])
        return run_program(argv, stdin)

    found = Instance(str(directory), run)
    before = sorted(path.name for path in directory.iterdir())
    main_cf = f"# {directory}\ncompatibility_level = 3.6\nmail_owner = no-such-user\n".encode()
    found.begin_postfix_check(main_cf, found.master_cf, standalone=True)
    failure, _warnings = found.postfix_check(main_cf, found.master_cf, standalone=True)
    assert "no-such-user" in failure and "postfix-staged-" not in failure
    assert found.postfix_check(main_cf, found.master_cf, standalone=True)[0] == failure
    assert commands == ["postmap"]
    assert found.postfix_check(found.main_cf, found.master_cf, standalone=True)[0] == ""
    assert commands == ["postmap", "postmap"]
    found.postfix_check(found.main_cf, found.master_cf)
    assert commands[2:] == ["postmap", "postfix"]
    assert sorted(path.name for path in directory.iterdir()) == before
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert found.postfix_check(b"x", b"") == ("", frozenset())


def test_the_complaints_of_postfix_check(directory, monkeypatch):
    """The warnings of postconf(1), which postfix check runs, are findings of their own."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    text = (
        "/usr/sbin/postconf: warning: See https://www.postfix.org/DEPRECATION_README.html for details\n"
        "postfix/postfix-script: warning: group or other writable: /usr/lib/postfix/./x\n"
    )

    def run(argv, stdin=None):
        return Completed(tuple(argv), 0, b"", text.encode() if argv[-1] == "check" else b"")

    found = Instance(str(directory), run)
    assert found.postfix_check(b"# complaints\n", b"") == (
        "",
        frozenset({"group or other writable: /usr/lib/postfix/./x"}),
    )


def test_the_lines_of_postconf():
    assert parse_postconf("a = b = c\nd =\nno setting\n") == {"a": "b = c", "d": ""}
