# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which values are secret, and what is shown in their place. Private to mailops.postfix. Pure.

What a run logs and shows is made without secrets, instead of being searched for them afterwards: a secret has many spellings, and a short
one is part of many words. Secret are

* in a parameter of passwords, by its name: all words but the names of tables in files
* in a parameter to which such a word refers: the value
* in each parameter the part of a URL before ``@``, and in one of next hops ``user:password`` before ``@``

Tables and files are secret by their content, their mode, or the parameter that names them (:mod:`_plan.table_file`, :mod:`_plan.file`).
What another program prints is cut where it quotes a secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Collection, Dict, Iterator, List, Mapping, Set

from .._errors import GrammarError
from .._formats.lines import is_skipped, physical_lines, to_bytes, to_text
from .._formats.main_cf import braced_words, main_entries, normalize_whitespace

HIDDEN = "********"
"""What is shown instead of a secret."""

OTHER = f"{HIDDEN} (other value)"
"""What is shown instead of a secret that was another one before."""

_PASSWORD = re.compile(r"passw|secret|credential|api_?key", re.IGNORECASE)
_NEXT_HOP = re.compile(r"relayhost|fallback_relay|transport|content_filter|proxy_filter", re.IGNORECASE)

_LITERAL = r"static|inline|pipemap|unionmap|randmap"
# A table in a file, or of a service. Others are their own content.
_NAMED_TABLE = re.compile(
    r"(proxy:)?((hash|btree|lmdb|cdb|dbm|sdbm|texthash|regexp|pcre|cidr|ldap|mysql|pgsql|sqlite|mongodb|memcache|environ|nis):[\w./${}()+-]*"
    r"|(socketmap|tcp):[\w./:$-]*)"
)
_OWN_CONTENT = re.compile(rf"(?P<type>(proxy:)?({_LITERAL}):)?(?P<content>.*)", re.DOTALL)
_PLAIN = re.compile(r"yes|no|\d*|\W", re.IGNORECASE)

_IN_URL = re.compile(r"(?<=://)[^\s/]+(?=@)")
# "inline:{alice@example.org=..." and "hash:/etc/a@b" are tables, not a user with a password.
_TYPES = (
    rf"(?:proxy|{_LITERAL}|hash|btree|lmdb|cdb|dbm|sdbm|texthash|regexp|pcre|cidr|ldap|mysql|pgsql|sqlite|mongodb|memcache|environ|nis"
    r"|socketmap|tcp|fail)"
)
_BEFORE_HOST = re.compile(rf"(?:(?<=[\s\[,])|(?<=static:)|^)(?!{_TYPES}:)[^\s\[\],:]*:[^\s,]+(?=@)")

_TRANSPORT = re.compile(r"^\s*[\w.-]+:")

_REFERENCE = re.compile(r"(?<!\$)\$[({]?(\w+)")
_COMMENT = re.compile(r"(?P<sign>#[#\s]*)(?P<name>\w+)(?P<equals>\s*=\s*)(?P<value>.*)", re.DOTALL)

_BLANKS = " \t\r\n"

_ASSIGNMENT = re.compile(r"(?P<brace>\{)\s*(?P<enclosed>[\w-]+)\s*=\s*|(?<![\w-])(?:-\w*?o)?(?P<name>[\w-]+)=")

_QUOTED = 6
"""Characters of a secret that a line of another program does not contain by chance."""

_FILE = re.compile(
    rb"^[ \t]*[\w-]*(passw|secret|bind_pw|credential|api_?key)[\w-]*[ \t]*[=:]|^-----BEGIN [A-Z ]*PRIVATE KEY",
    re.I | re.M,
)


_IN_BRACKETS = re.compile(r"(?<=\[)[^\s\[\]]*:[^\s\[\]]+(?=@[^\s\[\]@]+\])")


def without_credentials(value: Any) -> Any:
    """A result or message with the credentials in next hops, ``[user:password@host]``, hidden."""
    if isinstance(value, str):
        return _IN_BRACKETS.sub(HIDDEN, value) if "@" in value else value
    if isinstance(value, dict):
        return {without_credentials(key): without_credentials(item) for key, item in value.items()}
    return [without_credentials(item) for item in value] if isinstance(value, list) else value


def may_hold_password(name: str) -> bool:
    """Whether the values of a parameter are passwords or tables of passwords, by its name."""
    return bool(_PASSWORD.search(name)) and not name.endswith("_delimiter")


def is_literal(table: str) -> bool:
    """Whether a table, ``TYPE:NAME``, has its content in its name, which therefore may be a secret."""
    return bool(re.search(rf"\b({_LITERAL}):", table))


def holds_password(content: bytes) -> bool:
    """Whether a file, such as one of ldap_table(5), has a password or a private key, by the names of its settings."""
    return bool(_FILE.search(content))


def secret_words(name: str, value: str) -> List[str]:
    """The secret parts of the value of a parameter, as they are written."""
    if may_hold_password(name):
        contents = [_content(word) for word in braced_words(value) if not _NAMED_TABLE.fullmatch(word)]
        return [word for word in contents if not _PLAIN.fullmatch(word)]
    found = [match.group() for match in _IN_URL.finditer(value)]
    if _NEXT_HOP.search(name):
        # "error:postmaster@example.org is closed": a transport, and what only that transport understands.
        hop = _TRANSPORT.sub("", value) if name.endswith(("transport", "_filter")) else value
        found += [match.group() for match in _BEFORE_HOST.finditer(hop)]
    return found


def _content(word: str) -> str:
    found = _OWN_CONTENT.fullmatch(word)
    return found.group("content") if found else word


def shown_value(name: str, value: str, before: str | None = None, names: Collection[str] = ()) -> str:
    """The value of a parameter as it is shown.

    :param before: its previous value, from which an other secret is told apart.
    :param names: parameters whose values are secret because a secret refers to them.
    """
    text = normalize_whitespace(value)
    if name in names:
        return OTHER if before and normalize_whitespace(before) != text else HIDDEN
    words = secret_words(name, text)
    if not words:
        return text
    mark = OTHER if before and secret_words(name, normalize_whitespace(before)) != words else HIDDEN
    if not may_hold_password(name):
        for word in words:
            text = text.replace(f"{word}@", f"{mark}@")
        return text
    shown = [
        word[: len(word) - len(_content(word))] + mark if _content(word) in words else word
        for word in braced_words(text)
    ]
    return ", ".join(dict.fromkeys(shown))


def masked(name: str, value: str) -> str:
    """The value with another text for each secret, so that a message about it has none."""
    result = value
    for word in secret_words(name, value):
        result = result.replace(word, HIDDEN)
    return result


class Secrets:
    """The secrets in the settings of a configuration."""

    def __init__(self, *settings: Mapping[str, str]) -> None:
        """
        :param settings: the parameters of main.cf, and the options of each service, by name.
        """
        self.names: Set[str] = set()
        """The parameters that are secret because a secret refers to them."""
        self.words: Dict[str, None] = {}
        known: Dict[str, List[str]] = {}
        for found in settings:
            for name, value in found.items():
                known.setdefault(name, []).append(value)
        waiting = [word for name, values in known.items() for value in values for word in secret_words(name, value)]
        while waiting:
            word = waiting.pop()
            if not word or word in self.words:
                continue
            self.words[word] = None
            for name in _REFERENCE.findall(word):
                if name in known and not name.endswith("_directory"):
                    self.names.add(name)
                    waiting += known[name]

    def cut(self, text: str) -> str:
        """What another program prints, each line cut where it quotes a secret."""
        return "\n".join(map(self._cut_line, text.split("\n"))) if self.words else text

    def _cut_line(self, line: str) -> str:
        parts = {
            word[start : start + _QUOTED] for word in self.words for start in range(max(1, len(word) - _QUOTED + 1))
        }
        places = [line.find(part) for part in parts if len(part) >= _QUOTED // 2]
        found = [place for place in places if place >= 0]
        return line[: min(found)] + HIDDEN if found else line


def shown_main_cf(text: bytes, names: Collection[str] = (), before: bytes = b"") -> bytes:
    """The text of main.cf as it is shown, comments included.

    :param names: as for :func:`shown_value`.
    :param before: the previous text, from which other secrets are told apart.
    """
    try:
        entries = main_entries(text)
        old = {entry.name: entry.value for entry in main_entries(before)}
    except GrammarError:
        return to_bytes(f"{HIDDEN}\n")
    lines: List[bytes] = [
        _shown_comment(line) if line.lstrip().startswith(b"#") else line for line in physical_lines(text)
    ]
    for entry in entries:
        if entry.name not in names and not secret_words(entry.name, entry.value):
            continue
        own = [index for index in range(entry.start, entry.end) if not is_skipped(lines[index])]
        for index in own:
            lines[index] = b""
        lines[own[0]] = to_bytes(f"{entry.name} = {shown_value(entry.name, entry.value, old.get(entry.name), names)}\n")
    return b"".join(lines)


def _shown_comment(line: bytes) -> bytes:
    found = _COMMENT.fullmatch(to_text(line).rstrip("\r\n"))
    if found is None or not secret_words(found.group("name"), found.group("value")):
        return line
    return to_bytes(
        "{sign}{name}{equals}".format(**found.groupdict())
        + shown_value(found.group("name"), found.group("value"))
        + "\n"
    )


@dataclass(frozen=True)
class _Assignment:
    name: str
    value: str
    start: int
    """Index of its value in the text."""
    end: int


def shown_master_cf(text: str, names: Collection[str] = (), before: str = "") -> str:
    """The text of master.cf, or of one of its services, as it is shown: options, and arguments such as ``--password=``."""
    old: Dict[str, List[str]] = {}
    for setting in _assignments(before):
        old.setdefault(setting.name, []).append(setting.value)
    result = ""
    position = 0
    for setting in _assignments(text):
        if setting.name in names or secret_words(setting.name, setting.value):
            known = old.get(setting.name, [])
            previous = setting.value if setting.value in known else next(iter(known), None)
            result += text[position : setting.start] + shown_value(setting.name, setting.value, previous, names)
            position = setting.end
    return result + text[position:]


def _assignments(text: str) -> Iterator[_Assignment]:
    """What assigns a value to a name: ``name=value`` up to a blank, ``{ name = value }`` up to the brace."""
    for found in _ASSIGNMENT.finditer(text):
        depth, position = 0, found.end()
        while position < len(text) and depth >= 0:
            depth += {"{": 1, "}": -1}.get(text[position], 0)
            if depth == 0 and not found.group("brace") and text[position] in _BLANKS:
                break
            position += 1
        end = position - 1 if depth < 0 else position
        value = text[found.end() : end]
        yield _Assignment(
            found.group("name") or found.group("enclosed"),
            value.strip(),
            found.end(),
            found.end() + len(value.rstrip()),
        )


_PARAMETERS = ("parameters", "main_cf", "options")
_HOLDERS = (
    "lookup_tables",
    "files",
    "services",
    "master_cf",
    "policies",
    "certificates",
    "overrides",
    "tls_policy",
    "ca_bundle",
)
_CONTENTS = ("content", "only_values", "checksum", "_program", "_controller")


def shown_options(options: Mapping[str, Any], known: Collection[str]) -> Dict[str, Any]:
    """The options of a module as they are shown: of tables the keys, of files the names, and parameters without secrets.

    :param known: the names of all options and sub-options, since the value of a misspelt one may be anything.
    """
    return {name: _shown_option(name, value, known) if name in known else HIDDEN for name, value in options.items()}


def _shown_option(name: str, value: Any, known: Collection[str]) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if name in _CONTENTS:
        return HIDDEN
    if name == "entries":
        return {str(key): value[key] and HIDDEN for key in value} if isinstance(value, dict) else HIDDEN
    if name in _PARAMETERS and isinstance(value, dict):
        settings = {str(key): _text(item) for key, item in value.items()}
        names = Secrets(settings).names
        return {
            key: value[name]
            if value[name] is None or isinstance(value[name], bool)
            else shown_value(key, settings[key], names=names)
            for key, name in zip(settings, value)
        }
    if isinstance(value, dict):
        free = name in ("checks", "owner_remedies", "listeners", "next_hops")
        return {key: item if free else shown_options({key: item}, known)[key] for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shown_option(name, item, known) for item in value]
    if not isinstance(value, str):
        return value
    if name in _PARAMETERS or name in _HOLDERS:
        return HIDDEN
    return shown_master_cf(value) if name == "command" else value


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
