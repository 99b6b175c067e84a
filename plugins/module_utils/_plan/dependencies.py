# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What smtp(8) relies on outside Postfix: its resolver, for DANE, and services of TLS policies. Private to mailops.postfix.

Both are asked as smtp(8) asks them: by the resolv.conf inside its chroot, and by the host's own postmap(1).
"""

from __future__ import annotations

import os
from typing import Callable, Iterator, Mapping, Optional, Sequence

from .._checks import dane
from .._checks.dane import Resolver
from .._checks.mta_sts import mta_sts_findings
from .._errors import DeclarationError
from .._formats.lines import to_text
from .._host import dns, dns_message
from .._host.instance import Instance
from .._model import mta_sts
from .._model.configuration import Configuration
from .._model.finding import Finding

RESOLV_CONF = "/etc/resolv.conf"

LIVE = ("unvalidated_dns", "dead_policy_service")
"""The checks whose findings can change while the configuration stays."""

Query = Callable[[Sequence[str], dns_message.QuestionEntry], Mapping[str, Optional[dns_message.Answer]]]


class Dependencies:
    """What is outside, each asked once."""

    def __init__(self, instance: Instance, bogus: Sequence[str] = (), ask: Query | None = None) -> None:
        """
        :param instance: the Postfix that relies on it.
        :param bogus: names whose signatures are wrong, which no resolver that validates resolves.
        """
        self.instance = instance
        self._bogus = bogus
        self._ask = ask or dns.query_nameservers
        self._resolvers: dict[str, Resolver] = {}
        self._failures: dict[str, str] = {}

    def problems(self, configuration: Configuration) -> Iterator[Finding]:
        """What the configuration relies on in vain."""
        yield from dane.unvalidated_findings(configuration, self.resolver, self.instance.entries)
        yield from mta_sts_findings(configuration, self.failure)

    def resolver(self, service: str = "smtp/unix") -> Resolver:
        """What the resolver of a service answers.

        :raises DeclarationError: if dnssec_probe is not valid.
        """
        path = self._resolv_conf(service)
        if path not in self._resolvers:
            text = self.instance.read(path)
            nameservers = dns_message.nameservers(None if text is None else to_text(text))
            question = self._question()
            bogus: dict[str, Sequence[str]] = {}
            for name in self._bogus:
                found = self._ask(nameservers, dns_message.QuestionEntry(name, "a"))
                bogus[name] = [server for server, answer in found.items() if answer and answer.rcode == "NOERROR"]
            self._resolvers[path] = Resolver(path, question, self._ask(nameservers, question), bogus)
        return self._resolvers[path]

    def _resolv_conf(self, service: str) -> str:
        """The file that the C library reads: inside the chroot, where Debian puts a copy when Postfix starts."""
        if self.instance.chrooted(service):
            inside = os.path.join(self._chroot(), RESOLV_CONF.lstrip("/"))
            # There is none before Postfix has first been started.
            if os.path.exists(inside) or self.instance.running():
                return inside
        return RESOLV_CONF

    def _question(self) -> dns_message.QuestionEntry:
        # An empty value means "do not warn" to Postfix; the resolver must validate all the same.
        text = self.instance.parameters.get("dnssec_probe", "").strip() or dane.DEFAULT_PROBE
        question = dns_message.probe_question(text)
        if question is None:
            raise DeclarationError(
                "setting",
                f"dnssec_probe = {text}",
                f"it must be a record type ({', '.join(dns_message.RECORD_TYPES)}) and the name of a signed zone",
                f"Write {dane.DEFAULT_PROBE}, or ns:example.org",
            )
        return question

    def failure(self, table: str, service: str = "smtp/unix") -> str:
        """Why a table does not answer to a service; empty if it does."""
        path = mta_sts.unix_path(table)
        if path and self.instance.chrooted(service):
            inside = os.path.join(self._chroot(), path.lstrip("/"))
            if not os.path.exists(inside):
                return f"{service} is chrooted, and there is no socket {inside}"
            table = table.replace(path, inside, 1)
        if table not in self._failures:
            done = self.instance.run(
                "postmap", "-c", self.instance.config_directory, "-q", mta_sts.PROBE, table, check=False
            )
            said = [line.rpartition(": ")[2] for line in to_text(done.stderr).split("\n") if "fatal: " in line]
            self._failures[table] = said[-1] if said else ""
        return self._failures[table]

    def _chroot(self) -> str:
        return self.instance.parameters.get("queue_directory", "").rstrip("/")
