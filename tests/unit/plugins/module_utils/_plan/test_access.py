# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._model.routing import Unknown
from ansible_collections.mailops.postfix.plugins.module_utils._plan import configuration as configuration_plan
from ansible_collections.mailops.postfix.plugins.module_utils._plan import lookup_table_standalone
from ansible_collections.mailops.postfix.plugins.module_utils._plan.access import AccessTables

MASTER_CF = "smtp inet n - n - - smtpd\n"


@pytest.fixture(name="directory")
def fixture_directory(tables):
    tables.main_cf(myhostname="mx.example.org", smtpd_relay_restrictions="permit_mynetworks, reject_unauth_destination")
    (tables.path / "master.cf").write_text(MASTER_CF)
    return tables


def plan(directory, **options):
    return configuration_plan.configuration(Instance(str(directory.path)), {"validate": True, **options})


def networks(directory):
    return f"cidr:{directory.path}/nets"


def test_a_table_on_disk(directory):
    directory.write("nets", "0.0.0.0/0 ok\n")
    with pytest.raises(DeclarationError, match="mynetworks with cidr:.*an unknown client.*open_relay"):
        plan(directory, main_cf={"mynetworks": networks(directory)})
    directory.write("nets", "10.0.0.0/8 ok\n")
    assert plan(directory, main_cf={"mynetworks": networks(directory)}).changes_something()


def test_a_table_of_the_same_change(directory):
    directory.write("nets", "10.0.0.0/8 ok\n")
    table = {"path": str(directory.path / "nets"), "type": "cidr", "entries": {"0.0.0.0/0": "ok"}}
    with pytest.raises(DeclarationError, match="mynetworks with cidr:"):
        plan(directory, main_cf={"mynetworks": networks(directory)}, lookup_tables=[table])


def test_a_table_that_changes_alone(directory):
    directory.write("nets", "10.0.0.0/8 ok\n")
    directory.main_cf(myhostname="mx.example.org", mynetworks=networks(directory))
    table = {"path": str(directory.path / "nets"), "type": "cidr", "entries": {"0.0.0.0/0": "ok"}}
    with pytest.raises(DeclarationError, match="mynetworks with cidr:"):
        plan(directory, main_cf={"mynetworks": networks(directory)}, lookup_tables=[table])
    with pytest.raises(DeclarationError, match="mynetworks with cidr:"):
        directory.apply(lookup_table_standalone.standalone_lookup_table, check_mode=True, **table)


def test_what_was_open_before_stays_a_warning(directory):
    directory.write("nets", "0.0.0.0/0 ok\n")
    directory.main_cf(myhostname="mx.example.org", mynetworks=networks(directory))
    found = plan(directory, main_cf={"message_size_limit": "20000000"})
    assert any("open_relay" in warning for warning in found.warnings)


def test_a_table_that_fails_is_asked_once(directory, monkeypatch):
    tables = AccessTables(Instance(str(directory.path)))
    asked = []
    original = Instance.run
    monkeypatch.setattr(
        Instance, "run", lambda self, *argv, **rest: asked.append(argv) or original(self, *argv, **rest)
    )
    tables.prepare("cidr:/nowhere", ["a", "b"])
    count = len(asked)
    for key in "abc":
        with pytest.raises(Unknown, match="nowhere"):
            tables.find("cidr:/nowhere", key)
    with pytest.raises(Unknown, match="program"):
        tables.find("tcp:127.0.0.1:9", "a")
    assert len(asked) == count
