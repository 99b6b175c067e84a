# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probe the ports on which smtpd(8) listens. Private to mailops.postfix."""

from __future__ import annotations

import calendar
import socket
import time
from dataclasses import dataclass, replace
from typing import Any, Callable, Collection, Iterator, Mapping, Sequence

from .._errors import HostError
from .._formats import master_cf
from .._host.instance import Instance
from .._model import answers, reception, reply_causes
from .._model import listeners as listeners_model
from .._model.configuration import Configuration, configuration_of
from .._model.reception import Reception
from .._smtp import probe_options
from .._x509 import certificate, pem
from .listener_address import address
from .report import VerificationReport
from .severities import Severities

Probe = Callable[[probe_options.ProbeOptions], dict[str, Any]]
"""A function that probes a port, as ``probe.probe`` does."""

_MOST_WAITING = 30.0
"""Seconds that a port may take for what is asked of it again and again, such as each domain, because its configuration has it wait."""

_TIME_LIMIT = probe_options.ProbeOptions.time_limit


@dataclass(frozen=True)
class _Port:
    """A listener, and how to probe it."""

    instance: Instance
    configuration: Configuration
    listener: listeners_model.Listener
    request: probe_options.ProbeOptions
    severity: str
    subject: str
    not_probed: tuple[str, ...]
    """The own domains that it is not asked for."""


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
    own_domains = reception.own_domains(configuration)
    for listener in listeners_model.listeners(configuration):
        request = probe_request(configuration, listener, timeout)
        severity = severities.of(listener.service)
        subject = f"{listener.name} at {request.host}"
        if severity == "ignore" or (only is not None and subject not in only):
            continue
        domains: Sequence[str] = ()
        if reception.takes_mail_from_outside(configuration, listener):
            domains = own_domains
        asked = domains[: most_repetitions(listener)]
        recipients = [f"postmaster@{certificate.to_ascii(domain)}" for domain in asked]
        request = replace(
            request, recipients=recipients, time_limit=request.time_limit + listener.waits * len(recipients)
        )
        _probe_port(
            _Port(instance, configuration, listener, request, severity, subject, tuple(domains[len(asked) :])),
            probe,
            report,
        )


def _probe_port(port: _Port, probe: Probe, report: VerificationReport) -> None:
    facts = probe(port.request)
    texts, more = _server_names(port, probe)
    relays = bool((facts["relay"] or {}).get("relays"))
    trusted = _is_trusted(port, facts) if relays else True
    faults = [
        Reception(reception.FAULT, text, text, "", facts.get("refusal") or "")
        for text in _faults(port, facts, probe, trusted)
    ]
    if trusted is None:
        message = (
            "it relays mail for this host, and whether this host is trusted cannot be determined: mynetworks has a name, or a table "
            "that can't be asked"
        )
        faults.append(Reception(reception.WARNING, message, message))
    faults += [Reception(reception.FAULT, text, text) for text in texts]
    faults += reception.refusals(port.configuration, port.listener, facts)
    problems: list[str] = []
    warnings: list[str] = []
    for found in faults:
        is_fault = found.verdict == reception.FAULT
        message = _with_cause(port, found) if is_fault else found.message
        (problems if is_fault else warnings).append(message)
        report.add(port.severity if is_fault else "warning", f"{port.subject}: {message}", port.subject, found.kind)
    recipients = [item["recipient"] for item in facts.get("recipients") or ()]
    asked = [recipient.rpartition("@")[2] for recipient in recipients]
    left_out = [recipient.rpartition("@")[2] for recipient in port.request.recipients if recipient not in recipients]
    report.listeners.append(
        {
            "service": port.listener.service,
            "host": port.request.host,
            "port": port.request.port,
            "problems": problems,
            "warnings": warnings,
            "domains": asked,
            "not_probed": [*left_out, *port.not_probed, *more],
            **_session(facts, trusted),
        }
    )


def _session(facts: Mapping[str, Any], trusted: bool | None) -> dict[str, Any]:
    """What the port has shown, for the summary."""
    before, after = facts.get("before_tls"), facts.get("after_tls")
    tls = ""
    if before is None and facts.get("tls"):
        tls = "TLS from the start"
    elif before is not None:
        tls = "STARTTLS" if before.get("starttls") else "no TLS"
        if before.get("starttls") and (before.get("mail") or {}).get("accepted") is False:
            tls = "TLS required"
    offered = [session["auth"] for session in (before, after) if session]
    relays = (facts.get("relay") or {}).get("relays")
    return {
        "tls": tls,
        "auth": sorted({name for names in offered for name in names}) if offered else None,
        "relay": "" if relays is None or (relays and trusted is not False) else "open" if relays else "closed",
        "certificate": _shown_certificate(facts["chain"]),
    }


def _shown_certificate(chain: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The certificate that was served, with the days until it expires; None if none was."""
    if not chain or not chain[0].get("not_after"):
        return None
    expires = calendar.timegm(time.strptime(chain[0]["not_after"], "%Y-%m-%dT%H:%M:%SZ"))
    return {
        "subject": chain[0].get("subject") or "",
        "names": list(chain[0].get("names") or ()),
        "not_after": chain[0]["not_after"],
        "days_left": int((expires - time.time()) // 86400),
    }


def _is_trusted(port: _Port, facts: Mapping[str, Any]) -> bool | None:
    from . import trust

    address = str(facts.get("client_address") or port.request.host)
    return trust.may_relay(port.instance, port.configuration, port.listener, address)


def _with_cause(port: _Port, found: reception.Reception) -> str:
    """The message of a fault with its cause and the remedy."""
    if not found.reply or found.reply not in found.message:
        return found.message
    unreadable: Sequence[str] = ()
    if reception.code_of(found.reply)[1] in ("4.3.0", "4.3.5"):
        from . import unreadable_tables

        unreadable = unreadable_tables.unreadable_tables(port.instance, port.configuration, port.listener, found.domain)
    cause = reply_causes.cause_of(port.configuration, port.listener, found.reply, unreadable)
    return f"{found.message}. Cause: {cause}" if cause else found.message


def _server_names(port: _Port, probe: Probe) -> tuple[list[str], list[str]]:
    """The faults of the certificates that a port serves for the names of its table, and the names that it is not asked for."""
    listener = port.listener
    if not listener.server_names or not listener.tls:
        return [], []
    from . import server_names

    found = server_names.names_of_tables(port.instance, listener.server_names)
    asked = list(found.files)[: most_repetitions(listener)]
    problems = []
    for name in asked:
        request = replace(port.request, server_name=name, relay=False, recipients=())
        facts = probe(request)
        files = found.files[name]
        expected = [item for item in (leaf_fingerprint(port.instance, path) for path in files) if item]
        answers_of_name = [facts, *probe_other_key_types(probe, request, facts, expected)]
        for facts in answers_of_name:
            shown = facts["chain"][0]["fingerprint"]["sha256"] if facts["chain"] else None
            refused = shown is None and facts.get("failed_at") not in ("handshake", "starttls")
            problem = (
                "" if refused else server_names.certificate_problem(name, shown, expected, files, facts["problem"])
            )
            problems += [problem] if problem else []
    return problems, [name for name in found.files if name not in asked] + list(found.unlisted)


def _faults(port: _Port, facts: Mapping[str, Any], probe: Probe, trusted: bool | None) -> list[str]:
    listener, configuration = port.listener, port.configuration
    files = [leaf_fingerprint(port.instance, path) for path in listener.certificates]
    expected = [found for found in files if found]
    faults = answers.listener_faults(configuration, listener, facts, expected, trusted is not False)
    for other_facts in probe_other_key_types(probe, port.request, facts, expected):
        faults += answers.certificate_faults(listener, other_facts, expected)
    return faults


def probe_request(
    configuration: Configuration, listener: listeners_model.Listener, timeout: float
) -> probe_options.ProbeOptions:
    """How to probe a listener, as its configuration allows it: with the header of a proxy, and with the time that it waits.

    :param timeout: seconds that each reply may take besides.
    """
    return probe_options.ProbeOptions(
        host=address(configuration, listener),
        port=port_number(listener.port),
        implicit_tls=listener.implicit_tls,
        timeout=timeout + listener.waits + listener.patience,
        time_limit=_TIME_LIMIT + 3 * listener.waits,
        protocols=False,
        handshake=False,
        proxied=listener.proxied,
        most_refused=listener.most_errors,
    )


def most_repetitions(listener: listeners_model.Listener) -> int:
    """How often a port may be probed for the same: less often if its configuration has it wait each time."""
    return min(reception.MOST_DOMAINS, int(_MOST_WAITING / listener.waits) or 1 if listener.waits else 20)


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
                yield probe(replace(request, key_type=key_type, relay=False, recipients=()))


def port_number(name: str) -> int:
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
