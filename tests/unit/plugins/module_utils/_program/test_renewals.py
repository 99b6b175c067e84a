# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store of renewal specifications."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest
from ansible_collections.mailops.postfix.plugins.module_utils._host.instance import Instance
from ansible_collections.mailops.postfix.plugins.module_utils._plan.plan import Renewal, RenewalKind
from ansible_collections.mailops.postfix.plugins.module_utils._program import renewals, specifications

OPTIONS = {
    "name": "mx1",
    "chain_file": "tls/mx1.pem",
    "backup": True,
    "lock_timeout": 5,
    "deploy_hook": True,
    "_program": {},
}
RENEWAL = Renewal(RenewalKind.CERTIFICATE, "tls/mx1.pem", OPTIONS, copied=True)


def test_a_stored_specification_can_be_read(directory, tmp_path):
    change = renewals.stored(Instance(str(directory)), RENEWAL, renewals.Declarer("role smarthost"))
    assert change.path == renewals.spec_path(Instance(str(directory)), RENEWAL)
    assert change.path.endswith(f"/certificates/{str(directory).strip('/').replace('/', '-')}--tls-mx1.pem.json")
    path = tmp_path / "certificates/spec.json"
    path.parent.mkdir()
    path.write_bytes(change.after)
    options = {"name": "mx1", "chain_file": "tls/mx1.pem"}
    assert specifications.read_spec(str(path)) == specifications.RenewalSpec(
        str(directory), options, RenewalKind.CERTIFICATE, str(path), "role smarthost"
    )
    assert change.attributes.mode == 0o600


def test_declarers():
    options = {"owner": None, "transaction": None}
    assert renewals.declarer("configuration", options) == renewals.Declarer("module configuration")
    assert renewals.declarer("certificate", {}) == renewals.Declarer("module certificate")
    by = renewals.declarer("configuration", {"owner": "smarthost", "transaction": "1"})
    assert by == renewals.Declarer("role smarthost", joins=True) and by.is_role


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["role smarthost", "module certificate"], "module certificate"),
        (["module certificate", "role smarthost"], "module certificate"),
        (["role smarthost", "module configuration"], "module configuration"),
        (["module configuration", "role smarthost"], "module configuration"),
        (["module configuration", "module certificate"], "module certificate"),
        (["role smarthost", "role mta_relay"], "role mta_relay"),
        (["damaged", "role mta_relay"], "role mta_relay"),
    ],
)
@pytest.mark.parametrize("same_options", [True, False])
def test_several_declarers_of_a_renewal(directory, names, expected, same_options):
    instance, renewal = Instance(str(directory)), RENEWAL
    path = renewals.spec_path(instance, renewal)
    os.makedirs(os.path.dirname(path))
    for name in names:
        text = renewals.stored(instance, renewal, renewals.Declarer(name)).after
        with open(path, "wb") as file:
            file.write(b"{" if name == "damaged" else text)
        if not same_options:
            renewal = replace(renewal, options={**renewal.options, "name": "mx2"})
    assert json.loads(text)["declared_by"] == (expected if same_options else names[-1])
