# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS security levels of the SMTP client, and how they compare. Private to mailops.postfix. Pure.

Source: TLS_README, "Client TLS security levels".
"""

from __future__ import annotations

LEVELS = ("none", "may", "encrypt", "fingerprint", "dane", "dane-only", "verify", "secure")
"""All levels of the SMTP client."""

STRENGTH = {
    "none": 0, "may": 1, "dane": 2, "encrypt": 3, "dane-only": 4, "fingerprint": 4, "verify": 4, "secure": 5,
}  # fmt: skip
"""How strict each level is: a higher number is stricter."""

MANDATORY = STRENGTH["encrypt"]
"""From this strength on, the SMTP client sends no mail without TLS. Below it, an attacker on the network can disable TLS."""

AUTHENTICATED = STRENGTH["dane-only"]
"""From this strength on, the SMTP client sends mail only to an authenticated server."""
