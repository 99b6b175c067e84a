# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Implicit TLS at ports that use STARTTLS, and the other way round, for each next hop. Private to mailops.postfix. Pure."""

from __future__ import annotations

from typing import Iterator

from .._model import ways_out
from .._model.finding import Finding
from .._model.routing import Hop, Router

CHECK = "wrapper_mode"

_IMPLICIT = ("465", "smtps", "submissions")
_STARTTLS = ("25", "smtp", "587", "submission")


def implicit_tls_findings(router: Router) -> Iterator[Finding]:
    """Next hops with which client and server would wait for each other, or not understand each other."""
    for way in ways_out.ways_out(router, "", concerns=lambda nexthop: _port(nexthop) in _IMPLICIT + _STARTTLS):
        hop, port = way.hop, _port(way.hop.nexthop)
        name = f"{hop.protocol}_tls_wrappermode"
        configuration, service = router.configuration, router.service(hop.transport)
        implicit = configuration.is_on(name, service)
        if hop.protocol != "smtp" or implicit == (port in _IMPLICIT):
            continue
        if implicit:
            cause, remedy = f"port {port} starts without TLS", f"Use port 465, or remove {name}"
        else:
            cause = f"port {port} starts with TLS, and smtp(8) would wait for a greeting there"
            remedy = f"Write {name} = yes and smtp_tls_security_level = encrypt or stricter, or use port 587"
            if hop.source not in ("relayhost", "default_transport"):
                remedy = f"Use a transport with the options {name}=yes and smtp_tls_security_level=encrypt or stricter, or port 587"
        where = configuration.where(hop.source, service) if " " not in hop.source else ""
        settings = {("main", hop.source), (f"{hop.transport}/unix", name), ("main", name)}
        yield Finding(CHECK, _subject(hop), cause, remedy, where, frozenset(settings))


def _subject(hop: Hop) -> str:
    return f"the next hop {hop.nexthop} of {hop.source}"


def _port(nexthop: str) -> str:
    rest = nexthop.rpartition("]")[2]
    return rest.rpartition(":")[2].lower() if ":" in rest else ""
