# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The listeners of smtpd(8): their configuration, and the faults in their answers.

Private to mailops.postfix. Pure.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence

from .._formats import master_cf
from .._formats.main_cf import words
from .configuration import Configuration

# A missing table or server, an unknown restriction; a missing milter.
_MISCONFIGURED = re.compile(r"451 4\.3\.[05] |451 4\.7\.1 Service unavailable - try again later")
_COMMANDS = ("smtpd", "postscreen")

CERTIFICATE_PARAMETERS = (
    "smtpd_tls_chain_files",
    "smtpd_tls_cert_file",
    "smtpd_tls_dcert_file",
    "smtpd_tls_eccert_file",
)
"""Files whose first certificate may be the one that is served; the first of these parameters rules out the others."""


@dataclass(frozen=True)
class Listener:
    """One inet service of master.cf that speaks SMTP, and its configuration."""

    service: str
    """``NAME/TYPE`` as in master.cf: ``submission/inet``."""
    host: str
    """The address that it is bound to; empty for those of inet_interfaces."""
    port: str
    """A name or a number."""
    implicit_tls: bool
    tls: bool
    """Whether it uses STARTTLS or implicit TLS."""
    mandatory: bool
    """Whether it rejects mail before TLS."""
    auth: bool
    """Whether it offers AUTH."""
    auth_before_tls: bool
    certificates: tuple[str, ...]
    """Files that hold the certificates that it serves."""
    networks: Optional[str]
    """mynetworks; None if its value is unknown."""

    @property
    def name(self) -> str:
        """For messages: ``submission/inet (port 587)``."""
        return (
            self.service if self.port in self.service.split("/")[0].split(":") else f"{self.service}, port {self.port}"
        )


def listeners(configuration: Configuration) -> list[Listener]:
    """The listeners of an instance, without those that master_service_disable switches off."""
    found = []
    for service in configuration.services:
        if service.column("type") != "inet" or service.column("command") not in _COMMANDS:
            continue
        host, _colon, port = service.column("service").rpartition(":")
        level = configuration.level(service, "smtpd")
        wrapper = configuration.is_on("smtpd_tls_wrappermode", service)
        auth = configuration.is_on("smtpd_sasl_auth_enable", service)
        auth_only = configuration.is_on("smtpd_tls_auth_only", service)
        found.append(
            Listener(
                service=service.key,
                host=re.sub(r"^\[(?:ipv6:)?(.*)\]$", r"\1", host, flags=re.IGNORECASE),
                port=port,
                implicit_tls=wrapper,
                tls=wrapper or level != "none",
                mandatory=level == "encrypt" and not wrapper,
                auth=auth,
                auth_before_tls=auth and not wrapper and level != "encrypt" and not auth_only,
                certificates=_certificates(configuration, service),
                networks=configuration.value("mynetworks", service),
            )
        )
    return found


def _certificates(configuration: Configuration, service: master_cf.MasterEntry) -> tuple[str, ...]:
    chains = configuration.value("smtpd_tls_chain_files", service)
    if chains:
        return tuple(words(chains))
    files = (configuration.value(name, service) for name in CERTIFICATE_PARAMETERS[1:])
    return tuple(path for path in files if path and path != "none")


def in_networks(address: str, networks: Optional[str]) -> bool:
    """Whether mynetworks has an address; True if unknown, since it may have tables and names."""
    if networks is None:
        return True
    try:
        here = ipaddress.ip_address(address)
    except ValueError:
        return True
    for word in words(networks):
        negated = word.startswith("!")
        text = re.sub(r"[\[\]]", "", word.lstrip("!"))
        if not text:
            continue
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            return True
        if here.version == network.version and here in network:
            return not negated
    return False


def listener_faults(
    listener: Listener, facts: Mapping[str, Any], certificates: Sequence[str], trusted: bool
) -> list[str]:
    """The differences between a listener's configuration and its answers.

    :param facts: the answers of the port, as smtp_tls_info returns them.
    :param certificates: SHA-256 fingerprints of the certificates that it must serve.
    :param trusted: whether the probing host is in mynetworks, and may relay.
    """
    before, after = facts["before_tls"], facts["after_tls"]
    offers_none = listener.tls and not listener.implicit_tls and before is not None and not before["starttls"]
    if offers_none:
        return ["it offers no STARTTLS: smtpd(8) could not use its certificate or its settings"]
    if facts["problem"] and facts["failed_at"] not in ("relay", "protocols"):
        return [f"{facts['failed_at']}: {facts['problem']}"]
    found = []
    if before is not None and before["starttls"] and not listener.tls:
        found.append("it offers STARTTLS, which smtpd_tls_security_level = none rules out")
    if listener.mandatory and before is not None and (before["mail"] or {}).get("accepted"):
        found.append("it takes mail before TLS, which smtpd_tls_security_level = encrypt rules out")
    found += _about_auth(listener, before, after)
    found += certificate_faults(listener, facts, certificates)
    relay = facts["relay"] or {}
    if relay.get("relays") and not trusted:
        found.append(f"it relays mail for strangers: {relay['reply']}")
    if _MISCONFIGURED.match(relay.get("reply", "")):
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
    if listener.auth and not late:
        found.append("it offers no AUTH, although smtpd_sasl_auth_enable is yes: is the SASL server there?")
    return found


def certificate_faults(listener: Listener, facts: Mapping[str, Any], certificates: Sequence[str]) -> list[str]:
    """Whether it serves another certificate. Arguments: see :func:`listener_faults`."""
    served = [certificate["fingerprint"]["sha256"] for certificate in facts["chain"][:1]]
    if not served or not certificates or served[0] in certificates:
        return []
    files = " or ".join(listener.certificates)
    return [f"it serves another certificate ({served[0]}) than {files} ({' or '.join(certificates)})"]
