# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors of the collection. Private to mailops.postfix.

Every message says what was being done, to which object (a parameter, or file:line), why it failed, and what to write instead.
"""

from __future__ import annotations

from typing import Iterable


class PostfixError(Exception):
    """The base class of all errors that are reported to the user. Any other exception is a defect of the collection."""

    def __init__(self, action: str, subject: str, cause: str, remedy: str = "") -> None:
        """
        :param action: what was being done, as a participle: ``setting``, ``reading``.
        :param subject: the object, for example a parameter, a service, ``/etc/postfix/main.cf:12``.
        :param cause: why it failed, a clause without a full stop.
        :param remedy: what to write or do instead, a sentence without a full stop.
        """
        super().__init__(action, subject, cause, remedy)
        self.action = action
        self.subject = subject
        self.cause = cause
        self.remedy = remedy

    def __str__(self) -> str:
        message = f"{self.action} {self.subject}: {self.cause}"
        return f"{message}. {self.remedy}" if self.remedy else message


class GrammarError(PostfixError):
    """A file or text that Postfix would reject. The subject is ``file:line``."""


class DeclarationError(PostfixError):
    """The user declared something that cannot or must not be written."""


class HostError(PostfixError):
    """The host prevents the operation: a program is missing or failed, or a file cannot be read or written."""


class ProgramNotSent(HostError):
    """The host needs the program of the collection, and the action plugin of the module has not sent it yet."""


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The start of a remedy: ``Did you mean NAME? `` with the most similar known name, or an empty string.

    :param cutoff: the least similarity, from 0 to 1.
    """
    # Imported here because it is needed only for an error.
    import difflib

    candidates = sorted(set(known))
    alike = [candidate for candidate in candidates if candidate.lower() == name.lower()]
    close = alike or difflib.get_close_matches(name, candidates, n=1, cutoff=cutoff)
    return f"Did you mean {close[0]}? " if close else ""
