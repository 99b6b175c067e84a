# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The path of the chain file, and the parameters that refer to it. The tests of the plans for certificates check its content."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import DeclarationError
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan import chain_file
from ansible_collections.mailops.postfix.plugins.module_utils._plan.certificate_options import CertificateOptions


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({}, None),
        ({"sni": True}, "tls/hub.pem"),
        ({"chain_file": "tls/own.pem"}, "tls/own.pem"),
        ({"chain_file": "tls/own.pem", "sni": True}, "tls/own.pem"),
    ],
)
def test_path(directory, given, path):
    found = chain_file.chain_file(Instance(str(directory)), CertificateOptions(name="hub", **given))
    assert found == (None if path is None else str(directory / path))


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"side": "server"}, {"smtpd_tls_chain_files"}),
        ({"side": "client"}, {"smtp_tls_chain_files"}),
        ({"side": "both"}, {"smtpd_tls_chain_files", "smtp_tls_chain_files"}),
        ({"side": "server", "sni": True}, set()),
        ({"side": "both", "sni": True}, {"smtp_tls_chain_files"}),
    ],
)
def test_parameters(given, names):
    parameters = chain_file.parameters(CertificateOptions(name="hub", **given), ["/key.pem", "/chain.pem"])
    assert {name for name, value in parameters.items() if value is not None} == names
    assert {parameters[name] for name in names} <= {"/key.pem, /chain.pem"}
    assert all(name.replace("chain_files", "key_file") in parameters for name in names)


def test_a_path_with_white_space():
    with pytest.raises(DeclarationError, match="white space"):
        chain_file.parameters(CertificateOptions(name="hub", side="server"), ["/my key.pem"])


def test_options_of_other_providers():
    with pytest.raises(DeclarationError, match="private_key is not an option of provider certbot"):
        chain_file.refuse_file_options(CertificateOptions(name="hub", private_key="/key.pem"))
