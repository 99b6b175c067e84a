# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pins as users have them, in PEM form or as fingerprints, to what a TLS policy matches. Private to mailops.postfix."""

from __future__ import annotations

from typing import Sequence

from .._errors import DeclarationError
from .._formats import tls_policy
from .._formats.fingerprints import fingerprint_mistake
from .._formats.lines import to_bytes
from .._host import openssl
from .._host.instance import Instance
from .._x509 import pem as pem_x509
from .policy_options import PinOptions


def pinned_fingerprints(instance: Instance, pins: Sequence[PinOptions], digest: str, nexthop: str) -> list[str]:
    """The fingerprints of pins, in Postfix's notation.

    :param digest: smtp_tls_fingerprint_digest.
    :param nexthop: whose pins they are, for messages.
    :raises DeclarationError: if it is neither a certificate nor a public key.
    """
    result = []
    for pin in pins:
        if pin.fingerprint:
            mistaken = fingerprint_mistake(pin.fingerprint, digest)
            if mistaken:
                raise DeclarationError("pinning", nexthop, *mistaken)
            result.append(tls_policy.normalized_fingerprint(pin.fingerprint))
        else:
            result.append(_of_pem(instance, pin.pem or "", pin.of, digest, nexthop))
    return list(dict.fromkeys(result))


def _of_pem(instance: Instance, pem: str, of: str, digest: str, nexthop: str) -> str:
    where, found = _blocks(instance, pem, nexthop)
    try:
        if any(block.is_private_key for block in found):
            cause, remedy = "it holds a private key", "Give the certificate, or the public key"
            raise pem_x509.PemError(cause, f"{remedy}: a pin needs no more, and no private key should travel")
        key = next((block for block in found if block.label == "PUBLIC KEY"), None)
        if key is None or any(block.is_certificate for block in found):
            leaf = pem_x509.certificates_of(found)[0]
            return pem_x509.fingerprint(
                leaf if of == "certificate" else openssl.examine(instance, leaf, where).public_key, digest
            )
        if of == "certificate":
            raise pem_x509.PemError("it holds a public key, not a certificate", "Leave out of: certificate")
        return pem_x509.fingerprint(key.der, digest)
    except pem_x509.PemError as error:
        raise DeclarationError("pinning", nexthop, f"{where}: {error.cause}", error.remedy) from None


def _blocks(instance: Instance, pem: str, nexthop: str) -> tuple[str, list[pem_x509.Block]]:
    """Where it comes from, and what is in it; a private key's content stays where it is."""
    if "-----BEGIN " in pem:
        return "the text in pem", pem_x509.blocks(to_bytes(pem))
    path = instance.path(pem)
    outline = openssl.outline(instance, path)
    if outline is None:
        raise DeclarationError(
            "pinning", nexthop, f"there is no file {path} on this host", "Name a PEM file, or give its text"
        )
    if any(block.is_private_key for block in outline) or not any(block.label == "PUBLIC KEY" for block in outline):
        return path, outline
    return path, pem_x509.blocks(instance.read(path) or b"")
