# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From where a service can be reached. Private to mailops.postfix. Pure."""

from __future__ import annotations

from .._formats.main_cf import words
from .._formats.master_cf import MasterEntry
from .configuration import Configuration


def is_loopback_address(text: str) -> bool:
    """Whether an address, or the name localhost, is reached from this host only."""
    host = text.strip("[]").lower()
    return host.startswith("127.") or host.replace("ipv6:", "") == "::1" or host in ("localhost", "loopback-only")


def listens_on_loopback(configuration: Configuration, service: MasterEntry) -> bool:
    """Whether an inet service listens on loopback addresses only, as far as that does not depend on names."""
    host = service.column("service").rpartition(":")[0]
    if host:
        return is_loopback_address(host)
    interfaces = words(configuration.value("inet_interfaces", service) or "")
    return bool(interfaces) and all(map(is_loopback_address, interfaces))
