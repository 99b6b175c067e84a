# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How main.cf and master.cf refer to tables."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan.table_file import Table
from ansible_collections.mailops.postfix.plugins.module_utils._plan.table_references import ANY_TYPE, table_path, uses


@pytest.mark.parametrize(
    ("value", "types"),
    [
        ("hash:$config_directory/t", ["hash"]),
        ("proxy:btree:DIRECTORY/t, hash:DIRECTORY/u", ["btree"]),
        ("${default_database_type}:DIRECTORY/./t", ["hash"]),
        ("$-:DIRECTORY/t", [ANY_TYPE]),
        ("hash:$-/t", ["hash"]),
        ("hash:DIRECTORY/tt", []),
    ],
)
def test_uses(tables, value, types):
    instance = Instance(str(tables.path))
    settings = {"transport_maps": value.replace("DIRECTORY", str(tables.path))}
    table = Table(instance, str(tables.path / "t"), "hash", settings)
    assert [use.type for use in uses(table)] == types
    assert [use.parameter for use in uses(table)] == ["transport_maps"] * len(types)
    assert not list(uses(table, b"tls_server_sni_maps"))


def test_uses_of_a_parameter_that_is_replaced(tables):
    tables.main_cf(transport_maps="hash:$config_directory/t")
    instance = Instance(str(tables.path))
    table = Table(instance, str(tables.path / "t"), "hash")
    assert [use.parameter for use in uses(table)] == ["transport_maps"]
    assert not list(uses(replace(table, settings={"transport_maps": ""})))


@pytest.mark.parametrize("path", ["hash:t", "main.cf", "t.db", "a table"])
def test_what_is_not_the_path_of_a_text(tables, path):
    with pytest.raises(DeclarationError):
        table_path(Instance(str(tables.path)), path)
