# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The digest of the configuration that was confirmed last."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host import state
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import confirmed


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "main.cf").write_bytes(b"a = 1\n")
    (tmp_path / "master.cf").write_bytes(b"")
    return tmp_path


def test_nothing_is_confirmed_at_first(directory):
    assert not confirmed.is_current(str(directory))


@pytest.mark.parametrize(("name", "content"), [("main.cf", b"a = 2\n"), ("master.cf", b"# x\n"), ("main.cf", b"")])
def test_a_change_of_others(directory, name, content):
    confirmed.remember(str(directory))
    assert confirmed.is_current(str(directory))
    (directory / name).write_bytes(content)
    assert not confirmed.is_current(str(directory))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"digest": null}'])
def test_a_damaged_file_confirms_nothing(directory, content):
    confirmed.remember(str(directory))
    Path(state.directory(str(directory)), "confirmed.json").write_text(content)
    assert not confirmed.is_current(str(directory))


def test_it_is_only_for_root(directory):
    confirmed.remember(str(directory))
    path = Path(state.directory(str(directory)), "confirmed.json")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
