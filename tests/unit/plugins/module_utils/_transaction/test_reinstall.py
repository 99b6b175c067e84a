# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The undo of a change, and its installation again."""

from __future__ import annotations

import os

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host import postmap
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Attributes, Change, Plan
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply, reinstall, store, undo
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils._transaction.killed import contents, kill_at

OLD = {
    "main.cf": b"compatibility_level = 3.6\nrelayhost = [old.example.org]\n",
    "master.cf": b"smtp unix - - n - - smtp\n",
    "gone": b"to be removed\n",
}


@pytest.fixture
def directory(tmp_path):
    path = tmp_path / "postfix"
    path.mkdir()
    for name, content in OLD.items():
        (path / name).write_bytes(content)
    return path


def instance(directory):
    return Instance(str(directory))


def change(directory):
    """A change of everything: a new table, main.cf that names it, a private file in a new directory, a removal."""
    path, text = str(directory / "transport"), b"a.example smtp:[a]\n"
    name = f"hash:{path}"

    def compiled(temporary):
        postmap.compile_text(instance(directory), name, text, temporary)

    def build(found):
        main_cf = OLD["main.cf"].replace(b"old", b"new") + f"transport_maps = {name}\n".encode()
        changes = [
            Change(path, text, None, stamp=name),
            Change(f"{path}.db", compiled, None, "missing", stamp=name),
            Change(found.path("tls/key.pem"), b"k", None, attributes=Attributes(mode=0o600), directory_mode=0o700),
            Change(found.path("main.cf"), main_cf, found.main_cf),
            Change(found.path("gone"), None, found.read("gone")),
        ]
        return Plan(changes, requires="reload")

    confirmation = apply.Confirmation(600)
    return apply.apply(build, lambda: instance(directory), confirmation=confirmation).transaction


def without(directory):
    """The content of all files but the lock."""
    return {name: content for name, content in contents(directory).items() if not name.endswith(".tmp")}


def undone(directory, transaction):
    undo.undo(transaction, lambda: instance(directory), closes=False)


def test_there_and_back_again(directory):
    transaction = change(directory)
    after = without(directory)
    kept = reinstall.keep(transaction)
    undone(directory, transaction)
    assert without(directory) == OLD and not (directory / "tls").exists()
    reinstall.reinstall(transaction, kept, instance(directory), 5)
    assert without(directory) == after
    assert ((directory / "tls").stat().st_mode & 0o777, (directory / "tls/key.pem").stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )
    assert instance(directory).run("postmap", "-q", "a.example", f"hash:{directory}/transport").stdout == b"smtp:[a]\n"
    assert not os.path.exists(kept.directory)
    # The transaction is open, and can be undone.
    [still] = store.open_transactions(str(directory))
    undo.undo(still, lambda: instance(directory))
    assert without(directory) == OLD


def test_what_others_have_edited_comes_back(directory):
    transaction = change(directory)
    with open(directory / "main.cf", "ab") as file:
        file.write(b"message_size_limit = 20000000\n")
    after = without(directory)
    kept = reinstall.keep(transaction)
    undone(directory, transaction)
    reinstall.reinstall(transaction, kept, instance(directory), 5)
    assert without(directory) == after


@pytest.mark.parametrize("count", range(1, 40, 3))
def test_a_reinstallation_that_is_killed(directory, count):
    """The transaction is open, and its undo is whole."""
    transaction = change(directory)
    kept = reinstall.keep(transaction)
    undone(directory, transaction)
    kill_at(count, lambda: reinstall.reinstall(transaction, kept, instance(directory), 5))
    [still] = store.open_transactions(str(directory))
    undo.with_locks(still, lambda current: undo.undo(current, lambda: instance(directory)))
    assert without(directory) == OLD
