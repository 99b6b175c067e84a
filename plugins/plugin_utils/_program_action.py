# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of the modules that install the program on the host. Private to mailops.postfix.

The module gets the checksum of the program. If the host needs the program and has another one, the module says so before it changes
anything, and is called again with the program.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils._program import archive


class ProgramAction(ActionBase):
    """Runs the module of the same name, and sends it the program if it asks for it."""

    # Whether the program has to travel is known only when the host has answered: no directory is made for it before.
    TRANSFERS_FILES = False
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        content = archive.program()
        option = {"checksum": archive.checksum(content)}
        in_background = bool(self._task.async_val)
        if in_background:
            # Ansible does not wait for the answer of the first call: the program is sent with it.
            option["path"] = self._sent(content)
        answer = self._call(option, task_vars)
        if answer.pop("_transfer", False):
            answer = self._call({**option, "path": self._sent(content)}, task_vars)
        result.update(answer)
        if not in_background:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _call(self, program: dict[str, str], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        arguments = {**self._task.args, "_program": program}
        answer: dict[str, Any] = self._execute_module(
            module_args=arguments, task_vars=task_vars, wrap_async=self._task.async_val
        )
        arguments_shown = answer.get("invocation", {}).get("module_args")
        if isinstance(arguments_shown, dict):
            arguments_shown.pop("_program", None)
        return answer

    def _sent(self, content: bytes) -> str:
        """The path of a copy of the program on the host, which only root and the connection's user can read."""
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        remote: str = self._connection._shell.join_path(self._connection._shell.tmpdir, "program")
        self._transfer_data(remote, content)
        self._fixup_perms2((self._connection._shell.tmpdir, remote))
        return remote
