# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of lookup_table: a table that is a file here travels only if the host has another one.

The host is first asked for facts, by a command that costs less than a module. If the table is as
declared, that is the result. Whatever else they say, or if there is no answer, the module decides.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import stat
from pathlib import Path
from typing import Any, Mapping

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ..module_utils._formats import file_modes, lookup_table
from ..module_utils._host import stamp, table_facts

_BLOCK = 1 << 20
_INTERPRETER = "ansible_python_interpreter"
_KNOWN = {"path", "src", "remote_src", "checksum", "type", "owner", "group", "mode", "state", "config_directory"}
_KNOWN |= {"backup", "lock_timeout"}
_FACTS = Path(table_facts.__file__)
"""The program for the host that prints the facts about a table."""


class ActionModule(ActionBase):
    """Asks the host about the table, and runs the module with the file's checksum, and with the file, only if needed."""

    # Whether a file has to travel is known only when the host has answered: no directory is made for it before.
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        arguments = dict(self._task.args)
        mistake = _key_that_is_no_text(arguments.get("entries"))
        if mistake:
            result.update(failed=True, msg=mistake)
            return result
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
            facts = self._facts(arguments, task_vars or {})
            if facts.get("sha256", checksum) != checksum:
                answer = {"_transfer": True}
            elif _agrees(facts, arguments):
                answer = {"changed": False, "map": f"{facts['type']}:{facts['path']}", "requires": "none", "diff": []}
            else:
                answer = self._execute_module(module_args=arguments, task_vars=task_vars)
            if answer.pop("_transfer", False):
                answer = self._with_file(path, arguments, task_vars)
            result.update(answer)
        finally:
            self._loader.cleanup_tmp_file(path)
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _facts(self, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """What the host says of the table, its type included; empty if there is no sensible answer."""
        if not set(arguments) <= _KNOWN or not isinstance(arguments.get("path"), str):
            return {}
        answer = self._low_level_execute_command(_question(arguments, self._interpreter(task_vars)))
        if answer.get("rc") != 0:
            return {}
        *lines, last = answer.get("stdout", "").strip().split("\n")
        parameters = dict(line.split(" = ", 1) for line in lines if " = " in line)
        try:
            facts: dict[str, Any] = json.loads(last)
            map_type = lookup_table.preferred_type(
                arguments.get("type") or "auto",
                parameters["default_database_type"],
                frozenset(line for line in lines if " " not in line),
            )
            return dict(facts, type=map_type, utf8=parameters["smtputf8_enable"] != "no") if map_type else {}
        except (ValueError, KeyError, TypeError):
            return {}

    def _interpreter(self, task_vars: Mapping[str, Any]) -> str:
        """The host's Python, as far as it is known by now."""
        if self._task.delegate_to:
            task_vars = task_vars.get("ansible_delegated_vars", {}).get(self._task.delegate_to, {})
        configured = self._templar.template(task_vars.get(_INTERPRETER) or "auto")
        if not configured.startswith("auto"):
            return str(configured)
        return str(task_vars.get("ansible_facts", {}).get("discovered_interpreter_python") or "python3")

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


def _key_that_is_no_text(entries: Any) -> str:
    """What is wrong with a key that YAML has read as something else, so that its spelling is lost; empty if none is."""
    for key in entries if isinstance(entries, Mapping) else ():
        if isinstance(key, (bool, float)):
            kind = "a boolean" if isinstance(key, bool) else "a fraction"
            return f"declaring the entry {key}: to YAML its key is {kind}, and is not kept as it was typed. Put the key in quotes"
    return ""


def _question(arguments: Mapping[str, Any], interpreter: str) -> str:
    """The command that prints what Postfix says about types of tables, and then :func:`table_facts.table_facts` as JSON."""
    asked = {"path": arguments["path"], "suffixes": sorted(set(lookup_table.COMPILED.values()))}
    asked.update(fields=stamp.FIELDS, stamps=stamp.state_file())
    asked.update((name, str(arguments[name])) for name in ("owner", "group") if arguments.get(name) is not None)
    directory = arguments.get("config_directory")
    return "; ".join(
        [
            'PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C',
            "export PATH LC_ALL",
            "directory=" + (shlex.quote(str(directory)) if directory else "$(postconf -h config_directory)"),
            'postconf -c "$directory" -x default_database_type smtputf8_enable 2>/dev/null && '
            'postconf -c "$directory" -m 2>/dev/null && '
            f"{interpreter} -c {shlex.quote(_FACTS.read_text(encoding='utf-8'))} "
            f'"$directory" {shlex.quote(json.dumps(asked))}',
        ]
    )


def _agrees(facts: Mapping[str, Any], arguments: Mapping[str, Any]) -> bool:
    """Whether a table is what the arguments declare: nothing to write, to remove, or to give to another owner."""
    if not facts or facts["under_way"] or facts["sha256"] != arguments["checksum"]:
        return False
    suffix = lookup_table.COMPILED.get(facts["type"])
    if set(facts["compiled"]) != ({suffix} if suffix else set()):
        return False
    files = {facts["path"]: facts["text"]}
    files.update((facts["path"] + suffix, status) for suffix, status in facts["compiled"].items())
    modes = [stat.S_IMODE(status["st_mode"]) for status in files.values()]
    if arguments.get("mode") is not None:
        if modes != [file_modes.octal(arguments["mode"])] * len(files):
            return False
    elif modes[-1] & 0o077 & ~modes[0]:
        return False  # the compiled file is more readable than its text
    elif facts["passwords"] and not file_modes.is_private(modes[0]):
        return False  # the module decides whether it is a table of passwords that every user can read
    for name, field in (("owner", "st_uid"), ("group", "st_gid")):
        if arguments.get(name) is not None and {status[field] for status in files.values()} != {facts[name]}:
            return False
    return bool(facts["stamps"].get(lookup_table.stamp_name(facts["path"], facts["type"], facts["utf8"])) == files)


def _checksum(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while True:
            block = file.read(_BLOCK)
            if not block:
                return digest.hexdigest()
            digest.update(block)
