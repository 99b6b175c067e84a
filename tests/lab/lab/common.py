# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Common functions of the lab's scripts: paths, running podman, and showing progress."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Iterator, Sequence

import yaml

LAB = Path(__file__).resolve().parents[1]
PROJECT = LAB.parents[1]
CACHE = PROJECT / ".cache" / "lab"
# The first part of the names of containers and networks.
PREFIX = os.environ.get("LAB_PREFIX", "mailops")
# The name of an image depends on its content only, so that all labs share the images.
IMAGES = "localhost/mailops-lab"


class LabError(Exception):
    """A failure of the lab; the text is for the user."""


def load(name: str) -> Any:
    """The data in one of the lab's YAML files."""
    return yaml.safe_load((LAB / name).read_text(encoding="utf-8"))


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, flush=True)


def main(function: Any) -> None:
    """Run a script's main function: errors for the user in one line, no traceback."""
    try:
        sys.exit(function())
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def run(
    argv: Sequence[str], *, check: bool = True, stdin: bytes | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[bytes]:
    """Run a program; its output is captured, its input never a terminal."""
    try:
        done = subprocess.run(
            list(argv), input=stdin if stdin is not None else b"", capture_output=True, timeout=timeout, check=False
        )
    except FileNotFoundError as error:
        raise LabError(f"the program {argv[0]} is not installed; run 'make setup' first") from error
    except OSError as error:  # a limit of processes, open files or memory
        raise LabError(f"the program {argv[0]} can't be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(argv[:4])} has not ended after {timeout:.0f} s") from error
    if check and done.returncode:
        words = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise LabError(f"{' '.join(argv[:6])}: {words or f'exit status {done.returncode}'}")
    return done


def podman(*argv: str, check: bool = True, stdin: bytes | None = None, timeout: float = 120) -> str:
    """Run podman; return its output."""
    return run(["podman", *argv], check=check, stdin=stdin, timeout=timeout).stdout.decode(errors="replace").strip()


def podman_ok(*argv: str) -> bool:
    """Whether a podman command succeeds."""
    return run(["podman", *argv], check=False).returncode == 0


def settle_podman(image: str) -> None:
    """Use the lab's own containers.conf for the rest of this process, but only if a plain start fails."""
    if "CONTAINERS_CONF" in os.environ:
        return
    probe = ["run", "--rm", "--network=none", "--systemd=always", image, "/bin/true"]
    if podman_ok(*probe):
        return
    os.environ["CONTAINERS_CONF"] = str(LAB / "containers.conf")
    podman(*probe)


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold a lock on a part of the lab, so that no other process changes it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"lab: waiting for another process that has locked {name} ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Clock:
    """The seconds since its creation, as text."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __str__(self) -> str:
        return f"{time.monotonic() - self._start:.0f} s"
