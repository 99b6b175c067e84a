# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be wrong with a configuration, and what follows from it. Private to mailops.postfix. Pure.

Each check has a stable name, by which a user makes its findings errors, warnings or nothing. What a change introduces or
declares is an error; what was wrong before, and is not declared now, is at most a warning: an old file must stay manageable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import FrozenSet, Iterable, List, Mapping, Sequence, Tuple

from .._errors import DeclarationError, did_you_mean

SEVERITIES = ("error", "warning", "ignore")

CHECKS: Mapping[str, str] = {
    "unknown_parameter": "a name that this Postfix does not use",
    "undefined_parameter": "a $name that nothing defines",
    "wrong_value": "a value that its parameter can't have",
    "wrong_protocols": "protocols that name no protocol, or leave none",
    "lost_protocols": "a list of protocols that switches off newer ones, such as TLSv1.3, by not naming them",
    "unknown_restriction": "a word in smtpd's restrictions that is none",
    "missing_file": "a file or directory that is not there",
    "unreadable_file": "a file that the process that needs it can't read",
    "wrong_file": "a file of another kind than the parameter needs",
    "key_mismatch": "a private key that does not belong to the certificate",
    "unknown_table_type": "a table of a type that this Postfix lacks",
    "missing_table": "a table that is not there, or is not compiled",
    "wrong_destination": "a relayhost or transport in a syntax that Postfix reads otherwise, or not at all",
    "open_relay": "a listener that relays for strangers, or that refuses to start since it might",
    "auth_without_tls": "passwords that are taken without TLS, or AUTH that is never offered since TLS is off",
    "password_without_tls": "passwords that are sent without TLS",
    "no_certificate": "a server side with TLS and no certificate",
    "no_trusted_ca": "a level that verifies certificates, and no CAs to do it with",
    "dane_without_dnssec": "a dane level without DNSSEC lookups, which is no more than may",
    "weaker_next_hop": "mail that gets past a TLS policy, by another next hop of its route or another name of the same host",
    "unvalidated_dns": "a dane level with a resolver that does not validate DNSSEC, which is no more than may",
    "remote_resolver": "a dane level with a resolver on another host, whose answers can be forged on the way",
    "dead_policy_service": "a service of TLS policies that does not answer, so that all mail is deferred",
    "mta_sts_before_dane": "a service of MTA-STS policies that takes the place of DANE for domains that have both",
    "wrapper_mode": "implicit TLS where STARTTLS is spoken, or the other way round",
    "overridden": "a master.cf option that defeats the main.cf value that is declared",
    "option_syntax": "an -o in master.cf that is no name=value",
    "duplicate_service": "two live entries of master.cf for one service",
    "unknown_command": "a service whose program is not in daemon_directory",
    "missing_service": "a service that master.cf must have for a parameter to work",
    "missing_account": "a user or group that the host does not have",
    "wrong_column": "a column of master.cf that the service can't work with",
    "wrong_listener": "a listener that master(8) stops on",
    "unresolvable_host": "a host name in a listener or in inet_interfaces that can't be resolved now",
    "missing_address": "a listener's address that this host does not have now",
    "port_in_use": "a new listener's port that another program holds",
    "postfix_check": "postfix check fails",
    "postfix_complaint": "postfix check says something that it does not say of the present configuration",
}
"""The names, and what each finds."""

FATAL = frozenset({"wrong_listener", "postfix_check"})
"""Postfix stops, all of it, and no circumstance can make it right: these stay errors."""

ELSEWHERE = frozenset({"no_certificate", "no_trusted_ca", "missing_service"})
"""What another task may still bring: warnings by default in the modules that manage one file."""

UNUSED = frozenset({"missing_account", "unknown_parameter"})
"""Silent where it was so before: distributions ship services for accounts that nobody has, and old files hold old names."""

ALWAYS_WARNINGS = frozenset({"undefined_parameter", "duplicate_service", "remote_resolver"})
"""Postfix lives with these, and so do some administrators."""

Setting = Tuple[str, str]
"""``("main", parameter)``, or a service as NAME/TYPE and an option or column of it."""


@dataclass(frozen=True)
class Finding:
    """One finding."""

    check: str
    subject: str
    """What is wrong: a parameter with its value, or a service."""
    cause: str
    remedy: str
    where: str = ""
    """File and line; empty for what no file says."""
    touches: FrozenSet[Setting] = frozenset()
    """What it would be mended by; a declaration of any of them makes it the declaration's problem."""
    severity: str = "error"
    """What it is at most unless the user says otherwise."""
    elsewhere: bool = False
    """Whether another task may still mend it: a warning in the modules that manage one file."""

    @property
    def identity(self) -> Tuple[str, str, str]:
        """Equal before and after for what was there before; lines move."""
        return self.check, self.subject, self.cause

    @property
    def what(self) -> str:
        """The subject with its place."""
        return f"{self.subject} ({self.where})" if self.where else self.subject

    def __str__(self) -> str:
        remedy = f". {self.remedy}" if self.remedy else ""
        return f"{self.what}: {self.cause}{remedy} [{self.check}]"


def severities(declared: Mapping[str, str]) -> Mapping[str, str]:
    """The option ``checks``.

    :raises DeclarationError: for a name or a severity that does not exist, and for what can't be negotiated.
    """
    for name, severity in declared.items():
        if name not in CHECKS:
            hint = did_you_mean(str(name), CHECKS)
            raise DeclarationError(
                "reading option",
                f"checks: {name}",
                "there is no such check",
                f"{hint}The checks are {', '.join(CHECKS)}",
            )
        if severity not in SEVERITIES:
            raise DeclarationError(
                "reading option", f"checks: {name}: {severity}", "no such severity", f"Write {', '.join(SEVERITIES)}"
            )
        if name in FATAL and severity != "error":
            raise DeclarationError(
                "reading option",
                f"checks: {name}: {severity}",
                "the whole mail system stops on what it finds",
                "Leave it out, or write error",
            )
    return declared


def classify(
    before: Iterable[Finding],
    after: Iterable[Finding],
    declared: FrozenSet[Setting],
    wanted: Mapping[str, str],
    elsewhere: bool,
) -> Tuple[Sequence[Finding], Sequence[Finding]]:
    """Errors and warnings.

    :param before: what is wrong with the configuration as it is.
    :param after: what would be wrong with it.
    :param declared: what the user declares.
    :param wanted: severities that the user has chosen.
    :param elsewhere: whether the rest of the configuration may come from other tasks.
    """
    known = {problem.identity for problem in before}
    errors: List[Finding] = []
    warnings: List[Finding] = []
    for problem in {problem.identity: problem for problem in after}.values():
        severity = wanted.get(problem.check)
        if severity is None:
            mild = problem.check in ALWAYS_WARNINGS or (elsewhere and (problem.elsewhere or problem.check in ELSEWHERE))
            severity = "warning" if mild else problem.severity
            if problem.identity in known and not problem.touches & declared:
                severity = "ignore" if problem.check in UNUSED else "warning"
        if severity != "ignore":
            (errors if severity == "error" else warnings).append(problem)
    return errors, warnings


def raise_errors(errors: Sequence[Finding]) -> None:
    """Raise one error for all that is wrong.

    :raises DeclarationError: if there is anything.
    """
    if not errors:
        return
    first, *others = errors
    remedy = f"{first.remedy} [{first.check}]".strip()
    if others:
        remedy += "\nAlso:\n" + "\n".join(f"  {problem}" for problem in others)
    raise DeclarationError("setting", first.what, first.cause, remedy)
