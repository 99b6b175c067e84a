# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom the checks ask: nameservers as smtp(8) finds them, and services by the installed postmap(1)."""

from __future__ import annotations

import os
import socket
import threading

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._host.dns_message import Answer, QuestionEntry
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan import dependencies
from ansible_collections.mailops.postfix.plugins.module_utils._plan.dependencies import Dependencies

VALIDATED = Answer("NOERROR", True, False)


@pytest.fixture(name="host")
def fixture_host(directory, monkeypatch):
    """A host with a resolv.conf of its own, and a queue directory."""
    (directory / "queue/etc").mkdir(parents=True)
    (directory / "resolv.conf").write_text("nameserver 192.0.2.1\n")
    monkeypatch.setattr(dependencies, "RESOLV_CONF", str(directory / "resolv.conf"))
    write(directory, f"queue_directory = {directory}/queue\n")
    return directory


def write(directory, text):
    with open(directory / "main.cf", "a", encoding="utf-8") as file:
        file.write(text)
    os.utime(directory / "main.cf", (1, 1))


def inside(directory, text):
    path = directory / "queue" / str(directory / "resolv.conf").lstrip("/")
    path.parent.mkdir(parents=True)
    path.write_text(text)


def test_the_nameservers_in_the_chroot(host):
    inside(host, "nameserver 192.0.2.2\n")
    seen = Dependencies(Instance(str(host))).resolver()
    assert (seen.answers, seen.question) == ({"192.0.2.2": VALIDATED}, QuestionEntry(".", "ns"))
    assert seen.resolv_conf.startswith(f"{host}/queue/")


def test_before_postfix_has_first_been_started(host):
    assert list(Dependencies(Instance(str(host))).resolver().answers) == ["192.0.2.1"]


def test_a_chroot_without_a_resolv_conf(host, monkeypatch):
    monkeypatch.setattr(Instance, "running", lambda self: True)
    assert list(Dependencies(Instance(str(host))).resolver().answers) == ["127.0.0.1"]


def test_no_chroot(host):
    inside(host, "nameserver 192.0.2.2\n")
    text = (
        (host / "master.cf")
        .read_text()
        .replace("smtp      unix  -       -       y", "smtp      unix  -       -       n")
    )
    (host / "master.cf").write_text(text)
    assert list(Dependencies(Instance(str(host))).resolver().answers) == ["192.0.2.1"]


@pytest.mark.parametrize(
    ("probe", "question"),
    [("soa:example.org", QuestionEntry("example.org", "soa")), ("", QuestionEntry(".", "ns"))],
)
def test_what_is_asked(host, probe, question):
    write(host, f"dnssec_probe = {probe}\n")
    assert Dependencies(Instance(str(host))).resolver().question == question


def test_what_can_not_be_asked(host):
    write(host, "dnssec_probe = example.org\n")
    with pytest.raises(DeclarationError, match="dnssec_probe = example.org: it must be a record type .*Write ns:"):
        Dependencies(Instance(str(host))).resolver()


def test_names_with_wrong_signatures(host, nameservers):
    nameservers["refused.test"] = Answer("SERVFAIL", False, False)
    nameservers["silent.test"] = None
    nameservers["taken.test"] = Answer("NOERROR", False, False)
    seen = Dependencies(Instance(str(host)), ["refused.test", "silent.test", "taken.test"]).resolver()
    assert seen.bogus == {"refused.test": [], "silent.test": [], "taken.test": ["192.0.2.1"]}


def test_each_is_asked_once(host):
    asked = []

    def ask(nameservers, question):
        asked.append(question)
        return dict.fromkeys(nameservers, VALIDATED)

    dependencies_of_host = Dependencies(Instance(str(host)), ask=ask)
    assert dependencies_of_host.resolver("smtp/unix") is dependencies_of_host.resolver("relay/unix")
    assert len(asked) == 1


# Services of policies


class Service:
    """A socketmap server that gives one answer to all; it knows netstrings, and nothing else."""

    def __init__(self, answer, family=socket.AF_INET, address=("127.0.0.1", 0)):
        self.answer = b"%d:%s," % (len(answer), answer.encode())
        self.socket = socket.socket(family)
        self.socket.bind(address)
        self.socket.listen()
        self.asked = []
        threading.Thread(target=self.serve, daemon=True).start()

    @property
    def table(self):
        return f"socketmap:inet:127.0.0.1:{self.socket.getsockname()[1]}:sts"

    def serve(self):
        while True:
            client, _address = self.socket.accept()
            with client:
                self.asked.append(client.recv(4096))
                client.sendall(self.answer)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ("NOTFOUND ", ""),
        ("OK secure match=mx.example.org", ""),
        ("TEMP no DNS", "no DNS"),
        ("PERM out of order", "out of order"),
    ],
)
def test_a_service(host, answer, failure):
    service = Service(answer)
    said = Dependencies(Instance(str(host))).failure(service.table)
    assert bool(said) is bool(failure)
    assert service.asked == [b"25:sts mta-sts-probe.invalid,"]


def test_no_service(host):
    assert "Connection refused" in Dependencies(Instance(str(host))).failure("socketmap:inet:127.0.0.1:1:sts")


def test_a_socket_outside_the_chroot(host):
    dependencies_of_host = Dependencies(Instance(str(host)))
    Service("NOTFOUND ", socket.AF_UNIX, str(host / "sts"))
    assert f"smtp/unix is chrooted, and there is no socket {host}/queue{host}/sts" in dependencies_of_host.failure(
        f"socketmap:unix:{host}/sts:x"
    )
    assert dependencies_of_host.failure(f"socketmap:unix:{host}/sts:x", "local/unix") == ""


def test_a_socket_inside_the_chroot(host):
    Service("NOTFOUND ", socket.AF_UNIX, str(host / "queue/sts"))
    assert Dependencies(Instance(str(host))).failure("socketmap:unix:/sts:x") == ""
