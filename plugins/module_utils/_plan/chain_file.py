# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The chain file, which holds a key and its certificates for Postfix, and the parameters that refer to it. Private to mailops.postfix.

The file has the same form for all providers: the key first, then the chain. Only root can read it, and one rename replaces it.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Callable, Sequence

from .._host import openssl
from .._host.instance import Instance
from .._x509 import certificate as x509
from .._x509 import pem
from .._x509.acme_layout import Lineage
from .._x509.certificate import Certificate
from .certificate_options import CertificateOptions
from .plan import Change, Plan, Renewal, RenewalKind, root_owned

_SIDES = {"server": ("smtpd",), "client": ("smtp",), "both": ("smtpd", "smtp")}


@dataclass
class Deployment:
    """The plan for one certificate, and what others need to know of it."""

    options: CertificateOptions
    plan: Plan
    facts: dict[str, Any]
    """As the module returns them. The installation adds those of a certificate that it makes."""
    next_facts: dict[str, Any] | None
    """The same for the next key."""
    parameters: dict[str, str | None]
    """The main.cf parameters that make Postfix use it; None removes a parameter."""
    chain_file: str | None
    """Its path; None if Postfix uses the provider's files."""
    names: Sequence[str]
    chain: Sequence[bytes] | None
    """The certificates in DER form; None if they do not exist yet."""
    public_key: bytes | None
    source: Lineage | None = None
    """The files of the provider; None if this collection signs the certificate."""
    ends: float = 0.0
    """When the first certificate of the chain expires, in seconds since the epoch; 0 if that is not known."""
    new_key: bool = False
    """Whether the chain file gets another private key than it has, or is new. Not known of the provider's own files."""
    staged: dict[str, str] = field(default_factory=dict)
    """The temporary path of a new chain file during the transaction, by its path, for files that are made from it."""

    @property
    def rewritten(self) -> bool:
        """Whether the chain file changes."""
        return any(change.rewrites for change in self.plan.changes if change.path == self.chain_file)

    def reported(self, instance: Instance) -> Plan:
        """The plan with the result of the module certificate, and with what is to be planned again at a renewal."""
        files = {
            "chain_file": self.chain_file,
            "certificate": self.source and self.source.certificate,
            "private_key": self.source and self.source.private_key,
        }
        result = {
            "certificate": self.facts,
            "new_key": self.new_key,
            "next": self.next_facts,
            "parameters": self.parameters,
            "files": files,
        }
        key, copied = openssl.relative(instance, self.chain_file or self.options.name), self.chain_file is not None
        renewal = Renewal(RenewalKind.CERTIFICATE, key, asdict(self.options), copied, result)
        return replace(self.plan, result=result, renewals=[renewal])


def facts(certificate: Certificate) -> dict[str, Any]:
    """The facts of a certificate, as the module returns them."""
    remaining = x509.remaining(certificate, openssl.now())
    return dict(x509.certificate_facts(certificate), remaining=remaining)


def chain_file(instance: Instance, options: CertificateOptions) -> str | None:
    """The path of the chain file; None if Postfix uses the provider's files.

    A table of server names, and a key that this collection generates, need chain files.
    """
    path = options.chain_file
    if path is None and (options.sni or options.provider == "self_signed"):
        path = os.path.join("tls", f"{options.name}.pem")
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


def parameters(options: CertificateOptions, files: Sequence[str]) -> dict[str, str | None]:
    """The main.cf parameters that make Postfix use these files; None removes a parameter.

    Postfix ignores the older parameters and warns about them, so they are removed. smtpd_tls_chain_files does not list a certificate with
    ``sni``, which is for clients that send a server name.

    :param files: the file of the key first.
    """
    value = ", ".join(openssl.as_parameter(path) for path in files)
    result: dict[str, str | None] = {}
    for prefix in _SIDES[options.side]:
        if prefix == "smtpd" and options.sni:
            continue
        result[f"{prefix}_tls_chain_files"] = value
        for old in ("cert_file", "key_file", "eccert_file", "eckey_file", "dcert_file", "dkey_file"):
            result[f"{prefix}_tls_{old}"] = None
    return result


def refuse_file_options(options: CertificateOptions) -> None:
    """Refuse the options that are for provider ``files`` only.

    :raises DeclarationError: if one of them is set.
    """
    for name, value in (("certificate", options.certificate), ("private_key", options.private_key)):
        if value:
            raise options.refusal(
                f"{name} is not an option of provider {options.provider}", f"Remove {name}, or set provider: files"
            )
