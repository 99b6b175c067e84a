# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where ACME clients keep the files of a certificate. Private to mailops.postfix. Pure."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Callable, Mapping, Sequence

DIRECTORIES: Mapping[str, Sequence[str]] = {
    "certbot": ("/etc/letsencrypt",),
    "lego": ("/root/.lego", "/var/lib/lego", "/etc/lego"),
    "dehydrated": ("/var/lib/dehydrated", "/etc/dehydrated"),
    "acme_sh": ("/root/.acme.sh",),
}
"""The default directories of each client, which differ between distributions."""


@dataclass(frozen=True)
class Lineage:
    """The files of a certificate that its client renews in place."""

    private_key: str
    certificate: str
    """The leaf and its chain."""
    remedy: str
    """How to obtain the certificate if the files do not exist."""


def locate_files(
    provider: str, name: str, directory: str | None, key_type: str | None, exists: Callable[[str], bool]
) -> Lineage:
    """The lineage of a name: the first whose certificate exists, or else the first candidate.

    :param directory: the client's directory; None for its default directories.
    :param key_type: ``rsa`` or ``ecdsa``, for acme.sh, which has a lineage for each; None for either.
    :param exists: returns whether a file exists.
    """
    bases = [directory] if directory else DIRECTORIES[provider]
    lineages = [lineage for base in bases for lineage in _candidates(provider, base, name, key_type)]
    return next((lineage for lineage in lineages if exists(lineage.certificate)), lineages[0])


def _candidates(provider: str, base: str, name: str, key_type: str | None) -> list[Lineage]:
    if provider == "certbot":
        remedy = f"Obtain it first (certbot certonly --cert-name {name} ...); 'certbot certificates' lists the existing lineages"
        return [_pair(posixpath.join(base, "live", name), "privkey.pem", "fullchain.pem", remedy)]
    if provider == "lego":
        remedy = f"Obtain it first (lego --path {base} --domains {name} run), or set directory to its --path"
        return [_pair(posixpath.join(base, "certificates"), f"{name}.key", f"{name}.crt", remedy)]
    if provider == "dehydrated":
        remedy = f"Obtain it first (dehydrated --cron --domain {name}), or set directory to its BASEDIR"
        return [_pair(posixpath.join(base, "certs", name), "privkey.pem", "fullchain.pem", remedy)]
    remedy = f"Obtain it first (acme.sh --issue -d {name}), or set directory to its --home"
    suffixes = {"ecdsa": ["_ecc"], "rsa": [""]}.get(key_type or "", ["_ecc", ""])
    return [_pair(posixpath.join(base, name + suffix), f"{name}.key", "fullchain.cer", remedy) for suffix in suffixes]


def _pair(directory: str, key: str, certificate: str, remedy: str) -> Lineage:
    return Lineage(posixpath.join(directory, key), posixpath.join(directory, certificate), remedy)
