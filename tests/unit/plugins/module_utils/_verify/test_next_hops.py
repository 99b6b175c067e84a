# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._transaction import apply, store
from ansible_collections.mailops.postfix.plugins.module_utils._verify import next_hops, verify


@pytest.fixture
def hub(host):
    """A relayhost with a policy."""
    with open(host.directory / "main.cf", "a", encoding="utf-8") as file:
        file.write(f"relayhost = [hub.example.test]:587\nsmtp_tls_policy_maps = texthash:{host.directory}/tls_policy\n")
        file.write(f"transport_maps = texthash:{host.directory}/transport\n")
    (host.directory / "transport").write_text("weak.test smtp:[weak.example.test]\n")
    (host.directory / "tls_policy").write_text(
        "[hub.example.test]:587 secure\nweak.example.test may\n[weak.example.test] MAY\nelsewhere.test encrypt\n"
    )
    os.utime(host.directory / "main.cf", (1, 1))
    apply.confirm(*store.open_transactions(str(host.directory)))
    return host


def test_next_hops_that_mail_takes_are_probed(hub):
    result = hub.verify()
    assert hub.commands == ["reload", "probe postmaster@hub.example.test"]
    (found,) = result["next_hops"]
    assert (found["nexthop"], found["outcome"], found["accepted"]) == ("[hub.example.test]:587", "verified", True)


@pytest.mark.parametrize(
    ("delivery", "options", "problems", "warnings"),
    [
        ("status=undeliverable (Server certificate not verified)", {}, 1, 0),
        ("status=undeliverable (Server certificate not verified)", {"next_hops": "warning"}, 0, 1),
        ("status=undeliverable (connect to hub[192.0.2.1]:587: Connection refused)", {}, 0, 1),
        ("status=undeliverable (connect to hub[192.0.2.1]:587: Connection refused)", {"unreachable": "error"}, 1, 0),
        ("status=undeliverable (connect to hub[192.0.2.1]:587: Connection refused)", {"unreachable": "ignore"}, 0, 0),
        ("status=undeliverable (host hub said: 554 5.7.1 no (in reply to RCPT TO command))", {}, 0, 1),
        ("another line", {}, 0, 1),
    ],
)
def test_a_next_hop(hub, delivery, options, problems, warnings):
    hub.delivery = delivery
    try:
        result = hub.verify(on_failure="fail", **options)
    except verify.VerificationFailed as error:
        result = error.result
    assert (len(result["problems"]), len(result["warnings"])) == (problems, warnings), result
    assert all("[hub.example.test]:587" in text for text in result["problems"] + result["warnings"])


def test_further_recipients_are_probed(hub):
    hub.verify(recipients=["someone@example.net"])
    assert "probe someone@example.net" in hub.commands


def test_a_probe_that_can_not_be_sent(hub):
    hub.failing = {"sendmail": b"postdrop: fatal: no space left"}
    with pytest.raises(
        verify.VerificationFailed,
        match=r"sending a probe to the next hop \[hub\.example\.test\]:587: .*no space left",
    ):
        hub.verify(on_failure="fail")


def test_a_probe_without_a_result(hub):
    hub.delivery = "another line"
    result = hub.verify()
    message = f"smtp(8) has not logged a result within {next_hops.NEXT_HOP_SECONDS} seconds"
    assert result["warnings"] == [f"the next hop [hub.example.test]:587: {message}"]
    (found,) = result["next_hops"]
    assert (found["outcome"], found["relay"], found["accepted"], found["reason"]) == (
        "unreachable",
        "none",
        False,
        message,
    )
