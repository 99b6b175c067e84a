# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a port may relay mail for the host that probes it. Private to mailops.postfix.

Tables are looked up as smtpd(8) does, so that an address is not taken for a stranger's, or for a trusted one, only because a table decides.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Iterator, Sequence

from .._errors import HostError
from .._formats.lines import to_text
from .._formats.main_cf import braced_words, words
from .._host.instance import Instance
from .._model import restriction_lists
from .._model.configuration import Configuration
from .._model.domain_lists import bare
from .._model.listeners import Listener
from .._model.routing import TableLookup, Unknown
from .._plan.tables import MapLookup

_TABLE = re.compile(r"[a-z][a-z0-9_-]*:.+", re.DOTALL)
_PERMITS = re.compile(r"(ok|permit|permit_auth_destination|\d+)\b", re.IGNORECASE)
_RELAYING = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")


def may_relay(instance: Instance, configuration: Configuration, listener: Listener, address: str) -> bool | None:
    """Whether the restrictions of a listener permit an address of this host to relay; None if that cannot be determined."""
    lookup = MapLookup(instance)
    if listener.networks is None:
        return None
    try:
        if is_in_networks(instance, lookup, braced_words(listener.networks), address):
            return True
        return any(_permits(configuration, listener, lookup, address))
    except Unknown:
        return None


def is_in_networks(instance: Instance, lookup: TableLookup, elements: Sequence[str], address: str) -> bool:
    """Whether a list such as mynetworks has an address: the first element that matches decides (src/util/match_list.c).

    :raises Unknown: if an element that decides can't be read, or is a name, which smtpd(8) compares with that of the client.
    """
    here = ipaddress.ip_address(address)
    for element in elements:
        pattern = element.lstrip("!")
        is_member = (len(element) - len(pattern)) % 2 == 0
        if pattern.startswith("/"):
            if is_in_networks(instance, lookup, _file_words(instance, pattern), address):
                return is_member
            continue
        try:
            network = ipaddress.ip_network(re.sub(r"[\[\]]", "", pattern), strict=False)
        except ValueError:
            if not _TABLE.fullmatch(pattern):
                raise Unknown(f"{pattern} is a name") from None
            if lookup.find(bare(pattern), address) is not None:
                return is_member
            continue
        if here in network:
            return is_member
    return False


def _file_words(instance: Instance, path: str) -> list[str]:
    try:
        text = instance.read(path)
    except HostError as error:
        raise Unknown(str(error)) from error
    if text is None:
        raise Unknown(f"{path} does not exist")
    return words(to_text(text))


def _permits(configuration: Configuration, listener: Listener, lookup: TableLookup, address: str) -> Iterator[bool]:
    for name in _RELAYING:
        value = configuration.value(name, listener.smtpd) or ""
        for element in restriction_lists.restriction_elements(configuration, listener.smtpd, value):
            if element.name == "permit_inet_interfaces":
                yield True
            elif element.name == "check_client_access":
                answers = (lookup.find(bare(element.argument), key) for key in _address_keys(address))
                yield any(answer is not None and _PERMITS.match(answer) is not None for answer in answers)


def _address_keys(address: str) -> list[str]:
    """An address, and the networks of it that are looked up in tables (access(5))."""
    separator = ":" if ":" in address else "."
    parts = address.split(separator)
    return [separator.join(parts[:count]) for count in range(len(parts), 0, -1)]
