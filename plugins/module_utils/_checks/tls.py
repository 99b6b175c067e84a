# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of TLS and SASL settings in combination, for each service with its overrides. Private to mailops.postfix. Pure.

Source: TLS_README, SASL_README, postconf(5).
"""

from __future__ import annotations

from typing import FrozenSet, Iterator, Tuple

from .._errors import DeclarationError
from .._formats import master_cf, tls_levels, tls_protocols
from .._formats.main_cf import words
from .._formats.master_cf import MasterEntry
from .._model import content_filter, parameters
from .._model.configuration import MAIN, Configuration, shown
from .._model.finding import Finding, Setting
from .._model.reachability import is_loopback_address

_CERTIFICATES = ("tls_chain_files", "tls_cert_file", "tls_eccert_file", "tls_dcert_file")
_VERIFYING = ("verify", "secure")


def tls_findings(configuration: Configuration) -> Iterator[Finding]:
    """All findings."""
    for service in configuration.of_command("smtpd"):
        if service.column("type") in ("inet", "pass"):
            yield from _certificate(configuration, service)
            yield from _auth(configuration, service)
            yield from _server_wrapper_mode(configuration, service)
    for side in ("smtp", "lmtp"):
        for service in configuration.of_command(side):
            yield from _trust(configuration, service, side)
            yield from _client_wrapper_mode(configuration, service, side)
            yield from _connection_reuse(configuration, service, side)


def override_findings(configuration: Configuration, declared: FrozenSet[Setting]) -> Iterator[Finding]:
    """Options in master.cf that override a declared value of main.cf: weaker ones, and any on the main services."""
    filters = content_filter.loopback_transports(configuration)
    for service in configuration.services:
        for name, written in service.effective_options.items():
            if name.endswith("_tls_security_level") and _stays_on_this_host(service, filters):
                continue
            if (MAIN, name) not in declared or (service.key, name) in declared or name not in configuration.entries:
                continue
            mine, its = configuration.value(name), configuration.value(name, service)
            if mine is None or its is None or words(mine) == words(its):
                continue
            weaker = _is_weaker(name, its, mine)
            if weaker or master_cf.service_identity(service) in (("25", "inet"), ("smtp", "unix")):
                yield Finding(
                    "overridden",
                    shown(name, configuration.entries[name].value),
                    f"service {service.key} overrides it with {shown(name, written)}"
                    + (", which is weaker" if weaker else ""),
                    f"Remove the option: master_cf with service: {service.key}, options: {{{name}: null}}",
                    configuration.place(service),
                    frozenset([(MAIN, name), (service.key, name)]),
                    "error" if weaker else "warning",
                )


def _stays_on_this_host(service: MasterEntry, filters: FrozenSet[str]) -> bool:
    """Whether connections of a service do not leave this host: to a content filter, and back from it."""
    name, kind = service.column("service"), service.column("type")
    if kind != "inet":
        return name in filters
    return is_loopback_address(name.rpartition(":")[0])


def _is_weaker(name: str, its: str, mine: str) -> bool:
    if name.endswith("_tls_security_level"):
        return tls_levels.STRENGTH.get(its.lower() or "none", 9) < tls_levels.STRENGTH.get(mine.lower() or "none", 0)
    if name in ("smtpd_tls_auth_only", "smtpd_enforce_tls", "smtp_enforce_tls"):
        return mine.lower() == "yes" and its.lower() != "yes"
    parameter = parameters.find_parameter(name)
    if parameter is not None and parameter.kind == "protocols":
        try:
            return not set(tls_protocols.parse_protocols(its).enabled) <= set(
                tls_protocols.parse_protocols(mine).enabled
            )
        except DeclarationError:
            return False
    return False


def _subject(configuration: Configuration, service: MasterEntry, *names: str) -> str:
    """The settings of a finding, and the service if one of them is its option."""
    raw = configuration.raw(service)
    settings = " with ".join(shown(name, raw.get(name, "")) for name in names)
    own = any(name in service.effective_options for name in names)
    return f"{settings} in service {service.key}" if own else settings


def _problem(
    configuration: Configuration,
    service: MasterEntry,
    check: str,
    names: Tuple[str, ...],
    cause: str,
    remedy: str,
    also: Tuple[str, ...] = (),
) -> Finding:
    where: str | None = next((place for place in (configuration.where(name, service) for name in names) if place), None)
    settings = configuration.settings_of(service, *names, *also)
    subject = _subject(configuration, service, *names)
    return Finding(check, subject, cause, remedy, where or configuration.place(service), settings)


def _certificate(configuration: Configuration, service: MasterEntry) -> Iterator[Finding]:
    level = configuration.level(service, "smtpd")
    if level not in ("may", "encrypt"):
        return
    names = tuple(f"smtpd_{stem}" for stem in _CERTIFICATES) + ("tls_server_sni_maps",)
    if any(configuration.value(name, service) != "" for name in names):
        return
    yield _problem(
        configuration,
        service,
        "no_certificate",
        ("smtpd_tls_security_level",),
        "there is no server certificate, so that no client can start TLS",
        "Set smtpd_tls_chain_files; the module certificate returns it",
        names,
    )


def _auth(configuration: Configuration, service: MasterEntry) -> Iterator[Finding]:
    if not configuration.is_on("smtpd_sasl_auth_enable", service):
        return
    level = configuration.level(service, "smtpd")
    implicit = configuration.is_on("smtpd_tls_wrappermode", service)
    names = ("smtpd_sasl_auth_enable", "smtpd_tls_auth_only", "smtpd_tls_security_level")
    if level == "?" or implicit or level == "encrypt":
        return
    only = configuration.is_on("smtpd_tls_auth_only", service)
    if level == "none" and only:
        yield _problem(
            configuration,
            service,
            "auth_without_tls",
            names,
            "without TLS smtpd(8) never offers AUTH",
            "Write smtpd_tls_security_level = encrypt on a submission service, or smtpd_sasl_auth_enable = no",
        )
        return
    if only or "noplaintext" in words(configuration.value("smtpd_sasl_security_options", service) or ""):
        return
    yield _problem(
        configuration,
        service,
        "auth_without_tls",
        names,
        "clients may send passwords before TLS, in clear",
        "Write smtpd_tls_auth_only = yes",
        ("smtpd_sasl_security_options",),
    )


def _server_wrapper_mode(configuration: Configuration, service: MasterEntry) -> Iterator[Finding]:
    if service.column("type") != "inet":
        return
    implicit = configuration.is_on("smtpd_tls_wrappermode", service)
    port = master_cf.service_identity(service)[0].rpartition(":")[2]
    if implicit and port in ("25", "587"):
        yield _problem(
            configuration,
            service,
            "wrapper_mode",
            ("smtpd_tls_wrappermode",),
            f"clients of port {port} ({service.key}) use STARTTLS: they could not connect",
            "Set it as an option of submissions/inet (port 465) only",
        )
    elif not implicit and port == "465":
        yield _problem(
            configuration,
            service,
            "wrapper_mode",
            ("smtpd_tls_wrappermode",),
            f"clients of port 465 ({service.key}) start with TLS: client and server would deadlock",
            f"Write smtpd_tls_wrappermode: true among the options of {service.key}",
        )


def _trust(configuration: Configuration, service: MasterEntry, side: str) -> Iterator[Finding]:
    level = configuration.level(service, side)
    name = f"{side}_tls_security_level"
    sources = tuple(f"{side}_tls_{stem}" for stem in ("CAfile", "CApath", "trust_anchor_file"))
    if level in _VERIFYING and all(configuration.value(source, service) == "" for source in sources):
        yield _problem(
            configuration,
            service,
            "no_trusted_ca",
            (name,),
            "there are no CAs to verify servers with, and Postfix defers all mail",
            f"Set {side}_tls_CAfile; the module ca_bundle returns it",
            sources,
        )


def _client_wrapper_mode(configuration: Configuration, service: MasterEntry, side: str) -> Iterator[Finding]:
    name = f"{side}_tls_wrappermode"
    implicit = configuration.is_on(name, service)
    level = configuration.level(service, side)
    if implicit and level in ("none", "may"):
        yield _problem(
            configuration,
            service,
            "wrapper_mode",
            (name, f"{side}_tls_security_level"),
            "implicit TLS needs at least level encrypt: Postfix would defer all mail",
            f"Write {side}_tls_security_level = encrypt, or stricter",
        )


def _connection_reuse(configuration: Configuration, service: MasterEntry, side: str) -> Iterator[Finding]:
    name = f"{side}_tls_connection_reuse"
    if not configuration.is_on(name, service):
        return
    for program in ("tlsproxy", "scache"):
        if not configuration.of_command(program):
            yield _problem(
                configuration,
                service,
                "missing_service",
                (name,),
                f"it works through {program}(8), which is not among the live services of master.cf",
                f"Declare service: {program}/unix, command: {program}, process_limit: {0 if program == 'tlsproxy' else 1}",
                (f"{program}/unix",),
            )
