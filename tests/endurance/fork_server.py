# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs modules as Ansible does, each in a separate process: everything is imported once, then each run is a fork.

Reads one request per line and prints one answer per line. The answer to ``{"module": ..., "options": ..., "output": path, ...}`` is the
process id, which is also the id of the process group of the module and its programs; the answer to ``{"wait": id}`` is the exit status,
when the module has ended.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from contextlib import suppress
from typing import Any, Callable, Mapping, NoReturn

from ansible.module_utils import basic
from ansible_collections.mailops.postfix.plugins.module_utils._host import state, system
from ansible_collections.mailops.postfix.plugins.module_utils._program import archive, deadline, install, timer

MODULES = "ansible_collections.mailops.postfix.plugins.modules"


def start(request: Mapping[str, Any]) -> int:
    """Start a module without waiting for it; return its process id."""
    process = os.fork()
    if process == 0:
        run(request)
    # In both processes: the group must exist before a kill, whichever process runs first.
    with suppress(OSError):
        os.setpgid(process, process)
    return process


def finished(process: int) -> int:
    """Wait until a module ends; return its exit status, or the negative number of the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def run(request: Mapping[str, Any]) -> NoReturn:
    """Run the module in this process."""
    status: Any = 70
    try:
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for descriptor, suffix in ((1, ""), (2, ".errors")):
            os.dup2(os.open(request["output"] + suffix, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), descriptor)
        os.environ.update(request["environment"])
        for name in ("link", "rename", "unlink"):
            setattr(os, name, slower(getattr(os, name), request["pace"]))
        if request["user"]:
            os.setgroups([])
            os.setgid(request["user"])
            os.setuid(request["user"])
        if request["options"].get("confirm_within"):
            request["options"]["_program"] = {"checksum": install.checksum(archive.program()), "path": sent()}
        basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": request["options"]}).encode()
        basic._ANSIBLE_PROFILE = "legacy"
        importlib.import_module(f"{MODULES}.{request['module']}").main()
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 1)


def slower(function: Callable[..., Any], pace: float) -> Callable[..., Any]:
    """The function, with a pause after each call."""

    def call(*arguments: Any, **options: Any) -> Any:
        result = function(*arguments, **options)
        time.sleep(pace)
        return result

    return call if pace else function


def use_own_paths(root: str) -> None:
    """What is at fixed paths on a host is at paths of the tests, and nothing goes on in the background."""
    state.ROOT = os.path.join(root, "state")
    install.PROGRAM = os.path.join(state.ROOT, "program")
    install.WRAPPER = os.path.join(root, "sbin/mailops-postfix")
    system.SYSTEMD_RUNS = timer.HOURLY = os.path.join(root, "nowhere")
    timer.CRONTABS = ()
    deadline.watch_commands = lambda command: []
    with open(sent(), "wb") as file:
        file.write(archive.program())


def sent() -> str:
    """The program as the action plugin sends it."""
    return os.path.join(os.environ["TMPDIR"], "sent")


def main() -> None:
    """Answer requests until the end of the input."""
    importlib.import_module(f"{MODULES}.configuration")
    use_own_paths(os.environ["TMPDIR"])
    for line in sys.stdin:
        request = json.loads(line)
        print(finished(request["wait"]) if "wait" in request else start(request), flush=True)


main()
