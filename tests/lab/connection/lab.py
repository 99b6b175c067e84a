# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connection to a host of the lab: what containers.podman.podman does, with pipelining, so that a task costs half."""

from __future__ import annotations

DOCUMENTATION = """
name: lab
short_description: Work on a host of the lab, a podman container
description:
  - Runs commands with C(podman exec) and feeds modules through its standard input.
author: mailops.postfix contributors
options:
  remote_addr:
    description: The container's name.
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: ansible_host
"""

import shlex
import subprocess
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display

display = Display()


class Connection(ConnectionBase):
    """Nothing is kept open: each command is a program of its own."""

    transport = "lab"
    has_pipelining = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def close(self) -> None:
        self._connected = False

    def _exec(self, argv: list[str], in_data: bytes | None) -> tuple[int, bytes, bytes]:
        container = self.get_option("remote_addr")
        argv = ["podman", "exec", "--interactive", container, *argv]
        display.vvv(f"EXEC {shlex.join(argv)}", host=container)
        done = subprocess.run(argv, input=in_data or b"", capture_output=True, check=False)
        if done.returncode == 125:
            raise AnsibleConnectionFailure(f"podman: {done.stderr.decode(errors='replace').strip()}")
        return done.returncode, done.stdout, done.stderr

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        return self._exec(["/bin/sh", "-c", cmd], in_data)

    def put_file(self, in_path: str, out_path: str) -> None:
        super().put_file(in_path, out_path)
        with open(in_path, "rb") as file:
            self._copied(self._exec(["dd", f"of={out_path}", "status=none"], file.read()), out_path)

    def fetch_file(self, in_path: str, out_path: str) -> None:
        super().fetch_file(in_path, out_path)
        data = self._copied(self._exec(["dd", f"if={in_path}", "status=none"], None), in_path)
        with open(out_path, "wb") as file:
            file.write(data)

    @staticmethod
    def _copied(result: tuple[int, bytes, bytes], path: str) -> bytes:
        code, data, words = result
        if code:
            raise AnsibleError(f"copying {path}: {words.decode(errors='replace').strip()}")
        return data

    def reset(self) -> Any:
        """Nothing to do: there is no connection to drop."""
