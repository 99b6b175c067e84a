# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Standard terms of Postfix, TLS and Ansible instead of a vocabulary of our own, in code, messages, roles, tests and documentation.

PHRASES are looked for in every line of text, IDENTIFIERS among the names of Python code. Each comes with what to write instead.
"""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PHRASES = {
    r"proofs?|prov(?:e|es|ed|en|ing)|(?:un|dis)prov(?:en|ed)": "verify, verified, unverified",
    r"provisional(?!:|\b.{0,3}[=\]\"'`(])\w+": "unverified",
    r"the house|walls?|rooms?": "architecture, layering rules, packages",
    r"stands? (?:in|at|on|there|beside|behind|above|below|before|after|under|alone|for)|stood (?:in|at|there|before|beside)": "is in",
    r"the loop": "development workflow",
    r"(?<!there\s)(?:is|are|was|were) no (?!longer|more|less|other|different|reason|need|way|exception)\w+": "is not a valid",
    r"(?<!user=)(?<!uid\s=\s)(?<!\")nobody|somebody|whoever": "no client, no process, another process, or the noun itself",
    r"shall": "must, is to be",
    r"anew": "again, rebuilt",
    r"foretells?|foretold": "predicts",
    r"without a word": "without an error message",
    r"takes? `?[\w.]+`? for(?! (?:each|every|one|all|granted))": "treats X as Y",
    r"(?:the )?configuration from before|from before is back|is back in service": "the previous configuration has been restored",
    r"(?:made|makes?|making|built|builds?) again from nothing|made anew": "rebuilt",
    r"str(?:uck|ikes?|iking) off": "revoked",
    r"says no more than|get a word|never happened": "only logs a warning; could not connect",
    r"what (?:has|have) not been": "unverified",
    r"(?:ports?|listeners?|hops?) (?:is|are|was|were|has been|have been) (?:not )?asked|asks? (?:each|the|a|every) (?:port|listener|next hop)s?": "probed",
    r"See (?:that|whether)|Say (?:that|whether)|Look whether": "Ensure that, Report that, Check whether",
    r"gets? past": "bypasses",
    r"mend(?:s|ed|ing)?": "fix, correct",
    r"rolls? back|rolled back|rollback": "undo, undone",
    r"jail": "chroot",
}
"""What not to write, as a regular expression over whole words, and what to write instead."""

IDENTIFIERS = {
    "Problem": "Finding",
    "NotProven": "VerificationFailed",
    "Question": "ProbeOptions (DNS has questions too: dns_message.Question)",
    "Declaration": "ServiceSpec, RenewalSpec",
    "HostTables": "MapLookup",
    "snapshot": "instance",
    "alone": "standalone",
    "elsewhere": "standalone",
    "whole": "standalone",
    "made": "created_files",
    "beside": "planned_tables",
    "future": "staged",
    "adapted": "for_version",
    "folded": "normalize_whitespace",
    "superseded": "stale_entries",
    "outside": "dependencies",
    "jail": "chroot",
    "seal": "stamp",
    "touch": "setting",
    "touches": "settings",
    "touched": "policy_settings",
    "GLANCE": "..._SECONDS",
    "PATIENCE": "..._SECONDS or ..._TIMEOUT, with what it limits",
    "FAREWELL": "..._SECONDS",
    "SETTLED": "..._SECONDS",
    "WORTH_TELLING": "..._SECONDS",
    "test_liar": "the protocol fault, such as test_malformed_replies",
    "test_silence": "test_no_reply",
    "honest": "the protocol fault",
    "BY_HAND": "what the value is",
}
"""Names not to use in Python code, and the ones to use."""

EXEMPT_FILES = {
    "LICENSE": "the licence's own words",
    "tests/unit/test_vocabulary.py": "names the terms",
}
EXEMPT_FOLDERS = {
    "tests/corpus/main.cf/": "files of others",
    "tests/corpus/master.cf/": "files of others",
}
EXEMPT_LINES = {
    # (file, part of the line): why
    ("plugins/module_utils/_host/dns_message.py", "Question"): "a question of the DNS protocol (RFC 1035)",
    ("plugins/module_utils/_checks/facts.py", "Question"): "a question of the DNS protocol (RFC 1035)",
    ("tests/lab/lab/hosts.py", "systemd-ask-password-wall.path"): "the name of a unit of systemd",
    ("tests/unit/plugins/action/test_lookup_table.py", ".touch()"): "a method of pathlib.Path",
    ("tests/unit/plugins/module_utils/_plan/test_judge.py", "127.0.0.1:1:nobody"): "the name of a map",
    ("tests/unit/plugins/modules/test_lookup_table.py", "nobody-of-this-name"): "the name of a user",
}


def exempt(path: str, line: str) -> bool:
    """Whether a line may use a term of the tables."""
    return any(path == name and part in line for name, part in EXEMPT_LINES)


def files() -> list[str]:
    """The text files of the project."""
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [
        name
        for name in done.stdout.splitlines()
        if name not in EXEMPT_FILES and not name.startswith(tuple(EXEMPT_FOLDERS)) and (ROOT / name).is_file()
    ]


FILES = files()


def phrases_in(text: str) -> list[tuple[int, str, str]]:
    """Line number, phrase found, and what to write instead."""
    found = []
    for expression, instead in PHRASES.items():
        # A name in code is no prose: terms joined by "_" are for IDENTIFIERS.
        wrapped = expression.replace(" ", r"[\s#*]+")
        for match in re.finditer(rf"(?<![\w.])(?:{wrapped})(?!\w)", text, re.IGNORECASE):
            found.append((text.count("\n", 0, match.start()) + 1, match.group(), instead))
    return sorted(found)


def identifiers_in(source: str) -> list[tuple[int, str, str]]:
    """Line number, identifier found, and the one to use instead."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = {
            ast.Name: lambda n: n.id,
            ast.Attribute: lambda n: n.attr,
            ast.arg: lambda n: n.arg,
            ast.keyword: lambda n: n.arg,
            ast.FunctionDef: lambda n: n.name,
            ast.ClassDef: lambda n: n.name,
        }.get(type(node))
        name = (names(node) if names else None) or ""
        if name in IDENTIFIERS or name.lstrip("_") in IDENTIFIERS:
            found.append(
                (getattr(node, "lineno", 0), name, IDENTIFIERS[name if name in IDENTIFIERS else name.lstrip("_")])
            )
    return found


def read(name: str) -> str:
    try:
        return (ROOT / name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


@pytest.mark.parametrize("name", FILES)
def test_phrases(name):
    text = read(name)
    lines = ["", *text.splitlines(), ""]
    assert [
        f"{name}:{number}: {phrase!r}; write: {instead}"
        for number, phrase, instead in phrases_in(text)
        if not exempt(name, lines[number])
    ] == []


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".py")])
def test_identifiers(name):
    text = read(name)
    lines = ["", *text.splitlines(), ""]
    assert [
        f"{name}:{number}: {identifier}; use: {instead}"
        for number, identifier, instead in identifiers_in(text)
        if not exempt(name, lines[number])
    ] == []
