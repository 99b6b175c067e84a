# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a probe of an SMTP server. Private to mailops.postfix."""

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
"""The types of keys. A server may have one certificate for each."""


@dataclass(frozen=True)
class ProbeOptions:
    """The options of the module smtp_tls_info, which documents them."""

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
    handshake: bool = True
    """Whether the key exchange, the signature and the request for a client certificate are wanted, at the cost of one more connection."""
    recipients: Sequence[str] = ()
    """Addresses that mail from the null sender may be for: the server is to accept or refuse each."""
    most_refused: int = 8
    """After so many refused recipients, the others are left out: servers delay or end sessions with many errors."""
    proxied: bool = False
    """Whether to send the header of the PROXY protocol first, as a proxy does that connects for this host."""
    lmtp: bool = False
    """Whether the server speaks LMTP (RFC 2033)."""

    @property
    def verb(self) -> str:
        """The command that begins a session."""
        return "LHLO" if self.lmtp else "EHLO"


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
"""The options of the module smtp_tls_info, as AnsibleModule takes them."""


def probe_options(options: Mapping[str, Any]) -> ProbeOptions:
    """The options of a module, as ProbeOptions."""
    return ProbeOptions(**{field.name: options[field.name] for field in fields(ProbeOptions) if field.name in options})


def check_options(options: ProbeOptions) -> None:
    """Check the values of all options.

    :raises DeclarationError: if one is not valid.
    """
    host = options.host
    if not (connection.is_address(host) or certificate.is_certificate_name(certificate.to_ascii(host))) or "*" in host:
        remedy = (
            "Write an IP address without brackets" if host.startswith("[") else "Write a host name or an IP address"
        )
        raise invalid_option("host", f"{host!r} is not a valid host name or IP address", remedy)
    if not 0 < options.port < 65536:
        raise invalid_option("port", f"{options.port} is not a valid port", "Write a number from 1 to 65535")
    for name in ("timeout", "time_limit"):
        seconds = getattr(options, name)
        if not (seconds > 0 and math.isfinite(seconds)):
            raise invalid_option(name, f"{seconds} is not a valid time limit", "Write a number of seconds above 0")
    for hostname in [*(options.hostnames or ()), *([options.server_name] if options.server_name else [])]:
        option = "server_name" if hostname == options.server_name else "hostnames"
        if not certificate.is_certificate_name(certificate.to_ascii(hostname)) or "*" in hostname:
            raise invalid_option(
                option, f"{hostname!r} is not a valid host name", "Write a host name such as mx1.example.org"
            )
    if options.ehlo is not None and not re.fullmatch(r"[!-~]{1,255}", options.ehlo):
        raise invalid_option(
            "ehlo", f"{options.ehlo!r} is not a valid name for EHLO", "Write a host name or an [address] in brackets"
        )
    for name in ("sender", "recipient"):
        address = getattr(options, name)
        if not re.fullmatch(r"[!-;=?-~]{0,320}", address) or (name == "recipient" and not address):
            raise invalid_option(
                name, f"{address!r} is not a valid mail address", "Write it as user@domain, without <> and spaces"
            )
    for name, exists, kind in (
        ("ca_file", os.path.isfile, "file"),
        ("ca_path", os.path.isdir, "directory"),
        ("client_certificate", os.path.isfile, "file"),
        ("client_key", os.path.isfile, "file"),
    ):
        path = getattr(options, name)
        if path is not None and not exists(path):
            raise invalid_option(
                name, f"{path} is not a {kind}", f"Write the path of a {kind} on the host that runs the module"
            )
    if options.ca_file is not None:
        try:
            with open(options.ca_file, "rb") as file:
                pem.certificates(file.read())
        except PemError as error:
            raise invalid_option("ca_file", f"{options.ca_file}: {error.cause}", error.remedy) from error
        except OSError as error:
            raise invalid_option("ca_file", f"{options.ca_file}: {error.strerror}") from error
    if options.client_key is not None and options.client_certificate is None:
        raise invalid_option(
            "client_key", "client_certificate is not set", "Set client_certificate to the certificate of this key"
        )


def invalid_option(option: str, cause: str, remedy: str = "") -> DeclarationError:
    """The error for a value that is not valid."""
    return DeclarationError("reading option", option, cause, remedy)
