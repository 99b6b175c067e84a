# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a table. What is in them: test_lookup_table and test_lookup_table_agreement."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Attributes
from ansible_collections.mailops.postfix.plugins.module_utils._plan.table_file import Table, Text, compiled_file


def table(directory, path="t", **given):
    return Table(Instance(str(directory.path)), str(directory.path / path), given.pop("type", "hash"), **given)


@pytest.mark.parametrize(
    ("present", "declared", "secret"),
    [(None, None, False), (None, 0o600, True), (0o600, None, True), (0o600, 0o644, True), (0o644, 0o644, False)],
)
def test_a_table_is_secret_if_it_is_private_before_or_after(tables, present, declared, secret):
    if present is not None:
        tables.write("t", "a 1\n", present)
    assert table(tables, attributes=Attributes(mode=declared)).secret is secret


def test_names(tables):
    assert table(tables).map == f"hash:{tables.path}/t"
    assert table(tables).compiled_path == f"{tables.path}/t.db"
    assert not table(tables, type="regexp").compiled_path


@pytest.mark.parametrize(
    ("change", "reason"),
    [(False, ""), (True, "older than its text")],
)
def test_why_a_compiled_file_is_rebuilt(tables, change, reason):
    tables.table(entries={"a": "1"})
    text = Text(b"a 1\n", b"a 2\n" if change else b"a 1\n")
    assert compiled_file(table(tables), text).stale == reason
    (tables.path / "t.db").unlink()
    assert compiled_file(table(tables), text).stale == "missing"
