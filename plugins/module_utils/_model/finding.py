# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks of a configuration, and the severity of their findings. Private to mailops.postfix. Pure.

Each check has a stable name, by which a user sets the severity of its findings. A finding that a change introduces, or in
what it declares, is an error; an older one is at most a warning, so that old files stay manageable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, FrozenSet, Iterable, List, Mapping, Sequence, Tuple

from .._errors import DeclarationError, did_you_mean

SEVERITIES = ("error", "warning", "ignore")

CHECKS: Mapping[str, str] = {
    "unknown_parameter": "a name that this Postfix does not use",
    "deprecated_parameter": "a name that a later Postfix does not have",
    "undefined_parameter": "a $name that nothing defines",
    "wrong_value": "a value that is not valid for its parameter",
    "wrong_protocols": "protocols with an unknown name, or none that is left enabled",
    "unknown_group": "a key exchange group that OpenSSL does not have, which Postfix skips",
    "lost_protocols": "a list of protocols that switches off newer ones, such as TLSv1.3, by not naming them",
    "unknown_restriction": "a word in smtpd's restrictions that is not a restriction",
    "missing_file": "a file or directory that does not exist",
    "unreadable_file": "a file that the process that needs it can't read",
    "wrong_file": "a file of another kind than the parameter needs",
    "key_mismatch": "a private key that does not belong to the certificate",
    "unknown_table_type": "a table of a type that this Postfix lacks",
    "missing_table": "a table that does not exist, or is not compiled",
    "wrong_destination": "a relayhost or transport in a syntax that Postfix rejects, or reads differently",
    "open_relay": "a listener that relays for strangers, or that refuses to start since it might",
    "missing_auth": "restrictions that only authenticated clients pass, on a port that offers no AUTH",
    "auth_without_tls": "passwords that are accepted without TLS, or AUTH that is never offered since TLS is off",
    "password_without_tls": "passwords that are sent without TLS",
    "unused_password": "a password that smtp(8) does not find for the next hop that it is for",
    "no_certificate": "a server with TLS and without a certificate",
    "no_trusted_ca": "a level that verifies certificates, without trusted CAs",
    "dane_without_dnssec": "a dane level without DNSSEC lookups, which Postfix downgrades to may",
    "weaker_next_hop": "mail that bypasses a TLS policy, through another next hop or another name of the same host",
    "shadowed_policy": "a TLS policy that Postfix does not use, since another table has one for the same next hop, or no parameter names its table",
    "tls_required": "senders that may bypass TLS policies with the header TLS-Required: no",
    "unvalidated_dns": "a dane level with a resolver that does not validate DNSSEC, which Postfix downgrades to may",
    "remote_resolver": "a dane level with a resolver on another host, whose answers can be forged on the way",
    "dead_policy_service": "a TLS policy service that does not answer, so that all mail is deferred",
    "mta_sts_before_dane": "an MTA-STS policy service that takes the place of DANE for domains that have both",
    "wrapper_mode": "implicit TLS where clients use STARTTLS, or the other way round",
    "overridden": "a master.cf option that overrides the declared main.cf value",
    "option_syntax": "an -o in master.cf that is not name=value",
    "duplicate_service": "two live entries of master.cf for one service",
    "unknown_command": "a service whose program is not in daemon_directory",
    "missing_service": "a service that master.cf must have for a parameter to work",
    "missing_account": "a user or group that the host does not have",
    "wrong_column": "a column of master.cf that the service can't work with",
    "wrong_listener": "a listener that master(8) stops on",
    "unresolvable_host": "a host name in a listener or in inet_interfaces that can't be resolved now",
    "missing_address": "a listener's address that this host does not have now",
    "port_in_use": "a new listener's port that another program uses",
    "server_names": "a table of server names with a wrong key, a missing file, or compiled without its files",
    "no_listener": "a mail relay or smarthost that no other host can reach",
    "postfix_check": "postfix check fails",
    "postfix_complaint": "postfix check warns of something new",
}
"""The names of the checks, and what each finds."""

FATAL = frozenset({"wrong_listener", "postfix_check"})
"""Postfix stops on these: they stay errors."""

STANDALONE_WARNINGS = frozenset({"no_certificate", "no_trusted_ca", "missing_service"})
"""Another task may fix these: warnings by default in the modules that manage one file."""

UNUSED = frozenset({"missing_account", "unknown_parameter", "deprecated_parameter"})
"""Ignored where they are old: distributions ship services for accounts that do not exist, and old files have old names."""

ALWAYS_WARNINGS = frozenset(
    {"unknown_group", "deprecated_parameter", "undefined_parameter", "duplicate_service", "remote_resolver"}
)
"""Postfix works with these."""

Setting = Tuple[str, str]
"""``("main", parameter)``, or ``(NAME/TYPE, option or column)`` of a service."""


@dataclass(frozen=True)
class Finding:
    """One finding."""

    check: str
    subject: str
    """What is wrong: a parameter with its value, or a service."""
    cause: str
    remedy: str
    where: str = ""
    """File and line; empty for a default."""
    settings: FrozenSet[Setting] = frozenset()
    """The settings that can fix it; a finding in a declared setting is an error."""
    severity: str = "error"
    """Its severity unless the user sets another."""
    standalone: bool = False
    """Whether another task may still fix it: a warning in the modules that manage one file."""
    hint: Callable[[], str] = field(default=str, compare=False)
    """The start of the remedy, where it is expensive: computed only for a finding that is reported."""

    @property
    def advice(self) -> str:
        """The whole remedy."""
        return self.hint() + self.remedy

    @property
    def identity(self) -> Tuple[str, str, str]:
        """The same before and after a change, without the line."""
        return self.check, self.subject, self.cause

    @property
    def what(self) -> str:
        """The subject with its place."""
        return f"{self.subject} ({self.where})" if self.where else self.subject

    def __str__(self) -> str:
        advice = self.advice
        remedy = f". {advice}" if advice else ""
        return f"{self.what}: {self.cause}{remedy} [{self.check}]"


def severities(declared: Mapping[str, str]) -> Mapping[str, str]:
    """Validate the option ``checks``.

    :raises DeclarationError: for an unknown name or severity, and for a check that must stay an error.
    """
    for name, severity in declared.items():
        if name not in CHECKS:
            hint = did_you_mean(str(name), CHECKS)
            raise DeclarationError(
                "reading option",
                f"checks: {name}",
                f"{name!r} is not a valid check",
                f"{hint}The checks are {', '.join(CHECKS)}",
            )
        if severity not in SEVERITIES:
            raise DeclarationError(
                "reading option",
                f"checks: {name}: {severity}",
                f"{severity!r} is not a valid severity",
                f"Write {', '.join(SEVERITIES)}",
            )
        if name in FATAL and severity != "error":
            raise DeclarationError(
                "reading option",
                f"checks: {name}: {severity}",
                "Postfix stops on what this check finds",
                "Leave it out, or write error",
            )
    return declared


def classify(
    before: Iterable[Finding],
    after: Iterable[Finding],
    declared: FrozenSet[Setting],
    wanted: Mapping[str, str],
    standalone: bool,
) -> Tuple[Sequence[Finding], Sequence[Finding]]:
    """Return the errors and the warnings.

    :param before: the findings of the present configuration.
    :param after: the findings of the new one.
    :param declared: the settings that the user declares.
    :param wanted: the severities that the user sets.
    :param standalone: whether the rest of the configuration may come from other tasks.
    """
    known = {problem.identity for problem in before}
    errors: List[Finding] = []
    warnings: List[Finding] = []
    for problem in {problem.identity: problem for problem in after}.values():
        severity = wanted.get(problem.check)
        if severity is None:
            mild = problem.check in ALWAYS_WARNINGS or (
                standalone and (problem.standalone or problem.check in STANDALONE_WARNINGS)
            )
            severity = "warning" if mild else problem.severity
            if problem.identity in known and not problem.settings & declared:
                severity = "ignore" if problem.check in UNUSED else "warning"
        if severity != "ignore":
            (errors if severity == "error" else warnings).append(problem)
    return errors, warnings


def raise_errors(errors: Sequence[Finding]) -> None:
    """Raise one DeclarationError for all errors, if there are any."""
    if not errors:
        return
    first, *others = errors
    remedy = f"{first.advice} [{first.check}]".strip()
    if others:
        remedy += "\nAlso:\n" + "\n".join(f"  {problem}" for problem in others)
    raise DeclarationError("setting", first.what, first.cause, remedy)
