# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a port may relay mail for the host that probes it. Private to mailops.postfix.

Tables are looked up as smtpd(8) does, so that an address is not taken for a stranger's, or for a trusted one, only because a table decides.
"""

from __future__ import annotations

import re

from .._formats.main_cf import words
from .._host.instance import Instance
from .._model import restriction_lists
from .._model.configuration import Configuration
from .._model.listeners import Listener
from .._model.match_list import is_table, network
from .._model.relaying import PERMITTED, Relaying, meaning
from .._model.routing import Unknown
from .._model.smtp_session import Session
from .._plan.tables import MapLookup

_RELAYING = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")


def may_relay(instance: Instance, configuration: Configuration, listener: Listener, address: str) -> bool | None:
    """Whether the restrictions of a listener permit an address of this host to relay; None if that cannot be determined."""
    relaying = Relaying(configuration, listener.smtpd, MapLookup(instance))
    session = Session(address)
    try:
        if relaying.network_element(session, "mynetworks") or _is_permitted(configuration, listener, relaying, session):
            return True
    except Unknown:
        return None
    # smtpd(8) compares names with that of the client, which is unknown here.
    return None if any(_is_name(element) for element in words(listener.networks or "")) else False


def _is_permitted(configuration: Configuration, listener: Listener, relaying: Relaying, session: Session) -> bool:
    for name in _RELAYING:
        for element in restriction_lists.restriction_elements(configuration, listener.smtpd, name):
            if element.name == "permit_inet_interfaces":
                return True
            if element.name == "check_client_access":
                found = relaying.answer(element.argument, "client", session)
                if found is not None and meaning(found[0]) == PERMITTED:
                    return True
    return False


def _is_name(element: str) -> bool:
    return not is_table(element) and network(element) is None and not re.match("!*/", element)
