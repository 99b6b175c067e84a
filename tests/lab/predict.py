# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a playbook with --check --diff and prints the predicted files, {host: {path: content}}, as JSON.

Files of a delegated task are listed under the ansible_host of the other host.

python3 predict.py INVENTORY PLAYBOOK
"""

from __future__ import annotations

import json
import os
import subprocess
import sys


def main(inventory: str, playbook: str) -> None:
    """Print the predictions; a later task overrides an earlier one."""
    environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    argv = ["ansible-playbook", "--check", "--diff", f"--inventory={inventory}", playbook]
    done = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
    text = done.stdout.decode()
    if done.returncode:
        sys.exit(text)
    predicted: dict[str, dict[str, str]] = {}
    for play in json.loads(text[text.index("{") :])["plays"]:
        for task in play["tasks"]:
            for host, result in task["hosts"].items():
                place = result.get("_ansible_delegated_vars", {}).get("ansible_host", host)
                if result.get("changed"):
                    for diff in result.get("diff", []):
                        predicted.setdefault(place, {})[diff["after_header"]] = diff["after"]
    print(json.dumps(predicted))


if __name__ == "__main__":
    main(*sys.argv[1:])
