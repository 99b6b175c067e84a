# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Questions to small nameservers on this host. That real ones answer so is for the scenario ``dane`` to show."""

from __future__ import annotations

import socket
import struct
import threading

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host import dns
from ansible_collections.mailops.postfix.plugins.module_utils._host.dns_message import Answer, QuestionEntry

QUESTION = QuestionEntry(".", "ns")
VALIDATED = Answer("NOERROR", True, False)


@pytest.fixture(autouse=True)
def nameservers():
    """Other tests do without the real thing; these do not."""


class Nameserver:
    """One that answers with these flags, by UDP and TCP; None: not at all."""

    def __init__(self, *flags, tcp=None, noise=False):
        self.flags, self.tcp, self.noise = list(flags), tcp, noise
        self.asked = 0
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.port = self.udp.getsockname()[1]
        self.stream = socket.create_server(("127.0.0.1", self.port))
        for serve in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def serve_udp(self):
        while True:
            message, client = self.udp.recvfrom(4096)
            flags = self.flags[min(self.asked, len(self.flags) - 1)]
            self.asked += 1
            if self.noise:
                self.udp.sendto(b"\0\0" + message[2:], client)
            if flags is not None:
                self.udp.sendto(message[:2] + flags.to_bytes(2, "big") + message[4:], client)

    def serve_tcp(self):
        while True:
            client, _address = self.stream.accept()
            with client:
                message = client.recv(4096)
                if self.tcp is not None:
                    client.sendall(message[:4] + self.tcp.to_bytes(2, "big") + message[6:])


def ask(nameserver, timeout=10.0):
    return dns.query_nameservers(["127.0.0.1"], QUESTION, timeout, nameserver.port)["127.0.0.1"]


def test_an_answer():
    assert ask(Nameserver(0x81A0)) == VALIDATED


def test_what_is_no_answer_to_the_question_is_waited_out():
    assert ask(Nameserver(0x81A0, noise=True)) == VALIDATED


def test_it_asks_twice():
    nameserver = Nameserver(None, 0x81A0)
    assert ask(nameserver, 0.3) == VALIDATED
    assert nameserver.asked == 2


def test_no_reply():
    nameserver = Nameserver(None)
    assert ask(nameserver, 0.1) is None
    assert nameserver.asked == 2


def test_closed_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    assert dns.query_nameservers(["127.0.0.1"], QUESTION, 10.0, port) == {"127.0.0.1": None}


def test_one_that_answers_is_not_kept_waiting_by_the_others_for_longer_than_they_may_take():
    nameserver = Nameserver(0x81A0)
    found = dns.query_nameservers(["127.0.0.1", "127.0.0.2", "no address"], QUESTION, 0.1, nameserver.port)
    assert found == {"127.0.0.1": VALIDATED, "127.0.0.2": None, "no address": None}


def test_a_truncated_answer_is_asked_for_again_by_tcp():
    assert ask(Nameserver(0x8380, tcp=0x81A0)) == VALIDATED


def test_a_truncated_answer_and_no_tcp():
    assert ask(Nameserver(0x8380)) == Answer("NOERROR", False, True)


def test_the_length_goes_before_a_message_by_tcp():
    seen = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            client, _address = server.accept()
            with client:
                seen.append(client.recv(4096))

        thread = threading.Thread(target=serve)
        thread.start()
        asked = b"x" * 28
        assert dns._by_tcp("127.0.0.1", server.getsockname()[1], asked, 10.0) is None
        thread.join()
    assert seen == [struct.pack("!H", 28) + asked]
