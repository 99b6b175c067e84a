# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of ACME clients."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._x509 import acme_layout


@pytest.mark.parametrize(
    ("provider", "given", "existing", "key", "certificate"),
    [
        ("certbot", {}, [], "/etc/letsencrypt/live/a.b/privkey.pem", "/etc/letsencrypt/live/a.b/fullchain.pem"),
        ("certbot", {"directory": "/le"}, [], "/le/live/a.b/privkey.pem", "/le/live/a.b/fullchain.pem"),
        ("lego", {}, [], "/root/.lego/certificates/a.b.key", "/root/.lego/certificates/a.b.crt"),
        (
            "lego",
            {},
            ["/etc/lego/certificates/a.b.crt"],
            "/etc/lego/certificates/a.b.key",
            "/etc/lego/certificates/a.b.crt",
        ),
        (
            "dehydrated",
            {},
            ["/etc/dehydrated/certs/a.b/fullchain.pem"],
            "/etc/dehydrated/certs/a.b/privkey.pem",
            "/etc/dehydrated/certs/a.b/fullchain.pem",
        ),
        ("acme_sh", {}, [], "/root/.acme.sh/a.b_ecc/a.b.key", "/root/.acme.sh/a.b_ecc/fullchain.cer"),
        (
            "acme_sh",
            {},
            ["/root/.acme.sh/a.b/fullchain.cer"],
            "/root/.acme.sh/a.b/a.b.key",
            "/root/.acme.sh/a.b/fullchain.cer",
        ),
        (
            "acme_sh",
            {"key_type": "rsa"},
            ["/root/.acme.sh/a.b_ecc/fullchain.cer"],
            "/root/.acme.sh/a.b/a.b.key",
            "/root/.acme.sh/a.b/fullchain.cer",
        ),
        (
            "acme_sh",
            {"key_type": "ecdsa", "directory": "/acme"},
            ["/acme/a.b/fullchain.cer"],
            "/acme/a.b_ecc/a.b.key",
            "/acme/a.b_ecc/fullchain.cer",
        ),
    ],
)
def test_locate_files(provider, given, existing, key, certificate):
    wanted = {"directory": None, "key_type": None, **given}
    found = acme_layout.locate_files(provider, "a.b", exists=existing.__contains__, **wanted)
    assert (found.private_key, found.certificate) == (key, certificate)
    assert found.remedy.startswith("Obtain it first (")
