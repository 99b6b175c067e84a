# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verbs ``undo`` and ``pending`` of the program on the host. Private to mailops.postfix."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from contextlib import suppress
from typing import List, Sequence

from .._errors import HostError, PostfixError
from .._host import system
from .._host.instance import Instance
from .._host.runner import run_program
from .._transaction import lock, store, undo
from .._transaction.store import Transaction
from . import deadline, host_log


def main(arguments: Sequence[str]) -> int:
    """Undo open transactions; returns the exit status."""
    options = _parser().parse_args(list(arguments))
    if options.watch:
        return _watch()
    status = 0
    try:
        _settle()
        chosen = _chosen(options)
    except PostfixError as error:
        return _failed(str(error))
    for transaction in reversed(chosen):
        status = max(status, _undo(transaction, options.boot))
    if options.expired and not options.boot and not store.all_open() and system.systemd_runs():
        run_program(("systemctl", "stop", f"{deadline.UNIT}.timer"))
    return status


def pending(arguments: Sequence[str]) -> int:
    """Show the open transactions as JSON; returns the exit status."""
    if arguments:
        sys.stderr.write("usage: mailops-postfix pending\n")
        return 2
    shown = [
        {
            "id": found.id,
            "instance": found.instance,
            "host": found.opener.host,
            "user": found.opener.user,
            "since": found.since,
            "deadline": found.deadline,
            "changed": [file.target for file in found.files],
        }
        for found in store.all_open()
    ]
    sys.stdout.write(f"{json.dumps(shown, indent=2)}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mailops-postfix undo",
        description="Undo a change of Postfix that has not been confirmed: restore its files, and reload Postfix.",
    )
    parser.add_argument("id", nargs="?", metavar="ID", help="the transaction; without it the only one that is open")
    parser.add_argument("--expired", action="store_true", help="those whose deadline has passed")
    parser.add_argument(
        "--instance", metavar="DIR", help="only those of the instance with this configuration directory"
    )
    parser.add_argument("--boot", action="store_true", help="all, before Postfix is started; for the unit at boot")
    parser.add_argument("--watch", action="store_true", help="in the background, those whose deadline passes")
    return parser


def _settle() -> None:
    """Complete or restore what installations that were killed have left."""
    for directory in {found.instance for found in store.all_open()}:
        if os.path.isdir(directory):
            with lock.held_if_free(os.path.join(directory, "main.cf")) as free:
                if free:
                    store.settle(directory)


def _chosen(options: argparse.Namespace) -> List[Transaction]:
    """The transactions that the arguments select.

    :raises HostError: if they select none that is open, or do not say which of several.
    """
    found = store.all_open()
    if options.instance:
        found = [item for item in found if os.path.realpath(item.instance) == os.path.realpath(options.instance)]
    if options.boot:
        return found
    if options.expired:
        return [item for item in found if item.expired]
    if options.id:
        found = [item for item in found if item.id == options.id]
        if not found:
            raise HostError(
                "undoing", f"the transaction {options.id}", "it is not open", "See 'mailops-postfix pending'"
            )
    if not found:
        sys.stdout.write("no change is open\n")
    if len(found) > 1:
        raise HostError(
            "undoing",
            "a transaction",
            f"several are open: {', '.join(item.id for item in found)}",
            "Name one, or an instance with --instance",
        )
    return found


def _undo(transaction: Transaction, boot: bool) -> int:
    try:
        undone = undo.with_locks(transaction, lambda current: _undone(current, boot))
    except (PostfixError, OSError) as error:
        return _failed(f"{transaction.described()} in {transaction.instance} could not be undone: {error}")
    if undone is None:
        return 0  # confirmed or undone by another process meanwhile
    message = f"undone: {transaction.described()} in {transaction.instance}; restored {', '.join(undone.restored) or 'nothing'}"
    host_log.log(transaction.instance, "warn", message + undone.report())
    sys.stdout.write(f"{message}{undone.report()}\n")
    if undone.problems:
        return _failed(
            f"Postfix does not use the restored files in {transaction.instance}: {'; '.join(undone.problems)}"
        )
    return 0


def _undone(transaction: Transaction, boot: bool) -> undo.Undone:
    # Imported here, since most calls of the timer find nothing to undo.
    from .._verify import levels

    def read_instance() -> Instance:
        return Instance(transaction.instance)

    return levels.with_fallen_levels(read_instance, lambda: undo.undo(transaction, read_instance, boot), boot)


def by_this_program(transaction: Transaction) -> str:
    """Undo a transaction of others whose deadline has passed; returns what to report.

    :raises HostError: if that fails.
    """
    if _undo(transaction, False):
        raise HostError("undoing", transaction.described(), "see the mail log for the reason")
    return transaction.described()


def _failed(message: str) -> int:
    sys.stderr.write(f"mailops-postfix: {message}\n")
    host_log.log("", "error", message)
    return 1


def _watch() -> int:
    """Look for expired transactions until none is open, in a session of its own."""
    if os.fork():
        return 0
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    # The transaction is about to be opened.
    time.sleep(deadline.SECONDS)
    while store.all_open():
        with suppress(Exception):
            main(["--expired"])
        time.sleep(deadline.SECONDS)
    os._exit(0)
