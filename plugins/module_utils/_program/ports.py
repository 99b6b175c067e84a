# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probes which certificates the ports of an instance serve. Private to mailops.postfix."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

from .._host.instance import Instance
from .._model import answers, listeners
from .._model.configuration import Configuration, configuration_of
from .._plan import certificate_standalone
from .._smtp import probe_options
from .._verify import listeners as listeners_verification
from .specifications import RenewalSpec

PORT_SECONDS = 15.0
"""Seconds in which the ports must serve the new certificate. After a reload, the next process of a service uses it."""

_PAUSE = 0.5
_TIMEOUT = 10.0
_TIME_LIMIT = 20.0

Probe = Callable[[probe_options.ProbeOptions], Dict[str, Any]]
"""Probes a port, as :func:`_smtp.probe.probe` does."""


@dataclass(frozen=True)
class PortFault:
    """A fault of a port."""

    port: str
    text: str
    about_certificate: bool = False

    def __str__(self) -> str:
        return f"{self.port}: {self.text}"


def port_faults(
    instance: Instance, probe: Probe, spec: RenewalSpec, patience: float
) -> Tuple[Set[PortFault], Optional[int]]:
    """The faults of the ports, and the number of ports that serve the certificate.

    The number is None if no port must serve it, as with a client certificate.

    :param patience: seconds to wait until the ports serve the certificate.
    """
    end = time.monotonic() + patience
    while True:
        faults, served, expected = _probe_all(instance, probe, spec)
        wrong = any(fault.about_certificate for fault in faults) or (expected and not served)
        if not wrong or time.monotonic() > end:
            return faults, served if expected else None
        time.sleep(_PAUSE)


def serves_another_certificate(probe: Probe, spec: RenewalSpec) -> bool:
    """Whether Postfix runs and a port serves another certificate than the files of the instance have."""
    instance = spec.instance()
    if not instance.running():
        return False
    faults, _served = port_faults(instance, probe, spec, 0)
    return any(fault.about_certificate for fault in faults)


def wrongly_served_files(instance: Instance, probe: Probe) -> Set[str]:
    """The files with certificates in place of which a port serves others to clients that send no server name."""
    configuration = configuration_of(instance)
    found: Set[str] = set()
    for listener in listeners.listeners(configuration):
        expected = _fingerprints(instance, listener.certificates)
        shown = _shown(probe, _request(configuration, listener, None), expected)[1]
        if expected and not set(shown) <= set(expected):
            found.update(listener.certificates)
    return found


def _probe_all(instance: Instance, probe: Probe, spec: RenewalSpec) -> Tuple[Set[PortFault], int, int]:
    """The faults of all ports, the number of ports that serve the certificate, and the number of those that must."""
    faults: Set[PortFault] = set()
    served = expected_ports = 0
    names = _sni_names(instance, spec)
    own = {certificate_standalone.served_file(instance, spec.options)}
    configuration = configuration_of(instance)
    for listener in listeners.listeners(configuration):
        for name in [None, *(names if listener.tls else {})]:
            request = _request(configuration, listener, name)
            port = f"{listener.name} at {request.host}" + (f" for {name}" if name else "")
            expected = names[name] if name else _fingerprints(instance, listener.certificates)
            facts, shown = _shown(probe, request, expected)
            concerned = bool(name) or not own.isdisjoint(listener.certificates)
            if listener.tls and expected and concerned:
                expected_ports += 1
                served += bool(shown and shown[0] in expected)
            for text in answers.listener_faults(configuration, listener, facts, [], trusted=True):
                faults.add(PortFault(port, text))
            for fingerprint in shown if expected else ():
                if fingerprint not in expected:
                    text = f"it serves another certificate ({fingerprint}) than the configured one ({' or '.join(expected)})"
                    faults.add(PortFault(port, text, about_certificate=concerned))
    return faults, served, expected_ports


def _request(
    configuration: Configuration, listener: listeners.Listener, name: Optional[str]
) -> probe_options.ProbeOptions:
    request = listeners_verification.probe_request(configuration, listener, _TIMEOUT)
    return replace(request, server_name=name, relay=False, time_limit=_TIME_LIMIT + 3 * listener.waits)


def _shown(
    probe: Probe, request: probe_options.ProbeOptions, expected: Sequence[str]
) -> Tuple[Dict[str, Any], List[str]]:
    """The result of the probe of a port, and the fingerprints of all certificates that it serves."""
    facts = probe(request)
    answers = [facts, *listeners_verification.probe_other_key_types(probe, request, facts, expected)]
    return facts, [answer["chain"][0]["fingerprint"]["sha256"] for answer in answers if answer["chain"]]


def _fingerprints(instance: Instance, paths: Sequence[str]) -> List[str]:
    found = (listeners_verification.leaf_fingerprint(instance, path) for path in paths)
    return [fingerprint for fingerprint in found if fingerprint]


def _sni_names(instance: Instance, spec: RenewalSpec) -> Dict[str, List[str]]:
    """The server names of a certificate, and the fingerprints of the certificates that the table has for each."""
    result: Dict[str, List[str]] = {}
    if spec.options.get("sni"):
        for name, files in certificate_standalone.server_names(instance, spec.options).items():
            result[name] = _fingerprints(instance, files)
    return result
