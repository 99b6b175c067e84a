# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a playbook with --check --diff and prints what it foretells: {host: {path: content}}, as JSON.

What a task does on another host than its own (delegate_to) stands under that host's ansible_host.

python3 foretell.py INVENTORY PLAYBOOK
"""

from __future__ import annotations

import json
import os
import subprocess
import sys


def main(inventory: str, playbook: str) -> None:
    """Later tasks have the last word on a file."""
    environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    argv = ["ansible-playbook", "--check", "--diff", f"--inventory={inventory}", playbook]
    done = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
    text = done.stdout.decode()
    if done.returncode:
        sys.exit(text)
    foretold: dict[str, dict[str, str]] = {}
    for play in json.loads(text[text.index("{") :])["plays"]:
        for task in play["tasks"]:
            for host, result in task["hosts"].items():
                place = result.get("_ansible_delegated_vars", {}).get("ansible_host", host)
                if result.get("changed"):
                    for diff in result.get("diff", []):
                        foretold.setdefault(place, {})[diff["after_header"]] = diff["after"]
    print(json.dumps(foretold))


if __name__ == "__main__":
    main(*sys.argv[1:])
