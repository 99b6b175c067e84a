# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Obsolete settings in main.cf, and their replacements. Private to mailops.postfix. Pure.

Sources: postconf(5), DEPRECATION_README, TLS_README.
"""

from __future__ import annotations

import re
from typing import AbstractSet, Any, Collection, Dict, List, Mapping, Tuple

OBSOLETE = (
    # Levels that smtp_tls_security_level and smtpd_tls_security_level have replaced (deprecated since Postfix 3.9).
    "smtp_use_tls",
    "smtp_enforce_tls",
    "smtp_tls_enforce_peername",
    "smtp_tls_per_site",
    "smtpd_use_tls",
    "smtpd_enforce_tls",
    # Clients resume sessions with tickets; a cache on the server's side only costs.
    "smtpd_tls_session_cache_database",
    # Parameters for key exchange that OpenSSL chooses better.
    "smtpd_tls_dh1024_param_file",
    "smtpd_tls_dh512_param_file",
    "smtpd_tls_eecdh_grade",
)
"""Parameters that go back to Postfix's default."""

BERKELEY = ("hash", "btree")
"""Types of tables that a Postfix without Berkeley DB lacks."""

# A table with a file: not a word that only ends like a type, such as texthash.
_TABLE = re.compile(r"(?<![\w$.-])(hash|btree):((?:/|\$)[^\s,;\])]+)")

DEFAULT_TYPE = "default_database_type"
"""The parameter that values refer to as the type of a table."""

_BY_DEFAULT = re.compile(rf"\$(?:{DEFAULT_TYPE}|\{{{DEFAULT_TYPE}\}}|\({DEFAULT_TYPE}\))(?=:)")

_CACHES = ("smtp_tls_session_cache_database", "lmtp_tls_session_cache_database")


def migrations(explicit: Mapping[str, str], declared: Collection[str]) -> Dict[str, Any]:
    """Parameters to set or remove (None) besides those that are declared.

    :param explicit: what main.cf sets.
    :param declared: names that the user declares, which are left alone.
    """
    found: Dict[str, Any] = {name: None for name in OBSOLETE if name in explicit}
    # tlsmgr(8) opens its caches without privileges, and must own them: the queue directory is not the place (TLS_README).
    found.update({name: None for name in _CACHES if "queue_directory" in explicit.get(name, "")})
    return {name: value for name, value in found.items() if name not in declared}


def may_be_lost(*texts: bytes) -> bool:
    """Whether main.cf or master.cf may name a Berkeley DB type; most hosts need not run ``postconf -m``."""
    names = [DEFAULT_TYPE, *(f"{kind}:" for kind in BERKELEY)]
    return any(name.encode() in text for name in names for text in texts)


def spelled_out(value: str, default_type: str) -> str:
    """The value with the type of tables that it names by ``$default_database_type``.

    :param default_type: its value; empty to leave such tables alone.
    """
    return _BY_DEFAULT.sub(default_type, value) if default_type else value


def berkeley_tables(value: str, lost: AbstractSet[str]) -> List[Tuple[str, str]]:
    """Type and file of each table of a lost type in a value."""
    return [(kind, _file(path)) for kind, path in _TABLE.findall(value) if kind in lost]


def retyped_maps(value: str, lost: AbstractSet[str], new: str) -> str:
    """The value with another type for the tables of lost types, and nothing else changed."""
    return _TABLE.sub(lambda found: f"{new if found.group(1) in lost else found.group(1)}:{found.group(2)}", value)


def _file(path: str) -> str:
    """The path without the brace that ends a list around it, as in ``{hash:/a}``."""
    while path.endswith("}") and path.count("}") > path.count("{"):
        path = path[:-1]
    return path
