# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings and resolvers with which Postfix downgrades level dane to may, and dane-only fails. Private to mailops.postfix. Pure.

Source: dane_init() in src/smtp/smtp_tls_policy.c, and RFC 7672. The caller queries the resolver.
"""

from __future__ import annotations

import ipaddress
from typing import Callable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .._formats.lookup_table import KEYED
from .._formats.main_cf import braced_words, words
from .._formats.master_cf import MasterEntry
from .._model import mta_sts
from .._model.configuration import Configuration, shown
from .._model.finding import Finding
from .facts import DnsAnswer, DnsQuestion

DEFAULT_PROBE = "ns:."
"""Postfix's default for dnssec_probe (postconf(5)): the name servers of the root."""


class Resolver(NamedTuple):
    """A question to a client's resolver, and the answers."""

    resolv_conf: str
    """The file that names its nameservers."""
    question: DnsQuestion
    answers: Mapping[str, Optional[DnsAnswer]]
    bogus: Mapping[str, Sequence[str]] = {}
    """Names with invalid signatures, and the nameservers that resolved each."""


class Reliance(NamedTuple):
    """A service that relies on DANE."""

    service: MasterEntry
    side: str
    parameter: str
    """The parameter with the dane level, or with the table that returns one."""
    consequence: str
    """The effect where DANE does not work."""


Entries = Callable[[str, str], Optional[Mapping[str, str]]]


def _no_entries(map_type: str, path: str) -> Optional[Mapping[str, str]]:
    return None


def relying(configuration: Configuration, entries: Entries = _no_entries) -> Iterator[Reliance]:
    """The services that rely on DANE.

    :param entries: the entries of a policy table, by its type and path; None if they are unknown.
    """
    for side in ("smtp", "lmtp"):
        level, maps = f"{side}_tls_security_level", f"{side}_tls_policy_maps"
        for service in configuration.of_command(side):
            if configuration.level(service, side) == "dane":
                yield Reliance(service, side, level, "Postfix downgrades it to may")
            elif configuration.level(service, side) == "dane-only":
                yield Reliance(service, side, level, "Postfix treats it as an error for each message")
            elif mta_sts.answers_dane(configuration.value(maps, service) or ""):
                yield Reliance(service, side, maps, "Postfix treats its dane-only as an error for each message")
            else:
                yield from _by_policy(configuration, service, side, entries)


def _by_policy(configuration: Configuration, service: MasterEntry, side: str, entries: Entries) -> Iterator[Reliance]:
    maps = f"{side}_tls_policy_maps"
    for word in braced_words(configuration.value(maps, service) or ""):
        map_type, _colon, path = word.rpartition("proxy:")[2].partition(":")
        found = entries(map_type, path) if map_type in KEYED else None
        for key, value in (found or {}).items():
            level = "".join(words(value)[:1]).lower()
            if level in ("dane", "dane-only"):
                policy = f"the policy for {key} in {path}"
                consequence = (
                    f"Postfix downgrades {policy} to may"
                    if level == "dane"
                    else f"Postfix treats {policy} as an error for each message"
                )
                yield Reliance(service, side, maps, consequence)
                break


def dane_findings(configuration: Configuration) -> Iterator[Finding]:
    """Settings that keep Postfix from making DNSSEC lookups."""
    for reliance in relying(configuration):
        for name, defeats, cause, remedy in _defeating(reliance.side):
            value = configuration.value(name, reliance.service)
            if value is not None and defeats(words(value.lower())):
                yield Finding(
                    "dane_without_dnssec",
                    _subject(configuration, reliance, name),
                    f"{cause}: {reliance.consequence}",
                    remedy,
                    _where(configuration, reliance),
                    configuration.settings_of(reliance.service, reliance.parameter, name),
                )


def _defeating(side: str) -> List[Tuple[str, Callable[[List[str]], bool], str, str]]:
    support, lookup, options = f"{side}_dns_support_level", f"{side}_host_lookup", f"{side}_dns_resolver_options"
    result: List[Tuple[str, Callable[[List[str]], bool], str, str]] = [
        (
            support,
            lambda value: [word.lower() for word in value] != ["dnssec"],
            "without DNSSEC lookups Postfix cannot authenticate a server",
            f"Write {support} = dnssec, on a host whose resolver validates",
        ),
        (
            lookup,
            lambda value: "dns" not in value,
            "Postfix does not look up hosts in the DNS",
            f"Write {lookup} = dns",
        ),
        (
            options,
            lambda value: bool({"res_defnames", "res_dnsrch"} & set(value)),
            "names may be completed, and the records belong to another domain",
            f"Remove {options}",
        ),
    ]
    if side == "smtp":
        name = "ignore_mx_lookup_error"
        cause = "an attacker who suppresses the MX record can redirect mail"
        result.append((name, lambda value: value == ["yes"], cause, f"Remove {name}"))
    return result


def unvalidated_findings(
    configuration: Configuration, resolver: Callable[[str], Resolver], entries: Entries = _no_entries
) -> Iterator[Finding]:
    """Services that rely on DANE with a resolver that does not validate, or is on another host.

    :param resolver: returns the answers of a service's (NAME/TYPE) resolver.
    """
    for reliance in relying(configuration, entries):
        if (configuration.value(f"{reliance.side}_dns_support_level", reliance.service) or "").lower() != "dnssec":
            continue  # which is another finding
        seen = resolver(reliance.service.key)
        subject, where = _subject(configuration, reliance), _where(configuration, reliance)
        settings = configuration.settings_of(reliance.service, reliance.parameter, "dnssec_probe")
        cause = distrust(seen)
        if cause:
            yield Finding("unvalidated_dns", subject, f"{cause}: {reliance.consequence}", REMEDY, where, settings)
        remote = [nameserver for nameserver in seen.answers if not is_local(nameserver)]
        if remote and not cause:
            yield Finding(
                "remote_resolver",
                subject,
                f"{' and '.join(remote)} ({seen.resolv_conf}) is another host: an attacker between the two can forge its answers",
                "Run a validating resolver on this host",
                where,
                settings,
            )


REMEDY = (
    "Run a resolver that validates DNSSEC, such as Unbound, name it in /etc/resolv.conf, and restart Postfix if it is chrooted, "
    "since it has a copy of that file"
)


def distrust(seen: Resolver) -> str:
    """Why answers are not validated; empty if they are. Nameservers that do not answer are ignored."""
    answered = {nameserver: answer for nameserver, answer in seen.answers.items() if answer is not None}
    if not answered:
        return f"no nameserver in {seen.resolv_conf} answers ({', '.join(seen.answers)})"
    for nameserver, answer in answered.items():
        if answer.rcode != "NOERROR":
            what = f"the nameserver {nameserver} in {seen.resolv_conf} answers {answer.rcode} to {seen.question}"
            return f"{what} (dnssec_probe), which must be signed"
        if not answer.validated:
            return (
                f"the nameserver {nameserver} in {seen.resolv_conf} does not validate DNSSEC: "
                f"its answer to {seen.question} (dnssec_probe) is not marked as validated"
            )
    for name, nameservers in seen.bogus.items():
        if nameservers:
            return (
                f"the nameserver {nameservers[0]} in {seen.resolv_conf} does not enforce DNSSEC: "
                f"it resolves {name}, whose signatures are invalid"
            )
    return ""


def is_local(nameserver: str) -> bool:
    """Whether a nameserver is this host."""
    try:
        return ipaddress.ip_address(nameserver.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _subject(configuration: Configuration, reliance: Reliance, *more: str) -> str:
    raw = configuration.raw(reliance.service)
    names = (reliance.parameter, *more)
    own = any(name in reliance.service.effective_options for name in names)
    settings = " with ".join(shown(name, raw.get(name, "")) for name in names)
    return f"{settings} in service {reliance.service.key}" if own else settings


def _where(configuration: Configuration, reliance: Reliance) -> str:
    return configuration.where(reliance.parameter, reliance.service) or configuration.place(reliance.service)
