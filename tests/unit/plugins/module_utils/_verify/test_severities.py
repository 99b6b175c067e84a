# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._verify.severities import Severities

KINDS = {"unreachable": "warning"}


@pytest.mark.parametrize(
    ("value", "subject", "kind", "expected"),
    [
        ("error", "[a]", "", "error"),
        ("error", "[a]", "unreachable", "warning"),
        ("ignore", "[a]", "unreachable", "ignore"),
        ({}, "[a]", "", "info"),
        ({"default": "error"}, "[a]", "", "error"),
        ({"default": "error", "unreachable": "ignore"}, "[a]", "unreachable", "ignore"),
        ({"[A]:587": "error"}, "[a]:587", "", "error"),
        ({"[a]:587": "error"}, "[a]", "", "info"),
        ({"[a]": "error", "unreachable": "ignore"}, "[a]", "unreachable", "error"),
    ],
)
def test_severity(value, subject, kind, expected):
    default = "info" if expected == "info" else "warning"
    assert Severities("next_hops", value, default, KINDS).of(subject, kind) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ignore", True),
        ({"default": "ignore"}, True),
        ({"[a]": "ignore"}, False),
        ({"default": "ignore", "[a]": "error"}, False),
    ],
)
def test_whether_anything_is_of_interest(value, expected):
    assert Severities("next_hops", value, "warning", KINDS).ignores_all() is expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("fatal", "next_hops: 'fatal' is not a valid severity"),
        (True, "next_hops: 'True' is not a valid severity"),
        ({"[a]": "none"}, r"next_hops: \[a\]: 'none' is not a valid severity"),
        (["error"], "is not a valid severity"),
    ],
)
def test_what_is_not_valid(value, message):
    with pytest.raises(DeclarationError, match=message):
        Severities("next_hops", value, "warning", KINDS)
