# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs where Postfix is, and asks it: one question in JSON per line of input, one answer per line of output.

A question holds main.cf and master.cf and the postconf(1) commands to run on them, one after the other. The answer holds exit status,
output and errors of each, and the two files as they are then. Bytes travel as Latin-1. Needs no more than Python 3.6.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

FILES = ("main.cf", "master.cf")
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
POSTCONF = shutil.which("postconf", path=ENVIRONMENT["PATH"]) or "postconf"


def write(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "wb") as file:
        file.write(text)


def settle(directory):
    """Make the files old: nobody reads a file of the last two seconds without waiting."""
    for name in FILES:
        os.utime(os.path.join(directory, name), (1, 1))


def read(directory, name):
    with open(os.path.join(directory, name), "rb") as file:
        return file.read()


def ask(directory, question, known):
    files = [question[name].encode("latin-1") for name in FILES]
    for name, text in zip(FILES, files):
        write(directory, name, text)
    answers = []
    for command in question["commands"]:
        same = (*files, *command)
        if same not in known:
            settle(directory)
            done = subprocess.run(
                [POSTCONF.encode(), b"-c", directory.encode(), *(word.encode("latin-1") for word in command)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=ENVIRONMENT,
                timeout=60,
                check=False,
            )
            answer = [done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1")]
            if len(command) > 1:  # the names and values of an edit
                answers.append(answer)
                files = [read(directory, name) for name in FILES]
                continue
            if len(known) > 2000:
                known.clear()
            known[same] = answer
        answers.append(known[same])
    return {"answers": answers, **{name: text.decode("latin-1") for name, text in zip(FILES, files)}}


def main():
    known = {}
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        for line in sys.stdin:
            sys.stdout.write(json.dumps(ask(directory, json.loads(line), known)) + "\n")
            sys.stdout.flush()


main()
