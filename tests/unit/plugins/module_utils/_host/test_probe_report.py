# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reports of Postfix 3.10. The scenario verify reads those of other versions."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._host.probe_report import (
    ProbeReport,
    parse_reports,
    read_reports,
    remove_report,
)

DELIVERABLE = """
<postmaster@a.test>: delivery via hub.a.test[192.0.2.1]:25: 250 2.1.5 Ok
recipient=postmaster@a.test
offset=304
dsn_orig_rcpt=rfc822;postmaster@a.test
status=2.1.5
action=deliverable
diag_type=smtp
diag_text=250 2.1.5 Ok
mta_type=dns
mta_mname=hub.a.test
reason=delivery via hub.a.test[192.0.2.1]:25: 250 2.1.5 Ok

"""
UNDELIVERABLE = """
<b@nosuch.test>: Host or domain name not found. Name service error for name=nosuch.test type=AAAA: Host not found
recipient=b@nosuch.test
original_recipient=a@nosuch.test
offset=268
status=5.4.4
action=undeliverable
reason=Host or domain name not found. Name service error for name=nosuch.test type=AAAA: Host not found

"""


def test_reports():
    reason = "Host or domain name not found. Name service error for name=nosuch.test type=AAAA: Host not found"
    assert parse_reports(DELIVERABLE + UNDELIVERABLE) == [
        ProbeReport("postmaster@a.test", True, "250 2.1.5 Ok", "hub.a.test[192.0.2.1]:25"),
        ProbeReport("b@nosuch.test", False, reason, "none"),
    ]


def test_what_a_server_says_is_only_a_reason():
    reply = "host x[192.0.2.1] said: 550 action=deliverable reason=250 ok (in reply to RCPT TO command)"
    [found] = parse_reports(
        f"\n<a@b.test>: {reply}\nrecipient=a@b.test\naction=undeliverable\nmta_mname=x\nreason={reply}\n\n"
    )
    assert found == ProbeReport("a@b.test", False, reply, "x")


@pytest.mark.parametrize("text", ["", DELIVERABLE[:-2], "\nrecipient=a@b.test\naction=delayed\nreason=x\n\n"])
def test_what_is_not_complete(text):
    assert parse_reports(text) == []


@pytest.mark.parametrize(("hashed", "place"), [("deferred, defer", ""), ("deferred, trace", "4/C/")])
def test_the_file(directory, hashed, place):
    with open(directory / "main.cf", "a", encoding="utf-8") as file:
        file.write(f"queue_directory = {directory}/queue\nhash_queue_names = {hashed}\nhash_queue_depth = 2\n")
    instance = Instance(str(directory))
    assert read_reports(instance, "4C0FFEE") == []
    path = directory / "queue/trace" / place / "4C0FFEE"
    path.parent.mkdir(parents=True)
    path.write_text(DELIVERABLE)
    assert len(read_reports(instance, "4C0FFEE")) == 1
    remove_report(instance, "4C0FFEE")
    remove_report(instance, "4C0FFEE")
    assert not path.exists()
