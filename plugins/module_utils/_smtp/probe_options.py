# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be asked of an SMTP server. Private to mailops.postfix."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, fields
from typing import Any, Mapping, Sequence

from .._errors import DeclarationError
from .._x509 import certificate, pem
from .._x509.pem import PemError
from . import connection

KEY_TYPES = ("rsa", "ecdsa")
"""Of the certificates that a server can have beside each other."""


@dataclass(frozen=True)
class ProbeOptions:
    """Whom to ask, and what; the options of the module smtp_tls_info, which documents them."""

    host: str
    port: int = 25
    implicit_tls: bool = False
    server_name: str | None = None
    key_type: str | None = None
    hostnames: Sequence[str] | None = None
    ca_file: str | None = None
    ca_path: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    ehlo: str | None = None
    sender: str = ""
    recipient: str = "stranger@example.com"
    relay: bool = True
    protocols: bool = True
    timeout: float = 10.0
    time_limit: float = 60.0


OPTIONS: Mapping[str, Any] = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "default": ProbeOptions.port},
    "implicit_tls": {"type": "bool", "default": ProbeOptions.implicit_tls},
    "server_name": {"type": "str"},
    "key_type": {"type": "str", "choices": list(KEY_TYPES)},
    "hostnames": {"type": "list", "elements": "str"},
    "ca_file": {"type": "path"},
    "ca_path": {"type": "path"},
    "client_certificate": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "ehlo": {"type": "str"},
    "relay": {"type": "bool", "default": ProbeOptions.relay},
    "sender": {"type": "str", "default": ProbeOptions.sender},
    "recipient": {"type": "str", "default": ProbeOptions.recipient},
    "protocols": {"type": "bool", "default": ProbeOptions.protocols},
    "timeout": {"type": "float", "default": ProbeOptions.timeout},
    "time_limit": {"type": "float", "default": ProbeOptions.time_limit},
}
"""What the module smtp_tls_info takes, as arguments of AnsibleModule."""


def probe_options(options: Mapping[str, Any]) -> ProbeOptions:
    """The question that a module's options ask."""
    return ProbeOptions(**{field.name: options[field.name] for field in fields(ProbeOptions) if field.name in options})


def check_options(question: ProbeOptions) -> None:
    """:raises DeclarationError: for what no server could answer."""
    host = question.host
    if not (connection.is_address(host) or certificate.is_certificate_name(certificate.to_ascii(host))) or "*" in host:
        remedy = (
            "Write an IP address without brackets" if host.startswith("[") else "Write a host name or an IP address"
        )
        raise refused("host", f"{host!r} is no host", remedy)
    if not 0 < question.port < 65536:
        raise refused("port", f"{question.port} is no port", "Write a number from 1 to 65535")
    for name in ("timeout", "time_limit"):
        seconds = getattr(question, name)
        if not (seconds > 0 and math.isfinite(seconds)):
            raise refused(name, f"{seconds} is no time to wait", "Write a number of seconds above 0")
    for hostname in [*(question.hostnames or ()), *([question.server_name] if question.server_name else [])]:
        option = "server_name" if hostname == question.server_name else "hostnames"
        if not certificate.is_certificate_name(certificate.to_ascii(hostname)) or "*" in hostname:
            raise refused(option, f"{hostname!r} is no host name", "Write a host name")
    if question.ehlo is not None and not re.fullmatch(r"[!-~]{1,255}", question.ehlo):
        raise refused("ehlo", f"{question.ehlo!r} cannot be sent", "Write a host name or an [address] in brackets")
    for name in ("sender", "recipient"):
        address = getattr(question, name)
        if not re.fullmatch(r"[!-;=?-~]{0,320}", address) or (name == "recipient" and not address):
            raise refused(name, f"{address!r} is no address", "Write it as user@domain, without <> and spaces")
    for name, present, what in (
        ("ca_file", os.path.isfile, "file"),
        ("ca_path", os.path.isdir, "directory"),
        ("client_certificate", os.path.isfile, "file"),
        ("client_key", os.path.isfile, "file"),
    ):
        path = getattr(question, name)
        if path is not None and not present(path):
            raise refused(name, f"there is no {what} {path}", f"Name a {what} on the host that asks")
    if question.ca_file is not None:
        try:
            with open(question.ca_file, "rb") as file:
                pem.certificates(file.read())
        except PemError as error:
            raise refused("ca_file", f"{question.ca_file}: {error.cause}", error.remedy) from error
        except OSError as error:
            raise refused("ca_file", f"{question.ca_file}: {error.strerror}") from error
    if question.client_key is not None and question.client_certificate is None:
        raise refused("client_key", "it belongs to a certificate", "Set client_certificate as well")


def refused(option: str, cause: str, remedy: str = "") -> DeclarationError:
    return DeclarationError("reading option", option, cause, remedy)
