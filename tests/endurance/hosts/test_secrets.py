# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A program without privileges opens every new file and keeps it open, while secrets are written, kept and taken back: it reads none."""

from __future__ import annotations

import json

import pytest
from fleet import HERE, STATE, part

DIRECTORIES = [
    "/etc/postfix",
    f"/{STATE}",
    "/etc/mailops-postfix",
    "/tmp",
    "/var/tmp",
    "/root/.ansible/tmp",
    "/etc/letsencrypt",
    "/dev/shm",
]
SECRETS = ["S3cret-before", "S3cret-after", "S3cret-standalone"]
PASSWORDS = {"path": "sasl_passwd", "type": "hash", "mode": "0600"}


@pytest.fixture
def watched(edits):
    """Watchers on all hosts; gives a function that ends them and returns what each one has read."""
    program = (HERE / "watcher.py").read_text(encoding="utf-8")
    watchers = {}
    for host in edits:
        keys = [*(host.root / "etc/letsencrypt/archive").glob("*/privkey*"), _renewed(edits, host) / "privkey.pem"]
        secrets = [*SECRETS, *(_line_of(key) for key in keys)]
        path = host.root / "usr/local/bin/watcher"
        path.write_text(program, encoding="utf-8")
        user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        watchers[host] = host.start(
            *user, "python3", "-u", "/usr/local/bin/watcher", json.dumps(DIRECTORIES), json.dumps(secrets)
        )
    for watcher in watchers.values():
        assert watcher.stdout.readline() == "watching\n"

    def end():
        found = {}
        for host, watcher in watchers.items():
            output, errors = watcher.communicate("", timeout=60)
            assert watcher.returncode == 0, errors
            found[host.name] = json.loads(output)
        return found

    yield end
    for watcher in watchers.values():
        watcher.kill()


def _renewed(fleet, host):
    return fleet.issue(host, fleet.scratch / f"secret-{host.name}")


def _line_of(key):
    """A line of a private key."""
    return key.read_text(encoding="ascii").splitlines()[1]


def _changed(which, **more):
    """A change of the password table, and of all that a transaction may keep a copy of."""
    options = part(len(which))
    passwords = {
        **PASSWORDS,
        "parameter": "smtp_sasl_password_maps",
        "entries": {"[hub.example.test]:587": f"user:S3cret-{which}"},
    }
    hidden = {"path": "secret.cf", "mode": "0600", "content": f"password = S3cret-{which}\n"}
    return {
        **options,
        "lookup_tables": [*options["lookup_tables"], passwords],
        "files": [hidden],
        "backup": True,
        **more,
    }


def test_no_secret_is_read(edits, watched):
    edits.open(_changed("before", confirm_within=0))
    edits.open(_changed("after"))
    edits.each(lambda host: host.run("mailops-postfix", "undo"))
    standalone = {**PASSWORDS, "backup": True, "entries": {"other": "user:S3cret-standalone"}}
    edits.start({"change": standalone}, "table.yml").succeeded()
    for host in edits:
        host.renew(_renewed(edits, host))
    lineage = "/etc/letsencrypt/live"
    edits.each(lambda host: host.run("mailops-postfix", "deploy", "--path", f"{lineage}/{host.fqdn}"))
    for host in edits:
        assert "S3cret-standalone" in host.run("postmap", "-q", "other", "hash:/etc/postfix/sasl_passwd")
    for name, found in watched().items():
        assert found["read"] == [], name
        assert found["opened"] > 20, name
