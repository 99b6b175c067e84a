# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The passwords that smtp(8) finds for a next hop. Private to mailops.postfix. Pure.

smtp(8) looks up the sender, if smtp_sender_dependent_authentication is on, then the name of the server without brackets and port, which is the
name of a mail exchanger if the next hop has no brackets, and then the next hop as it is written (src/smtp/smtp_sasl_glue.c).
"""

from __future__ import annotations

from typing import List, Mapping, Optional

from .._formats import tls_levels
from .._formats.main_cf import words
from . import routing
from .effective_policy import EffectivePolicy
from .routing import Hop, Router
from .secrets import is_literal


def is_unasked(table: str) -> bool:
    """Whether a table of passwords is not looked up, since its name, an argument of postmap(1), is a password. It is taken to answer all."""
    return is_literal(table) and not table.startswith("inline:")  # which is read without postmap(1)


SENDERS = "smtp_sender_dependent_authentication"


def authenticates(router: Router, hop: Hop) -> bool:
    """Whether smtp(8) authenticates with passwords at all where the transport of this next hop is used."""
    configuration, service = router.configuration, router.service(hop.transport)
    return bool(hop.protocol) and configuration.is_on(f"{hop.protocol}_sasl_auth_enable", service)


def by_sender(router: Router, hop: Hop) -> bool:
    """Whether it looks up senders."""
    return hop.protocol == "smtp" and router.configuration.is_on(SENDERS, router.service(hop.transport))


def password_tables(router: Router, hop: Hop) -> List[str]:
    """The tables of passwords of its transport."""
    return router.map_names(f"{hop.protocol}_sasl_password_maps", router.service(hop.transport))


def password_key(router: Router, hop: Hop, sender: Optional[str] = None) -> str:
    """The key by which smtp(8) finds a password; empty if it finds none, or does not authenticate.

    :param sender: the sender of the mail; None or empty if it does not matter.
    :raises Unknown: if a table can't be read.
    """
    if not authenticates(router, hop):
        return ""
    names = password_tables(router, hop)
    if any(map(is_unasked, names)):
        return hop.nexthop
    if sender and by_sender(router, hop):
        service = router.service(hop.transport)
        found = router.find_address(f"{hop.protocol}_sasl_password_maps", sender, service)
        if found:
            return found[2]
    server = routing.host(hop.nexthop) if hop.nexthop.startswith("[") else ""
    for key in filter(None, (server, hop.nexthop)):
        for name in names:
            if router.tables.find(name, key) is not None:
                return key
    return ""


def may_be_in_clear(router: Router, hop: Hop, policy: EffectivePolicy) -> bool:
    """Whether a server without TLS gets a password: neither the level nor smtp_sasl_security_options prevents it."""
    strength = tls_levels.STRENGTH.get(policy.level)
    if strength is None or strength >= tls_levels.MANDATORY:
        return False
    service = router.service(hop.transport)
    options = router.configuration.value(f"{hop.protocol}_sasl_security_options", service)
    return "noplaintext" not in words("noplaintext" if options is None else options)


def listed_keys(router: Router, hop: Hop) -> Optional[Mapping[str, str]]:
    """The keys of its password tables, each with the table that has it; None if a table can't be listed."""
    result = {}
    for name in password_tables(router, hop):
        entries = None if is_unasked(name) else router.tables.entries(name)
        if entries is None:
            return None
        result.update(dict.fromkeys(entries, name))
    return result
