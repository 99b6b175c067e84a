# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Searches the hosts of the fleet and a log of the controller for secrets of other hosts.

A private key may be on the host that generated it, and the laptop's password on the laptop. The user's own files in /lab are not searched.

python3 secrets.py LOG INVENTORY
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

WHERE = ("/etc", "/root", "/home", "/tmp", "/usr/local", "/var", "/run")
KEYS = "/etc/postfix/tls"


def execute(container: str, *argv: str, stdin: bytes = b"") -> bytes:
    """The output of a program on a host."""
    argv = ("podman", "exec", "--interactive", container, *argv)
    done = subprocess.run(argv, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return done.stdout


def private_keys(container: str) -> set[bytes]:
    """One line of each private key that Postfix has on a host."""
    script = f"cat {KEYS}/* | awk '/BEGIN.*PRIVATE KEY/ {{ getline; getline; print }}'"
    return {line for line in execute(container, "sh", "-c", script).split(b"\n") if len(line) > 40}


def holders(container: str, needle: bytes) -> list[str]:
    """The files of a host that contain it."""
    found = execute(container, "grep", "-rlaFf", "/dev/stdin", *WHERE, stdin=needle + b"\n")
    return found.decode().splitlines()


def main(log: str, inventory: str) -> None:
    """Search all hosts and the log for each secret."""
    output = Path(log).read_bytes()
    listed = subprocess.run([f"{inventory}/lab"], stdout=subprocess.PIPE, check=True).stdout
    hostvars = json.loads(listed)["_meta"]["hostvars"]
    containers = {host: variables["ansible_host"] for host, variables in hostvars.items()}
    password = b"Simsalabim.4711"
    secrets = {(host, key) for host, container in containers.items() for key in private_keys(container)}
    if len({host for host, _key in secrets}) < 3:
        sys.exit(f"found private keys only on {sorted({host for host, _key in secrets})}")
    found = []
    for owner, secret in sorted({*secrets, ("fleet-c", password)}):
        what = "the password" if secret == password else "a private key"
        for host, container in containers.items():
            files = holders(container, secret)
            if host == owner and not files:
                sys.exit(f"{what} of {owner} was not found on its own host: the search does not work")
            allowed = (f"{KEYS}/",) if secret != password else ("/etc/postfix/roadwarrior_sasl_passwd",)
            found += [
                f"{what} of {owner} is on {host}: {file}"
                for file in files
                if host != owner or not file.startswith(allowed)
            ]
        if secret in output:
            found.append(f"{what} of {owner} is in {log}")
    if b"PRIVATE KEY-----" in output:
        found.append(f"a private key is in {log}")
    if len(output.splitlines()) < 500 or b"fleet-c" not in output:
        found.append(f"{log} is not the output of a complete run with -vvv")
    sys.exit("\n".join(found) or 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
