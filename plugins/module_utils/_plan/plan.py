# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What planners produce and the transaction installs: the files to change, and what to tell the user. Private to mailops.postfix.

A plan only describes. It is installed by :mod:`_transaction.apply`, which is the only writer.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Union

from .._errors import HostError

REQUIRES = ("none", "reload", "restart")
"""What a running Postfix needs, from least to most."""


@dataclass(frozen=True)
class Attributes:
    """Owner, group and mode of a file; None keeps an existing file's, and is root, root, 0644 for a new one."""

    owner: Optional[str] = None
    group: Optional[str] = None
    mode: Optional[int] = None


def root_owned(mode: int) -> Attributes:
    """The attributes of a file that belongs to root, or to the user who runs this where that is not root.

    :param mode: its permission bits.
    """
    return Attributes(owner="root" if os.geteuid() == 0 else None, mode=mode)


@dataclass(frozen=True)
class Change:
    """One file as it is and as it shall be."""

    path: str
    after: Union[bytes, None, Callable[[str], None]]
    """New content; None if there shall be no file; or a function that writes, to the path it is given, what only a program can make
    (a postmap database, an openssl key). The function is called when the plan is installed, never in check mode."""
    before: Optional[bytes] = None
    """The content at the time of planning; None if there is no file."""
    stale: str = ""
    """Why a function must make the file anew (``missing``, ``older than its text``); empty if there is no need."""
    attributes: Attributes = Attributes()
    secret: bool = False
    """Whether its content must never be shown."""
    shown: Optional[Tuple[str, str]] = None
    """What a diff shows as before and after in place of a content that nobody wants to read."""
    not_before: float = 0.0
    """A modification time that the new file must not be older than: that of the text, for a database."""
    seal: str = ""
    """A name that files share which are only ever installed together, so that :mod:`stamp` knows them again."""
    directory_mode: int = 0o755
    """Mode of directories that must be made for it."""

    @property
    def rewrites(self) -> bool:
        """Whether the content changes."""
        return bool(self.stale) if callable(self.after) else self.after != self.before


class RenewalKind(Enum):
    """What a renewal concerns."""

    CERTIFICATE = "certificates"
    CA_BUNDLE = "ca-bundles"


@dataclass(frozen=True)
class Renewal:
    """What a plan makes of files that others renew: it must be planned again whenever they do."""

    kind: RenewalKind
    key: str
    """What tells it from the others of its kind in this instance: the path of the chain file or bundle, or the certificate's name."""
    options: Mapping[str, Any]
    """The options of the module that declared it."""
    copied: bool
    """Whether Postfix reads a copy, and not the files of others themselves."""
    result: Dict[str, Any] = field(default_factory=dict, compare=False)
    """The part of the plan's result that tells of it."""


@dataclass
class Plan:
    """What shall change, and what to tell the user."""

    changes: List[Change] = field(default_factory=list)
    """In the order in which they must be installed."""
    result: Dict[str, Any] = field(default_factory=dict)
    requires: str = "none"
    """What Postfix needs if the plan changes anything: none, reload or restart."""
    warnings: List[str] = field(default_factory=list)
    afterwards: List[Tuple[str, ...]] = field(default_factory=list)
    """Commands to run once it is installed. The files are in place then, so that a failure is a warning."""
    renewals: List[Renewal] = field(default_factory=list)

    def changes_something(self) -> bool:
        """Whether a file gets other content or other attributes."""
        return any(change.rewrites or attribute_changes(change) for change in self.changes)


def strongest(*requires: str) -> str:
    """The one need that covers all."""
    return max(requires, key=REQUIRES.index, default="none")


def attribute_changes(change: Change) -> Dict[str, Tuple[str, str]]:
    """Owner, group and mode of an existing file that differ from the wanted ones: ``{name: (old, new)}``."""
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
    try:
        return int(name) if name.isdigit() else pwd.getpwnam(name).pw_uid
    except KeyError:
        raise HostError("setting the owner of", path, f"there is no user {name!r}", "Name an existing user") from None


def group_id(name: str, path: str) -> int:
    try:
        return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise HostError("setting the group of", path, f"there is no group {name!r}", "Name an existing group") from None
