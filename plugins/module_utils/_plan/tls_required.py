# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether senders must not bypass the TLS policies of a planned configuration. Private to mailops.postfix."""

from __future__ import annotations

from functools import cache
from typing import Mapping

from .._model import tls_required
from .._model.configuration import Configuration
from .proposal import Proposal

PARAMETER = tls_required.PARAMETER


def must_be_disabled(proposal: Proposal) -> bool:
    """Whether this Postfix supports ``TLS-Required: no``, and a planned level or policy demands more than ``may``."""
    instance = proposal.instance
    if tls_required.PARAMETER not in instance.parameters:
        return False
    declared = {name: value or "" for name, value in proposal.parameters.items()}
    configuration = Configuration(
        {**instance.parameters, **declared, "config_directory": instance.config_directory},
        proposal.main_cf,
        proposal.services.master_cf or instance.master_cf,
        instance.path("main.cf"),
        instance.path("master.cf"),
        instance.version,
        frozenset(),
    )

    @cache
    def entries(name: str) -> Mapping[str, str] | None:
        # Imported here, since most configurations have no policies.
        from .._model import domain_lists
        from . import tables

        return tables.MapLookup(instance, proposal.tables.texts).entries(domain_lists.bare(name))

    return tls_required.demands(configuration, entries)
