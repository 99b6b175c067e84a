# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pins from PEM and from fingerprints, with the installed openssl(1) as judge."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan.pins import pinned_fingerprints
from ansible_collections.mailops.postfix.plugins.module_utils._plan.policy_options import PinOptions
from ansible_collections.mailops.postfix.plugins.module_utils._x509.pem import to_pem
from ansible_collections.mailops.postfix.tests.unit.plugins.module_utils.authority import LEAF, MIDDLE


def said(*argv, stdin):
    """What openssl prints as a fingerprint, in Postfix's notation."""
    done = subprocess.run(["openssl", *argv], input=stdin, capture_output=True, check=True)
    digits = done.stdout.decode().strip().rpartition("=")[2].strip().replace(":", "").upper()
    return ":".join(digits[index : index + 2] for index in range(0, len(digits), 2))


@pytest.mark.parametrize("digest", ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"])
def test_what_openssl_says_of_a_certificate_and_of_its_key(tables, digest):
    instance = Instance(str(tables.path))
    certificate = said("x509", "-noout", "-fingerprint", f"-{digest}", stdin=LEAF.pem)
    key = said("dgst", f"-{digest}", stdin=LEAF.spki)
    chain = str(tables.write("chain.pem", LEAF.pem + MIDDLE.pem))
    for pin, expected in (
        ({"pem": chain, "of": "certificate"}, certificate),
        ({"pem": chain}, key),
        ({"pem": LEAF.pem.decode(), "of": "public_key"}, key),
        ({"pem": to_pem(LEAF.spki, "PUBLIC KEY").decode()}, key),
        ({"fingerprint": key.lower()}, key),
    ):
        assert pinned_fingerprints(instance, [PinOptions(**pin)], digest, "[hub]") == [expected]
    assert pinned_fingerprints(instance, [PinOptions(pem=chain), PinOptions(fingerprint=key)], digest, "[hub]") == [key]


@pytest.mark.parametrize(
    ("pin", "message"),
    [
        ({"pem": "nowhere.pem"}, r"pinning \[hub\]:587: there is no file /.*/nowhere.pem on this host"),
        ({"pem": "empty.pem"}, "/empty.pem: it holds no certificate"),
        ({"pem": "key.pem"}, "/key.pem: it holds a private key. Give the certificate"),
        ({"pem": LEAF.key_pem.decode()}, "the text in pem: it holds a private key"),
        (
            {"pem": to_pem(LEAF.spki, "PUBLIC KEY").decode(), "of": "certificate"},
            "it holds a public key, not a certificate",
        ),
        ({"pem": LEAF.pem.decode()[:300]}, "the text in pem: PEM block 1 .CERTIFICATE. has no END line"),
        ({"fingerprint": "AA:BB"}, "has 2 bytes, but smtp_tls_fingerprint_digest is sha256"),
    ],
)
def test_pins_that_are_none(tables, pin, message):
    tables.write("empty.pem", "")
    tables.write("key.pem", LEAF.key_pem)
    with pytest.raises(DeclarationError, match=message) as caught:
        pinned_fingerprints(Instance(str(tables.path)), [PinOptions(**pin)], "sha256", "[hub]:587")
    assert LEAF.key_pem.decode().split("\n")[1] not in str(caught.value)
