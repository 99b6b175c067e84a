# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter public_key_fingerprint."""

from __future__ import annotations

DOCUMENTATION = r"""
name: public_key_fingerprint
short_description: Fingerprint of a public key in Postfix's notation
version_added: 0.1.0
author: mailops.postfix contributors (!UNKNOWN)
description:
  - Computes the fingerprint of the public key of a certificate as Postfix compares it, for
    C(smtp_tls_fingerprint_cert_match), policy tables and C(relay_clientcerts).
  - The fingerprint does not change when the certificate is renewed with the same key.
requirements:
  - Python package C(cryptography) on the controller
options:
  _input:
    description:
      - A certificate, or a public key (C(BEGIN PUBLIC KEY)), in PEM form.
      - If the text contains several certificates, such as a chain, the first one is used.
      - A private key is refused, although its public key could be derived, because private keys do not belong in templates.
    type: str
    required: true
  digest:
    description:
      - The digest. It must be the value of C(smtp_tls_fingerprint_digest) or C(smtpd_tls_fingerprint_digest).
      - V(md5) and V(sha1) are for old configurations only.
    type: str
    choices: [md5, sha1, sha256, sha512]
    default: sha256
seealso:
  - plugin: mailops.postfix.certificate_fingerprint
    plugin_type: filter
  - module: mailops.postfix.certificate
"""

EXAMPLES = r"""
- name: Let a laptop relay by its public key
  mailops.postfix.lookup_table:
    path: /etc/postfix/relay_clientcerts
    entries: >-
      {{ {lookup('ansible.builtin.file', 'laptop.pem') | mailops.postfix.public_key_fingerprint: 'laptop'} }}
"""

RETURN = r"""
_value:
  description: The fingerprint.
  type: str
  sample: E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils._formats.lines import to_bytes
from ..module_utils._x509 import pem

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
except ImportError as error:
    CRYPTOGRAPHY_ERROR: ImportError | None = error
else:
    CRYPTOGRAPHY_ERROR = None


def public_key_fingerprint(text: Any, digest: Any = "sha256") -> str:
    """The fingerprint of the public key of the first certificate, or of the public key, in a PEM text."""
    name = "mailops.postfix.public_key_fingerprint"
    if CRYPTOGRAPHY_ERROR is not None:
        raise AnsibleFilterError(
            f"{name}: the Python package cryptography is required on the controller"
        ) from CRYPTOGRAPHY_ERROR
    if not isinstance(text, str):
        raise AnsibleFilterError(
            f"{name}: the input is of type {type(text).__name__}. Give the PEM text of a certificate or public key"
        )
    if digest not in pem.DIGESTS:
        raise AnsibleFilterError(f"{name}: {digest!r} is not a valid digest. Use one of {', '.join(pem.DIGESTS)}")
    try:
        return pem.fingerprint(_public_key(to_bytes(text)), digest)
    except pem.PemError as error:
        raise AnsibleFilterError(f"{name}: {error}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise AnsibleFilterError(
            f"{name}: the certificate or public key is damaged, or its key type is not supported: {error}"
        ) from error


def _public_key(text: bytes) -> bytes:
    blocks = pem.blocks(text)
    if not any(block.is_certificate for block in blocks):
        der = pem.public_key(text)
        if der is not None:
            load_der_public_key(der)
            return der
    certificate = x509.load_der_x509_certificate(pem.certificates_of(blocks)[0])
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class FilterModule:
    """The Jinja2 filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"public_key_fingerprint": public_key_fingerprint}
