# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The address at which to probe a listener. Private to mailops.postfix."""

from __future__ import annotations

from typing import Sequence

from .._formats.main_cf import words
from .._model.configuration import Configuration
from .._model.listeners import Listener
from .._smtp import connection


def address(configuration: Configuration, listener: Listener) -> str:
    """The address at which to probe a listener from this host: a loopback address only if it listens on no other.

    A name may have addresses that this host does not have, or of a protocol that Postfix does not use.
    """
    families = _families(configuration)
    if listener.host and listener.host not in ("0.0.0.0", "::"):
        return _bindable([listener.host], families)
    interfaces = words(configuration.value("inet_interfaces") or "") or ["all"]
    if listener.host or "all" in interfaces:
        if listener.host:
            families = ["ipv6"] if listener.host == "::" else ["ipv4"]
        found = (connection.own_address(family == "ipv6") for family in families)
        return next((item for item in found if item), "::1" if families[0] == "ipv6" else "127.0.0.1")
    if listener.is_loopback:
        return _bindable(["::1" if family == "ipv6" else "127.0.0.1" for family in families], families)
    return _bindable([name.strip("[]") for name in interfaces], families)


def _families(configuration: Configuration) -> list[str]:
    protocols = [word.lower() for word in words(configuration.value("inet_protocols") or "")]
    known = ["ipv4", "ipv6"]
    return [family for family in known if family in protocols] or known


def _bindable(names: Sequence[str], families: Sequence[str]) -> str:
    """The first address that this host has, preferably not a loopback one; the first name if it has none of them."""
    found = [
        item
        for name in names
        for item in connection.resolved_addresses(name)
        if ("ipv6" if ":" in item else "ipv4") in families and connection.is_bindable(item)
    ]
    return next((item for item in found if not connection.is_local_address(item)), found[0] if found else names[0])
