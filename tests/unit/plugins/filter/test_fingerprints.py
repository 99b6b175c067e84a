# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters certificate_fingerprint and public_key_fingerprint agree with module_utils and with openssl."""

from __future__ import annotations

import subprocess

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mailops.postfix.plugins.filter import certificate_fingerprint as certificate_module
from ansible_collections.mailops.postfix.plugins.filter import public_key_fingerprint as public_key_module
from ansible_collections.mailops.postfix.plugins.filter.certificate_fingerprint import (
    FilterModule as CertificateFingerprint,
)
from ansible_collections.mailops.postfix.plugins.filter.public_key_fingerprint import (
    FilterModule as PublicKeyFingerprint,
)
from ansible_collections.mailops.postfix.plugins.module_utils._x509 import certificate as certificate_x509
from ansible_collections.mailops.postfix.plugins.module_utils._x509 import pem

certificate_fingerprint = CertificateFingerprint().filters()["certificate_fingerprint"]
public_key_fingerprint = PublicKeyFingerprint().filters()["public_key_fingerprint"]

KEYS = {
    "rsa": ("-newkey", "rsa:2048"),
    "ecdsa": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "ed25519": ("-newkey", "ed25519"),
}


def openssl(*argv: str, stdin: str = "") -> str:
    return subprocess.run(["openssl", *argv], input=stdin, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """For each type of key: certificate, public key and private key as PEM."""
    directory = tmp_path_factory.mktemp("keys")
    result = {}
    for kind, arguments in KEYS.items():
        key = str(directory / kind)
        certificate = openssl("req", "-x509", "-nodes", *arguments, "-keyout", key, "-subj", f"/CN={kind}.example.org")
        result[kind] = (certificate, openssl("pkey", "-in", key, "-pubout"), (directory / kind).read_text())
    return result


@pytest.mark.parametrize("digest", pem.DIGESTS)
@pytest.mark.parametrize("kind", KEYS)
def test_certificate_equals_openssl(keys, kind, digest):
    certificate = keys[kind][0]
    expected = openssl("x509", "-noout", "-fingerprint", f"-{digest}", stdin=certificate).strip().partition("=")[2]
    assert certificate_fingerprint(certificate, digest) == expected
    assert pem.fingerprints_by_digest(pem.certificates(certificate.encode())[0])[digest] == expected


@pytest.mark.parametrize("digest", pem.DIGESTS)
@pytest.mark.parametrize("kind", KEYS)
def test_public_key_equals_openssl(keys, kind, digest, tmp_path):
    certificate, key, _private = keys[kind]
    (tmp_path / "key.pem").write_text(key)
    openssl("pkey", "-pubin", "-in", str(tmp_path / "key.pem"), "-outform", "DER", "-out", str(tmp_path / "key.der"))
    expected = openssl("dgst", "-c", f"-{digest}", str(tmp_path / "key.der")).strip().rpartition("= ")[2].upper()
    assert public_key_fingerprint(certificate, digest) == expected
    assert public_key_fingerprint(key, digest) == expected
    output = openssl("x509", *certificate_x509.X509_ARGUMENTS, stdin=certificate).encode()
    facts = certificate_x509.certificate_facts(
        certificate_x509.read_certificate(pem.certificates(certificate.encode())[0], output)
    )
    assert facts["public_key_fingerprint"][digest] == expected
    assert facts["key_type"] == kind


@pytest.mark.parametrize("function", [certificate_fingerprint, public_key_fingerprint])
def test_default_and_first_certificate(keys, function):
    first, _public, private = keys["rsa"]
    second = keys["ecdsa"][0]
    assert function(first) == function(first, "sha256") == function(first, digest="sha256")
    assert function(first + second) == function(first) != function(second)
    assert function(private + second + first) == function(second)
    assert function("a comment\n" + first.replace("\n", "\r\n")) == function(first)


DAMAGED = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("function", "text", "digest", "message"),
    [
        (certificate_fingerprint, "", "sha256", "mailops.postfix.certificate_fingerprint: it holds no certificate"),
        (certificate_fingerprint, "/etc/ssl/cert.pem", "sha256", "there is no PEM block in it"),
        (certificate_fingerprint, None, "sha256", "the input is of type NoneType. Give the PEM text of a certificate"),
        (certificate_fingerprint, b"x", "sha256", "the input is of type bytes"),
        (
            certificate_fingerprint,
            "private",
            "sha256",
            "it holds no certificate but PRIVATE KEY. Give the certificate's file",
        ),
        (certificate_fingerprint, "public", "sha256", "it holds no certificate but PUBLIC KEY"),
        (
            certificate_fingerprint,
            "certificate",
            "sha-1",
            "'sha-1' is not a valid digest. Use one of md5, sha1, sha256, sha512",
        ),
        (certificate_fingerprint, "certificate", None, "None is not a valid digest"),
        (certificate_fingerprint, DAMAGED, "sha256", "the certificate is damaged"),
        (certificate_fingerprint, DAMAGED[:40], "sha256", "the file is truncated"),
        (public_key_fingerprint, "", "sha256", "mailops.postfix.public_key_fingerprint: it holds no certificate"),
        (
            public_key_fingerprint,
            5,
            "sha256",
            "the input is of type int. Give the PEM text of a certificate or public key",
        ),
        (public_key_fingerprint, "private", "sha256", "it holds no certificate but PRIVATE KEY"),
        (public_key_fingerprint, "certificate", "sha3", "'sha3' is not a valid digest"),
        (public_key_fingerprint, DAMAGED, "sha256", "is damaged"),
        (public_key_fingerprint, DAMAGED.replace("CERTIFICATE", "PUBLIC KEY"), "sha256", "is damaged"),
    ],
)
def test_errors(keys, function, text, digest, message):
    certificate, public, private = keys["rsa"]
    text = (
        {"private": private, "public": public, "certificate": certificate}.get(text, text)
        if isinstance(text, str)
        else text
    )
    with pytest.raises(AnsibleFilterError) as caught:
        function(text, digest)
    assert message in str(caught.value)
    assert private.split("\n")[1] not in str(caught.value)


@pytest.mark.parametrize(
    ("module", "function"), [(certificate_module, certificate_fingerprint), (public_key_module, public_key_fingerprint)]
)
def test_without_cryptography(keys, monkeypatch, module, function):
    monkeypatch.setattr(module, "CRYPTOGRAPHY_ERROR", ImportError("No module named 'cryptography'"))
    with pytest.raises(AnsibleFilterError, match="the Python package cryptography is required on the controller"):
        function(keys["rsa"][0])
