# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``deploy --due`` costs if nothing is due, and that it finds everything that is. It counts programs and probes, not time."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host import openssl, stamp
from ansible_collections.mailops.postfix.plugins.module_utils._plan import lookup_table
from ansible_collections.mailops.postfix.plugins.module_utils._program import due, renewals
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import stamps
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils._program.renewal_host import (
    FIRST,
    NAME,
    SECOND,
    leaf_of,
)
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.authority import MIDDLE, ROOT, issue, write


@pytest.fixture(autouse=True)
def fixture_no_margins(monkeypatch):
    """The files of a test are young, and get a stamp nevertheless."""
    monkeypatch.setattr(stamps, "MARGIN_SECONDS", -3600)
    monkeypatch.setattr(due, "_MARGIN_SECONDS", 0)


def renew(host, name, issued):
    write(host.root / f"le/live/{name}/fullchain.pem", issued.pem + MIDDLE.pem, 0o644)
    write(host.root / f"le/live/{name}/privkey.pem", issued.key_pem)


def issued_for(name, **given):
    return issue(name, MIDDLE, names=[name], **given)


def declare_names(host, number):
    """Declare so many certificates that are served by server name."""
    names = [f"n{index}.example.org" for index in range(number)]
    for name in names:
        renew(host, name, issued_for(name))
        host.declare(name=name, hostnames=None, chain_file=None, sni=True)
    call(host)  # compares those whose table was changed by the next one
    return names


def call(host):
    """Run ``deploy --due``; returns the numbers of programs that it has run, and the names with which it has probed the port."""
    host.programs.clear()
    host.probes.clear()
    assert host.call("--due") == 0
    return len(host.programs), host.probes


def test_the_cost_if_nothing_is_due_does_not_depend_on_the_number_of_certificates(host):
    costs = []
    for number in (1, 6):
        declare_names(host, number)
        costs.append(call(host))
    assert costs[0] == costs[1] and costs[1][1] == [None]


def test_the_cost_of_comparing_all_files_is_linear(host):
    """Such as after an upgrade from a version that did not record what it has compared."""
    costs = []
    for number in (2, 4, 8):
        declare_names(host, number)
        Path(stamp.state_file()).unlink()
        costs.append(call(host)[0])
        assert call(host)[1] == [None]
    assert costs[2] - costs[1] <= 2 * (costs[1] - costs[0])


def test_a_renewal_costs_the_others_nothing(host):
    """It rebuilds the table that all of them share."""
    names = declare_names(host, 3)
    idle = call(host)
    renew(host, names[1], issued_for(names[1]))
    assert call(host)[0] > idle[0] and host.commands == ["reload"]
    assert call(host) == idle


def test_a_restored_file(host):
    """Without a reload; the file of the ACME client is restored, too. The old process still serves the other certificate."""
    name = "n0.example.org"
    declare_names(host, 1)
    backup = host.root / "backup"
    for directory in (host.root / "le", host.directory / "tls"):
        shutil.copytree(directory, backup / directory.name)
    renew(host, name, issued_for(name))
    assert host.call("--due") == 0
    host.commands.clear()
    serving = host.served[name]
    for directory in (host.root / "le", host.directory / "tls"):
        shutil.copytree(backup / directory.name, directory, dirs_exist_ok=True)
    assert host.leaf(host.directory / f"tls/{name}.pem") != serving
    assert host.call("--due") == 0
    assert host.commands == ["reload"] and host.served[name] == host.leaf(host.directory / f"tls/{name}.pem")


def test_names_are_probed_while_an_old_process_runs(host):
    declare_names(host, 2)
    host.oldest_process -= 3600
    assert sorted(filter(None, call(host)[1])) == ["n0.example.org", "n1.example.org"]
    host.oldest_process = None
    assert call(host)[1] == [None]


def test_the_port_serves_another_certificate(host):
    """Something else listens there, for example."""
    host.served[None] = leaf_of(SECOND)
    assert host.call("--due") == 0
    assert host.commands == ["reload"] and host.served[None] == leaf_of(FIRST)


def touch_source(host):
    renew(host, NAME, SECOND)


def replace_chain_file(host):
    write(host.chain_file, SECOND.key_pem + SECOND.pem + MIDDLE.pem)


def replace_sni_chain_file(host):
    other = issued_for("n0.example.org")
    write(host.directory / "tls/n0.example.org.pem", other.key_pem + other.pem + MIDDLE.pem)


def compiled(host):
    table_type = lookup_table.choose_type(host.instance(), "auto")
    return host.directory / f"tls/sni{lookup_table.COMPILED[table_type]}"


def remove_compiled(host):
    compiled(host).unlink()


def edit_table(host):
    path = host.directory / "tls/sni"
    path.write_text("\n".join(line for line in path.read_text().split("\n") if not line.startswith("n0.")))


def make_readable(host):
    host.chain_file.chmod(0o644)


def with_old_times(change):
    """The change as cp -p makes it: the modification times are those from before."""

    def changed(host):
        paths = [path for path in host.root.rglob("*") if path.is_file()]
        before = {path: path.stat() for path in paths}
        change(host)
        for path, status in before.items():
            if path.exists():
                os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    return changed


CHANGES = [touch_source, replace_chain_file, replace_sni_chain_file, remove_compiled, edit_table, make_readable]


@pytest.mark.parametrize("times", ["new", "old"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_changed_files(host, change, times):
    declare_names(host, 1)
    idle = call(host)
    (with_old_times(change) if times == "old" else change)(host)
    host.commands.clear()
    assert host.call("--due") == 0
    assert host.commands == ["reload"]
    for path in (host.chain_file, host.directory / "tls/n0.example.org.pem"):
        assert host.served[None if path == host.chain_file else path.stem] == host.leaf(path)
    assert call(host) == idle


def test_other_declared_names(host, capsys):
    """The stamp is that of the declaration with which the files were compared."""
    [path] = Path(renewals.STORE).glob("*/*.json")
    content = json.loads(path.read_text())
    content["options"]["hostnames"] = [NAME, "other.example.org"]
    path.write_text(json.dumps(content))
    assert host.call("--due") == 1
    assert "the certificate does not cover other.example.org" in capsys.readouterr().err


def test_a_certificate_that_expires(host, monkeypatch, capsys):
    """Nothing but the clock changes, and the timer must report it."""
    assert call(host)[1] == [None]
    now = time.time()
    monkeypatch.setattr(stamp.time, "time", lambda: now + 200 * 86400)
    monkeypatch.setattr(openssl, "now", lambda: FIRST.certificate.not_valid_after_utc.replace(year=2099))
    assert host.call("--due") == 1
    assert "it expired on" in capsys.readouterr().err


def test_another_ca(host, capsys):
    other = issue("another CA", ca=True)
    write(host.root / "root.pem", other.pem, 0o644)
    assert host.call("--due") == 1
    assert "openssl does not verify it" in capsys.readouterr().err
    write(host.root / "root.pem", ROOT.pem, 0o644)
    assert host.call("--due") == 0 and host.commands == []
