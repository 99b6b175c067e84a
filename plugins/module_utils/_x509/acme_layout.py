# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where ACME clients keep the files of a certificate. Private to mailops.postfix. Pure."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Callable, Mapping, Sequence

DIRECTORIES: Mapping[str, Sequence[str]] = {
    "certbot": ("/etc/letsencrypt",),
    "lego": ("/root/.lego", "/var/lib/lego", "/etc/lego"),
    "dehydrated": ("/var/lib/dehydrated", "/etc/dehydrated"),
    "acme_sh": ("/root/.acme.sh",),
}
"""Where each client keeps what it has obtained, unless it is told otherwise; distributions differ."""


@dataclass(frozen=True)
class Lineage:
    """The files of a certificate that its client renews in place, and how it is obtained if they are not there."""

    private_key: str
    certificate: str
    """The leaf and its chain."""
    remedy: str


def locate_files(
    provider: str, name: str, directory: str | None, key_type: str | None, exists: Callable[[str], bool]
) -> Lineage:
    """The lineage of a name: the first that is there, or where it would be.

    :param directory: the client's directory, if it is not one of the usual.
    :param key_type: which one to take of acme.sh's two for one name.
    :param exists: whether there is such a file.
    """
    bases = [directory] if directory else DIRECTORIES[provider]
    lineages = [lineage for base in bases for lineage in _in(provider, base, name, key_type)]
    return next((lineage for lineage in lineages if exists(lineage.certificate)), lineages[0])


def _in(provider: str, base: str, name: str, key_type: str | None) -> list[Lineage]:
    if provider == "certbot":
        remedy = (
            f"Obtain it first (certbot certonly --cert-name {name} ...); 'certbot certificates' lists what is there"
        )
        return [_pair(os.path.join(base, "live", name), "privkey.pem", "fullchain.pem", remedy)]
    if provider == "lego":
        remedy = f"Obtain it first (lego --path {base} --domains {name} run), or set directory to its --path"
        return [_pair(os.path.join(base, "certificates"), f"{name}.key", f"{name}.crt", remedy)]
    if provider == "dehydrated":
        remedy = f"Obtain it first (dehydrated --cron --domain {name}), or set directory to its BASEDIR"
        return [_pair(os.path.join(base, "certs", name), "privkey.pem", "fullchain.pem", remedy)]
    remedy = f"Obtain it first (acme.sh --issue -d {name}), or set directory to its --home"
    suffixes = {"ecdsa": ["_ecc"], "rsa": [""]}.get(key_type or "", ["_ecc", ""])
    return [_pair(os.path.join(base, name + suffix), f"{name}.key", "fullchain.cer", remedy) for suffix in suffixes]


def _pair(directory: str, key: str, certificate: str, remedy: str) -> Lineage:
    return Lineage(os.path.join(directory, key), os.path.join(directory, certificate), remedy)
