# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A queue server that answers as cleanup(8) does. The scenario routes queues probes at the real one."""

from __future__ import annotations

import socket
import threading

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import HostError
from ansible_collections.mailops.postfix.plugins.module_utils._host import cleanup
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance


@pytest.fixture
def served(directory):
    """A function that serves one client with these attributes, and gives what the client has sent."""
    (directory / "queue/public").mkdir(parents=True)
    with open(directory / "main.cf", "a", encoding="utf-8") as file:
        file.write(f"queue_directory = {directory}/queue\n")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(f"{directory}/queue/public/cleanup")
    listening.listen()
    received = []

    def serve(greeting, result):
        def talk():
            client, _address = listening.accept()
            with client:
                client.sendall(greeting)
                data = b""
                while not data.endswith(b"E\0"):
                    data += client.recv(4096)
                received.append(data)
                client.sendall(result)

        threading.Thread(target=talk, daemon=True).start()
        return received

    yield serve
    listening.close()


@pytest.mark.parametrize(
    "greeting", [b"queue_id\x004C0FFEE\0\0", b"protocol\0cleanup_protocol\0queue_id\x004C0FFEE\0\0"]
)
def test_a_probe(directory, served, greeting):
    """Since Postfix 3.6 servers name their protocol first."""
    received = served(greeting, b"status\x000\0reason\0\0\0")
    queued = cleanup.queue_probe(Instance(str(directory)), "alice@a.test", "postmaster@b.test", False)
    assert queued == cleanup.Queued("4C0FFEE")
    assert received[0].startswith(b"flags\x000\0\0T")
    assert b"A\x0ftrace_flags=256S\x0calice@a.testR\x11postmaster@b.testM\0N" in received[0]


def test_a_probe_with_a_report(directory, served):
    received = served(b"queue_id\x004C0FFEE\0\0", b"status\x000\0\0")
    assert cleanup.queue_probe(Instance(str(directory)), "double-bounce@a.test", "b@b.test", True).rejected == ""
    assert received[0].startswith(b"flags\x00114\0\0T") and b"A\x0ftrace_flags=512" in received[0]


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (b"status\x008\0reason\0queue file write error\0\0", "queue file write error"),
        (b"status\x002\0reason\0\0\0", "no reason"),
    ],
)
def test_a_probe_that_is_rejected(directory, served, result, reason):
    served(b"queue_id\x004C0FFEE\0\0", result)
    queued = cleanup.queue_probe(Instance(str(directory)), "alice@a.test", "postmaster@b.test", True)
    assert queued == cleanup.Queued("4C0FFEE", reason)


def test_a_cleanup_that_terminates(directory, served):
    served(b"queue_id\x004C0FFEE\0\0", b"")
    with pytest.raises(HostError, match="ends the connection without a reply"):
        cleanup.queue_probe(Instance(str(directory)), "alice@a.test", "postmaster@b.test", True)


def test_a_postfix_that_does_not_run(directory):
    with pytest.raises(HostError, match="queuing a probe at .*/public/cleanup"):
        cleanup.queue_probe(Instance(str(directory)), "alice@a.test", "postmaster@b.test", True)


def test_a_long_record():
    records = cleanup.probe_records("x" * 200, "b@c.test", 0, 256)
    assert b"S\xc8\x01" + b"x" * 200 + b"R\x08b@c.test" in records
