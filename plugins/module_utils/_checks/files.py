# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files, directories and lookup tables that the configuration refers to. Private to mailops.postfix. Pure; a
HostFacts has the facts.

TLS files and most tables are opened by root before a daemon gives up its privileges; what is opened later must be readable by
mail_owner: the directory of CAs, trust anchors, and tables behind proxy: (postconf(5), DATABASE_README, proxymap(8)).
"""

from __future__ import annotations

import posixpath
import re
import stat
from typing import Dict, Iterator, List, Optional, Tuple

from .._formats.main_cf import braced_words, words
from .._formats.master_cf import MasterEntry
from .._model import parameters
from .._model.configuration import Configuration, shown
from .._model.finding import Finding
from .._model.restrictions import table_words
from .facts import HostFacts

_SUFFIXES = {
    "hash": (".db",),
    "btree": (".db",),
    "lmdb": (".lmdb",),
    "cdb": (".cdb",),
    "dbm": (".pag",),
    "sdbm": (".pag",),
}
_TEXTS = ("texthash", "regexp", "pcre", "cidr")
_SETTINGS = ("ldap", "mysql", "pgsql", "sqlite", "memcache")
_TYPES = {
    *_SUFFIXES, *_TEXTS, *_SETTINGS, "proxy", "pipemap", "unionmap", "randmap", "inline", "static", "tcp", "socketmap", "environ",
    "unix", "fail", "internal", "nis", "nisplus", "netinfo", "mongodb", "debug",
}  # fmt: skip
_TABLE = re.compile(r"!?([a-z][a-z0-9_-]*):(.+)", re.DOTALL)
_COMPILE = {"alias_maps": "newaliases", "tls_server_sni_maps": "postmap -F"}

# Opened without privileges.
_LATE = ("tls_CApath", "tls_trust_anchor_file")

Reason = Tuple[str, str, str]


def file_findings(configuration: Configuration, host: HostFacts) -> Iterator[Finding]:
    """All findings."""
    classes: Dict[str, List[str]] = {}
    for name, written, service in configuration.all_settings():
        parameter = parameters.find_parameter(name)
        value = configuration.expanded(written, service)
        key = service.key if service else ""
        if key not in classes:
            classes[key] = words(configuration.value("smtpd_restriction_classes", service) or "")
        kind = "restriction list" if name in classes[key] else parameter.kind if parameter else ""
        if not value or not kind:
            continue
        for check, cause, remedy in _reasons(configuration, host, service, name, kind, value):
            yield Finding(
                check,
                shown(name, written) + (f" in service {service.key}" if service else ""),
                cause,
                remedy,
                configuration.where(name, service),
                frozenset([configuration.setting(name, service)]),
            )
    yield from _sasl_sockets(configuration, host)


def _reasons(
    configuration: Configuration, host: HostFacts, service: Optional[MasterEntry], name: str, kind: str, value: str
) -> Iterator[Reason]:
    if kind in ("file", "file list"):
        for path in words(value):
            if path not in ("none", "auto"):
                yield from _file(configuration, host, name, path)
    elif kind == "directory" and name != "config_directory":
        yield from _directory(configuration, host, name, value)
    elif kind in ("table", "table list"):
        for word in braced_words(value):
            yield from _table(configuration, host, name, word, kind == "table")
    elif kind == "restriction list":
        for word in table_words(value):
            yield from _table(configuration, host, name, word)
    elif kind == "match list":
        for word in braced_words(value):
            found = _TABLE.fullmatch(word)
            if found and (found.group(1) in _TYPES or found.group(1) in configuration.map_types):
                yield from _table(configuration, host, name, word)
            elif word.lstrip("!").startswith("/"):
                yield from _file(configuration, host, name, word.lstrip("!"))


def _file(configuration: Configuration, host: HostFacts, name: str, path: str) -> Iterator[Reason]:
    full = posixpath.join(configuration.value("queue_directory") or "/", path)
    if full in configuration.created_files:
        return
    status = host.status(full)
    if status is None:
        consequence = "Postfix would go without TLS" if "_tls_" in name else "Postfix stops on that"
        yield "missing_file", f"there is no file {full}", f"Create it first: {consequence}"
    elif not stat.S_ISREG(status.st_mode):
        what = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        remedy = f"Write {name.replace('CAfile', 'CApath')}" if name.endswith("CAfile") else "Name a file"
        yield "wrong_file", f"{full} is {what}", remedy
    elif name.endswith(_LATE) or "CAfile" in name and not status.st_size:
        owner = configuration.value("mail_owner") or "postfix"
        if not status.st_size:
            yield "wrong_file", f"{full} is empty", "Put certificates there in PEM form"
        elif not host.readable_by(full, owner):
            yield (
                "unreadable_file",
                f"Postfix reads {full} as {owner}, which has no permission to",
                f"Let {owner} read it, and enter its directories",
            )


def _directory(configuration: Configuration, host: HostFacts, name: str, path: str) -> Iterator[Reason]:
    if not path.startswith("/") or path in configuration.created_files:
        return
    status = host.status(path)
    if status is None:
        if name != "data_directory":  # postfix(1) creates that one
            yield "missing_file", f"there is no directory {path}", "Create it first"
    elif not stat.S_ISDIR(status.st_mode):
        remedy = f"Write {name.replace('CApath', 'CAfile')}" if name.endswith("CApath") else "Name a directory"
        yield "wrong_file", f"{path} is not a directory", remedy
    elif name.endswith(_LATE):
        owner = configuration.value("mail_owner") or "postfix"
        if not host.readable_by(path, owner):
            yield (
                "unreadable_file",
                f"Postfix reads {path} as {owner}, which has no permission to",
                f"Let {owner} enter and read it",
            )


def _table(
    configuration: Configuration,
    host: HostFacts,
    name: str,
    word: str,
    created_by_postfix: bool = False,
    proxied: bool = False,
) -> Iterator[Reason]:
    found = _TABLE.fullmatch(word)
    if not found:
        return  # values.py reports values without a type
    kind, path = found.groups()
    known = not configuration.map_types or kind in configuration.map_types
    if not known and not (kind in ("hash", "btree") and _redirected(configuration)):
        has = ", ".join(sorted(configuration.map_types & {*_SUFFIXES, *_TEXTS})) or "none of files"
        package = f"; a package such as postfix-{kind} may bring it" if kind in _TYPES else ""
        yield "unknown_table_type", f"this Postfix has no tables of type {kind!r}{package}", f"It has {has}"
        return
    if kind == "proxy":
        yield from _table(configuration, host, name, path, created_by_postfix, True)
    elif kind in ("pipemap", "unionmap"):
        for inner in braced_words(path.strip()[1:-1] if path.strip().startswith("{") else path):
            yield from _table(configuration, host, name, inner, created_by_postfix, proxied)
    elif path.startswith("/") and not created_by_postfix:
        yield from _table_file(configuration, host, name, kind, path, proxied)


def _redirected(configuration: Configuration) -> bool:
    return "enable" in (configuration.value("non_bdb_migration_level") or "")


def _table_file(
    configuration: Configuration, host: HostFacts, name: str, kind: str, path: str, proxied: bool
) -> Iterator[Reason]:
    if kind in _SUFFIXES:
        names = [path + suffix for suffix in _SUFFIXES[kind]]
        if kind in ("hash", "btree") and _redirected(configuration):
            names += [path + ".lmdb", path + ".cdb"]
    elif kind in _TEXTS or kind in _SETTINGS:
        names = [path]
    else:
        return
    if any(candidate in configuration.created_files for candidate in names):
        return
    there = [candidate for candidate in names if host.status(candidate) is not None]
    if not there:
        if kind in _SUFFIXES and (host.status(path) is not None or path in configuration.created_files):
            program = _COMPILE.get(name, "postmap")
            command = program if program == "newaliases" else f"{program} {kind}:{path}"
            yield "missing_table", f"{path} exists, but is not compiled to {names[0]}", f"Run {command} first"
        else:
            yield (
                "missing_table",
                f"there is no {names[0]}: Postfix defers all mail that needs the table",
                "Create it first, with the module lookup_table or in lookup_tables of configuration",
            )
        return
    owner = configuration.value("mail_owner") or "postfix"
    if proxied and not host.readable_by(there[0], owner):
        yield (
            "unreadable_file",
            f"proxymap(8) reads {there[0]} as {owner}, which has no permission to",
            f"Write {kind}:{path}, which root opens, or let {owner} read it",
        )


def _sasl_sockets(configuration: Configuration, host: HostFacts) -> Iterator[Finding]:
    for service in configuration.of_command("smtpd"):
        path = configuration.value("smtpd_sasl_path", service) or ""
        if (
            not configuration.is_on("smtpd_sasl_auth_enable", service)
            or configuration.value("smtpd_sasl_type", service) != "dovecot"
            or path.startswith("inet:")
        ):
            continue
        full = posixpath.join(
            configuration.value("queue_directory") or "/", path[5:] if path.startswith("unix:") else path
        )
        if host.status(full) is None:
            raw = configuration.raw(service).get("smtpd_sasl_path", "")
            yield Finding(
                "missing_file",
                f"{shown('smtpd_sasl_path', raw)} in service {service.key}",
                f"there is no socket {full}, and without it smtpd(8) answers no client",
                "Have Dovecot's auth service listen there",
                configuration.where("smtpd_sasl_path", service) or configuration.place(service),
                configuration.settings_of(service, "smtpd_sasl_path", "smtpd_sasl_type", "smtpd_sasl_auth_enable"),
                "warning",
            )
