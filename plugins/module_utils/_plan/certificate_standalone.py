# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declaration to a plan: one certificate alone, for its module and for its renewal. Private to mailops.postfix."""

from __future__ import annotations

from typing import Any, Mapping

from .._host import stamp
from .._host.instance import Instance
from .._x509.acme_layout import Lineage
from . import sni
from .certificate import deployments, sni_path, source_files, stamped_files
from .certificate_options import CertificateOptions
from .chain_file import Deployment, chain_file
from .plan import Plan


def certificate(instance: Instance, options: Mapping[str, Any]) -> Plan:
    """The plan that lets Postfix serve one certificate. Options and result: those of the module certificate.

    :raises DeclarationError: if Postfix or its peers would not accept the files.
    """
    return renewed(instance, options).reported(instance)


def renewed(instance: Instance, options: Mapping[str, Any]) -> Deployment:
    """The deployment of one certificate, as of now. Options: as for :func:`certificate`."""
    return deployments(instance, [CertificateOptions.from_declaration(options)])[0]


def certificate_has_stamp(instance: Instance, options: Mapping[str, Any]) -> bool:
    """Whether what :func:`renewed` would find has been found before: none of the files has changed since, and no certificate has expired.

    The compiled table of server names has a stamp of its own (:func:`sni.sni_table_has_stamp`). Options: as for :func:`certificate`.
    """
    return stamp.holds(*stamped_files(instance, CertificateOptions.from_declaration(options)))


def source(instance: Instance, options: Mapping[str, Any]) -> Lineage:
    """The files that the certificate's provider replaces at a renewal. Options: as for :func:`certificate`."""
    return source_files(instance, CertificateOptions.from_declaration(options))


def served_file(instance: Instance, options: Mapping[str, Any]) -> str:
    """The path of the file whose first certificate Postfix serves."""
    declared = CertificateOptions.from_declaration(options)
    return chain_file(instance, declared) or source_files(instance, declared).certificate


def table_of_names(instance: Instance, options: Mapping[str, Any]) -> str:
    """The path of the table of server names."""
    return sni_path(instance, CertificateOptions.from_declaration(options))


def server_names(instance: Instance, options: Mapping[str, Any]) -> dict[str, list[str]]:
    """The server names for which a certificate is served, without names of the form ``.domain``, each with all its files."""
    own = served_file(instance, options)
    names = sni.files_by_name(instance.read(table_of_names(instance, options)) or b"", "hash")
    return {name: files for name, files in names.items() if own in files and not name.startswith(".")}
