# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess

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


@pytest.mark.parametrize(
    ("value", "mistake"),
    [
        ("static:apikey:SG.a$1b$", "no name follows a $"),
        ("5$ a mail", "no name follows a $"),
        ("$$$", "no name follows a $"),
        ("$\u00e9", "no name follows a $"),
        ("${}", "no name follows ${"),
        ("$()", "no name follows $("),
        ("${name", "${ is not closed"),
        ("$(name", "$( is not closed"),
        ("$$ and $name and ${name} and ${ name} and $(name)", ""),
        ("${{$a} == {b} ? {c} : {d}}", ""),
        ("", ""),
    ],
)
def test_a_dollar_sign_without_a_name(value, mistake):
    """Postfix's own answer is compared in test_dollar_signs_as_postfix_reads_them."""
    assert macros.mistake(value) == mistake


@pytest.mark.parametrize(
    "value", ["a$", "5$ a", "$$$", "$\u00e9", "${}", "$()", "${a", "$(a", "$$", "$a", "${a}", "${ a}", "$$a$$", "$(a)b"]
)
def test_dollar_signs_as_postfix_reads_them(tmp_path, value):
    (tmp_path / "main.cf").write_text(f"compatibility_level = 3.6\nmail_name = {value}\n", encoding="utf-8")
    (tmp_path / "master.cf").write_text("")
    done = subprocess.run(["postconf", "-c", str(tmp_path), "-x", "mail_name"], capture_output=True, check=False)
    assert bool(macros.mistake(value)) == (done.returncode != 0)
