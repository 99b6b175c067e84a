# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Renewals by the hook while a role changes the configuration of the same hosts: some with certificates that can't be served.

Whatever the order of the two, each of them succeeds or fails by its own fault, and what is good is in service afterwards.
"""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from fleet import LIMIT, declared, shown, until

SECONDS = 8.0
"""The longest time from the start of the first run to its renewal; then it is the time that the last run has taken."""

HOOK = "/etc/letsencrypt/renewal-hooks/deploy/mailops-postfix"

FAULTS = {
    # A certificate that openssl(1) verifies. Clients do not support its key.
    "P-224": "The previous certificate is in service again",
    "expired": "it expired on",
    "wrong key": "this private key does not belong to the first certificate",
}


def spoil(directory, authority, fault):
    """Make a certificate that can't be served of one that can.

    :param directory: the directory with its files.
    :param authority: the directory of the CA that has issued it.
    """
    key = ec.generate_private_key(ec.SECP224R1() if fault == "P-224" else ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / "privkey.pem").write_bytes(pem)
    if fault == "wrong key":
        return
    sound = x509.load_pem_x509_certificate((directory / "cert.pem").read_bytes())
    now = datetime.now(timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(sound.subject)
        .issuer_name(sound.issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=20))
        .not_valid_after(now + timedelta(days=-10 if fault == "expired" else 60))
    )
    for extension in sound.extensions:
        if extension.oid != x509.ExtensionOID.SUBJECT_KEY_IDENTIFIER:
            builder = builder.add_extension(extension.value, extension.critical)
    signer = load_pem_private_key((authority / "intermediate.key").read_bytes(), None)
    leaf = builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM)
    (directory / "cert.pem").write_bytes(leaf)
    (directory / "fullchain.pem").write_bytes(leaf + (directory / "chain.pem").read_bytes())


def fingerprint(directory):
    """The fingerprint of a certificate, as a session with the host shows it."""
    der = x509.load_pem_x509_certificate((directory / "cert.pem").read_bytes()).public_bytes(Encoding.DER)
    return ":".join(f"{byte:02X}" for byte in hashlib.sha256(der).digest())


def deploy(host):
    """Call the hook as certbot does; returns its exit status and its output."""
    process = host.start("env", f"RENEWED_LINEAGE=/etc/letsencrypt/live/{host.fqdn}", "sh", HOOK)
    output, errors = process.communicate("", timeout=2 * LIMIT)
    return process.returncode, output + errors


REPLACED = "was replaced during this run. Run the task again"
"""What a run says if certbot replaces the files between the plan and the installation."""


def test_renewals_during_a_run(pairs, chance, full):
    kinds = ["good", *FAULTS, "good"] * 2 if full else ["P-224", "good"]
    newest = {host.name: pairs.first_certificate(host) for host in pairs}
    serials = {}
    seen, seconds = Counter(), SECONDS
    for number, kind in enumerate(kinds):
        issued = {host.name: pairs.issue(host, pairs.scratch / f"{number}-{host.name}") for host in pairs}
        for host in pairs:
            if kind != "good":
                spoil(issued[host.name], pairs.authority, kind)
            host.renew(newest[host.name])
        run = pairs.start(declared(101 + number))
        begun = time.time()
        time.sleep(chance.uniform(0, seconds))
        hooks = pairs.each(lambda host, issued=issued: (host.renew(issued[host.name]), deploy(host))[1])
        run.result()
        seconds = run.output.stat().st_mtime - begun
        if REPLACED in run.text:
            run = pairs.start(declared(101 + number))
            run.result()
            seen["run again"] += 1
        now = pairs.in_service()
        for host in pairs:
            name, (status, output) = host.name, hooks[host.name]
            case = f"{name}: {kind}: {output}\n{run.text}"
            assert status == (kind != "good"), case
            if kind == "good":
                newest[name] = issued[name]
            else:
                assert FAULTS[kind] in output, case
            # The role fails only if it has read the certificate that can't be served.
            if f"fatal: [{name}]: FAILED!" in run.text:
                assert kind != "good", case
                seen["failed runs"] += 1
            else:
                serials[name] = 101 + number
            wanted = {**(shown(serials[name]) if name in serials else {}), "certificate": fingerprint(newest[name])}
            assert {**now[name], **wanted} == now[name], case
            assert host.pending() == [], case
            seen[kind] += 1
    print(dict(seen))


def test_renewals_that_are_killed_under_load(pairs, chance, full):
    """No message is refused, and the certificate is the old or the new one. The next call deploys the new one."""
    load = "rm -f /run/load.stop; while [ ! -e /run/load.stop ]; do smtp-source -s 2 -m 5 -f load@{0} -t root@{0} {0}:25 || exit 1; sleep 0.3; done"
    loads = {host.name: host.start("sh", "-c", load.format(host.fqdn)) for host in pairs}
    for host in pairs:
        host.renew(pairs.issue(host, pairs.scratch / f"complete-{host.name}"))
    begun = time.monotonic()
    assert all(status == 0 for status, _output in pairs.each(deploy).values())
    seconds = time.monotonic() - begun
    before = pairs.each(lambda host: host.in_service()["certificate"])
    seen = Counter()
    for number in range(30 if full else 3):
        issued = {host.name: pairs.issue(host, pairs.scratch / f"killed-{number}-{host.name}") for host in pairs}
        moments = {host.name: chance.uniform(0, seconds) for host in pairs}

        def kill(host, issued=issued, moments=moments):
            host.renew(issued[host.name])
            argv = ["env", f"RENEWED_LINEAGE=/etc/letsencrypt/live/{host.fqdn}", "sh", HOOK]
            process = host.start(*argv, start_new_session=True)
            time.sleep(moments[host.name])
            was_killed = process.poll() is None
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            # Its deadline passes. The first look makes the record of a complete installation valid.
            host.run("mailops-postfix", "undo", "--expired")
            was_open = bool(host.records())
            host.edit_records(until=0.0)
            host.run("mailops-postfix", "undo", "--expired")
            host.undone_by_itself()
            certificate = host.in_service()["certificate"]
            # On a host that is too busy to answer within the limits of a probe, the timer would call it again.
            until(lambda: deploy(host)[0] == 0, lambda: f"{host.name}: the renewal is not deployed")
            return was_killed, was_open, certificate

        for name, (was_killed, was_open, certificate) in pairs.each(kill).items():
            new = fingerprint(issued[name])
            assert certificate == before[name] if was_open else certificate in (before[name], new), name
            before[name] = new
            seen["killed" if was_killed else "too late"] += 1
            seen["open"] += was_open
        assert pairs.each(lambda host: host.in_service()["certificate"]) == before
    for host in pairs:
        host.run("touch", "/run/load.stop")
        _output, errors = loads[host.name].communicate()
        assert loads[host.name].returncode == 0, errors
    print(dict(seen))
