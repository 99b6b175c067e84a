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
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import lock


@pytest.fixture
def directory(tmp_path):
    """As small as a configuration can be."""
    (tmp_path / "main.cf").write_text("a = 1\n")
    (tmp_path / "master.cf").write_text("")
    return tmp_path


def apply(directory, *changes, **arguments):
    def build(instance):
        return Plan([change(instance) if callable(change) else change for change in changes], requires="reload")

    return apply_transaction.apply(build, lambda: Instance(str(directory)), **arguments)


def replaced(name, after, **arguments):
    """A change of a file, from what the snapshot says is there."""
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


def test_the_modification_time_is_settled(directory):
    apply(directory, replaced("main.cf", b"a = 2\n"))
    assert os.stat(directory / "main.cf").st_mtime <= time.time() - 2


def test_mode_owner_and_extended_attributes_stay(directory):
    path = directory / "main.cf"
    os.chmod(path, 0o640)
    os.chown(path, 1234, 4321)
    os.setxattr(path, "user.note", b"mine")
    apply(directory, replaced("main.cf", b"a = 2\n"))
    now = os.stat(path)
    assert (stat.S_IMODE(now.st_mode), now.st_uid, now.st_gid) == (0o640, 1234, 4321)
    assert os.getxattr(path, "user.note") == b"mine"


def access_control_list(*entries):
    """The bytes of an ACL (acl(5)) as the kernel keeps them: version 2, then tag, permissions and id of each entry."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def test_access_control_lists_stay(directory):
    path = directory / "main.cf"
    nobody = 0xFFFFFFFF
    owner, user, group, mask, other = 0x01, 0x02, 0x04, 0x10, 0x20
    wanted = access_control_list(
        (owner, 6, nobody), (user, 4, 1234), (group, 4, nobody), (mask, 4, nobody), (other, 0, nobody)
    )
    os.setxattr(path, "system.posix_acl_access", wanted)
    apply(directory, replaced("main.cf", b"a = 2\n"))
    assert os.getxattr(path, "system.posix_acl_access") == wanted
    apply(directory, replaced("main.cf", b"a = 2\n", attributes=Attributes(owner="1234")))
    assert os.getxattr(path, "system.posix_acl_access") == wanted


def test_another_name_of_the_file_keeps_what_it_has(directory):
    """What a hard link (a backup made with cp -l, say) holds is not changed behind its back."""
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


def test_attributes_alone(directory):
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


def test_content_that_a_program_makes(directory):
    def make(path):
        with open(path, "w", encoding="utf-8") as file:
            file.write("made")

    def change(instance):
        return Change(instance.path("x.db"), make, None, stale="" if instance.read("x.db") else "missing")

    assert not (apply(directory, change, check_mode=True).changed and (directory / "x.db").exists())
    assert apply(directory, change).diff[0]["before"] == "(missing)\n"
    assert (directory / "x.db").read_text() == "made"
    assert not apply(directory, change).changed


def test_secrets_are_not_shown(directory):
    outcome = apply(directory, replaced("sasl_passwd", b"x user:hunter2\n", secret=True))
    assert outcome.changed and "hunter2" not in repr(outcome.diff)


def test_what_is_shown_in_place_of_the_content(directory):
    outcome = apply(directory, replaced("main.cf", b"a = 2\n", shown=("one", "two")))
    assert (outcome.diff[0]["before"], outcome.diff[0]["after"]) == ("one", "two")


def test_a_database_is_not_older_than_its_text(directory):
    moment = time.time()
    apply(directory, replaced("main.cf", b"a = 2\n", not_before=moment))
    assert os.stat(directory / "main.cf").st_mtime == pytest.approx(moment, abs=0.01)


def test_nothing_is_changed_if_one_file_fails(directory):
    def fail(path):
        raise HostError("compiling", path, "postmap is ill")

    before = (directory / "main.cf").read_bytes()
    with pytest.raises(HostError, match="postmap is ill"):
        apply(
            directory,
            replaced("new/table", b"x y\n"),
            replaced("main.cf", b"a = 2\n"),
            lambda instance: Change(instance.path("table.db"), fail, None, stale="missing"),
        )
    assert (directory / "main.cf").read_bytes() == before
    assert names(directory) == ["main.cf", "master.cf"], "leftovers"


def test_what_was_renamed_is_put_back(directory, monkeypatch):
    """The second of two renames fails: the first is undone."""
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
        with pytest.raises(HostError, match="has been editing this configuration"), lock.held(
            instance.path("main.cf"), limit=0
        ):
            pass
        return appended(instance)

    assert apply_transaction.apply(build, lambda: Instance(str(directory))).changed
    assert names(directory) == ["main.cf", "master.cf"], "leftovers"


def test_an_edit_made_between_plan_and_lock_is_not_lost(directory):
    """Where somebody else has the lock, the plan is made again under it, from what is there then."""
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


def test_who_has_nothing_to_change_does_not_wait(directory):
    with lock.held(str(directory / "main.cf")):
        assert not apply(directory, replaced("main.cf", b"a = 1\n"), lock_timeout=0).changed


OURS = """
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


def test_no_update_is_lost_beside_postconf(directory):
    """12 editors at once, every other one postconf -e."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path), PATH=os.environ["PATH"] + ":/usr/sbin")
    editors = [
        subprocess.Popen(
            ["postconf", "-c", str(directory), "-e", f"n{number}=yes"]
            if number % 2
            else [sys.executable, "-c", OURS, str(directory), f"n{number}"],
            env=environment,
        )
        for number in range(12)
    ]
    assert [editor.wait(timeout=60) for editor in editors] == [0] * 12
    lines = (directory / "main.cf").read_text().splitlines()
    assert sorted(lines) == sorted(["a = 1", *(f"n{number} = yes" for number in range(12))])
    assert names(directory) == ["main.cf", "master.cf"], "leftovers"


def test_the_strongest_need_covers_all():
    assert strongest("none", "restart", "reload") == "restart"
    assert strongest() == "none"


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_file_that_is_declared_twice(directory, check_mode):
    os.symlink("table", directory / "link")
    with pytest.raises(DeclarationError, match="declaring .*/link: the same file is declared twice. Join the two"):
        apply(directory, replaced("table", b"x 1\n"), replaced("link", b"x 1\n"), check_mode=check_mode)
    assert not (directory / "table").exists()
