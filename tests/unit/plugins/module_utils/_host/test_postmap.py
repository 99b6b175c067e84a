# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compiling a table, with the real postmap(1)."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import HostError
from ansible_collections.mailops.postfix.plugins.module_utils._host import postmap
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance


@pytest.fixture
def instance(tmp_path):
    (tmp_path / "main.cf").write_text("")
    return Instance(str(tmp_path))


def test_the_result_is_at_the_temporary_path(instance, tmp_path):
    name = f"hash:{tmp_path}/transport"
    postmap.compile_text(instance, name, b"a.example smtp:[a]\n", str(tmp_path / ".transport.db.new"))
    os.rename(tmp_path / ".transport.db.new", tmp_path / "transport.db")
    found = subprocess.run(["postmap", "-q", "a.example", name], capture_output=True, text=True, check=True)
    assert found.stdout == "smtp:[a]\n"
    assert sorted(os.listdir(tmp_path)) == ["main.cf", "transport.db"]


@pytest.mark.parametrize(("secret", "shown"), [(False, True), (True, False)])
def test_a_line_that_postmap_warns_about(instance, tmp_path, secret, shown):
    with pytest.raises(HostError) as caught:
        postmap.compile_text(
            instance, f"hash:{tmp_path}/sasl", b"hunter2\n", str(tmp_path / ".sasl.new"), secret=secret
        )
    message = str(caught.value)
    assert "line 1" in message and "hunter2" not in message
    assert ("what it says is not shown" in message) != shown
    assert message.startswith(f"compiling hash:{tmp_path}/sasl: ") and os.listdir(tmp_path) == ["main.cf"]
