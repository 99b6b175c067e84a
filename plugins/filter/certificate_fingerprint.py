# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter certificate_fingerprint."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_fingerprint
short_description: Fingerprint of a certificate in Postfix's notation
version_added: 0.1.0
author: mailops.postfix contributors (!UNKNOWN)
description:
  - Computes the fingerprint of a certificate as Postfix compares it, for C(smtp_tls_fingerprint_cert_match), policy
    tables and C(relay_clientcerts).
  - The fingerprint changes whenever the certificate is renewed. The fingerprint that
    P(mailops.postfix.public_key_fingerprint#filter) returns does not change while the key is the same.
requirements:
  - Python package C(cryptography) on the controller
options:
  _input:
    description:
      - The certificate in PEM form.
      - If the text contains several certificates, such as a chain, the first one is used.
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
  - plugin: mailops.postfix.public_key_fingerprint
    plugin_type: filter
  - module: mailops.postfix.certificate
"""

EXAMPLES = r"""
- name: Pin the smarthost's certificate
  mailops.postfix.main_cf:
    parameters:
      smtp_tls_security_level: fingerprint
      smtp_tls_fingerprint_digest: sha256
      smtp_tls_fingerprint_cert_match:
        - "{{ lookup('ansible.builtin.file', 'hub.pem') | mailops.postfix.certificate_fingerprint }}"
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
except ImportError as error:
    CRYPTOGRAPHY_ERROR: ImportError | None = error
else:
    CRYPTOGRAPHY_ERROR = None


def certificate_fingerprint(text: Any, digest: Any = "sha256") -> str:
    """The fingerprint of the first certificate in a PEM text."""
    name = "mailops.postfix.certificate_fingerprint"
    if CRYPTOGRAPHY_ERROR is not None:
        raise AnsibleFilterError(
            f"{name}: the Python package cryptography is required on the controller"
        ) from CRYPTOGRAPHY_ERROR
    if not isinstance(text, str):
        raise AnsibleFilterError(
            f"{name}: the input is of type {type(text).__name__}. Give the PEM text of a certificate"
        )
    if digest not in pem.DIGESTS:
        raise AnsibleFilterError(f"{name}: {digest!r} is not a valid digest. Use one of {', '.join(pem.DIGESTS)}")
    try:
        der = pem.certificates(to_bytes(text))[0]
        x509.load_der_x509_certificate(der)
        return pem.fingerprint(der, digest)
    except pem.PemError as error:
        raise AnsibleFilterError(f"{name}: {error}") from error
    except ValueError as error:
        raise AnsibleFilterError(f"{name}: the certificate is damaged: {error}") from error


class FilterModule:
    """The Jinja2 filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"certificate_fingerprint": certificate_fingerprint}
