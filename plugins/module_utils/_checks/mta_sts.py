# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""MTA-STS policy services that do not answer, or that replace DANE. Private to mailops.postfix. Pure."""

from __future__ import annotations

from typing import Callable, Iterator

from .._model import mta_sts
from .._model.configuration import Configuration, shown
from .._model.finding import Finding


def mta_sts_findings(configuration: Configuration, failure: Callable[[str, str], str]) -> Iterator[Finding]:
    """Services that do not answer, so that Postfix defers all mail, and those that take the place of DANE.

    :param failure: why a table does not answer a service of master.cf; empty if it does.
    """
    of_key = {service.key or "": service for service in configuration.services}
    for name, table, key in mta_sts.policy_services(configuration):
        service = of_key[key or ""]
        subject = shown(name, configuration.raw(service).get(name, ""))
        where = configuration.where(name, service)
        settings = configuration.settings_of(service, name)
        cause = failure(table, key or "")
        if cause:
            yield Finding(
                "dead_policy_service",
                subject,
                f"{table} does not answer ({cause}): without it Postfix defers all mail",
                "Start that service first",
                where,
                settings,
            )
        level = configuration.level(service, name.partition("_")[0])
        instead = [form for daemon in mta_sts.DAEMONS.values() if not daemon.dane_first for form in daemon.forms]
        if level in ("dane", "dane-only") and table.rpartition("proxy:")[2] in instead:
            yield Finding(
                "mta_sts_before_dane",
                subject,
                f"{table} does not look for DANE first, so that for domains with both Postfix uses MTA-STS "
                "(RFC 8461, section 2, forbids it)",
                "Use postfix-tlspol, which looks for DANE first, or declare level dane for those domains in a table before it",
                where,
                settings | configuration.settings_of(service, f"{name.partition('_')[0]}_tls_security_level"),
            )
