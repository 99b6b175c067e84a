# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fingerprints and the length of their digest."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._formats import fingerprints

SHA256 = ":".join(["AB"] * 32)


@pytest.mark.parametrize(
    ("value", "digest"),
    [(SHA256, "sha256"), (SHA256.replace(":", "").lower(), "sha256"), (SHA256, "")],
)
def test_valid_fingerprints(value, digest):
    assert fingerprints.fingerprint_mistake(value, digest) is None


@pytest.mark.parametrize(
    ("value", "digest", "cause", "remedy"),
    [
        ("AA:B", "sha256", "'AA:B' is not a valid fingerprint", "hexadecimal"),
        ("AA:BB", "", "has 2 bytes, which is not the length of any known digest", ""),
        (SHA256, "sha1", "32 bytes, but smtp_tls_fingerprint_digest is sha1", "digest to sha256, or give the sha1"),
        ("AA:BB", "sha1", "2 bytes, but smtp_tls_fingerprint_digest is sha1", "Give the sha1 fingerprint"),
    ],
)
def test_invalid_fingerprints(value, digest, cause, remedy):
    found = fingerprints.fingerprint_mistake(value, digest)
    assert found is not None
    assert cause in found[0] and remedy in found[1]
