# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Content filters, which get all mail before it leaves. Private to mailops.postfix. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import FrozenSet, Iterator, List, Optional, Tuple

from .._formats.master_cf import MasterEntry
from . import routing
from .configuration import Configuration
from .routing import Hop, Route, Router

_SETTING = "content_filter"
_LOOPBACK = ("localhost", "::1", "ipv6:::1", "127.")


@dataclass(frozen=True)
class ContentFilter:
    """A filter that mail is sent to over SMTP or LMTP."""

    hop: Hop
    source: str
    """The setting that names it."""

    @property
    def host(self) -> str:
        """The host that it is on."""
        return routing.host(self.hop.nexthop).replace("ipv6:", "")

    @property
    def port(self) -> str:
        """Its port; empty for the default."""
        rest = self.hop.nexthop.rpartition("]")[2]
        return rest.rpartition(":")[2] if ":" in rest else ""

    @property
    def is_socket(self) -> bool:
        """Whether it has no host, but is a socket in the file system (lmtp(8))."""
        return "/" in self.hop.nexthop


def content_filters(router: Router) -> List[ContentFilter]:
    """The filters of main.cf and of services of smtpd(8) and pickup(8), each once."""
    found = {(item.hop.transport, item.hop.nexthop): item for item in _filters(router)}
    return list(found.values())


def loopback_transports(configuration: Configuration) -> FrozenSet[str]:
    """The transports of filters on this host: their connections do not leave it."""
    return frozenset(
        transport
        for transport, nexthop, _source in _settings(configuration)
        if nexthop.startswith("unix:") or routing.host(nexthop.replace("inet:", "", 1)).startswith(_LOOPBACK)
    )


def _filters(router: Router) -> Iterator[ContentFilter]:
    for transport, nexthop, source in _settings(router.configuration):
        for hop in router.hops(Route(transport, nexthop, source, True)):
            if hop.protocol and not hop.fallback:
                yield ContentFilter(hop, source)


def _settings(configuration: Configuration) -> Iterator[Tuple[str, str, str]]:
    """The transport and next hop of each setting of a filter, and the setting."""
    services: List[Optional[MasterEntry]] = [
        None,
        *configuration.of_command("smtpd"),
        *configuration.of_command("pickup"),
    ]
    for service in services:
        if service is not None and _SETTING not in service.effective_options:
            continue
        value = configuration.value(_SETTING, service) or ""
        transport, _colon, nexthop = (part.strip() for part in value.partition(":"))
        if transport and nexthop:
            yield transport, nexthop, _SETTING if service is None else f"{_SETTING} of {service.key}"
