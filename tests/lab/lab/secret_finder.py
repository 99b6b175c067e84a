# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes secrets, and finds them in outputs and files, in whatever spelling.

secret_finder.py variables           prints the secrets as variables of a playbook, by kind and spelling
secret_finder.py find FILE…          prints as JSON which of them the files contain
secret_finder.py watch FILE          writes the arguments and the environment of all processes to FILE, until FILE.end exists
secret_finder.py files PATH…         prints as JSON the files of this host, other than these, that contain them, and those of these that
                                     every user may read. ``PATH/`` and ``PATH*`` are all that begin with PATH.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import stat
import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import Iterator

KINDS = ("entry", "group", "static", "option", "nexthop", "file", "account")
"""Where a secret is: an entry of a table of passwords, an entry of a table that a group may read, a static table in main.cf, one in an option
of a service, a next hop with credentials, a file of ldap_table(5), and the account of a role."""

SPELLINGS = {
    "backslash": "\\S",
    "single quote": "'",
    "double quote": '"',
    "tab": "\t",
    "newline": "\n",
    "dollar": "$$",
    "braces": "{{ x }}",
    "non-ASCII": "ä€",
    "long": "-" + "abcdefghij" * 18 + "-",
}
"""What is in the middle of a secret."""

_ONE_WORD = {"tab", "newline", "braces", "double quote", "single quote"}
_FRAGMENT = 8
"""Characters of a secret, letters and digits, that are in no output by chance."""

_SKIPPED = (
    "/proc",
    "/sys",
    "/dev",
    "/usr/share",
    "/usr/lib",
    "/var/log/journal",
    "/run/log/journal",
    "/var/lib/dpkg",
    "/var/lib/apt",
)
_LARGE = 20_000_000


def secrets() -> dict[str, dict[str, str]]:
    """The secrets by kind and spelling, the same in each run. A place that holds one word has no blanks in it, and only files have line ends."""
    return {kind: {name: secret(kind, name) for name in SPELLINGS if _fits(kind, name)} for kind in KINDS}


def secret(kind: str, spelling: str) -> str:
    """A secret with two parts of letters and digits that are in no other one."""
    digest = hashlib.sha256(f"{kind} {spelling}".encode()).hexdigest()
    return f"Q{digest[:10]}{SPELLINGS[spelling]}{digest[10:20]}Z"


def _fits(kind: str, spelling: str) -> bool:
    if kind in ("static", "option", "nexthop"):
        return spelling not in _ONE_WORD
    return spelling != "newline" or kind == "file"


def variables() -> str:
    """The secrets as YAML, untemplated."""
    lines = ["---", "secrets:"]
    for kind, values in secrets().items():
        lines.append(f"  {kind}:")
        lines += [f"    {json.dumps(name)}: !unsafe {json.dumps(value)}" for name, value in values.items()]
    return "\n".join(lines)


def fragments(value: str) -> set[bytes]:
    """What is searched for: the parts of a secret that no way of quoting changes, as they are, in base64 and in hexadecimal digits."""
    result: set[bytes] = set()
    for part in re.findall(rf"[A-Za-z0-9]{{{_FRAGMENT},}}", value):
        text = part[:20].encode()
        result |= {text, text.hex().encode(), text.hex().upper().encode()}
        # The first and the last characters depend on what is beside the part.
        result |= {base64.b64encode(b"x" * shift + text)[2 + shift : -4].rstrip(b"=") for shift in range(3)}
    return {found for found in result if len(found) >= _FRAGMENT}


@lru_cache(maxsize=1)
def _wanted() -> dict[str, set[bytes]]:
    """What is searched for, by the kind and spelling of the secret."""
    return {f"{kind}: {name}": fragments(value) for kind, values in secrets().items() for name, value in values.items()}


def found_in(content: bytes) -> list[str]:
    """The kind and spelling of each secret in a content."""
    return [name for name, wanted in _wanted().items() if any(fragment in content for fragment in wanted)]


def watch(path: str) -> None:
    """Collect what processes disclose until PATH.end exists."""
    seen: set[bytes] = set()
    with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb", buffering=0) as output:
        while not os.path.exists(f"{path}.end"):
            for content in _processes():
                if content not in seen:
                    seen.add(content)
                    output.write(content + b"\n")
            time.sleep(0.002)


def _processes() -> Iterator[bytes]:
    for process in os.listdir("/proc"):
        if process.isdigit() and int(process) != os.getpid():
            for name in ("cmdline", "environ"):
                try:
                    yield Path("/proc", process, name).read_bytes()
                except OSError:
                    continue


def files_with_secrets(roots: list[str], expected: list[str]) -> dict[str, list[str]]:
    """The files that contain a secret and should not, or that every user may read, with the secrets."""
    result = {}
    for root in roots:
        for directory, names, files in os.walk(root):
            names[:] = [name for name in names if not os.path.join(directory, name).startswith(_SKIPPED)]
            for path in (os.path.join(directory, name) for name in files):
                found = _found_in_file(path, expected)
                if found:
                    result[path] = found
    return result


def _found_in_file(path: str, expected: list[str]) -> list[str]:
    try:
        status = os.lstat(path)
        # This file is copied to the host before the first secret is written there.
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGE or status.st_ctime < os.stat(__file__).st_ctime:
            return []
        declared = any(path == name or (name[-1] in "/*" and path.startswith(name.rstrip("*"))) for name in expected)
        if declared and not _readable(path, status):
            return []
        return found_in(Path(path).read_bytes())
    except OSError:
        return []


def _readable(path: str, status: os.stat_result) -> bool:
    """Whether every user may read a file."""
    return bool(status.st_mode & 0o004) and all(os.stat(parent).st_mode & 0o001 for parent in Path(path).parents)


def main() -> None:
    command, *arguments = sys.argv[1:]
    if command == "variables":
        print(variables())
    elif command == "watch":
        watch(arguments[0])
    elif command == "find":
        print(json.dumps({path: found for path in arguments for found in [found_in(Path(path).read_bytes())] if found}))
    elif command == "files":
        print(json.dumps(files_with_secrets(["/"], arguments)))


if __name__ == "__main__":
    main()
