# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Others edit Postfix's files between a change and its undo: afterwards their edits are there, and the old values."""

from __future__ import annotations

import os

import pytest
from fleet import differences, part, shown

CLIENTS = {"path": "relay_clientcerts", "type": "hash"}

# Answers the questions of a package in debconf's editor.
ANSWERS = """\
#!/bin/sh
sed -i -e 's|^\\(postfix/main_mailer_type\\)=.*|\\1="Internet Site"|' -e 's|^\\(postfix/recipient_delim\\)=.*|\\1="-"|' \\
    -e 's|^\\(postfix/mailbox_limit\\)=.*|\\1="51200000"|' "$1"
"""


def _postconf(host):
    host.run("postconf", "-e", "maximal_queue_lifetime=3d", "smtpd_client_connection_count_limit=7")
    host.run("postconf", "-P", "smtp/inet/smtpd_client_message_rate_limit=70")


def _new_times(host):
    host.run(
        "touch", "/etc/postfix/main.cf", "/etc/postfix/master.cf", "/etc/postfix/transport", "/etc/postfix/transport.db"
    )


def _dpkg_reconfigure(host):
    editor = host.root / "usr/local/bin/answers"
    editor.write_text(ANSWERS, encoding="ascii")
    editor.chmod(0o755)
    host.run(
        "env",
        "EDITOR=/usr/local/bin/answers",
        "DEBIAN_PRIORITY=low",
        "dpkg-reconfigure",
        "--frontend=editor",
        "postfix",
    )


def _postmap(host):
    host.run(
        "sh", "-c", "echo 'third laptop-3' >> /etc/postfix/relay_clientcerts && postmap /etc/postfix/relay_clientcerts"
    )


def _restart(host):
    host.run("service", "postfix", "restart")


EDITS = {
    "postconf": [_postconf],
    "touch": [_new_times],
    "dpkg-reconfigure": [_dpkg_reconfigure],
    "postmap": [_postmap],
    "restart": [_restart],
    "all": [_postconf, _new_times, _dpkg_reconfigure, _postmap, _restart],
}


def _by_program(fleet):
    fleet.each(lambda host: host.run("mailops-postfix", "undo"))


def _at_deadline(fleet):
    for host in fleet:
        host.edit_records(until=0.0)


def _at_boot(fleet):
    fleet.restart(at_once=True)


WAYS = {"program": _by_program, "deadline": _at_deadline, "boot": _at_boot}


def pytest_generate_tests(metafunc):
    """All edits at once; with FULL=1 each of them, undone in each way."""
    if "way" in metafunc.fixturenames:
        full = os.environ.get("FULL")
        pairs = [(edit, way) for edit in EDITS for way in WAYS] if full else [("all", "deadline")]
        metafunc.parametrize(("edit", "way"), pairs)
    if "lost" in metafunc.fixturenames:
        metafunc.parametrize("lost", [True, False] if os.environ.get("FULL") else [True], ids=str)


@pytest.fixture
def old(edits):
    """What the hosts show before the change; the files are restored after the test."""
    enrolled = "cd /etc/postfix && echo 'first laptop-1' > relay_clientcerts && postmap relay_clientcerts"
    named = "postconf -e relay_clientcerts=hash:/etc/postfix/relay_clientcerts && postfix reload"
    kept = "rm -rf /root/kept && cp -a /etc/postfix /root/kept"
    edits.each(lambda host: host.run("sh", "-c", f"{enrolled} && {named} && {kept}"))

    def restore():
        edits.each(
            lambda host: host.run(
                "sh", "-c", "rm -rf /etc/postfix/* && cp -a /root/kept/. /etc/postfix/ && service postfix restart"
            )
        )

    yield restore
    restore()


def opened(fleet, serial=7):
    """Open a transaction on all hosts."""
    options = part(serial)
    tables = [*options["lookup_tables"], {**CLIENTS, "entries": {"second": "laptop-2"}}]
    fleet.open({**options, "lookup_tables": tables})
    assert [len(host.records()) for host in fleet] == [1, 1, 1]


def _changed(now, before):
    return {key for key in {*now, *before} if now.get(key) != before.get(key)}


def test_the_edits_and_the_old_values_are_there(edits, old, edit, way):
    for do in EDITS[edit]:
        edits.each(do)
    edits.each(lambda host: host.run("sh", "-c", "postfix reload"))
    wanted = edits.in_service()
    assert {name: {**seen, **shown(0)} for name, seen in wanted.items()} == wanted
    old()
    opened(edits)
    for do in EDITS[edit]:
        edits.each(do)
    WAYS[way](edits)
    edits.each(lambda host: host.undone_by_itself())
    now = edits.in_service()
    # postconf(1) and dpkg-reconfigure(8) change the order of its lines, which are compared apart from it.
    for seen in (*now.values(), *wanted.values()):
        del seen["/etc/postfix/main.cf"]
    assert differences(now, wanted) == {}


def test_an_edit_of_the_same_parameter_stays(edits, old):
    before = edits.in_service()
    opened(edits)
    edits.each(lambda host: host.run("postconf", "-e", "message_size_limit=30000099"))
    seen = edits.each(lambda host: host.run("mailops-postfix", "undo"))
    for name, text in seen.items():
        assert "/etc/postfix/main.cf (message_size_limit)" in text, name
    for name, now in edits.in_service().items():
        assert (now["main.cf"], now["port 25"]) == ("30000099", "30000099"), name
        assert _changed(now, before[name]) == {"main.cf", "port 25", "parameters", "lines", "/etc/postfix/main.cf"}, (
            name
        )


def test_a_laptop_is_enrolled(edits, old):
    before = edits.in_service()
    opened(edits)
    other = {"path": "other_clients", "type": "hash", "entries": {"fourth": "laptop-4"}}
    edits.start({"change": other}, "table.yml").succeeded()
    assert [len(host.records()) for host in edits] == [1, 1, 1], (
        "it must not wait for the end of a transaction that is apart"
    )
    # This one is about a table of the transaction, and waits.
    enrolment = edits.start({"change": {**CLIENTS, "entries": {"third": "laptop-3"}}}, "table.yml")
    _by_program(edits)
    enrolment.succeeded()
    for name, now in edits.in_service().items():
        table = "/etc/postfix/relay_clientcerts"
        assert _changed(now, before[name]) == {
            table,
            f"{table}.db",
            "/etc/postfix/other_clients",
            "/etc/postfix/other_clients.db",
        }, name
        assert now[f"{table}.db"][0] == "first\tlaptop-1\nthird\tlaptop-3\n", name


def test_certbot_renews_a_certificate(edits, old):
    before = edits.in_service()
    opened(edits)
    hooks = {}
    for host in edits:
        host.renew(edits.issue(host, edits.scratch / f"renewed-{host.name}"))
        lineage = f"RENEWED_LINEAGE=/etc/letsencrypt/live/{host.fqdn}"
        hooks[host] = host.start("env", lineage, "/etc/letsencrypt/renewal-hooks/deploy/mailops-postfix")
    _by_program(edits)
    for host, hook in hooks.items():
        output, errors = hook.communicate(timeout=180)
        assert hook.returncode == 0, f"{host.name}: {output} {errors}"
    for name, now in edits.in_service().items():
        assert _changed(now, before[name]) == {"certificate", f"/etc/postfix/tls/{name}.example.test.pem"}, name


ADDRESS = "203.0.113.77"


def test_others_restart_postfix(edits, old, lost):
    """The run has not brought the change into service, but others have: they restart Postfix, which terminates if the address is lost."""
    before = edits.in_service()
    edits.each(lambda host: host.run("ip", "address", "replace", f"{ADDRESS}/32", "dev", "lo"))
    edits.open({"main_cf": {"inet_interfaces": ADDRESS}})
    if lost:
        edits.each(lambda host: host.run("ip", "address", "del", f"{ADDRESS}/32", "dev", "lo"))
    edits.each(lambda host: host.run("service", "postfix", "restart", check=False))
    _at_deadline(edits)
    edits.each(lambda host: host.undone_by_itself())
    for host in edits:
        if lost and not host.has_systemd:  # nothing tells there that Postfix has not been stopped on purpose
            host.run("service", "postfix", "start")
    assert differences(edits.in_service(), before) == {}
    edits.each(lambda host: host.run("ip", "address", "del", f"{ADDRESS}/32", "dev", "lo", check=False))
