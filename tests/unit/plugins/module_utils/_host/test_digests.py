# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a configuration on disk: which touches change it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host import digests
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance

KEY = b"key"
SECRET = "user:p4ssw0rd"


@pytest.fixture
def directory(tmp_path):
    table, passwords = tmp_path / "transport", tmp_path / "passwords"
    table.write_text("# routes\na.example smtp:[b.example]\n")
    passwords.write_text(f"[hub.example] {SECRET}\n")
    (tmp_path / "key.pem").write_text("a\n\nb\n")
    (tmp_path / "main.cf").write_text(
        f"compatibility_level = 3.6\ntransport_maps = hash:{table}\nsmtp_sasl_password_maps = texthash:{passwords}\n"
        f"smtpd_tls_chain_files = {tmp_path}/key.pem\nalias_maps = \ncommand_directory = {tmp_path}\n"
    )
    (tmp_path / "master.cf").write_text("smtp inet n - n - - smtpd\n")
    subprocess.run(["postmap", f"hash:{table}"], check=True)
    return tmp_path


def differences(directory, change):
    before = digests.present_state(Instance(str(directory)), KEY)
    assert digests.is_on_disk(before, str(directory))
    change()
    same = digests.is_on_disk(before, str(directory))
    after = digests.present_state(Instance(str(directory)), KEY, before)
    assert after.parts == digests.present_state(Instance(str(directory)), KEY).parts
    names = digests.differing_parts(before, after)
    assert not (same and names)
    return [name.replace(f"{directory}/", "") for name in names]


def appended(path, text):
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("main.cf", "mynetworks = 0.0.0.0/0\n", ["parameter mynetworks"]),
        ("main.cf", "# comment\n\n", []),
        ("master.cf", "2525 inet n - n - - smtpd\n", ["service 2525/inet"]),
        ("master.cf", "#2525 inet n - n - - smtpd\n", []),
        ("transport", "c.example smtp:[d.example]\n", ["transport"]),
        ("transport", "# comment\n\n", []),
        ("passwords", "[x.example] y:z\n", ["passwords"]),
        ("key.pem", "c\n", ["key.pem"]),
        ("key.pem", "# comment\n", []),
    ],
)
def test_edits(directory, name, text, expected):
    assert differences(directory, lambda: appended(directory / name, text)) == expected


def test_a_file_that_is_replaced(directory):
    def replace():
        (directory / "new").write_text("other")
        os.rename(directory / "new", directory / "key.pem")

    assert differences(directory, replace) == ["key.pem"]


def test_a_file_that_is_removed_and_created(directory):
    assert differences(directory, (directory / "key.pem").unlink) == ["key.pem"]
    assert differences(directory, lambda: (directory / "key.pem").write_text("a")) == ["key.pem"]


def test_a_mode(directory):
    assert differences(directory, lambda: (directory / "key.pem").chmod(0o604)) == ["key.pem"]


def test_a_table_that_is_compiled_with_other_entries(directory):
    def compile_others():
        (directory / "others").write_text("a.example smtp:[other.example]\n")
        subprocess.run(["postmap", f"hash:{directory}/others"], check=True)
        os.rename(directory / "others.db", directory / "transport.db")

    assert differences(directory, compile_others) == ["transport.db"]


def test_rewriting_that_change_nothing(directory):
    def rewrite():
        subprocess.run(["postmap", f"hash:{directory}/transport"], check=True)
        for name in ("main.cf", "master.cf", "transport", "passwords", "key.pem"):
            shutil.copy2(directory / name, directory / "copy")
            os.rename(directory / "copy", directory / name)
            os.utime(directory / name)

    assert differences(directory, rewrite) == []


def test_aliases_that_are_compiled_again(directory):
    """postalias(1) records the time, in seconds."""
    aliases = directory / "aliases"
    aliases.write_text("postmaster: root\n")
    appended(directory / "main.cf", f"alias_database = hash:{aliases}\n")
    subprocess.run(["postalias", f"hash:{aliases}"], check=True)
    second = int(time.time())

    def later():
        while int(time.time()) == second:
            time.sleep(0.05)
        subprocess.run(["postalias", f"hash:{aliases}"], check=True)

    assert differences(directory, later) == []
    aliases.write_text("postmaster: alice\n")
    assert differences(directory, lambda: subprocess.run(["postalias", f"hash:{aliases}"], check=True)) == [
        "aliases.db"
    ]


def test_secrets_can_not_be_guessed(directory):
    instance = Instance(str(directory))
    first, second = (digests.present_state(instance, key) for key in (b"1", b"2"))
    assert not set(first.parts.values()) & set(second.parts.values())
    assert SECRET not in repr(first)


def test_a_state_that_keeps_what_others_have_changed(directory):
    before = digests.present_state(Instance(str(directory)), KEY)
    appended(directory / "main.cf", "relayhost = x\n")
    appended(directory / "key.pem", "c\n")
    now = digests.present_state(Instance(str(directory)), KEY)
    kept = digests.state_with(before, now, [f"{directory}/key.pem"])
    assert digests.differing_parts(kept, now) == [f"{directory}/key.pem"]
    assert not digests.is_on_disk(kept, str(directory)) or f"{directory}/key.pem" not in kept.statuses
    assert digests.differing_parts(kept, digests.present_state(Instance(str(directory)), KEY, kept)) == [
        f"{directory}/key.pem"
    ]
