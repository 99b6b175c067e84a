# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state that was confirmed last."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host import state
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import confirmed, store


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "main.cf").write_text("compatibility_level = 3.6\nalias_maps = \n")
    (tmp_path / "master.cf").write_bytes(b"")
    return tmp_path


def instance(directory):
    return Instance(str(directory))


def edit(directory, *lines):
    with open(directory / "main.cf", "a", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))


def present(directory):
    found = confirmed.present(instance(directory))
    assert found is not None
    return found


def remember(directory):
    confirmed.remember(str(directory), present(directory))


def test_nothing_is_confirmed_at_first(directory):
    assert confirmed.changed_since(instance(directory)) is None
    confirmed.remember(str(directory), None, [{"subject": "a"}])
    assert confirmed.changed_since(instance(directory)) is None
    assert confirmed.open_findings(str(directory)) == [{"subject": "a"}]


def test_a_change_of_others_is_named(directory):
    remember(directory)
    assert confirmed.changed_since(instance(directory)) == []
    edit(directory, "relayhost = x")
    assert confirmed.changed_since(instance(directory)) == ["parameter relayhost"]


def test_a_comment_is_recorded_but_in_check_mode(directory):
    remember(directory)
    edit(directory, "# comment")
    record = Path(state.directory(str(directory)), "confirmed.json")
    before = record.read_text()
    assert confirmed.changed_since(instance(directory), check_mode=True) == []
    assert record.read_text() == before
    assert confirmed.changed_since(instance(directory)) == []
    assert record.read_text() != before


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"state": null}', '{"digest": "x", "findings": []}', '{"state": {"parts": 1}}']
)
def test_a_damaged_file_confirms_nothing(directory, content):
    remember(directory)
    Path(state.directory(str(directory)), "confirmed.json").write_text(content)
    assert confirmed.changed_since(instance(directory)) is None
    assert confirmed.open_findings(str(directory)) == []


def test_without_the_key_nothing_is_confirmed(directory):
    remember(directory)
    Path(state.ROOT, "digest.key").unlink()
    assert confirmed.changed_since(instance(directory)) is None


def test_an_unreadable_configuration_has_no_state(directory):
    edit(directory, "relayhost = ${x")
    assert confirmed.present(instance(directory)) is None


def test_findings_stay_unless_others_are_given(directory):
    confirmed.remember(str(directory), present(directory), [{"subject": "a"}])
    confirmed.remember(str(directory), present(directory), None)
    assert confirmed.open_findings(str(directory)) == [{"subject": "a"}]
    confirmed.remember(str(directory), present(directory), [])
    assert confirmed.open_findings(str(directory)) == []


def test_a_run_confirms_what_it_has_written_and_no_edit_of_others(directory):
    (directory / "nets").write_text("10.0.0.0/8\n")
    edit(directory, f"mynetworks = {directory}/nets", "relayhost = a", "myorigin = a.example")
    first = present(directory)
    # Others
    edit(directory, "relayhost = b", "myorigin = b.example", "inet_protocols = ipv4")
    (directory / "nets").write_text("0.0.0.0/0\n")
    before = present(directory)
    # The run
    edit(directory, "relayhost = c", "message_size_limit = 1")
    (directory / "nets").write_text("0.0.0.0/0\n10.0.0.0/8\n")
    state_to_confirm = confirmed.with_changes(first, before, present(directory))
    confirmed.remember(str(directory), state_to_confirm)
    assert sorted(confirmed.changed_since(instance(directory))) == [
        f"{directory}/nets",
        "parameter inet_protocols",
        "parameter myorigin",
    ]


def test_a_renewal_confirms_its_files_alone(directory):
    for name in ("cert", "key", "other"):
        (directory / name).write_text("old")
    edit(directory, f"smtpd_tls_cert_file = {directory}/cert", f"smtpd_tls_key_file = {directory}/key")
    edit(directory, f"smtp_tls_CAfile = {directory}/other")
    confirmed.confirm_files(instance(directory), [f"{directory}/cert"])
    assert confirmed.changed_since(instance(directory)) is None
    remember(directory)
    for name in ("cert", "key", "other"):
        (directory / name).write_text("new")
    confirmed.confirm_files(instance(directory), [f"{directory}/cert", f"{directory}/key"])
    assert confirmed.changed_since(instance(directory)) == [f"{directory}/other"]


def test_it_is_only_for_root(directory):
    remember(directory)
    path = Path(state.directory(str(directory)), "confirmed.json")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert Path(state.ROOT, "digest.key").stat().st_mode & 0o777 == 0o600


def test_an_open_transaction_keeps_its_state(directory):
    transaction = store.create(str(directory), "abc", 600, store.this_host())
    assert confirmed.kept_state(transaction) is None
    confirmed.keep_state(transaction, present(directory))
    assert confirmed.kept_state(transaction) == present(directory)
    Path(transaction.copy("state.json")).write_text("{")
    assert confirmed.kept_state(transaction) is None
