# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans: the files to change, and the result for the user. Private to mailops.postfix.

Planners make plans. :mod:`_transaction.apply`, the only writer, installs them.
"""

from __future__ import annotations

import grp
import math
import os
import pwd
import stat
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Callable, Mapping, Sequence

from .._errors import DeclarationError, HostError
from .._formats import file_modes

REQUIRES = ("none", "reload", "restart")
"""What the running Postfix needs for a change to take effect, from least to most."""


@dataclass(frozen=True)
class Attributes:
    """Owner, group and mode of a file. None keeps those of an existing file; a new one gets root, root and 0644."""

    owner: str | None = None
    group: str | None = None
    mode: int | None = None


def root_owned(mode: int) -> Attributes:
    """The attributes of a file that root owns, or the user who runs this, if that is another user.

    :param mode: its permission bits.
    """
    return Attributes(owner="root" if os.geteuid() == 0 else None, mode=mode)


def declared_attributes(path: str, owner: str | None, group: str | None, mode: str | int | None) -> Attributes:
    """The declared attributes of a file.

    :raises DeclarationError: if the mode is not valid.
    """
    bits = None if mode is None else file_modes.octal(mode)
    if mode is not None and bits is None:
        raise DeclarationError(
            "setting the mode of", path, f"{mode!r} is not a valid octal mode", 'Write it in quotes, as in "0644"'
        )
    return Attributes(owner, group, bits)


@dataclass(frozen=True)
class Change:
    """One file: its current and its new content."""

    path: str
    after: bytes | None | Callable[[str], None]
    """The new content; None removes the file. A function writes to the path that it is given what only a program can make, such as
    a table of postmap(1) or a key of openssl(1). The transaction calls it when it installs the plan, never in check mode."""
    before: bytes | None = None
    """The current content; None if the file does not exist."""
    stale: str = ""
    """Why the function must write the file (``missing``, ``older than its text``); empty if it need not."""
    attributes: Attributes = Attributes()
    secret: bool = False
    """Whether the content must never be shown."""
    shown: tuple[str, str] | None = None
    """What a diff shows as before and after instead of a content that is hard to read."""
    not_before: float = 0.0
    """The least modification time of the new file: for a compiled table, that of its text."""
    stamp: str = ""
    """The name of the stamp (:mod:`_host.stamp`) that is recorded for all files of this name: they agree, as they are now or installed."""
    stays: bool = False
    """Whether the file stays when the transaction is undone, because an undo needs it. Such files are installed before all others."""
    records: bool = False
    """Whether it only records what the run has declared. It is installed and undone with the other files, is not shown, and alone is not a
    change that has to be verified."""
    directory_mode: int = 0o755
    """The mode of directories that the transaction creates for the file."""

    @property
    def rewrites(self) -> bool:
        """Whether the content changes."""
        return bool(self.stale) if callable(self.after) else self.after != self.before


def content_stays(temporary: str) -> None:
    """Marks a change of attributes alone: the transaction does not write the file."""
    raise AssertionError(temporary)


@dataclass(frozen=True)
class Agreement:
    """Files that agree when a plan is installed. Their stamp (:mod:`_host.stamp`) saves the next plan the comparison."""

    name: str
    """What they agree in: with the paths, all that a comparison depends on."""
    paths: Sequence[str]
    until: float = math.inf
    """The time at which they must be compared again, whether or not they have changed, in seconds since the epoch."""


class RenewalKind(Enum):
    """What is renewed; the value is the name of the directory of its specifications."""

    CERTIFICATE = "certificates"
    CA_BUNDLE = "ca-bundles"


@dataclass(frozen=True)
class Renewal:
    """A part of a plan that depends on files that ACME clients or the system renew. It must be planned again at each renewal."""

    kind: RenewalKind
    key: str
    """Identifies it within its kind and instance: the path of the chain file or of the CA bundle, or the name of the certificate."""
    options: Mapping[str, Any]
    """The options of the module that declared it."""
    copied: bool
    """Whether Postfix reads a copy instead of the renewed files."""
    result: dict[str, Any] = field(default_factory=dict, compare=False)
    """The part of the plan's result that is about it."""


@dataclass
class Plan:
    """The changes of one run, and the result for the user."""

    changes: list[Change] = field(default_factory=list)
    """In the order of their installation."""
    result: dict[str, Any] = field(default_factory=dict)
    requires: str = "none"
    """What the running Postfix needs if the plan changes anything: none, reload or restart."""
    warnings: list[str] = field(default_factory=list)
    beforehand: list[tuple[str, ...]] = field(default_factory=list)
    """Commands to run when the files that stay are installed, before the other files. A failure is a warning."""
    afterwards: list[tuple[str, ...]] = field(default_factory=list)
    """Commands to run after the installation. A failure is a warning, since the files are already in place."""
    renewals: list[Renewal] = field(default_factory=list)
    agreements: list[Agreement] = field(default_factory=list)
    judge_others: Callable[[Sequence[str]], list[str]] | None = None
    """Judges the present configuration where others have changed these parts (:mod:`_model.parts`): returns warnings, and raises
    DeclarationError for what is wrong. None without checks."""

    def changes_something(self) -> bool:
        """Whether the content or the attributes of a file change that does more than record."""
        return any(change.rewrites or attribute_changes(change) for change in self.changes if not change.records)

    def records_something(self) -> bool:
        """Whether a file that only records changes."""
        return any(change.rewrites for change in self.changes if change.records)


def strongest(*requires: str) -> str:
    """The strongest of several values of ``requires``; ``none`` without values."""
    return max(requires, key=REQUIRES.index, default="none")


def attribute_changes(change: Change) -> dict[str, tuple[str, str]]:
    """The attributes of an existing file that differ from the declared ones: ``{name: (old, new)}``.

    :raises HostError: if there is no such user or group, or the file cannot be read.
    """
    if change.after is None:
        return {}
    wanted = change.attributes
    user = None if wanted.owner is None else user_id(wanted.owner, change.path)
    group = None if wanted.group is None else group_id(wanted.group, change.path)
    try:
        now = os.stat(change.path)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise HostError("reading", change.path, error.strerror or str(error)) from error
    result = {}
    if wanted.mode is not None and stat.S_IMODE(now.st_mode) != wanted.mode:
        result["mode"] = (f"{stat.S_IMODE(now.st_mode):04o}", f"{wanted.mode:04o}")
    if wanted.owner is not None and now.st_uid != user:
        result["owner"] = (str(now.st_uid), wanted.owner)
    if wanted.group is not None and now.st_gid != group:
        result["group"] = (str(now.st_gid), wanted.group)
    return result


def user_id(name: str, path: str) -> int:
    """The numeric id of a user, who is given by name or number.

    :param path: the file that the user is to own, for the error.
    :raises HostError: if there is no such user.
    """
    return _id(name, path, "owner", "user", lambda: pwd.getpwnam(name).pw_uid)


def group_id(name: str, path: str) -> int:
    """The same for a group."""
    return _id(name, path, "group", "group", lambda: grp.getgrnam(name).gr_gid)


def _id(name: str, path: str, option: str, kind: str, look_up: Callable[[], int]) -> int:
    try:
        return int(name) if name.isdigit() else look_up()
    except KeyError:
        cause, remedy = f"there is no {kind} {name!r}", f"Set {option} to an existing {kind}"
        raise HostError(f"setting the {option} of", path, cause, remedy) from None
