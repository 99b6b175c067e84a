# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLSA records (RFC 6698, 7672) for what a server serves. Private to mailops.postfix. Pure.

Always ``3 1 1``: the SHA-256 of the public key, which stays when a certificate is renewed with the same key.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Optional, Sequence

PORT = 25

_SHA256 = re.compile(r"(?:[0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}")


def records(
    certificate: Mapping[str, Any], hostnames: Optional[Sequence[str]] = None, port: int = PORT
) -> List[Dict[str, str]]:
    """The records for one certificate: for each name, its key and, where one is prepared, the next.

    :param certificate: what the module certificate returns.
    :param hostnames: the names of MX records; by default those of the certificate, without wildcards.
    :raises ValueError: saying what it lacks.
    """
    facts = certificate.get("certificate")
    if not isinstance(facts, Mapping):
        raise ValueError("it has no certificate: give what the module mailops.postfix.certificate returns")
    names = [name for name in (facts.get("names") or [] if hostnames is None else hostnames) if "*" not in name]
    if not names:
        raise ValueError("there is no name to publish a record for: give hostnames, the names in the MX records")
    digests = {"current": _digest(facts, "the certificate")}
    following = certificate.get("next") or {}
    if following:
        digests["next"] = _digest(following, "the next key")
    if digests.get("next") == digests["current"]:
        del digests["next"]
    return [
        {"name": f"_{port}._tcp.{name.rstrip('.').lower()}.", "record": f"3 1 1 {digest}", "key": key}
        for name in dict.fromkeys(names)
        for key, digest in digests.items()
    ]


def _digest(facts: Mapping[str, Any], what: str) -> str:
    fingerprint = (facts.get("public_key_fingerprint") or {}).get("sha256")
    if not isinstance(fingerprint, str) or not _SHA256.fullmatch(fingerprint):
        raise ValueError(f"{what} has no public_key_fingerprint.sha256; in check mode a key may still have to be made")
    return fingerprint.replace(":", "").lower()
