# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probe a port with the names of its table of certificates, tls_server_sni_maps. Private to mailops.postfix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping

from .._formats.main_cf import braced_words, words
from .._host.instance import Instance
from .._model.domain_lists import bare
from .._plan.tables import MapLookup
from .._x509 import certificate

_LABEL = "probe"
"""A key ``.example.org`` is for all names in example.org; this is the first label of one."""


@dataclass(frozen=True)
class ServerNames:
    """The names of tables of certificates."""

    files: Mapping[str, list[str]]
    """The files of each name, each of which begins with a certificate, or a key and a certificate."""
    unlisted: tuple[str, ...]
    """The tables whose names can't be listed."""


def names_of_tables(instance: Instance, value: str) -> ServerNames:
    """The names of the tables in a value of tls_server_sni_maps; of a name in several tables the first one."""
    lookup = MapLookup(instance)
    files: dict[str, list[str]] = {}
    unlisted = []
    for table in braced_words(value):
        entries = lookup.entries(bare(table))
        if entries is None:
            unlisted.append(table)
        for key, text in (entries or {}).items():
            name = f"{_LABEL}{key}" if key.startswith(".") else key
            if certificate.is_certificate_name(name) and "*" not in name:
                files.setdefault(name, words(text))
    return ServerNames(files, tuple(unlisted))


def certificate_problem(
    name: str, served: str | None, expected: list[str], files: list[str], problem: str | None
) -> str:
    """What is wrong with the certificate that a port serves for a name; empty if nothing is.

    :param served: its SHA-256 fingerprint; None if there is none.
    :param expected: the fingerprints of the certificates in the files.
    :param problem: why the session has ended.
    """
    if served is None:
        cause = problem or "it serves no certificate"
        return (
            f"with the server name {name}, the TLS handshake fails: {cause}. Compile the table of tls_server_sni_maps with postmap -F, "
            "with a private key and its certificate in each file"
        )
    if not expected or served in expected:
        return ""
    return (
        f"with the server name {name}, it serves another certificate ({served}) than {' or '.join(files)} ({' or '.join(expected)}). "
        "Compile the table of tls_server_sni_maps again, with postmap -F"
    )
