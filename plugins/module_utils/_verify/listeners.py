# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probe the ports on which smtpd(8) listens. Private to mailops.postfix."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any, Callable, Collection, Iterator, Mapping, Sequence

from .._errors import HostError
from .._formats import master_cf
from .._formats.main_cf import words
from .._host.instance import Instance
from .._model import listeners as listeners_model
from .._model.configuration import Configuration, configuration_of
from .._smtp import connection, probe_options
from .._x509 import pem
from .report import VerificationReport
from .severities import Severities

Probe = Callable[[probe_options.ProbeOptions], dict[str, Any]]
"""A function that probes a port, as ``probe.probe`` does."""


def probe_listeners(
    instance: Instance,
    severities: Severities,
    timeout: float,
    probe: Probe,
    report: VerificationReport,
    only: Collection[str] | None = None,
) -> None:
    """Probe each port on which smtpd(8) listens, and record what differs from its configuration.

    :param timeout: seconds that each reply may take.
    :param only: the subjects of faults, to probe only their ports; None for all.
    """
    configuration = configuration_of(instance)
    for listener in listeners_model.listeners(configuration):
        host = address(configuration, listener)
        number = port(listener.port)
        subject = f"{listener.name} at {host}"
        severity = severities.of(listener.service)
        if severity == "ignore" or (only is not None and subject not in only):
            continue
        problems = _faults(instance, listener, host, timeout, probe)
        report.listeners.append({"service": listener.service, "host": host, "port": number, "problems": problems})
        for problem in problems:
            report.add(severity, f"{subject}: {problem}", subject, problem)


def _faults(
    instance: Instance, listener: listeners_model.Listener, host: str, timeout: float, probe: Probe
) -> list[str]:
    request = probe_options.ProbeOptions(
        host=host,
        port=port(listener.port),
        implicit_tls=listener.implicit_tls,
        timeout=timeout,
        protocols=False,
        handshake=False,
    )
    facts = probe(request)
    expected = [found for found in (leaf_fingerprint(instance, path) for path in listener.certificates) if found]
    trusted = listeners_model.in_networks(host, listener.networks)
    faults = listeners_model.listener_faults(listener, facts, expected, trusted)
    for other_facts in probe_other_key_types(probe, request, facts, expected):
        faults += listeners_model.certificate_faults(listener, other_facts, expected)
    return faults


def probe_other_key_types(
    probe: Probe, request: probe_options.ProbeOptions, facts: Mapping[str, Any], expected: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Probe a port that has several certificates again, once for each type of key that it has not shown yet.

    :param request: the options of the first probe.
    :param facts: the result of the first probe.
    :param expected: SHA-256 fingerprints of the certificates that the port must serve.
    """
    shown = [item.get("key_type") for item in facts["chain"][:1]]
    if shown and len(expected) > 1:
        for key_type in probe_options.KEY_TYPES:
            if key_type not in shown:
                yield probe(replace(request, key_type=key_type, relay=False))


def address(configuration: Configuration, listener: listeners_model.Listener) -> str:
    """The address at which to probe a listener from this host: a loopback address only if it listens on no other."""
    if listener.host and listener.host not in ("0.0.0.0", "::"):
        return listener.host
    ipv6 = configuration.value("inet_protocols") == "ipv6"
    interfaces = words(configuration.value("inet_interfaces") or "") or ["all"]
    if interfaces[0] == "all":
        return connection.own_address(ipv6) or ("::1" if ipv6 else "127.0.0.1")
    if interfaces[0] in ("loopback-only", "localhost"):
        return "::1" if ipv6 else "127.0.0.1"
    return interfaces[0].strip("[]")


def port(name: str) -> int:
    """The number of a port.

    :param name: its number, or a service name of master.cf.
    :raises HostError: if services(5) does not have the name.
    """
    if name.isdigit():
        return int(name)
    known = master_cf.endpoint(name, "inet")[0]
    try:
        return int(known) if known.isdigit() else socket.getservbyname(name, "tcp")
    except OSError as error:
        raise HostError(
            "resolving", f"the port '{name}'", "/etc/services has no such service", "Write the port number in master.cf"
        ) from error


def leaf_fingerprint(instance: Instance, path: str) -> str:
    """The SHA-256 fingerprint of the first certificate in a PEM file; empty if openssl(1) finds none."""
    done = instance.run("openssl", "x509", "-in", path, "-outform", "DER", check=False)
    return pem.fingerprint(done.stdout) if done.returncode == 0 else ""
