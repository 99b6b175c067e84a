# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line of the program on the host: ``mailops-postfix VERB ...``. Private to mailops.postfix."""

from __future__ import annotations

import os
import sys
from typing import Sequence

from . import deploy, undo

NAME = "mailops-postfix"

USAGE = f"""\
usage: {NAME} deploy ...      deploy renewed certificates and CAs to Postfix; see {NAME} deploy --help
       {NAME} OPERATION ...   the same, called as the hook of dehydrated
       {NAME} pending         show the changes that have not been confirmed, as JSON
       {NAME} undo [ID]       undo such a change; see {NAME} undo --help

Exit status: 0 success, or nothing to do; 1 failure; 2 wrong arguments."""

_VERBS = {"deploy": deploy.main, "pending": undo.pending, "undo": undo.main}


def main(arguments: Sequence[str]) -> int:
    """Run a verb with the rest of the arguments; returns the exit status."""
    os.umask(0o022)
    verb, *rest = arguments or [""]
    if deploy.is_hook_operation(verb):
        return deploy.main(arguments)
    if verb in ("-h", "--help"):
        sys.stdout.write(f"{USAGE}\n")
        return 0
    if verb not in _VERBS:
        cause = f"'{verb}' is not a valid verb" if verb else "a verb is missing"
        sys.stderr.write(f"{NAME}: {cause}\n{USAGE}\n")
        return 2
    return _VERBS[verb](rest)
