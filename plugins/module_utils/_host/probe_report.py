# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Postfix's own reports of probes. Private to mailops.postfix.

bounce(8) writes what a delivery agent says of a probe into the directory ``trace`` of the queue, which only Postfix and root can read. It leaves
the report there if the sender is the sender of double bounces (src/bounce/bounce_append_service.c, bounce_trace_service.c).
"""

from __future__ import annotations

import glob
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Dict, List

from .instance import Instance

_VIA = re.compile(r"delivery via (?P<relay>\S+): ")


@dataclass(frozen=True)
class ProbeReport:
    """What a delivery agent, or qmgr(8), says of one recipient of a probe."""

    recipient: str
    """The address that the recipient of the probe expands to."""
    is_accepted: bool
    reason: str
    """As the log has it."""
    relay: str
    """The host that has replied, as ``hub.example.org[192.0.2.1]:25``, or only its name; ``none`` if none has."""


def read_reports(instance: Instance, queue_id: str) -> List[ProbeReport]:
    """The reports of a probe; none if there is no result yet."""
    path = _path(instance, queue_id)
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return parse_reports(file.read())
    except OSError:
        return []


def remove_report(instance: Instance, queue_id: str) -> None:
    """Remove the file, which Postfix would keep."""
    with suppress(OSError):
        os.unlink(_path(instance, queue_id))


def parse_reports(text: str) -> List[ProbeReport]:
    """The complete reports in a file of bounce(8): paragraphs of ``name=value`` lines, after the same in words (up to Postfix 2.x)."""
    result = []
    for paragraph in text.split("\n\n")[:-1]:
        values: Dict[str, str] = {}
        for line in paragraph.split("\n"):
            name, equal, value = line.partition("=")
            if equal and not line.startswith("<"):
                values.setdefault(name, value)
        if values.get("action") not in ("deliverable", "undeliverable"):
            continue
        reason, relay = values.get("reason", ""), values.get("mta_mname", "")
        via = _VIA.match(reason)
        if via:
            reason, relay = reason[via.end() :], via["relay"]
        result.append(
            ProbeReport(values.get("recipient", ""), values["action"] == "deliverable", reason, relay or "none")
        )
    return result


def _path(instance: Instance, queue_id: str) -> str:
    directory = os.path.join(instance.parameters.get("queue_directory", ""), "trace")
    path = os.path.join(directory, queue_id)
    if "trace" not in instance.parameters.get("hash_queue_names", "").replace(",", " ").split():
        return path
    # The directories between depend on the form of the queue id (src/global/mail_queue.c).
    depth = int(instance.parameters.get("hash_queue_depth", "1"))
    return next(iter(glob.glob(os.path.join(directory, *["?"] * depth, queue_id))), path)
