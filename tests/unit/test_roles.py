# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of tasks and plays in roles and playbooks: each begins with an imperative verb, and is unique within its role or playbook."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Iterable, Iterator

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))

VERBS = {
    *("Activate", "Add", "Apply", "Assert", "Check", "Collect", "Compile", "Configure", "Confirm", "Copy", "Create"),
    *("Declare", "Delete", "Deploy", "Determine", "Disable", "Display", "Distribute", "Enable", "Enrol", "Ensure"),
    *(
        "Fail",
        "Fetch",
        "Find",
        "Flush",
        "Gather",
        "Generate",
        "Import",
        "Include",
        "Install",
        "List",
        "Load",
        "Migrate",
    ),
    *("Obtain", "Pin", "Prepare", "Probe", "Publish", "Query", "Read", "Register", "Reload", "Remove", "Renew"),
    *("Replace", "Report", "Restart", "Restore", "Revoke", "Rotate", "Run", "Select", "Set", "Start", "Stop", "Store"),
    *("Switch", "Undo", "Update", "Validate", "Verify", "Wait", "Warn", "Withdraw", "Write"),
}
"""The imperative verbs with which the name of a task, handler or play may begin."""

NESTED = ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always")


def task_names(entries: Iterable[Any]) -> Iterator[str]:
    """The names in a list of tasks, handlers or plays, of nested ones as well; "" for an entry without a name."""
    for entry in entries or []:
        yield str(entry.get("name") or "")
        for key in NESTED:
            yield from task_names(entry.get(key) or [])


def name_faults(names: Iterable[str]) -> list[str]:
    """Names that do not begin with an imperative verb, and names that occur more than once."""
    names = list(names)
    faults = [f"{name!r} does not begin with an imperative verb" for name in names if name.split(" ")[0] not in VERBS]
    return faults + [f"{name!r} is the name of {count} tasks" for name, count in Counter(names).items() if count > 1]


def names_of(paths: Iterable[Path]) -> list[str]:
    """The names of all tasks, handlers and plays in files."""
    return [name for path in paths for name in task_names(yaml.safe_load(path.read_text(encoding="utf-8")))]


@pytest.mark.parametrize("role", ROLES, ids=[role.name for role in ROLES])
def test_task_names_of_roles(role):
    files = [path for folder in ("tasks", "handlers") for path in sorted((role / folder).glob("*.yml"))]
    assert files
    assert name_faults(names_of(files)) == []


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=[playbook.stem for playbook in PLAYBOOKS])
def test_task_names_of_playbooks(playbook):
    assert name_faults(names_of([playbook])) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("- name: Install Postfix\n  x: {}", ["Install Postfix"]),
        ("- x: {}", [""]),
        ("- name: Try\n  block:\n    - name: Read\n  rescue:\n    - name: Fail", ["Try", "Read", "Fail"]),
        (
            "- name: Play\n  hosts: all\n  pre_tasks:\n    - name: Read\n  handlers:\n    - name: Reload",
            ["Play", "Read", "Reload"],
        ),
    ],
)
def test_task_names(text, names):
    assert list(task_names(yaml.safe_load(text))) == names


@pytest.mark.parametrize(
    ("names", "count"),
    [
        (["Install Postfix", "Reload Postfix"], 0),
        (["install Postfix"], 1),
        (["Look for Postfix"], 1),
        (["Postfix is installed"], 1),
        ([""], 1),
        (["Read the keys", "Read the keys"], 1),
    ],
)
def test_name_faults(names, count):
    assert len(name_faults(names)) == count
