# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store of renewal specifications."""

from __future__ import annotations

import json

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._errors import HostError
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Renewal, RenewalKind
from ansible_collections.mailops.postfix.plugins.module_utils._program import renewals
from ansible_collections.mailops.postfix.plugins.module_utils._transaction.journal import FORMAT

OPTIONS = {
    "name": "mx1",
    "chain_file": "tls/mx1.pem",
    "backup": True,
    "lock_timeout": 5,
    "deploy_hook": True,
    "_program": {},
}
RENEWAL = Renewal(RenewalKind.CERTIFICATE, "tls/mx1.pem", OPTIONS, copied=True)


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_a_stored_specification_can_be_read(directory, tmp_path):
    change = renewals.stored(Instance(str(directory)), RENEWAL)
    assert change.path == renewals.spec_path(Instance(str(directory)), RENEWAL)
    assert change.path.endswith(f"/certificates/{str(directory).strip('/').replace('/', '-')}--tls-mx1.pem.json")
    spec = renewals.read_spec(write(tmp_path / "spec.json", change.after.decode()))
    assert spec == renewals.RenewalSpec(str(directory), {"name": "mx1", "chain_file": "tls/mx1.pem"})
    assert change.attributes.mode == 0o600


def test_a_specification_without_a_format_has_the_first_format(tmp_path):
    path = write(tmp_path / "spec.json", {"config_directory": "/etc/postfix", "options": {"name": "mx1"}})
    assert renewals.read_spec(path).name == "mx1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "spec.json: "),
        ([], "spec.json: "),
        ({"options": {}}, "config_directory"),
        ({"config_directory": "/", "options": {}, "format": FORMAT + 1}, "a newer version of mailops.postfix wrote it"),
    ],
)
def test_unreadable_specifications(tmp_path, content, message):
    with pytest.raises(HostError, match=message):
        renewals.read_spec(write(tmp_path / "spec.json", content))


def test_spec_files(directory):
    assert renewals.spec_files("certificates") == []
