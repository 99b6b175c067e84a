# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that look up a domain's MTA-STS policy (RFC 8461) for smtp_tls_policy_maps. Private to mailops.postfix. Pure."""

from __future__ import annotations

import re
from typing import Iterator, List, Mapping, NamedTuple, Optional, Tuple

from .._errors import DeclarationError
from .._formats.main_cf import braced_words
from .configuration import Configuration

PROBE = "mta-sts-probe.invalid"
"""A domain without policy and address (RFC 6761), to probe whether a service answers."""

_WITH_ATTRIBUTES = (3, 10)
"""The first Postfix with attributes for the source of a policy."""

_MAP = re.compile(r"(?:proxy:)?(?:socketmap:(?:inet:[^:\s]+:[^:\s]+|unix:[^:\s]+):[^:\s]+|tcp:[^:\s]+:[^:\s]+)")
_UNIX = re.compile(r"socketmap:unix:(?P<path>[^:\s]+):")
_SERVICES = re.compile(r"(?:proxy:)?(?:socketmap|tcp):")


class Daemon(NamedTuple):
    """A known daemon, with its default sockets."""

    map: str
    map_with_attributes: str
    dane_first: bool
    """Whether it looks for TLSA records first."""

    @property
    def forms(self) -> Tuple[str, str]:
        """Its tables."""
        return self.map, self.map_with_attributes


DAEMONS: Mapping[str, Daemon] = {
    "postfix-mta-sts-resolver": Daemon(
        "socketmap:inet:127.0.0.1:8461:postfix", "socketmap:inet:127.0.0.1:8461:postfix", dane_first=False
    ),
    "postfix-tlspol": Daemon(
        "socketmap:inet:127.0.0.1:8642:QUERY", "socketmap:inet:127.0.0.1:8642:QUERYwithTLSRPT", dane_first=True
    ),
}
"""By the names of their packages."""


def policy_map(service: str, version: Tuple[int, ...]) -> str:
    """The table of a service: for the name of a daemon, the form that this Postfix supports.

    :raises DeclarationError: if it is neither such a name nor a table.
    """
    daemon = DAEMONS.get(service)
    if daemon is not None:
        return daemon.map_with_attributes if version >= _WITH_ATTRIBUTES else daemon.map
    if not _MAP.fullmatch(service):
        raise DeclarationError(
            "reading option",
            f"mta_sts: {service}",
            "this is neither a known MTA-STS policy service nor a table with a socket",
            f"Write {' or '.join(DAEMONS)}, or a table such as {DAEMONS['postfix-mta-sts-resolver'].map}",
        )
    return service


def joined(maps: str, service: str) -> str:
    """The value of smtp_tls_policy_maps: what it has, then the service, since the first table that knows a domain counts.

    :param maps: the tables that come first; the service moves to the end.
    """
    forms = [service, *(form for daemon in DAEMONS.values() if service in daemon.forms for form in daemon.forms)]
    return ", ".join([*(word for word in braced_words(maps) if word not in forms), service])


def answers_dane(maps: str) -> bool:
    """Whether a service among these tables answers with dane levels."""
    forms = [form for daemon in DAEMONS.values() if daemon.dane_first for form in daemon.forms]
    return any(word.rpartition("proxy:")[2] in forms for word in braced_words(maps))


def policy_services(configuration: Configuration) -> Iterator[Tuple[str, str, Optional[str]]]:
    """The policy tables with a socket: parameter, table, and service."""
    for side in ("smtp", "lmtp"):
        name = f"{side}_tls_policy_maps"
        seen: List[str] = []
        for service in configuration.of_command(side):
            for word in braced_words(configuration.value(name, service) or ""):
                if _SERVICES.match(word) and word not in seen:
                    seen.append(word)
                    yield name, word, service.key


def unix_path(table: str) -> str:
    """The path of a table's UNIX-domain socket; empty for others, and for tables behind proxy:."""
    found = _UNIX.match(table)
    return found["path"] if found else ""
