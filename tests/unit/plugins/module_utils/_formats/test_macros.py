# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._formats import macros
from ansible_collections.mailops.postfix.plugins.module_utils._formats.macros import Unexpandable, expand

PARAMETERS = {
    "compatibility_level": "3.6",
    "mydomain": "example.org",
    "myhostname": "mail.$mydomain",
    "empty": "",
    "loop": "$loop",
    "mydestination": "$myhostname, localhost",
}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ("$mydomain", "example.org"),
        ("[gw.${mydomain}]:587", "[gw.example.org]:587"),
        ("$(myhostname)!", "mail.example.org!"),
        ("$$mydomain", "$mydomain"),
        ("a$undefined.b", "a.b"),
        ("${empty?yes}", ""),
        ("${mydomain?yes}", "yes"),
        ("${empty:no}", "no"),
        ("${mydomain:no}", ""),
        ("${mydomain?{yes $mydomain}:{no}}", "yes example.org"),
        ("${empty ? {yes} : {no}}", "no"),
        ("${{$compatibility_level} <level {1} ? {no} : {yes}}", "yes"),
        ("${{$compatibility_level} <level {3.11} ? {old} : {new}}", "old"),
        ("${{3.6} ==level {3.6.0} ? {same} : {other}}", "same"),
        ("${{3.6} !=level {3.10} ? {other} : {same}}", "other"),
        ("${{3.6} == {3.6.0} ? {same} : {other}}", "other"),
        ("${{$compatibility_level} < {2} ? {$mydestination} : {}}", ""),
        ("${{$mydomain} == {example.org} ? {a}}", "a"),
        ("${{10} > {9} ? {number} : {text}}", "number"),
        ("${{1} < {2} ? {a} : {b}} and ${{1} > {2} ? {a} : {b}}", "a and b"),
    ],
)
def test_expansion(value, expected):
    assert expand(value, PARAMETERS) == expected


@pytest.mark.parametrize("value", ["$loop", "a$", "${mydomain", "${domain_to_ascii{x}}", "${{a} ? {b}}", "${}"])
def test_unexpandable_values(value):
    with pytest.raises(Unexpandable):
        expand(value, PARAMETERS)


def test_values_that_cannot_be_expanded_are_unknown():
    parameters = {"a": " $b ", "b": "x", "loop": "$loop"}
    assert [macros.expanded_parameter(name, parameters) for name in ("a", "missing", "loop")] == ["x", "", ""]
    assert [macros.expanded(value, parameters) for value in (" $a", "${a ", "$loop")] == ["x", None, None]
