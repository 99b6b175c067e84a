# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which entries go because of their value."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._formats.table_values import stale_entries

TEXT = b"# by hand\nAA:01 one\nAA:02 two\nAA:03\n  one\nAA:04  twenty two\n"


@pytest.mark.parametrize(
    ("text", "declared", "only", "unique", "gone"),
    [
        (TEXT, {}, None, False, []),
        (TEXT, {}, {b"one", b"two"}, False, [b"AA:04"]),
        (TEXT, {}, {b"one", b"twenty two"}, False, [b"AA:02"]),
        (TEXT, {}, set(), False, [b"AA:01", b"AA:02", b"AA:03", b"AA:04"]),
        # What is declared stays, whatever its value; what is declared to go is not our business.
        (TEXT, {b"aa:02": b"two", b"AA:04": None}, {b"one"}, False, []),
        (TEXT, {b"AA:09": b"one"}, None, True, [b"AA:01", b"AA:03"]),
        (TEXT, {b"aa:01": b"one"}, None, True, [b"AA:03"]),
        # A key and its successor
        (TEXT, {b"AA:01": b"one", b"AA:03": b"one"}, None, True, []),
        (TEXT, {b"AA:01": None}, None, True, []),
        (TEXT, {b"AA:09": b"one"}, {b"one"}, True, [b"AA:01", b"AA:02", b"AA:03", b"AA:04"]),
        # Values are compared as they are.
        (b"a One\n", {b"b": b"one"}, None, True, []),
        # A line that Postfix ignores has no value.
        (b"a\nb two\n", {}, {b"two"}, False, []),
        (b"", {b"a": b"one"}, {b"one"}, True, []),
    ],
)
def test_superseded(text, declared, only, unique, gone):
    assert stale_entries(text, declared, "hash", True, only, unique) == gone


def test_blocks_have_no_value():
    text = b"if /x/\n/y/ one\nendif\n/z/ two\n"
    assert stale_entries(text, {}, "regexp", True, {b"two"}, False) == [b"/y/"]
