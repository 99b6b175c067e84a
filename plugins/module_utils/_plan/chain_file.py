# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file in which Postfix finds a key and its certificates, and what refers to it. Private to mailops.postfix.

Whoever the certificate comes from, the file is the same: key first, then the chain, for root alone, replaced in one rename.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Sequence

from .._errors import DeclarationError
from .._host import openssl
from .._host.instance import Instance
from .._x509 import pem
from .plan import Change, Plan

SIDES = {"server": ("smtpd",), "client": ("smtp",), "both": ("smtpd", "smtp")}


@dataclass
class Deployment:
    """One certificate on its way into service."""

    options: Mapping[str, Any]
    plan: Plan
    chain_file: str | None
    """The file with key and chain that is made for Postfix; None if Postfix is given the provider's own."""
    certificate: str
    """The file whose replacement is a renewal."""
    names: Sequence[str]
    chain: Sequence[bytes] | None
    """What the chain file shall hold; None if that is not known yet."""
    public_key: bytes | None
    staged: dict[str, str] = field(default_factory=dict)
    """Where a new chain file is while the transaction is under way, for what is made of it."""


def chain_file(instance: Instance, options: Mapping[str, Any]) -> str | None:
    """Where key and chain are put together for Postfix; a table of server names is made of such files only."""
    path = options["chain_file"]
    if path is None and options.get("sni"):
        path = os.path.join("tls", f"{options['name']}.pem")
    return openssl.protected(instance.path(path)) if path else None


def secret_file(path: str, make: Callable[[str], None], stale: str) -> Change:
    return Change(path, make, stale=stale, attributes=openssl.attributes(0o600), secret=True)


def append(path: str, ders: Sequence[bytes]) -> None:
    with open(path, "ab") as file:
        file.write(b"".join(pem.to_pem(der) for der in ders))


def parameters(options: Mapping[str, Any], files: Sequence[str]) -> dict[str, str | None]:
    """What makes Postfix serve these files, key first. It warns of the older parameters and ignores them: they go.

    A certificate that stands in the table of server names is not served to those who ask for no name.
    """
    value = ", ".join(openssl.as_parameter(path) for path in files)
    result: dict[str, str | None] = {}
    for prefix in SIDES[options["side"]]:
        if prefix == "smtpd" and options.get("sni"):
            continue
        result[f"{prefix}_tls_chain_files"] = value
        for old in ("cert_file", "key_file", "eccert_file", "eckey_file", "dcert_file", "dkey_file"):
            result[f"{prefix}_tls_{old}"] = None
    return result


def refuse_file_options(name: str, options: Mapping[str, Any]) -> None:
    for option in ("certificate", "private_key"):
        if options[option]:
            raise DeclarationError(
                "managing certificate",
                name,
                f"provider {options['provider']} does not take {option}",
                "Leave it out, or use provider files",
            )
