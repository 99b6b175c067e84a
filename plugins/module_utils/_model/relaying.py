# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What smtpd(8)'s restrictions decide about a session whose recipient is in a remote domain. Private to mailops.postfix. Pure.

Source: postconf(5), access(5), src/smtpd/smtpd_check.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Optional, Tuple

from .._formats.main_cf import braced_words, words
from .._formats.master_cf import MasterEntry
from .configuration import Configuration
from .domain_lists import bare
from .match_list import matching_element
from .restrictions import CLOSING, Restriction, restrictions
from .routing import TableLookup, Unknown, is_pattern
from .smtp_session import Session, access_keys

LISTS: Dict[str, str] = {
    "smtpd_client_restrictions": "check_client_access",
    "smtpd_helo_restrictions": "check_helo_access",
    "smtpd_sender_restrictions": "check_sender_access",
    "smtpd_relay_restrictions": "check_recipient_access",
    "smtpd_recipient_restrictions": "check_recipient_access",
    "smtpd_data_restrictions": "",
    "smtpd_end_of_data_restrictions": "",
}
"""The lists that decide about a recipient or a message, each with what a table on its own means."""

_AFTER_RECIPIENTS = ("smtpd_data_restrictions", "smtpd_end_of_data_restrictions")
_ACCESS = re.compile(r"check_(\w+)_access")
_OWNED_SENDERS = ("reject_sender_login_mismatch", "reject_unauthenticated_sender_login_mismatch")
_REJECTING = ("reject", "defer", "defer_if_permit", "discard")
_OTHER_ACTIONS = ("dunno", "hold", "filter", "redirect", "bcc", "prepend", "warn", "info", "defer_if_reject")
_DEPTH = 10
CLIENT_CAS = ("smtpd_tls_CAfile", "smtpd_tls_CApath", "tls_append_default_CA")
"""The parameters of the CAs by which smtpd(8) verifies clients."""
_SYSTEM_DIRECTORIES = ("/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/openssl/certs", "/var/lib/ca-certificates/openssl")
_OWN_CAS = 20
"""A file with more CAs is one of public CAs."""

CLOSED, PERMITTED, UNDECIDED = "closed", "permitted", ""


@dataclass(frozen=True)
class Reason:
    """What permits mail, or may permit it."""

    parameter: str
    """The list, or mynetworks or relay_clientcerts."""
    text: str
    """``permit``, or ``check_sender_access hash:/etc/postfix/senders, which answers OK for example.com``."""
    list_name: str
    """The list that it ends."""


@dataclass
class Verdict:
    """What the restrictions decide about a session."""

    relays: bool = False
    reasons: List[Reason] = field(default_factory=list)
    """What ends the lists before they reject, in their order."""
    unknown: Dict[str, str] = field(default_factory=dict)
    """What can't be judged here, each with the cause."""


class Relaying:
    """The restrictions of one service."""

    def __init__(self, configuration: Configuration, service: MasterEntry, tables: TableLookup) -> None:
        self._configuration = configuration
        self._service = service
        self._tables = tables
        self.lists = {name: braced_words(configuration.value(name, service) or "") for name in LISTS}
        names = words(configuration.value("smtpd_restriction_classes", service) or "")
        self.classes = {name: braced_words(configuration.value(name, service) or "") for name in names}
        self._parents = set(words(configuration.value("parent_domain_matches_subdomains", service) or ""))

    def with_tables(self, tables: TableLookup) -> Relaying:
        """The same restrictions with other tables."""
        return Relaying(self._configuration, self._service, tables)

    def verdict(self, session: Session, permissive: bool = False) -> Verdict:
        """What the restrictions decide about a session.

        :param permissive: whether what can't be judged permits; otherwise it has no result.
        """
        evaluation = _Evaluation(self, session, permissive)
        results = [evaluation.result(name, self.lists[name], LISTS[name]) for name in LISTS]
        evaluation.verdict.relays = CLOSED not in results
        return evaluation.verdict

    def used(self) -> Iterator[Tuple[str, Restriction]]:
        """All restrictions of the lists and of their classes, each with the list or class that has it."""
        for name, elements in {**self.lists, **self.classes}.items():
            for restriction in restrictions(elements, LISTS.get(name, "")):
                yield name, restriction

    def value(self, name: str) -> str:
        """The value of a parameter in this service; empty if it is unknown."""
        return self._configuration.value(name, self._service) or ""

    def network_element(self, session: Session, name: str) -> Optional[str]:
        """The element of a list such as mynetworks that has the client.

        :raises Unknown: if it can't be judged.
        """
        value = self._configuration.value(name, self._service)
        if value is None:
            raise Unknown(f"its value {self._configuration.raw(self._service).get(name, '')} is unknown")
        return matching_element(words(value), session.name, session.address, self._tables, name in self._parents)

    def answer(self, table: str, kind: str, session: Session) -> Optional[Tuple[str, str]]:
        """The first answer of an access table, and its key.

        :raises Unknown: if it can't be judged.
        """
        name = bare(table)
        for key in access_keys(kind, session, "smtpd_access_maps" in self._parents, is_pattern(name)):
            value = self._tables.find(name, key)
            if value is not None:
                return value, key
        return None

    def certificate_answer(self, session: Session) -> Optional[str]:
        """The table of relay_clientcerts that has the client's certificate.

        :raises Unknown: if it can't be judged.
        """
        tables = braced_words(self.value("relay_clientcerts")) if session.fingerprint else []
        return next((name for name in tables if self._tables.find(bare(name), session.fingerprint) is not None), None)

    def public_cas(self) -> Optional[Tuple[str, str]]:
        """The setting by which smtpd(8) trusts the certificates of public CAs, as parameter and value.

        :raises Unknown: if it can't be judged.
        """
        file, directory = (self.value(name).strip() for name in CLIENT_CAS[:2])
        if not (file or directory):
            return None  # tls_append_default_CA has no effect then (src/tls/tls_certkey.c)
        if self.value("tls_append_default_CA") == "yes":
            return "tls_append_default_CA", "yes"
        if directory.rstrip("/") in _SYSTEM_DIRECTORIES:
            return "smtpd_tls_CApath", directory
        if file and self._tables.words(file).count("-----BEGIN") > _OWN_CAS:
            return "smtpd_tls_CAfile", file
        return None

    def sender_has_owner(self, session: Session) -> bool:
        """Whether smtpd_sender_login_maps has the sender.

        :raises Unknown: if it can't be judged.
        """
        names = [bare(name) for name in braced_words(self.value("smtpd_sender_login_maps"))]
        local, _at, domain = session.sender.rpartition("@")
        keys = [session.sender, f"@{domain}"] if local else []
        return any(
            self._tables.find(name, key) is not None
            for name in names
            for key in (keys[:1] if is_pattern(name) else keys)
        )


class _Evaluation:
    """One session, with what has been found about it."""

    def __init__(self, relaying: Relaying, session: Session, permissive: bool) -> None:
        self._relaying = relaying
        self._session = session
        self._permissive = permissive
        self.verdict = Verdict()

    def result(self, name: str, elements: List[str], default: str, depth: int = 0) -> str:
        for restriction in restrictions(elements, default):
            try:
                found, parameter, text = self._one(name, restriction, default, depth)
            except Unknown as error:
                text = f"{restriction.name} {restriction.argument}".strip()
                self.verdict.unknown.setdefault(text, str(error))
                found, parameter = (PERMITTED if self._permissive else UNDECIDED), name
            if found == PERMITTED:
                if text:
                    self.verdict.reasons.append(Reason(parameter, text, name))
                return found
            if found == CLOSED and not restriction.warns_only:
                return found
        return UNDECIDED

    def _one(self, name: str, restriction: Restriction, default: str, depth: int) -> Tuple[str, str, str]:
        """The result of one restriction, and what permits."""
        word, session = restriction.name, self._session
        if word in CLOSING:
            # After the recipients, these do not apply any more.
            late = name in _AFTER_RECIPIENTS and "destination" in word
            return (UNDECIDED if late else CLOSED), "", ""
        if word in ("permit", "ok", "permit_naked_ip_address"):
            return PERMITTED, name, word
        if word == "permit_mynetworks":
            element = self._relaying.network_element(session, "mynetworks")
            return (PERMITTED if element else UNDECIDED), "mynetworks", element or ""
        if word == "permit_tls_clientcerts":
            table = self._relaying.certificate_answer(session)
            return (PERMITTED if table else UNDECIDED), "relay_clientcerts", f"{table}, which has any certificate"
        if word == "permit_tls_all_clientcerts":
            trusted = self._relaying.public_cas() if session.certified else None
            if trusted is None:
                return UNDECIDED, "", ""
            return PERMITTED, trusted[0], f"{word} with {trusted[0]} = {trusted[1]}"
        if word in _OWNED_SENDERS and self._relaying.value("smtpd_sasl_auth_enable") == "yes":
            return (CLOSED if self._relaying.sender_has_owner(session) else UNDECIDED), "", ""
        if word == "check_policy_service":
            raise Unknown("a policy service may permit what it is asked for")
        if word in self._relaying.classes and depth < _DEPTH:
            return self.result(name, self._relaying.classes[word], default, depth + 1), "", ""
        access = _ACCESS.fullmatch(word)
        found = self._relaying.answer(restriction.argument, access.group(1), session) if access else None
        if found is None:
            return UNDECIDED, "", ""
        value, key = found
        result = self._action(name, value, default, depth)
        return result, name, f"{word} {restriction.argument}, which answers {value} for {key}"

    def _action(self, name: str, value: str, default: str, depth: int) -> str:
        """The result of an answer of an access table."""
        action = meaning(value)
        if action is not None:
            return action
        if depth >= _DEPTH:
            return UNDECIDED
        count = len(self.verdict.reasons)
        result = self.result(name, braced_words(value), default, depth + 1)
        del self.verdict.reasons[count:]  # the table is the reason
        return result


def meaning(value: str) -> Optional[str]:
    """The result of an answer of an access table; None if it is a list of restrictions."""
    action, _blank, text = value.strip().partition(" ")
    action = action.lower()
    # A number alone is the time of a login, of mechanisms such as POP before SMTP.
    if not action or value.strip().isdigit() or action in ("ok", "relay"):
        return PERMITTED
    if action in _REJECTING or (re.fullmatch(r"[45]\d\d", action) and text):
        return CLOSED
    return UNDECIDED if action in _OTHER_ACTIONS else None
