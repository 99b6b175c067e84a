# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Postfix as the oracle for the editors: on this host or, with POSTFIX_PYTHON, on another one.

POSTFIX_PYTHON  the command of a Python on the host with Postfix, such as ``podman exec -i relay python3``
EXAMPLES        the number of examples of the property tests (default 100); the fuzzers use 50 times as many
SHRINK          if set, reduce a failing example (this takes minutes, and uses one small file instead of ten in one)
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
    suppress_health_check=list(HealthCheck),
    phases=set(Phase) - (set() if os.environ.get("SHRINK") else {Phase.shrink, Phase.explain}),
)


@dataclass(frozen=True)
class CommandResult:
    """The result of one postconf(1) command."""

    status: int
    output: bytes
    errors: bytes


@dataclass(frozen=True)
class Result:
    """The results of several postconf(1) commands, and the files after them."""

    commands: list[CommandResult]
    main_cf: bytes
    master_cf: bytes


def _python() -> list[str]:
    return shlex.split(os.environ.get("POSTFIX_PYTHON", "")) or [sys.executable]


class Postfix:
    """Postfix, through one long-lived process on its host."""

    def __init__(self) -> None:
        server = Path(__file__).with_name("postconf_server.py").read_text(encoding="utf-8")
        self._process = subprocess.Popen([*_python(), "-c", server], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        version = self.postconf(b"", b"", ["-h", "mail_version"]).commands[0]
        assert version.status == 0, version
        self.version = tuple(int(number) for number in re.findall(rb"\d+", version.output)[:3])

    def postconf(self, main_cf: bytes, master_cf: bytes, *commands: list[str]) -> Result:
        """Run postconf(1) on these files, once for each list of arguments."""
        request = {
            "main.cf": main_cf.decode("latin-1"),
            "master.cf": master_cf.decode("latin-1"),
            "commands": [[os.fsencode(word).decode("latin-1") for word in command] for command in commands],
        }
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the process has ended"
        response = json.loads(line)
        return Result(
            [
                CommandResult(status, output.encode("latin-1"), errors.encode("latin-1"))
                for status, output, errors in response["results"]
            ],
            response["main.cf"].encode("latin-1"),
            response["master.cf"].encode("latin-1"),
        )

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=60)


@pytest.fixture(scope="session")
def python_with_postfix() -> list[str]:
    """The command of a Python on the host with Postfix."""
    return _python()


@pytest.fixture(scope="session")
def postfix() -> Iterator[Postfix]:
    """Postfix as the oracle."""
    oracle = Postfix()
    yield oracle
    oracle.close()


@pytest.fixture(scope="session")
def examples() -> int:
    """The number of examples."""
    return EXAMPLES
