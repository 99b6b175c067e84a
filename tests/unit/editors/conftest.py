# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Postfix as the judge of the editors: that of this host, or, with POSTFIX_PYTHON, of another.

POSTFIX_PYTHON  the command of a Python that runs where Postfix is, such as ``podman exec -i relay python3``
EXAMPLES        how many examples the property tests try (default 100); the fuzzers try 50 times as many
SHRINK          if set, reduce a failing example (it takes minutes; small files one by one instead of ten in one)
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings

EXAMPLES = int(os.environ.get("EXAMPLES", "100"))
settings.register_profile(
    "editors",
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    phases=set(Phase) - (set() if os.environ.get("SHRINK") else {Phase.shrink, Phase.explain}),
)


@dataclass(frozen=True)
class Answer:
    """What a postconf(1) said."""

    status: int
    output: bytes
    errors: bytes


@dataclass(frozen=True)
class Verdict:
    """The answers of several postconf(1), and the files behind them."""

    answers: list[Answer]
    main_cf: bytes
    master_cf: bytes


class Postfix:
    """A Postfix, through one long-lived process that runs beside it."""

    def __init__(self) -> None:
        python = shlex.split(os.environ.get("POSTFIX_PYTHON", "")) or [sys.executable]
        judge = Path(__file__).with_name("judge.py").read_text(encoding="utf-8")
        self._process = subprocess.Popen([*python, "-c", judge], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        answer = self.ask(b"", b"", ["-h", "mail_version"]).answers[0]
        assert answer.status == 0, answer
        self.version = tuple(int(number) for number in re.findall(rb"\d+", answer.output)[:3])

    def ask(self, main_cf: bytes, master_cf: bytes, *commands: list[str]) -> Verdict:
        """Run postconf(1) on these files, once for each list of arguments."""
        question = {
            "main.cf": main_cf.decode("latin-1"),
            "master.cf": master_cf.decode("latin-1"),
            "commands": [[os.fsencode(word).decode("latin-1") for word in command] for command in commands],
        }
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the judge has gone"
        answer = json.loads(line)
        return Verdict(
            [
                Answer(status, output.encode("latin-1"), errors.encode("latin-1"))
                for status, output, errors in answer["answers"]
            ],
            answer["main.cf"].encode("latin-1"),
            answer["master.cf"].encode("latin-1"),
        )

    def close(self) -> None:
        """End it."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=60)


@pytest.fixture(scope="session")
def postfix() -> Iterator[Postfix]:
    """The judge."""
    judge = Postfix()
    yield judge
    judge.close()


@pytest.fixture(scope="session")
def examples() -> int:
    """How many examples to try."""
    return EXAMPLES
