# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs postconf(1) on the host with Postfix: reads one request in JSON per line, and writes one response per line.

A request contains main.cf, master.cf and the postconf(1) commands to run on them, one after the other. The response contains the
exit status, output and errors of each command, and the two files afterwards. Bytes are encoded as Latin-1. Requires Python 3.6.
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


def age(directory):
    """Set old modification times: Postfix waits before it reads a file that changed in the last two seconds."""
    for name in FILES:
        os.utime(os.path.join(directory, name), (1, 1))


def read(directory, name):
    with open(os.path.join(directory, name), "rb") as file:
        return file.read()


def respond(directory, request, cache):
    files = [request[name].encode("latin-1") for name in FILES]
    for name, text in zip(FILES, files):
        write(directory, name, text)
    results = []
    for command in request["commands"]:
        key = (*files, *command)
        if key not in cache:
            age(directory)
            done = subprocess.run(
                [POSTCONF.encode(), b"-c", directory.encode(), *(word.encode("latin-1") for word in command)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=ENVIRONMENT,
                timeout=60,
                check=False,
            )
            result = [done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1")]
            if len(command) > 1:  # a command that edits the files
                results.append(result)
                files = [read(directory, name) for name in FILES]
                continue
            if len(cache) > 2000:
                cache.clear()
            cache[key] = result
        results.append(cache[key])
    return {"results": results, **{name: text.decode("latin-1") for name, text in zip(FILES, files)}}


def main():
    cache = {}
    tmpfs = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=tmpfs) as directory:
        for line in sys.stdin:
            sys.stdout.write(json.dumps(respond(directory, json.loads(line), cache)) + "\n")
            sys.stdout.flush()


main()
