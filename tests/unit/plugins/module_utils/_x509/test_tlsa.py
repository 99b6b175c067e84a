# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._x509 import pem, tlsa

A, B = ":".join(["AA"] * 32), ":".join(["BB"] * 32)


def result(current=A, names=("mx.example.org", "*.example.org"), following=None):
    found = {"certificate": {"names": list(names), "public_key_fingerprint": {"sha256": current}}}
    return found if following is None else {**found, "next": {"public_key_fingerprint": {"sha256": following}}}


def record(key, digest, name="_25._tcp.mx.example.org."):
    return {"name": name, "record": f"3 1 1 {digest * 32}", "key": key}


@pytest.mark.parametrize(
    ("certificate", "options", "expected"),
    [
        (result(), {}, [record("current", "aa")]),
        (result(following=B), {}, [record("current", "aa"), record("next", "bb")]),
        # A next key that is the current one, and a next key that is not prepared
        (result(following=A), {}, [record("current", "aa")]),
        ({**result(), "next": None}, {}, [record("current", "aa")]),
        (result(), {"hostnames": ["MX.example.com."]}, [record("current", "aa", "_25._tcp.mx.example.com.")]),
        (result(), {"port": 587}, [record("current", "aa", "_587._tcp.mx.example.org.")]),
        (
            result(names=["a.example.org", "b.example.org"], following=B),
            {},
            [record(*key, f"_25._tcp.{n}.example.org.") for n in "ab" for key in (("current", "aa"), ("next", "bb"))],
        ),
    ],
)
def test_records(certificate, options, expected):
    assert tlsa.records(certificate, **options) == expected


@pytest.mark.parametrize(
    ("certificate", "message"),
    [
        ({}, "it has no certificate: give the result of the module mailops.postfix.certificate"),
        (result(names=["*.example.org"]), "there is no name to publish a record for: set hostnames"),
        (result(current=None), "the certificate has no public_key_fingerprint.sha256; in check mode"),
        (result(current=A[:-3]), "the certificate has no public_key_fingerprint.sha256"),
        ({**result(), "next": {"public_key_fingerprint": {}}}, "the next key has no public_key_fingerprint.sha256"),
    ],
)
def test_results_without_records(certificate, message):
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        tlsa.records(certificate)


@pytest.mark.parametrize("algorithm", [["RSA"], ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]])
def test_records_equal_those_of_postfix(tmp_path, algorithm):
    """``postfix tls output-server-tlsa`` is the oracle. It is a script that does not need a running Postfix."""
    key = tmp_path / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", *algorithm, "-out", str(key)], check=True, capture_output=True)
    der = subprocess.run(
        ["openssl", "pkey", "-in", str(key), "-pubout", "-outform", "DER"], check=True, capture_output=True
    ).stdout
    (tmp_path / "main.cf").write_text("compatibility_level = 3.6\nmaillog_file = /dev/stdout\n")
    (tmp_path / "master.cf").write_text("postlog unix-dgram n - n - 1 postlogd\n")
    command = ["postfix", "-c", str(tmp_path), "tls", "output-server-tlsa", "-h", "mx.example.org", str(key)]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    [tlsa_record] = tlsa.records(result(pem.fingerprint(der)))
    assert f"{tlsa_record['name']} IN TLSA {tlsa_record['record']}" in printed
