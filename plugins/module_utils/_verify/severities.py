# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The severities that a user sets for listeners and next hops. Private to mailops.postfix. Pure."""

from __future__ import annotations

from typing import Any, Mapping

from .._errors import DeclarationError

SEVERITIES = ("error", "warning", "ignore")


class Severities:
    """One severity, or one for each subject, with a default for all others."""

    def __init__(self, option: str, value: Any, default: str, kinds: Mapping[str, str] | None = None) -> None:
        """
        :param option: the name of the option, for messages.
        :param value: a severity, or a dictionary of severities by subject.
        :param default: the severity if a dictionary does not have the key ``default``.
        :param kinds: keys of a dictionary that are kinds of results instead of subjects, with their defaults.
        :raises DeclarationError: if it is neither.
        """
        self._kinds = {name: default if severity is None else severity for name, severity in (kinds or {}).items()}
        declared = value if isinstance(value, Mapping) else {"default": value}
        named = {str(key).lower(): str(severity) for key, severity in declared.items()}
        for key, severity in named.items():
            if severity not in SEVERITIES:
                raise DeclarationError(
                    "reading option",
                    option if key == "default" and not isinstance(value, Mapping) else f"{option}: {key}",
                    f"{severity!r} is not a valid severity",
                    f"Write {', '.join(SEVERITIES)}, or a dictionary of them with the key default",
                )
        self._default = named.pop("default", default)
        self._kinds.update((kind, named.pop(kind)) for kind in list(named) if kind in self._kinds)
        self._named = named

    def of(self, subject: str, kind: str = "") -> str:
        """The severity of a subject, or else of a kind of result, or else the default."""
        named = self._named.get(subject.lower())
        if named is not None:
            return named
        if kind in self._kinds and self._default != "ignore":
            return self._kinds[kind]
        return self._default

    def ignores_all(self) -> bool:
        """Whether nothing is of interest."""
        return {self._default, *self._named.values()} == {"ignore"}
