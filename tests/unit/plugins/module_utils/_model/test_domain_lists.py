# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model.domain_lists import (
    bare,
    domain_patterns,
    with_files_read,
)


def test_names_are_joined_as_far_as_they_follow_each_other():
    first, table, second = domain_patterns(["A.test", "!b.test", "hash:/t", "c.test"])
    assert first.names == {"a.test": (0, True), "b.test": (1, False)}
    assert (table.table, table.found) == ("hash:/t", True)
    assert second.names == {"c.test": (3, True)}


def test_files_are_read_in_their_place():
    files = {"/a": ["one.test", "!/b"], "/b": ["two.test"]}
    assert with_files_read(["x.test", "/a", "!/a"], files.__getitem__) == [
        *("x.test", "one.test", "!two.test", "!one.test", "!!two.test"),
    ]


@pytest.mark.parametrize(("name", "expected"), [("proxy:hash:/t", "hash:/t"), ("hash:/t", "hash:/t")])
def test_bare(name, expected):
    assert bare(name) == expected
