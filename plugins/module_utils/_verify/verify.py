# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bring a configuration into service, see that it holds on the wire, and go back if it does not.

Private to mailops.postfix.
Nothing that Postfix says of itself is taken for granted: ``postfix reload`` ends well before master(8) reads anything,
and master(8) may die of what it reads. So the process, each port, and the real smtp(8) client are asked.
"""

from __future__ import annotations

import os
import re
import socket
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence

from .._errors import HostError, PostfixError
from .._formats import master_cf
from .._formats.lines import to_text
from .._host.instance import Instance
from .._host.master import Master
from .._model import listeners as listeners_model
from .._model import routing
from .._plan import tables
from .._plan.plan import REQUIRES, strongest
from .._smtp import connection, probe, probe_options
from .._transaction import apply, journal
from .._x509 import pem
from . import delivery

FIRST_LOOK_SECONDS = 1
"""Seconds after which most of what master(8) dies of has shown itself. Before that, or before it has shown that it has taken over what it was
told to, no port is asked."""

NEXT_HOP_SECONDS = 60
"""Seconds that a next hop may take to answer smtp(8)."""

_TIMEOUT = 10.0
_SEVERITIES = ["error", "warning", "ignore"]

VERIFY: Mapping[str, Any] = {
    "requires": {"type": "str", "choices": list(REQUIRES), "default": "none"},
    "listeners": {"type": "str", "choices": _SEVERITIES, "default": "error"},
    "next_hops": {"type": "str", "choices": _SEVERITIES, "default": "error"},
    "unreachable": {"type": "str", "choices": _SEVERITIES, "default": "warning"},
    "dependencies": {"type": "str", "choices": _SEVERITIES, "default": "error"},
    "bogus_names": {"type": "list", "elements": "str", "default": []},
    "recipients": {"type": "list", "elements": "str", "default": []},
    "on_failure": {"type": "str", "choices": ["rollback", "fail"], "default": "rollback"},
    "timeout": {"type": "float", "default": _TIMEOUT},
    "settle": {"type": "float", "default": 3.0},
}
"""What the module proof takes."""

_PAUSE = 0.2
_DIES = re.compile(r"\b(fatal|panic): ")
# What a user's own command says ("postfix/sendmail[1]: fatal: ...") is the user's mistake, not the configuration's.
_COMMAND = re.compile(r"\S*/(sendmail|postdrop|postqueue|postsuper|postmap|postalias|postconf|postcat|postlog)\[")
_LOG_LINES = 5
_WEAK = ("none", "may")


class Log:
    """What Postfix has logged since this object was made: in its own file, in syslog's, or in the journal."""

    FILES = ("/var/log/mail.log", "/var/log/maillog")

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        own = instance.parameters.get("maillog_file", "")
        self._sizes = {path: _size(path) for path in ((own,) if own.startswith("/") else self.FILES)}
        self._cursor = self._journal_end() if not own.startswith("/") else ""

    def lines(self) -> List[str]:
        """The lines, from the program's name on."""
        text: List[str] = []
        for path, size in self._sizes.items():
            text += _tail(path, size)
        if self._cursor:
            # The journal is not written at once.
            self.instance.run("journalctl", "--sync", check=False)
            shown = self.instance.run(
                "journalctl", "--quiet", "--no-pager", "--output=short", f"--after-cursor={self._cursor}", check=False
            )
            text += to_text(shown.stdout).split("\n")
        found = (re.search(r" ([^\s\[]+\[\d+\]: .*)$", line) for line in text)
        return list(dict.fromkeys(match.group(1) for match in found if match))

    def complaints(self) -> List[str]:
        """What went wrong according to Postfix."""
        names = ("postfix", listeners_model.expanded_parameter("syslog_name", self.instance.parameters) or "postfix")
        own = [line for line in self.lines() if line.startswith(names)]
        return [line for line in own if re.search(r"\b(fatal|panic|error|warning): ", line)]

    def _journal_end(self) -> str:
        try:
            shown = self.instance.run(
                "journalctl", "--quiet", "--no-pager", "--lines=1", "--output=cat", "--show-cursor", check=False
            )
        except HostError:
            return ""  # no systemd
        return to_text(shown.stdout).rpartition("-- cursor: ")[2].strip()


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _tail(path: str, size: int) -> List[str]:
    try:
        with open(path, "rb") as file:
            file.seek(size if _size(path) >= size else 0)
            return to_text(file.read()).split("\n")
    except OSError:
        return []


@dataclass
class VerificationReport:
    """What was asked and what was answered."""

    listeners: List[Dict[str, Any]] = field(default_factory=list)
    next_hops: List[Dict[str, Any]] = field(default_factory=list)
    problems: List[str] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)
    log: List[str] = field(default_factory=list)

    def add(self, severity: str, message: str) -> None:
        """Note what does not hold, as an error, a warning, or not at all."""
        if severity != "ignore":
            (self.problems if severity == "error" else self.warnings).append(message)


Probe = Callable[[probe_options.ProbeOptions], Dict[str, Any]]


def verify(
    make: Callable[[], Instance],
    options: Mapping[str, Any],
    check_mode: bool = False,
    ask: Probe = probe.probe,
) -> Dict[str, Any]:
    """Bring the configuration into service and prove it. Options and result: those of the module proof.

    :param make: takes a snapshot of the instance.
    :param check_mode: touch nothing; what is not in service yet is not asked.
    :param ask: asks a port.
    :raises PostfixError: if it does not hold, after what ``on_failure`` says has been done.
    """
    instance = make()
    service = Master(instance)
    findings = VerificationReport()
    if check_mode:
        if options["requires"] == "none":
            _look(service, dict(options, next_hops="ignore"), ask, None, findings)
        return _result(options, findings)
    log = Log(instance)
    start = time.monotonic()
    try:
        service.bring_up(options["requires"])
        _look(service, options, ask, log, findings)
    except PostfixError as error:
        findings.problems.append(str(error))
    else:
        if options["requires"] != "none" and not findings.problems:
            # The ports have answered in the meantime. Unless it is certain that it has read all, master(8) may still die of it.
            rest = options["settle"] - (time.monotonic() - start)
            if not service.survives(max(0.0, rest)):
                findings.problems.append(
                    f"master(8) of {instance.config_directory} died after its {options['requires']}"
                )
    findings.log = log.complaints()
    if options["requires"] != "none":
        # A daemon that dies is started again and again, without a port that shows it.
        findings.problems += [line for line in findings.log if _DIES.search(line) and not _COMMAND.match(line)]
    result = _result(options, findings)
    if not findings.problems:
        apply.confirm(instance.config_directory)
        return result
    raise _fail(make, options, ask, findings, result)


def _result(options: Mapping[str, Any], findings: VerificationReport) -> Dict[str, Any]:
    return {
        "changed": options["requires"] != "none",
        "listeners": findings.listeners,
        "next_hops": findings.next_hops,
        "problems": findings.problems,
        "warnings": findings.warnings,
        "restored": [],
    }


def _look(
    service: Master, options: Mapping[str, Any], ask: Probe, log: Optional[Log], findings: VerificationReport
) -> None:
    instance = service.instance
    if not service.survives(0 if options["requires"] == "none" else FIRST_LOOK_SECONDS):
        findings.problems.append(f"the Postfix of {instance.config_directory} does not run")
        return
    if options.get("dependencies", "ignore") != "ignore":
        _ask_dependencies(instance, options, findings)
    probes = _send_probes(instance, options, findings) if options["next_hops"] != "ignore" else {}
    if options["listeners"] != "ignore":
        for listener in listeners_model.listeners(master_cf.master_entries(instance.master_cf), instance.parameters):
            _ask_listener(instance, listener, options, ask, findings)
    if log is not None:
        _read_verdicts(probes, options, log, findings)


def _ask_dependencies(instance: Instance, options: Mapping[str, Any], findings: VerificationReport) -> None:
    """The resolver and the services of TLS policies that smtp(8) relies on, where it does."""
    # Imported here, since what renewals call needs none of it.
    from .._model.configuration import configuration_of
    from .._plan import dependencies

    outside = dependencies.Dependencies(instance, options.get("bogus_names") or ())
    # Several services may rely on the same.
    for problem in {problem.identity: problem for problem in outside.problems(configuration_of(instance))}.values():
        if problem.check in dependencies.LIVE:
            findings.add(options["dependencies"], str(problem))


def _fail(
    make: Callable[[], Instance],
    options: Mapping[str, Any],
    ask: Probe,
    findings: VerificationReport,
    result: Dict[str, Any],
) -> VerificationFailed:
    """Do what ``on_failure`` says; the error that tells of it."""
    seen = "; ".join(findings.problems)
    log = [line for line in findings.log if line not in findings.problems]
    if log:
        seen += ". Postfix's log: " + " / ".join(log[-_LOG_LINES:])
    directory = make().config_directory
    if options["on_failure"] == "fail":
        return VerificationFailed(
            "proving", f"the Postfix of {directory}", seen, "What is configured is in service", result
        )
    needs = strongest(*journal.unverified(directory))
    restored, left = apply.undo(directory)
    if not restored:
        return VerificationFailed(
            "proving",
            f"the Postfix of {directory}",
            seen,
            "Nothing was changed before, so that there is nothing to undo",
            result,
        )
    remedy = "The configuration from before is back and in service"
    if needs == "none":
        needs = "reload"
    try:
        again = _brought_back(make(), needs, ask)
        if again and needs != "restart":
            # A reload does not free a service that master(8) has throttled, and tries again a minute later.
            again = _brought_back(make(), "restart", ask)
        if again:
            remedy = f"The configuration from before is back, but does not hold either: {'; '.join(again)}"
    except PostfixError as error:
        remedy = f"The configuration from before is back, but not in service: {error}"
    if left:
        remedy += f". Left alone, since somebody has changed them meanwhile: {', '.join(left)}"
    return VerificationFailed(
        "proving", f"the Postfix of {directory}", seen, remedy, dict(result, changed=True, restored=restored)
    )


def _brought_back(instance: Instance, needs: str, ask: Probe) -> List[str]:
    """Have Postfix use the old configuration again; what does not hold on its ports, and of master(8)."""
    service = Master(instance)
    service.bring_up(needs)
    findings = VerificationReport()
    options = {"requires": needs, "listeners": "error", "next_hops": "ignore", "timeout": _TIMEOUT}
    _look(service, options, ask, None, findings)
    for program in [] if findings.problems else service.not_woken(_TIMEOUT):
        findings.problems.append(f"{program} has not been started")
    return findings.problems


class VerificationFailed(PostfixError):
    """The configuration does not hold; ``result`` is what the module returns beside the message."""

    def __init__(self, action: str, subject: str, cause: str, remedy: str, result: Dict[str, Any]) -> None:
        super().__init__(action, subject, cause, remedy)
        self.result = result


# Listeners


def _ask_listener(
    instance: Instance,
    listener: listeners_model.Listener,
    options: Mapping[str, Any],
    ask: Probe,
    findings: VerificationReport,
) -> None:
    host = address(instance, listener)
    question = probe_options.ProbeOptions(
        host=host,
        port=port(listener.port),
        implicit_tls=listener.implicit_tls,
        timeout=options["timeout"],
        protocols=False,
    )
    facts = ask(question)
    expected = [found for found in (leaf(instance, path) for path in listener.certificates) if found]
    trusted = listeners_model.in_networks(host, instance.parameters.get("mynetworks", ""))
    problems = listeners_model.listener_faults(listener, facts, expected, trusted)
    for other in for_other_keys(ask, question, facts, expected):
        problems += listeners_model.certificate_faults(listener, other, expected)
    findings.listeners.append(
        {"service": listener.service, "host": host, "port": port(listener.port), "problems": problems}
    )
    for problem in problems:
        findings.add(options["listeners"], f"{listener.name} at {host}: {problem}")


def for_other_keys(
    ask: Probe, question: probe_options.ProbeOptions, facts: Mapping[str, Any], expected: Sequence[str]
) -> Iterator[Dict[str, Any]]:
    """What a port answers to those who can't use the kind of key that it has shown, where it has several certificates.

    :param facts: its answer to the question.
    :param expected: fingerprints of the certificates that it shall serve.
    """
    shown = [certificate.get("key_type") for certificate in facts["chain"][:1]]
    if shown and len(expected) > 1:
        for key_type in probe_options.KEY_TYPES:
            if key_type not in shown:
                yield ask(replace(question, key_type=key_type, relay=False))


def address(instance: Instance, listener: listeners_model.Listener) -> str:
    """Where to reach a listener from here: not by the loopback if it has another address, as strangers do."""
    if listener.host and listener.host not in ("0.0.0.0", "::"):
        return listener.host
    six = instance.parameters.get("inet_protocols", "all").strip() == "ipv6"
    interfaces = re.split(
        r"[\s,]+", listeners_model.expanded_parameter("inet_interfaces", instance.parameters) or "all"
    )
    if interfaces[0] == "all":
        return connection.own_address(six) or ("::1" if six else "127.0.0.1")
    if interfaces[0] in ("loopback-only", "localhost"):
        return "::1" if six else "127.0.0.1"
    return interfaces[0].strip("[]")


def port(name: str) -> int:
    if name.isdigit():
        return int(name)
    known = master_cf.endpoint(name, "inet")[0]
    try:
        return int(known) if known.isdigit() else socket.getservbyname(name, "tcp")
    except OSError as error:
        raise HostError(
            "finding", f"the port {name}", "no such service in /etc/services", "Write its number"
        ) from error


def leaf(instance: Instance, path: str) -> str:
    """The SHA-256 fingerprint of the first certificate in a file; empty if there is none. What else is in it, openssl alone reads."""
    done = instance.run("openssl", "x509", "-in", path, "-outform", "DER", check=False)
    return pem.fingerprint(done.stdout) if done.returncode == 0 else ""


# Next hops


def _send_probes(instance: Instance, options: Mapping[str, Any], findings: VerificationReport) -> Dict[str, str]:
    """Have smtp(8) speak with each next hop that is declared; next hops by recipient."""
    recipients = _recipients(instance)
    recipients.update((recipient, recipient) for recipient in options["recipients"])
    sender = _sender(instance)
    sent = {}
    for recipient, nexthop in recipients.items():
        done = instance.run(
            listeners_model.expanded_parameter("sendmail_path", instance.parameters) or "sendmail",
            "-C",
            instance.config_directory,
            "-bv",
            "-f",
            sender,
            recipient,
            check=False,
        )
        if done.returncode == 0:
            sent[recipient] = nexthop
        else:
            findings.add(options["next_hops"], f"asking smtp(8) about {nexthop}: {done.complaint}")
    return sent


def _recipients(instance: Instance) -> Dict[str, str]:
    """For each next hop with a policy above ``may``, and each of relayhost, a recipient whose mail takes it."""
    resolver = tables.router_of(instance)
    nexthops = routing.elements(resolver.configuration.value("relayhost") or "")
    try:
        for name in resolver.map_names("smtp_tls_policy_maps"):
            entries = resolver.tables.entries(name) or {}
            nexthops += [key for key, value in entries.items() if value.split()[0].lower() not in _WEAK]
    except routing.Unknown:
        return {}
    samples = resolver.samples(list(dict.fromkeys(nexthops)), _sender(instance))
    return {recipient: nexthop for nexthop, recipient in samples.items()}


def _sender(instance: Instance) -> str:
    """Whose mail a probe is: Postfix itself discards the report to this sender (bounce(8))."""
    name = instance.parameters.get("double_bounce_sender", "double-bounce")
    return f"{name}@{listeners_model.expanded_parameter('myhostname', instance.parameters)}"


def _read_verdicts(
    probes: Mapping[str, str], options: Mapping[str, Any], log: Log, findings: VerificationReport
) -> None:
    """Wait for what the log says of each probe."""
    end = time.monotonic() + NEXT_HOP_SECONDS
    verdicts: Dict[str, delivery.Delivery] = {}
    while len(verdicts) < len(probes) and time.monotonic() < end:
        time.sleep(_PAUSE)
        lines = log.lines()
        for recipient in probes:
            verdict = delivery.delivery_of(lines, recipient)
            if verdict is not None:
                verdicts[recipient] = verdict
    for recipient, nexthop in probes.items():
        verdict = verdicts.get(recipient) or delivery.Delivery(
            delivery.UNREACHABLE, "none", False, f"smtp(8) has not logged anything within {NEXT_HOP_SECONDS} seconds"
        )
        findings.next_hops.append({"nexthop": nexthop, "recipient": recipient, **asdict(verdict)})
        said = f"the next hop {nexthop}: {verdict.reason}"
        if verdict.outcome == delivery.FAILED:
            findings.add(options["next_hops"], said)
        elif verdict.outcome == delivery.UNREACHABLE:
            findings.add(options["unreachable"], said)
        elif not verdict.accepted:
            findings.warnings.append(f"the next hop {nexthop} would not take mail for {recipient}: {verdict.reason}")
