# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import stat
import struct
import subprocess
import sys
import time

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError, HostError
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Attributes, Change, Plan, strongest
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply as apply_transaction
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import install, lock


@pytest.fixture
def directory(tmp_path):
    """A minimal configuration."""
    (tmp_path / "main.cf").write_text("a = 1\n")
    (tmp_path / "master.cf").write_text("")
    return tmp_path


def apply(directory, *changes, **arguments):
    def build(instance):
        return Plan([change(instance) if callable(change) else change for change in changes], requires="reload")

    return apply_transaction.apply(build, lambda: Instance(str(directory)), **arguments)


def replaced(name, after, **arguments):
    """A change of a file from its present content."""
    return lambda instance: Change(instance.path(name), after, instance.read(name), **arguments)


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_a_change_is_installed(directory):
    outcome = apply(directory, replaced("main.cf", b"a = 2\n"))
    assert (outcome.changed, (directory / "main.cf").read_text()) == (True, "a = 2\n")
    assert outcome.diff == [
        {
            "before_header": f"{directory}/main.cf",
            "after_header": f"{directory}/main.cf",
            "before": "a = 1\n",
            "after": "a = 2\n",
        }
    ]
    assert names(directory) == ["main.cf", "master.cf"], "leftovers"


def test_check_mode_predicts_and_writes_nothing(directory):
    before = os.stat(directory / "main.cf")
    predicted = apply(directory, replaced("main.cf", b"a = 2\n"), check_mode=True)
    assert os.stat(directory / "main.cf") == before
    assert predicted.diff == apply(directory, replaced("main.cf", b"a = 2\n")).diff


def test_no_change_writes_nothing(directory):
    before = os.stat(directory / "main.cf")
    assert not apply(directory, replaced("main.cf", b"a = 1\n")).changed
    assert os.stat(directory / "main.cf") == before


def test_the_modification_time_is_set_back(directory):
    apply(directory, replaced("main.cf", b"a = 2\n"))
    assert os.stat(directory / "main.cf").st_mtime <= time.time() - 2


def test_mode_owner_and_extended_attributes_are_kept(directory):
    path = directory / "main.cf"
    os.chmod(path, 0o640)
    os.chown(path, 1234, 4321)
    os.setxattr(path, "user.note", b"mine")
    apply(directory, replaced("main.cf", b"a = 2\n"))
    now = os.stat(path)
    assert (stat.S_IMODE(now.st_mode), now.st_uid, now.st_gid) == (0o640, 1234, 4321)
    assert os.getxattr(path, "user.note") == b"mine"


def access_control_list(*entries):
    """The bytes of an ACL (acl(5)) as the kernel stores them: version 2, then tag, permissions and id of each entry."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def test_access_control_lists_are_kept(directory):
    path = directory / "main.cf"
    no_id = 0xFFFFFFFF
    owner, user, group, mask, other = 0x01, 0x02, 0x04, 0x10, 0x20
    wanted = access_control_list(
        (owner, 6, no_id), (user, 4, 1234), (group, 4, no_id), (mask, 4, no_id), (other, 0, no_id)
    )
    os.setxattr(path, "system.posix_acl_access", wanted)
    apply(directory, replaced("main.cf", b"a = 2\n"))
    assert os.getxattr(path, "system.posix_acl_access") == wanted
    apply(directory, replaced("main.cf", b"a = 2\n", attributes=Attributes(owner="1234")))
    assert os.getxattr(path, "system.posix_acl_access") == wanted


def test_a_hard_link_keeps_the_old_content(directory):
    """Such as a backup made with cp -l."""
    os.link(directory / "main.cf", directory / "kept")
    apply(directory, replaced("main.cf", b"a = 2\n"))
    assert ((directory / "kept").read_text(), (directory / "main.cf").read_text()) == ("a = 1\n", "a = 2\n")


def test_symbolic_links_are_followed(directory):
    target = directory / "real.cf"
    os.rename(directory / "main.cf", target)
    os.symlink("real.cf", directory / "main.cf")
    apply(directory, replaced("main.cf", b"a = 2\n"))
    assert os.readlink(directory / "main.cf") == "real.cf"
    assert target.read_text() == "a = 2\n"


def test_a_chain_of_symbolic_links_to_another_directory_is_followed(directory):
    other = directory / "elsewhere"
    other.mkdir()
    os.rename(directory / "main.cf", other / "real.cf")
    os.symlink("real.cf", other / "link.cf")
    os.symlink("elsewhere/link.cf", directory / "main.cf")
    os.chmod(other / "real.cf", 0o600)
    apply(directory, replaced("main.cf", b"a = 2\n"))
    assert (os.readlink(directory / "main.cf"), os.readlink(other / "link.cf")) == ("elsewhere/link.cf", "real.cf")
    assert ((other / "real.cf").read_text(), stat.S_IMODE(os.stat(other / "real.cf").st_mode)) == ("a = 2\n", 0o600)
    assert sorted(path.name for path in other.iterdir()) == ["link.cf", "real.cf"], "leftovers"


def test_attributes_only(directory):
    outcome = apply(directory, replaced("main.cf", b"a = 1\n", attributes=Attributes(owner="1234", mode=0o600)))
    now = os.stat(directory / "main.cf")
    assert (stat.S_IMODE(now.st_mode), now.st_uid) == (0o600, 1234)
    assert outcome.diff[0]["after"] == {"mode": "0600", "owner": "1234"}
    assert not apply(
        directory, replaced("main.cf", b"a = 1\n", attributes=Attributes(owner="1234", mode=0o600))
    ).changed


def test_a_new_file_in_a_new_directory(directory):
    apply(directory, replaced("tls/a/key.pem", b"k", attributes=Attributes(mode=0o600), directory_mode=0o700))
    assert stat.S_IMODE(os.stat(directory / "tls/a/key.pem").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(directory / "tls").st_mode) == 0o700


def test_a_removal(directory):
    assert apply(directory, replaced("master.cf", None)).changed
    assert names(directory) == ["main.cf"]
    assert not apply(directory, replaced("master.cf", None)).changed


def test_content_of_a_program(directory):
    def generate(path):
        with open(path, "w", encoding="utf-8") as file:
            file.write("generated")

    def change(instance):
        return Change(instance.path("x.db"), generate, None, stale="" if instance.read("x.db") else "missing")

    assert not (apply(directory, change, check_mode=True).changed and (directory / "x.db").exists())
    assert apply(directory, change).diff[0]["before"] == "(missing)\n"
    assert (directory / "x.db").read_text() == "generated"
    assert not apply(directory, change).changed


def test_a_file_is_private_until_it_has_its_owner_and_mode(directory, monkeypatch):
    modes = []

    def set_attributes(path, target, change):
        modes.append(stat.S_IMODE(os.stat(path).st_mode))

    def generate(path):
        modes.append(stat.S_IMODE(os.stat(path).st_mode))

    monkeypatch.setattr(install, "_set_attributes", set_attributes)
    previous = os.umask(0)
    try:
        apply(
            directory,
            replaced("sasl_passwd", b"x user:hunter2\n"),
            lambda instance: Change(instance.path("key.pem"), generate, None, stale="missing"),
        )
    finally:
        os.umask(previous)
    assert modes == [0o600] * 3


def test_secrets_are_not_shown(directory):
    outcome = apply(directory, replaced("sasl_passwd", b"x user:hunter2\n", secret=True))
    assert outcome.changed and "hunter2" not in repr(outcome.diff)


def test_a_diff_with_other_content(directory):
    outcome = apply(directory, replaced("main.cf", b"a = 2\n", shown=("one", "two")))
    assert (outcome.diff[0]["before"], outcome.diff[0]["after"]) == ("one", "two")


def test_a_database_is_not_older_than_its_text(directory):
    moment = time.time()
    apply(directory, replaced("main.cf", b"a = 2\n", not_before=moment))
    assert os.stat(directory / "main.cf").st_mtime == pytest.approx(moment, abs=0.01)


def test_nothing_is_changed_if_one_file_fails(directory):
    def fail(path):
        raise HostError("compiling", path, "postmap has failed")

    before = (directory / "main.cf").read_bytes()
    with pytest.raises(HostError, match="postmap has failed"):
        apply(
            directory,
            replaced("new/table", b"x y\n"),
            replaced("main.cf", b"a = 2\n"),
            lambda instance: Change(instance.path("table.db"), fail, None, stale="missing"),
        )
    assert (directory / "main.cf").read_bytes() == before
    assert names(directory) == ["main.cf", "master.cf"], "leftovers"


def test_installed_files_are_restored(directory, monkeypatch):
    """A rename fails: those before it are undone."""
    rename = os.rename
    before = os.stat(directory / "main.cf")

    def failing(source, target):
        if target.endswith("master.cf"):
            raise OSError(28, "No space left on device", source, None, target)
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(HostError, match="No space left on device. Nothing has been changed"):
        apply(directory, replaced("table", b"x y\n"), replaced("main.cf", b"a = 2\n"), replaced("master.cf", b"#\n"))
    assert os.stat(directory / "main.cf").st_ino == before.st_ino
    assert names(directory) == ["main.cf", "master.cf"], "leftovers"


def test_a_backup_is_kept(directory):
    outcome = apply(directory, replaced("main.cf", b"a = 2\n"), replaced("new", b"x"), backup=True)
    (backup,) = outcome.backup_files
    with open(backup, encoding="utf-8") as file:
        assert file.read() == "a = 1\n"


def appended(instance):
    before = instance.main_cf
    return Plan([Change(instance.path("main.cf"), before + b"c = 3\n", before)])


def test_a_plan_is_made_under_the_lock(directory):
    def build(instance):
        with (
            pytest.raises(HostError, match="has been editing this configuration"),
            lock.held(instance.path("main.cf"), limit=0),
        ):
            pass
        return appended(instance)

    assert apply_transaction.apply(build, lambda: Instance(str(directory))).changed
    assert names(directory) == ["main.cf", "master.cf"], "leftovers"


def test_an_edit_made_between_plan_and_lock_is_not_lost(directory):
    """If another process has the lock, the plan is made again under the lock, from the content at that time."""
    planned = []
    with contextlib.ExitStack() as other:
        other.enter_context(lock.held(str(directory / "main.cf")))

        def build(instance):
            plan = appended(instance)
            planned.append(plan)
            if len(planned) == 1:
                (directory / "main.cf").write_text("a = 1\nb = 2\n")
                other.close()
            return plan

        assert apply_transaction.apply(build, lambda: Instance(str(directory))).changed
    assert len(planned) == 2
    assert (directory / "main.cf").read_text() == "a = 1\nb = 2\nc = 3\n"


def test_a_run_without_changes_does_not_wait(directory):
    with lock.held(str(directory / "main.cf")):
        assert not apply(directory, replaced("main.cf", b"a = 1\n"), lock_timeout=0).changed


WRITER = """
import sys
from ansible_collections.mailops.postfix.plugins.module_utils._formats.main_cf import edit_main_cf
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Change, Plan
from ansible_collections.mailops.postfix.plugins.module_utils._transaction.apply import apply
directory, name = sys.argv[1:]
def build(instance):
    before = instance.main_cf
    return Plan([Change(instance.path("main.cf"), edit_main_cf(before, {name: "yes"}), before)])
apply(build, lambda: Instance(directory))
"""


def test_no_update_is_lost_with_concurrent_postconf(directory):
    """12 writers at once; every second one is postconf -e."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path), PATH=os.environ["PATH"] + ":/usr/sbin")
    writers = [
        subprocess.Popen(
            ["postconf", "-c", str(directory), "-e", f"n{number}=yes"]
            if number % 2
            else [sys.executable, "-c", WRITER, str(directory), f"n{number}"],
            env=environment,
        )
        for number in range(12)
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0] * 12
    lines = (directory / "main.cf").read_text().splitlines()
    assert sorted(lines) == sorted(["a = 1", *(f"n{number} = yes" for number in range(12))])
    assert names(directory) == ["main.cf", "master.cf"], "leftovers"


def test_strongest():
    assert strongest("none", "restart", "reload") == "restart"
    assert strongest() == "none"


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_file_that_is_declared_twice(directory, check_mode):
    os.symlink("table", directory / "link")
    with pytest.raises(DeclarationError, match="declaring .*/link: the same file is declared twice. Join the two"):
        apply(directory, replaced("table", b"x 1\n"), replaced("link", b"x 1\n"), check_mode=check_mode)
    assert not (directory / "table").exists()
