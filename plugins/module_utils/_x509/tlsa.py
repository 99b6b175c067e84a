# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLSA records (RFC 6698, 7672) for the certificate of a server. Private to mailops.postfix. Pure.

All records are ``3 1 1``, the SHA-256 of the public key: a certificate that is renewed with the same key keeps its record.
"""

from __future__ import annotations

import re
from typing import Any, Mapping, Sequence

PORT = 25

_SHA256 = re.compile(r"(?:[0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}")


def records(
    certificate: Mapping[str, Any], hostnames: Sequence[str] | None = None, port: int = PORT
) -> list[dict[str, str]]:
    """The records for one certificate: for each name, one for its key and one for the next key, where it is prepared.

    :param certificate: the result of the module certificate.
    :param hostnames: the names in the MX records; by default the names of the certificate, without wildcards.
    :raises ValueError: with what is missing from the result.
    """
    facts = certificate.get("certificate")
    if not isinstance(facts, Mapping):
        raise ValueError("it has no certificate: give the result of the module mailops.postfix.certificate")
    names = [name for name in (facts.get("names") or [] if hostnames is None else hostnames) if "*" not in name]
    if not names:
        raise ValueError("there is no name to publish a record for: set hostnames to the names in the MX records")
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
        raise ValueError(f"{what} has no public_key_fingerprint.sha256; in check mode, a key may not exist yet")
    return fingerprint.replace(":", "").lower()
