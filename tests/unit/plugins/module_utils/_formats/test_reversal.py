# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking a change back in a text that others have edited since. Postfix's own tools read the results."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._formats import lookup_table, main_cf, reversal
from ansible_collections.mailops.postfix.plugins.module_utils._formats.lookup_table_edit import edit_table
from ansible_collections.mailops.postfix.plugins.module_utils._formats.main_cf import edit_main_cf
from ansible_collections.mailops.postfix.plugins.module_utils._formats.master_cf_edit import edit_master_cf
from ansible_collections.mailops.postfix.plugins.module_utils._formats.master_cf_spec import service_spec
from hypothesis import given
from hypothesis import strategies as st

BEFORE = b"""\
# A comment.
compatibility_level = 3.6
relayhost = [old.example.org]
mynetworks = 127.0.0.0/8,
    10.0.0.0/8
"""
CHANGE = {"relayhost": "[new.example.org]:587", "smtp_tls_security_level": "encrypt", "mynetworks": None}


def values(text):
    return {entry.name: main_cf.normalize_whitespace(entry.value) for entry in main_cf.main_entries(text)}


def test_an_untouched_file_goes_back_byte_for_byte():
    after = edit_main_cf(BEFORE, CHANGE)
    assert reversal.reverse_main_cf(BEFORE, after, after) == reversal.Reversal(BEFORE)


def test_a_second_undo_changes_nothing():
    after = edit_main_cf(BEFORE, CHANGE)
    assert reversal.reverse_main_cf(BEFORE, after, BEFORE) == reversal.Reversal(BEFORE)


@pytest.mark.parametrize(
    ("foreign", "kept"),
    [
        ({"message_size_limit": "20000000"}, ()),
        ({"compatibility_level": None}, ()),
        ({"relayhost": "[theirs.example.org]"}, ("relayhost",)),
        ({"relayhost": None}, ("relayhost",)),
        ({"relayhost": "[old.example.org]"}, ()),
        ({"mynetworks": "192.0.2.0/24", "biff": "no"}, ("mynetworks",)),
    ],
)
def test_main_cf(foreign, kept):
    now = edit_main_cf(edit_main_cf(BEFORE, CHANGE), foreign)
    result = reversal.reverse_main_cf(BEFORE, now=now, after=edit_main_cf(BEFORE, CHANGE))
    assert result.kept == kept
    wanted = values(edit_main_cf(BEFORE, foreign))
    assert values(result.text) == wanted


NAMES = st.sampled_from(["a", "b", "c", "d"])
VALUES = st.none() | st.sampled_from(["1", "2", "x y", ""])


@given(st.dictionaries(NAMES, VALUES), st.dictionaries(NAMES, VALUES), st.dictionaries(NAMES, VALUES))
def test_each_parameter_of_main_cf(first, change, foreign):
    """A parameter that others have not set has its old value, any other the value that they have set."""
    before = edit_main_cf(b"", first)
    after = edit_main_cf(before, change)
    now = edit_main_cf(after, foreign)
    result = reversal.reverse_main_cf(before, after, now)
    old, new, present, found = map(values, (before, after, now, result.text))
    for name in "abcd":
        if present.get(name) == new.get(name):
            assert found.get(name) == old.get(name)
        else:
            assert found.get(name) == present.get(name)
            assert (name in result.kept) == (new.get(name) != old.get(name) != present.get(name))


MASTER = b"""\
smtp      inet  n       -       y       -       -       smtpd
submission inet n       -       y       -       -       smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=may
pickup    unix  n       -       y       60      1       pickup
"""
SERVICES = [
    {"service": "submission/inet", "options": {"smtpd_tls_security_level": "encrypt", "smtpd_sasl_auth_enable": "yes"}},
    {"service": "submissions/inet", "command": "smtpd", "options": {"smtpd_tls_wrappermode": "yes"}},
    {"service": "pickup/unix", "state": "absent"},
]


def edited(text, *services):
    return edit_master_cf(text, [service_spec(service) for service in services])


def as_postconf_reads(tmp_path, text):
    (tmp_path / "main.cf").write_text("compatibility_level = 3.6\n")
    (tmp_path / "master.cf").write_bytes(text)
    shown = subprocess.run(["postconf", "-c", str(tmp_path), "-M"], capture_output=True, text=True, check=True).stdout
    return sorted(" ".join(line.split()) for line in shown.split("\n"))


@pytest.mark.parametrize(
    ("foreign", "kept"),
    [
        ({"service": "smtp/inet", "options": {"smtpd_banner": "x"}}, ()),
        ({"service": "submission/inet", "options": {"smtpd_banner": "x"}}, ()),
        ({"service": "submission/inet", "chroot": False}, ()),
        (
            {"service": "submission/inet", "options": {"smtpd_tls_security_level": "none"}},
            ("submission/inet smtpd_tls_security_level",),
        ),
        ({"service": "2525/inet", "command": "smtpd"}, ()),
    ],
)
def test_master_cf(tmp_path, foreign, kept):
    after = edited(MASTER, *SERVICES)
    result = reversal.reverse_master_cf(MASTER, after, edited(after, foreign))
    assert result.kept == kept
    assert as_postconf_reads(tmp_path, result.text) == as_postconf_reads(tmp_path, edited(MASTER, foreign))


def test_a_new_service_that_others_have_edited_stays():
    after = edited(MASTER, *SERVICES)
    now = edited(after, {"service": "submissions/inet", "options": {"smtpd_banner": "x"}})
    result = reversal.reverse_master_cf(MASTER, after, now)
    assert result.kept == ("submissions/inet",) and b"smtpd_banner=x" in result.text


def test_a_service_that_others_have_removed_stays_away():
    after = edited(MASTER, *SERVICES)
    now = edited(after, {"service": "submission/inet", "state": "absent"})
    result = reversal.reverse_master_cf(MASTER, after, now)
    assert result.kept == ("submission/inet",) and b"submission inet" not in result.text


TABLE = b"# comment\nOne.example  smtp:[one]\ntwo.example smtp:[two]\n"


@pytest.mark.parametrize(
    ("foreign", "kept"),
    [
        ({b"four.example": b"smtp:[four]"}, ()),
        ({b"one.example": b"smtp:[theirs]"}, ("one.example",)),
        ({b"two.example": b"smtp:[theirs]"}, ("two.example",)),
        ({b"three.example": None}, ()),
    ],
)
def test_a_table(foreign, kept):
    change = {b"one.example": b"smtp:[new]", b"two.example": None, b"three.example": b"smtp:[three]"}
    after = edit_table(TABLE, change)
    result = reversal.reverse_table(TABLE, after, edit_table(after, foreign))
    assert result.kept == kept
    assert lookup_table.contents(result.text) == lookup_table.contents(edit_table(TABLE, foreign))


def test_a_table_whose_order_counts():
    before = b"/^a/ REJECT\n/^b/ OK\n"
    changed = edit_table(before, {b"/^a/": b"OK", b"/^c/": b"OK"}, "regexp")
    now = edit_table(changed, {b"/^d/": b"OK"}, "regexp")
    assert reversal.reverse_table(before, changed, now, "regexp").text == before + b"/^d/ OK\n"
    removed = edit_table(before, {b"/^a/": None}, "regexp")
    now = edit_table(removed, {b"/^d/": b"OK"}, "regexp")
    assert reversal.reverse_table(before, removed, now, "regexp").text is None


def test_a_file_without_parts():
    assert reversal.reverse_file(b"1", b"2", b"2").text == b"1"
    assert reversal.reverse_file(b"1", b"2", b"1").text == b"1"
    assert reversal.reverse_file(b"1", b"2", b"3").text is None


@pytest.mark.parametrize("text", [b"no equals sign\n", b"= x\n"])
def test_a_text_that_postfix_can_not_read(text):
    assert reversal.reverse_main_cf(BEFORE, edit_main_cf(BEFORE, CHANGE), text).text is None
