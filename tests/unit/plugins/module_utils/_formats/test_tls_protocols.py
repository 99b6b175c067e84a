# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._formats import tls_protocols
from ansible_collections.mailops.postfix.plugins.module_utils._formats.tls_protocols import (
    PROTOCOLS,
    parse_protocols,
    protocols_for,
)

NEW = (3, 6)
OLD = (3, 5, 25)


@pytest.mark.parametrize(
    ("version", "value", "separator", "expected"),
    [
        (NEW, ">=TLSv1.2", ", ", ">=TLSv1.2"),
        (NEW, ">=tlsv1.2 <=TLSV1.3", ":", ">=TLSv1.2:<=TLSv1.3"),
        (OLD, ">=TLSv1.2", ", ", "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1"),
        (OLD, ">=TLSv1.2", ":", "!SSLv2:!SSLv3:!TLSv1:!TLSv1.1"),
        (OLD, ">=0303", ":", "!SSLv2:!SSLv3:!TLSv1:!TLSv1.1"),
        (OLD, "<=TLSv1.2", ":", "!TLSv1.3"),
        (OLD, ">=TLSv1.2, !TLSv1.3", ":", "!SSLv2:!SSLv3:!TLSv1:!TLSv1.1:!TLSv1.3"),
        (OLD, "!SSLv2,!sslv3", " ", "!SSLv2 !SSLv3"),
        (NEW, "!SSLv2:!SSLv3", ", ", "!SSLv2, !SSLv3"),
        (OLD, "TLSv1.2, TLSv1.3", ":", "TLSv1.2:TLSv1.3"),
        (OLD, "", ":", ""),
        (NEW, "  ", ":", ""),
        (OLD, ">=SSLv2", ":", ""),
    ],
)
def test_protocols_for(version, value, separator, expected):
    assert protocols_for(version, value, separator) == expected


@pytest.mark.parametrize(
    "value", [">=TLSv1.2", "<=TLSv1.2", ">=TLSv1.1, <=TLSv1.2", ">=TLSv1, !TLSv1.1", "!TLSv1.3", ">=0302 <=0x0303"]
)
def test_bounds_and_exclusions_allow_the_same_protocols(value):
    assert parse_protocols(protocols_for(OLD, value, ":")).enabled == parse_protocols(value).enabled


@pytest.mark.parametrize(
    ("value", "enabled"),
    [
        ("", PROTOCOLS),
        (">=TLSv1.2", ("TLSv1.2", "TLSv1.3")),
        ("TLSv1.2", ("TLSv1.2",)),
        ("!SSLv2, !SSLv3", ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")),
    ],
)
def test_enabled(value, enabled):
    assert parse_protocols(value).enabled == enabled


@pytest.mark.parametrize(
    ("value", "lost"),
    [
        ("TLSv1.2", ("TLSv1.3",)),
        ("!SSLv2, !SSLv3, TLSv1.2", ("TLSv1.3",)),
        ("TLSv1.1 TLSv1.2 TLSv1.3", ()),
        ("TLSv1.2, !TLSv1.3", ()),
        ("TLSv1.2, <=TLSv1.2", ()),
        (">=TLSv1.2", ()),
        ("", ()),
    ],
)
def test_lost_by_allow_list(value, lost):
    assert parse_protocols(value).lost_by_allow_list == lost


@pytest.mark.parametrize(
    "value", ["bogus", "TLSv9", "!TLSv9", ">=TLSv9", ">=", "!", ">=0399", ">= TLSv1.2", "TLS1.2", "<TLSv1.2"]
)
def test_invalid_protocols_are_refused(value):
    with pytest.raises(DeclarationError, match="is not a valid protocol"):
        protocols_for(NEW, value, ":")


@pytest.mark.parametrize("value", [">=TLSv1.3 !TLSv1.3", ">=TLSv1.3 <=TLSv1.2", "TLSv1 !TLSv1"])
def test_lists_without_an_allowed_protocol_are_refused(value):
    with pytest.raises(DeclarationError, match="exclude every protocol"):
        protocols_for(OLD, value, ":")


@pytest.mark.parametrize(
    ("value", "version", "expected"),
    [
        (">=TLSv1.2", (3, 6, 0), ">=TLSv1.2"),
        (">=TLSv1.2", (3, 5, 25), "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1"),
        (">=TLSv9", (3, 5, 25), ">=TLSv9"),
    ],
)
def test_for_version(value, version, expected):
    assert tls_protocols.for_version(value, version) == expected


@pytest.mark.parametrize(
    ("name", "value", "bounds"),
    [
        ("smtpd_tls_mandatory_protocols", ">=TLSv1.2", True),
        ("smtp_tls_protocols", "<=0304", True),
        ("smtp_tls_protocols", "!SSLv2,!SSLv3", False),
        ("smtp_tls_protocols", "$tls_protocols", False),
        ("smtp_tls_protocols", ">=$lowest", False),
        ("smtpd_banner", ">=TLSv1.2", False),
    ],
)
def test_has_bounds(name, value, bounds):
    assert tls_protocols.has_bounds(name, value) == bounds
