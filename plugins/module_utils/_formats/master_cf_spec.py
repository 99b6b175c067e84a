# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services of master.cf as they are declared. Private to mailops.postfix. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Mapping, Optional, Sequence

from .._errors import DeclarationError
from . import main_cf
from .lines import to_bytes
from .master_cf import BLANK, COLUMNS, SERVICE_TYPES, SPACE, Word, endpoint, split_options, split_words

KEEP = "keep"
"""A declared column with this value keeps what an existing service has."""


@dataclass(frozen=True)
class ServiceSpec:
    """What a user wants of one service."""

    name: str
    type: str
    columns: Mapping[str, str]
    """The columns that were given, by name in COLUMNS; values as in the file."""
    arguments: Optional[tuple[str, ...]]
    """Words behind the command besides options; None keeps those of an existing service."""
    options: Mapping[str, Optional[str]]
    """``-o`` overrides; None removes one."""
    purge_options: bool = False
    state: str = "present"

    @property
    def key(self) -> str:
        """``NAME/TYPE``."""
        return f"{self.name}/{self.type}"


def service_specs(service: Mapping[str, Any]) -> ServiceSpec:
    """A service from YAML (the keys of the master_cf module; columns left out or ``keep`` are kept).

    :raises DeclarationError: for a column, an option or a name that master.cf can't hold.
    """
    key = str(service.get("service") or "")
    name, _slash, kind = key.rpartition("/")
    if not name or kind not in SERVICE_TYPES:
        raise invalid_service(
            repr(key), f"not NAME/TYPE with a type of {', '.join(SERVICE_TYPES)}", "Write for example submission/inet"
        )
    if re.search(r"[\s#{}=\0]", name):
        raise invalid_service(
            ascii(key), "the name has white space, a NUL or one of # { } =", "Write a name or host:port"
        )
    to_bytes(name)  # refuses what can't be written
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
        raise invalid_service(key, "an inet service can't be private: master(8) stops on it", "Write private: false")
    arguments: Optional[tuple[str, ...]] = None
    options: dict[str, Optional[str]] = {}
    command = service.get("command")
    if command is not None and command != KEEP:
        words = _words_of(str(command), key)
        if not words:
            raise invalid_service(key, "empty command", "Write the name of a daemon such as smtpd")
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


def _joined_arguments(earlier: ServiceSpec, later: ServiceSpec) -> Optional[tuple[str, ...]]:
    command = later.columns.get("command")
    if later.arguments is not None or command in (None, earlier.columns.get("command")):
        return earlier.arguments if later.arguments is None else later.arguments
    return None  # those of another program


def merged(declarations: Sequence[ServiceSpec]) -> list[ServiceSpec]:
    """One declaration per service: of several for the same one, later words override earlier ones.

    :raises DeclarationError: for two names of one service, such as smtps and submissions.
    """
    result: dict[tuple[str, str], ServiceSpec] = {}
    for declaration in declarations:
        same = endpoint(declaration.name, declaration.type)
        earlier = result.get(same)
        if earlier is None:
            result[same] = declaration
        elif earlier.name != declaration.name:
            raise invalid_service(
                declaration.key, f"master(8) takes it for the same service as {earlier.key}", "Declare one of them"
            )
        else:
            result[same] = replace(
                declaration,
                columns={**earlier.columns, **declaration.columns},
                arguments=_joined_arguments(earlier, declaration),
                options={**earlier.options, **declaration.options},
                purge_options=earlier.purge_options or declaration.purge_options,
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
        pattern, meaning = r"[0-9]+\??", "seconds, with ? behind them to wake up only if it is used"
    if isinstance(value, bool) or not re.fullmatch(pattern, str(value)):
        raise invalid_service(key, f"{column} is {value!r}", f"Write {meaning}, or null for '-'")
    return str(value)


def _option_value(key: str, option: Any, value: Any) -> Optional[str]:
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
            "master.cf can't hold it: set the parameter in main.cf and refer to it as $name",
        )
    return text


def _holds(text: str) -> bool:
    """Whether a word with this text can be written: a closing brace without an opening one is data unless the word needs braces."""
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
        raise invalid_service(key, "the command goes over several lines or holds a NUL", "Write it in one line")
    program, _blank, rest = text.partition(b" ")
    columns = b"- " * (len(COLUMNS) - 1) + program + b" " + rest
    return [
        word.text for word in split_words(columns, [(0, len(columns))], f"the command of {key}")[len(COLUMNS) - 1 :]
    ]
