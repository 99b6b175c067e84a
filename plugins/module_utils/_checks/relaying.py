# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Open relays: what smtpd(8) would permit to clients that have nothing to do with this host. Private to mailops.postfix. Pure.

The restrictions are followed for sessions of strangers, and their tables are looked up, whatever their type. What can't be judged is a
warning where it decides.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Dict, Iterator, List, Optional, Tuple

from .._formats.main_cf import words
from .._formats.master_cf import MasterEntry
from .._model import strangers
from .._model.configuration import MAIN, Configuration, shown
from .._model.domain_lists import bare, with_files_read
from .._model.finding import Finding
from .._model.match_list import network
from .._model.reachability import listens_on_loopback
from .._model.relaying import CLIENT_CAS, LISTS, PERMITTED, Relaying, Verdict, meaning
from .._model.restrictions import ACCESS_LISTS, CLOSING
from .._model.routing import Router, TableLookup, Unknown
from .._model.smtp_session import FORGEABLE, Session, forged

CHECK = "open_relay"

_REQUIRED_IN = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")
_REMEDY = "Write smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination, or end the list with reject"
_FORGERIES = 20
"""So many keys of a table at most are tried as what a client forges."""

Case = Tuple[Session, str]
"""A session, and how messages describe its client."""


def relaying_findings(configuration: Configuration, tables: TableLookup) -> Iterator[Finding]:
    """The findings of this module."""
    for service in configuration.of_command("smtpd"):
        if service.column("type") not in ("inet", "pass"):
            continue
        if any(configuration.value(name, service) is None for name in LISTS):
            continue
        relaying = Relaying(configuration, service, tables)
        if not any(_mentions(relaying, relaying.lists[name]) for name in _REQUIRED_IN):
            yield _unprotected(configuration, service)
        elif not listens_on_loopback(configuration, service):
            yield from _of_strangers(configuration, service, relaying, tables)
            yield from _client_lists(configuration, service, relaying)
            yield from _proxy_protocol(configuration, service)
    yield from _any_domain(configuration, tables)


# What the restrictions permit


def _mentions(relaying: Relaying, elements: List[str], depth: int = 0) -> bool:
    """Whether the list has one of the restrictions without which smtpd(8) does not start."""
    return any(word.lower() in CLOSING for word in elements) or any(
        word in relaying.classes
        and depth < len(relaying.classes)
        and _mentions(relaying, relaying.classes[word], depth + 1)
        for word in elements
    )


def _of_strangers(
    configuration: Configuration, service: MasterEntry, relaying: Relaying, tables: TableLookup
) -> Iterator[Finding]:
    _prepare(relaying, tables, [Session(address) for address in strangers.ADDRESSES])
    verdicts = {address: relaying.verdict(Session(address)) for address in strangers.ADDRESSES}
    permitted = [address for address, verdict in verdicts.items() if verdict.relays]
    if len(set(map(strangers.owner, permitted))) > 1:
        yield _open(configuration, service, verdicts[permitted[-1]], "an unknown client")
        return
    (address, *_others) = [address for address in strangers.ADDRESSES if address not in permitted]
    cases = _cases(configuration, service, relaying, tables, address)
    _prepare(relaying, tables, [session for session, _client in cases])
    seen = set()
    by_network: Dict[str, List[Verdict]] = {}
    for session, client in cases:
        verdict = relaying.verdict(session)
        if not verdict.relays:
            continue
        if session.address not in strangers.ADDRESSES:
            by_network.setdefault(client, []).append(verdict)
            continue
        finding = _open(configuration, service, verdict, client)
        if finding.identity not in seen:
            seen.add(finding.identity)
            yield finding
    for client, members in by_network.items():
        if len(members) > 1:
            yield _open(configuration, service, members[0], client)
            return
    if not seen:
        session = Session(address, certified=_asks_for_certificates(configuration, service))
        yield from _undecided(configuration, service, relaying.verdict(session, permissive=True))


def _cases(
    configuration: Configuration, service: MasterEntry, relaying: Relaying, tables: TableLookup, address: str
) -> List[Case]:
    """Sessions of clients that choose what they can choose, or that have what many have.

    :param address: one that is not permitted as such.
    """
    cases: List[Case] = []
    networks = _network_elements(relaying, tables)
    elements = [*networks, *(key for name in networks for key, _value in tables.rules(bare(name.lstrip("!"))))]
    domains = dict.fromkeys(strangers.TOP_LEVEL_DOMAINS if _depends_on_names(relaying, tables) else ())
    own = _own_names(configuration)
    for _name, restriction in relaying.used():
        kind = restriction.name[len("check_") : -len("_access")] if ACCESS_LISTS.fullmatch(restriction.name) else ""
        keys = _permitting_keys(tables, restriction.argument) if kind else []
        if kind in ("client", "recipient"):
            elements += keys
            domains.update(dict.fromkeys(key.lstrip(".") for key in keys if re.fullmatch(r"\.?[a-z]{2,}", key)))
        elif kind in FORGEABLE:
            for key in dict.fromkeys([*keys[:_FORGERIES], *own]):
                session = forged(kind, key, Session(address))
                if kind != "sender" or "@" in session.sender or not session.sender:
                    what = {"sender": "sender", "helo": "name in HELO"}.get(kind, "name in its reverse zone")
                    cases.append((session, f"every client that writes {key} as {what}"))
    for block in strangers.large_networks(elements):
        cases += [(Session(member), f"every client in {block}") for member in strangers.members(block)]
    for domain in domains:
        cases.append((Session(address, name=f"mail.stranger.{domain}"), f"every client whose name ends in .{domain}"))
        cases.append(
            (Session(address, recipient=f"a@elsewhere.{domain}"), f"an unknown client to domains in .{domain}")
        )
    if _asks_for_certificates(configuration, service):
        certified = [Session(address, fingerprint=text) for text in strangers.FINGERPRINTS]
        cases += [(session, "a client with any certificate, even one of its own making,") for session in certified]
        cases.append((Session(address, certified=True), "a client with a certificate of any public CA"))
    return cases


def _asks_for_certificates(configuration: Configuration, service: MasterEntry) -> bool:
    return any(configuration.is_on(f"smtpd_tls_{name}_ccert", service) for name in ("ask", "req"))


def _depends_on_names(relaying: Relaying, tables: TableLookup) -> bool:
    """Whether restrictions look up names of clients or recipients."""
    kinds = {restriction.name for _name, restriction in relaying.used()}
    named = [element for element in _network_elements(relaying, tables) if network(element) is None]
    return bool(named) or not kinds.isdisjoint({"check_client_access", "check_recipient_access"})


def _network_elements(relaying: Relaying, tables: TableLookup) -> List[str]:
    """The elements of mynetworks, those of its files included."""
    elements = words(relaying.value("mynetworks"))
    try:
        return with_files_read(elements, tables.words)
    except Unknown:
        return elements  # the verdict says so


def _permitting_keys(tables: TableLookup, table: str) -> List[str]:
    """The keys of an access table that do not reject, as far as they can be listed."""
    name = bare(table)
    entries = tables.entries(name)
    if entries is not None:
        return [key for key, value in entries.items() if meaning(value) in (PERMITTED, None)]
    examples = [
        key if name.startswith("cidr:") else strangers.example_of(key)
        for key, value in tables.rules(name)
        if meaning(value) in (PERMITTED, None)
    ]
    return [example for example in examples if example]


def _own_names(configuration: Configuration) -> List[str]:
    """Names that tables would have as the host's own: its domains."""
    result = []
    for name in ("mydomain", "myhostname", "mydestination", "relay_domains", "virtual_mailbox_domains"):
        result += [word for word in words(configuration.value(name) or "") if re.fullmatch(r"[\w.-]+\.\w+", word)]
    return list(dict.fromkeys(result))[:10]


class _Recorder(TableLookup):
    """Tables without answers, which keep what they are asked for."""

    def __init__(self, tables: TableLookup) -> None:
        super().__init__()
        self._tables = tables
        self.asked: Dict[str, List[str]] = {}

    def find(self, name: str, key: str) -> Optional[str]:
        self.asked.setdefault(name, []).append(key)
        return None

    def words(self, path: str) -> List[str]:
        return list(self._tables.words(path))


def _prepare(relaying: Relaying, tables: TableLookup, sessions: List[Session]) -> None:
    """Look up at once what the sessions need of each table."""
    recorder = _Recorder(tables)
    trial = relaying.with_tables(recorder)
    for session in sessions:
        trial.verdict(session)
    for name, keys in recorder.asked.items():
        tables.prepare(name, keys)


# Findings


def _unprotected(configuration: Configuration, service: MasterEntry) -> Finding:
    return replace(
        _finding(
            configuration,
            service,
            "",
            "they do not reject mail from unknown clients to remote domains, and smtpd(8) does not start without that",
            _REMEDY,
        ),
        standalone=_is_incomplete(configuration, service),
    )


def _open(configuration: Configuration, service: MasterEntry, verdict: Verdict, client: str) -> Finding:
    in_lists = {reason.list_name: reason for reason in reversed(verdict.reasons)}
    decisive = next((in_lists[name] for name in _REQUIRED_IN if name in in_lists), None)
    if decisive is None:
        cause = f"mail from {client} to a remote domain is permitted, because no restriction rejects it"
        return replace(
            _finding(configuration, service, "", cause, _REMEDY), standalone=_is_incomplete(configuration, service)
        )
    if decisive.parameter == "mynetworks":
        return Finding(
            CHECK,
            f"mynetworks with {decisive.text} in service {service.key}",
            f"it makes {client} a trusted one, which may relay to any destination",
            "List your own networks",
            configuration.where("mynetworks", service),
            configuration.settings_of(service, "mynetworks", *_REQUIRED_IN),
        )
    cause = f"mail from {client} to a remote domain is permitted by {decisive.text}"
    own_ca = "Name a file with your own CA only in smtpd_tls_CAfile, or write permit_tls_clientcerts and list your clients in relay_clientcerts"
    remedy = {
        "relay_clientcerts": "List the fingerprints of your own clients",
        **dict.fromkeys(CLIENT_CAS, own_ca),
    }.get(
        decisive.parameter,
        f"Write reject_unauth_destination before it, or have it answer DUNNO. {_REMEDY}",
    )
    return replace(
        _finding(configuration, service, decisive.parameter, cause, remedy),
        standalone=_is_incomplete(configuration, service),
    )


def _undecided(configuration: Configuration, service: MasterEntry, verdict: Verdict) -> Iterator[Finding]:
    if verdict.relays and verdict.unknown:
        what = " and ".join(f"{text} ({cause})" for text, cause in verdict.unknown.items())
        cause = f"whether mail from unknown clients to remote domains is permitted depends on {what}, and can't be judged here"
        remedy = "Write reject_unauth_destination before it, or see to it that it permits your own clients only"
        yield replace(_finding(configuration, service, "", cause, remedy), severity="warning")


def _finding(configuration: Configuration, service: MasterEntry, parameter: str, cause: str, remedy: str) -> Finding:
    described = [parameter] if parameter else [name for name in _REQUIRED_IN if configuration.where(name, service)]
    described = described or ["smtpd_relay_restrictions"]
    classes = words(configuration.value("smtpd_restriction_classes", service) or "")
    names = (*LISTS, "mynetworks", "relay_clientcerts", *CLIENT_CAS, "smtpd_restriction_classes", *classes)
    return Finding(
        CHECK,
        f"{' and '.join(described)} of service {service.key}",
        cause,
        remedy,
        configuration.where(described[0], service) or configuration.place(service),
        configuration.settings_of(service, *names),
    )


def _is_incomplete(configuration: Configuration, service: MasterEntry) -> bool:
    """Whether a list refers to a parameter that is not defined yet."""
    values = [configuration.raw(service).get(name, "") for name in LISTS]
    names = [name for value in values for name in re.findall(r"\$[({]?(\w+)", value)]
    return any(name not in configuration.raw(None) for name in names)


# Other ways in


def _client_lists(configuration: Configuration, service: MasterEntry, relaying: Relaying) -> Iterator[Finding]:
    """Clients that may claim to be others, and permit_mx_backup without limits."""
    for name, cause, severity in (
        ("smtpd_authorized_xclient_hosts", "they may write any address in XCLIENT, also one of mynetworks", "error"),
        (
            "smtpd_authorized_xforward_hosts",
            "they may write any client in XFORWARD, which logs and filters believe",
            "warning",
        ),
    ):
        found = []
        try:
            found = [
                element
                for address in strangers.ADDRESSES
                for element in [relaying.network_element(Session(address), name)]
                if element
            ]
        except Unknown as error:
            yield replace(
                _finding(
                    configuration,
                    service,
                    name,
                    f"its members can't be judged here: {error}",
                    "List the hosts themselves",
                ),
                severity="warning",
            )
        if len(found) > 1:
            found_in = f"{found[0]} has unknown clients: {cause}"
            yield replace(
                _finding(configuration, service, name, found_in, "List your own proxies and filters only"),
                settings=configuration.settings_of(service, name, "mynetworks"),
                severity=severity,
            )
    used = [name for name, restriction in relaying.used() if restriction.name == "permit_mx_backup"]
    if used and not relaying.value("permit_mx_backup_networks"):
        cause = (
            "permit_mx_backup without permit_mx_backup_networks relays to every domain whose MX record names this host"
        )
        remedy = "Write the networks of the primary servers in permit_mx_backup_networks, or list the domains in relay_domains"
        yield replace(_finding(configuration, service, used[0], cause, remedy), severity="warning")


def _proxy_protocol(configuration: Configuration, service: MasterEntry) -> Iterator[Finding]:
    name = "smtpd_upstream_proxy_protocol"
    if service.column("type") == "inet" and configuration.value(name, service):
        cause = "every client that reaches this port may write any address in the PROXY header, also one of mynetworks"
        remedy = "Let the service listen on an address that only the proxy reaches"
        yield replace(
            _finding(configuration, service, name, cause, remedy),
            settings=configuration.settings_of(service, name),
            severity="warning",
        )


def _any_domain(configuration: Configuration, tables: TableLookup) -> Iterator[Finding]:
    """Lists of own domains that have all domains, or all of a top-level domain."""
    services = [service for service in configuration.of_command("smtpd") if service.column("type") in ("inet", "pass")]
    if services and all(listens_on_loopback(configuration, service) for service in services):
        return
    router = Router(configuration, tables)
    domains = [f"elsewhere.{domain}" for domain in (*strangers.TOP_LEVEL_DOMAINS, "invalid")]
    for name in ("relay_domains", "mydestination", "virtual_mailbox_domains", "virtual_alias_domains"):
        if name not in configuration.entries:
            continue  # a table of aliases that catches all mail relays none
        try:
            found = [domain for domain in domains if router.is_listed(domain, name, hosts=name == "relay_domains")]
        except Unknown as error:
            yield _about_domains(
                configuration, name, f"whether it has every domain can't be judged here: {error}", "warning"
            )
            continue
        if found:
            domain = found[0]
            scope = "every domain" if len(found) == len(domains) else f"every domain in .{domain.rpartition('.')[2]}"
            cause = f"it lets unknown clients send mail to {scope}"
            yield _about_domains(configuration, name, cause, "error")


def _about_domains(configuration: Configuration, name: str, cause: str, severity: str) -> Finding:
    entry = configuration.entries.get(name)
    subject = shown(name, entry.value) if entry else name
    return Finding(
        CHECK,
        subject,
        cause,
        "List your own domains",
        configuration.where(name),
        frozenset([(MAIN, name)]),
        severity,
    )
