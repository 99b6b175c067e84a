# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs commands on the host with Postfix: reads one request in JSON per line, and writes one response per line.

A request contains the arguments of a command and the text of a main.cf, in a directory that replaces the argument ``@``. The response
contains the exit status, output and errors of the command; status 127 if there is no such program. Bytes are encoded as Latin-1.
Requires Python 3.6.
"""

import json
import os
import subprocess
import sys
import tempfile

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


def respond(directory, request):
    for name in ("main.cf", "master.cf"):
        with open(os.path.join(directory, name), "w", encoding="latin-1") as file:
            file.write(request["main.cf"] if name == "main.cf" else "")
        os.utime(file.name, (1, 1))  # Postfix waits before it reads a file that changed in the last two seconds
    try:
        done = subprocess.run(
            [directory if word == "@" else word for word in request["command"]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            timeout=60,
            check=False,
        )
    except FileNotFoundError:
        return [127, "", ""]
    return [done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1")]


def main():
    os.environ.update(ENVIRONMENT)  # subprocess searches the program in this PATH
    with tempfile.TemporaryDirectory() as directory:
        for line in sys.stdin:
            sys.stdout.write(json.dumps(respond(directory, json.loads(line))) + "\n")
            sys.stdout.flush()


main()
