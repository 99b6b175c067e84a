# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host whose certificates are renewed, with the real openssl and postconf, and a simulated master(8)."""

from __future__ import annotations

import fcntl
import os
import time

from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._host.runner import Completed, run_program
from ansible_collections.mailops.postfix.plugins.module_utils._plan import certificate_standalone
from ansible_collections.mailops.postfix.plugins.module_utils._plan.certificate_options import CertificateOptions
from ansible_collections.mailops.postfix.plugins.module_utils._program import archive, deploy, install, renewals
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply
from ansible_collections.mailops.postfix.plugins.module_utils._verify import listeners
from ansible_collections.mailops.postfix.plugins.module_utils._x509 import pem
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.authority import MIDDLE, issue, write

NAME = "mx1.example.org"
FIRST = issue(NAME, MIDDLE, names=[NAME])
SECOND = issue(NAME, MIDDLE, names=[NAME])
THIRD = issue(NAME, MIDDLE, names=[NAME])


def leaf_of(issued):
    return pem.fingerprint(pem.certificates(issued.pem)[0])


def with_renewals(build):
    """A planner with what its renewals need, as the module runs it."""

    def plan(instance, options):
        result = build(instance, options)
        install.add_renewals(instance, result, options["_program"], renewals.Declarer("module certificate"))
        return result

    return plan


class Host:
    """An instance whose master(8) is a lock on a pid file, and whose port serves the certificates of its files at the last reload."""

    def __init__(self, root):
        self.root = root
        self.directory = root / "postfix"
        self.lineage = root / f"le/live/{NAME}"
        self.chain_file = self.directory / "tls/mx1.pem"
        self.program = root / "sent"
        self.commands = []
        self.log = []
        self.failing = {}
        self.problem = ""
        self.stuck = False
        self.served = {}
        self.oldest_process = None
        self.programs = []
        self.probes = []
        self.master = None
        self.on_reload = lambda: None

    def renew(self, issued=SECOND, chain=None, key=None):
        write(self.lineage / "fullchain.pem", issued.pem + MIDDLE.pem if chain is None else chain, 0o644)
        write(self.lineage / "privkey.pem", issued.key_pem if key is None else key)

    def options(self, **given):
        specified = {name: option.get("default") for name, option in CertificateOptions.suboptions()["options"].items()}
        return {
            **specified,
            "name": NAME,
            "directory": str(self.root / "le"),
            "hostnames": [NAME],
            "ca_file": str(self.root / "root.pem"),
            "chain_file": "tls/mx1.pem",
            "_program": {"checksum": install.checksum(archive.program()), "path": str(self.program)},
            **given,
        }

    def declare(self, **given):
        """Run the planner of the module, and install its plan."""
        wanted = self.options(**given)
        build = with_renewals(certificate_standalone.certificate)
        apply.apply(lambda instance: build(instance, wanted), self.instance)
        self.reload()

    def instance(self):
        return Instance(str(self.directory), self.run)

    def start(self):
        (self.directory / "queue/pid").mkdir(parents=True, exist_ok=True)
        self.master = open(self.directory / "queue/pid/master.pid", "wb")  # noqa: SIM115
        fcntl.flock(self.master, fcntl.LOCK_EX)

    def stop(self):
        if self.master:
            self.master.close()
        self.master = None

    def run(self, argv, stdin=None):
        if argv[0] == "postfix" and argv[-1] != "check":
            self.commands.append(argv[-1])
            if argv[-1] in self.failing:
                return Completed(tuple(argv), 1, b"", self.failing.pop(argv[-1]))
            if argv[-1] == "start":
                self.start()
            self.on_reload()
            self.reload()
            return Completed(tuple(argv), 0, b"", b"")
        self.programs.append(argv)
        return run_program(argv, stdin)

    def reload(self):
        """Begin new processes of smtpd(8), which serve the certificates that the files have now."""
        if not self.stuck:
            self.served = {path.stem: self.leaf(path) for path in self.directory.glob("tls/*.pem")}
            self.served[None] = self.leaf(self.chain_file)
            self.oldest_process = time.time()

    def leaf(self, path):
        return listeners.leaf_fingerprint(Instance(str(self.directory)), str(path))

    def write_log(self, argv, stdin=None):
        assert argv[0] in ("postlog", "logger")
        self.log.append(f"{argv[argv.index('-p') + 1]}: {argv[-1]}")
        return Completed(tuple(argv), 0, b"", b"")

    def probe(self, options):
        self.probes.append(options.server_name)
        served = self.served.get(options.server_name)
        return {
            "problem": self.problem or None,
            "failed_at": "greeting" if self.problem else None,
            "before_tls": {"auth": [], "starttls": True, "mail": {"accepted": True}},
            "after_tls": {"auth": []},
            "relay": None,
            "chain": [{"fingerprint": {"sha256": served}}] if served and not self.problem else [],
        }

    def call(self, *arguments, **environment):
        return deploy.main(arguments, environment, self.probe)

    def certbot(self):
        return self.call(RENEWED_LINEAGE=str(self.lineage))

    def left_over(self):
        """Files of transactions and other files that a run should not leave in the configuration directory."""
        return sorted(set(os.listdir(self.directory)) - {"main.cf", "master.cf", "queue", "tls"})
