# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a certificate comes from, and for which names Postfix serves it. Server names: also test_deploy."""

from __future__ import annotations

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan import certificate_standalone

FILES = {"name": "mx1", "provider": "files", "certificate": "in/c.pem", "private_key": "in/k.pem"}


@pytest.mark.parametrize(
    ("given", "served"),
    [
        ({}, "in/c.pem"),
        ({"chain_file": "tls/own.pem"}, "tls/own.pem"),
        ({"sni": True}, "tls/mx1.pem"),
        ({"provider": "self_signed"}, "tls/mx1.pem"),
    ],
)
def test_the_file_that_is_served(directory, given, served):
    assert certificate_standalone.served_file(Instance(str(directory)), {**FILES, **given}) == str(directory / served)


def test_source(directory):
    source = certificate_standalone.source(Instance(str(directory)), FILES)
    assert source.certificate == str(directory / "in/c.pem")


def test_server_names(directory):
    (directory / "tls").mkdir()
    own = directory / "tls/mx1.pem"
    (directory / "tls/sni").write_text(f"a.test {own}, /other.pem\n.b.test {own}\nc.test /other.pem\n")
    names = certificate_standalone.server_names(Instance(str(directory)), {**FILES, "sni": True})
    assert names == {"a.test": [str(own), "/other.pem"]}
