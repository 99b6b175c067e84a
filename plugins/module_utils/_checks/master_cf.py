# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that master(8) can't start, or stops on. Private to mailops.postfix. Pure; a HostFacts has the facts.

``postfix check`` and ``postfix reload`` accept all of this; a fatal error of master(8) then stops Postfix. Source:
master(5), src/master/master_ent.c, src/master/{single,multi,event,trigger}_server.c.
"""

from __future__ import annotations

import re
from typing import Dict, Iterator, List, Mapping, Optional, Tuple

from .._formats import master_cf
from .._formats.main_cf import words
from .._formats.master_cf import MasterEntry
from .._model import parameters
from .._model.configuration import Configuration, shown
from .._model.finding import Finding
from .facts import HostFacts

_ONE_PROCESS = ("pickup", "qmgr", "oqmgr", "tlsmgr", "verify", "scache", "anvil", "postscreen", "postlogd")
_PRIVILEGED = ("local", "pipe", "spawn", "virtual")
_NO_CHROOT = ("local", "pipe", "spawn", "postlogd")
_KNOWN_PORTS = {"lmtp": 24, "smtp": 25, "smtps": 465, "submissions": 465, "submission": 587}
_EVERYWHERE = ("0.0.0.0", "::")


def master_cf_findings(configuration: Configuration, host: HostFacts) -> Iterator[Finding]:
    """All findings but port_findings()."""
    for service in configuration.services:
        if service.column("type") == "inet":
            yield from _listener(configuration, host, service)
        yield from _columns(configuration, service)
        yield from _program(configuration, host, service)
        if service.mistake:
            yield _of(
                configuration,
                service,
                "option_syntax",
                service.mistake,
                "Write -o name=value without blanks, or -o { name = value }",
                "command",
            )
    yield from _duplicates(configuration)
    yield from _conflicts(configuration, host)
    yield from _interfaces(configuration, host)
    yield from _transports(configuration)
    yield from _log_service(configuration)


def _of(
    configuration: Configuration,
    service: MasterEntry,
    check: str,
    cause: str,
    remedy: str,
    *names: str,
    severity: str = "error",
) -> Finding:
    settings = frozenset((service.key, name) for name in names or master_cf.COLUMNS)
    return Finding(check, f"service {service.key}", cause, remedy, configuration.place(service), settings, severity)


# Listeners


def _listener(configuration: Configuration, host: HostFacts, service: MasterEntry) -> Iterator[Finding]:
    private = service.column("private")
    if private != "n":
        yield _of(
            configuration,
            service,
            "wrong_listener",
            f"column private is {private!r}, and master(8) stops on an inet service that is not public",
            "Write private: false",
            "private",
        )
    name, port = host_and_port(service)
    if _number(configuration, host, port) is None:
        yield _of(
            configuration,
            service,
            "wrong_listener",
            f"{port!r} is not a valid TCP port, and master(8) stops on it",
            "Write a number from 1 to 65535, or a name that services(5) has",
        )
    if name:
        addresses = host.addresses(name)
        if not addresses:
            yield _of(
                configuration,
                service,
                "unresolvable_host",
                f"the host {name} can't be resolved, and master(8) stops on it at each start and reload",
                "Write the address itself",
            )
        for address in addresses:
            if not host.has_address(address):
                yield _of(
                    configuration,
                    service,
                    "missing_address",
                    f"this host does not have the address {address}, and master(8) stops when it can't listen on it",
                    "Write an address that 'ip address' shows",
                )


def host_and_port(service: MasterEntry) -> Tuple[str, str]:
    """The host of an inet service, empty without one, and its port."""
    name, _colon, port = service.column("service").rpartition(":")
    return re.sub(r"^\[(?:ipv6:)?(.*)\]$", r"\1", name, flags=re.IGNORECASE), port


def _number(configuration: Configuration, host: HostFacts, port: str) -> Optional[int]:
    if re.fullmatch(r"[0-9]+", port):
        return int(port) if 0 < int(port) < 65536 else None
    if re.match(r"[0-9]", port) or not port:
        return None
    known: Mapping[str, int] = {}
    if configuration.version >= (3, 6):
        pairs = re.findall(r"([^\s,=]+)\s*=\s*([0-9]+)", configuration.value("known_tcp_ports") or "")
        known = {name: int(number) for name, number in pairs} or _KNOWN_PORTS
    return known.get(port) or host.port(port)


def _interfaces(configuration: Configuration, host: HostFacts) -> Iterator[Finding]:
    names = words(configuration.value("inet_interfaces") or "")
    protocols = words(configuration.value("inet_protocols") or "all")
    for name in names:
        if name in ("all", "loopback-only") or "inet_interfaces" not in configuration.entries:
            continue
        subject = shown("inet_interfaces", configuration.entries["inet_interfaces"].value)
        where, settings = configuration.where("inet_interfaces"), configuration.settings_of(None, "inet_interfaces")
        addresses = host.addresses(name.strip("[]"))
        if not addresses:
            yield Finding(
                "unresolvable_host",
                subject,
                f"the host {name} can't be resolved, and no Postfix program starts without it",
                "Write the address itself, all, or loopback-only",
                where,
                settings,
            )
        for address in addresses:
            family = "ipv6" if ":" in address else "ipv4"
            if not {"all", family} & set(protocols) or host.has_address(address):
                continue
            yield Finding(
                "missing_address",
                subject,
                f"this host does not have the address {address}, and master(8) stops when it can't listen on it",
                "Write an address that 'ip address' shows, all, or loopback-only",
                where,
                settings,
            )


def port_findings(configuration: Configuration, host: HostFacts, previous: Configuration) -> Iterator[Finding]:
    """Listeners that are new, on ports that another program uses."""
    there = {master_cf.service_identity(service) for service in previous.services}
    for service in configuration.services:
        if service.column("type") != "inet" or master_cf.service_identity(service) in there:
            continue
        name, port = host_and_port(service)
        number = _number(configuration, host, port)
        mine = addresses_to_bind(configuration, host, name)
        for other in host.listeners():
            if other.port != number or not _meet(mine, other.address):
                continue
            if other.inode in host.master(configuration.value("queue_directory") or ""):
                continue
            holder = host.holder(other.inode)
            if holder:
                yield _of(
                    configuration,
                    service,
                    "port_in_use",
                    f"{holder} listens on port {number} already, and master(8) stops when it can't",
                    "Stop that program first, or use another port",
                )
                break


def addresses_to_bind(configuration: Configuration, host: HostFacts, name: str) -> Tuple[str, ...]:
    """The addresses on which a service listens.

    :param name: its host; empty for the addresses of inet_interfaces.
    """
    if name:
        return host.addresses(name)
    interfaces = words(configuration.value("inet_interfaces") or "all")
    if "all" in interfaces:
        return _EVERYWHERE
    result: Tuple[str, ...] = ()
    for interface in interfaces:
        loopback = interface == "loopback-only"
        result += ("127.0.0.1", "::1") if loopback else host.addresses(interface.strip("[]"))
    return result


def _meet(mine: Tuple[str, ...], other: str) -> bool:
    if other == "::":  # usually includes IPv4
        return True
    version = ":" in other
    return any(
        other in (address, "0.0.0.0") or address in _EVERYWHERE for address in mine if (":" in address) == version
    )


def _conflicts(configuration: Configuration, host: HostFacts) -> Iterator[Finding]:
    """Services that listen on one address and port under different names: most kernels refuse the second one, and master(8) stops."""
    families = {"all": "46", "ipv4": "4", "ipv6": "6"}
    enabled = "".join(families.get(word, "") for word in words(configuration.value("inet_protocols") or "all"))
    earlier: Dict[int, List[Tuple[MasterEntry, Tuple[str, ...]]]] = {}
    for service in configuration.services:
        name, port = host_and_port(service)
        number = _number(configuration, host, port) if service.column("type") == "inet" else None
        if number is None:
            continue
        addresses = tuple(
            address
            for address in addresses_to_bind(configuration, host, name)
            if ("6" if ":" in address else "4") in enabled
        )
        for other, its in earlier.setdefault(number, []):
            shared = next((address for address in addresses if _binds(its, address)), None)
            if shared and master_cf.service_identity(other) != master_cf.service_identity(service):
                cause = f"it listens on {shared} port {number}, as {other.key} in line {other.line.number} does: master(8) stops on it, or clients reach either"
                remedy = (
                    f"Declare {other.key} with state: absent, or let the two listen on different addresses or ports"
                )
                settings = frozenset((one.key, column) for one in (service, other) for column in master_cf.COLUMNS)
                place = configuration.place(service)
                yield Finding("wrong_listener", f"service {service.key}", cause, remedy, place, settings)
                break
        earlier[number].append((service, addresses))


def _binds(addresses: Tuple[str, ...], address: str) -> bool:
    """Whether one of the addresses excludes another socket on this one: the same, or all addresses of the family."""
    return any(
        address == one or one in _EVERYWHERE or address in _EVERYWHERE
        for one in addresses
        if (":" in one) == (":" in address)
    )


# What a service needs to start


def _columns(configuration: Configuration, service: MasterEntry) -> Iterator[Finding]:
    program = service.column("command")
    limit = service.column("process_limit")
    effective = configuration.value("default_process_limit") if limit == "-" else limit
    if program in _ONE_PROCESS and effective != "1":
        yield _of(
            configuration,
            service,
            "wrong_column",
            f"{program}(8) stops unless its process limit is 1; it is {limit}",
            "Write process_limit: 1",
            "process_limit",
        )
    if program in _PRIVILEGED and service.column("unprivileged") != "n":
        yield _of(
            configuration,
            service,
            "wrong_column",
            f"{program}(8) stops without root privileges",
            "Write unprivileged: false",
            "unprivileged",
        )
    if program in _NO_CHROOT and service.column("chroot") == "y":
        yield _of(
            configuration,
            service,
            "wrong_column",
            f"{program}(8) can't do its work in a chroot",
            "Write chroot: false",
            "chroot",
        )
    if service.column("wakeup") in ("?", "-?"):
        yield _of(
            configuration,
            service,
            "wrong_listener",
            "column wakeup has no number, and master(8) stops on it",
            "Write seconds, or null for '-'",
            "wakeup",
        )


def _program(configuration: Configuration, host: HostFacts, service: MasterEntry) -> Iterator[Finding]:
    program = service.column("command")
    directory = configuration.value("daemon_directory") or ""
    path = f"{directory}/{program}"  # as master(8) joins them
    if host.status(directory) is not None and host.status(path) is None and path not in configuration.created_files:
        yield _of(
            configuration,
            service,
            "unknown_command",
            f"there is no program {path}: master(8) retries forever, and the service never answers",
            f"Write the name of a program in {directory}",
            "command",
        )
    if program not in ("pipe", "spawn"):
        return
    for word in service.arguments:
        name, equals, value = word.text.partition("=")
        if name != "user" or not equals or "$" in value:
            continue
        user, _colon, group = value.partition(":")
        for kind, account, there in (("user", user, host.has_user), ("group", group, host.has_group)):
            if account and not there(account):
                yield _of(
                    configuration,
                    service,
                    "missing_account",
                    f"this host has no {kind} {account}, and {program}(8) stops on that",
                    f"Create the {kind} first, or name another in user=",
                    "command",
                )


def _duplicates(configuration: Configuration) -> Iterator[Finding]:
    seen: Dict[Tuple[str, str, bool], MasterEntry] = {}
    for service in configuration.services:
        same = (*master_cf.service_identity(service), master_cf.is_private_service(service.column("private")))
        earlier = seen.get(same)
        if earlier is not None:
            yield _of(
                configuration,
                service,
                "duplicate_service",
                f"it is the same service as {earlier.key} in line {earlier.line.number}; Postfix uses the last of them",
                f"Declare {earlier.key} with state: absent",
            )
        seen[same] = service


def _transports(configuration: Configuration) -> Iterator[Finding]:
    there = {service.column("service") for service in configuration.services if service.column("type") == "unix"}
    for name, written, service in configuration.all_settings():
        parameter = parameters.find_parameter(name)
        if parameter is None or parameter.kind != "transport":
            continue
        transport = (configuration.expanded(written, service) or "").partition(":")[0]
        if transport and transport not in there:
            yield Finding(
                "missing_service",
                shown(name, written) + (f" in service {service.key}" if service else ""),
                f"master.cf has no live service {transport}/unix, and Postfix defers its mail",
                f"Declare service: {transport}/unix, or name a transport that is there",
                configuration.where(name, service),
                frozenset([configuration.setting(name, service)]),
            )


def _log_service(configuration: Configuration) -> Iterator[Finding]:
    if configuration.value("maillog_file") and not configuration.of_command("postlogd"):
        yield Finding(
            "missing_service",
            shown("maillog_file", configuration.raw(None).get("maillog_file", "")),
            "it works through postlogd(8), which is not among the live services of master.cf; Postfix does not start",
            "Declare service: postlog/unix-dgram, command: postlogd, private: false, chroot: false, process_limit: 1",
            configuration.where("maillog_file"),
            configuration.settings_of(None, "maillog_file"),
        )
