# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action plugin of the modules that install the program on the host. Private to mailops.postfix.

The plugin passes the checksum of the program to the module. If the host needs the program and has another one, the module returns before
it changes anything, and the plugin calls it again with the program.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils._program import archive, install


class ProgramAction(ActionBase):
    """Runs the module of the same name, and sends the program if the module requests it."""

    # The plugin learns only from the module's answer whether it must send the program; only then it creates a directory for it.
    TRANSFERS_FILES = False
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        content = archive.program()
        option = {"checksum": install.checksum(content)}
        in_background = bool(self._task.async_val)
        if in_background:
            # Ansible does not wait for the answer of a task in the background: send the program with the first call.
            option["path"] = self._send(content)
        answer = self._call(option, task_vars)
        if answer.pop("_transfer", False):
            answer = self._call({**option, "path": self._send(content)}, task_vars)
        result.update(answer)
        if not in_background:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _call(self, program: dict[str, str], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Run the module with the option for the program; returns its result."""
        return self._answer({"_program": program}, task_vars)

    def _answer(self, hidden: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Run the module with hidden options; returns its result without them."""
        arguments = {**self._task.args, **hidden}
        answer: dict[str, Any] = self._execute_module(
            module_args=arguments, task_vars=task_vars, wrap_async=self._task.async_val
        )
        reported_arguments = answer.get("invocation", {}).get("module_args")
        if isinstance(reported_arguments, dict):
            for name in hidden:
                reported_arguments.pop(name, None)
        return answer

    def _send(self, content: bytes) -> str:
        """Copy the program to the host; returns the path of the copy, which only root and the connection's user can read."""
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        remote: str = self._connection._shell.join_path(self._connection._shell.tmpdir, "program")
        self._transfer_data(remote, content)
        self._fixup_perms2((self._connection._shell.tmpdir, remote))
        return remote
