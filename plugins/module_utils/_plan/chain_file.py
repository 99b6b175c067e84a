# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The chain file, which holds a key and its certificates for Postfix, and the parameters that refer to it. Private to mailops.postfix.

The file has the same form for all providers: the key first, then the chain. Only root can read it, and one rename replaces it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Sequence

from .._errors import DeclarationError
from .._host import openssl
from .._host.instance import Instance
from .._x509 import pem
from .plan import Change, Plan, root_owned

_SIDES = {"server": ("smtpd",), "client": ("smtp",), "both": ("smtpd", "smtp")}


@dataclass
class Deployment:
    """The plan for one certificate, and what the table of server names needs to know of it."""

    options: Mapping[str, Any]
    plan: Plan
    chain_file: str | None
    """The path of the chain file; None if Postfix uses the provider's files."""
    certificate: str
    """The path of the certificate file that its provider replaces at a renewal."""
    names: Sequence[str]
    chain: Sequence[bytes] | None
    """The certificates for the chain file, in DER form; None if they do not exist yet."""
    public_key: bytes | None
    staged: dict[str, str] = field(default_factory=dict)
    """For the path of a chain file the temporary path of its new version during the transaction, for files that are made from it."""


def chain_file(instance: Instance, options: Mapping[str, Any]) -> str | None:
    """The path of the chain file; None if Postfix uses the provider's files. A table of server names needs chain files."""
    path = options["chain_file"]
    if path is None and options.get("sni"):
        path = os.path.join("tls", f"{options['name']}.pem")
    return openssl.protected(instance.path(path)) if path else None


def secret_file(path: str, make: Callable[[str], None], stale: str) -> Change:
    """The change for a file that only root can read.

    :param make: writes the file to the path that it is given.
    :param stale: why the file must be written; empty if it need not be.
    """
    return Change(path, make, stale=stale, attributes=root_owned(0o600), secret=True)


def append(path: str, ders: Sequence[bytes]) -> None:
    """Append certificates to a file in PEM form."""
    with open(path, "ab") as file:
        file.write(b"".join(pem.to_pem(der) for der in ders))


def parameters(options: Mapping[str, Any], files: Sequence[str]) -> dict[str, str | None]:
    """The main.cf parameters that make Postfix use these files; None removes a parameter.

    Postfix ignores the older parameters and warns about them, so they are removed. smtpd_tls_chain_files does not list a certificate with
    ``sni``, which is for clients that send a server name.

    :param files: the file of the key first.
    """
    value = ", ".join(openssl.as_parameter(path) for path in files)
    result: dict[str, str | None] = {}
    for prefix in _SIDES[options["side"]]:
        if prefix == "smtpd" and options.get("sni"):
            continue
        result[f"{prefix}_tls_chain_files"] = value
        for old in ("cert_file", "key_file", "eccert_file", "eckey_file", "dcert_file", "dkey_file"):
            result[f"{prefix}_tls_{old}"] = None
    return result


def refuse_file_options(name: str, options: Mapping[str, Any]) -> None:
    """Refuse the options that are for provider ``files`` only.

    :raises DeclarationError: if one of them is set.
    """
    for option in ("certificate", "private_key"):
        if options[option]:
            raise DeclarationError(
                "managing certificate",
                name,
                f"{option} is not an option of provider {options['provider']}",
                f"Remove {option}, or set provider: files",
            )
