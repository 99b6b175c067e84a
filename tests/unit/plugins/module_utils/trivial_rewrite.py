# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The installed Postfix's resolver: trivial-rewrite(8) with -S runs on its own, and answers one query."""

from __future__ import annotations

import os
import socket
import subprocess


def resolve(directory, recipient, sender=""):
    """Transport and next hop for a recipient, by the configuration in a directory; None where it fails."""
    queue = directory / "queue"
    queue.mkdir(exist_ok=True)
    daemons = subprocess.run(
        ["/usr/sbin/postconf", "-h", "daemon_directory"], capture_output=True, check=True, text=True
    ).stdout.strip()
    ours, its = socket.socketpair()
    with ours, its:
        ours.settimeout(10)
        with subprocess.Popen(
            [f"{daemons}/trivial-rewrite", "-S"],
            stdin=its,
            stdout=its,
            stderr=subprocess.DEVNULL,
            cwd=queue,
            env=dict(os.environ, MAIL_CONFIG=str(directory), LC_ALL="C"),
        ):
            its.close()
            question = ("request", "resolve", "sender", sender, "address", recipient)
            ours.sendall(b"".join(word.encode() + b"\0" for word in question) + b"\0")
            answer = b""
            while part := ours.recv(4096):
                answer += part
    words = answer.decode().split("\0")
    said = dict(zip(words[0::2], words[1::2]))
    # RESOLVE_FLAG_FAIL (src/global/resolve_clnt.h)
    return None if int(said.get("flags", "0")) & 8 else (said["transport"], said["nexthop"])
