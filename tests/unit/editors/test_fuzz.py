# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random bytes and mutations of the corpus: the editors raise only the documented error, and lose nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import GrammarError
from ansible_collections.mailops.postfix.plugins.module_utils._formats import (
    main_cf,
    master_cf,
    master_cf_edit,
    master_cf_spec,
)
from ansible_collections.mailops.postfix.plugins.module_utils._formats.lines import (
    is_skipped,
    logical_lines,
    physical_lines,
)

CORPUS = Path(__file__).resolve().parents[2] / "corpus"

# Elements of the grammars, so that random texts resemble valid ones.
PIECES = {
    "main.cf": [
        b"\n",
        b"\n",
        b"\n ",
        b"\n\t",
        b"\r\n",
        b"#",
        b"\n#",
        b" ",
        b"=",
        b" = ",
        b"a",
        b"b",
        b"ab",
        b"\0",
        b"\v",
        b"\f",
        b"\r",
        b"\xff",
        b"{",
        b"}",
    ],
    "master.cf": [
        b"\n",
        b"\n ",
        b"\r\n",
        b"\n#",
        b"\n# ",
        b" ",
        b"\t",
        b"smtp inet n - y - - smtpd",
        b"a unix - - - - 1 x",
        b"465 inet n - n - - smtpd",
        b"smtps inet n - n - - smtpd",
        b"\n  -o a=b",
        b"-o",
        b" -o b=",
        b" -va=b",
        b"-voa=",
        b"{",
        b"}",
        b"{ a = ",
        b" }",
        b"--",
        b"x=y",
        b"\0",
        b"\v",
        b"\xff",
        b"\r",
    ],
}
pytestmark = pytest.mark.fuzz


def texts(kind: str, number: int, seed: int):
    """Random texts. Half of them are mutations of the corpus."""
    chance = random.Random(seed)
    corpus = [path.read_bytes()[:3000] for path in sorted((CORPUS / kind).iterdir())]
    pieces = PIECES[kind]
    for index in range(number):
        if index % 2:
            text = bytearray(chance.choice(corpus))
            start = chance.randrange(len(text) + 1)
            text = text[start : start + chance.randrange(400)]
            for _mutation in range(chance.randrange(1, 6)):
                position = chance.randrange(len(text) + 1)
                text[position : position + chance.randrange(4)] = chance.choice(
                    [chance.choice(pieces), chance.randbytes(1), b""]
                )
            yield bytes(text)
        elif index % 4:
            yield b"".join(chance.choices(pieces, k=chance.randrange(1, 25)))
        else:
            yield chance.randbytes(chance.randrange(60))


def skipped(text: bytes) -> list[bytes]:
    return [line.rstrip(b"\r\n") for line in physical_lines(text) if line.strip() and is_skipped(line)]


def same(before: bytes, after: bytes) -> bool:
    """Whether all comments are kept."""
    return skipped(before) == skipped(after)


def test_lines(examples, fuzz_seed):
    for kind in PIECES:
        for text in texts(kind, 50 * examples, fuzz_seed):
            lines = physical_lines(text)
            assert b"".join(lines) == text
            assert all(line.index(b"\n") == len(line) - 1 for line in lines[:-1])
            kept = b"".join(line.text for line in logical_lines(text))
            assert kept == b"".join(line.rstrip(b"\n") for line in lines if not is_skipped(line)), text


def test_main_cf(examples, fuzz_seed):
    chance = random.Random(fuzz_seed)
    read = 0
    for text in texts("main.cf", 50 * examples, fuzz_seed):
        try:
            before = {entry.name: entry.value for entry in main_cf.main_entries(text)}
        except GrammarError as error:
            assert str(error).startswith("reading main.cf:"), error
            continue
        read += 1
        assert main_cf.edit_main_cf(text, {}) == text
        name = chance.choice([*before, "a", "new"])
        declared = {
            "a": chance.choice([None, "", "x", "x y"]),
            name: chance.choice([None, "", "1", "1,\n    2", before.get(name)]),
        }
        if any(
            value and (set("\0\r\v\f") & set(value) or value.startswith(("\n", "#"))) for value in declared.values()
        ):
            continue
        after = main_cf.edit_main_cf(text, declared)
        expected = {
            key: main_cf.normalize_whitespace(value)
            for key, value in {**before, **declared}.items()
            if value is not None
        }
        entries = main_cf.main_entries(after)
        assert {entry.name: main_cf.normalize_whitespace(entry.value) for entry in entries} == expected, (
            text,
            declared,
            after,
        )
        assert all(sum(entry.name == name for entry in entries) <= 1 for name in declared), (text, declared, after)
        assert same(text, after), (text, declared, after)
        assert main_cf.edit_main_cf(after, declared) == after, (text, declared, after)
    assert read > 10 * examples, "too few texts are a valid main.cf"


DECLARED = [
    {"service": "smtp/inet", "chroot": False, "command": "smtpd"},
    {"service": "smtp/inet", "state": "absent"},
    {"service": "smtp/inet", "state": "disabled"},
    {"service": "a/unix", "command": "x -v { y z }", "options": {"a": "1 2", "b": None}},
    {"service": "a/unix", "command": "x", "options": {"a": None}, "purge_options": True, "process_limit": 12345},
    {"service": "465/inet", "command": "smtpd -o c=d", "wakeup": None, "options": {"a": "", "b": "y"}},
]


def description(services: list[master_cf.MasterEntry]) -> dict[str, str]:
    """The entries by service; the last of duplicates."""
    return {
        " ".join(master_cf.endpoint(*service.key.rsplit("/", 1))) + service.column("private"): str(service)
        for service in services
    }


@pytest.mark.parametrize("service", DECLARED, ids=[str(index) for index in range(len(DECLARED))])
def test_master_cf(service, examples, fuzz_seed):
    declaration = master_cf_spec.service_spec(service)
    owned = " ".join(master_cf.endpoint(declaration.name, declaration.type))
    read = 0
    for text in texts("master.cf", 10 * examples, fuzz_seed):
        try:
            services = master_cf.master_entries(text)
        except GrammarError as error:
            assert str(error).startswith("reading master.cf:"), error
            continue
        assert master_cf_edit.edit_master_cf(text, []) == text
        try:
            after = master_cf_edit.edit_master_cf(text, [declaration])
        except GrammarError as error:
            assert str(error).startswith("editing master.cf:"), (text, error)
            continue
        read += 1
        try:
            master_cf.master_entries(after)
        except GrammarError as error:
            pytest.fail(f"{text!r}\n{after!r}\n{error}")
        before, now = description(services), description(master_cf.master_entries(after))
        others = {key: value for key, value in before.items() if not key.startswith(owned)}
        assert others == {key: value for key, value in now.items() if not key.startswith(owned)}, (text, after)
        try:
            assert master_cf_edit.edit_master_cf(after, [declaration]) == after, (text, after)
        except GrammarError as error:
            pytest.fail(f"{text!r}\n{after!r}\n{error}")
        found = master_cf.find_entry(after, declaration.name, declaration.type)
        if declaration.state != "present":
            assert found is None, (text, after)
            continue
        assert found is not None, (text, after)
        assert all(found.column(name) == value for name, value in declaration.columns.items()), (text, after)
        wanted = {name: value for name, value in declaration.options.items() if value is not None}
        assert {**found.effective_options, **wanted} == found.effective_options, (text, after)
        assert not {name for name, value in declaration.options.items() if value is None} & set(found.effective_options)
        assert declaration.arguments in (None, tuple(word.text for word in found.arguments)), (text, after)
        assert not declaration.purge_options or found.effective_options == wanted
    assert read > 2 * examples, "too few texts are a valid master.cf"
