# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which parameter makes a port refuse mail for its own domains, and what to write instead. Private to mailops.postfix. Pure."""

from __future__ import annotations

from typing import Sequence

from . import reception, restriction_lists
from .configuration import Configuration, shown
from .listeners import Listener

LOOKED_UP = (
    "canonical_maps",
    "recipient_canonical_maps",
    "sender_canonical_maps",
    "virtual_alias_maps",
    "virtual_alias_domains",
    "virtual_mailbox_domains",
    "virtual_mailbox_maps",
    "relay_domains",
    "relay_recipient_maps",
    "mydestination",
    "local_recipient_maps",
    "transport_maps",
    "recipient_bcc_maps",
    "sender_bcc_maps",
    "relocated_maps",
    "smtpd_sender_login_maps",
    "mynetworks",
    "relay_clientcerts",
)
"""Parameters whose tables smtpd(8), trivial-rewrite(8) and cleanup(8) look up for a recipient."""


def cause_of(configuration: Configuration, listener: Listener, reply: str, unreadable: Sequence[str]) -> str:
    """What has led to a reply, with the parameter and the remedy; empty if that is unknown.

    :param unreadable: the tables that can't be asked, each as ``parameter = value: why``.
    """
    code, status = reception.code_of(reply)
    closing = reception.closing_for(configuration, listener, reply)
    if closing is not None:
        word = f"{closing.element.name} {closing.element.argument}".strip()
        return (
            f"{shown(closing.list_name, closing.value)} rejects every client, since no restriction before {word} permits one. "
            f"Remove {word}, or write before it which clients to permit"
        )
    if "Relay access denied" in reply:
        value = shown("mydestination", configuration.value("mydestination") or "")
        return f"{value} does not name it. Add it to mydestination, relay_domains or virtual_mailbox_domains"
    if status == "4.3.1":
        minimum = shown("queue_minfree", configuration.value("queue_minfree", listener.smtpd) or "0")
        limit = shown("message_size_limit", configuration.value("message_size_limit", listener.smtpd) or "0")
        return f"the file system of queue_directory has too little space for {minimum} and {limit}. Free space, or lower them"
    if "queue file write error" in reply:
        return _of_filter(configuration, listener)
    if unreadable:
        return f"{'; '.join(unreadable)}. Start that service, or correct the table"
    if (code, status) in (("451", "4.7.1"), ("454", "4.3.0")):
        return _of_milters(configuration, listener)
    services = restriction_lists.checked_policy_services(configuration, listener.smtpd)
    if status == "4.3.5" and services:
        named = "; ".join(f"{name} has check_policy_service {service}" for service, name in services.items())
        return f"{named}. Start that service, or remove it from the list"
    return ""


def _of_filter(configuration: Configuration, listener: Listener) -> str:
    proxy = configuration.value("smtpd_proxy_filter", listener.smtpd)
    if proxy:
        return f"{shown('smtpd_proxy_filter', proxy)} does not answer. Start that filter, or remove the parameter"
    return _of_milters(configuration, listener)


def _of_milters(configuration: Configuration, listener: Listener) -> str:
    milters = configuration.value("smtpd_milters", listener.smtpd)
    if not milters:
        return ""
    action = shown("milter_default_action", configuration.value("milter_default_action", listener.smtpd) or "")
    return f"a milter of {shown('smtpd_milters', milters)} does not answer, and {action}. Start it, or set milter_default_action = accept"
