# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Postfix of this machine that runs with a configuration of its own, for tests."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.authority import issue, write

NAME = "mx.example.org"

_QUEUES = (
    "active",
    "bounce",
    "corrupt",
    "defer",
    "deferred",
    "flush",
    "hold",
    "incoming",
    "private",
    "public",
    "maildrop",
    "saved",
    "trace",
)
_MAIN_CF = """\
compatibility_level = 3.6
config_directory = {home}/conf
queue_directory = {home}/queue
data_directory = {home}/data
inet_interfaces = all
inet_protocols = ipv4
myhostname = mx.example.org
mydestination = mx.example.org, localhost
local_recipient_maps =
mynetworks = 198.51.100.0/24
alias_maps =
smtpd_tls_chain_files = {home}/mx.pem
smtpd_tls_security_level = may
"""
_MASTER_CF = """\
cleanup unix n - n - 0 cleanup
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
tlsproxy unix - - n - 0 tlsproxy
dnsblog unix - - n - 0 dnsblog
anvil unix - - n - 1 anvil
verify unix - - n - 1 verify
qmgr unix n - n 300 1 qmgr
error unix - - n - - error
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
smtpd pass - - n - - smtpd
"""


class RunningPostfix:
    """A Postfix, and where it is."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.port = port

    def instance(self) -> Instance:
        """What is in its files."""
        return Instance(str(self.home / "conf"))


def unused_port() -> int:
    """A port of the loopback interface on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return opened.getsockname()[1]


@contextmanager
def running_postfix(
    main_cf: str = "", service: str = "@PORT@ inet n - n - - smtpd", files: dict[str, str] | None = None
):
    """Start a Postfix, which needs root, and end it.

    :param main_cf: parameters besides the usual ones; @HOME@ and @PORT@ are replaced, as in the others.
    :param service: the entries of master.cf for listeners.
    :param files: further files in its directory.
    """
    # The daemons do not run as root, and must be able to access their queue.
    home = Path(tempfile.mkdtemp(prefix="postfix-", dir="/var/tmp"))
    port = unused_port()
    try:
        _prepare(home, port, main_cf, service, files or {})
        daemons = subprocess.run(["postconf", "-h", "daemon_directory"], stdout=subprocess.PIPE, check=True, text=True)
        subprocess.run(
            [f"{daemons.stdout.strip()}/master", "-w", "-c", home / "conf"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        yield RunningPostfix(home, port)
    finally:
        process = home / "queue/pid/master.pid"
        if process.exists():
            os.kill(int(process.read_text()), signal.SIGTERM)
        shutil.rmtree(home, ignore_errors=True)


def _prepare(home: Path, port: int, main_cf: str, service: str, files: dict[str, str]) -> None:
    home.chmod(0o755)
    for name in ("conf", "data", "queue", "queue/pid", *(f"queue/{name}" for name in _QUEUES)):
        (home / name).mkdir()
    for name in ("data", *(f"queue/{name}" for name in _QUEUES)):
        shutil.chown(home / name, "postfix")
    issued = issue(NAME)
    write(home / "mx.pem", issued.key_pem + issued.pem)
    texts = {
        **files,
        "conf/main.cf": _MAIN_CF.format(home=home) + main_cf,
        "conf/master.cf": _MASTER_CF + service + "\n",
    }
    for name, text in texts.items():
        (home / name).write_text(text.replace("@HOME@", str(home)).replace("@PORT@", str(port)))
        os.utime(home / name, (1, 1))
