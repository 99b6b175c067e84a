# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reasons that smtp(8) reports: what it says itself, and what it quotes of a server. Private to mailops.postfix. Pure.

A server chooses the words of its replies, and the names of hosts. Only smtp(8)'s own words, and the codes of replies, mean anything. The forms are
those of src/smtp/smtp_proto.c, smtp_connect.c, smtp_addr.c and smtp_sasl_glue.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SUSPENDED = "delivery temporarily suspended: "
_REPLY_TO = re.compile(
    r"(?P<own>host \S+ said): (?P<reply>.*) \(in reply to (?P<command>[A-Za-z. ]+) command\)$", re.DOTALL
)
_QUOTED = re.compile(
    r"(?P<own>host \S+ refused to talk to me|TLS is required, but host \S+ refused to start TLS|host \S+ said"
    r"|SASL authentication failed; server \S+ said): (?P<reply>.*)$",
    re.DOTALL,
)
_CODES = re.compile(r"(?P<code>\d{3})(?:[ -](?P<enhanced>\d\.\d{1,3}\.\d{1,3})\b)?")
_NAMES = re.compile(
    r"\S*\[[^\]\s]*\](?::\d+)?|(?<=name=)\S+|(?<=look up host )\S+|(?<=mail for )\S+|(?<=relay for )\S+|(?<=error for )(?!name=)\S+"
    r"|(?<=Domain )\S+"
)


@dataclass(frozen=True)
class ReportedReason:
    """The parts of a reason."""

    own: str
    """What smtp(8) says, without names of hosts."""
    code: str = ""
    """The code of the server's reply, such as ``550``; empty if there is none."""
    enhanced: str = ""
    """Its enhanced status code (RFC 3463), such as ``5.1.1``; empty if it has none."""
    command: str = ""
    """The command that it replies to, such as ``RCPT TO``; empty for the greeting, and where smtp(8) does not say it."""


def parse_reason(text: str) -> ReportedReason:
    """The parts of the reason of a probe's result."""
    text = text[len(_SUSPENDED) :] if text.startswith(_SUSPENDED) else text
    found = _REPLY_TO.match(text) or _QUOTED.match(text)
    if not found:
        return ReportedReason(_NAMES.sub("-", text))
    codes = _CODES.match(found["reply"])
    command = found.groupdict().get("command") or ""
    return ReportedReason(
        _NAMES.sub("-", found["own"]),
        codes["code"] if codes else "",
        (codes["enhanced"] if codes else "") or "",
        command,
    )
