# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables that make smtpd(8) answer with a lookup failure. Private to mailops.postfix."""

from __future__ import annotations

import re
from typing import Iterator

from .._formats.main_cf import braced_words
from .._host.instance import Instance
from .._model import reply_causes, restriction_lists
from .._model.configuration import Configuration
from .._model.domain_lists import bare
from .._model.listeners import Listener
from .._model.routing import Unknown
from .._plan.tables import MapLookup

_TABLE = re.compile(r"!?[a-z][a-z0-9_-]*:.+", re.DOTALL)


def unreadable_tables(instance: Instance, configuration: Configuration, listener: Listener, domain: str) -> list[str]:
    """The tables that a recipient in a domain is looked up in and that postmap(1) can't ask, each with its parameter and the cause."""
    lookup = MapLookup(instance)
    found = {}
    for parameter, table in _tables(configuration, listener):
        try:
            lookup.find(bare(table), f"postmaster@{domain}")
        except Unknown as error:
            # A table on the network repeats itself.
            lines = str(error).replace(f"{bare(table)} can't be asked: ", "").split(" / ")
            found[f"{parameter} has {table}, which can't be asked"] = " / ".join(dict.fromkeys(lines))
    return [f"{setting}: {cause}" for setting, cause in found.items()]


def _tables(configuration: Configuration, listener: Listener) -> Iterator[tuple[str, str]]:
    for parameter in reply_causes.LOOKED_UP:
        for word in braced_words(configuration.value(parameter, listener.smtpd) or ""):
            if _TABLE.fullmatch(word):
                yield parameter, word.lstrip("!")
    yield from restriction_lists.access_tables(configuration, listener.smtpd)
