# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An SMTP session as smtpd(8) sees it, and the keys that it looks up in access tables. Private to mailops.postfix. Pure.

Source: access(5), src/smtpd/smtpd_check.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List

from .match_list import domain_keys

FORGEABLE = ("helo", "sender", "reverse_client_hostname")
"""What every client can choose: the name in HELO, the sender, and the name that its own reverse zone gives its address."""


@dataclass(frozen=True)
class Session:
    """A client, and the envelope of its message."""

    address: str
    name: str = "unknown"
    """The client's name, which smtpd(8) has verified in the DNS."""
    reverse_name: str = "unknown"
    """Its name in the reverse zone, unverified."""
    helo: str = "mail.stranger.invalid"
    sender: str = "someone@stranger.invalid"
    recipient: str = "someone@elsewhere.invalid"
    fingerprint: str = ""
    """That of its certificate; empty without one."""
    certified: bool = False
    """Whether it has a certificate of a public CA."""


def access_keys(kind: str, session: Session, parent_domains: bool, complete: bool) -> List[str]:
    """The keys that ``check_KIND_access`` looks up, in their order; empty for kinds that never permit, or that need a login.

    :param parent_domains: whether smtpd_access_maps is in parent_domain_matches_subdomains.
    :param complete: whether the table sees complete keys only.
    """
    if kind == "client":
        keys = [*_names(session.name, parent_domains), *_networks(session.address)]
        return [session.name, session.address] if complete else keys
    if kind == "ccert":
        return [session.fingerprint] if session.fingerprint else []
    name = {"reverse_client_hostname": session.reverse_name, "helo": session.helo}.get(kind)
    if name is not None:
        return [name] if complete else _names(name, parent_domains)
    address = {"sender": session.sender, "recipient": session.recipient}.get(kind)
    if address is None:
        return []
    if not address:
        return ["<>"]
    local, _at, domain = address.rpartition("@")
    return [address] if complete else [address, *_names(domain, parent_domains), f"{local}@"]


def forged(kind: str, key: str, session: Session) -> Session:
    """The session of a client that chooses what a table with this key looks for."""
    values = dict(session.__dict__)
    if kind == "sender":
        values["sender"] = _sender(key)
    else:
        name = f"host{key}" if key.startswith(".") else key
        values["helo" if kind == "helo" else "reverse_name"] = name
    return Session(**values)


def _sender(key: str) -> str:
    if key == "<>":
        return ""
    local, at, domain = key.rpartition("@")
    if not at:
        return f"someone@host{key}" if key.startswith(".") else f"someone@{key}"
    return f"{local or 'someone'}@{domain or 'stranger.invalid'}"


def _names(name: str, parent_domains: bool) -> List[str]:
    # A number is not a name with parent domains.
    if name.replace(".", "").isdigit() or ":" in name:
        return [name]
    return domain_keys(name, parent_domains)


def _networks(address: str) -> List[str]:
    """An address, and what remains of it without its last parts."""
    separator = ":" if ":" in address else "."
    result = [address]
    while separator in result[-1]:
        shorter = result[-1].rpartition(separator)[0]
        result.append(shorter)
    return [key for key in result if key]
