# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planners hand each other typed values; a result for the user is made last, and nothing reads it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._plan import plan

PLANNERS = sorted(Path(plan.__file__).parent.glob("*.py"))

# The functions that modules and the program on the host call: they make values of the options.
ENTRANCES = {
    "ca_bundle_standalone": {"ca_bundle"},
    "configuration": {"configuration"},
    "lookup_table_standalone": {"standalone_lookup_table"},
    "main_cf": {"main_cf"},
    "master_cf_standalone": {"master_cf"},
    "certificate_standalone": {
        *("certificate", "renewed", "certificate_has_stamp", "source"),
        *("served_file", "server_names", "table_of_names"),
    },
    "tls_policy_standalone": {"standalone_tls_policy"},
}


def reads_of_results(source: str) -> list[str]:
    """Where a planner reads a result dictionary by a key, or a change by its position."""
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Attribute)
        and (node.value.attr == "result" or (node.value.attr == "changes" and isinstance(node.slice, ast.Constant)))
    ]


def takes_mapping(source: str) -> set[str]:
    """The functions that take options as a mapping."""
    return {
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
        and any(
            argument.arg == "options" and "Mapping" in ast.unparse(argument.annotation or ast.Constant(""))
            for argument in node.args.args
        )
    }


@pytest.mark.parametrize("path", PLANNERS, ids=lambda path: path.stem)
def test_no_planner_reads_a_result(path):
    assert reads_of_results(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", PLANNERS, ids=lambda path: path.stem)
def test_options_are_values_but_at_the_entrances(path):
    assert takes_mapping(path.read_text(encoding="utf-8")) == ENTRANCES.get(path.stem, set())


def test_the_rules():
    assert reads_of_results('x = part.result["map"]\ny = plan.changes[0].after\nz = plan.changes[:2]') == [
        "part.result['map']",
        "plan.changes[0]",
    ]
    assert takes_mapping("def f(options: Mapping[str, Any]): ...\ndef g(options: TableOptions): ...") == {"f"}
