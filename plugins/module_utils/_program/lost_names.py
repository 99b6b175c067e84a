# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names that a certificate has lost at its renewal. Private to mailops.postfix."""

from __future__ import annotations

from typing import Sequence

from .._errors import HostError, PostfixError
from .._formats import macros
from .._host import openssl
from .._host.instance import Instance
from .._plan import certificate_standalone, sni
from .._plan.chain_file import Deployment
from .._x509 import certificate
from .specifications import RenewalSpec


def lost_names(instance: Instance, planned: Deployment) -> list[str]:
    """The names of the certificate that is in service now that the renewed one does not cover; empty if there is none in a chain file."""
    if planned.chain_file is None or openssl.status(planned.chain_file) is None:
        return []
    try:
        present = openssl.read_chain(instance, planned.chain_file, "")[0]
    except PostfixError:
        return []  # a file that can't be read is to be replaced
    return certificate.uncovered(planned.names, present.names)


def must_not_be_needed(spec: RenewalSpec, instance: Instance, lost: Sequence[str]) -> None:
    """Refuse a renewal that has lost a name by which clients ask for this host.

    :raises HostError: if one of the names is myhostname, or is in the table of server names.
    """
    if spec.options.get("side") == "client":
        return
    asked = {certificate.to_ascii(macros.expanded_parameter("myhostname", instance.parameters)): "myhostname"}
    own = certificate_standalone.served_file(instance, spec.options)
    table = certificate_standalone.table_of_names(instance, spec.options)
    for name, files in sni.files_by_name(instance.read(table) or b"", "hash").items():
        if own in files:
            asked.setdefault(name, table)
    needed = [f"{name} ({asked[sni.key_of(name)]})" for name in lost if sni.key_of(name) in asked]
    if needed:
        raise HostError(
            "deploying",
            spec.name,
            f"the renewed certificate no longer has names that clients ask for: {', '.join(needed)}",
            "Obtain a certificate with these names, or declare the certificate with the hostnames that it is to have. Until then, Postfix "
            "serves the previous one",
        )
