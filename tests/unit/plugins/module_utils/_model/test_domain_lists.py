# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._model.domain_lists import bare, domain_patterns


def test_names_are_joined_as_far_as_they_follow_each_other():
    first, table, second, file, last = domain_patterns(["A.test", "!b.test", "hash:/t", "c.test", "!/file"])
    assert first.names == {"a.test": (0, True), "b.test": (1, False)}
    assert (table.table, table.found) == ("hash:/t", True)
    assert second.names == {"c.test": (3, True)}
    assert (file.file, last.names) == ("/file", {})


@pytest.mark.parametrize(("name", "expected"), [("proxy:hash:/t", "hash:/t"), ("hash:/t", "hash:/t")])
def test_bare(name, expected):
    assert bare(name) == expected
