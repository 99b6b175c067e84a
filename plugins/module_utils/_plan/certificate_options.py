# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the module certificate. Private to mailops.postfix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

from .._errors import DeclarationError
from .._x509 import acme_layout
from .options import Options, option


@dataclass(frozen=True)
class CertificateOptions(Options):
    """The options of the module certificate."""

    constraints = {"required_if": [["provider", "files", ["certificate", "private_key"]]]}
    name: str = option(required=True)
    provider: str = option(choices=[*acme_layout.DIRECTORIES, "files", "self_signed"], default="certbot")
    certificate: str | None = option("path")
    private_key: str | None = option("path", no_log=False)
    directory: str | None = option("path")
    hostnames: Sequence[str] | None = option("list", elements="str")
    verify: str = option(choices=["auto", "chain", "consistent"], default="auto")
    ca_file: str | None = option("path")
    chain_file: str | None = option("path")
    side: str = option(choices=["server", "client", "both"], default="server")
    key_type: str | None = option(choices=["ecdsa", "rsa"], no_log=False)
    key_bits: int | None = option("int", no_log=False)
    days: int = option("int", default=3650)
    renew_below: float = option("float", default=0.33)
    reuse_key: bool = option("bool", default=True, no_log=False)
    next_key: str = option(choices=["keep", "prepare", "switch", "discard"], default="keep", no_log=False)
    # ACME clients renew when a third of a certificate's lifetime is left.
    warn_below: float = option("float", default=0.3)
    sni: bool = option("bool", default=False)
    sni_table: str | None = option("path")
    deploy_hook: bool | None = option("bool")

    def refusal(self, cause: str, remedy: str) -> DeclarationError:
        """The error for options that cannot be met."""
        return DeclarationError("managing certificate", self.name, cause, remedy)
