# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A configuration directory for tests of plans, and what is done with it."""

from __future__ import annotations

import os
import stat
import subprocess

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan import lookup_table, tls_policy_standalone
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply as apply_transaction


def lookup_table_plan(instance, options, settings=None):
    """The plan for a table, with its result."""
    declared = lookup_table.TableOptions.from_declaration(options)
    return lookup_table.lookup_table(instance, declared, settings).reported()


@pytest.fixture(name="tables")
def fixture_tables(tmp_path):
    def main_cf(**parameters):
        lines = {"compatibility_level": "3.6", "default_database_type": "hash", **parameters}
        (tmp_path / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in lines.items()))
        os.utime(tmp_path / "main.cf", (1, 1))

    main_cf()
    (tmp_path / "master.cf").write_text("")
    return _Directory(tmp_path, main_cf)


class _Directory:
    """A configuration directory and what is done with it."""

    def __init__(self, path, main_cf):
        self.path = path
        self.main_cf = main_cf

    def write(self, name, text, mode=0o644, age=100):
        path = self.path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(mode)
        moment = path.stat().st_mtime - age
        os.utime(path, (moment, moment))
        return path

    def text(self, name):
        return (self.path / name).read_text()

    def mode(self, name):
        return stat.S_IMODE((self.path / name).stat().st_mode)

    def names(self):
        return sorted(path.name for path in self.path.iterdir() if path.name not in ("main.cf", "master.cf"))

    def apply(self, build, check_mode=False, **options):
        return apply_transaction.apply(
            lambda instance: build(instance, options), lambda: Instance(str(self.path)), check_mode=check_mode
        )

    def plan_table(self, check_mode=False, **options):
        return self.apply(lookup_table_plan, check_mode, **options)

    def table(self, path="t", check_mode=False, **options):
        """Plan and install a table; in check mode first, which must predict the same and write nothing."""
        before = {name: (self.path / name).read_bytes() for name in self.names()}
        predicted = self.plan_table(True, path=path, **options)
        assert {name: (self.path / name).read_bytes() for name in self.names()} == before
        if check_mode:
            return predicted
        done = self.plan_table(path=path, **options)
        assert (done.changed, done.diff, done.plan.requires) == (
            predicted.changed,
            predicted.diff,
            predicted.plan.requires,
        )
        again = self.plan_table(path=path, **options)
        assert not again.changed, again.diff
        return done

    def policy(self, *policies, **options):
        done = self.apply(tls_policy_standalone.standalone_tls_policy, policies=list(policies), **options)
        assert not self.apply(tls_policy_standalone.standalone_tls_policy, policies=list(policies), **options).changed
        return done

    def query(self, key, name="hash:t"):
        map_type, _colon, path = name.partition(":")
        return subprocess.run(
            ["/usr/sbin/postmap", "-c", str(self.path), "-q", key, f"{map_type}:{self.path / path}"],
            capture_output=True,
            check=False,
            text=True,
        ).stdout.rstrip("\n")
