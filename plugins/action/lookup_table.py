# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of lookup_table: a table that is a file here travels only if the host has another one."""

from __future__ import annotations

import hashlib
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

_BLOCK = 1 << 20


class ActionModule(ActionBase):
    """Runs the module once with the file's checksum, and once more with the file if that differs."""

    TRANSFERS_FILES = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        arguments = dict(self._task.args)
        source = arguments.get("src")
        here = (
            source
            and arguments.get("state", "present") != "absent"
            and not boolean(arguments.get("remote_src", False), strict=False)
        )
        if not here:
            result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
            return result
        try:
            path = self._loader.get_real_file(self._find_needle("files", source), decrypt=True)
        except AnsibleError as error:
            result.update(failed=True, msg=f"reading {source}: {error}")
            return result
        try:
            checksum = _checksum(path)
            if str(arguments.get("checksum") or checksum).lower() != checksum:
                result.update(
                    failed=True,
                    msg=f"reading {source}: its SHA-256 is {checksum}, not {arguments['checksum']}. Correct either",
                )
                return result
            arguments["checksum"] = checksum
            answer = self._execute_module(module_args=arguments, task_vars=task_vars)
            if answer.pop("_transfer", False):
                answer = self._with_file(path, arguments, task_vars)
            result.update(answer)
        finally:
            self._loader.cleanup_tmp_file(path)
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _with_file(self, path: str, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Run the module with a copy of the file that only root and the connection's user can read."""
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        remote = self._connection._shell.join_path(self._connection._shell.tmpdir, "table")
        self._transfer_file(path, remote)
        self._fixup_perms2((self._connection._shell.tmpdir, remote))
        answer: dict[str, Any] = self._execute_module(
            module_args=dict(arguments, src=remote, remote_src=True), task_vars=task_vars
        )
        if answer.get("failed") and "msg" in answer:
            answer["msg"] = str(answer["msg"]).replace(remote, arguments["src"])
        return answer


def _checksum(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while True:
            block = file.read(_BLOCK)
            if not block:
                return digest.hexdigest()
            digest.update(block)
