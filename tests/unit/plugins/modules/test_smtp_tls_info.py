# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module smtp_tls_info as Ansible runs it. Tests of the probe itself are in module_utils/_smtp/test_probe.py."""

from __future__ import annotations

import ast
import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from ansible_collections.mailops.postfix.plugins.module_utils._smtp import probe
from ansible_collections.mailops.postfix.plugins.modules import smtp_tls_info

EHLO = b"250-mx.example.org\r\n250 SIZE 1000\r\n"


@pytest.fixture(name="port")
def fixture_port():
    """The port of a server without TLS that does not relay."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            with suppress(OSError):  # no test has connected
                connection = listening.accept()[0]
                answer(connection)

        def answer(connection):
            with connection, connection.makefile("rb") as commands:
                connection.sendall(b"220 mx.example.org ESMTP\r\n")
                for command in commands:
                    refused = command.startswith(b"RCPT")
                    reply = b"554 5.7.1 Relay access denied\r\n" if refused else b"250 ok\r\n"
                    connection.sendall(EHLO if command.startswith(b"EHLO") else reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        # Otherwise the thread would accept a connection of a later test, whose socket has the same number.
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=60)


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_server(run_module, port, check_mode):
    result = run_module(smtp_tls_info, host="127.0.0.1", port=port, _ansible_check_mode=check_mode)
    assert (result["changed"], result["problem"], result["reachable"]) == (False, None, True)
    assert result["before_tls"]["ehlo"] == {"SIZE": "1000"} and result["tls"] is None
    assert result["relay"] == {"relays": False, "reply": "554 5.7.1 Relay access denied"}


def test_a_refused_connection_is_not_a_failure(run_module):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        unused = taken.getsockname()[1]
    result = run_module(smtp_tls_info, host="127.0.0.1", port=unused)
    assert "failed" not in result and (result["reachable"], result["failed_at"]) == (False, "connect")


def test_postfix_is_not_required(run_module, port):
    result = run_module(smtp_tls_info, host="127.0.0.1", port=port, config_directory="/nowhere")
    assert result["problem"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "missing required arguments: host"),
        (
            {"host": "a b"},
            "reading option host: 'a b' is not a valid host name or IP address. Write a host name or an IP address",
        ),
        (
            {"host": "mx", "ca_file": "/nowhere"},
            "reading option ca_file: /nowhere is not a file. Write the path of a file on",
        ),
    ],
)
def test_invalid_options(run_module, options, message):
    result = run_module(smtp_tls_info, **options)
    assert result["failed"] is True and result["msg"].startswith(message)


def test_every_key_is_documented(run_module, port):
    documented = yaml.safe_load(smtp_tls_info.RETURN)
    result = run_module(smtp_tls_info, host="127.0.0.1", port=port)
    assert set(result) - {"changed", "invocation"} == set(documented)
    assert set(result["before_tls"]) == set(documented["before_tls"]["contains"])
    assert set(result["relay"]) == set(documented["relay"]["contains"])


def test_every_step_is_documented():
    """The names of the steps in the code are those of the documentation; this module has no recipients."""
    source = Path(probe.__file__).read_text(encoding="utf-8")
    steps = {
        constant.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Attribute)
        and node.targets[0].attr == "step"
        for constant in ast.walk(node.value)
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    }
    description = yaml.safe_load(smtp_tls_info.RETURN)["failed_at"]["description"][1]
    assert steps - {"recipients"} == {part.partition(")")[0] for part in description.split("V(")[1:]}
