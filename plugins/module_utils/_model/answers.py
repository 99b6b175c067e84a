# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The faults in the answers of a port: how they differ from its configuration. Private to mailops.postfix. Pure."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Mapping, Sequence

from . import reception
from .configuration import Configuration, shown
from .listeners import Listener

# A missing table or server, an unknown restriction; a missing milter.
_MISCONFIGURED = re.compile(r"451 4\.3\.[05] |451 4\.7\.1 Service unavailable - try again later")
_LATER_STEPS = ("recipients", "relay", "protocols")


def listener_faults(
    configuration: Configuration,
    listener: Listener,
    facts: Mapping[str, Any],
    certificates: Sequence[str],
    trusted: bool,
) -> list[str]:
    """The differences between a listener's configuration and its answers.

    :param facts: the answers of the port, as smtp_tls_info returns them.
    :param certificates: SHA-256 fingerprints of the certificates that it must serve.
    :param trusted: whether the probing host may relay.
    """
    before, after = facts["before_tls"], facts["after_tls"]
    offers_none = listener.tls and not listener.implicit_tls and before is not None and not before["starttls"]
    if offers_none:
        return ["it offers no STARTTLS: smtpd(8) could not use its certificate or its settings"]
    if facts["problem"] and facts["failed_at"] not in _LATER_STEPS:
        if reception.refuses_this_host(configuration, listener, facts):
            return certificate_faults(listener, facts, certificates)
        return [f"{facts['failed_at']}: {facts['problem']}"]
    found = []
    if before is not None and before["starttls"] and not listener.tls:
        found.append("it offers STARTTLS, which smtpd_tls_security_level = none rules out")
    if listener.mandatory and before is not None and (before["mail"] or {}).get("accepted"):
        found.append("it takes mail before TLS, which smtpd_tls_security_level = encrypt rules out")
    found += clear_text_faults(configuration, listener, before)
    found += _about_auth(listener, before, after)
    found += certificate_faults(listener, facts, certificates)
    relay = facts["relay"] or {}
    if relay.get("relays") and not trusted:
        found.append(f"it relays mail for strangers: {relay['reply']}")
    if _MISCONFIGURED.match(relay.get("reply", "")) and not facts.get("recipients"):
        found.append(f"it can take no mail at all: {relay['reply']}")
    return found


def _about_auth(listener: Listener, before: Any, after: Any) -> list[str]:
    found = []
    early = before["auth"] if before is not None else []
    late = after["auth"] if after is not None else early
    if early and not listener.auth_before_tls and listener.tls:
        found.append(f"it offers AUTH ({', '.join(early)}) before TLS")
    if late and not listener.auth:
        found.append(f"it offers AUTH ({', '.join(late)}), which smtpd_sasl_auth_enable = no rules out")
    if listener.auth and not late and not listener.postscreen:
        found.append("it offers no AUTH, although smtpd_sasl_auth_enable is yes: is the SASL server there?")
    return found


def clear_text_faults(configuration: Configuration, listener: Listener, before: Any) -> list[str]:
    """Whether a port takes mail in clear text from other hosts although main.cf demands TLS (MPF-203).

    Port 25 is exempt, since other domains' servers must be able to send mail without TLS (RFC 3207), and so is a port at one address in a
    private network.

    :param before: what the port has answered before TLS; None for implicit TLS.
    """
    demanded = configuration.level(None, "smtpd").lower()
    takes_mail = before is not None and bool((before["mail"] or {}).get("accepted"))
    if demanded != "encrypt" or listener.mandatory or not takes_mail or listener.is_loopback:
        return []
    if listener.port in ("25", "smtp") or _is_private(listener.host):
        return []
    name = "postscreen_tls_security_level" if listener.postscreen else "smtpd_tls_security_level"
    level = shown(name, configuration.value(name, listener.smtpd) or "none")
    return [
        f"it takes mail in clear text ({level}), although main.cf has smtpd_tls_security_level = encrypt. "
        f"Remove the option from {listener.service}, or bind it to a loopback address [MPF-203]"
    ]


def _is_private(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private and host not in ("0.0.0.0", "::")
    except ValueError:
        return False


def certificate_faults(listener: Listener, facts: Mapping[str, Any], certificates: Sequence[str]) -> list[str]:
    """Whether it serves another certificate. Arguments: see :func:`listener_faults`."""
    served = [certificate["fingerprint"]["sha256"] for certificate in facts["chain"][:1]]
    if not served or not certificates or served[0] in certificates:
        return []
    files = " or ".join(listener.certificates)
    return [f"it serves another certificate ({served[0]}) than {files} ({' or '.join(certificates)})"]
