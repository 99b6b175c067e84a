# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The listeners of smtpd(8) and postscreen(8), and their configuration.

Private to mailops.postfix. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

from .._formats import master_cf
from .._formats.main_cf import words
from . import reachability, restriction_lists
from .configuration import Configuration

_COMMANDS = ("smtpd", "postscreen")
_TCP_TABLE_SECONDS = 10
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}

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
    smtpd: master_cf.MasterEntry
    """The service whose smtpd(8) talks to clients: itself, or the one that postscreen(8) hands them over to."""
    postscreen: bool
    """Whether it is postscreen(8), which delays, refuses or hands over clients."""
    proxied: bool
    """Whether its clients are proxies that send the header of the PROXY protocol."""
    requires_certificate: bool
    """Whether it ends sessions of clients without a certificate that it trusts."""
    is_loopback: bool
    """Whether only this host can connect to it."""
    waits: float
    """The seconds that replies take because the configuration says so: ``sleep``, postscreen_greet_wait."""
    patience: float
    """The seconds that replies may take beyond that if something is wrong, such as a server that a table is asked from."""
    most_errors: int
    """The refused commands after which it neither delays its replies nor ends the session, with some reserve."""
    server_names: str
    """tls_server_sni_maps."""

    @property
    def name(self) -> str:
        """For messages: ``submission/inet (port 587)``."""
        return (
            self.service if self.port in self.service.split("/")[0].split(":") else f"{self.service}, port {self.port}"
        )


def listeners(configuration: Configuration) -> list[Listener]:
    """The listeners of an instance, without those that master_service_disable switches off."""
    return [
        _listener(configuration, service)
        for service in configuration.services
        if service.column("type") == "inet" and service.column("command") in _COMMANDS
    ]


def _listener(configuration: Configuration, service: master_cf.MasterEntry) -> Listener:
    host, _colon, port = service.column("service").rpartition(":")
    host = re.sub(r"^\[(?:ipv6:)?(.*)\]$", r"\1", host, flags=re.IGNORECASE)
    postscreen = service.column("command") == "postscreen"
    smtpd = _smtpd_of(configuration, service) if postscreen else service
    level = configuration.level(service, "postscreen" if postscreen else "smtpd").lower()
    wrapper = configuration.is_on("smtpd_tls_wrappermode", service) and not postscreen
    auth = configuration.is_on("smtpd_sasl_auth_enable", smtpd)
    auth_only = configuration.is_on("smtpd_tls_auth_only", smtpd)
    upstream = f"{'postscreen' if postscreen else 'smtpd'}_upstream_proxy_protocol"
    return Listener(
        service=service.key,
        host=host,
        port=port,
        implicit_tls=wrapper,
        tls=wrapper or level != "none",
        mandatory=level == "encrypt" and not wrapper,
        auth=auth,
        auth_before_tls=auth and not wrapper and level != "encrypt" and not auth_only,
        certificates=_certificates(configuration, service),
        networks=configuration.value("mynetworks", smtpd),
        smtpd=smtpd,
        postscreen=postscreen,
        proxied=(configuration.value(upstream, service) or "").lower() == "haproxy",
        requires_certificate=configuration.is_on("smtpd_tls_req_ccert", service) and (wrapper or level == "encrypt"),
        is_loopback=reachability.listens_on_loopback(configuration, service),
        waits=_waits(configuration, service, smtpd),
        patience=_patience(configuration, smtpd),
        most_errors=_most_errors(configuration, smtpd),
        server_names=configuration.value("tls_server_sni_maps", service) or "",
    )


def _smtpd_of(configuration: Configuration, service: master_cf.MasterEntry) -> master_cf.MasterEntry:
    """The service that postscreen(8) hands clients over to; itself if there is none."""
    name = f"{configuration.value('smtpd_service_name', service) or 'smtpd'}/pass"
    return next((found for found in configuration.services if found.key == name), service)


def _waits(configuration: Configuration, service: master_cf.MasterEntry, smtpd: master_cf.MasterEntry) -> float:
    seconds = restriction_lists.configured_waits(configuration, smtpd)
    if smtpd is not service:
        seconds += _seconds(configuration.value("postscreen_greet_wait", service))
        if configuration.value("postscreen_dnsbl_sites", service):
            seconds += _seconds(configuration.value("postscreen_dnsbl_timeout", service))
    return seconds


def _patience(configuration: Configuration, smtpd: master_cf.MasterEntry) -> float:
    seconds = _seconds(configuration.value("smtpd_error_sleep_time", smtpd))
    if restriction_lists.checked_policy_services(configuration, smtpd):
        seconds += _seconds(configuration.value("smtpd_policy_service_retry_delay", smtpd))
    # A table of this type tries for so long to connect to its server (src/util/dict_tcp.c).
    if any("tcp:" in value for name, value, _service in configuration.all_settings()):
        seconds += _TCP_TABLE_SECONDS
    return seconds


def _most_errors(configuration: Configuration, smtpd: master_cf.MasterEntry) -> int:
    limits = [configuration.value(f"smtpd_{name}_error_limit", smtpd) or "" for name in ("soft", "hard")]
    return max(1, min([10, *(int(limit) for limit in limits if limit.isdigit())]) - 2)


def _seconds(text: Optional[str]) -> float:
    """A time of Postfix; the default unit is a second."""
    found = re.fullmatch(r"(\d+)([smhdw]?)", (text or "").lower())
    return float(int(found.group(1)) * _UNITS[found.group(2) or "s"]) if found else 0.0


def _certificates(configuration: Configuration, service: master_cf.MasterEntry) -> tuple[str, ...]:
    chains = configuration.value("smtpd_tls_chain_files", service)
    if chains:
        return tuple(words(chains))
    files = (configuration.value(name, service) for name in CERTIFICATE_PARAMETERS[1:])
    return tuple(path for path in files if path and path != "none")
