# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Declared services of master.cf. Private to mailops.postfix. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Mapping, Sequence

from .._errors import DeclarationError
from . import main_cf
from .lines import to_bytes
from .master_cf import BLANK, COLUMNS, SERVICE_TYPES, SPACE, Word, endpoint, split_options, split_words

KEEP = "keep"
"""The declared value of a column that keeps its value in an existing entry."""


@dataclass(frozen=True)
class ServiceSpec:
    """The declaration of one service."""

    name: str
    type: str
    columns: Mapping[str, str]
    """The declared columns by name in COLUMNS, with values as in the file."""
    arguments: tuple[str, ...] | None
    """The words after the command, without options; None keeps those of an existing entry."""
    options: Mapping[str, str | None]
    """``-o`` options; None removes an option."""
    purge_options: bool = False
    state: str = "present"

    @property
    def key(self) -> str:
        """``NAME/TYPE``."""
        return f"{self.name}/{self.type}"


def service_spec(service: Mapping[str, Any]) -> ServiceSpec:
    """A service from YAML, with the keys of the master_cf module. Columns that are missing or ``keep`` are kept.

    :raises DeclarationError: for a column, an option or a name that master.cf cannot hold.
    """
    key = str(service.get("service") or "")
    name, _slash, kind = key.rpartition("/")
    if not name or kind not in SERVICE_TYPES:
        raise invalid_service(
            repr(key),
            f"it is not NAME/TYPE with one of the types {', '.join(SERVICE_TYPES)}",
            "Write, for example, submission/inet",
        )
    # One that is there by mistake can be removed.
    if re.search(r"[\s#{}=\0]" if (service.get("state") or "present") == "present" else r"[\s#{}\0]", name):
        raise invalid_service(
            ascii(key), "the name contains white space, a NUL byte or one of # { } =", "Write a name or host:port"
        )
    to_bytes(name)  # raises for lone surrogates
    unknown = set(service) - {"service", "options", "purge_options", "state"} - set(COLUMNS[2:])
    if unknown:
        raise invalid_service(
            key, f"unknown column {', '.join(sorted(unknown))}", f"The columns are {', '.join(COLUMNS[2:])}"
        )
    state = service.get("state") or "present"
    if state not in ("present", "absent", "disabled"):
        raise invalid_service(key, f"unknown state {state!r}", "The states are present, absent, disabled")
    columns = {
        column: _column(key, column, service[column]) for column in COLUMNS[2:7] if service.get(column, KEEP) != KEEP
    }
    if kind == "inet" and columns.get("private", "n") != "n":
        raise invalid_service(
            key, "an inet service cannot be private: master(8) stops at this entry", "Write private: false"
        )
    arguments: tuple[str, ...] | None = None
    options: dict[str, str | None] = {}
    command = service.get("command")
    if command is not None and command != KEEP:
        words = _words_of(str(command), key)
        if not words:
            raise invalid_service(key, "the command is empty", "Write the name of a daemon, such as smtpd")
        columns["command"] = words[0]
        given_options, given_arguments, mistake = split_options([Word(word, ()) for word in words[1:]])
        if mistake:
            raise invalid_service(key, mistake, "Write -o name=value or -o { name = value }")
        options.update((option.name, option.value) for option in given_options)
        arguments = tuple(word.text for word in given_arguments) if len(words) > 1 else None
    given = service.get("options") or {}
    if not isinstance(given, Mapping):
        raise invalid_service(key, "options is not a dictionary", "Write options: {parameter: value}")
    for option, value in given.items():
        options[option] = _option_value(key, option, value)
    return ServiceSpec(name, kind, columns, arguments, options, bool(service.get("purge_options")), state)


def invalid_service(key: str, cause: str, remedy: str) -> DeclarationError:
    return DeclarationError("declaring service", key, cause, remedy)


def _joined_arguments(earlier: ServiceSpec, later: ServiceSpec) -> tuple[str, ...] | None:
    command = later.columns.get("command")
    if later.arguments is not None or command in (None, earlier.columns.get("command")):
        return earlier.arguments if later.arguments is None else later.arguments
    return None  # the earlier arguments belong to another program


def merged_specs(specs: Sequence[ServiceSpec]) -> list[ServiceSpec]:
    """One spec for each service. Of several for one service, later values override earlier ones.

    :raises DeclarationError: for two names of one service, such as smtps and submissions.
    """
    result: dict[tuple[str, str], ServiceSpec] = {}
    for spec in specs:
        same = endpoint(spec.name, spec.type)
        earlier = result.get(same)
        if earlier is None:
            result[same] = spec
        elif earlier.name != spec.name:
            raise invalid_service(
                spec.key, f"master(8) treats it as the same service as {earlier.key}", "Declare only one of them"
            )
        else:
            result[same] = replace(
                spec,
                columns={**earlier.columns, **spec.columns},
                arguments=_joined_arguments(earlier, spec),
                options={**earlier.options, **spec.options},
                purge_options=earlier.purge_options or spec.purge_options,
            )
    return list(result.values())


def _column(key: str, column: str, value: Any) -> str:
    if value is None or value == "-":
        return "-"
    if column in ("private", "unprivileged", "chroot"):
        text = {True: "y", False: "n", "y": "y", "n": "n"}.get(value if isinstance(value, (bool, str)) else "")
        if text is None:
            raise invalid_service(key, f"{column} is {value!r}", "Write true, false, or null for '-'")
        return text
    pattern, meaning = r"[0-9]+", "a number of processes, 0 for no limit"
    if column == "wakeup":
        pattern, meaning = r"[0-9]+\??", "seconds, with ? after the number to wake up the service only if it is in use"
    if isinstance(value, bool) or not re.fullmatch(pattern, str(value)):
        raise invalid_service(key, f"{column} is {value!r}", f"Write {meaning}, or null for '-'")
    return str(value)


def _option_value(key: str, option: Any, value: Any) -> str | None:
    if isinstance(value, (list, tuple)) and not any(
        item is None or isinstance(item, (list, tuple)) or BLANK.search(str(item)) for item in value
    ):
        value = ",".join(str(main_cf.declared_parameters({option: item})[option]) for item in value)
    text = main_cf.declared_parameters({option: value})[option]
    if text is None:
        return None
    text = main_cf.normalize_whitespace(text)
    if not _holds(f"{option}={text}") or re.search(r"[{}]", option):
        raise invalid_service(
            key,
            f"unbalanced brace in option {option}",
            "master.cf cannot hold this value. Set a parameter in main.cf and refer to it as $name",
        )
    return text


def _holds(text: str) -> bool:
    """Whether a word with this text can be written. A closing brace without an opening one is text unless the word needs
    braces."""
    depth = 0
    for character in text:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0:
            if BLANK.search(text):
                return False
            depth = 0
    return not depth


def _words_of(command: str, key: str) -> list[str]:
    text = to_bytes(command.strip(SPACE))
    if re.search(rb"[\r\n\0]", text):
        raise invalid_service(key, "the command has several lines or contains a NUL byte", "Write it on one line")
    program, _blank, rest = text.partition(b" ")
    columns = b"- " * (len(COLUMNS) - 1) + program + b" " + rest
    return [
        word.text for word in split_words(columns, [(0, len(columns))], f"the command of {key}")[len(COLUMNS) - 1 :]
    ]
