# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The transaction: make a plan under the lock, install it, and open a transaction if it must be confirmed. Private to mailops.postfix.

A plan is made under Postfix's own lock (:mod:`lock`), so that no file that it has read changes before it is installed. If another process
has the lock, the plan is made without it; if that plan changes something, apply() waits for the lock and makes the plan again. While another
transaction of the instance is open, apply() waits for its end, since an undo would take what is planned now for granted.
In check mode the same plan is made, without a lock, and not installed.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Callable, Optional, Sequence

from .._errors import DeclarationError, HostError
from .._formats.lines import to_text
from .._host import state
from .._host.digests import State
from .._host.instance import Instance
from .._host.runner import run_program
from .._plan.plan import Change, Plan, attribute_changes, strongest
from . import confirmed, journal, lock, stamps, store
from .install import install, installs, shared_files

LARGE = 100_000
"""Bytes above which a diff shows only the size and checksum of a content."""

_SHOWN_PARTS = 10
"""Parts of a configuration that a warning names."""

_PAUSE = 0.2
"""Seconds between two looks at an open transaction of others."""


class OpenTransaction(Exception):
    """Raised by :attr:`Confirmation.undoes` to end the run before it changes anything, and ask the controller about a transaction."""

    def __init__(self, transaction: store.Transaction) -> None:
        super().__init__(transaction.id)
        self.transaction = transaction


def by_program(transaction: store.Transaction) -> str:
    """Let the program on the host undo a transaction. It is there, since it is installed before a transaction is opened.

    :raises HostError: if it fails.
    """
    done = run_program((sys.executable, f"{state.ROOT}/program", "undo", transaction.id))
    if done.returncode != 0:
        raise HostError("undoing", transaction.described(), done.complaint)
    return to_text(done.stdout).strip().replace("undone: ", "", 1) or transaction.described()


@dataclass(frozen=True)
class Confirmation:
    """How the changes of a run are confirmed, and what it does about an open transaction of others."""

    seconds: int = 0
    """Within so many seconds they must be confirmed; 0: they are confirmed when they are installed."""
    join: Optional[str] = None
    """The identifier of an open transaction to which they belong."""
    undoes: Callable[[store.Transaction], bool] = lambda _transaction: False
    """Whether to undo an open transaction of others first, instead of waiting for its end."""
    undo: Callable[[store.Transaction], str] = by_program
    """Undoes a transaction, without a lock; returns what to report, as the beginning of a sentence."""
    opener: store.Opener = field(default_factory=store.this_host)
    ignores_others: bool = False
    """Whether an open transaction that has changed none of the planned files matters."""


@dataclass
class Outcome:
    """What applying a plan has done, or in check mode would do."""

    changed: bool
    diff: list[dict[str, Any]]
    plan: Plan
    backup_files: list[str]
    requires: str = "none"
    """What the running Postfix needs now."""
    transaction: store.Transaction | None = None
    """The open transaction that has the changes of this run; None if there is none, and in check mode."""
    verify: str = "none"
    """What has to be verified: ``none``, what this run has ``changed``, or ``all``, if nothing had to be changed and the files are not those
    that were confirmed last. Without a transaction, ``changed`` is what was wrong when they were confirmed."""
    verified: str | None = None
    """When the present state was verified, as ISO 8601 in UTC; None if it was not, or something has changed."""


def apply(
    build: Callable[[Instance], Plan],
    read_instance: Callable[[], Instance],
    check_mode: bool = False,
    backup: bool = False,
    confirmation: Confirmation = Confirmation(),
    lock_timeout: float = lock.LOCK_TIMEOUT,
) -> Outcome:
    """Make a plan and install it.

    :param build: makes a plan for an instance; called again if another process had the lock, so that its changes are not lost.
    :param read_instance: gives the instance as it is now.
    :param check_mode: make the plan, but do not install it.
    :param backup: keep the old content of changed files next to them.
    :param confirmation: how the changes are confirmed.
    :param lock_timeout: seconds to wait for another writer, and for the end of another open transaction.
    :raises HostError: if a file can't be written, another transaction stays open, or a newer version of this collection has been
        interrupted; nothing is changed then.
    """
    instance = read_instance()  # reads each file when it is first used
    run = _Run(build, read_instance, backup, confirmation)
    if check_mode:
        return run.predicted(instance)
    end = time.monotonic() + lock_timeout
    main_cf = instance.path("main.cf")
    run.undo_what_must_go(instance.config_directory)
    with lock.held_if_free(main_cf) as free:
        if free and not run.is_blocked(instance):
            return run.locked(instance)
    # A directory of an installation may be that of the process that has the lock, or of a killed one. Only with the lock it is the latter.
    if not free and not journal.interrupted(instance.config_directory) and not run.others(instance.config_directory):
        outcome = _planned(build, instance)
        if not outcome.plan.changes_something():
            return run.unchanged(outcome, instance)
    while True:
        with lock.held(main_cf, max(0.0, end - time.monotonic())) as waited:
            instance = read_instance()
            if not run.is_blocked(instance):
                outcome = run.locked(instance)
                break
        if time.monotonic() >= end:
            raise run.refusal()
        time.sleep(_PAUSE)
        run.undo_what_must_go(instance.config_directory)
    outcome.plan.warnings += [f"{waited} that was editing {main_cf}"] if waited else []
    return outcome


class _Run:
    """One call of :func:`apply`."""

    def __init__(
        self,
        build: Callable[[Instance], Plan],
        read_instance: Callable[[], Instance],
        backup: bool,
        confirmation: Confirmation,
    ) -> None:
        self.build = build
        self.read_instance = read_instance
        self.backup = backup
        self.confirmation = confirmation
        self.blocking: list[store.Transaction] = []
        self.warnings: list[str] = []

    def others(self, directory: str) -> list[store.Transaction]:
        """The open transactions that are not the one that this run joins."""
        return [found for found in store.open_transactions(directory) if found.id != self.confirmation.join]

    def undo_what_must_go(self, directory: str) -> None:
        """Undo the open transactions of others whose deadline has passed, or that :attr:`Confirmation.undoes`, newest first."""
        for other in reversed(self.others(directory)):
            if (other.expired or self.confirmation.undoes(other)) and not store.is_held(other):
                self.warnings.append(f"undone first: {self.confirmation.undo(other)}")

    def is_blocked(self, instance: Instance) -> bool:
        """Whether an open transaction of others is in the way. Needs the lock."""
        directory = instance.config_directory
        if store.settle(directory):
            self.warnings.append(f"restored the files in {directory} that an interrupted run had begun to change")
        self._must_be_open(directory)
        self.blocking = self.others(directory)
        return bool(self.blocking) and not (self.confirmation.ignores_others and self._is_apart(instance))

    def _must_be_open(self, directory: str) -> None:
        join = self.confirmation.join
        if join is not None and store.find(directory, join) is None:
            how = store.ending(directory, join)
            raise HostError(
                "joining",
                f"the transaction {join}",
                f"it is no longer open: {how}" if how else "it is not open",
                "Run the playbook again",
            )

    def _is_apart(self, instance: Instance) -> bool:
        """Whether no open transaction has changed a file of the plan."""
        try:
            paths = {os.path.realpath(change.path) for change in self.build(instance).changes}
        finally:
            instance.end()
        return not any(file.target in paths for other in self.blocking for file in other.files)

    def refusal(self) -> HostError:
        """The error of a run that has waited in vain."""
        other = self.blocking[-1]
        return HostError(
            "changing",
            f"the Postfix instance in {other.instance}",
            f"{other.described()} is neither confirmed nor undone",
            f"Wait for its end, or undo it: with pending: undo, or with 'mailops-postfix undo {other.id}' on the host",
        )

    def locked(self, instance: Instance) -> Outcome:
        """Make the plan and install it. Needs the lock, which no other transaction blocks."""
        begun = time.time()
        outcome = _planned(self.build, instance)
        shared = shared_files(outcome.plan.changes, instance.config_directory)
        with lock.files_held(os.path.realpath(change.path) for change in shared):
            if not all(map(_is_current, shared)):  # another instance has changed a file that both use
                begun, instance = time.time(), self.read_instance()
                outcome = _planned(self.build, instance)
            return self._installed(instance, outcome, begun)

    def _installed(self, instance: Instance, outcome: Outcome, begun: float) -> Outcome:
        directory = instance.config_directory
        plan = outcome.plan
        plan.warnings[:0] = self.warnings
        if plan.changes_something():
            recorded = confirmed.recorded(directory)
            before = None if recorded is None else confirmed.present(instance, recorded)
            # What an undo needs is there before the first file that may have to be undone, and stays.
            install([change for change in plan.changes if change.stays], directory)
            plan.warnings += _run(plan.beforehand, instance)
            rest = [change for change in plan.changes if not change.stays]
            # A new version of the program alone leaves nothing to undo.
            if any(installs(change) for change in rest):
                outcome.transaction = self._opened(instance, plan)
            outcome.backup_files = install(rest, directory, self.backup, outcome.transaction)
            plan.warnings += _run(plan.afterwards, instance)
            self._keep_states(outcome.transaction, before)
        elif plan.records_something():
            install([change for change in plan.changes if change.records], directory)
        stamps.record(plan, begun)
        return self.unchanged(outcome, instance)

    def predicted(self, instance: Instance) -> Outcome:
        """The outcome in check mode."""
        outcome = _planned(self.build, instance)
        if self.confirmation.seconds and not outcome.changed:
            names = confirmed.changed_since(instance, check_mode=True)
            self._report_others(outcome, instance, names)
            if names == []:
                outcome.verified = confirmed.verified_at(instance.config_directory)
        return outcome

    def unchanged(self, outcome: Outcome, instance: Instance) -> Outcome:
        """The outcome with what has to be verified."""
        if outcome.transaction is not None:
            outcome.verify = "changed"
        elif self.confirmation.seconds and not outcome.changed:
            names = confirmed.changed_since(instance)
            self._report_others(outcome, instance, names)
            if names is None or names:
                outcome.verify = "all"
            elif confirmed.open_findings(instance.config_directory):
                outcome.verify = "changed"
        if outcome.verify == "none" and self.confirmation.seconds:
            outcome.verified = confirmed.verified_at(instance.config_directory)
        return outcome

    def _report_others(self, outcome: Outcome, instance: Instance, names: Sequence[str] | None) -> None:
        """Warn of what others have changed since the configuration was confirmed, and judge it.

        :raises DeclarationError: if it is wrong.
        """
        if not names:
            return
        more = f", and {len(names) - _SHOWN_PARTS} more" if len(names) > _SHOWN_PARTS else ""
        outcome.plan.warnings.append(
            f"changed by others in {instance.config_directory} since it was confirmed: {', '.join(names[:_SHOWN_PARTS])}{more}"
        )
        if outcome.plan.judge_others is not None:
            outcome.plan.warnings += outcome.plan.judge_others(names)

    def _keep_states(self, transaction: store.Transaction | None, before: State | None) -> None:
        """Store what counts as confirmed now, and what will when an open transaction is confirmed.

        :param before: the state before the installation; None if nothing was confirmed.
        """
        instance = self.read_instance()
        if before is None and transaction is None:
            return
        after = confirmed.present(instance, before)
        recorded = confirmed.recorded(instance.config_directory)
        if after is None:
            return
        for found in [*self.blocking, *filter(None, [transaction])]:
            base = confirmed.kept_state(found) or recorded
            confirmed.keep_state(found, confirmed.with_changes(base, before, after) if base and before else after)
        if transaction is None and recorded is not None and before is not None:
            confirmed.remember(instance.config_directory, confirmed.with_changes(recorded, before, after), None)

    def _opened(self, instance: Instance, plan: Plan) -> store.Transaction | None:
        """The transaction that records what is installed; None if it is confirmed at once."""
        wish = self.confirmation
        if wish.join is not None:
            transaction = store.find(instance.config_directory, wish.join)
        elif wish.seconds:
            transaction = store.create(instance.config_directory, os.urandom(8).hex(), wish.seconds, wish.opener)
            transaction.ran = instance.running()
        else:
            return None
        if transaction is not None:
            transaction.requires = strongest(transaction.requires, plan.requires)
        return transaction


def _is_current(change: Change) -> bool:
    """Whether a file is as the plan has found it."""
    if not isinstance(change.after, bytes):
        return True
    try:
        with open(change.path, "rb") as file:
            return file.read() == change.before
    except OSError:
        return change.before is None


def _planned(build: Callable[[Instance], Plan], instance: Instance) -> Outcome:
    try:
        plan = _without_conflicts(build(instance))
    finally:
        instance.end()
    return _outcome(plan)


def _without_conflicts(plan: Plan) -> Plan:
    """The plan itself, if it changes no file twice.

    :raises DeclarationError: if it does.
    """
    seen: dict[str, str] = {}
    for change in plan.changes:
        target = os.path.realpath(change.path)
        if target in seen:
            raise DeclarationError(
                "declaring",
                change.path,
                "the same file is declared twice",
                "Join the two declarations, or name another file",
            )
        seen[target] = change.path
    return plan


def confirm(
    transaction: store.Transaction, lock_timeout: float = lock.LOCK_TIMEOUT, findings: confirmed.Findings | None = None
) -> None:
    """Confirm a transaction: it can't be undone any more.

    :param findings: what its verification has found; None if it was not verified as a configuration, so that what was found last stays.
    :raises HostError: if the lock of the instance can't be acquired.
    """
    with lock.held(os.path.join(transaction.instance, "main.cf"), lock_timeout):
        store.settle(transaction.instance)
        state_to_confirm = confirmed.kept_state(transaction)
        store.close(transaction, "confirmed")
        confirmed.remember(transaction.instance, state_to_confirm, findings)


def _run(commands: Sequence[tuple[str, ...]], instance: Instance) -> list[str]:
    failures = []
    for command in commands:
        try:
            instance.run(*command)
        except HostError as error:
            failures.append(str(error))
    return failures


# What would change


def _outcome(plan: Plan) -> Outcome:
    diff = []
    for change in plan.changes:
        if change.records:
            continue
        if change.rewrites:
            diff.append(_content_diff(change))
        wanted = attribute_changes(change)
        if wanted:
            diff.append(
                {
                    "before_header": change.path,
                    "after_header": change.path,
                    "before": {name: old for name, (old, _new) in wanted.items()},
                    "after": {name: new for name, (_old, new) in wanted.items()},
                }
            )
    return Outcome(bool(diff), diff, plan, [], plan.requires if diff else "none")


def _content_diff(change: Change) -> dict[str, Any]:
    entry: dict[str, Any] = {"before_header": change.path, "after_header": change.path}
    if callable(change.after):
        entry.update(before=f"({change.stale})\n", after="(generated by its program)\n")
    elif change.shown is not None:
        entry.update(before=change.shown[0], after=change.shown[1])
    elif change.secret:
        entry.update(
            before="" if change.before is None else "(content not shown)\n",
            after="" if change.after is None else "(other content, not shown)\n",
        )
    elif max(len(change.before or b""), len(change.after or b"")) > LARGE:
        entry.update(before=_measured(change.before), after=_measured(change.after))
    else:
        entry.update(before=to_text(change.before or b""), after=to_text(change.after or b""))
        if change.before is None and change.after == b"":
            entry["after"] = "(empty file)\n"
        for side in ("before", "after"):
            entry[side] = entry[side].encode("utf-8", "replace").decode("utf-8")
    return entry


@lru_cache(maxsize=2)
def _measured(content: bytes | None) -> str:
    """What a diff shows of a large content: its size and checksum."""
    if content is None:
        return ""
    lines = content.count(b"\n") + (not content.endswith(b"\n") and content != b"")
    return (
        f"({len(content)} bytes, {lines} lines, SHA-256 {hashlib.sha256(content).hexdigest()}; too large to be shown)\n"
    )
