# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fingerprints as Postfix writes them: pairs of hexadecimal digits, as many as the digest has bytes. Private to mailops.postfix. Pure."""

from __future__ import annotations

import re
from typing import Optional, Tuple

DIGEST_BYTES = {"md5": 16, "sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}
"""Length of a fingerprint by digest (smtp_tls_fingerprint_digest)."""

HEX_PAIRS = re.compile(r"[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2})*")


def mistake(value: str, digest: str) -> Optional[Tuple[str, str]]:
    """Why the digest could never make a fingerprint, and what to write instead; None if it could.

    :param digest: the algorithm; empty if it isn't known.
    """
    if not HEX_PAIRS.fullmatch(value):
        return f"{value!r} is no fingerprint", "Fingerprints are hexadecimal, as in AA:BB:CC; several make a list"
    length = len(value.replace(":", "")) // 2
    if length not in DIGEST_BYTES.values() and digest not in DIGEST_BYTES:
        return f"{value!r} has {length} bytes, no digest has so many", ""
    wanted = DIGEST_BYTES.get(digest)
    if wanted is None or length == wanted:
        return None
    other = next((name for name, size in DIGEST_BYTES.items() if size == length), "")
    return (
        f"{value!r} has {length} bytes, but smtp_tls_fingerprint_digest is {digest}, "
        f"whose fingerprints have {wanted}: it could never match",
        f"Set smtp_tls_fingerprint_digest to {other}, or give the {digest} fingerprint"
        if other
        else f"Give the {digest} fingerprint",
    )
