# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fingerprints in Postfix's notation: one pair of hexadecimal digits for each byte. Private to mailops.postfix. Pure."""

from __future__ import annotations

import re

DIGEST_BYTES = {"md5": 16, "sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}
"""Length in bytes of a fingerprint by digest (smtp_tls_fingerprint_digest)."""

HEX_PAIRS = re.compile(r"[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2})*")


def fingerprint_mistake(value: str, digest: str) -> tuple[str, str] | None:
    """Why a value cannot be a fingerprint in this digest, and what to write instead; None if it can.

    :param digest: the digest algorithm; empty if it is unknown.
    """
    if not HEX_PAIRS.fullmatch(value):
        return (
            f"{value!r} is not a valid fingerprint",
            "Write hexadecimal digits, such as AA:BB:CC; write several fingerprints as a list",
        )
    length = len(value.replace(":", "")) // 2
    if length not in DIGEST_BYTES.values() and digest not in DIGEST_BYTES:
        return f"{value!r} has {length} bytes, which is not the length of any known digest", ""
    wanted = DIGEST_BYTES.get(digest)
    if wanted is None or length == wanted:
        return None
    other = next((name for name, size in DIGEST_BYTES.items() if size == length), "")
    return (
        f"{value!r} has {length} bytes, but smtp_tls_fingerprint_digest is {digest}, "
        f"whose fingerprints have {wanted} bytes: it never matches",
        f"Set smtp_tls_fingerprint_digest to {other}, or give the {digest} fingerprint"
        if other
        else f"Give the {digest} fingerprint",
    )
