# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS policies that senders are allowed to bypass. Private to mailops.postfix. Pure."""

from __future__ import annotations

from typing import Iterator

from .._model import domain_lists, tls_required
from .._model.finding import Finding
from .._model.routing import Router
from .._model.tls_required import PARAMETER

CHECK = "tls_required"


def tls_required_findings(router: Router) -> Iterator[Finding]:
    """An explicit ``yes`` where a level or a policy demands TLS. The default is left to the user."""
    configuration = router.configuration
    for side in ("smtp", "lmtp"):
        for service in configuration.of_command(side):
            explicit = PARAMETER in configuration.entries or PARAMETER in service.effective_options
            if not explicit or not configuration.is_on(PARAMETER, service):
                continue
            what = tls_required.demanded(
                configuration, service, side, lambda name: router.tables.entries(domain_lists.bare(name))
            )
            if what:
                names = (PARAMETER, f"{side}_tls_security_level", f"{side}_tls_policy_maps")
                yield Finding(
                    CHECK,
                    f"{PARAMETER} = yes"
                    + (f" in service {service.key}" if PARAMETER in service.effective_options else ""),
                    f"a message with the header 'TLS-Required: no' bypasses {what}, and leaves without TLS where none is offered",
                    f"Write {PARAMETER} = no",
                    configuration.where(PARAMETER, service),
                    configuration.settings_of(service, *names),
                )
